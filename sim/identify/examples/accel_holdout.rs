//! Fits modes to recordings, settles them in a twin, and compares the twin's spectra with recordings held out.
//!
//! ```text
//! accel_holdout PRINTER_CFG FITTED... -- HELD_OUT...
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use drydock_host::config::Config;
use drydock_identify::accel::holdout::{Stage, holdout, settle_in_twin};
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

fn read(files: &[String]) -> Result<Vec<Recording>, String> {
    let all: Result<Vec<Vec<Recording>>, _> = files.iter().map(|f| Recording::read_all(Path::new(f))).collect();
    Ok(all.map_err(|e| e.to_string())?.into_iter().flatten().collect())
}

fn run() -> Result<(), String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (config, files) = args.split_first().ok_or("PRINTER_CFG FITTED... -- HELD_OUT...")?;
    let split = files.iter().position(|a| a == "--").unwrap_or(files.len());
    let fitted = read(&files[..split])?;
    let held_out = read(files.get(split + 1..).unwrap_or_default())?;
    let parsed = Config::parse(&DiskSource, config).map_err(|e| format!("{e:?}"))?;
    let machine = drydock_twin::wiring::from_config(&parsed).map_err(|e| e.to_string())?.machine;
    let options = FitOptions { bed_moves_y: machine.kinematics.bed_moves_y(), ..FitOptions::default() };
    let mut modes = fit(&fitted, &options).map_err(|e| e.to_string())?;
    let stage = Stage { config: PathBuf::from(config), machine, seed: 1 };
    for settled in [false, true] {
        if settled {
            settle_in_twin(&mut modes, &fitted, &stage)?;
        }
        println!("{}", if settled { "settled in the twin" } else { "as fitted" });
        for axis in &modes.axes {
            println!(
                "  direction {:?}: {} modes, {:.2} % unexplained in windows left out (1, 2, .. modes: {}), {:?}",
                axis.direction,
                axis.modes.len(),
                100.0 * axis.held_out_residual,
                axis.by_modes.iter().map(|r| format!("{:.2}", 100.0 * r)).collect::<Vec<_>>().join(", "),
                axis.sweep
            );
            for m in &axis.modes {
                println!(
                    "    {:6.2} Hz ({:.2} to {:.2})  damping {:.4} ({:.4} to {:.4})  share {:+.3} ({:+.3} to {:+.3})  shape {:.3?}",
                    m.freq_hz.value,
                    m.freq_hz.low,
                    m.freq_hz.high,
                    m.damping.value,
                    m.damping.low,
                    m.damping.high,
                    m.share.value,
                    m.share.low,
                    m.share.high,
                    m.mode.shape
                );
            }
        }
        for (name, set) in [("fitted", &fitted), ("held out", &held_out)] {
            let compared = holdout(&modes, set, &stage)?;
            let ok = compared.iter().filter(|c| c.ok()).count();
            println!("  {name}: {ok} of {} within 2 % and 20 %", compared.len());
            for c in &compared {
                println!("    {:<58} {}", c.file, c.reason.as_deref().unwrap_or("ok"));
                if let Some(repeat) = &c.repeat {
                    println!("      a copy of {}: {}", repeat.file, if repeat.ok() { "ok" } else { "no" });
                }
                for p in &c.peaks {
                    let percent = |e: Option<f64>| e.map_or("none".into(), |e| format!("{:+.1} %", 100.0 * e));
                    println!(
                        "      {:6.1} Hz {:9.0}: frequency {}, height {}",
                        p.measured.freq_hz,
                        p.measured.height,
                        percent(p.freq_error()),
                        percent(p.height_error())
                    );
                }
            }
        }
    }
    modes.notes.iter().for_each(|note| println!("  {note}"));
    Ok(())
}
