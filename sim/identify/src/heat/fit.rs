//! The fit: the plant's own heater, with the constants under which it follows the recorded temperatures best.

use drydock_plant::bed::Bed;
use drydock_plant::heater::{Bench, Body, Heater};
use drydock_plant::hotend::{Cartridge, Hotend};
use drydock_plant::thermal::Surroundings;

use super::Sample;
use super::window::Window;
use crate::solve::{self, Solution};

/// One constant of a heater under fit: where it is in the machine file, and its value.
#[derive(Clone, Debug)]
pub struct Constant {
    /// Path below the heater: `body.block_j_k`.
    pub path: &'static str,
    pub unit: &'static str,
    pub value: f64,
    /// 95 % interval.
    pub interval: (f64, f64),
}

impl Constant {
    /// The data tell it: its interval spans less than a factor of four.
    pub fn is_told(&self) -> bool {
        self.interval.1 < 4.0 * self.interval.0
    }
}

/// A fitted heater.
#[derive(Clone, Debug)]
pub struct HeaterFit {
    pub heater: Heater,
    pub constants: Vec<Constant>,
    /// Rms over the windows of the fit, K.
    pub rms_k: f64,
    pub solution: Solution,
}

/// What the heater does in a window: the temperature at its sensor at each sample, degrees C.
pub fn predict(heater: &Heater, window: &Window) -> Vec<f64> {
    let mut bench = at_start(heater, window);
    if window.lead_s > 0.0 {
        bench.hold(window.lead_s, window.samples[0].duty, 0.0, 0.0);
    }
    let mut powers = powers(window);
    let (mut left_s, mut duty) = powers.next().unwrap_or_default();
    let mut out = Vec::with_capacity(window.samples.len());
    out.push(bench.sensor_c());
    for pair in window.samples.windows(2) {
        let (mut until_s, fan) = (pair[1].t_s - pair[0].t_s, pair[0].fan.unwrap_or(0.0));
        while left_s < until_s {
            bench.hold(left_s, duty, fan, 0.0);
            until_s -= left_s;
            (left_s, duty) = powers.next().unwrap_or((f64::INFINITY, duty));
        }
        bench.hold(until_s, duty, fan, 0.0);
        left_s -= until_s;
        out.push(bench.sensor_c());
    }
    out
}

/// What acts from the first sample on: for how long, s, and the power.
fn powers(window: &Window) -> impl Iterator<Item = (f64, f64)> {
    let of_pair = |(i, pair): (usize, &[Sample])| {
        let dt = pair[1].t_s - pair[0].t_s;
        match window.leap_share(i) {
            Some(share) => [(share * dt, pair[0].duty), ((1.0 - share) * dt, pair[1].duty)],
            None => [(dt, mean_duty(&window.samples, i)), (0.0, 0.0)],
        }
    };
    let delay = (window.delay_s, window.samples[0].duty);
    std::iter::once(delay).chain(window.samples.windows(2).enumerate().flat_map(of_pair))
}

/// The heater as the window finds it.
pub(super) fn at_start(heater: &Heater, window: &Window) -> Bench {
    let mut bench = Bench::new(heater, window.ambient_c);
    let (body, element, round) = start(heater, window);
    bench.place(body, window.start_c, element, round);
    bench
}

/// Mean power between sample `i` and the next. The power is told at the two ends only. In between a controller goes
/// steadily from one to the other, and stands at full or none until its output comes back from beyond: how far beyond it
/// was, its slope on the other side tells.
fn mean_duty(samples: &[Sample], i: usize) -> f64 {
    let (a, b) = (samples[i].duty, samples[i + 1].duty);
    let straight = 0.5 * (a + b);
    let duty = |at: Option<usize>| at.and_then(|at| samples.get(at)).map(|s| s.duty);
    let inside = |v: f64| v > 0.002 && v < 0.998;
    let stands = |v: f64| !inside(v);
    if stands(a) && inside(b) {
        // Leaves the stop at `a`: what the next step covers, this one would have.
        let slope = duty(Some(i + 2)).filter(|c| inside(*c)).map_or(0.0, |c| (c - b).abs());
        let way = (b - a).abs();
        if slope > way { a + (b - a) * 0.5 * way / slope } else { straight }
    } else if inside(a) && stands(b) {
        let slope = duty(i.checked_sub(1)).filter(|c| inside(*c)).map_or(0.0, |c| (a - c).abs());
        let way = (b - a).abs();
        if slope > way { b + (a - b) * 0.5 * way / slope } else { straight }
    } else {
        straight
    }
}

/// Temperatures of body, element and surroundings at the start: cold, or all parts change alike, each by what it lags
/// behind, with surroundings that have settled.
fn start(heater: &Heater, window: &Window) -> (f64, f64, f64) {
    if window.clean {
        return (window.start_c, window.start_c, window.start_c);
    }
    let (c, slope, duty) = (window.start_c, window.slope_k_s, window.start_duty);
    match &heater.body {
        Body::Hotend(h) => {
            let block = c + h.sensor_rate_s.map_or(0.0, |r| slope / r);
            let power = duty * h.element.power_w(block);
            let over = h.cartridge.as_ref().map_or(0.0, |k| (power - k.heat_j_k * slope) / k.to_block_w_k);
            (block, block + over, settled(&h.surroundings, block, window.ambient_c))
        }
        Body::Bed(b) => {
            let side = c + slope / b.sensor_rate_s;
            let into_plate = duty * b.element.power_w(side)
                - b.heater_j_k * slope
                - b.underside_loss_w_k * (side - window.ambient_c);
            let plate = side - into_plate / b.heater_to_plate_w_k;
            (plate, side, settled(&b.surroundings, plate, window.ambient_c))
        }
    }
}

fn settled(round: &Option<Surroundings>, body_c: f64, ambient_c: f64) -> f64 {
    let share = round.as_ref().map_or(0.0, |s| s.to_body_w_k / (s.to_body_w_k + s.loss_w_k));
    ambient_c + share * (body_c - ambient_c)
}

/// Rms difference of two series.
pub fn rms(a: &[f64], b: impl Iterator<Item = f64>) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    (sum / a.len().max(1) as f64).sqrt()
}

/// Rms error of the prediction of a window, K.
pub fn error_k(heater: &Heater, window: &Window) -> f64 {
    rms(&predict(heater, window), window.samples.iter().map(|s| s.temp_c))
}

/// A log tells the power once a second. When in that second a new target made it leap, the climb after it shows: each leap
/// is placed within its second, and a start before the first sample within three seconds, by the samples that follow. What
/// was wrong before a leap does not count, so that no leap makes up for the model.
pub fn align(heater: &Heater, window: &Window) -> Window {
    let mut best = window.clone();
    if window.clean && window.first_is_on() {
        best.lead_s = 3.0 * place(heater, 0, |share| Window { lead_s: 3.0 * share, ..best.clone() });
    }
    for k in 0..best.leaps.len() {
        let share = place(heater, best.leaps[k].0, |share| {
            let mut tried = best.clone();
            tried.leaps[k].1 = share;
            tried
        });
        best.leaps[k].1 = share;
    }
    best
}

/// The share, 0 to 1, under which the samples after `from` are followed best.
fn place(heater: &Heater, from: usize, with: impl Fn(f64) -> Window) -> f64 {
    const CLIMB_S: f64 = 25.0;
    let cost = |share: f64| {
        let mut window = with(share);
        let end_s = window.samples[from].t_s + CLIMB_S;
        let end = window.samples.iter().position(|s| s.t_s > end_s).unwrap_or(window.samples.len());
        window.samples.truncate(end);
        let predicted = predict(heater, &window);
        let off = |i: usize| predicted[i] - window.samples[i].temp_c;
        let before = if from == 0 { 0.0 } else { off(from) };
        (from..end).map(|i| (off(i) - before).powi(2)).sum::<f64>()
    };
    let costs = (0..=20).map(|k| f64::from(k) * 0.05).map(|share| (share, cost(share)));
    costs.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0.5, |best| best.0)
}

/// A constant that may move, by its logarithm.
struct Knob {
    path: &'static str,
    unit: &'static str,
    /// Where it begins, and how many times more or less it may well be: what pulls it where the data do not.
    usual: f64,
    times: f64,
    set: fn(&mut Heater, f64),
}

/// Heat capacity of a hot end that sits in the cartridge (assumed: 3 J/K of 17, facts/physics.md 1.4).
const CARTRIDGE_SHARE: f64 = 0.18;
/// Loss of a bed that leaves below (assumed, as in the machines read off a printer.cfg).
const UNDERSIDE_SHARE: f64 = 0.16;

fn hotend(heater: &mut Heater) -> Option<&mut Hotend> {
    if let Body::Hotend(h) = &mut heater.body { Some(h) } else { None }
}

fn bed(heater: &mut Heater) -> Option<&mut Bed> {
    if let Body::Bed(b) = &mut heater.body { Some(b) } else { None }
}

fn surroundings(heater: &mut Heater) -> &mut Surroundings {
    let round = match &mut heater.body {
        Body::Hotend(h) => &mut h.surroundings,
        Body::Bed(b) => &mut b.surroundings,
    };
    round.get_or_insert(Surroundings { heat_j_k: 1.0, to_body_w_k: 0.0, loss_w_k: 0.0 })
}

macro_rules! knob {
    ($path:literal, $unit:literal, $usual:expr, $times:expr, |$h:ident, $v:ident| $set:expr) => {
        Knob { path: $path, unit: $unit, usual: $usual, times: $times, set: |$h: &mut Heater, $v: f64| $set }
    };
}

/// The constants of a heater, with where they usually lie: facts/physics.md 1.4, scaled by the power.
fn knobs(heater: &Heater, fan_told: bool, long: bool) -> Vec<Knob> {
    let mut knobs = all_knobs(heater, fan_told);
    // What warms slowly shows in a long recording only; in a short one it is part of the losses.
    knobs.retain(|k| long || !k.path.starts_with("body.surroundings"));
    knobs
}

/// A recording of this length shows what warms slowly, s.
fn long_s(heater: &Heater) -> f64 {
    match heater.body {
        Body::Hotend(_) => 450.0,
        Body::Bed(_) => 1200.0,
    }
}

fn all_knobs(heater: &Heater, fan_told: bool) -> Vec<Knob> {
    match &heater.body {
        Body::Hotend(h) => {
            let watts = h.element.power_w(20.0) / 40.0;
            let mut knobs = vec![
                knob!("body.block_j_k", "J/K", 16.0 * watts, 3.0, |h, v| if let Some(h) = hotend(h) {
                    h.block_j_k = v;
                }),
                knob!("body.loss_w_k", "W/K", 0.07 * watts, 3.0, |h, v| if let Some(h) = hotend(h) {
                    let more = h.loss_fan_w_k / h.loss_w_k;
                    (h.loss_w_k, h.loss_fan_w_k) = (v, v * more);
                }),
                knob!("body.loss_growth_per_k", "1/K", 1.5e-3, 2.0, |h, v| if let Some(h) = hotend(h) {
                    h.loss_growth_per_k = v;
                }),
                knob!("body.cartridge.to_block_w_k", "W/K", 1.5 * watts, 3.0, |h, v| if let Some(h) = hotend(h) {
                    h.cartridge = Some(Cartridge { heat_j_k: CARTRIDGE_SHARE * h.block_j_k, to_block_w_k: v });
                }),
                knob!("body.sensor_rate_s", "1/s", 0.2, 3.0, |h, v| if let Some(h) = hotend(h) {
                    h.sensor_rate_s = Some(v);
                }),
                knob!("body.surroundings.heat_j_k", "J/K", 6.0 * watts, 3.0, |h, v| surroundings(h).heat_j_k = v),
                knob!("body.surroundings.to_body_w_k", "W/K", 0.05 * watts, 3.0, |h, v| {
                    let round = surroundings(h);
                    // What a sock or a heat break loses itself can hardly be told from the block's own loss.
                    (round.to_body_w_k, round.loss_w_k) = (v, 0.3 * v);
                }),
            ];
            if fan_told {
                knobs.push(knob!("body.loss_fan_w_k", "W/K", 0.1 * watts, 3.0, |h, v| if let Some(h) = hotend(h) {
                    h.loss_fan_w_k = v.max(h.loss_w_k);
                }));
            }
            knobs
        }
        Body::Bed(b) => {
            let watts = b.element.power_w(20.0) / 600.0;
            vec![
                knob!("body.heater_j_k", "J/K", 200.0 * watts, 3.0, |h, v| if let Some(b) = bed(h) {
                    b.heater_j_k = v;
                }),
                knob!("body.plate_j_k", "J/K", 1000.0 * watts, 3.0, |h, v| if let Some(b) = bed(h) {
                    b.plate_j_k = v;
                }),
                knob!("body.heater_to_plate_w_k", "W/K", 20.0 * watts, 4.0, |h, v| if let Some(b) = bed(h) {
                    b.heater_to_plate_w_k = v;
                }),
                knob!("body.loss_w_k", "W/K", 2.5 * watts, 3.0, |h, v| if let Some(b) = bed(h) {
                    (b.loss_w_k, b.underside_loss_w_k) = (v, v * UNDERSIDE_SHARE / (1.0 - UNDERSIDE_SHARE));
                }),
                knob!("body.loss_growth_per_k", "1/K", 2e-3, 2.0, |h, v| if let Some(b) = bed(h) {
                    b.loss_growth_per_k = v;
                }),
                knob!("body.sensor_rate_s", "1/s", 0.1, 3.0, |h, v| if let Some(b) = bed(h) {
                    b.sensor_rate_s = v;
                }),
                knob!("body.surroundings.heat_j_k", "J/K", 4000.0 * watts, 4.0, |h, v| surroundings(h).heat_j_k = v),
                knob!("body.surroundings.to_body_w_k", "W/K", 2.0 * watts, 4.0, |h, v| {
                    let round = surroundings(h);
                    // A frame or chamber whose own loss is as large as what it takes: it settles half way up.
                    (round.to_body_w_k, round.loss_w_k) = (v, v);
                }),
            ]
        }
    }
}

/// What the usual values weigh: a constant off by its `times` costs as much as this many samples off by 1 K.
const USUAL_WEIGHS: f64 = 10.0;

/// Fits a heater to windows; `start` gives what cannot be fitted: the power.
pub fn fit(start: &Heater, windows: &[&Window]) -> HeaterFit {
    let fan_told = windows.iter().any(|w| w.samples.iter().any(|s| s.fan.is_some_and(|f| f > 0.2)));
    let long = windows.iter().any(|w| w.seconds() > long_s(start));
    let knobs = knobs(start, fan_told, long);
    let with = |values: &[f64]| {
        let mut heater = start.clone();
        for (knob, v) in knobs.iter().zip(values) {
            (knob.set)(&mut heater, knob.usual * v.exp());
        }
        heater
    };
    let ends: Vec<usize> = windows
        .iter()
        .scan(0, |at, w| {
            *at += w.samples.len();
            Some(*at)
        })
        .collect();
    let residuals = |values: &[f64]| {
        let heater = with(values);
        let mut out = Vec::new();
        for window in windows {
            out.extend(predict(&heater, window).iter().zip(&window.samples).map(|(p, s)| p - s.temp_c));
        }
        out.extend(knobs.iter().zip(values).map(|(k, v)| v / k.times.ln() * USUAL_WEIGHS.sqrt()));
        out
    };
    let begin = vec![0.0; knobs.len()];
    let bounds = vec![(-5.0, 5.0); knobs.len()];
    let solution = solve::least_squares(&begin, &bounds, &ends, residuals);
    let heater = with(&solution.values);
    let constants = knobs
        .iter()
        .enumerate()
        .map(|(i, k)| {
            let (v, d) = (solution.values[i], solution.deviations[i]);
            let end = |sign: f64| k.usual * (v + sign * 1.96 * d).exp();
            Constant { path: k.path, unit: k.unit, value: k.usual * v.exp(), interval: (end(-1.0), end(1.0)) }
        })
        .collect();
    let (sum, count) = windows.iter().fold((0.0, 0usize), |m, w| {
        (m.0 + error_k(&heater, w).powi(2) * w.samples.len() as f64, m.1 + w.samples.len())
    });
    HeaterFit { heater, constants, rms_k: (sum / count.max(1) as f64).sqrt(), solution }
}
