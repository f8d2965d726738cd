//! How well a twin fitted to a recording predicts the next one: of recordings of one axis of one machine, in the order in
//! which they were made, each is fitted, and the test of the next is replayed. docs/identify.md has what came of it.
//!
//! ```text
//! accel_holdout PRINTER_CFG RECORDING RECORDING...
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use drydock_host::config::Config;
use drydock_identify::accel::holdout::{Compared, HeldOut, Stage, holdout, settle_in_twin};
use drydock_identify::accel::{FitOptions, Recording, fit};
use drydock_scenario::disk::DiskSource;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (config, files) = args.split_first().ok_or("PRINTER_CFG RECORDING RECORDING...")?;
    let parsed = Config::parse(&DiskSource, config).map_err(|errors| format!("{errors:?}"))?;
    let machine = drydock_twin::wiring::from_config(&parsed).map_err(|e| e.to_string())?.machine;
    let stage = Stage { config: PathBuf::from(config), machine, seed: 1 };
    let all: Vec<Recording> =
        files.iter().map(|f| Recording::read(Path::new(f))).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    for pair in all.windows(2) {
        match predict(&pair[..1], &pair[1..], &stage) {
            Ok((held_out, off)) => print(&pair[0], &held_out, &off),
            Err(why) => println!("{}: not fitted: {why}", pair[0].title()),
        }
    }
    Ok(())
}

/// What the twin of one recording makes of the other, and how it settled.
fn predict(fitted: &[Recording], held: &[Recording], stage: &Stage) -> Result<(Vec<HeldOut>, Vec<f64>), String> {
    let bed_moves_y = stage.machine.kinematics.bed_moves_y();
    let mut modes = fit(fitted, &FitOptions { bed_moves_y, ..FitOptions::default() }).map_err(|e| e.to_string())?;
    settle_in_twin(&mut modes, fitted, stage)?;
    let held_out = holdout(&modes, held, stage)?;
    Ok((held_out, modes.axes.iter().flat_map(|axis| axis.off_by_round.clone()).collect()))
}

fn print(fitted: &Recording, held_out: &[HeldOut], off: &[f64]) {
    let errors = |peaks: &[Compared]| -> String {
        let percent = |e: Option<f64>| e.map_or("none".into(), |e| format!("{:+.1} %", 100.0 * e));
        let one = |p: &Compared| {
            format!("{:.1} Hz {} {}", p.measured.freq_hz, percent(p.freq_error()), percent(p.height_error()))
        };
        peaks.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    println!("{}: {off:.2?} bounds off by round", fitted.title());
    for held in held_out {
        println!("  {} twin {}: {}", held.file, if held.ok() { "ok" } else { "no" }, errors(&held.peaks));
        match &held.repeat {
            Some(repeat) => {
                println!("    itself {}: {}", if repeat.ok() { "ok" } else { "no" }, errors(&repeat.peaks));
            }
            None => println!("    {}", held.reason.as_deref().unwrap_or_default()),
        }
    }
}
