//! How much faster many runs are with more workers: runs a second with one worker and with one for each core.
//!
//! Runs share no state that one of them writes; what is left to share is the allocator, the caches and the memory.

use std::path::Path;
use std::time::Instant;

use drydock_scenario::model::Scenario;
use drydock_sweep::design::{Axis, Method};
use drydock_sweep::{Pool, Stop, Sweep};

const SCENARIO: &str = r#"(
    title: "to and fro",
    config: "../../scenarios/printers/cartesian.cfg",
    machine: (start_mm: (50.0, 50.0, 10.0)),
    seed: 3,
    story: [
        Gcode(["SET_KINEMATIC_POSITION X=50 Y=50 Z=10", "G1 F12000"]),
        Gcode(["G1 X150", "G1 Y150", "G1 X50", "G1 Y50", "G1 X150 Y150", "G1 X50 Y50", "G1 X150 Y60", "G1 X50 Y50"]),
        Gcode(["G1 X150", "G1 Y150", "G1 X50", "G1 Y50", "G1 X150 Y150", "G1 X50 Y50", "G1 X150 Y60", "G1 X50 Y50"]),
        Gcode(["G1 X150", "G1 Y150", "G1 X50", "G1 Y50", "G1 X150 Y150", "G1 X50 Y50", "G1 X150 Y60", "G1 X50 Y50"]),
        Gcode(["M400"]),
    ],
    expect: [],
    end_s: 60.0,
)"#;

fn main() {
    let scenario = Scenario::parse(Path::new("bench.ron"), SCENARIO).expect("a scenario");
    let axis = Axis::parse("config.printer.max_accel=2000..6000:48").expect("an axis");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sweep = Sweep::new(scenario, folder, vec![axis], Method::Grid, &[]).expect("a sweep");
    let runs_per_s = |workers: usize| {
        let begun = Instant::now();
        let table = sweep.run(&Pool { workers, stop: Stop::default() }, sweep.points(), |_, _| {});
        table.rows.len() as f64 / begun.elapsed().as_secs_f64()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // In turn, so that whatever else the machine does falls on both; the best of each is what it can do.
    let (mut one, mut all) = (0.0f64, 0.0f64);
    for _ in 0..5 {
        one = one.max(runs_per_s(1));
        all = all.max(runs_per_s(cores));
    }
    println!("1 worker: {one:.2} runs/s; {cores} workers: {all:.2} runs/s, {:.2} times as many", all / one);
}
