//! The bench behind its pseudo-terminals; whoever owns it says what time it is.
//!
//! A byte that a client writes reaches its micro-controller at the simulated time at which it was read here. Where the
//! simulation falls behind, it still sees every byte at that time, and only its answers come late: no step is made at
//! another time because the computer was slow.

use std::collections::VecDeque;

use drydock_plant::Event;
use drydock_port::{PortError, Pty, PtyRead, Tally};
use drydock_scenario::model::TimedFault;
use drydock_twin::bench::Bench;
use drydock_twin::recorder::Recorder;

/// So much is simulated between two looks at the ports.
const SLICE_NS: u64 = 2_000_000;
/// What a client leaves unread is kept up to this; beyond it is lost, as at a real port.
const UNREAD_MAX: usize = 1 << 16;

pub struct Shell {
    pub bench: Bench,
    /// Samples are taken at the end of each slice.
    pub recorder: Option<Recorder>,
    pub ends: Vec<End>,
    /// How late the oldest event of the last turn was.
    pub late_ns: u64,
    faults: Vec<TimedFault>,
    notes: Vec<Note>,
    events: Vec<Event>,
    beads: Vec<drydock_plant::Bead>,
    buffer: [u8; 4096],
}

/// One micro-controller's end of its line.
pub struct End {
    pub name: String,
    pub pty: Pty,
    pub has_client: bool,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Said while nobody listened, or not read for too long.
    pub bytes_unheard: u64,
    pub tally: Tally,
    unwritten: VecDeque<u8>,
    seen: Seen,
}

/// What has been told of a micro-controller.
#[derive(Default)]
struct Seen {
    restarts: u32,
    is_configured: bool,
    shutdown: Option<&'static str>,
}

/// Something that people want to know.
pub enum Note {
    Client { mcu: usize, here: bool },
    Restarted { mcu: usize },
    Configured { mcu: usize },
    Shutdown { mcu: usize, reason: &'static str },
    Plant(Event),
}

impl End {
    pub fn new(name: &str, pty: Pty, tally: Tally) -> End {
        End {
            name: name.to_string(),
            pty,
            has_client: false,
            bytes_in: 0,
            bytes_out: 0,
            bytes_unheard: 0,
            tally,
            unwritten: VecDeque::new(),
            seen: Seen::default(),
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.tally.from_mcu(bytes);
        if !self.has_client || self.unwritten.len() + bytes.len() > UNREAD_MAX {
            self.bytes_unheard += bytes.len() as u64;
        } else {
            self.unwritten.extend(bytes);
        }
    }

    fn write(&mut self) -> Result<(), PortError> {
        while !self.unwritten.is_empty() {
            let written = self.pty.write(self.unwritten.make_contiguous())?;
            if written == 0 {
                break;
            }
            self.bytes_out += written as u64;
            self.unwritten.drain(..written);
        }
        Ok(())
    }
}

impl Shell {
    pub fn new(bench: Bench, recorder: Option<Recorder>, ends: Vec<End>, faults: Vec<TimedFault>) -> Shell {
        Shell {
            bench,
            recorder,
            ends,
            late_ns: 0,
            faults,
            notes: Vec::new(),
            events: Vec::new(),
            beads: Vec::new(),
            buffer: [0; 4096],
        }
    }

    /// It is `now_ns`: takes what clients wrote, runs a slice, and hands out what was said.
    pub fn turn(&mut self, now_ns: u64) -> Result<(), Box<dyn std::error::Error>> {
        self.late_ns = now_ns.saturating_sub(self.bench.next_ns().max(self.bench.now_ns()));
        for mcu in 0..self.ends.len() {
            self.read(mcu, now_ns)?;
        }
        let until_ns = now_ns.min(self.bench.now_ns().max(self.quiet_until_ns()) + SLICE_NS);
        self.strike_faults(until_ns);
        let ends = &mut self.ends;
        self.bench.run_until(until_ns, |mcu, _, bytes| ends[mcu].hear(bytes));
        for end in ends {
            end.write()?;
        }
        self.look()?;
        Ok(())
    }

    /// Whether there is more to simulate before `now_ns`.
    pub fn is_behind(&self, now_ns: u64) -> bool {
        self.next_ns() <= now_ns && self.bench.now_ns() + SLICE_NS < now_ns
    }

    /// When something happens next by itself.
    pub fn next_ns(&self) -> u64 {
        let due = self.faults.iter().map(at_ns).min();
        self.bench.next_ns().min(due.unwrap_or(u64::MAX))
    }

    /// Up to here nothing happens, so that time passes at no cost.
    fn quiet_until_ns(&self) -> u64 {
        self.bench.next_ns().saturating_sub(1)
    }

    fn read(&mut self, mcu: usize, now_ns: u64) -> Result<(), PortError> {
        let end = &mut self.ends[mcu];
        loop {
            let read = end.pty.read(&mut self.buffer)?;
            let here = read != PtyRead::NoClient;
            if here != end.has_client {
                end.has_client = here;
                end.unwritten.clear();
                if !here {
                    self.bench.hang_up(mcu);
                }
                self.notes.push(Note::Client { mcu, here });
            }
            match read {
                PtyRead::Bytes(len) if len > 0 => {
                    end.bytes_in += len as u64;
                    end.tally.from_client(&self.buffer[..len]);
                    self.bench.send(mcu, now_ns, &self.buffer[..len]);
                }
                _ => return Ok(()),
            }
        }
    }

    fn strike_faults(&mut self, until_ns: u64) {
        while let Some(first) = (0..self.faults.len()).min_by_key(|i| at_ns(&self.faults[*i])) {
            if at_ns(&self.faults[first]) > until_ns {
                break;
            }
            let fault = self.faults.swap_remove(first);
            let ends = &mut self.ends;
            self.bench.run_until(at_ns(&fault).max(self.bench.now_ns()), |mcu, _, bytes| ends[mcu].hear(bytes));
            self.bench.inject(&fault.fault);
        }
    }

    /// What has changed that people want to know.
    fn look(&mut self) -> Result<(), drydock_recording::Error> {
        for (mcu, end) in self.ends.iter_mut().enumerate() {
            let seen = &mut end.seen;
            let (restarts, is_configured) = (self.bench.restarts(mcu), self.bench.is_configured(mcu));
            if std::mem::replace(&mut seen.restarts, restarts) != restarts {
                self.notes.push(Note::Restarted { mcu });
            }
            if std::mem::replace(&mut seen.is_configured, is_configured) != is_configured && is_configured {
                self.notes.push(Note::Configured { mcu });
            }
            let shutdown = self.bench.shutdown_of(mcu);
            if std::mem::replace(&mut seen.shutdown, shutdown) != shutdown
                && let Some(reason) = shutdown
            {
                self.notes.push(Note::Shutdown { mcu, reason });
            }
        }
        if let Some(recorder) = &mut self.recorder {
            self.bench.plant.advance(self.bench.now_ns());
            recorder.sample(&mut self.bench, None)?;
            self.notes.extend(recorder.events().iter().cloned().map(Note::Plant));
        } else {
            self.bench.plant.take_events(&mut self.events);
            self.notes.extend(self.events.drain(..).map(Note::Plant));
            self.bench.plant.take_beads(&mut self.beads);
            self.beads.clear();
        }
        Ok(())
    }

    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }
}

fn at_ns(fault: &TimedFault) -> u64 {
    (fault.at_s * 1e9) as u64
}
