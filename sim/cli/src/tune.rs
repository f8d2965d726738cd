//! `drydock tune`: settings searched offline, through the real host and firmware.

mod flow;
mod max_accel;

use clap::Subcommand;

use crate::run::CliResult;

#[derive(Subcommand)]
pub enum TuneCommand {
    /// The highest acceleration and speed without lost steps.
    MaxAccel(max_accel::MaxAccelArgs),
    /// The highest flow of plastic, and what limits it.
    Flow(flow::FlowArgs),
}

pub fn tune(command: TuneCommand) -> CliResult {
    match command {
        TuneCommand::MaxAccel(args) => max_accel::run(args),
        TuneCommand::Flow(args) => flow::run(args),
    }
}
