//! Shapers to choose from, and the closed-form screening of them.
//!
//! # Equation
//! V(f, z): what a shaper leaves of a mode's ringing (motion::shapers); score = sqrt(sum over modes of (g V)^2), V^2 being
//! the mean over the frequencies that the mode may have; g = |e_axis| |s| / f^2
//!
//! # Symbols
//! e, s: the mode's directions in the machine file · f (Hz) its frequency: a step of the acceleration rings with a/w^2
//!
//! # Source
//! Singer and Seering, J. Dyn. Sys. Meas. Control 112 (1990) 76; smoothing and suggested acceleration are those of the
//! host's shaper_calibrate, so that they compare with what Klipper says
//!
//! # Valid for
//! modes that are excited by steps far apart; the print's own moves come after the screening
//!
//! # Cost
//! about 3 us a candidate, mode and frequency

use drydock_host::shaper_calibrate::fit::{max_accel, smoothing};
use drydock_motion::shapers::{AnyShaper, Pulses};
use drydock_plant::frame::Mode;

/// The damping that the peer's calibration takes for granted.
pub const PEER_DAMPING: f64 = 0.1;
/// Acceleration at which smoothing is compared, as the peer does.
const SMOOTHING_ACCEL_MM_S2: f64 = 5000.0;
/// How far a mode may be from where it was measured, by position, mass and time, and how often that is so.
const SPREAD: [(f64, f64); 7] =
    [(0.90, 0.08), (0.94, 0.14), (0.97, 0.18), (1.0, 0.2), (1.03, 0.18), (1.06, 0.14), (1.10, 0.08)];
const FREQ_STEP_HZ: f64 = 0.4;
const MAX_FREQ_HZ: f64 = 150.0;
/// Weaker ones than this, against the strongest, do not say which damping to try.
const STRONG: f64 = 0.5;

/// The shaper of one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Shaper {
    pub kind: String,
    /// 0: not shaped.
    pub freq_hz: f64,
    pub damping: f64,
}

impl Shaper {
    pub fn none() -> Shaper {
        Shaper { kind: "mzv".into(), freq_hz: 0.0, damping: PEER_DAMPING }
    }

    pub fn pulses(&self) -> Option<Pulses> {
        AnyShaper::parse(&self.kind).ok()?.pulses(self.freq_hz, self.damping).ok()
    }

    /// How far a corner is rounded at 5000 mm/s^2, mm.
    pub fn smoothing_mm(&self, scv_mm_s: f64) -> f64 {
        self.pulses().map_or(0.0, |p| smoothing(&p, SMOOTHING_ACCEL_MM_S2, scv_mm_s))
    }

    /// The acceleration up to which smoothing stays small, by its own pulses and by those that the peer would take for it:
    /// the less of both.
    pub fn max_accel_mm_s2(&self, scv_mm_s: f64) -> f64 {
        let as_peer = Shaper { damping: PEER_DAMPING, ..self.clone() };
        let of = |s: &Shaper| s.pulses().map_or(f64::INFINITY, |p| max_accel(&p, scv_mm_s));
        of(self).min(of(&as_peer))
    }

    pub fn name(&self) -> String {
        if self.freq_hz > 0.0 { format!("{} {:.1} Hz", self.kind, self.freq_hz) } else { "none".into() }
    }
}

/// A candidate with what the screening says of it.
#[derive(Clone, Debug)]
pub struct Screened {
    pub shaper: Shaper,
    pub score: f64,
    pub smoothing_mm: f64,
    pub max_accel_mm_s2: f64,
}

/// How much an axis shakes each mode, and at which frequency and damping it rings.
fn shaken(modes: &[Mode], axis: usize) -> Vec<(f64, f64, f64)> {
    let strength = |m: &Mode| m.excited_by[axis].abs() * m.shape[0].hypot(m.shape[1]) / (m.freq_hz * m.freq_hz);
    modes.iter().map(|m| (strength(m), m.freq_hz, m.damping)).filter(|(g, ..)| *g > 0.0).collect()
}

/// What a shaper leaves, over the spread of the frequencies, against no shaper: 0 to 1.
pub fn score(shaper: &Shaper, modes: &[Mode], axis: usize) -> f64 {
    score_over(&SPREAD, shaper, modes, axis)
}

/// The same with every mode where it was measured.
pub fn score_as_measured(shaper: &Shaper, modes: &[Mode], axis: usize) -> f64 {
    score_over(&[(1.0, 1.0)], shaper, modes, axis)
}

fn score_over(spread: &[(f64, f64)], shaper: &Shaper, modes: &[Mode], axis: usize) -> f64 {
    let pulses = shaper.pulses();
    let left = |hz: f64, damping: f64| pulses.as_ref().map_or(1.0, |p| p.residual(hz, damping));
    let (mut ringing, mut whole) = (0.0, 0.0);
    for (strength, hz, damping) in shaken(modes, axis) {
        let mean: f64 = spread.iter().map(|(by, weight)| weight * left(hz * by, damping).powi(2)).sum();
        ringing += strength * strength * mean;
        whole += strength * strength;
    }
    if whole > 0.0 { (ringing / whole).sqrt() } else { 0.0 }
}

/// Every shaper at every frequency, with the damping of the modes that count and with the usual one.
pub fn screen(modes: &[Mode], axis: usize, scv_mm_s: f64) -> Vec<Screened> {
    let shaken = shaken(modes, axis);
    let strongest = shaken.iter().map(|(g, ..)| *g).fold(0.0, f64::max);
    let mut dampings: Vec<f64> =
        shaken.iter().filter(|(g, ..)| *g > STRONG * strongest).map(|(.., d)| (d * 1e3).round() * 1e-3).collect();
    dampings.push(PEER_DAMPING);
    dampings.sort_by(f64::total_cmp);
    dampings.dedup();
    let mut screened = Vec::new();
    for kind in AnyShaper::ALL {
        for damping in dampings.iter().filter(|d| **d <= kind.max_damping()) {
            let first = kind.min_tuned_freq_hz();
            let count = ((MAX_FREQ_HZ - first) / FREQ_STEP_HZ) as usize;
            for i in 0..count {
                let freq_hz = ((first + i as f64 * FREQ_STEP_HZ) * 10.0).round() / 10.0;
                let shaper = Shaper { kind: kind.name().into(), freq_hz, damping: *damping };
                screened.push(Screened {
                    score: score(&shaper, modes, axis),
                    smoothing_mm: shaper.smoothing_mm(scv_mm_s),
                    max_accel_mm_s2: shaper.max_accel_mm_s2(scv_mm_s),
                    shaper,
                });
            }
        }
    }
    screened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screening_finds_a_lone_mode_and_its_damping() {
        let modes = [Mode::along(0, 50.0, 0.04, 1.0)];
        let all = screen(&modes, 0, 5.0);
        let best = |kind: &str| {
            all.iter().filter(|s| s.shaper.kind == kind).min_by(|a, b| a.score.total_cmp(&b.score)).unwrap()
        };
        let mzv = best("mzv");
        assert!((mzv.shaper.freq_hz - 50.0).abs() < 2.0 && mzv.shaper.damping == 0.04, "{mzv:?}");
        assert!(best("3hump_ei").score < best("ei").score && best("ei").score < best("zv").score);
        assert!(best("zv").max_accel_mm_s2 > best("ei").max_accel_mm_s2);
    }

    #[test]
    fn an_axis_that_shakes_nothing_has_nothing_left() {
        assert_eq!(score(&Shaper::none(), &[Mode::along(0, 50.0, 0.04, 1.0)], 1), 0.0);
        assert_eq!(score(&Shaper::none(), &[Mode::along(0, 50.0, 0.04, 1.0)], 0), 1.0);
    }
}
