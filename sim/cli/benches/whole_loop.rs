//! What a simulated second costs, stage by stage: planning with step times, protocol and firmware, physics.
//!
//! Each stage runs the command on one program, `../shared/reference/bench` where it is there and the bundled cube
//! otherwise, and does all that the stage before does. A table with simulated seconds per second and ns per step comes
//! first; divan's own figures (items are steps) follow.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use divan::Bencher;
use divan::counter::ItemsCount;

const STAGES: [Stage; 3] = [Stage::Steps, Stage::IdealMachine, Stage::WholeLoop];

#[derive(Clone, Copy)]
enum Stage {
    /// G-code to planned moves and to the compressed steps of all motors.
    Steps,
    /// And protocol, firmware, and a machine whose motors follow exactly and whose frame is stiff.
    IdealMachine,
    /// And rotors, modes, melt: what `drydock run` does.
    WholeLoop,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Stage::Steps => "plan and steps",
            Stage::IdealMachine => "loop, ideal machine",
            Stage::WholeLoop => "whole loop",
        })
    }
}

/// What is measured: a printer.cfg and a program for it.
struct Program {
    config: PathBuf,
    gcode: PathBuf,
}

fn program() -> Program {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bench = root.join("../shared/reference/bench");
    let packed = bench.join("bench.gcode.gz");
    if !packed.is_file() {
        return Program {
            config: root.join("assets/printers/ender3-220/printer.cfg"),
            gcode: root.join("assets/parts/cube.ender3-220.gcode"),
        };
    }
    let gcode = scratch().join("bench.gcode");
    let text = Command::new("gzip").arg("-dc").arg(&packed).output().expect("gzip unpacks the program").stdout;
    std::fs::write(&gcode, text).expect("a scratch file can be written");
    Program { config: bench.join("cartesian.cfg"), gcode }
}

fn scratch() -> PathBuf {
    let folder = std::env::temp_dir().join("drydock-bench");
    std::fs::create_dir_all(&folder).expect("a scratch folder can be made");
    folder
}

fn run(program: &Program, stage: Stage) -> serde_json::Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drydock"));
    match stage {
        Stage::Steps => {
            command.arg("steps").arg("--config").arg(&program.config).arg("--gcode").arg(&program.gcode).arg("--json");
        }
        Stage::IdealMachine | Stage::WholeLoop => {
            command.arg("run").arg(scenario(program, stage)).args(["--no-recording", "--json"]);
        }
    }
    let output = command.output().expect("the command runs");
    assert!(output.status.success(), "{stage}: {}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// The program as a scenario, hot end heated first.
fn scenario(program: &Program, stage: Stage) -> PathBuf {
    let machine = if matches!(stage, Stage::IdealMachine) { "ideal_drives: true, modes: []" } else { "" };
    let text = format!(
        "(title: \"bench\", config: {:?}, machine: ({machine}), seed: 1, expect: [AtEnd(PrintDone)], end_s: 1e6,
          story: [Gcode([\"M109 S210\"]), Print({:?})])",
        program.config, program.gcode
    );
    let path = scratch().join("scenario.ron");
    std::fs::write(&path, text).expect("a scratch file can be written");
    path
}

/// Steps and simulated seconds of the program: the same for all stages.
fn size(program: &Program) -> (f64, f64) {
    let steps = run(program, Stage::Steps)["steps"].as_f64().expect("a count of steps");
    let seconds = run(program, Stage::WholeLoop)["print_time_s"].as_f64().expect("a print time");
    (steps, seconds)
}

fn main() {
    let program = program();
    let (steps, seconds) = size(&program);
    println!("{}: {seconds:.0} s, {steps:.0} steps", program.gcode.display());
    println!("{:20} {:>8} {:>14} {:>12} {:>9}", "stage", "wall s", "sim s per s", "Msteps/s", "ns/step");
    let mut before_s = 0.0;
    for stage in STAGES {
        let start = Instant::now();
        run(&program, stage);
        let wall_s = start.elapsed().as_secs_f64();
        let (rate, each_ns) = (steps / wall_s * 1e-6, (wall_s - before_s) / steps * 1e9);
        println!("{stage:20} {wall_s:8.2} {:14.0} {rate:12.2} {each_ns:9.1}", seconds / wall_s);
        before_s = wall_s;
    }
    divan::main();
}

#[divan::bench(args = STAGES, sample_count = 3, sample_size = 1)]
fn stage(bencher: Bencher, stage: Stage) {
    let program = program();
    let (steps, _) = size(&program);
    bencher.counter(ItemsCount::new(steps as u64)).bench(|| run(&program, stage));
}
