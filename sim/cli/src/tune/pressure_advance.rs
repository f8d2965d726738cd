//! `drydock tune pressure-advance`.

use clap::Args;
use drydock_tune::advance::{Options, tune};

use super::desk::DeskArgs;
use crate::run::CliResult;

#[derive(Args)]
pub struct AdvanceArgs {
    #[command(flatten)]
    desk: DeskArgs,
    /// Temperature of the hot end, degrees C.
    #[arg(long, value_name = "CELSIUS", default_value_t = 210.0)]
    temperature: f64,
}

pub fn run(args: AdvanceArgs) -> CliResult {
    if !(100.0..=500.0).contains(&args.temperature) {
        return Err(format!("--temperature {}: give 100 to 500 degrees C", args.temperature).into());
    }
    let options = Options { temperature_c: args.temperature, flow: None };
    args.desk.sit("advance", |printer, work, session| {
        session.advance = tune(printer, &options, work)?;
        Ok(())
    })
}
