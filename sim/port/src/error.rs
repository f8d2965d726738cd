//! Why a port cannot be used, in one line that says what to do.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortError {
    /// Nothing is there; `others` are serial devices that are.
    NoSuchPort { port: String, others: Vec<String> },
    /// Another program holds it.
    Busy { port: String },
    /// The user may not open it; the group that may.
    Permission { port: String, group: Option<String> },
    /// It is there and no serial device, pseudo-terminal or socket.
    NotAPort { port: String, why: String },
    /// It was open and is gone.
    Unplugged { port: String },
    /// Nothing could be written for so long, s.
    Stuck { port: String, seconds: u64 },
    /// The address is none.
    Address { port: String, why: &'static str },
    /// Anything else the operating system says.
    Other { port: String, why: String },
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortError::NoSuchPort { port, others } if others.is_empty() => {
                write!(f, "{port}: there is no such port, and no serial device at all; is the board plugged in?")
            }
            PortError::NoSuchPort { port, others } => {
                write!(f, "{port}: there is no such port; there are: {}", others.join(", "))
            }
            PortError::Busy { port } => {
                write!(f, "{port}: another program uses this port; stop it first (klipper.service, for example)")
            }
            PortError::Permission { port, group: Some(group) } => write!(
                f,
                "{port}: you may not open this port; it is for the group '{group}': sudo usermod -aG {group} $USER, \
                 then log in again"
            ),
            PortError::Permission { port, group: None } => write!(f, "{port}: you may not open this port"),
            PortError::NotAPort { port, why } => write!(f, "{port}: this is no serial port: {why}"),
            PortError::Unplugged { port } => write!(f, "{port}: the port is gone (unplugged, or its program ended)"),
            PortError::Stuck { port, seconds } => write!(f, "{port}: nothing could be written for {seconds} s"),
            PortError::Address { port, why } => write!(f, "{port}: {why}"),
            PortError::Other { port, why } => write!(f, "{port}: {why}"),
        }
    }
}

impl std::error::Error for PortError {}

impl PortError {
    /// What a failure to open a path means.
    pub(crate) fn opening(port: &str, path: &Path, error: &io::Error) -> Self {
        let port = port.to_string();
        match error.kind() {
            io::ErrorKind::NotFound => PortError::NoSuchPort { port, others: serial_devices() },
            io::ErrorKind::PermissionDenied => PortError::Permission { port, group: group_of(path) },
            io::ErrorKind::ResourceBusy | io::ErrorKind::WouldBlock => PortError::Busy { port },
            io::ErrorKind::ConnectionRefused => PortError::NotAPort { port, why: "nobody listens there".into() },
            io::ErrorKind::IsADirectory => PortError::NotAPort { port, why: "it is a folder".into() },
            _ => PortError::using(&port, error),
        }
    }

    /// What a failure to read or write means.
    pub(crate) fn using(port: &str, error: &io::Error) -> Self {
        let port = port.to_string();
        let gone = [rustix::io::Errno::IO, rustix::io::Errno::NXIO, rustix::io::Errno::NODEV];
        let is_gone = gone.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
        match error.kind() {
            _ if is_gone => PortError::Unplugged { port },
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => PortError::Unplugged { port },
            _ => PortError::Other { port, why: error.to_string() },
        }
    }
}

/// Serial devices, by the names that stay the same after replugging where there are such.
fn serial_devices() -> Vec<String> {
    let names = |folder: &str, is_one: fn(&str) -> bool| -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| is_one(name)).map(|name| format!("{folder}/{name}")).collect();
        names.sort();
        names
    };
    let mut found = names("/dev/serial/by-id", |_| true);
    if found.is_empty() {
        found = names("/dev", |name| ["ttyACM", "ttyUSB", "ttyAMA", "cu.usb"].iter().any(|p| name.starts_with(p)));
    }
    found
}

fn group_of(path: &Path) -> Option<String> {
    let gid = std::fs::metadata(path).ok()?.gid().to_string();
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    let line = groups.lines().find(|line| line.split(':').nth(2) == Some(&gid))?;
    line.split(':').next().filter(|group| *group != "root").map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_says_in_one_line_what_to_do() {
        let port = || "/dev/ttyACM0".to_string();
        let all = [
            PortError::NoSuchPort { port: port(), others: vec![] },
            PortError::NoSuchPort { port: port(), others: vec!["/dev/serial/by-id/usb-a".into()] },
            PortError::Busy { port: port() },
            PortError::Permission { port: port(), group: Some("dialout".into()) },
            PortError::NotAPort { port: port(), why: "it is a folder".into() },
            PortError::Unplugged { port: port() },
            PortError::Stuck { port: port(), seconds: 5 },
        ];
        let text: Vec<String> = all.iter().map(ToString::to_string).collect();
        let expected = "\
/dev/ttyACM0: there is no such port, and no serial device at all; is the board plugged in?
/dev/ttyACM0: there is no such port; there are: /dev/serial/by-id/usb-a
/dev/ttyACM0: another program uses this port; stop it first (klipper.service, for example)
/dev/ttyACM0: you may not open this port; it is for the group 'dialout': sudo usermod -aG dialout $USER, then log in again
/dev/ttyACM0: this is no serial port: it is a folder
/dev/ttyACM0: the port is gone (unplugged, or its program ended)
/dev/ttyACM0: nothing could be written for 5 s";
        assert_eq!(text.join("\n"), expected);
    }
}
