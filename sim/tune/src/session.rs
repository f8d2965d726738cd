//! What one tuning session found, all together: one configuration block, one JSON object, one report.

use drydock_host::config::SaveConfig;
use drydock_sweep::flow::FlowLimit;
use drydock_twin::digest::Digest;
use serde_json::{Value, json};

use crate::predict::Ringing;
use crate::printer::{Change, Printer};
use crate::shaper::Ranked;
use crate::{Failure, advance, flow, motion, pid, shaper};

/// The answers, as far as they were asked for.
#[derive(Default)]
pub struct Session {
    pub pids: Vec<pid::Answer>,
    pub shaper: Option<shaper::Answer>,
    pub motion: Option<motion::Answer>,
    pub flow: Option<FlowLimit>,
    pub advance: Option<advance::Answer>,
    /// What could not be tuned, and why.
    pub missed: Vec<String>,
    /// It was ended early.
    pub cut_short: bool,
}

impl Session {
    pub fn changes(&self) -> Vec<Change> {
        let mut changes: Vec<Change> = self.shaper.iter().flat_map(shaper::Answer::changes).collect();
        changes.extend(self.motion.iter().flat_map(motion::Answer::changes));
        changes.extend(self.pids.iter().flat_map(pid::Answer::changes));
        changes.extend(self.advance.iter().flat_map(advance::Answer::changes));
        changes
    }

    /// Nothing was found.
    pub fn is_empty(&self) -> bool {
        self.changes().is_empty() && self.flow.is_none()
    }

    /// The changes as somebody writes them by hand, where SAVE_CONFIG refuses: an included file has its own value.
    pub fn lines(&self) -> String {
        let mut text = String::new();
        let mut section = String::new();
        for change in self.changes() {
            if change.section != section {
                section = change.section;
                text += &format!("[{section}]\n");
            }
            text += &format!("{}: {}\n", change.option, change.value);
        }
        text
    }

    /// The block that SAVE_CONFIG would write behind the printer.cfg, with what it holds already.
    pub fn block(&self, printer: &Printer) -> Result<String, Failure> {
        Ok(SaveConfig::block(&printer.save_config(&self.changes())?).to_string())
    }

    /// A paragraph for each answer.
    pub fn explanations(&self) -> Vec<String> {
        let mut texts: Vec<String> = self.shaper.iter().map(shaper::Answer::explanation).collect();
        texts.extend(self.motion.as_ref().map(motion::Answer::explanation));
        texts.extend(self.pids.iter().map(pid::Answer::explanation));
        texts.extend(self.flow.as_ref().map(flow::in_words));
        texts.extend(self.advance.as_ref().map(advance::Answer::explanation));
        texts
    }

    /// Over the fingerprints of all runs.
    pub fn fingerprint(&self) -> String {
        let mut digest = Digest::default();
        self.shaper.iter().for_each(|s| digest.bytes(s.fingerprint.as_bytes()));
        self.motion.iter().flat_map(motion::Answer::fingerprints).for_each(|f| digest.bytes(f.as_bytes()));
        self.pids.iter().for_each(|p| digest.bytes(p.fingerprint.as_bytes()));
        self.flow.iter().flat_map(|f| &f.trials).for_each(|t| digest.bytes(t.fingerprint.as_bytes()));
        self.advance.iter().for_each(|a| digest.bytes(a.fingerprint.as_bytes()));
        digest.hex()
    }

    pub fn to_json(&self, printer: &Printer, command: &str) -> Value {
        let block = self.block(printer);
        json!({
            "command": command,
            "fingerprint": self.fingerprint(),
            "cut_short": self.cut_short,
            "missed": self.missed,
            "options": self.lines(),
            "config_block": block.as_ref().ok(),
            "not_saved": block.as_ref().err().map(|why| &why.0),
            "pid": self.pids.iter().map(of_pid).collect::<Vec<_>>(),
            "shaper": self.shaper.as_ref().map(of_shaper),
            "max_accel": self.motion.as_ref().map(of_motion),
            "flow": self.flow.as_ref().map(flow::to_json),
            "pressure_advance": self.advance.as_ref().map(of_advance),
        })
    }
}

/// JSON knows no infinity.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn of_ringing(r: &Ringing) -> Value {
    json!({"rms_um": r.rms_um, "peak_um": r.peak_um, "off_path_um": r.off_um})
}

fn of_ranked(r: &Ranked) -> Value {
    let axis = |i: usize| {
        let s = &r.pair[i];
        json!({
            "shaper_type": s.kind, "shaper_freq_hz": s.freq_hz, "damping_ratio": s.damping,
            "smoothing_mm": r.smoothing_mm[i], "suggested_max_accel_mm_s2": finite(r.max_accel_mm_s2[i]),
        })
    };
    json!({
        "x": axis(0), "y": axis(1), "suggested_max_accel_mm_s2": finite(r.accel_mm_s2()),
        "predicted": of_ringing(&r.predicted), "in_the_twin": r.verified.as_ref().map(of_ringing),
    })
}

fn of_shaper(a: &shaper::Answer) -> Value {
    let validation = a
        .validation
        .iter()
        .map(|v| json!({"condition": v.condition, "tuned": of_ringing(&v.choice), "peer": of_ringing(&v.peer)}));
    let pareto = a.points.iter().filter(|p| p.best).map(|p| {
        json!({
            "axis": if p.axis == 0 { "x" } else { "y" }, "shaper_type": p.shaper.kind, "shaper_freq_hz": p.shaper.freq_hz,
            "damping_ratio": p.shaper.damping, "ringing_left": p.left, "smoothing_mm": p.smoothing_mm,
            "suggested_max_accel_mm_s2": finite(p.max_accel_mm_s2), "print_time_s": finite(p.print_s),
        })
    });
    json!({
        "tuned": of_ranked(&a.choice), "peer": of_ranked(&a.peer), "before": of_ranked(&a.before),
        "kept_peer": a.kept_peer, "confidence": a.confidence(), "printed": a.printed,
        "ranked": a.ranked.iter().map(of_ranked).collect::<Vec<_>>(),
        "validation": validation.collect::<Vec<_>>(), "pareto": pareto.collect::<Vec<_>>(),
        "explanation": a.explanation(), "fingerprint": a.fingerprint,
    })
}

fn of_motion(a: &motion::Answer) -> Value {
    json!({
        "max_accel_mm_s2": a.max_accel_mm_s2(), "shaper_mm_s2": a.shaper_mm_s2.and_then(finite),
        "motors": motion::to_json(std::slice::from_ref(&a.limit)), "explanation": a.explanation(),
    })
}

fn of_pid(a: &pid::Answer) -> Value {
    let gains = |g: &pid::Gains| json!({"pid_kp": g.kp, "pid_ki": g.ki, "pid_kd": g.kd});
    let manners = |m: &pid::Manners| {
        json!({
            "overshoot_k": m.overshoot_k, "true_overshoot_k": m.true_overshoot_k,
            "settling_s": finite(m.settling_s), "fan_dip_k": m.fan_dip_k, "is_good": m.is_good(),
        })
    };
    let validation = a
        .validation
        .iter()
        .map(|v| json!({"condition": v.condition, "tuned": manners(&v.choice), "relay": manners(&v.relay)}));
    let hold = a.hold.map(|h| {
        json!({"flow_mm3_s": h.flow_mm3_s, "holds": h.holds(), "dip_k": h.dip_k, "duty": h.duty, "max_duty": h.max_duty})
    });
    json!({
        "heater": a.heater, "target_c": a.target_c, "tuned": gains(&a.choice), "relay": gains(&a.relay),
        "before": a.before.as_ref().map(gains), "with_tuned": manners(&a.with_choice),
        "with_relay": manners(&a.with_relay), "validation": validation.collect::<Vec<_>>(), "hold_at_flow": hold,
        "explanation": a.explanation(), "fingerprint": a.fingerprint,
    })
}

fn of_advance(a: &advance::Answer) -> Value {
    let pairs = |list: &[(f64, f64)], x: &str, y: &str| -> Vec<Value> {
        list.iter().map(|(a, b)| json!({x: a, y: b})).collect()
    };
    json!({
        "pressure_advance_s": a.advance_s, "uncertainty_s": finite(a.uncertainty_s), "before_s": a.before_s,
        "smooth_time_s": a.smooth_time_s, "power_index": a.power_index, "temperature_c": a.temperature_c,
        "by_flow": pairs(&a.by_flow, "flow_mm3_s", "pressure_advance_s"),
        "flow_limit_mm3_s": a.flow_limit_mm3_s, "lines_mm3_s": [a.flows_mm3_s.0, a.flows_mm3_s.1],
        "at_10_mm3_s": finite(a.at_flow(10.0)),
        "curve": pairs(&a.curve, "pressure_advance_s", "width_error_mm"),
        "tower": pairs(&a.tower, "pressure_advance_s", "width_error_mm"),
        "explanation": a.explanation(), "fingerprint": a.fingerprint,
    })
}
