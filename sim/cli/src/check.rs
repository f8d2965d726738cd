//! `drydock check`: every mistake of a printer.cfg (and of a G-code file for it) that can be seen without a printer.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use drydock_host::config::lint::{Finding, Severity, check as lint};
use drydock_host::config::{Config, ConfigError};
use drydock_scenario::setup::can_print;
use serde_json::json;

use crate::offline;
use crate::run::CliResult;
use crate::term::say;
use drydock_scenario::disk::DiskSource;

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

/// Adds what the host refuses and no rule of the lint has named: limits of single options, mostly. In a section with a
/// finding the host's complaint is most likely about the same thing.
fn add_refused(config: &str, findings: &mut Vec<Finding>) {
    let Ok(config) = Config::parse(&DiskSource, config) else { return };
    if config.raw_sections().is_empty() {
        return;
    }
    let known: BTreeSet<String> = findings.iter().map(|f| f.section.clone()).collect();
    let said: BTreeSet<String> = findings.iter().map(|f| f.message.clone()).collect();
    let is_new = |e: &ConfigError| !known.contains(&e.section) && !said.contains(&e.message);
    for error in offline::refused(config).into_iter().filter(is_new) {
        // What is not built yet is no mistake of the configuration's.
        let unsupported = error.message.contains("not supported yet");
        findings.push(Finding {
            severity: if unsupported { Severity::Warning } else { Severity::Error },
            code: if unsupported { "unsupported" } else { "refused" },
            file: error.file().to_string(),
            line: error.line(),
            column: error.place.as_ref().map_or(0, |p| p.column),
            len: error.place.as_ref().map_or(0, |p| p.len),
            section: error.section.clone(),
            option: error.option.clone(),
            message: error.message.clone(),
            help: error.help.clone(),
        });
    }
}

/// Exit code 0: nothing found, or warnings only; 1: errors.
pub fn check(args: CheckArgs) -> CliResult {
    let config = args.config.display().to_string();
    let program = match &args.gcode {
        Some(path) => {
            can_print(path).map_err(|why| format!("{}: {why}", path.display()))?;
            let bytes = std::fs::read(path)?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        None => None,
    };
    let mut findings = match &program {
        Some(text) => lint(&DiskSource, &config, Some(&mut text.lines())),
        None => lint(&DiskSource, &config, None),
    };
    add_refused(&config, &mut findings);
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
    if args.json {
        let list: Vec<_> = findings
            .iter()
            .map(|f| {
                json!({"severity": format!("{:?}", f.severity).to_lowercase(), "code": f.code, "file": f.file, "line": f.line,
                       "section": f.section, "option": f.option, "message": f.message, "help": f.help})
            })
            .collect();
        say!("{}", json!({"errors": errors, "warnings": findings.len() - errors, "findings": list}));
    } else {
        for f in &findings {
            let word = if f.severity == Severity::Error { "error" } else { "warning" };
            // Without a file it is about the program; without a line the printer.cfg could not be read at all.
            let place = match (&args.gcode, f.file.is_empty(), f.line) {
                (_, _, 0) => config.clone(),
                (Some(path), true, line) => format!("{}:{line}", path.display()),
                (_, _, line) => format!("{}:{line}", f.file),
            };
            say!("{place}: {word}: {} [{}]", f.message, f.code);
            if !f.help.is_empty() {
                say!("    {}", f.help);
            }
        }
        match (errors, findings.len() - errors) {
            (0, 0) => say!("{config}: nothing to complain about"),
            (errors, warnings) => say!("{}, {}", count(errors, "error"), count(warnings, "warning")),
        }
    }
    Ok(if errors > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
