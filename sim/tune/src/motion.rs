//! How fast the motors may accelerate: the lower of what their torque holds and what the shaper was suggested for.

use std::path::Path;

use drydock_scenario::model::Act;
use drydock_sweep::limits::{self, Knob, Limit, Search, Trial};
use serde_json::{Value, json};

use crate::printer::{Change, Job, PRINT, Printer};
use crate::{Failure, Work};

/// Part of the limit that is kept back.
pub const MARGIN: f64 = 0.2;
/// max_accel is written in steps of this, mm/s^2.
const STEP_MM_S2: f64 = 100.0;

#[derive(Clone, Debug)]
pub struct Answer {
    pub limit: Limit,
    /// Up to where the shaper's rounding stays small, mm/s^2.
    pub shaper_mm_s2: Option<f64>,
}

impl Answer {
    /// What max_accel should be, mm/s^2.
    pub fn max_accel_mm_s2(&self) -> Option<f64> {
        let shaper = self.shaper_mm_s2.filter(|a| *a >= STEP_MM_S2).unwrap_or(f64::INFINITY);
        self.limit.recommended.map(|motors| (motors.min(shaper) / STEP_MM_S2).floor() * STEP_MM_S2).filter(|a| *a > 0.0)
    }

    pub fn changes(&self) -> Vec<Change> {
        let change = |accel: f64| Change::new("printer", "max_accel", format!("{accel:.0}"));
        self.max_accel_mm_s2().map(change).into_iter().collect()
    }

    pub fn explanation(&self) -> String {
        let mut text = in_words(&self.limit, MARGIN);
        if let (Some(accel), Some(shaper)) = (self.max_accel_mm_s2(), self.shaper_mm_s2) {
            text += &match self.limit.recommended.is_some_and(|motors| motors > shaper) {
                true => {
                    format!(" The input shaper rounds corners too much above {shaper:.0} mm/s^2: max_accel {accel:.0}.")
                }
                false => format!(" The input shaper would allow {shaper:.0} mm/s^2."),
            };
        }
        text
    }

    pub fn fingerprints(&self) -> impl Iterator<Item = &str> {
        self.limit.trials.iter().chain(&self.limit.weaker).map(|trial| trial.fingerprint.as_str())
    }
}

/// Searches max_accel on a print, or on a pattern of moves. `shaper_mm_s2`: what the input shaper suggests at most.
pub fn tune(
    printer: &Printer,
    gcode: Option<&str>,
    shaper_mm_s2: Option<f64>,
    work: &Work,
) -> Result<Option<Answer>, Failure> {
    let job = match gcode {
        Some(gcode) => Job { story: vec![Act::Print(PRINT.into())], ..Job::print(gcode) },
        None => Job::default(),
    };
    let (scenario, files) = printer.bench(&job)?;
    let search = Search { knobs: vec![Knob::Accel], margin: MARGIN, pool: work.pool.clone() };
    let found = limits::search(&scenario, Path::new(""), &files, &search, |_, done| (work.tell)("max_accel", done));
    Ok(found.map_err(Failure)?.pop().map(|limit| Answer { limit, shaper_mm_s2 }))
}

fn motor(trial: &Trial) -> Option<&str> {
    trial.torque.as_ref().map(|t| t.motor.as_str())
}

/// One paragraph for a person.
pub fn in_words(limit: &Limit, margin: f64) -> String {
    let (option, unit) = (limit.knob.option(), limit.knob.unit());
    let mut text = format!("{option} (now {} {unit}): ", limit.now);
    let critical =
        limit.predicted.and_then(|p| limit.trials.iter().min_by_key(|t| ((t.value / p - 1.0).abs() * 1e6) as u64));
    match (limit.predicted, critical) {
        (Some(predicted), Some(trial)) => {
            text += &format!("the torque of {} is all used at {predicted:.0} {unit}", motor(trial).unwrap_or_default());
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
        text += &format!("With {:.0} % kept back: {option} {value}", 100.0 * margin);
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

pub fn to_json(limits: &[Limit]) -> Value {
    let trial = |t: &Trial| {
        json!({
            "value": t.value, "torque_share": t.torque.as_ref().map(|t| t.share), "motor": motor(t),
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
    list.into()
}
