//! The one event loop: it owns time, and joins the host, the micro-controllers and the plant.
//!
//! Each turn takes the earliest of: what happens on the bench (the micro-controllers, bytes arriving on a line), a sample
//! for the recording, the host's wake. Things due at the same time happen in the order of that list.

use std::rc::Rc;

use drydock_host::config::Config;
use drydock_host::files::Files;
use drydock_host::host::{Host, Pending};
use drydock_host::printer::{Options, Output};

use crate::bench::{Bench, BenchSetup, NEVER_NS, SetupError};

/// What a twin is built from.
pub struct TwinSetup {
    pub config: Config,
    pub bench: BenchSetup,
    pub files: Rc<dyn Files>,
    pub options: Options,
    /// Distance of the samples, ns; 0: none.
    pub sample_ns: u64,
}

pub struct Twin {
    pub host: Host,
    pub bench: Bench,
    sample_ns: u64,
    next_sample_ns: u64,
    transmit: Vec<u8>,
    steps_seen: u64,
    host_runs: u64,
    files: Rc<dyn Files>,
    options: Options,
}

/// What the loop stopped for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The time asked for is reached.
    Time,
    /// A sample for the recording is due now.
    Sample,
    /// The host ran; its output may have grown.
    Host,
    /// Nothing will ever happen again.
    Idle,
}

impl Twin {
    pub fn new(setup: TwinSetup) -> Result<Twin, SetupError> {
        let host = Host::new(setup.config, setup.options.clone(), setup.files.clone()).map_err(SetupError::Config)?;
        let bench = Bench::new(setup.bench)?;
        host.start();
        Ok(Twin {
            host,
            bench,
            sample_ns: setup.sample_ns,
            next_sample_ns: if setup.sample_ns > 0 { 0 } else { NEVER_NS },
            transmit: Vec::new(),
            steps_seen: 0,
            host_runs: 0,
            files: setup.files,
            options: setup.options,
        })
    }

    /// RESTART and FIRMWARE_RESTART: another host takes the place of this one and resets the boards by their reset lines,
    /// as the serial port's DTR does. The machine stays as it is.
    pub fn restart(&mut self, config: Config) -> Result<(), SetupError> {
        self.host = Host::new(config, self.options.clone(), self.files.clone()).map_err(SetupError::Config)?;
        self.bench.reset();
        self.host.start();
        Ok(())
    }

    /// How far the host's idea of a micro-controller's clock is off, us: what is sent for now comes so much too late.
    pub fn clock_error_us(&self, mcu: &str) -> Option<f64> {
        let at = self.bench.mcu_names().position(|name| name == mcu)?;
        let ticks = |i: usize| self.bench.oscillator(i).tick_at(self.now_ns()) as f64;
        let hosts = self.host.printer().mcus();
        let print_time = hosts.first()?.clock_to_print_time(ticks(0) as i64);
        let freq_hz = f64::from(self.bench.oscillator(at).freq_hz());
        Some((hosts.get(at)?.print_time_to_clock(print_time) as f64 - ticks(at)) / freq_hz * 1e6)
    }

    pub fn now_ns(&self) -> u64 {
        self.bench.now_ns()
    }

    pub fn now_s(&self) -> f64 {
        seconds(self.now_ns())
    }

    /// Step pulses that reached the drivers so far.
    pub fn steps(&self) -> u64 {
        self.steps_seen
    }

    pub fn host_runs(&self) -> u64 {
        self.host_runs
    }

    /// A line typed at the terminal now.
    pub fn console(&mut self, line: &str) -> Pending {
        self.bench.digest.bytes(line.as_bytes());
        self.host.console(line)
    }

    /// Output of the host since the last call; what it says is part of the digest.
    pub fn take_output(&mut self) -> Vec<Output> {
        let output = self.host.take_output();
        for item in &output {
            if let Output::Console(line) = item {
                self.bench.digest.bytes(line.as_bytes());
            }
        }
        output
    }

    /// Runs until something is to be told, or until `until_ns`.
    pub fn turn(&mut self, until_ns: u64) -> Turn {
        loop {
            let host_ns = self.host.next_wake().map_or(NEVER_NS, nanoseconds).max(self.now_ns());
            let next_ns = host_ns.min(self.next_sample_ns).min(until_ns);
            if next_ns == NEVER_NS && self.bench.next_ns() == NEVER_NS {
                return Turn::Idle;
            }
            let host = &self.host;
            if self.bench.run_until_heard(next_ns, |mcu, at_ns, bytes| host.handle_bytes(mcu, seconds(at_ns), bytes)) {
                continue;
            }
            if self.next_sample_ns == next_ns {
                self.next_sample_ns += self.sample_ns;
                self.bench.plant.advance(next_ns);
                return Turn::Sample;
            }
            if host_ns == next_ns {
                self.run_host();
                return Turn::Host;
            }
            return Turn::Time;
        }
    }

    fn run_host(&mut self) {
        self.host_runs += 1;
        let now = seconds(self.now_ns());
        self.host.run(now);
        for i in 0..self.bench.mcu_names().count() {
            self.transmit.clear();
            self.host.poll_transmit(i, now, &mut self.transmit);
            if !self.transmit.is_empty() {
                self.bench.send(i, self.bench.now_ns(), &self.transmit);
            }
        }
        self.steps_seen = self.bench.loom.drivers.iter().map(|d| d.steps).sum();
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 * 1e-9
}

/// The first nanosecond at which host time has reached `t`.
fn nanoseconds(t: f64) -> u64 {
    if t >= 1e10 {
        return NEVER_NS;
    }
    let mut ns = (t * 1e9).ceil() as u64;
    while seconds(ns) < t {
        ns += 1;
    }
    ns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_is_never_before_its_time() {
        for t in [0.0, 0.1, 0.25, 1.0 / 3.0, 3302.123456789, 123456.7] {
            let ns = nanoseconds(t);
            assert!(seconds(ns) >= t);
            assert!(ns == 0 || seconds(ns - 1) < t);
        }
    }
}
