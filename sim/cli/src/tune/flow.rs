//! `drydock tune flow`: the highest flow of plastic that the extruder delivers, and what limits it.

use std::process::ExitCode;

use clap::Args;
use drydock_sweep::flow::{self, FlowLimit, FlowSearch};
use serde_json::json;

use crate::crew::Crew;
use crate::run::{CliResult, What};
use crate::term::say;

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
    let search = FlowSearch { target_c: args.temperature, fan: args.fan / 100.0, pool };
    let bar = args.crew.bar("flow");
    let found = flow::search(&scenario, &folder, &search, |done| bar.set_position((done * 1000.0) as u64))?;
    bar.finish_and_clear();
    if args.crew.json {
        say!("{}", to_json(&found));
    } else {
        say!("{}", in_words(&found));
    }
    Ok(if found.cut_short { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// One paragraph for a person.
fn in_words(found: &FlowLimit) -> String {
    let most = found.trials.last().map_or(0.0, |t| t.flow_mm3_s);
    let mut text = match found.limit {
        Some((limit, reason)) => format!(
            "Maximum flow at {:.0} C: {limit:.1} mm^3/s, because {}. A slicer's limit with 10 % kept back: {:.1} mm^3/s.",
            found.target_c,
            reason.in_words(),
            0.9 * limit
        ),
        None => format!("Nothing gives way at {:.0} C up to {most:.1} mm^3/s.", found.target_c),
    };
    let others = found.by_reason.iter().filter(|(reason, _)| found.limit.is_none_or(|(_, r)| r != *reason));
    let others: Vec<String> = others.map(|(reason, q)| format!("at {q:.1} mm^3/s {}", reason.in_words())).collect();
    if !others.is_empty() {
        text += &format!(" Beyond it, {}.", others.join("; "));
    }
    if let Some(n) = found.power_index {
        text += &format!(" Up to there the force grows with the flow to the power of {n:.2}.");
    }
    if found.cut_short {
        text += " The search was ended early; this is the best so far.";
    }
    text
}

fn to_json(found: &FlowLimit) -> serde_json::Value {
    let trials: Vec<_> = found
        .trials
        .iter()
        .map(|t| {
            json!({"flow_mm3_s": t.flow_mm3_s, "delivered": t.delivered, "force_n": t.force_n, "hotend_c": t.hotend_c,
                   "duty": t.duty, "lost_steps": t.lost_steps, "error": t.error})
        })
        .collect();
    json!({
        "temperature_c": found.target_c,
        "limit_mm3_s": found.limit.map(|(q, _)| q),
        "reason": found.limit.map(|(_, reason)| reason.in_words()),
        "by_reason": found.by_reason.iter().map(|(r, q)| json!({"reason": r.in_words(), "flow_mm3_s": q})).collect::<Vec<_>>(),
        "power_index": found.power_index, "trials": trials, "cut_short": found.cut_short,
    })
}
