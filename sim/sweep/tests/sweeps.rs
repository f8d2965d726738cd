//! Sweeps of a real scenario: names, values, and that neither workers nor shards nor their order change a bit.

use std::path::{Path, PathBuf};

use drydock_scenario::memory::{Overlay, simulate};
use drydock_scenario::model::Scenario;
use drydock_sweep::design::{Axis, Method, Point, Shard};
use drydock_sweep::table::{Cell, Form, files_at};
use drydock_sweep::{Pool, Stop, Sweep, Table};

/// A few moves without homing or heat: some seconds of simulated time.
const SCENARIO: &str = r#"(
    title: "a square",
    config: "../../scenarios/printers/cartesian.cfg",
    machine: (start_mm: (50.0, 50.0, 10.0)),
    seed: 3,
    story: [Gcode(["SET_KINEMATIC_POSITION X=50 Y=50 Z=10", "G1 X80 F6000", "G1 Y80", "G1 X50", "G1 Y50", "M400"])],
    line: (corrupt_per_byte: 0.0005),
    expect: [AtEnd(AtMost(LostSteps, 0.0)), AtEnd(AtMost(PeakRingingUm, 1000.0))],
    end_s: 20.0,
)"#;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn scenario() -> Scenario {
    Scenario::parse(Path::new("square.ron"), SCENARIO).expect("a scenario")
}

fn sweep_with(over: &[&str], method: Method, seeds: &[u64]) -> Result<Sweep, String> {
    let axes = over.iter().map(|text| Axis::parse(text)).collect::<Result<Vec<_>, _>>()?;
    Sweep::new(scenario(), &folder(), axes, method, seeds)
}

fn run(sweep: &Sweep, points: &[Point], workers: usize) -> Table {
    sweep.run(&Pool { workers, stop: Stop::default() }, points, |_, _| {})
}

fn sorted(table: Table) -> Table {
    Table::merge(vec![table], true).expect("a table")
}

#[test]
fn workers_order_and_shards_change_no_bit() {
    let over = ["config.printer.max_accel=1000,3000", "machine.modes[0].freq_hz=30..60:2"];
    let sweep = sweep_with(&over, Method::Grid, &[1, 2]).expect("a sweep");
    let one = run(&sweep, sweep.points(), 1);
    assert_eq!(one.rows.len(), 8);
    assert_eq!(run(&sweep, sweep.points(), 2), one);
    assert_eq!(run(&sweep, sweep.points(), 5), one);
    let mut backwards = sweep.points().to_vec();
    backwards.reverse();
    assert_eq!(sorted(run(&sweep, &backwards, 2)), one);

    // The same through files, as two machines would do it: the merged file is the whole one, byte for byte.
    let folder = std::env::temp_dir().join(format!("drydock-sweep-{}", std::process::id()));
    let shards: Vec<PathBuf> = ["1/2", "2/2"]
        .iter()
        .map(|text| {
            let shard: Shard = text.parse().expect("a shard");
            // Made anew, as another machine makes it.
            let sweep = sweep_with(&over, Method::Grid, &[1, 2]).expect("a sweep");
            let path = folder.join(format!("shard-{}", shard.index));
            run(&sweep, &sweep.shard(shard), 2).write(&path).expect("written");
            path
        })
        .collect();
    one.write(&folder.join("whole")).expect("written");
    for (whole, form) in files_at(&folder.join("whole")) {
        let name = whole.file_name().expect("a name");
        let parts = shards.iter().rev().map(|s| Table::read(&s.join(name)).expect("a shard")).collect();
        let merged = folder.join(if form == Form::Csv { "merged.csv" } else { "merged.parquet" });
        Table::merge(parts, false).expect("merged").write(&merged).expect("written");
        assert_eq!(std::fs::read(&merged).expect("read"), std::fs::read(&whole).expect("read"), "{}", whole.display());
    }
    std::fs::remove_dir_all(folder).expect("removed");

    // Each parameter and the seed matter: no two runs are the same.
    let c = one.column("fingerprint").expect("fingerprints");
    let mut prints: Vec<String> = one.rows.iter().map(|row| format!("{:?}", row[c])).collect();
    prints.sort();
    prints.dedup();
    assert_eq!(prints.len(), 8);
}

/// Setting a parameter to what it is already changes nothing: the printer.cfg and machine of a sweep are the scenario's own.
#[test]
fn a_parameter_at_its_own_value_is_the_plain_run() {
    let plain = simulate(&scenario(), &folder(), &Overlay::on_disk(), false, || true).expect("runs").expect("whole");
    for over in
        ["config.printer.max_accel=3000", "machine.ambient_c=22", "sample_hz=500", "line.corrupt_per_byte=0.0005"]
    {
        let sweep = sweep_with(&[over], Method::Grid, &[]).expect("a sweep");
        let table = run(&sweep, sweep.points(), 1);
        let cell = &table.rows[0][table.column("fingerprint").expect("fingerprints")];
        assert_eq!(*cell, Cell::Text(plain.outcome.fingerprint.clone()), "{over}");
    }
}

/// A value in the SAVE_CONFIG block wins over all that stands before it, but not over a sweep.
#[test]
fn a_saved_value_does_not_hide_the_swept_one() {
    let folder = std::env::temp_dir().join(format!("drydock-saved-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let config = std::fs::read_to_string(self::folder().join("../../scenarios/printers/cartesian.cfg")).expect("read");
    let block = "\n#*# <---------------------- SAVE_CONFIG ---------------------->\n#*# DO NOT EDIT THIS BLOCK OR BELOW. \
        The contents are auto-generated.\n#*#\n#*# [input_shaper]\n#*# shaper_type_x = mzv\n#*# shaper_freq_x = 40.0\n";
    std::fs::write(folder.join("printer.cfg"), config + block).expect("written");
    let scenario = Scenario { config: "printer.cfg".into(), ..scenario() };
    let axis = Axis::parse("config.input_shaper.shaper_freq_x=40,80").expect("an axis");
    let sweep = Sweep::new(scenario, &folder, vec![axis], Method::Grid, &[]).expect("a sweep");
    let table = run(&sweep, sweep.points(), 1);
    let c = table.column("fingerprint").expect("fingerprints");
    assert_ne!(table.rows[0][c], table.rows[1][c]);
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_wrong_name_or_value_is_told_before_anything_runs() {
    for (over, said) in [
        ("config.printer.max_acel=1", "did you mean config.printer.max_accel?"),
        ("config.printr.max_accel=1", "did you mean config.printer.max_accel?"),
        ("printer.max_accel=1", "did you mean config.printer?"),
        ("machine.modes[0].frq_hz=1", "did you mean machine.modes[0].freq_hz?"),
        ("machine.motors[stepper_q].microsteps=1", "known: 0 stepper_x"),
        ("line.corupt_per_byte=0", "did you mean line.corrupt_per_byte?"),
        ("faults[0].at_s=1", "faults has no entry [0] (known: none, the list is empty)"),
        ("sed=1", "the scenario has no field sed"),
        ("seed=1", "--seeds"),
        ("config.printer.max_accel=fast", "max_accel"),
        ("config.printer.max_accel=-5", "max_accel"),
        ("machine.modes[0].freq_hz=-3", "modes[0].freq_hz"),
        ("machine.modes[0].freq_hz=quick", "invalid type"),
        ("line.corrupt_per_byte=7", "a chance from 0 to 1"),
        ("end_s=0", "above 0"),
        ("config=nowhere.cfg", "nowhere.cfg"),
    ] {
        let Err(why) = sweep_with(&[over], Method::Grid, &[]) else { panic!("{over} was taken") };
        assert!(why.contains(said), "{over}: {why}");
        assert!(why.starts_with("--over "), "{over}: {why}");
    }
    assert!(sweep_with(&["end_s=5", "end_s=6"], Method::Grid, &[]).is_err_and(|why| why.contains("twice")));
}

/// One value that the printer cannot be built with, in a combination that was not tried alone, is a row and no end.
#[test]
fn a_run_that_cannot_begin_is_a_row_that_says_why() {
    let over = ["machine.start_mm[0]=50,200", "config.stepper_x.position_max=100,220"];
    let sweep = sweep_with(&over, Method::Grid, &[]).expect("a sweep");
    let table = run(&sweep, sweep.points(), 2);
    let (ok, error) = (table.column("ok").expect("ok"), table.column("error").expect("error"));
    let broken: Vec<usize> = (0..4).filter(|r| table.rows[*r][ok] == Cell::Bool(false)).collect();
    assert!(broken.contains(&2), "{:?}", table.rows);
    assert!(matches!(&table.rows[2][error], Cell::Text(why) if why.contains("start_mm")), "{:?}", table.rows[2]);
}

#[test]
fn a_hypercube_runs_its_samples_with_every_seed() {
    let method = Method::LatinHypercube { samples: 3, seed: 9 };
    let sweep = sweep_with(&["config.printer.max_accel=1000..5000"], method, &[1, 2]).expect("a sweep");
    assert_eq!(sweep.points().len(), 6);
    assert_eq!(run(&sweep, sweep.points(), 2).rows.len(), 6);
}
