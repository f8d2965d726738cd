//! How much plastic the hot end delivers, and what stops it. Klipper has no option for it: it is the slicer's limit, and the
//! other tuners stay below it.

use std::path::Path;

use drydock_sweep::flow::{self, FlowLimit, FlowSearch};
use serde_json::{Value, json};

use crate::printer::{Job, Printer};
use crate::{Failure, Work};

/// Part of the limit that a slicer should keep back.
const KEPT_BACK: f64 = 0.1;

/// None: stopped before there was anything to say.
pub fn tune(
    printer: &Printer,
    temperature_c: f64,
    up_to_mm3_s: f64,
    work: &Work,
) -> Result<Option<FlowLimit>, Failure> {
    let (scenario, files) = printer.bench(&Job::default())?;
    let search = FlowSearch { target_c: Some(temperature_c), fan: 0.0, up_to_mm3_s, pool: work.pool.clone() };
    let found = flow::search(&scenario, Path::new(""), &files, &search, |done| (work.tell)("flow", done));
    let found = found.map_err(Failure)?;
    Ok((!found.cut_short).then_some(found))
}

/// What a slicer should be told, mm^3/s.
pub fn for_slicer(found: &FlowLimit) -> Option<f64> {
    found.limit.map(|(limit, _)| (1.0 - KEPT_BACK) * limit)
}

/// One paragraph for a person.
pub fn in_words(found: &FlowLimit) -> String {
    let most = found.trials.last().map_or(0.0, |t| t.flow_mm3_s);
    let mut text = match found.limit {
        Some((limit, reason)) => format!(
            "Maximum flow at {:.0} C: {limit:.1} mm^3/s, because {}. A slicer's limit with {:.0} % kept back: {:.1} mm^3/s.",
            found.target_c,
            reason.in_words(),
            KEPT_BACK * 100.0,
            (1.0 - KEPT_BACK) * limit
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

pub fn to_json(found: &FlowLimit) -> Value {
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
