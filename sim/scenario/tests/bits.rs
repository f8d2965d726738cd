//! The promise of docs/determinism.md, on whole runs: same inputs, same bits, whatever runs beside them; and another bit of
//! the seed makes another run.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use drydock_host::config::{FileSource, MapSource};
use drydock_host::files::{Files, MemoryFiles};
use drydock_scenario::model::Scenario;
use drydock_scenario::setup::{Disk, RunOptions, prepare};

/// The plain machine's printer.cfg, wherever a scenario looks for it.
struct OneConfig(MapSource);

impl Disk for OneConfig {
    fn source(&self) -> &dyn FileSource {
        &self.0
    }
    fn prints(&self, _: Vec<(String, PathBuf)>) -> Rc<dyn Files> {
        Rc::new(MemoryFiles::default())
    }
}

/// Fingerprint of a session that homes, moves, and heats over a line with faults.
fn run(seed: u64) -> String {
    let text = r#"(title: "bits", config: "printer.cfg", seed: 0, expect: [], end_s: 60,
        story: [Gcode(["M104 S80", "G28 X Y", "G1 X60 Y40 F9000", "G1 X20 Y30"])],
        line: (corrupt_per_byte: 0.0002, lose_per_byte: 0.0002))"#;
    let scenario = Scenario::parse(Path::new("scenario.ron"), text).expect("a scenario");
    let config = include_str!("../../../scenarios/printers/cartesian.cfg");
    let disk = OneConfig(MapSource::new([("printer.cfg", config)]));
    let options = RunOptions { seed: Some(seed), ..RunOptions::default() };
    let session = prepare(&scenario, Path::new(""), &disk, &options).expect("a session");
    let outcome = session.run(|_| true).expect("a run");
    assert_eq!(outcome.shutdown, None);
    assert!(outcome.steps > 10_000, "{} steps", outcome.steps);
    outcome.fingerprint
}

#[test]
fn the_same_run_twice_and_beside_others_has_the_same_bits() {
    let first = run(1);
    assert_eq!(run(1), first);
    let beside: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| run(1))).collect();
        runs.into_iter().map(|run| run.join().expect("no panic")).collect()
    });
    assert!(beside.iter().all(|bits| *bits == first), "{beside:?} {first}");
}

#[test]
fn every_flipped_bit_of_the_seed_gives_another_run() {
    let first = run(1);
    for bit in [0, 1, 31, 63] {
        assert_ne!(run(1 ^ 1 << bit), first, "bit {bit}");
    }
}
