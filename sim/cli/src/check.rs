//! `drydock check`: every mistake of a printer.cfg (and of a G-code file for it) that can be seen without a printer.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use drydock_host::config::lint::{Severity, check as lint};
use serde_json::json;

use crate::files::DiskSource;
use crate::run::CliResult;

#[derive(Args)]
pub struct CheckArgs {
    /// The printer.cfg.
    config: PathBuf,
    /// A G-code file that is to be printed with it.
    #[arg(long, value_name = "FILE")]
    gcode: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

/// Exit code 0: nothing found, or warnings only; 1: errors.
pub fn check(args: CheckArgs) -> CliResult {
    let config = args.config.display().to_string();
    let program = match &args.gcode {
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        None => None,
    };
    let findings = match &program {
        Some(text) => lint(&DiskSource, &config, Some(&mut text.lines())),
        None => lint(&DiskSource, &config, None),
    };
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
    if args.json {
        let list: Vec<_> = findings
            .iter()
            .map(|f| {
                json!({"severity": format!("{:?}", f.severity).to_lowercase(), "code": f.code, "file": f.file, "line": f.line,
                       "section": f.section, "option": f.option, "message": f.message, "help": f.help})
            })
            .collect();
        println!("{}", json!({"errors": errors, "warnings": findings.len() - errors, "findings": list}));
    } else {
        for f in &findings {
            let word = if f.severity == Severity::Error { "error" } else { "warning" };
            let file = match (&args.gcode, f.file.is_empty()) {
                (Some(path), true) => path.display().to_string(),
                _ => f.file.clone(),
            };
            println!("{file}:{}: {word}: {} [{}]", f.line, f.message, f.code);
            if !f.help.is_empty() {
                println!("    {}", f.help);
            }
        }
        match (errors, findings.len() - errors) {
            (0, 0) => println!("{config}: nothing to complain about"),
            (errors, warnings) => println!("{errors} errors, {warnings} warnings"),
        }
    }
    Ok(if errors > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
