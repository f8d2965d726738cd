//! A bad line, and a whole job over it: the motors make the same steps, or the machine stops and says why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use drydock_host::config::{FileSource, MapSource};
use drydock_host::files::{Files, MemoryFiles};
use drydock_recording::{Reader, StepSegment};
use drydock_scenario::model::Scenario;
use drydock_scenario::session::Outcome;
use drydock_scenario::setup::{Disk, RunOptions, prepare};

const CONFIG: &str = include_str!("../../../scenarios/printers/cartesian.cfg");
/// Clock of the machine's micro-controller, Hz.
const CLOCK_HZ: f64 = 168e6;
/// No run takes so long.
const END_S: f64 = 120.0;
/// A motor that stands longer than this begins another motion, whose start the host chooses by its own clock.
const STOP_NS: u64 = 20_000_000;
/// What step compression may take from a step's time, and one tick of rounding.
const SLACK_NS: u64 = 25_000 + 6;

struct OneConfig(MapSource);

impl Disk for OneConfig {
    fn source(&self) -> &dyn FileSource {
        &self.0
    }
    fn prints(&self, _: Vec<(String, PathBuf)>) -> Rc<dyn Files> {
        Rc::new(MemoryFiles::default())
    }
}

/// Time and direction of every step, by motor.
type Trace = BTreeMap<u8, Vec<(u64, bool)>>;

/// A job that homes, draws circles as a slicer would, and parks.
fn job() -> String {
    let circle = |k: u32| {
        let (a, r) = (f64::from(k) * 0.05, 20.0 + f64::from(k % 90) * 0.1);
        format!("\"G1 X{:.3} Y{:.3} F6000\",", 100.0 + r * a.cos(), 100.0 + r * a.sin())
    };
    let circles: String = (0..600).map(circle).collect();
    format!("\"G28\", \"G1 Z5 F600\", {circles} \"G1 X10 Y10 Z20\", \"M400\"")
}

fn run(line: &str, seed: u64) -> (Outcome, Trace) {
    let text = format!(
        r#"(title: "line", config: "printer.cfg", seed: 0, expect: [], end_s: {END_S}, story: [Gcode([{}])], line: ({line}))"#,
        job()
    );
    let scenario = Scenario::parse(Path::new("scenario.ron"), &text).expect("a scenario");
    let disk = OneConfig(MapSource::new([("printer.cfg", CONFIG)]));
    let name = format!("line-faults-{:?}.drydock", std::thread::current().id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let options = RunOptions { seed: Some(seed), recording: Some(path.clone()), ..RunOptions::default() };
    let outcome = prepare(&scenario, Path::new(""), &disk, &options).expect("a session").run(|_| true).expect("a run");
    let mut reader = Reader::open(path).expect("a recording");
    let mut trace = Trace::new();
    for row in reader.all::<StepSegment>() {
        let row = row.expect("a whole row");
        let steps = (0..row.count).map(|k| (row.step_ns(k, CLOCK_HZ), row.forward));
        trace.entry(row.stepper).or_default().extend(steps);
    }
    (outcome, trace)
}

/// The motions of a motor: times since the start of each, with directions.
fn motions(steps: &[(u64, bool)]) -> Vec<Vec<(u64, bool)>> {
    let split = steps.chunk_by(|a, b| b.0 - a.0 < STOP_NS);
    split.map(|motion| motion.iter().map(|(at_ns, forward)| (at_ns - motion[0].0, *forward)).collect()).collect()
}

/// What is there of `trace` is as in `clean`: each motor, each step, its direction, and its place in the motion.
fn must_be_as(clean: &Trace, trace: &Trace, whole: bool, what: &str) {
    for (motor, clean) in clean {
        let steps = trace.get(motor).map(Vec::as_slice).unwrap_or_default();
        assert!(steps.len() == clean.len() || !whole, "{what}: motor {motor}: {} of {}", steps.len(), clean.len());
        for (n, (clean, got)) in motions(clean).iter().zip(motions(steps)).enumerate() {
            for (k, (clean, got)) in clean.iter().zip(&got).enumerate() {
                assert_eq!(clean.1, got.1, "{what}: motor {motor}, motion {n}, step {k}: direction");
                assert!(
                    clean.0.abs_diff(got.0) <= SLACK_NS,
                    "{what}: motor {motor}, motion {n}, step {k}: {clean:?} {got:?}"
                );
            }
        }
    }
}

#[test]
fn a_bad_line_never_changes_a_step_in_silence() {
    let (outcome, clean) = run("", 1);
    assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
    let (mut whole, mut stopped) = (0, 0);
    for line in [
        "corrupt_per_byte: 0.001",
        "lose_per_byte: 0.001",
        "delay_per_chunk: 0.01, delay_max_ms: 50",
        "corrupt_per_byte: 0.001, lose_per_byte: 0.001, delay_per_chunk: 0.01, delay_max_ms: 50",
        "corrupt_per_byte: 0.01",
        "lose_per_byte: 0.01",
        "corrupt_per_byte: 0.01, lose_per_byte: 0.01, delay_per_chunk: 0.01, delay_max_ms: 50",
    ] {
        for seed in 1..=3 {
            let what = format!("{line}, seed {seed}");
            let (outcome, trace) = run(line, seed);
            eprintln!("{what}: {:?} {:?}", outcome.shutdown, outcome.errors.first());
            match outcome.errors.first() {
                None => {
                    assert!(outcome.sim_s < END_S, "{what}: hangs");
                    must_be_as(&clean, &trace, true, &what);
                    whole += 1;
                }
                Some(error) => {
                    let said =
                        ["Timer too close", "Communication timeout during homing", "Lost communication with MCU"];
                    assert!(said.iter().any(|text| error.contains(text)), "{what}: {error}");
                    must_be_as(&clean, &trace, false, &what);
                    stopped += 1;
                }
            }
        }
    }
    assert!(whole > 0 && stopped > 0, "{whole} {stopped}");
}
