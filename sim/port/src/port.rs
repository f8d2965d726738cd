//! A port that a person names: `/dev/serial/by-id/...`, a pseudo-terminal, `tcp:HOST:PORT`, `unix:PATH`.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FlockOperation, OFlags};
use rustix::termios::{OptionalActions, QueueSelector, SpecialCodeIndex};

use crate::{PortError, wait, wait_for};

/// A port, open: reading and writing never block unless a time is given.
#[derive(Debug)]
pub struct Port {
    name: String,
    file: File,
}

impl Port {
    /// Opens what `name` names. `baud` counts for serial devices; USB ones ignore it, as do sockets.
    pub fn open(name: &str, baud: u32) -> Result<Port, PortError> {
        let file = match name.split_once(':') {
            Some(("tcp", address)) => File::from(tcp(name, address)?),
            Some(("unix", path)) => {
                let path = Path::new(path);
                let stream = UnixStream::connect(path).map_err(|e| PortError::opening(name, path, &e))?;
                File::from(OwnedFd::from(stream))
            }
            _ => serial(name, baud)?,
        };
        rustix::io::ioctl_fionbio(&file, true).map_err(|e| PortError::using(name, &e.into()))?;
        Ok(Port { name: name.to_string(), file })
    }

    /// As it was named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes what has come; 0 where nothing has.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, PortError> {
        match self.file.read(buffer) {
            Ok(0) if !buffer.is_empty() => Err(PortError::Unplugged { port: self.name.clone() }),
            Ok(len) => Ok(len),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            Err(e) => Err(PortError::using(&self.name, &e)),
        }
    }

    /// As [`Port::read`], and waits for bytes for at most `at_most`.
    pub fn read_within(&mut self, buffer: &mut [u8], at_most: Duration) -> Result<usize, PortError> {
        match self.read(buffer)? {
            0 => {
                wait(&[self.as_fd()], at_most);
                self.read(buffer)
            }
            len => Ok(len),
        }
    }

    /// Writes what there is room for: so many bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, PortError> {
        match self.file.write(bytes) {
            Ok(len) => Ok(len),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            Err(e) => Err(PortError::using(&self.name, &e)),
        }
    }

    /// Writes all, or says that it stays stuck for `at_most`.
    pub fn write_all(&mut self, mut bytes: &[u8], at_most: Duration) -> Result<(), PortError> {
        let end = Instant::now() + at_most;
        while !bytes.is_empty() {
            let written = self.write(bytes)?;
            bytes = &bytes[written..];
            if written == 0 {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(PortError::Stuck { port: self.name.clone(), seconds: at_most.as_secs() });
                }
                wait_for(&mut [PollFd::new(&self.file, PollFlags::OUT)], left);
            }
        }
        Ok(())
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn tcp(name: &str, address: &str) -> Result<OwnedFd, PortError> {
    let has_port = address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !has_port {
        return Err(PortError::Address { port: name.into(), why: "write tcp:HOST:PORT, with a number for the port" });
    }
    let stream = TcpStream::connect(address).map_err(|e| match e.kind() {
        ErrorKind::ConnectionRefused => PortError::NotAPort { port: name.into(), why: "nobody listens there".into() },
        _ => PortError::using(name, &e),
    })?;
    // Small blocks with deadlines: they must not wait to be gathered.
    stream.set_nodelay(true).map_err(|e| PortError::using(name, &e))?;
    Ok(stream.into())
}

/// A raw serial line, 8N1. The lock is the one that other hosts take too (pyserial's `exclusive`).
fn serial(name: &str, baud: u32) -> Result<File, PortError> {
    let path = Path::new(name);
    // Not to wait for a modem's carrier, and not to become the terminal of this process.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
    let file = opened.map_err(|e| PortError::opening(name, path, &e))?;
    let failed = |e: rustix::io::Errno| PortError::using(name, &e.into());
    let Ok(mut settings) = rustix::termios::tcgetattr(&file) else {
        return Err(PortError::NotAPort { port: name.into(), why: "it is no terminal device".into() });
    };
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| PortError::Busy { port: name.into() })?;
    settings.make_raw();
    settings.special_codes[SpecialCodeIndex::VMIN] = 1;
    settings.special_codes[SpecialCodeIndex::VTIME] = 0;
    settings.set_speed(baud).map_err(failed)?;
    rustix::termios::tcsetattr(&file, OptionalActions::Now, &settings).map_err(|e| PortError::Other {
        port: name.into(),
        why: format!("cannot be set to {baud} baud: {}", std::io::Error::from(e)),
    })?;
    // What was said to the program before this one.
    rustix::termios::tcflush(&file, QueueSelector::IFlush).map_err(failed)?;
    Ok(file)
}
