//! `drydock tune`: settings searched offline, through the real host and firmware.

mod all;
mod desk;
mod flow;
mod max_accel;
mod pid;
mod pressure_advance;
mod shaper;

use clap::Subcommand;

use crate::run::CliResult;

#[derive(Subcommand)]
pub enum TuneCommand {
    /// Which input shaper, and at which frequency: ringing predicted, printed and validated in the twin.
    Shaper(shaper::ShaperArgs),
    /// PID gains of a heater: the relay test, then better ones, tried on plants that differ.
    Pid(pid::PidArgs),
    /// Pressure advance from the widths of lines.
    PressureAdvance(pressure_advance::AdvanceArgs),
    /// The highest acceleration and speed without lost steps.
    MaxAccel(max_accel::MaxAccelArgs),
    /// The highest flow of plastic, and what limits it.
    Flow(flow::FlowArgs),
    /// Shaper, max_accel, PID, flow and pressure advance one after the other: one report, one block for printer.cfg.
    All(all::AllArgs),
}

pub fn tune(command: TuneCommand) -> CliResult {
    match command {
        TuneCommand::Shaper(args) => shaper::run(args),
        TuneCommand::Pid(args) => pid::run(args),
        TuneCommand::PressureAdvance(args) => pressure_advance::run(args),
        TuneCommand::MaxAccel(args) => max_accel::run(args),
        TuneCommand::Flow(args) => flow::run(args),
        TuneCommand::All(args) => all::run(args),
    }
}
