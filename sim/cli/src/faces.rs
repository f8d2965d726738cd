//! `drydock deploy`, `drydock view`, `drydock shot`: programs of their own, found beside this one. They bring a debug-probe
//! stack and a GPU stack, which the rest need not wait for.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;

use crate::run::CliResult;

const DEPLOY: &str = "drydock-deploy";
const VIEW: &str = "drydock-view";

#[derive(Args)]
pub struct FaceArgs {
    /// What the program takes; --help lists it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

pub fn deploy(args: FaceArgs) -> CliResult {
    run(DEPLOY, args.args)
}

pub fn view(args: FaceArgs) -> CliResult {
    run(VIEW, args.args)
}

pub fn shot(args: FaceArgs) -> CliResult {
    run(VIEW, [vec!["shot".into()], args.args].concat())
}

/// Opens the viewer on a recording that is still being written, and does not wait for it.
pub fn watch(recording: &Path) -> Result<(), String> {
    Command::new(program(VIEW)).arg(recording).spawn().map(drop).map_err(|error| cause(VIEW, &error))
}

fn run(name: &str, args: Vec<OsString>) -> CliResult {
    match Command::new(program(name)).args(args).status() {
        // None where a signal ended it.
        Ok(status) => Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))),
        Err(error) => Err(cause(name, &error).into()),
    }
}

fn cause(name: &str, error: &std::io::Error) -> String {
    if error.kind() == ErrorKind::NotFound {
        return format!("{name} is not built yet: run `cargo build --release -p {name}`");
    }
    format!("{name}: {error}")
}

/// Beside this program, else wherever PATH has it.
fn program(name: &str) -> PathBuf {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe().ok().map(|this| this.with_file_name(&name));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name))
}
