//! The machines of assets/machines: each can be read, says where its numbers come from, and homes and moves in the twin.

use std::path::{Path, PathBuf};

use drydock_plant::{Machine, Origin};
use drydock_scenario::disk::RealDisk;
use drydock_scenario::machine_file;
use drydock_scenario::model::{Act, Condition, Expectation, MachineChanges, Quantity, Scenario};
use drydock_scenario::setup::{RunOptions, prepare};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Path and text of every machine file.
fn library() -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(root().join("assets/machines")).expect("assets/machines");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "ron"));
    paths.sort();
    assert!(!paths.is_empty());
    paths.into_iter().map(|p| (p.clone(), std::fs::read_to_string(&p).expect("a text"))).collect()
}

#[test]
fn each_machine_of_the_library_is_whole_and_sourced() {
    for (path, text) in library() {
        let machine = machine_file::parse(&path, &text).unwrap_or_else(|e| panic!("{e}"));
        machine.validate().unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
        for mode in 0..machine.modes.len() {
            assert!(machine.source(&format!("modes[{mode}].freq_hz")).is_some(), "{}: mode {mode}", path.display());
        }
        for heater in 0..machine.heaters.len() {
            let field = format!("heaters[{heater}].body.loss_w_k");
            assert!(machine.source(&field).is_some(), "{}: {field}", path.display());
        }
        for (field, origin) in &machine.sources {
            let said = match origin {
                Origin::Datasheet(said) | Origin::Config(said) | Origin::Assumed(said) => said,
                Origin::Fitted { from, .. } => from,
            };
            assert!(!said.is_empty(), "{}: {field} names no source", path.display());
        }
        // What is written is read back.
        let again = machine_file::write(&machine).expect("a text");
        assert_eq!(machine_file::parse(&path, &again).unwrap_or_else(|e| panic!("{e}")), machine);
    }
}

#[test]
fn each_machine_of_the_library_homes_and_moves() {
    for (path, text) in library() {
        let first = text.lines().next().unwrap_or_default();
        let config = first.split("wired as ").nth(1).and_then(|rest| rest.split(".cfg").next());
        let config = root()
            .join(config.unwrap_or_else(|| panic!("{}: no printer.cfg is named", path.display())).to_string() + ".cfg");
        let end = |q, at, within| Expectation::AtEnd(Condition::Near(q, at, within));
        let scenario = Scenario {
            machine: MachineChanges {
                file: Some(std::path::absolute(&path).expect("a path").display().to_string()),
                ..MachineChanges::default()
            },
            story: vec![Act::Gcode(vec!["G28".into(), "G1 X40 Y30 Z20 F6000".into(), "M400".into()])],
            expect: vec![
                end(Quantity::NozzleX, 40.0, 0.2),
                end(Quantity::NozzleY, 30.0, 0.2),
                end(Quantity::LostSteps, 0.0, 0.0),
            ],
            end_s: 300.0,
            sample_hz: 20.0,
            ..Scenario::plain(&config.display().to_string(), "")
        };
        let session = prepare(&scenario, Path::new(""), &RealDisk, &RunOptions::default());
        let session = session.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let outcome = session.run(|_| true).expect("a run");
        assert!(outcome.ok(), "{}: {:?} {:?} {:?}", path.display(), outcome.errors, outcome.failures, outcome.shutdown);
    }
}

#[test]
fn a_source_that_names_no_field_is_an_error_with_its_place() {
    let (path, text) = library().remove(0);
    let machine: Machine = machine_file::parse(&path, &text).expect("a machine");
    for (wrong, needle) in [
        ("modes[0].freq", "freq_hz"),
        ("modes[99].freq_hz", "entries"),
        ("heaters[0].body.block", "block_j_k"),
        ("sensor", "sensors"),
        ("modes[x]", "cannot be read"),
    ] {
        let why = machine_file::check_path(&machine, wrong).expect_err(wrong);
        assert!(why.contains(needle), "{why}");
    }
    let broken = text.replace("\"bed_surface\":", "\"bed_surfaces\":");
    let why = machine_file::parse(&path, &broken).expect_err("no such field").to_string();
    let line = 1 + broken.lines().position(|l| l.contains("bed_surfaces")).expect("the line");
    assert!(why.contains(&format!(".ron:{line}:")), "{why}");
}
