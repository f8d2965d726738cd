//! One heater from all its recordings: what is fitted, what is predicted, what the data cannot tell.

use std::path::PathBuf;

use drydock_plant::heater::{Body, Heater};

use super::Trace;
use super::fit::{self, HeaterFit};
use super::under_control;
use super::window::{self, Kind, Window};

/// A window with what the twin makes of it.
#[derive(Clone, Debug)]
pub struct Scored {
    pub path: PathBuf,
    /// Time of its first sample in the file, s.
    pub at_s: f64,
    pub seconds: f64,
    pub span_c: (f64, f64),
    /// It starts cold, before any print.
    pub clean: bool,
    /// Rms error of the prediction over the heat-up, K: until a print begins, ten minutes at most.
    pub rms_k: f64,
    /// The same with each leap of the power in the middle of its second: see [`fit::align`].
    pub unplaced_k: f64,
    /// The same where the twin controls the heater itself and gets the targets only: see [`under_control`].
    pub controlled_k: Option<f64>,
    /// As `rms_k`, over all of it: a chamber warms for an hour, a print blows, a door opens.
    pub whole_k: f64,
    /// How long before the first sample the power came on, s, as its climb shows: see [`fit::align`].
    pub lead_s: f64,
    /// (s from the start, measured, predicted), degrees C.
    pub curve: Vec<(f64, f64, f64)>,
    /// What it says of the machine when it disagrees.
    pub remark: String,
}

/// What counts as the heat-up at most, s.
pub const HEAT_UP_S: f64 = 600.0;

/// The bars that a held-out heat-up is judged by, K rms.
pub fn bar_k(kind: Kind) -> f64 {
    match kind {
        Kind::Hotend => 2.0,
        Kind::Bed => 1.0,
    }
}

/// What came out for one heater.
#[derive(Clone, Debug)]
pub struct HeaterReport {
    pub name: String,
    pub kind: Kind,
    pub fit: HeaterFit,
    /// The files that the constants were fitted to.
    pub from: Vec<PathBuf>,
    pub fitted: Vec<Scored>,
    pub held_out: Vec<Scored>,
    /// What was held out, in words.
    pub held_out_is: &'static str,
    pub flags: Vec<String>,
    pub cannot_tell: Vec<String>,
}

/// Windows after a print are used where they agree with the clean ones to this, K: their fan was off then.
const AGREES_K: [f64; 2] = [3.0, 1.5];

fn agrees_k(kind: Kind) -> f64 {
    AGREES_K[usize::from(kind == Kind::Bed)]
}

/// Fits a heater to traces and predicts others; without others the last heat-up is held out, or the second half of the
/// only one. `start` brings the power.
pub fn identify(start: &Heater, fit_to: &[Trace], hold_out: &[Trace]) -> Result<HeaterReport, String> {
    let kind = match &start.body {
        Body::Hotend(_) => Kind::Hotend,
        Body::Bed(_) => Kind::Bed,
    };
    let windows_of = |traces: &[Trace]| -> Vec<Window> {
        traces.iter().enumerate().flat_map(|(i, t)| window::windows(i, t, kind)).collect()
    };
    let all = windows_of(fit_to);
    let (mut base, mut spare): (Vec<Window>, Vec<Window>) = all.into_iter().partition(|w| w.clean && w.heats());
    let mut flags: Vec<String> = fit_to
        .iter()
        .chain(hold_out)
        .flat_map(|t| t.flags.iter().map(|f| format!("{}: {f}", t.path.display())))
        .collect();
    if base.is_empty() {
        let heating: Vec<Window> = spare.iter().filter(|w| w.heats()).cloned().collect();
        if heating.is_empty() {
            return Err(format!(
                "{}: no stretch in which the power is known and the temperature climbs by at least {:.0} K; record a \
                 heat-up from cold",
                start.name,
                kind.least_change_k()
            ));
        }
        flags.push("no heat-up from cold: warm starts are used, whose fan and inner temperatures are guessed".into());
        spare.retain(|w| !w.heats());
        base = heating;
    }
    let mut held: Vec<(Window, &Trace)> =
        windows_of(hold_out).into_iter().map(|w| (w.trace, w)).map(|(trace, w)| (w, &hold_out[trace])).collect();
    let mut held_out_is = "other recordings";
    let mut half = None;
    if held.is_empty() && base.len() > 1 {
        held_out_is = "the last heat-up";
        if let Some(last) = base.pop() {
            held.push((last.clone(), &fit_to[last.trace]));
        }
    } else if held.is_empty() {
        held_out_is = "the second half of the only heat-up";
        let whole = base[0].clone();
        let middle = whole.samples.len() / 2;
        base[0].samples.truncate(middle);
        base[0].leaps.retain(|(at, _)| *at + 1 < middle);
        held.push((whole.clone(), &fit_to[whole.trace]));
        half = Some(middle);
    }
    let (fitted_heater, used) = fit_robustly(start, base, &spare, kind);
    let heater = &fitted_heater.heater;
    let score = |window: &Window, trace: &Trace, from: usize| scored(heater, window, trace, from, kind);
    let fitted: Vec<Scored> = used.iter().map(|w| score(w, &fit_to[w.trace], 0)).collect();
    let held_out: Vec<Scored> = held.iter().map(|(w, t)| score(w, t, half.unwrap_or(0))).collect();
    let mut from: Vec<PathBuf> = used.iter().map(|w| fit_to[w.trace].path.clone()).collect();
    from.dedup();
    let cannot_tell = cannot_tell(start, &fitted_heater, &used);
    let name = start.name.clone();
    Ok(HeaterReport { name, kind, fit: fitted_heater, from, fitted, held_out, held_out_is, flags, cannot_tell })
}

/// The fit to clean windows, their starts placed, and then with the others that agree with it.
fn fit_robustly(start: &Heater, base: Vec<Window>, spare: &[Window], kind: Kind) -> (HeaterFit, Vec<Window>) {
    let fit_all = |windows: &[Window]| fit::fit(start, &windows.iter().collect::<Vec<_>>());
    let first = fit_all(&base);
    let mut used: Vec<Window> = base.iter().map(|w| fit::align(&first.heater, w)).collect();
    let second = fit_all(&used);
    let agree = spare.iter().map(|w| fit::align(&second.heater, w));
    let agree: Vec<Window> = agree.filter(|w| fit::error_k(&second.heater, w) < agrees_k(kind)).collect();
    if agree.is_empty() {
        return (second, used);
    }
    used.extend(agree);
    (fit_all(&used), used)
}

fn scored(heater: &Heater, window: &Window, trace: &Trace, from: usize, kind: Kind) -> Scored {
    let aligned = fit::align(heater, window);
    let start_s = window.samples[0].t_s;
    let curve_of = |window: &Window| -> Vec<(f64, f64, f64)> {
        let predicted = fit::predict(heater, window);
        window.samples.iter().zip(&predicted).map(|(s, p)| (s.t_s - start_s, s.temp_c, *p)).skip(from).collect()
    };
    let curve = curve_of(&aligned);
    let error = |curve: &[(f64, f64, f64)]| {
        (curve.iter().map(|c| (c.2 - c.1).powi(2)).sum::<f64>() / curve.len().max(1) as f64).sqrt()
    };
    let begin_s = curve.first().map_or(0.0, |c| c.0);
    let heats = |(c, s): &(&(f64, f64, f64), &super::Sample)| c.0 - begin_s <= HEAT_UP_S && !s.busy;
    let heat_up = curve.iter().zip(&window.samples[from..]).take_while(heats).count().max(1);
    let controlled = trace.control.and_then(|control| under_control::predict(heater, &control, trace, &aligned));
    let controlled_k = controlled
        .map(|t| fit::rms(&t[from..from + heat_up], window.samples[from..from + heat_up].iter().map(|s| s.temp_c)));
    let (rms_k, whole_k) = (error(&curve[..heat_up]), error(&curve));
    let remark = if rms_k > bar_k(kind) { remark(&curve, window) } else { String::new() };
    Scored {
        path: trace.path.clone(),
        at_s: start_s,
        seconds: window.seconds(),
        span_c: window.span_c(),
        clean: window.clean,
        rms_k,
        unplaced_k: error(&curve_of(window)[..heat_up]),
        controlled_k,
        whole_k,
        lead_s: aligned.lead_s,
        curve,
        remark,
    }
}

/// Why a window is not followed, as far as it shows.
fn remark(curve: &[(f64, f64, f64)], window: &Window) -> String {
    let n = curve.len() as f64;
    let bias = curve.iter().map(|c| c.2 - c.1).sum::<f64>() / n;
    let cooler = if bias > 0.0 { "more" } else { "less" };
    let why = if window.clean {
        "another state of the machine (sock, fan, draught, power)"
    } else {
        "fan or draught unrecorded, or inner temperatures not settled at its start"
    };
    format!("loses {cooler} heat than the heater that was fitted, {:+.1} K on average: {why}", bias)
}

/// What the recordings leave open, in sentences.
fn cannot_tell(start: &Heater, fit: &HeaterFit, used: &[Window]) -> Vec<String> {
    let power_w = match &start.body {
        Body::Hotend(h) => h.element.power_w(20.0),
        Body::Bed(b) => b.element.power_w(20.0),
    };
    let mut out = vec![format!(
        "Temperatures and power shares tell quotients only: with {power_w:.0} W taken as full power, capacities and losses \
         are in proportion to it, and every predicted temperature is the same for another power."
    )];
    let vague: Vec<&str> = fit.constants.iter().filter(|c| !c.is_told()).map(|c| c.path).collect();
    if !vague.is_empty() {
        out.push(format!(
            "Not told apart by these recordings, and kept near usual values: {}. A longer hold and a cool-down would tell \
             more.",
            vague.join(", ")
        ));
    }
    if matches!(start.body, Body::Hotend(_)) && !fit.constants.iter().any(|c| c.path == "body.loss_fan_w_k") {
        out.push("No recording tells the part fan: its share of the loss is assumed as before.".into());
    }
    if matches!(start.body, Body::Hotend(_)) {
        out.push("No recording tells the flow of filament: the heat that it takes is not fitted.".into());
    }
    if !used.iter().any(|w| w.samples.iter().filter(|s| s.duty == 0.0).count() > 60) {
        out.push("No cool-down is among them: the losses rest on the hold alone.".into());
    }
    let hottest = used.iter().map(|w| w.span_c().1).fold(0.0, f64::max);
    out.push(format!("Nothing is known above {hottest:.0} degrees C, the hottest that was recorded."));
    out
}
