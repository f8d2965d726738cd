//! Endstop switches: pressed by a place, with scatter and hysteresis.
//!
//! # Equation
//! pressed when s (x - a - n) >= 0, open again when s (x - a - n) < -h; n is drawn anew at each opening
//!
//! # Symbols
//! x (mm) axis or rail · a (mm) place · s: 1 for `Above`, -1 for `Below` · n (mm) scatter, Gaussian · h (mm) hysteresis
//!
//! # Source
//! facts/physics.md 1.8 (micro-switch 0.5 to 3 um)
//!
//! # Valid for
//! switches and hall sensors
//!
//! # Caveats
//! no bounce
//!
//! # Checked by
//! tests::every_endstop_opens_and_closes, tests::scatter_is_what_was_asked
//!
//! # Cost
//! about 3 ns a poll

use crate::machine::{Machine, Problems};
use crate::noise::Noise;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// What position closes a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watches {
    /// An axis of the nozzle: 0 X, 1 Y, 2 Z.
    Axis(usize),
    /// A rail: a delta's tower.
    Rail(usize),
}

/// On which side of its position a switch is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// Pressed at and below.
    Below,
    /// Pressed at and above.
    Above,
}

/// An endstop switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endstop {
    /// Name of its noise stream and in reports.
    #[serde(default)]
    pub name: String,
    /// What presses it.
    pub watches: Watches,
    /// Where, mm.
    pub at_mm: f64,
    /// On which side it is pressed.
    pub side: Side,
    /// Scatter of the trigger point from press to press, mm. Default 0.001.
    #[serde(default = "micron")]
    pub scatter_mm: f64,
    /// How far it must go back to open, mm. Default 0.05.
    #[serde(default = "hysteresis")]
    pub hysteresis_mm: f64,
}

fn micron() -> f64 {
    0.001
}
fn hysteresis() -> f64 {
    0.05
}

impl Endstop {
    pub(crate) fn validate(&self, place: &str, _machine: &Machine, p: &mut Problems) {
        let (Watches::Axis(i) | Watches::Rail(i)) = self.watches;
        p.index(alloc::format!("{place}.watches"), i, 3, "the axes or rails");
        p.within(alloc::format!("{place}.at_mm"), self.at_mm, -1e5, 1e5);
        p.within(alloc::format!("{place}.scatter_mm"), self.scatter_mm, 0.0, 1.0);
        p.within(alloc::format!("{place}.hysteresis_mm"), self.hysteresis_mm, 0.0, 10.0);
    }
}

/// A switch with scatter: what endstops and probes share.
#[derive(Clone, Debug)]
pub(crate) struct Switch {
    pressed: bool,
    offset_mm: f64,
    scatter_mm: f64,
    hysteresis_mm: f64,
    noise: Noise,
}

impl Switch {
    pub(crate) fn new(scatter_mm: f64, hysteresis_mm: f64, mut noise: Noise) -> Switch {
        let offset_mm = scatter_mm * noise.gaussian();
        Switch { pressed: false, offset_mm, scatter_mm, hysteresis_mm, noise }
    }

    /// `into_mm`: how far the actor is past the nominal place.
    #[inline]
    pub(crate) fn poll(&mut self, into_mm: f64) -> bool {
        let past = into_mm - self.offset_mm;
        if self.pressed {
            if past < -self.hysteresis_mm {
                self.pressed = false;
                self.offset_mm = self.scatter_mm * self.noise.gaussian();
            }
        } else {
            self.pressed = past >= 0.0;
        }
        self.pressed
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        f(u64::from(self.pressed));
        f(self.offset_mm.to_bits());
        self.noise.fold(f);
    }
}

impl Endstop {
    /// The noise stream's name: the endstop's own, or its place in the list.
    pub(crate) fn switch(&self, index: usize, seed: u64) -> Switch {
        let noise = if self.name.is_empty() {
            Noise::new(seed, "endstop", index)
        } else {
            Noise::new(seed, &alloc::format!("endstop.{}", self.name), 0)
        };
        Switch::new(self.scatter_mm, self.hysteresis_mm, noise)
    }

    /// How far `x_mm` is past the place, mm.
    #[inline]
    pub(crate) fn past_mm(&self, x_mm: f64) -> f64 {
        match self.side {
            Side::Above => x_mm - self.at_mm,
            Side::Below => self.at_mm - x_mm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endstop(side: Side) -> Endstop {
        Endstop {
            name: String::new(),
            watches: Watches::Axis(0),
            at_mm: 10.0,
            side,
            scatter_mm: 0.001,
            hysteresis_mm: 0.05,
        }
    }

    #[test]
    fn every_endstop_opens_and_closes() {
        for (side, inward) in [(Side::Above, 1.0), (Side::Below, -1.0)] {
            let e = endstop(side);
            let mut s = e.switch(0, 1);
            assert!(!s.poll(e.past_mm(10.0 - inward)));
            assert!(s.poll(e.past_mm(10.0 + 0.01 * inward)));
            assert!(s.poll(e.past_mm(10.0 - 0.03 * inward)), "hysteresis holds it");
            assert!(!s.poll(e.past_mm(10.0 - 0.06 * inward)));
        }
    }

    #[test]
    fn scatter_is_what_was_asked() {
        let e = endstop(Side::Above);
        let mut s = e.switch(0, 5);
        let (mut sum2, n) = (0.0, 4000);
        for _ in 0..n {
            sum2 += s.offset_mm * s.offset_mm;
            s.poll(1.0);
            s.poll(-1.0);
        }
        let rms = libm::sqrt(sum2 / f64::from(n));
        assert!((rms / 0.001 - 1.0).abs() < 0.05, "{rms}");
    }
}
