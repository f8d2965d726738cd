//! `drydock deploy`: the program `drydock-deploy`, which brings a debug-probe stack and so is built on its own.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Args;

use crate::run::CliResult;

const PROGRAM: &str = "drydock-deploy";

#[derive(Args)]
pub struct DeployArgs {
    /// What drydock-deploy takes; --help lists it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

pub fn deploy(args: DeployArgs) -> CliResult {
    match Command::new(program()).args(args.args).status() {
        // None where a signal ended it.
        Ok(status) => Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(format!("{PROGRAM} is not built yet: run `cargo build --release -p {PROGRAM}`").into())
        }
        Err(error) => Err(format!("{PROGRAM}: {error}").into()),
    }
}

/// Beside this program, else wherever PATH has it.
fn program() -> PathBuf {
    let name = format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe().ok().map(|this| this.with_file_name(&name));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name))
}
