//! `drydock tune max-accel`: the highest acceleration, speed and corner speed without lost steps.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use drydock_scenario::memory::Overlay;
use drydock_scenario::text::io_cause;
use drydock_sweep::limits::{self, Knob, Limit, Search};
use drydock_tune::{motion, report};
use serde_json::json;

use crate::crew::Crew;
use crate::run::{CliResult, What};
use crate::term::{command_line, say};

#[derive(Args)]
pub struct MaxAccelArgs {
    #[command(flatten)]
    what: What,
    /// What is searched, one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "accel,velocity,corner")]
    search: Vec<KnobName>,
    /// Part of the limit that is kept back, percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 20.0)]
    margin: f64,
    /// Where the report goes: one HTML file.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    crew: Crew,
}

#[derive(Clone, Copy, ValueEnum)]
enum KnobName {
    Accel,
    Velocity,
    Corner,
}

impl From<KnobName> for Knob {
    fn from(name: KnobName) -> Knob {
        match name {
            KnobName::Accel => Knob::Accel,
            KnobName::Velocity => Knob::Velocity,
            KnobName::Corner => Knob::Corner,
        }
    }
}

pub fn run(args: MaxAccelArgs) -> CliResult {
    if !(0.0..90.0).contains(&args.margin) {
        return Err(format!("--margin {}: give 0 to 90 percent", args.margin).into());
    }
    let (scenario, folder) = args.what.load()?;
    let pool = args.crew.pool()?;
    let search = Search { knobs: args.search.iter().map(|k| (*k).into()).collect(), margin: args.margin / 100.0, pool };
    let bar = args.crew.bar("max-accel");
    let limits = limits::search(&scenario, &folder, &Overlay::on_disk(), &search, |what, done| {
        bar.set_position((done * 1000.0) as u64);
        bar.set_message(what.to_string());
    })?;
    bar.finish_and_clear();
    let block = config_block(&limits);
    if let Some(path) = &args.report {
        let title = format!("The motors of {}", scenario.title);
        let page = report::limits(&limits, 0.01 * args.margin, &block, &title, &command_line());
        std::fs::write(path, page).map_err(|e| format!("{}: {}", path.display(), io_cause(&e)))?;
    }
    if args.crew.json {
        say!("{}", json!({"margin_percent": args.margin, "limits": motion::to_json(&limits), "config": block}));
    } else {
        limits.iter().for_each(|limit| say!("{}\n", motion::in_words(limit, 0.01 * args.margin)));
        say!("{block}");
    }
    let cut_short = limits.iter().any(|l| l.cut_short);
    let answered = !limits.is_empty() && limits.iter().all(|l| l.recommended.is_some());
    Ok(if answered && !cut_short { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn config_block(limits: &[Limit]) -> String {
    let lines = limits.iter().filter_map(|l| Some(format!("{}: {}\n", l.knob.option(), l.recommended?)));
    format!("[printer]\n{}", lines.collect::<String>())
}
