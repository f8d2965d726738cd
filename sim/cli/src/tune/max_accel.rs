//! `drydock tune max-accel`: the highest acceleration, speed and corner speed without lost steps.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use drydock_sweep::limits::{self, Knob, Limit, Search, Trial};
use serde_json::json;

use crate::crew::Crew;
use crate::run::{CliResult, What};
use crate::term::say;

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
    let limits = limits::search(&scenario, &folder, &search, |what, done| {
        bar.set_position((done * 1000.0) as u64);
        bar.set_message(what.to_string());
    })?;
    bar.finish_and_clear();
    let motors = |trial: &Trial| {
        let built = drydock_scenario::setup::printer(&scenario, &folder, &drydock_scenario::disk::RealDisk);
        trial.torque.as_ref().and_then(|t| Some(built.ok()?.machine.motors.get(t.motor)?.name.clone()))
    };
    if args.crew.json {
        say!("{}", to_json(&limits, args.margin, &motors));
    } else {
        limits.iter().for_each(|limit| say!("{}\n", in_words(limit, args.margin, &motors)));
        say!("{}", config_block(&limits));
    }
    let cut_short = limits.iter().any(|l| l.cut_short);
    let answered = !limits.is_empty() && limits.iter().all(|l| l.recommended.is_some());
    Ok(if answered && !cut_short { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn config_block(limits: &[Limit]) -> String {
    let lines = limits.iter().filter_map(|l| Some(format!("{}: {}\n", l.knob.option(), l.recommended?)));
    format!("[printer]\n{}", lines.collect::<String>())
}

/// One paragraph for a person.
fn in_words(limit: &Limit, margin: f64, motors: &dyn Fn(&Trial) -> Option<String>) -> String {
    let (option, unit) = (limit.knob.option(), limit.knob.unit());
    let mut text = format!("{option} (now {} {unit}): ", limit.now);
    let critical =
        limit.predicted.and_then(|p| limit.trials.iter().min_by_key(|t| ((t.value / p - 1.0).abs() * 1e6) as u64));
    match (limit.predicted, critical) {
        (Some(predicted), Some(trial)) => {
            text +=
                &format!("the torque of {} is all used at {predicted:.0} {unit}", motors(trial).unwrap_or_default());
            if let Some(t) = &trial.torque {
                let at = t.at_mm;
                text += &format!(
                    ", at {:.0} mm/s near X{:.1} Y{:.1} Z{:.2}{}",
                    t.speed_mm_s.abs(),
                    at[0],
                    at[1],
                    at[2],
                    if t.line_no > 0 { format!(" (line {})", t.line_no) } else { String::new() }
                );
            }
            text += ". ";
        }
        _ => {
            let top = limit.trials.iter().map(|t| t.top_mm_s).fold(0.0, f64::max);
            text += &format!("in these moves, which go up to {top:.0} mm/s, it brings no motor to its limit. ");
        }
    }
    let lost = limit.trials.iter().find(|t| t.lost.is_some() || t.error.is_some());
    text += &match (limit.clean, lost) {
        (Some(clean), Some(trial)) => {
            let what = match (&trial.lost, &trial.error) {
                (Some(lost), _) => format!("{} loses {} full steps at {:.1} s", lost.motor, lost.full_steps, lost.at_s),
                (None, error) => format!("the host stops ({})", error.clone().unwrap_or_default()),
            };
            format!("In the twin {clean:.0} {unit} loses nothing; at {:.0} {unit} {what}. ", trial.value)
        }
        (Some(clean), None) => format!("The twin lost no step with it set up to {clean:.0} {unit}. "),
        (None, _) => {
            "The twin loses steps at every value that was tried: look at currents, friction and masses. ".into()
        }
    };
    if let (Some(predicted), Some(lost)) = (limit.predicted, limit.lost)
        && lost < 0.9 * predicted
    {
        text += "It loses them before the torque is used up because the frame swings at each change of acceleration; an \
                 input shaper leaves more. ";
    }
    if let Some(value) = limit.recommended {
        text += &format!("With {margin:.0} % kept back: {option} {value}");
        text += &match &limit.weaker {
            Some(trial) if trial.lost.is_none() && trial.error.is_none() => {
                ", which also holds with 10 % less torque on every motor.".to_string()
            }
            Some(_) => "; with 10 % less torque on every motor it loses steps, so keep more back.".to_string(),
            None => ".".to_string(),
        };
    }
    if limit.cut_short {
        text += " The search was ended early; this is the best so far.";
    }
    text
}

fn to_json(limits: &[Limit], margin: f64, motors: &dyn Fn(&Trial) -> Option<String>) -> serde_json::Value {
    let trial = |t: &Trial| {
        json!({
            "value": t.value, "torque_share": t.torque.as_ref().map(|t| t.share), "motor": motors(t),
            "at_mm": t.torque.as_ref().map(|t| t.at_mm), "line": t.torque.as_ref().map(|t| t.line_no),
            "speed_mm_s": t.torque.as_ref().map(|t| t.speed_mm_s),
            "lost": t.lost.as_ref().map(|l| json!({"motor": l.motor, "at_s": l.at_s, "full_steps": l.full_steps})),
            "error": t.error, "print_time_s": t.print_time_s, "top_speed_mm_s": t.top_mm_s, "fingerprint": t.fingerprint,
        })
    };
    let list: Vec<_> = limits
        .iter()
        .map(|l| {
            json!({
                "option": l.knob.option(), "now": l.now, "predicted_onset": l.predicted, "highest_clean": l.clean,
                "lowest_lost": l.lost, "recommended": l.recommended, "cut_short": l.cut_short,
                "holds_with_weaker_motors": l.weaker.as_ref().map(|t| t.lost.is_none() && t.error.is_none()),
                "trials": l.trials.iter().map(trial).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({"margin_percent": margin, "limits": list, "config": config_block(limits)})
}
