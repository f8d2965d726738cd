//! Standard input as a terminal of the printer: whole lines as they come, and what was typed that is not done yet.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

use drydock_host::host::Pending;

pub struct Console {
    /// Standard input without a buffer of its own, so that a look at it never waits; None: it is closed.
    input: Option<File>,
    /// Nobody asked for it.
    is_mute: bool,
    partial: Vec<u8>,
    lines: Vec<String>,
    typed: Vec<Pending>,
}

impl Console {
    pub fn new(listens: bool) -> Console {
        let input = std::io::stdin().as_fd().try_clone_to_owned().ok().map(File::from);
        Console {
            input: input.filter(|_| listens),
            is_mute: !listens,
            partial: Vec::new(),
            lines: Vec::new(),
            typed: Vec::new(),
        }
    }

    pub fn listens(&self) -> bool {
        self.input.is_some()
    }

    /// Nothing more will be typed.
    pub fn is_closed(&self) -> bool {
        self.input.is_none() && !self.is_mute
    }

    /// Takes what has been typed; to be called when there is something.
    pub fn read(&mut self) {
        let Some(input) = &mut self.input else { return };
        let mut buffer = [0; 4096];
        match input.read(&mut buffer) {
            Ok(len) if len > 0 => self.partial.extend_from_slice(&buffer[..len]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            _ => {
                self.input = None;
                self.partial.push(b'\n');
            }
        }
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim().to_string();
            if !line.is_empty() {
                self.lines.push(line);
            }
        }
    }

    /// What was typed; before the printer is up, only what is meant for it as it is then.
    pub fn take_lines(&mut self, is_up: bool) -> Vec<String> {
        let now = |line: &mut String| {
            is_up || ["M112", "STATUS", "RESTART", "FIRMWARE_RESTART"].contains(&line.to_uppercase().as_str())
        };
        self.lines.extract_if(.., now).collect()
    }

    pub fn typed(&mut self, line: Pending) {
        self.typed.push(line);
    }

    /// Whether all that was typed is done.
    pub fn is_idle(&mut self) -> bool {
        self.typed.retain(|line| !line.is_done());
        self.typed.is_empty() && self.lines.is_empty()
    }
}
