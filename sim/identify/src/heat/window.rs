//! The stretches of a trace from which something can be concluded: the power is known, and nothing unrecorded (a fan, a
//! print) cools.

use super::{Sample, Trace};

/// What kind of body a heater is: it decides how long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Hotend,
    Bed,
}

impl Kind {
    /// By the heater's name, as printer.cfg's sections are called.
    pub fn of(heater: &str) -> Kind {
        if heater.to_lowercase().contains("bed") { Kind::Bed } else { Kind::Hotend }
    }

    /// The least change of temperature that says something, K.
    pub fn least_change_k(self) -> f64 {
        match self {
            Kind::Hotend => 25.0,
            Kind::Bed => 12.0,
        }
    }

    /// How long the power must have been steady for the body's parts to be in step, s.
    fn settle_s(self) -> f64 {
        match self {
            Kind::Hotend => 15.0,
            Kind::Bed => 90.0,
        }
    }
}

/// A stretch that can be simulated from its first sample on.
#[derive(Clone, Debug)]
pub struct Window {
    /// Place of the trace in the caller's list.
    pub trace: usize,
    /// Place of the first sample in the trace.
    pub first: usize,
    pub samples: Vec<Sample>,
    /// Temperature at the start, degrees C, its change, K/s, and the power that made it.
    pub start_c: f64,
    pub slope_k_s: f64,
    pub start_duty: f64,
    pub ambient_c: f64,
    /// It starts cold and before any print: nothing that the recording does not tell is likely to cool.
    pub clean: bool,
    /// As the trace has it.
    pub delay_s: f64,
    /// How long before the first sample the power came on, s, where the recording begins with it on.
    pub lead_s: f64,
    /// Where the power leaps between two samples because the target did: the place of the first, and the share of the
    /// time to the next that it stays as it was.
    pub leaps: Vec<(usize, f64)>,
}

impl Window {
    pub fn seconds(&self) -> f64 {
        self.samples[self.samples.len() - 1].t_s - self.samples[0].t_s
    }

    /// The recording begins with the power on.
    pub fn first_is_on(&self) -> bool {
        self.samples[0].duty > 0.5
    }

    /// How long after sample `i` the power leaps, as a share of the time to the next, if it does.
    pub fn leap_share(&self, i: usize) -> Option<f64> {
        self.leaps.iter().find(|(at, _)| *at == i).map(|(_, share)| *share)
    }

    /// Lowest and highest temperature, degrees C.
    pub fn span_c(&self) -> (f64, f64) {
        let fit = |m: (f64, f64), s: &Sample| (m.0.min(s.temp_c), m.1.max(s.temp_c));
        self.samples.iter().fold((f64::INFINITY, f64::NEG_INFINITY), fit)
    }

    /// The temperature climbs on power; a window without is a cool-down.
    pub fn heats(&self) -> bool {
        self.samples.iter().filter(|s| s.duty > 0.5).count() >= 5
    }
}

/// Air around a printer whose recording does not tell, degrees C.
const ROOM_C: f64 = 22.0;

/// The windows of a trace.
pub fn windows(index: usize, trace: &Trace, kind: Kind) -> Vec<Window> {
    let mut windows = Vec::new();
    let samples = &trace.samples;
    // A print blows and draws heat at the nozzle; a bed hardly feels it.
    let fan_matters = kind == Kind::Hotend;
    let mut from = 0;
    for i in 1..=samples.len() {
        let ends = i == samples.len()
            || trace.breaks.contains(&i)
            || (fan_matters && samples[i].busy && samples[i].fan.is_none());
        if ends {
            windows.extend(window(index, trace, kind, from, i));
            let prints = i < samples.len() && !trace.breaks.contains(&i);
            from = if prints { i + 1 } else { i };
        }
    }
    windows
}

fn window(index: usize, trace: &Trace, kind: Kind, from: usize, to: usize) -> Option<Window> {
    let samples = trace.samples.get(from..to).filter(|s| !s.is_empty())?;
    let ambient_c = trace.ambient_c.filter(|t| *t < 45.0).unwrap_or(ROOM_C);
    let at = start(samples, kind, ambient_c)?;
    let rest = &samples[at..];
    // A start that is cold tells its own air.
    let head: Vec<f64> = rest.iter().take(5).map(|s| s.temp_c).collect();
    let mut sorted = head.clone();
    sorted.sort_by(f64::total_cmp);
    let start_c = sorted[sorted.len() / 2];
    let cold = start_c < ambient_c + 4.0;
    let before = &samples[..=at];
    let (slope_k_s, start_duty) = if cold { (0.0, 0.0) } else { lately(before, kind) };
    let window = Window {
        trace: index,
        first: from + at,
        samples: rest.to_vec(),
        start_c: if cold { start_c } else { rest[0].temp_c },
        slope_k_s,
        start_duty,
        ambient_c: if cold { start_c } else { ambient_c },
        clean: cold,
        delay_s: trace.delay_s,
        lead_s: 0.0,
        leaps: leaps(rest),
    };
    let (low, high) = window.span_c();
    (rest.len() >= 20 && high - low >= kind.least_change_k()).then_some(window)
}

/// A controller that was told a new target leaps; one that follows a temperature does not go this far between samples.
const LEAP: f64 = 0.3;

fn leaps(samples: &[Sample]) -> Vec<(usize, f64)> {
    let leap = |w: &[Sample]| (w[1].duty - w[0].duty).abs() > LEAP && w[0].target_c != w[1].target_c;
    samples.windows(2).enumerate().filter(|(_, w)| leap(w)).map(|(i, _)| (i, 0.5)).collect()
}

/// Where all parts of the body are in step: cold, or after steady power for long enough.
fn start(samples: &[Sample], kind: Kind, ambient_c: f64) -> Option<usize> {
    let cold = samples[0].temp_c < ambient_c + 4.0;
    if cold {
        // The last cold sample before the power comes on, so that a long rest weighs nothing.
        let on = samples.iter().position(|s| s.duty > 0.0).unwrap_or(0);
        return Some(on.saturating_sub(10));
    }
    let mut since = 0;
    for i in 0..samples.len() {
        if (samples[i].duty - samples[since].duty).abs() > 0.1 {
            since = i;
        }
        if samples[i].t_s - samples[since].t_s >= kind.settle_s() {
            return Some(i);
        }
    }
    None
}

/// Change of temperature and power over the time in which the body settled.
fn lately(before: &[Sample], kind: Kind) -> (f64, f64) {
    let last = before[before.len() - 1];
    let near: Vec<&Sample> = before.iter().filter(|s| last.t_s - s.t_s <= kind.settle_s()).collect();
    let n = near.len() as f64;
    let (t, y, u) = near.iter().fold((0.0, 0.0, 0.0), |m, s| (m.0 + s.t_s / n, m.1 + s.temp_c / n, m.2 + s.duty / n));
    let (ty, tt) =
        near.iter().fold((0.0, 0.0), |m, s| (m.0 + (s.t_s - t) * (s.temp_c - y), m.1 + (s.t_s - t) * (s.t_s - t)));
    (if tt > 0.0 { ty / tt } else { 0.0 }, u)
}
