//! `drydock tune all`: one after the other, each on what the ones before it found.

use std::path::PathBuf;

use clap::Args;
use drydock_tune::{Work, advance, pid, shaper};

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
        let mut printer = printer.clone();
        let heaters = [("extruder", args.temperature), ("heater_bed", args.bed)];
        // One with watermark control keeps it: its max_delta is no option of PID.
        let is_pid = |name: &str| printer.has(name) && printer.text(name, "max_delta").is_none();
        let heaters: Vec<_> = heaters.into_iter().filter(|(name, _)| is_pid(name)).collect();
        let steps = heaters.len() as f64 + 2.0;
        let mut step = 0.0;
        let go_on = |step: &mut f64, tuner: &mut dyn FnMut(&Work) -> Result<(), drydock_tune::Failure>| {
            let from = *step / steps;
            *step += 1.0;
            if work.stopped() {
                return Ok(());
            }
            let tell = |what: &str, part: f64| (work.tell)(what, from + part / steps);
            tuner(&Work { pool: work.pool.clone(), tell: &tell })
        };
        for (heater, target_c) in heaters {
            go_on(&mut step, &mut |work| {
                let options = pid::Options { target_c, ..pid::Options::of(heater) };
                session.pids.extend(pid::tune(&printer, &options, work)?);
                Ok(())
            })?;
        }
        printer = printer.with(&session.changes())?;
        go_on(&mut step, &mut |work| {
            session.shaper = shaper::tune(&printer, &shaper::Options { gcode: print.clone() }, work)?;
            Ok(())
        })?;
        printer = printer.with(&session.changes())?;
        go_on(&mut step, &mut |work| {
            session.advance = advance::tune(&printer, &advance::Options { temperature_c: args.temperature }, work)?;
            Ok(())
        })?;
        Ok(())
    })
}
