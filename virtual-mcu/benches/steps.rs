//! Cost of a step: from the queued move through firmware and virtual silicon to the world at the pins.
//!
//! Each benchmark runs `STEPS` steps; divide by that for the cost of one. The allocation counts show that nothing is
//! allocated once the board is configured.

use divan::counter::ItemsCount;
use drydock_protocol::block::frame;
use drydock_protocol::{Catalogue, Value};
use drydock_virtual_mcu::{McuConfig, Pin, VirtualMcu, Wires};

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

const STEPS: u32 = 100_000;
/// Steps of one command, as the step compressor makes them at printing speed.
const STEPS_PER_MOVE: u32 = 40;

/// A world that only counts.
#[derive(Default)]
struct Counting {
    edges: u64,
    last_ns: u64,
}

impl Wires for Counting {
    #[inline]
    fn output(&mut self, at_ns: u64, _pin: Pin, _level: bool) {
        self.edges += 1;
        self.last_ns = at_ns;
    }
    fn pwm(&mut self, _at_ns: u64, _pin: Pin, _duty: f64) {}
    fn input(&mut self, _at_ns: u64, _pin: Pin) -> bool {
        false
    }
    fn analog(&mut self, _at_ns: u64, _pin: Pin) -> u16 {
        2000
    }
    fn accelerometer(&mut self, _at_ns: u64, _chip: u8) -> [i16; 3] {
        [0; 3]
    }
}

struct Sender {
    mcu: VirtualMcu,
    catalogue: Catalogue,
    wires: Counting,
    seq: u8,
    now_ns: u64,
    block: Vec<u8>,
}

impl Sender {
    fn new(steppers: usize, invert_step: i64) -> Self {
        let mcu = VirtualMcu::new(McuConfig::default());
        let catalogue = Catalogue::new(mcu.dictionary()).unwrap();
        let mut sender =
            Self { mcu, catalogue, wires: Counting::default(), seq: 0, now_ns: 0, block: Vec::with_capacity(64) };
        sender.command("allocate_oids", &[20]);
        for stepper in 0..steppers as i64 {
            sender.command("config_stepper", &[stepper, 2 * stepper, 2 * stepper + 1, invert_step, 336]);
        }
        // What else a printer has: heaters, fans and thermometers.
        for output in 0..6 {
            sender.command("config_digital_out", &[10 + output, 100 + output, 0, 0, 0]);
            sender.command("set_digital_out_pwm_cycle", &[10 + output, 16_800_000]);
        }
        for input in 0..2 {
            sender.command("config_analog_in", &[16 + input, 120 + input]);
        }
        sender.command("finalize_config", &[1]);
        for output in 0..3 {
            sender.command("queue_digital_out", &[10 + output, 16_800_000, 4_000_000]);
        }
        for input in 0..2 {
            let args = [16 + input, 16_800_000, 168_000, 8, 50_400_000, 2, 0, 65535, 4];
            sender.command("query_analog_in", &args);
        }
        sender
    }

    fn encoded(&self, name: &str, args: &[i64], content: &mut Vec<u8>) {
        let values: Vec<_> = args.iter().map(|arg| Value::Int(*arg)).collect();
        self.catalogue.command(name).unwrap().encode(&values, content).unwrap();
    }

    fn command(&mut self, name: &str, args: &[i64]) {
        let mut content = vec![];
        self.encoded(name, args, &mut content);
        self.content(&content);
    }

    fn content(&mut self, content: &[u8]) {
        self.block.clear();
        assert!(frame(self.seq, content, &mut self.block));
        self.seq = (self.seq + 1) & 15;
        self.mcu.receive(self.now_ns, &self.block, &mut self.wires);
        self.mcu.take_transmit(|_, _| {});
    }
}

/// Runs `STEPS` steps of all steppers together, five commands to a block, the queue kept a few moves ahead.
fn run(sender: &mut Sender, moves: &[Vec<u8>], steppers: usize) -> u64 {
    let rounds = STEPS / STEPS_PER_MOVE / steppers as u32;
    for round in 0..rounds {
        sender.content(&moves[0]);
        // A round takes as long as its moves: 40 steps of 2800 ticks, plus the lead of the first.
        sender.now_ns += if round == 0 { 1_000_000 } else { 40 * 2800 * 1_000_000 / 168_000 };
        sender.mcu.run_until(sender.now_ns, &mut sender.wires);
    }
    sender.now_ns += 10_000_000;
    sender.mcu.run_until(sender.now_ns, &mut sender.wires);
    assert!(!sender.mcu.is_shutdown(), "{:?}", sender.mcu.last_shutdown());
    assert!(sender.wires.edges >= u64::from(rounds * STEPS_PER_MOVE) * steppers as u64);
    sender.wires.edges
}

fn bench_steps(bencher: divan::Bencher, steppers: usize, invert_step: i64) {
    bencher
        .counter(ItemsCount::new(STEPS))
        .with_inputs(|| {
            let mut sender = Sender::new(steppers, invert_step);
            let mut content = vec![];
            for stepper in 0..steppers as i64 {
                sender.encoded("queue_step", &[stepper, 2800, i64::from(STEPS_PER_MOVE), 0], &mut content);
            }
            // All begin together, five milliseconds from now, at distances of a fifth of a step.
            for stepper in 0..steppers as i64 {
                let clock = sender.mcu.oscillator().tick_at(sender.now_ns + 5_000_000) as i64 + 571 * stepper;
                sender.command("reset_step_clock", &[stepper, clock]);
            }
            (sender, [content])
        })
        .bench_local_refs(|(sender, moves)| run(sender, moves, steppers));
}

#[divan::bench(args = [1, 2, 4, 5])]
fn one_edge_a_step(bencher: divan::Bencher, steppers: usize) {
    bench_steps(bencher, steppers, -1);
}

#[divan::bench(args = [1, 2, 4, 5])]
fn a_pulse_a_step(bencher: divan::Bencher, steppers: usize) {
    bench_steps(bencher, steppers, 0);
}

fn main() {
    divan::main();
}
