//! The printer without a host: micro-controllers, their serial lines and the plant; bytes and time in, bytes and time out.
//!
//! The micro-controllers run interleaved by their own next events and stop early when one of them speaks, because its
//! words may make something happen sooner. Bytes that arrive at the same time arrive in the order of the lines' numbers,
//! at the host before the micro-controller.
//!
//! The twin puts our host at the other end of the lines; `drydock mcu` puts a pseudo-terminal there.

use drydock_plant::{Fault, Plant};
use drydock_virtual_mcu::{
    Adxl345Config, Dictionary, McuConfig, Oscillator, SerialConfig, SerialLine, TmcHandle, TmcKind, VirtualMcu,
};

use crate::digest::Digest;
use crate::step_log::StepLog;
use crate::wires::{DriverState, Loom, LoomState};
use crate::wiring::{Device, Wiring};

pub(crate) const NEVER_NS: u64 = u64::MAX;
/// Register of a TMC driver, and its bit that makes each edge of the step line a step.
const CHOPCONF: u8 = 0x6c;
const DEDGE: u32 = 1 << 29;

/// What a bench is built from.
pub struct BenchSetup {
    pub wiring: Wiring,
    pub seed: u64,
    /// One for each of the wiring's micro-controllers; the last is repeated.
    pub mcus: Vec<McuConfig>,
    pub line: SerialConfig,
    /// For a recording: the rates at which the motors' micro-controllers count, Hz. None: nothing is kept for one.
    pub record_clocks_hz: Option<Vec<f64>>,
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
    restarts: u32,
}

pub struct Bench {
    pub plant: Plant,
    pub loom: LoomState,
    pub heater_names: Vec<String>,
    pub(crate) digest: Digest,
    nodes: Vec<Node>,
    now_ns: u64,
    arrived: Vec<u8>,
}

impl Bench {
    pub fn new(setup: BenchSetup) -> Result<Bench, SetupError> {
        let plant = Plant::new(&setup.wiring.machine, setup.seed).map_err(|e| SetupError::Machine(e.to_string()))?;
        let mut nodes = Vec::new();
        for (i, name) in setup.wiring.mcus.iter().enumerate() {
            let mut config = setup.mcus.get(i).or(setup.mcus.last()).cloned().unwrap_or_default();
            config.name.clone_from(name);
            let mut mcu = VirtualMcu::new(config);
            let (table, drivers) = solder(&mut mcu, name, &setup.wiring)?;
            nodes.push(Node {
                mcu,
                to_host: SerialLine::new(setup.line, setup.seed, &format!("line.{name}.up")),
                to_mcu: SerialLine::new(setup.line, setup.seed, &format!("line.{name}.down")),
                table,
                drivers,
                restarts: 0,
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
        Ok(Bench { plant, loom, heater_names: setup.wiring.heaters, digest, nodes, now_ns: 0, arrived: Vec::new() })
    }

    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Names of the micro-controllers; the numbers used below are places in this list.
    pub fn mcu_names(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.mcu.config().name.as_str())
    }

    pub fn dictionary(&self, mcu: usize) -> &Dictionary {
        self.nodes[mcu].mcu.dictionary()
    }

    pub(crate) fn oscillator(&self, mcu: usize) -> &Oscillator {
        self.nodes[mcu].mcu.oscillator()
    }

    /// When something happens next by itself; `u64::MAX` for never.
    pub fn next_ns(&self) -> u64 {
        let wakes = self.nodes.iter().map(|node| node.mcu.next_wake_ns());
        wakes.min().unwrap_or(NEVER_NS).min(self.next_arrival_ns())
    }

    fn next_arrival_ns(&self) -> u64 {
        let arrivals = self.nodes.iter().map(|n| n.to_host.next_arrival_ns().min(n.to_mcu.next_arrival_ns()));
        arrivals.min().unwrap_or(NEVER_NS)
    }

    /// Puts bytes for a micro-controller on its line.
    pub fn send(&mut self, mcu: usize, at_ns: u64, bytes: &[u8]) {
        self.nodes[mcu].to_mcu.send(at_ns.max(self.now_ns), bytes);
    }

    /// Runs to `until_ns`, or to the end of the instant at which bytes arrive at a host: they go to `hear` with their
    /// micro-controller and time, and the answer is true.
    pub fn run_until_heard(&mut self, until_ns: u64, mut hear: impl FnMut(usize, u64, &[u8])) -> bool {
        loop {
            let lines_ns = self.next_arrival_ns();
            let next_ns = lines_ns.min(until_ns);
            if !self.run_mcus(next_ns) {
                continue;
            }
            self.now_ns = self.now_ns.max(next_ns);
            if lines_ns != next_ns {
                return false;
            }
            if self.deliver(next_ns, &mut hear) {
                return true;
            }
        }
    }

    /// Runs to `until_ns`; all that is said meanwhile goes to `hear`.
    pub fn run_until(&mut self, until_ns: u64, mut hear: impl FnMut(usize, u64, &[u8])) {
        while self.run_until_heard(until_ns, &mut hear) {}
    }

    /// Resets all boards by their reset lines and closes the lines. The machine stays as it is.
    pub fn reset(&mut self) {
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
        (0..self.nodes.len()).for_each(|i| self.note_restart(i));
    }

    /// Closes one micro-controller's line: what is on its way to a host is gone.
    pub fn hang_up(&mut self, mcu: usize) {
        self.nodes[mcu].to_host.flush();
    }

    pub fn inject(&mut self, fault: &Fault) {
        self.plant.inject(self.now_ns, fault);
    }

    /// The shutdown that a micro-controller is in, if one is.
    pub fn shutdown(&self) -> Option<String> {
        (0..self.nodes.len()).find_map(|i| self.shutdown_of(i)).map(str::to_string)
    }

    pub fn shutdown_of(&self, mcu: usize) -> Option<&'static str> {
        self.nodes[mcu].mcu.last_shutdown()
    }

    /// How often a micro-controller has started anew.
    pub fn restarts(&self, mcu: usize) -> u32 {
        self.nodes[mcu].mcu.restarts()
    }

    /// Whether a host has configured a micro-controller.
    pub fn is_configured(&self, mcu: usize) -> bool {
        self.nodes[mcu].mcu.is_configured()
    }

    /// Moves that wait in a micro-controller's queues.
    pub fn moves_waiting(&self, mcu: usize) -> u16 {
        self.nodes[mcu].mcu.moves_waiting()
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

    /// Hands over the chunks that arrive now. True if one of them was for a host.
    fn deliver(&mut self, now_ns: u64, hear: &mut impl FnMut(usize, u64, &[u8])) -> bool {
        let mut heard = false;
        for i in 0..self.nodes.len() {
            while self.nodes[i].to_host.next_arrival_ns() <= now_ns {
                self.arrived.clear();
                self.nodes[i].to_host.take_arrival(&mut self.arrived);
                self.digest.word(now_ns);
                self.digest.bytes(&self.arrived);
                hear(i, now_ns, &self.arrived);
                heard = true;
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
                self.note_restart(i);
            }
        }
        heard
    }

    /// A micro-controller that started anew counts its motors' steps from zero.
    fn note_restart(&mut self, i: usize) {
        let node = &mut self.nodes[i];
        if node.restarts == node.mcu.restarts() {
            return;
        }
        node.restarts = node.mcu.restarts();
        for device in node.table.iter().flatten() {
            if let Device::Step { motor } = device {
                self.loom.drivers[*motor].position = 0;
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
