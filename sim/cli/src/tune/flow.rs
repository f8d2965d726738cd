//! `drydock tune flow`: the highest flow of plastic that the extruder delivers, and what limits it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use drydock_scenario::memory::Overlay;
use drydock_scenario::text::io_cause;
use drydock_sweep::flow::{FASTEST, FlowSearch, search as search_flow};
use drydock_tune::{flow, report};

use crate::crew::Crew;
use crate::run::{CliResult, What};
use crate::term::{command_line, say};

#[derive(Args)]
pub struct FlowArgs {
    #[command(flatten)]
    what: What,
    /// Temperature of the hot end, degrees C (default: where the machine's melt is known).
    #[arg(long, value_name = "CELSIUS")]
    temperature: Option<f64>,
    /// Part cooling fan, percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    fan: f64,
    /// Where the report goes: one HTML file.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    crew: Crew,
}

pub fn run(args: FlowArgs) -> CliResult {
    if !(0.0..=100.0).contains(&args.fan) {
        return Err(format!("--fan {}: give 0 to 100 percent", args.fan).into());
    }
    if let Some(c) = args.temperature.filter(|c| !(0.0..=500.0).contains(c)) {
        return Err(format!("--temperature {c}: give 0 to 500 degrees C").into());
    }
    let (scenario, folder) = args.what.load()?;
    let pool = args.crew.pool()?;
    let search = FlowSearch { target_c: args.temperature, fan: args.fan / 100.0, up_to_mm3_s: FASTEST, pool };
    let bar = args.crew.bar("flow");
    let show = |done| bar.set_position((done * 1000.0) as u64);
    let found = search_flow(&scenario, &folder, &Overlay::on_disk(), &search, show)?;
    bar.finish_and_clear();
    if let Some(path) = &args.report {
        let page = report::flow(&found, &format!("The flow of {}", scenario.title), &command_line());
        std::fs::write(path, page).map_err(|e| format!("{}: {}", path.display(), io_cause(&e)))?;
    }
    if args.crew.json {
        say!("{}", flow::to_json(&found));
    } else {
        say!("{}", flow::in_words(&found));
    }
    Ok(if found.cut_short { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
