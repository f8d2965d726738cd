//! Clients, lines and virtual boards in one event loop, and a small world at the boards' pins.

use drydock_host::mcu::Mcu;
use drydock_host::reactor::Reactor;
use drydock_virtual_mcu::{McuConfig, Pin, SerialConfig, SerialLine, VirtualMcu, Wires};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

pub const FREQ: f64 = 168e6;

/// What stands at the pins of one board: everything is written down, inputs are as the test says.
#[derive(Default)]
pub struct World {
    pub outputs: Vec<(u64, Pin, bool)>,
    pub pulses: Vec<(u64, Pin)>,
    pub levels: BTreeMap<Pin, bool>,
    pub inputs: BTreeMap<Pin, bool>,
    pub analogs: BTreeMap<Pin, u16>,
    /// Input that is the other way round from this time on.
    pub flips: Vec<(u64, Pin)>,
    pub samples: Vec<u64>,
}

impl Wires for World {
    fn output(&mut self, at_ns: u64, pin: Pin, level: bool) {
        self.outputs.push((at_ns, pin, level));
        self.levels.insert(pin, level);
    }
    fn pulse(&mut self, at_ns: u64, pin: Pin, _level: bool) {
        self.pulses.push((at_ns, pin));
    }
    fn pwm(&mut self, _at_ns: u64, _pin: Pin, _duty: f64) {}
    fn input(&mut self, at_ns: u64, pin: Pin) -> bool {
        let flips = self.flips.iter().filter(|(from, flipped)| *flipped == pin && *from <= at_ns).count();
        self.inputs.get(&pin).copied().unwrap_or(false) != (flips % 2 == 1)
    }
    fn analog(&mut self, _at_ns: u64, pin: Pin) -> u16 {
        self.analogs.get(&pin).copied().unwrap_or(0)
    }
    fn accelerometer(&mut self, at_ns: u64, _chip: u8) -> [i16; 3] {
        self.samples.push(at_ns);
        let number = self.samples.len() as i16;
        // At this rate the chip's last bit is always 0.
        [number % 1000 * 2, -(number % 1000) * 2, 256]
    }
}

pub struct Board {
    pub mcu: Mcu,
    pub chip: VirtualMcu,
    pub world: World,
    pub to_mcu: SerialLine,
    pub to_host: SerialLine,
    /// Everything that the client sent.
    pub sent: Vec<u8>,
    pub events: Rc<RefCell<Vec<String>>>,
}

pub struct Rig {
    pub reactor: Reactor,
    pub boards: Vec<Board>,
    pub now_ns: u64,
}

pub fn seconds(ns: u64) -> f64 {
    ns as f64 * 1e-9
}

/// Chance per byte that makes a per cent or two of the blocks bad.
pub fn faulty() -> SerialConfig {
    SerialConfig {
        latency_ns: 100_000,
        corruption_per_byte: 0.000_3,
        loss_per_byte: 0.000_3,
        ..SerialConfig::default()
    }
}

pub fn clean() -> SerialConfig {
    SerialConfig { latency_ns: 100_000, ..SerialConfig::default() }
}

impl Rig {
    /// One board for each configuration; the first is the main one.
    pub fn new(configs: Vec<McuConfig>, line: SerialConfig, seed: u64) -> Rig {
        let reactor = Reactor::new();
        let mut boards: Vec<Board> = Vec::new();
        for config in configs {
            let mcu = Mcu::new(&reactor, &config.name, boards.first().map(|board| &board.mcu));
            let events: Rc<RefCell<Vec<String>>> = Rc::default();
            let (list, name) = (events.clone(), config.name.clone());
            mcu.on_event(move |event| list.borrow_mut().push(event.message(&name)));
            boards.push(Board {
                mcu,
                to_mcu: SerialLine::new(line, seed, &format!("{}.down", config.name)),
                to_host: SerialLine::new(line, seed, &format!("{}.up", config.name)),
                chip: VirtualMcu::new(config),
                world: World::default(),
                sent: vec![],
                events,
            });
        }
        Rig { reactor, boards, now_ns: 0 }
    }

    pub fn one(line: SerialConfig) -> Rig {
        Rig::new(
            vec![McuConfig { clock_offset_ticks: 7_000_000_000, drift_ppm: 30.0, ..McuConfig::default() }],
            line,
            1,
        )
    }

    pub fn mcu(&self) -> Mcu {
        self.boards[0].mcu.clone()
    }

    pub fn now(&self) -> f64 {
        seconds(self.now_ns)
    }

    fn next_ns(&self) -> u64 {
        let mut wake = self.reactor.next_wake().unwrap_or(f64::INFINITY);
        let mut next = u64::MAX;
        for board in &self.boards {
            wake = wake.min(board.mcu.next_wake().unwrap_or(f64::INFINITY));
            next = next.min(board.chip.next_wake_ns()).min(board.to_mcu.next_arrival_ns());
            next = next.min(board.to_host.next_arrival_ns());
        }
        // The first nanosecond that is surely not before the host's wish.
        next.min((wake * 1e9) as u64 + 1).max(self.now_ns)
    }

    fn step(&mut self, at_ns: u64) {
        self.now_ns = at_ns;
        let now = seconds(at_ns);
        for board in &mut self.boards {
            let mut bytes = vec![];
            board.chip.run_until(at_ns, &mut board.world);
            while board.to_mcu.next_arrival_ns() <= at_ns {
                bytes.clear();
                let arrival_ns = board.to_mcu.take_arrival(&mut bytes);
                board.chip.receive(arrival_ns, &bytes, &mut board.world);
            }
            let to_host = &mut board.to_host;
            board.chip.take_transmit(|sent_ns, message| to_host.send(sent_ns, message));
            while board.to_host.next_arrival_ns() <= at_ns {
                bytes.clear();
                board.to_host.take_arrival(&mut bytes);
                board.mcu.handle_bytes(now, &bytes);
            }
        }
        self.reactor.run(now);
        self.transmit();
    }

    fn transmit(&mut self) {
        for board in &mut self.boards {
            let mut out = vec![];
            board.mcu.poll_transmit(seconds(self.now_ns), &mut out);
            if !out.is_empty() {
                board.to_mcu.send(self.now_ns, &out);
                board.sent.extend_from_slice(&out);
            }
        }
    }

    pub fn run_until(&mut self, until_s: f64) {
        let until_ns = (until_s * 1e9) as u64;
        self.reactor.run(self.now());
        self.transmit();
        let mut steps = 0;
        while self.next_ns() <= until_ns {
            self.step(self.next_ns());
            steps += 1;
            assert!(steps < 20_000_000, "the loop does not get on at {} ns", self.now_ns);
        }
        self.step(until_ns.max(self.now_ns));
    }

    pub fn finish<T: 'static>(&mut self, limit_s: f64, future: impl Future<Output = T> + 'static) -> T {
        let result: Rc<RefCell<Option<T>>> = Rc::default();
        let slot = result.clone();
        self.reactor.spawn("test", async move {
            let value = future.await;
            slot.borrow_mut().replace(value);
        });
        let end = self.now() + limit_s;
        self.reactor.run(self.now());
        self.transmit();
        while result.borrow().is_none() {
            assert!(self.now() <= end, "not done after {limit_s} s: {:?}", self.all_events());
            self.step(self.next_ns());
        }
        result.take().unwrap()
    }

    pub fn connect(&mut self) {
        let mcus: Vec<Mcu> = self.boards.iter().map(|board| board.mcu.clone()).collect();
        self.finish(60.0, async move {
            for mcu in mcus {
                mcu.connect().await?;
            }
            Ok::<(), drydock_host::mcu::McuError>(())
        })
        .unwrap();
    }

    /// What the clients told of shutdowns and the like, with the firmware's own view.
    pub fn all_events(&self) -> Vec<String> {
        let told = self.boards.iter().flat_map(|board| board.events.borrow().clone());
        let shut = self.boards.iter().filter_map(|board| board.chip.last_shutdown().map(str::to_string));
        told.chain(shut).collect()
    }

    pub fn pin(&self, board: usize, name: &str) -> Pin {
        self.boards[board].chip.pin(name).unwrap()
    }

    /// Simulated time of a print_time, by the main board's true clock.
    pub fn true_ns(&self, print_time: f64) -> f64 {
        self.ns_of_clock((print_time * FREQ) as u64) as f64
    }

    /// Simulated time at which the low half of the main board's clock shows that of `clock`, nearest to the present:
    /// the upper half counts from a moment that only the firmware knows.
    pub fn ns_of_clock(&self, clock: u64) -> u64 {
        let oscillator = self.boards[0].chip.oscillator();
        let now = oscillator.tick_at(self.now_ns);
        let ahead = (clock as u32).wrapping_sub(now as u32) as i32;
        oscillator.ns_of(now.saturating_add_signed(i64::from(ahead)))
    }
}
