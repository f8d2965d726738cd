//! The accelerometer's part: modes from resonance tests, judged in the twin.

use std::path::{Path, PathBuf};

use drydock_identify::accel::holdout::{HeldOut, Stage, holdout, settle_in_twin};
use drydock_identify::accel::{FitOptions, ModesFit, Recording, check, fit};
use drydock_plant::{Machine, Origin};
use drydock_scenario::model::MachineChanges;

use super::{Identified, Row};

/// What was fitted, and what the twin makes of recordings held out.
pub struct Modes {
    pub fit: ModesFit,
    pub held_out: Vec<HeldOut>,
    /// The fit counts what the twin's own drives add.
    pub settled: bool,
}

/// The recordings of files that are accelerometer files at all, without those that are refused by name.
pub fn read(paths: &[PathBuf], out: &mut Identified) -> Vec<Recording> {
    let mut all = Vec::new();
    for path in paths {
        match Recording::read_all(path) {
            Err(why) => out.refused.push(why.to_string()),
            Ok(recordings) => {
                for recording in recordings {
                    match check(&recording).refusal() {
                        Some(why) => out.refused.push(format!("{}: {why}", path.display())),
                        None => all.push(recording),
                    }
                }
            }
        }
    }
    all
}

/// Whether a file is an accelerometer's.
pub fn is_accel(path: &Path) -> bool {
    Recording::read_all(path).is_ok()
}

/// Rounds of fitting, replaying and fitting again: `settle_in_twin` says that two are enough.
const ROUNDS: usize = 2;

/// Fits the modes and puts them into the machine. With a printer.cfg the test is replayed in the twin.
pub fn modes(
    machine: &mut Machine,
    recordings: &[Recording],
    held: &[Recording],
    config: Option<&Path>,
    out: &mut Identified,
) -> Option<Modes> {
    let mut fit = match fit(recordings, &FitOptions::default()) {
        Ok(fit) => fit,
        Err(why) => {
            out.refused.push(why.to_string());
            return None;
        }
    };
    let mut settled = false;
    let mut held_out = Vec::new();
    if let Some(config) = config {
        let stage = Stage { config: config.to_path_buf(), machine: MachineChanges::default(), seed: 1 };
        match settle_in_twin(&mut fit, recordings, &stage, ROUNDS) {
            Ok(()) => settled = true,
            Err(why) => out.flags.push(format!("modes are not settled in the twin: {why}")),
        }
        if settled && !held.is_empty() {
            match holdout(&fit, held, &stage) {
                Ok(compared) => held_out = compared,
                Err(why) => out.flags.push(format!("held-out accelerometer recordings: {why}")),
            }
        }
    } else {
        out.flags.push("without --config the modes are not settled in the twin: its own drives add to them".into());
    }
    machine.sources.retain(|path, _| !path.starts_with("modes["));
    machine.take_modes(fit.modes());
    let mut index = 0;
    for axis in &fit.axes {
        let from = axis.files.join(", ");
        for mode in &axis.modes {
            let values =
                [("freq_hz", mode.freq_hz, "Hz"), ("damping", mode.damping, ""), ("shape", mode.share, "share")];
            for (field, interval, unit) in values {
                let path = format!("modes[{index}].{field}");
                let bounds = (interval.low, interval.high);
                machine.sources.insert(path.clone(), Origin::Fitted { from: from.clone(), interval: bounds });
                let (value, from) = (interval.value, from.clone());
                out.rows.push(Row { path, value, unit, interval: bounds, from, told: true });
            }
            index += 1;
        }
    }
    out.cannot_tell.extend(fit.notes.iter().map(|note| format!("modes: {note}")));
    Some(Modes { fit, held_out, settled })
}
