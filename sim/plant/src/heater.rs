//! Heated bodies and the fans that cool them: the parameters that hot ends and beds share.

use crate::bed::Bed;
use crate::hotend::Hotend;
use crate::machine::{Machine, Problems};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A heater: a switched output and the body it warms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heater {
    /// Name in reports: `extruder`, `heater_bed`.
    #[serde(default)]
    pub name: String,
    /// What it warms.
    pub body: Body,
}

/// A heated body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// A hot end: cartridge, block and sensor.
    Hotend(Hotend),
    /// A heated bed: heater mat or PCB, plate and sensor.
    Bed(Bed),
}

/// Power of a heating element against its temperature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Element {
    /// Constant power, W.
    Plain {
        /// Power at full duty, W.
        power_w: f64,
    },
    /// A wire whose resistance grows with temperature: `P = power_w/(1 + per_k (T - at_c))`.
    Wire {
        /// Power at `at_c`, W.
        power_w: f64,
        /// Temperature of that power, degrees C.
        at_c: f64,
        /// Growth of resistance, 1/K.
        per_k: f64,
    },
    /// A ceramic (PTC) heater: power at temperatures, straight lines between, constant outside.
    Table(Vec<(f64, f64)>),
}

impl Element {
    /// Power at full duty with the element at `temperature_c`, W.
    pub fn power_w(&self, temperature_c: f64) -> f64 {
        match self {
            Element::Plain { power_w } => *power_w,
            Element::Wire { power_w, at_c, per_k } => power_w / (1.0 + per_k * (temperature_c - at_c)).max(0.1),
            Element::Table(points) => interpolate(points, temperature_c),
        }
    }

    pub(crate) fn validate(&self, place: &str, p: &mut Problems) {
        match self {
            Element::Plain { power_w } => p.positive(alloc::format!("{place}.power_w"), *power_w),
            Element::Wire { power_w, at_c, per_k } => {
                p.positive(alloc::format!("{place}.power_w"), *power_w);
                p.within(alloc::format!("{place}.at_c"), *at_c, -50.0, 500.0);
                p.within(alloc::format!("{place}.per_k"), *per_k, 0.0, 0.01);
            }
            Element::Table(points) => {
                let rising = points.windows(2).all(|w| w[0].0 < w[1].0);
                if points.is_empty() || !rising || points.iter().any(|q| !(q.1 >= 0.0 && q.1.is_finite())) {
                    let mend = "list (degrees C, W) pairs, temperatures rising, powers not negative";
                    p.add(place.into(), "is not a table of power against temperature", mend);
                }
            }
        }
    }
}

fn interpolate(points: &[(f64, f64)], x: f64) -> f64 {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return 0.0 };
    if x <= first.0 {
        return first.1;
    }
    for w in points.windows(2) {
        if x < w[1].0 {
            return w[0].1 + (w[1].1 - w[0].1) * (x - w[0].0) / (w[1].0 - w[0].0);
        }
    }
    last.1
}

/// A fan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fan {
    /// Name in reports: `fan`.
    #[serde(default)]
    pub name: String,
    /// Spin-up and run-down time constant, s.
    pub spin_s: f64,
    /// Heaters that it blows at, by their place in `heaters`.
    #[serde(default)]
    pub cools: Vec<usize>,
}

impl Heater {
    pub(crate) fn validate(&self, place: &str, _machine: &Machine, p: &mut Problems) {
        match &self.body {
            Body::Hotend(hotend) => hotend.validate(&alloc::format!("{place}.body"), p),
            Body::Bed(bed) => bed.validate(&alloc::format!("{place}.body"), p),
        }
    }
}
