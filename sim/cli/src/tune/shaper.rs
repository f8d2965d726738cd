//! `drydock tune shaper`.

use std::path::PathBuf;

use clap::Args;
use drydock_tune::shaper::{Options, tune};

use super::desk::{DeskArgs, gcode};
use crate::run::CliResult;

#[derive(Args)]
pub struct ShaperArgs {
    #[command(flatten)]
    desk: DeskArgs,
    /// The print whose walls count (default: a part with corners of 90 and 45 degrees at three speeds).
    #[arg(long, value_name = "FILE")]
    gcode: Option<PathBuf>,
}

pub fn run(args: ShaperArgs) -> CliResult {
    let options = Options { gcode: gcode(args.gcode.as_ref())? };
    args.desk.sit("shaper", |printer, work, session| {
        session.shaper = tune(printer, &options, work)?;
        Ok(())
    })
}
