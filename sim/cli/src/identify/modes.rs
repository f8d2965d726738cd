//! The accelerometer's part: modes from resonance tests, judged in the twin.

use std::path::{Path, PathBuf};

use drydock_identify::accel::holdout::{Compared, HeldOut, Stage, hold_out_last, holdout, settle_in_twin};
use drydock_identify::accel::{FitOptions, ModesFit, Recording, check, fit};
use drydock_plant::{Machine, Origin};

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

/// Fits the modes and puts them into the machine. With a printer.cfg the test is replayed in the twin.
pub fn modes(
    machine: &mut Machine,
    mut recordings: Vec<Recording>,
    mut held: Vec<Recording>,
    config: Option<&Path>,
    out: &mut Identified,
) -> Option<Modes> {
    if held.is_empty() {
        (recordings, held) = hold_out_last(recordings);
    }
    let options = FitOptions { bed_moves_y: machine.kinematics.bed_moves_y(), ..FitOptions::default() };
    let mut fit = match fit(&recordings, &options) {
        Ok(fit) => fit,
        Err(why) => {
            out.refused.push(why.to_string());
            return None;
        }
    };
    held.extend(recordings.iter().filter(|r| fit.left_out.contains(&r.title())).cloned());
    let mut settled = false;
    let mut held_out = Vec::new();
    if let Some(config) = config {
        let stage = Stage { config: config.to_path_buf(), machine: machine.clone(), seed: 1 };
        match settle_in_twin(&mut fit, &recordings, &stage) {
            Ok(()) => settled = true,
            Err(why) => out.flags.push(format!("modes are not settled in the twin: {why}")),
        }
        if settled && !held.is_empty() {
            match holdout(&fit, &held, &stage) {
                Ok(compared) => held_out = compared,
                Err(why) => out.flags.push(format!("held-out accelerometer recordings: {why}")),
            }
        }
    } else {
        out.flags.push("without --config the modes are not settled in the twin: its own drives add to them".into());
    }
    machine.sources.retain(|path, _| !path.starts_with("modes["));
    machine.modes = fit.modes();
    let fitted = fit.axes.iter().flat_map(|axis| axis.modes.iter().map(|mode| (axis.files.join(", "), mode)));
    for (index, (from, mode)) in fitted.enumerate() {
        let values = [("freq_hz", mode.freq_hz, "Hz"), ("damping", mode.damping, ""), ("shape", mode.share, "share")];
        for (field, interval, unit) in values {
            let path = format!("modes[{index}].{field}");
            let (bounds, told) = ((interval.low, interval.high), interval.is_told());
            let origin = match told {
                true => Origin::Fitted { from: from.clone(), interval: bounds },
                false => Origin::Assumed(format!("what suits {from} best, which hardly tells it")),
            };
            machine.sources.insert(path.clone(), origin);
            out.rows.push(Row { path, value: interval.value, unit, interval: bounds, from: from.clone(), told });
        }
    }
    out.cannot_tell.extend(fit.notes.iter().map(|note| format!("modes: {note}")));
    Some(Modes { fit, held_out, settled })
}

/// What came of a held-out recording, in words.
pub fn verdict(held: &HeldOut) -> String {
    let twin = held.reason.as_deref().unwrap_or("within 2 % in frequency and 20 % in height");
    match &held.repeat {
        Some(repeat) if held.ok() && !repeat.ok() => format!("{twin}, which {} itself is not", repeat.file),
        _ => twin.to_string(),
    }
}

/// Errors of a peak's frequency and height.
pub fn percents(peak: Option<&Compared>) -> [String; 2] {
    let percent = |e: Option<f64>| e.map_or("-".to_string(), |e| format!("{:+.1} %", 100.0 * e));
    [percent(peak.and_then(Compared::freq_error)), percent(peak.and_then(Compared::height_error))]
}
