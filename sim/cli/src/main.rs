//! The `drydock` command.

mod calibrate_shaper;
mod check;
mod crew;
mod faces;
mod firmware;
#[cfg(unix)]
mod host;
mod identify;
#[cfg(all(test, unix))]
mod loopback;
#[cfg(unix)]
mod mcu;
mod offline;
mod passed;
mod recordings;
mod run;
mod sweep;
mod term;
mod test;
mod tune;
#[cfg(unix)]
mod wall;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A deterministic simulator and digital twin of Klipper-class 3D printers.
///
/// Without a command: simulates a whole print on a bundled machine, shaper off against shaper on.
#[derive(Parser)]
#[command(name = "drydock", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Simulate a print or a scenario: host, protocol, firmware and physics.
    Run(run::RunArgs),
    /// Run scenarios and check what they expect.
    Test(test::TestArgs),
    /// Run a scenario at many points of its parameters, on all cores or on many machines.
    Sweep(sweep::SweepArgs),
    /// Search settings offline, through the real host and firmware.
    Tune {
        #[command(subcommand)]
        command: tune::TuneCommand,
    },
    /// Put the virtual printer behind a pseudo-terminal, in real time, for Klipper or another host.
    #[cfg(unix)]
    Mcu(mcu::McuArgs),
    /// Drive real boards, or a virtual printer: Drydock's host on a wall clock, with a console.
    #[cfg(unix)]
    Host(host::HostArgs),
    /// Name every mistake of a printer.cfg, without a printer.
    Check(check::CheckArgs),
    /// Find the input shaper for recordings of a resonance test, as Klipper's script does.
    CalibrateShaper(calibrate_shaper::CalibrateShaperArgs),
    /// Write the planned moves of a G-code file.
    Plan(offline::PlanArgs),
    /// Write every step of a G-code file.
    Steps(offline::StepsArgs),
    /// Write what a recording holds in forms that other programs read.
    Export(recordings::ExportArgs),
    /// From your printer's recordings to a machine file: its twin.
    Identify(identify::IdentifyArgs),
    /// Compare two recordings: the first event that differs.
    Diff(recordings::DiffArgs),
    /// Put the firmware that was tested on a board: `drydock deploy --dry-run --chip STM32F407VG` shows how.
    #[command(disable_help_flag = true)]
    Deploy(faces::FaceArgs),
    /// Look at a recording: 3D preview, resonance playback, plots, tuning.
    #[command(disable_help_flag = true)]
    View(faces::FaceArgs),
    /// A picture or a video of a recording, without a window.
    #[command(disable_help_flag = true)]
    Shot(faces::FaceArgs),
    /// Build the firmware for a real board.
    Firmware(firmware::FirmwareArgs),
    /// Write shell completions to standard output.
    Completions { shell: clap_complete::Shell },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        None => run::demo(),
        Some(Command::Run(args)) => run::run(args),
        Some(Command::Test(args)) => test::test(args),
        Some(Command::Sweep(args)) => sweep::sweep(args),
        Some(Command::Tune { command }) => tune::tune(command),
        #[cfg(unix)]
        Some(Command::Mcu(args)) => mcu::mcu(args),
        #[cfg(unix)]
        Some(Command::Host(args)) => host::host(args),
        Some(Command::Check(args)) => check::check(args),
        Some(Command::CalibrateShaper(args)) => calibrate_shaper::calibrate_shaper(args),
        Some(Command::Plan(args)) => offline::plan(args),
        Some(Command::Steps(args)) => offline::steps(args),
        Some(Command::Export(args)) => recordings::export(args),
        Some(Command::Identify(args)) => identify::identify(args),
        Some(Command::Diff(args)) => recordings::diff(args),
        Some(Command::Deploy(args)) => faces::deploy(args),
        Some(Command::View(args)) => faces::view(args),
        Some(Command::Shot(args)) => faces::shot(args),
        Some(Command::Firmware(args)) => firmware::firmware(args),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(
                shell,
                &mut <Cli as clap::CommandFactory>::command(),
                "drydock",
                &mut std::io::stdout(),
            );
            Ok(ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(2)
    })
}
