//! The one event loop: it owns time, and joins the host, the micro-controllers and the plant.
//!
//! Each turn takes the earliest of: a byte chunk arriving on a line, an action of the story, a sample for the
//! recording, the host's wake. The micro-controllers run up to that moment, interleaved by their own next events, and
//! stop early when one of them speaks, because its words may make something happen sooner. Things due at the same
//! time happen in the order of that list; lines and micro-controllers in the order of their numbers.

use std::rc::Rc;

use drydock_host::config::Config;
use drydock_host::files::Files;
use drydock_host::host::{Host, Pending};
use drydock_host::printer::{Options, Output};
use drydock_plant::{Fault, Plant};
use drydock_virtual_mcu::{Adxl345Config, McuConfig, SerialConfig, SerialLine, TmcHandle, TmcKind, VirtualMcu};

use crate::digest::Digest;
use crate::step_log::StepLog;
use crate::wires::{DriverState, Loom, LoomState};
use crate::wiring::{Device, Wiring};

const NEVER_NS: u64 = u64::MAX;
/// Register of a TMC driver, and its bit that makes each edge of the step line a step.
const CHOPCONF: u8 = 0x6c;
const DEDGE: u32 = 1 << 29;

/// What a twin is built from.
pub struct TwinSetup {
    pub config: Config,
    pub wiring: Wiring,
    pub files: Rc<dyn Files>,
    pub seed: u64,
    pub options: Options,
    /// One for each of the wiring's micro-controllers; the last is repeated.
    pub mcus: Vec<McuConfig>,
    pub line: SerialConfig,
    /// For a recording: the rates at which the motors' micro-controllers count, Hz. None: nothing is kept for one.
    pub record_clocks_hz: Option<Vec<f64>>,
    /// Distance of the samples, ns; 0: none.
    pub sample_ns: u64,
}

/// Why a twin could not be built.
#[derive(Debug)]
pub enum SetupError {
    Config(Vec<drydock_host::config::ConfigError>),
    Machine(String),
    Wiring(String),
}

impl std::fmt::Display for SetupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SetupError::Config(errors) => errors
                .iter()
                .enumerate()
                .try_for_each(|(i, e)| if i == 0 { write!(f, "{e}") } else { write!(f, "\n{e}") }),
            SetupError::Machine(text) | SetupError::Wiring(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for SetupError {}

struct Node {
    mcu: VirtualMcu,
    to_host: SerialLine,
    to_mcu: SerialLine,
    table: Vec<Option<Device>>,
    /// Where host commands for TMC drivers end up: which attached driver is which motor.
    drivers: Vec<(TmcHandle, usize)>,
}

pub struct Twin {
    pub host: Host,
    pub plant: Plant,
    pub loom: LoomState,
    pub heater_names: Vec<String>,
    nodes: Vec<Node>,
    now_ns: u64,
    digest: Digest,
    sample_ns: u64,
    next_sample_ns: u64,
    transmit: Vec<u8>,
    arrived: Vec<u8>,
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
        let plant = Plant::new(&setup.wiring.machine, setup.seed).map_err(|e| SetupError::Machine(e.to_string()))?;
        let host = Host::new(setup.config, setup.options.clone(), setup.files.clone()).map_err(SetupError::Config)?;
        let mut nodes = Vec::new();
        for (i, name) in host.mcu_names().into_iter().enumerate() {
            let mut config = setup.mcus.get(i).or(setup.mcus.last()).cloned().unwrap_or_default();
            config.name = name.clone();
            let mut mcu = VirtualMcu::new(config);
            let (table, drivers) = solder(&mut mcu, &name, &setup.wiring)?;
            nodes.push(Node {
                mcu,
                to_host: SerialLine::new(setup.line, setup.seed, &format!("line.{name}.up")),
                to_mcu: SerialLine::new(setup.line, setup.seed, &format!("line.{name}.down")),
                table,
                drivers,
            });
        }
        let machine = &setup.wiring.machine;
        let loom = LoomState {
            drivers: vec![DriverState { forward: true, ..DriverState::default() }; machine.motors.len()],
            heater_duty: vec![0.0; machine.heaters.len()],
            fan_duty: vec![0.0; machine.fans.len()],
            record: setup.record_clocks_hz.is_some(),
            step_log: setup.record_clocks_hz.as_deref().map(StepLog::new),
            ..LoomState::default()
        };
        let mut digest = Digest::default();
        digest.word(setup.seed);
        host.start();
        Ok(Twin {
            host,
            plant,
            loom,
            heater_names: setup.wiring.heaters,
            nodes,
            now_ns: 0,
            digest,
            sample_ns: setup.sample_ns,
            next_sample_ns: if setup.sample_ns > 0 { 0 } else { NEVER_NS },
            transmit: Vec::new(),
            arrived: Vec::new(),
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
        for (i, node) in self.nodes.iter_mut().enumerate() {
            let mut loom = Loom {
                mcu: i,
                table: &node.table,
                state: &mut self.loom,
                plant: &mut self.plant,
                digest: &mut self.digest,
            };
            node.mcu.run_until(self.now_ns, &mut loom);
            node.mcu.take_transmit(|_, _| {});
            node.to_host.flush();
            node.to_mcu.flush();
            node.mcu.restart(&mut loom);
        }
        self.host.start();
        Ok(())
    }

    /// How far the host's idea of a micro-controller's clock is off, us: what is sent for now comes so much too late.
    pub fn clock_error_us(&self, mcu: &str) -> Option<f64> {
        let at = self.nodes.iter().position(|n| n.mcu.config().name == mcu)?;
        let ticks = |i: usize| self.nodes[i].mcu.oscillator().tick_at(self.now_ns) as f64;
        let hosts = self.host.printer().mcus();
        let print_time = hosts.first()?.clock_to_print_time(ticks(0) as i64);
        let freq_hz = f64::from(self.nodes[at].mcu.config().clock_freq_hz);
        Some((hosts.get(at)?.print_time_to_clock(print_time) as f64 - ticks(at)) / freq_hz * 1e6)
    }

    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    pub fn now_s(&self) -> f64 {
        seconds(self.now_ns)
    }

    /// Step pulses that reached the drivers so far.
    pub fn steps(&self) -> u64 {
        self.steps_seen
    }

    pub fn host_runs(&self) -> u64 {
        self.host_runs
    }

    pub fn inject(&mut self, fault: &Fault) {
        self.plant.inject(self.now_ns, fault);
    }

    /// A line typed at the terminal now.
    pub fn console(&mut self, line: &str) -> Pending {
        self.digest.bytes(line.as_bytes());
        self.host.console(line)
    }

    /// Digest of everything that happened, and of the state that it left.
    pub fn fingerprint(&self) -> String {
        let mut digest = self.digest;
        self.plant.fold_state(&mut |w| digest.word(w));
        for node in &self.nodes {
            node.mcu.fold_state(&mut |w| digest.word(w));
            node.to_host.fold_state(&mut |w| digest.word(w));
            node.to_mcu.fold_state(&mut |w| digest.word(w));
        }
        digest.hex()
    }

    /// The shutdown that a micro-controller is in, if one is.
    pub fn mcu_shutdown(&self) -> Option<String> {
        self.nodes.iter().find_map(|n| n.mcu.last_shutdown().map(str::to_string))
    }

    /// Output of the host since the last call; what it says is part of the digest.
    pub fn take_output(&mut self) -> Vec<Output> {
        let output = self.host.take_output();
        for item in &output {
            if let Output::Console(line) = item {
                self.digest.bytes(line.as_bytes());
            }
        }
        output
    }

    /// Runs until something is to be told, or until `until_ns`.
    pub fn turn(&mut self, until_ns: u64) -> Turn {
        loop {
            let host_ns = self.host.next_wake().map_or(NEVER_NS, nanoseconds).max(self.now_ns);
            let lines_ns = self.nodes.iter().map(|n| n.to_host.next_arrival_ns().min(n.to_mcu.next_arrival_ns())).min();
            let lines_ns = lines_ns.unwrap_or(NEVER_NS);
            let next_ns = host_ns.min(lines_ns).min(self.next_sample_ns).min(until_ns);
            if next_ns == NEVER_NS && self.nodes.iter().all(|n| n.mcu.next_wake_ns() == NEVER_NS) {
                return Turn::Idle;
            }
            if !self.run_mcus(next_ns) {
                continue;
            }
            self.now_ns = self.now_ns.max(next_ns);
            if lines_ns == next_ns {
                self.deliver(next_ns);
                continue;
            }
            if self.next_sample_ns == next_ns {
                self.next_sample_ns += self.sample_ns;
                self.plant.advance(next_ns);
                return Turn::Sample;
            }
            if host_ns == next_ns {
                self.run_host();
                return Turn::Host;
            }
            return Turn::Time;
        }
    }

    /// Runs the micro-controllers up to `until_ns`, the one with the earliest event first. False if one of them spoke:
    /// then what comes next has to be looked up again.
    fn run_mcus(&mut self, until_ns: u64) -> bool {
        loop {
            let mut first = None;
            let mut second_ns = until_ns;
            for (i, node) in self.nodes.iter().enumerate() {
                let at = node.mcu.next_wake_ns();
                match first {
                    Some((_, best)) if at >= best => second_ns = second_ns.min(at),
                    Some((_, best)) => {
                        second_ns = second_ns.min(best);
                        first = Some((i, at));
                    }
                    None => first = Some((i, at)),
                }
            }
            let Some((i, at)) = first else { return true };
            if at > until_ns {
                return true;
            }
            let node = &mut self.nodes[i];
            let mut loom = Loom {
                mcu: i,
                table: &node.table,
                state: &mut self.loom,
                plant: &mut self.plant,
                digest: &mut self.digest,
            };
            node.mcu.run_until_heard(second_ns.max(at).min(until_ns), &mut loom);
            if self.collect(i) {
                return false;
            }
        }
    }

    /// Puts what a micro-controller said on its line. True if it said something.
    fn collect(&mut self, i: usize) -> bool {
        let node = &mut self.nodes[i];
        let spoke = node.mcu.has_transmit();
        if spoke {
            let line = &mut node.to_host;
            node.mcu.take_transmit(|at_ns, bytes| line.send(at_ns, bytes));
        }
        spoke
    }

    /// Hands over the chunks that arrive now.
    fn deliver(&mut self, now_ns: u64) {
        for i in 0..self.nodes.len() {
            while self.nodes[i].to_host.next_arrival_ns() <= now_ns {
                self.arrived.clear();
                self.nodes[i].to_host.take_arrival(&mut self.arrived);
                self.digest.word(now_ns);
                self.digest.bytes(&self.arrived);
                self.host.handle_bytes(i, seconds(now_ns), &self.arrived);
            }
            while self.nodes[i].to_mcu.next_arrival_ns() <= now_ns {
                self.arrived.clear();
                let node = &mut self.nodes[i];
                node.to_mcu.take_arrival(&mut self.arrived);
                self.digest.word(now_ns);
                self.digest.bytes(&self.arrived);
                let mut loom = Loom {
                    mcu: i,
                    table: &node.table,
                    state: &mut self.loom,
                    plant: &mut self.plant,
                    digest: &mut self.digest,
                };
                node.mcu.receive(now_ns, &self.arrived, &mut loom);
                self.collect(i);
                self.refresh_drivers(i);
            }
        }
    }

    /// A driver's registers may have changed: does it step on both edges?
    fn refresh_drivers(&mut self, i: usize) {
        let node = &self.nodes[i];
        for (driver, motor) in &node.drivers {
            self.loom.drivers[*motor].both_edges = node.mcu.tmc_register(*driver, CHOPCONF) & DEDGE != 0;
        }
    }

    fn run_host(&mut self) {
        self.host_runs += 1;
        let now = seconds(self.now_ns);
        self.host.run(now);
        for i in 0..self.nodes.len() {
            self.transmit.clear();
            self.host.poll_transmit(i, now, &mut self.transmit);
            if !self.transmit.is_empty() {
                self.nodes[i].to_mcu.send(self.now_ns, &self.transmit);
            }
        }
        self.steps_seen = self.loom.drivers.iter().map(|d| d.steps).sum();
    }
}

/// Solders the wires of one micro-controller: its pin table, and which attached driver belongs to which motor.
type Soldered = (Vec<Option<Device>>, Vec<(TmcHandle, usize)>);

fn solder(mcu: &mut VirtualMcu, name: &str, wiring: &Wiring) -> Result<Soldered, SetupError> {
    let mut table: Vec<Option<Device>> = Vec::new();
    let mut drivers = Vec::new();
    for wire in wiring.wires.iter().filter(|w| w.mcu == name) {
        let Some(pin) = mcu.pin(&wire.pin) else {
            return Err(SetupError::Wiring(format!(
                "micro-controller '{name}' has no pin '{}' (wanted for {:?})",
                wire.pin, wire.device
            )));
        };
        let index = usize::from(pin);
        if table.len() <= index {
            table.resize(index + 1, None);
        }
        let tmc = |kind: &str| match kind {
            "tmc2130" => TmcKind::Tmc2130,
            "tmc2208" => TmcKind::Tmc2208,
            "tmc5160" => TmcKind::Tmc5160,
            _ => TmcKind::Tmc2209,
        };
        match &wire.device {
            Device::AccelerometerCs { chip } => {
                mcu.attach_adxl345(pin, *chip as u8, Adxl345Config { clock_error: wiring.accelerometer_clock_error });
            }
            Device::TmcUart { motor, kind, address } => {
                drivers.push((mcu.attach_tmc_uart(pin, *address, tmc(kind)), *motor))
            }
            Device::TmcSpi { motor, kind } => drivers.push((mcu.attach_tmc_spi(pin, tmc(kind)), *motor)),
            _ => {}
        }
        table[index] = Some(wire.device.clone());
    }
    Ok((table, drivers))
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
