//! ns per step, by stage and machine, on a print-like program: `cargo bench -p drydock-motion`.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use drydock_motion::kinematics::{ActuatorMap, AnyKinematics, Kinematics};
use drydock_motion::lookahead::{E, LookAhead, Move, PlannedMove, VelocityLimits};
use drydock_motion::shapers::AnyShaper;
use drydock_motion::step_compress::{MAX_ERROR_S, StepCompressor};
use drydock_motion::step_times::{ClockMap, StepGenerator, StepSink};
use drydock_motion::trapq::TrapQ;

const CLOCK_HZ: f64 = 168e6;
const LIMITS: VelocityLimits = VelocityLimits {
    max_velocity_mm_s: 300.0,
    max_accel_mm_s2: 3000.0,
    square_corner_velocity_mm_s: 5.0,
    minimum_cruise_ratio: 0.5,
};

fn main() {
    divan::main();
}

/// Round perimeters, a zigzag and some height per layer, around the origin.
fn corners() -> Vec<([f64; 4], f64)> {
    let mut path = Vec::new();
    let mut e = 0.0;
    for layer in 0..20 {
        let z = 0.2 * f64::from(layer + 1);
        for radius in [29.0_f64, 28.6] {
            for i in 0..=120 {
                let angle = f64::from(i) * std::f64::consts::TAU / 120.0;
                e += 0.04 * radius * std::f64::consts::TAU / 120.0;
                path.push(([radius * angle.cos(), radius * angle.sin(), z, e], 60.0));
            }
        }
        path.push(([-25.0, -20.0, z, e - 0.8], 200.0));
        for line in 0..28 {
            let y = -20.0 + 1.4 * f64::from(line);
            let x = if line % 2 == 0 { 20.0 } else { -20.0 };
            e += 0.04 * 41.0;
            path.push(([x, y, z, e], 100.0));
        }
    }
    path
}

fn plan() -> Vec<PlannedMove> {
    let mut look_ahead = LookAhead::new(0.25);
    let mut planned = Vec::new();
    let mut pos = [0.0; 4];
    for (end, speed) in corners() {
        if let Some(mv) = Move::new(&LIMITS, pos, end, speed, ()) {
            pos = end;
            if look_ahead.add_move(mv, 1.0) {
                look_ahead.flush(true, &mut planned);
            }
        }
    }
    look_ahead.flush(false, &mut planned);
    planned
}

fn queues() -> (TrapQ, TrapQ) {
    let (mut toolhead, mut extruder) = (TrapQ::new([0.0; 3]), TrapQ::new([0.0; 3]));
    let mut print_time = 0.25;
    for p in plan() {
        if p.mv.is_kinematic {
            toolhead.append(&p.trap_move(print_time));
        }
        if p.mv.axes_d[E] != 0.0 {
            extruder.append(&p.extruder_trap_move(print_time));
        }
        print_time += p.total_t();
    }
    (toolhead, extruder)
}

/// Steps of `generators`, in batches as a host makes them.
fn generate(generators: &[StepGenerator], queue: &TrapQ, mut sink: impl StepSink) {
    let end = queue.end_time() + 0.5;
    for generator in generators {
        let mut generator = generator.clone();
        let mut until = 0.0;
        while until < end {
            until += 1.0;
            generator.generate(queue, until, &mut sink);
        }
        generator.finish(&mut sink);
    }
}

fn motors(kinematics: usize, queue: &TrapQ, shaper: Option<&str>) -> Vec<StepGenerator> {
    let machine = &AnyKinematics::examples()[kinematics];
    let set_up = |map| {
        let mut g = StepGenerator::new(map, 0.0125, ClockMap::main(CLOCK_HZ));
        if let Some(name) = shaper {
            for axis in 0..2 {
                g.set_shaper(axis, Some(AnyShaper::parse(name).unwrap().pulses(40.0, 0.1).unwrap()));
            }
        }
        g.set_position(queue, 0.0, [0.0; 3]);
        g
    };
    machine.actuators().into_iter().map(set_up).collect()
}

fn extruder_motor(advance_s: f64) -> StepGenerator {
    let mut g = StepGenerator::new(ActuatorMap::Linear([1.0, 0.0, 0.0]), 0.01, ClockMap::main(CLOCK_HZ));
    if advance_s > 0.0 {
        g.set_pressure_advance(0.0, advance_s);
        g.set_smooth_time(0.04);
    }
    g
}

#[derive(Default)]
struct Count(u64);

impl StepSink for &mut Count {
    fn steps(&mut self, _dir: bool, clocks: &[u64]) {
        self.0 += black_box(clocks).len() as u64;
    }
}

struct Compress(StepCompressor);

impl StepSink for &mut Compress {
    fn steps(&mut self, dir: bool, clocks: &[u64]) {
        self.0.steps(dir, clocks);
        self.0.flush(clocks[0].saturating_sub(16_800_000));
        black_box(self.0.commands().count());
    }
}

fn bench_exact(bencher: Bencher, generators: &[StepGenerator], queue: &TrapQ) {
    let mut count = Count::default();
    generate(generators, queue, &mut count);
    bencher.counter(ItemsCount::new(count.0)).bench_local(|| generate(generators, queue, &mut Count::default()));
}

fn bench_compressed(bencher: Bencher, generators: &[StepGenerator], queue: &TrapQ) {
    let mut count = Count::default();
    generate(generators, queue, &mut count);
    bencher.counter(ItemsCount::new(count.0)).bench_local(|| {
        let mut sink = Compress(StepCompressor::new(CLOCK_HZ, MAX_ERROR_S));
        generate(generators, queue, &mut sink);
        sink.0.flush(u64::MAX);
    });
}

/// Per move.
#[divan::bench(sample_count = 20)]
fn look_ahead(bencher: Bencher) {
    bencher.counter(ItemsCount::new(corners().len())).bench_local(plan);
}

/// Per step, exact clocks only: 0 cartesian, 1 CoreXY, 2 delta.
#[divan::bench(args = [0, 1, 2], sample_count = 10)]
fn exact(bencher: Bencher, kinematics: usize) {
    let (queue, _) = queues();
    bench_exact(bencher, &motors(kinematics, &queue, None), &queue);
}

/// The same with both stages.
#[divan::bench(args = [0, 1, 2], sample_count = 10)]
fn exact_and_compressed(bencher: Bencher, kinematics: usize) {
    let (queue, _) = queues();
    bench_compressed(bencher, &motors(kinematics, &queue, None), &queue);
}

#[divan::bench(args = [0, 1, 2], sample_count = 10)]
fn exact_mzv(bencher: Bencher, kinematics: usize) {
    let (queue, _) = queues();
    bench_exact(bencher, &motors(kinematics, &queue, Some("mzv")), &queue);
}

#[divan::bench(args = [0, 1, 2], sample_count = 10)]
fn exact_3hump_ei(bencher: Bencher, kinematics: usize) {
    let (queue, _) = queues();
    bench_exact(bencher, &motors(kinematics, &queue, Some("3hump_ei")), &queue);
}

#[divan::bench(args = [0.0, 0.05], sample_count = 10)]
fn exact_extruder(bencher: Bencher, advance_s: f64) {
    let (_, queue) = queues();
    bench_exact(bencher, &[extruder_motor(advance_s)], &queue);
}
