//! `drydock tune all`: one after the other, each on what the ones before it found.

use std::path::PathBuf;

use clap::Args;
use drydock_sweep::flow::FASTEST;
use drydock_tune::session::Session;
use drydock_tune::{Failure, Printer, Work, advance, flow, motion, pid, shaper};

use super::desk::{DeskArgs, gcode};
use crate::run::CliResult;

#[derive(Args)]
pub struct AllArgs {
    #[command(flatten)]
    desk: DeskArgs,
    /// The print whose walls count.
    #[arg(long, value_name = "FILE")]
    gcode: Option<PathBuf>,
    /// Temperature of the hot end, degrees C.
    #[arg(long, value_name = "CELSIUS", default_value_t = 210.0)]
    temperature: f64,
    /// Temperature of the bed, degrees C.
    #[arg(long, value_name = "CELSIUS", default_value_t = 60.0)]
    bed: f64,
}

pub fn run(args: AllArgs) -> CliResult {
    let print = gcode(args.gcode.as_ref())?;
    args.desk.sit("all", |printer, work, session| {
        let heaters = [("extruder", args.temperature), ("heater_bed", args.bed)];
        // One with watermark control keeps it: its max_delta is no option of PID.
        let is_pid = |name: &str| printer.has(name) && printer.text(name, "max_delta").is_none();
        let heaters: Vec<_> = heaters.into_iter().filter(|(name, _)| is_pid(name)).collect();
        // Without one there is nothing to melt.
        let melts = printer.has("extruder");
        let steps = heaters.len() as f64 + if melts { 4.0 } else { 2.0 };
        let mut step = 0.0;
        let mut go_on = |what: &str, tuner: &mut dyn FnMut(&Printer, &Work, &mut Session) -> Result<(), Failure>| {
            let from = step / steps;
            step += 1.0;
            if work.stopped() {
                return Ok(());
            }
            let tell = |what: &str, part: f64| (work.tell)(what, from + part / steps);
            let work = Work { pool: work.pool.clone(), tell: &tell };
            // What one cannot tell does not take away what the others can.
            if let Err(why) = tuner(&printer.with(&session.changes())?, &work, session) {
                session.missed.push(format!("{what}: {why}"));
            }
            Ok::<(), Failure>(())
        };
        // The shaper says what the motors have to do, and how fast corners may be; heat is steady before plastic flows, and
        // pressure is measured at flows that the hot end delivers.
        go_on("input shaper", &mut |printer, work, session| {
            session.shaper = shaper::tune(printer, &shaper::Options { gcode: print.clone() }, work)?;
            Ok(())
        })?;
        go_on("max_accel", &mut |printer, work, session| {
            let shaper = session.shaper.as_ref().map(|s| s.choice.accel_mm_s2());
            session.motion = motion::tune(printer, print.as_deref(), shaper, work)?;
            Ok(())
        })?;
        for (heater, target_c) in heaters {
            go_on(heater, &mut |printer, work, session| {
                let options = pid::Options { target_c, ..pid::Options::of(heater) };
                session.pids.extend(pid::tune(printer, &options, work)?);
                Ok(())
            })?;
        }
        if melts {
            go_on("flow", &mut |printer, work, session| {
                session.flow = flow::tune(printer, args.temperature, FASTEST, work)?;
                Ok(())
            })?;
            go_on("pressure advance", &mut |printer, work, session| {
                let options = advance::Options { temperature_c: args.temperature, flow: session.flow.clone() };
                session.advance = advance::tune(printer, &options, work)?;
                Ok(())
            })?;
        }
        Ok(())
    })
}
