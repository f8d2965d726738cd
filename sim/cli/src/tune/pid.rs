//! `drydock tune pid`.

use clap::Args;
use drydock_tune::pid::{Options, tune};

use super::desk::DeskArgs;
use crate::run::CliResult;

#[derive(Args)]
pub struct PidArgs {
    #[command(flatten)]
    desk: DeskArgs,
    /// The heater's section in printer.cfg.
    #[arg(long, default_value = "extruder")]
    heater: String,
    /// Temperature to tune at, degrees C [default: 210; a bed 60].
    #[arg(long, value_name = "CELSIUS")]
    target: Option<f64>,
    /// The print's peak flow, which the hot end must hold at, mm^3/s.
    #[arg(long, value_name = "MM3_S", default_value_t = 10.0)]
    flow: f64,
}

pub fn run(args: PidArgs) -> CliResult {
    let mut options = Options { flow_mm3_s: args.flow, ..Options::of(&args.heater) };
    options.target_c = args.target.unwrap_or(options.target_c);
    if !(30.0..=500.0).contains(&options.target_c) {
        return Err(format!("--target {}: give 30 to 500 degrees C", options.target_c).into());
    }
    if !(0.1..=200.0).contains(&args.flow) {
        return Err(format!("--flow {}: give 0.1 to 200 mm^3/s", args.flow).into());
    }
    args.desk.sit("pid", |printer, work, session| {
        session.pids.extend(tune(printer, &options, work)?);
        Ok(())
    })
}
