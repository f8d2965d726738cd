//! Bar: on random two-mode machines the tuned shapers ring at most as the peer's recommendation does, at an equal or higher
//! suggested acceleration. The table is measured on a part that was neither searched nor validated on.
//!
//! `cargo run --release -p drydock-tune --example two_modes -- printer.cfg part.gcode 1001 1020 [folder for raw CSVs]`

use std::path::Path;
use std::time::Instant;

use drydock_tune::shaper::{Options, candidate::Shaper, trial::Trial, tune};
use drydock_tune::{Job, Printer, Work, random};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [config, gcode, from, to, rest @ ..] = args.as_slice() else {
        return Err("give a printer.cfg, a G-code file, the first and the last seed".into());
    };
    let gcode = std::fs::read_to_string(gcode)?;
    let (from, to): (u64, u64) = (from.parse()?, to.parse()?);
    let work = Work::quiet(0);
    let (mut held, mut count, mut gains) = (0, 0, Vec::new());
    println!(
        "seed   peer X          peer Y          accel  tuned X              tuned Y              accel   rms um  ->    peak um  ->    off um   ok   s"
    );
    for seed in from..=to {
        let start = Instant::now();
        let mut printer = Printer::load(Path::new(config), None, seed)?;
        printer.machine.modes = random::two_modes(seed, printer.machine.kinematics.bed_moves_y());
        if let Some(folder) = rest.first() {
            raw_csv(&printer, Path::new(folder), seed, &work)?;
        }
        let answer = tune(&printer, &Options::default(), &work)?.ok_or("stopped")?;
        if std::env::args().any(|a| a == "--ranked") {
            for r in &answer.ranked {
                let pair = [0, 1].map(|i| format!("{} z{:.3}", r.pair[i].name(), r.pair[i].damping));
                println!("    {pair:?} {:.0?} {:.2?} {:.2?}", r.max_accel_mm_s2, r.predicted, r.verified);
            }
        }
        let judge = Trial::of_print(&gcode);
        let seen = |pair: &[Shaper; 2]| judge.ringing(&printer, pair, &work);
        let peer = seen(&answer.peer.pair)?.ok_or("stopped")?;
        let tuned = if answer.kept_peer { peer } else { seen(&answer.choice.pair)?.ok_or("stopped")? };
        let faster = (0..2).all(|i| answer.choice.max_accel_mm_s2[i] >= answer.peer.max_accel_mm_s2[i]);
        let ok = faster && tuned.rms_um <= peer.rms_um && tuned.peak_um <= peer.peak_um;
        held += u32::from(ok);
        count += 1;
        gains.push(tuned.rms_um / peer.rms_um);
        let name = |s: &Shaper| format!("{} z{:.3}", s.name(), s.damping);
        println!(
            "{seed}  {:14}  {:14}  {:5.0}  {:20} {:20} {:5.0}  {:6.2} {:6.2}   {:6.1} {:6.1}   {:6.1} {:6.1}  {}  {:.0}  conf {:.2?} given up {}",
            answer.peer.pair[0].name(),
            answer.peer.pair[1].name(),
            answer.peer.accel_mm_s2(),
            name(&answer.choice.pair[0]),
            name(&answer.choice.pair[1]),
            answer.choice.accel_mm_s2(),
            peer.rms_um,
            tuned.rms_um,
            peer.peak_um,
            tuned.peak_um,
            peer.off_um,
            tuned.off_um,
            if ok { "yes" } else { "NO" },
            start.elapsed().as_secs_f64(),
            answer.confidence().unwrap_or(f64::NAN),
            answer.given_up,
        );
    }
    gains.sort_by(f64::total_cmp);
    println!("{held} of {count}; ringing against the peer's: median {:.2}", gains[gains.len() / 2]);
    Ok(())
}

/// The accelerometer's samples of a test of both axes, for the peer's own script.
fn raw_csv(printer: &Printer, folder: &Path, seed: u64, work: &Work) -> Result<(), Box<dyn std::error::Error>> {
    let [x, y] = printer.middle_mm();
    let lines = ["X", "Y"].map(|axis| format!("TEST_RESONANCES AXIS={axis} OUTPUT=raw_data NAME=m{seed}"));
    let job = Job { start_mm: Some([x, y, 20.0]), seed: Some(seed + 7), ..Job::lines(lines) };
    let run = printer.run(&job, work)?.ok_or("stopped")?;
    for (path, content) in &run.outcome.files {
        std::fs::write(folder.join(Path::new(path).file_name().unwrap_or_default()), content)?;
    }
    Ok(())
}
