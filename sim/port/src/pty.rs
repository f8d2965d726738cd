//! A pseudo-terminal under a name of its own: the end of a line at which a program stands in for a device.
//!
//! Clients come and go. While none has the terminal open, what is written goes nowhere, and what a client left unread
//! is thrown away, so that the next one begins with an empty line, as it would at a real port.

use std::ffi::CString;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, QueueSelector, SpecialCodeIndex, tcflush, tcgetattr, tcsetattr};

use crate::PortError;

#[derive(Debug)]
pub struct Pty {
    master: File,
    device: CString,
    link: PathBuf,
    has_client: bool,
}

/// What reading found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PtyRead {
    /// So many bytes; 0: a client is there and silent.
    Bytes(usize),
    /// No client has the terminal open.
    NoClient,
}

impl Pty {
    /// Makes a pseudo-terminal and a link to it at `link`. A link that is there is replaced; anything else is not.
    pub fn create(link: &Path) -> Result<Pty, PortError> {
        let name = link.display().to_string();
        let failed = |e: rustix::io::Errno| PortError::using(&name, &e.into());
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).map_err(failed)?;
        grantpt(&master).map_err(failed)?;
        unlockpt(&master).map_err(failed)?;
        let device = ptsname(&master, Vec::new()).map_err(failed)?;
        let mut settings = tcgetattr(&master).map_err(failed)?;
        settings.make_raw();
        settings.special_codes[SpecialCodeIndex::VMIN] = 1;
        settings.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&master, OptionalActions::Now, &settings).map_err(failed)?;
        rustix::io::ioctl_fionbio(&master, true).map_err(failed)?;
        let target = Path::new(std::ffi::OsStr::from_bytes(device.to_bytes()));
        make_link(target, link).map_err(|why| PortError::Other { port: name.clone(), why })?;
        let pty = Pty { master: File::from(master), device, link: link.to_path_buf(), has_client: false };
        // Only a terminal that was open once tells that it is closed.
        pty.empty()?;
        Ok(pty)
    }

    /// The link, for a client to open.
    pub fn path(&self) -> &Path {
        &self.link
    }

    /// Takes what a client has written.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<PtyRead, PortError> {
        match self.master.read(buffer) {
            Ok(len) if len > 0 => {
                self.has_client = true;
                Ok(PtyRead::Bytes(len))
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                self.has_client = true;
                Ok(PtyRead::Bytes(0))
            }
            // A master whose other side is closed cannot be read.
            Ok(_) => self.client_left(),
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => self.client_left(),
            Err(e) => Err(PortError::using(&self.link.display().to_string(), &e)),
        }
    }

    fn client_left(&mut self) -> Result<PtyRead, PortError> {
        if std::mem::take(&mut self.has_client) {
            self.empty()?;
        }
        Ok(PtyRead::NoClient)
    }

    /// Throws away what is on its way to a client.
    fn empty(&self) -> Result<(), PortError> {
        let failed = |e: rustix::io::Errno| PortError::using(&self.link.display().to_string(), &e.into());
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let client = rustix::fs::open(&self.device, flags, Mode::empty()).map_err(failed)?;
        tcflush(&client, QueueSelector::IFlush).map_err(failed)
    }

    /// Writes to the client what it has room for; without one the bytes go nowhere. So many bytes are done with.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, PortError> {
        if !self.has_client {
            return Ok(bytes.len());
        }
        match self.master.write(bytes) {
            Ok(len) => Ok(len),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => Ok(bytes.len()),
            Err(e) => Err(PortError::using(&self.link.display().to_string(), &e)),
        }
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let ours = Path::new(std::ffi::OsStr::from_bytes(self.device.to_bytes()));
        if std::fs::read_link(&self.link).is_ok_and(|target| target == ours) {
            let _ = std::fs::remove_file(&self.link);
        }
    }
}

fn make_link(target: &Path, link: &Path) -> Result<(), String> {
    match std::fs::symlink_metadata(link) {
        Ok(there) if !there.is_symlink() => return Err("this file is there already, and is no link to a port".into()),
        Ok(_) => std::fs::remove_file(link).map_err(|e| format!("cannot be replaced: {e}"))?,
        Err(_) => {}
    }
    std::os::unix::fs::symlink(target, link).map_err(|e| format!("no link can be made here: {e}"))
}
