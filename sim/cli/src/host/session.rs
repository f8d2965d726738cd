//! Our host on real ports; whoever owns it says what time it is.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};

use drydock_host::host::Host;
use drydock_port::{Port, PortError};

/// One host with its micro-controllers' ports, from its start to its end.
pub struct Session {
    pub host: Host,
    pub lines: Vec<Line>,
    buffer: [u8; 4096],
    transmit: Vec<u8>,
}

/// The port of one micro-controller.
pub struct Line {
    pub mcu: String,
    pub port: Port,
    pub bytes_read: u64,
    pub bytes_written: u64,
    unwritten: VecDeque<u8>,
}

impl Line {
    pub fn new(mcu: &str, port: Port) -> Line {
        Line { mcu: mcu.to_string(), port, bytes_read: 0, bytes_written: 0, unwritten: VecDeque::new() }
    }

    fn write(&mut self) -> Result<(), PortError> {
        while !self.unwritten.is_empty() {
            let written = self.port.write(self.unwritten.make_contiguous())?;
            if written == 0 {
                break;
            }
            self.bytes_written += written as u64;
            self.unwritten.drain(..written);
        }
        Ok(())
    }
}

impl Session {
    /// `lines` in the order of the host's micro-controllers.
    pub fn new(host: Host, lines: Vec<Line>) -> Session {
        host.start();
        Session { host, lines, buffer: [0; 4096], transmit: Vec::new() }
    }

    /// It is `now_s`: takes what came, does what is due, and sends.
    pub fn turn(&mut self, now_s: f64) -> Result<(), PortError> {
        for (mcu, line) in self.lines.iter_mut().enumerate() {
            loop {
                let len = line.port.read(&mut self.buffer)?;
                if len == 0 {
                    break;
                }
                line.bytes_read += len as u64;
                self.host.handle_bytes(mcu, now_s, &self.buffer[..len]);
            }
        }
        self.host.run(now_s);
        for (mcu, line) in self.lines.iter_mut().enumerate() {
            self.transmit.clear();
            self.host.poll_transmit(mcu, now_s, &mut self.transmit);
            line.unwritten.extend(&self.transmit);
            line.write()?;
        }
        Ok(())
    }

    /// What to wait for, beside the time.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.lines.iter().map(|line| line.port.as_fd())
    }

    /// When to call [`Session::turn`] next, if no bytes come before.
    pub fn next_wake(&self) -> f64 {
        self.host.next_wake().unwrap_or(f64::INFINITY)
    }
}
