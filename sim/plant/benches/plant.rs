//! What the plant costs: ns a step pulse, us a simulated second, by what is in the machine.
//!
//! Each benchmark plays the same second: a raster of 22 mm lines at 120 mm/s on X and Y with filament, about 9,000 pulses in all,
//! the mean of the bench program.

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Trapezoid, cartesian, edges, enabled, machine, play};
use divan::Bencher;
use divan::counter::ItemsCount;
use drydock_plant::kinematics::Delta;
use drydock_plant::{Machine, Plant, Shape};

fn main() {
    divan::main();
}

/// One simulated second that ends where it began (but for the filament).
fn second(machine: &Machine) -> Vec<(u64, usize, bool)> {
    let line = Trapezoid { mm: 22.0, mm_s: 120.0, mm_s2: 3000.0 };
    let mut out = Vec::new();
    let mut from = 0.0;
    for n in 0..4 {
        let d = line.duration_s();
        let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
        let start = if n % 2 == 0 { 0.0 } else { 22.0 };
        for (motor, share) in [(0, 1.0), (1, 0.6)] {
            let per_mm = share / machine.motors[motor].step_mm();
            edges(|t| (start + sign * line.at(t - from)) * per_mm, from, from + d, motor, &mut out);
        }
        edges(|t| line.at(t - from) * 0.034 / machine.motors[3].step_mm(), from, from + d, 3, &mut out);
        from += d;
    }
    out.sort_by_key(|e| (e.0, e.1));
    out
}

/// Seconds a sample: long enough for a steady figure.
const SECONDS: u64 = 20;

fn run(bencher: Bencher, machine: Machine) {
    let edges = second(&machine);
    let mut plant = enabled(&machine, 1);
    plant.keep_beads(false);
    plant.set_heater(0, 0, 1.0);
    play(&mut plant, Vec::new(), 120.0);
    plant.set_heater(0, 120_000_000_000, 0.35);
    let mut now_ns = 120_000_000_000u64;
    bencher.counter(ItemsCount::new(edges.len() as u64 * SECONDS)).bench_local(|| {
        for _ in 0..SECONDS {
            for (at_ns, motor, forward) in &edges {
                plant.step(*motor, now_ns + at_ns, *forward);
            }
            now_ns += 1_000_000_000;
            plant.advance(now_ns);
        }
        divan::black_box(plant.ringing_um())
    });
}

#[divan::bench]
fn cartesian_20s(bencher: Bencher) {
    run(bencher, cartesian());
}

#[divan::bench]
fn corexy_20s(bencher: Bencher) {
    run(bencher, machine(Shape::CoreXy));
}

#[divan::bench]
fn delta_20s(bencher: Bencher) {
    run(bencher, machine(Shape::Delta(Delta::default())));
}

#[divan::bench]
fn without_modes_20s(bencher: Bencher) {
    run(bencher, Machine { modes: vec![], ..cartesian() });
}

#[divan::bench]
fn with_ideal_drives_20s(bencher: Bencher) {
    let mut m = cartesian();
    m.motors.iter_mut().for_each(|m| m.model = drydock_plant::drive::Drive::Ideal);
    run(bencher, m);
}

#[divan::bench]
fn without_melt_20s(bencher: Bencher) {
    let mut m = cartesian();
    m.motors[3].moves = drydock_plant::drive::Moves::Rail(2);
    m.extruders.clear();
    run(bencher, m);
}

#[divan::bench]
fn with_linear_melt_20s(bencher: Bencher) {
    let mut m = cartesian();
    m.extruders[0].power_index = 1.0;
    run(bencher, m);
}

/// Nothing moves; heaters are switched as a soft PWM does.
#[divan::bench]
fn idle_hot_20s(bencher: Bencher) {
    let mut plant = Plant::new(&cartesian(), 1).expect("valid machine");
    let mut now_ns = 0u64;
    bencher.bench_local(|| {
        for _ in 0..SECONDS * 10 {
            plant.set_heater(0, now_ns, 1.0);
            plant.set_heater(0, now_ns + 30_000_000, 0.0);
            now_ns += 100_000_000;
        }
        plant.advance(now_ns);
    });
}

/// 3200 samples a second while the axis shakes.
#[divan::bench]
fn accelerometer_1s(bencher: Bencher) {
    let m = cartesian();
    let edges = second(&m);
    let mut plant = enabled(&m, 1);
    let mut now_ns = 0u64;
    bencher.counter(ItemsCount::new(3200u64)).bench_local(|| {
        let mut sample = 0u64;
        for (at_ns, motor, forward) in &edges {
            while sample * 312_500 < *at_ns {
                divan::black_box(plant.acceleration_lsb(0, now_ns + sample * 312_500));
                sample += 1;
            }
            plant.step(*motor, now_ns + at_ns, *forward);
        }
        now_ns += 1_000_000_000;
    });
}

/// Polls of an endstop while the axis moves.
#[divan::bench]
fn sensor_codes_1000(bencher: Bencher) {
    let mut plant = Plant::new(&cartesian(), 1).expect("valid machine");
    let mut now_ns = 0u64;
    bencher.counter(ItemsCount::new(1000u64)).bench_local(|| {
        for _ in 0..1000 {
            now_ns += 1_000_000;
            divan::black_box(plant.sensor_code(0, now_ns));
        }
    });
}
