//! Temperature sensors: resistance, divider, 12-bit ADC.
//!
//! # Equation
//! NTC: 1/T = A + B ln R + C (ln R)^3 (Steinhart-Hart; with C = 0 it is the beta law);
//! PT: R = R0 (1 + a t + b t^2); ratio = R/(R + R_p); code = round(4095 ratio + offset + noise)
//!
//! # Symbols
//! T [K] · t [degrees C] · R [ohm] sensor · R_p [ohm] pull-up · A, B, C [1/K] · a, b: Callendar-Van Dusen
//!
//! # Source
//! Steinhart, Hart 1968; IEC 60751 (a = 3.9083e-3, b = -5.775e-7); makers' three-point tables;
//! facts/physics.md 1.5 (divider, 12 bits, noise 0.5-2 LSB rms)
//!
//! # Valid for
//! -40 to 400 degrees C; clamped outside
//!
//! # Caveats
//! self-heating and the ADC's own non-linearity are left out
//!
//! # Checked by
//! tests::curve_passes_through_its_table: below 1e-9 relative; tests::resistance_is_monotone;
//! tests::sensitivity_matches_the_divider_law
//!
//! # Cost
//! about 60 ns a sample

use crate::machine::{Machine, Problems};
use crate::noise::Noise;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// Resistance against temperature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Curve {
    /// NTC with one resistance at one temperature and a beta.
    Beta {
        /// Resistance at `at_c`, ohm.
        ohm: f64,
        /// Temperature of that resistance, degrees C.
        at_c: f64,
        /// Beta, K.
        beta_k: f64,
    },
    /// NTC through three points (degrees C, ohm).
    ThreePoints([(f64, f64); 3]),
    /// Platinum: resistance at 0 degrees C, ohm (1000 for a PT1000).
    Platinum {
        /// Resistance at 0 degrees C, ohm.
        ohm: f64,
    },
}

/// Where a sensor sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Feels {
    /// The sensor node of a heater.
    Heater(usize),
    /// The air round the printer.
    Ambient,
}

/// A resistive sensor, its divider and its ADC channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sensor {
    /// Name of its noise stream and in reports.
    #[serde(default)]
    pub name: String,
    /// Where it sits.
    pub feels: Feels,
    /// What it is.
    pub curve: Curve,
    /// Pull-up, ohm. Default 4700, as on most boards.
    #[serde(default = "pullup")]
    pub pullup_ohm: f64,
    /// Resistor in series with the sensor, ohm.
    #[serde(default)]
    pub inline_ohm: f64,
    /// ADC noise, LSB rms. Default 1 (0.5 to 2, facts/physics.md 1.5).
    #[serde(default = "one_lsb")]
    pub noise_lsb: f64,
}

fn pullup() -> f64 {
    4700.0
}
fn one_lsb() -> f64 {
    1.0
}

const ADC_MAX: f64 = 4095.0;
const ZERO_C_K: f64 = 273.15;
const CALLENDAR: (f64, f64) = (3.9083e-3, -5.775e-7);

/// A sensor that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    Whole,
    Open,
    Short,
}

/// Coefficients made once from a [`Curve`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Law {
    Steinhart { a: f64, b: f64, c: f64 },
    Platinum { ohm: f64 },
}

impl Curve {
    /// The sensor types of printer.cfg that are plain resistors, by Klipper's names. Tables are the makers'.
    pub fn named(name: &str) -> Option<Curve> {
        Some(match name {
            "EPCOS 100K B57560G104F" => Curve::ThreePoints([(25.0, 100_000.0), (150.0, 1_641.9), (250.0, 226.15)]),
            "ATC Semitec 104GT-2" => Curve::ThreePoints([(20.0, 126_800.0), (150.0, 1_360.0), (300.0, 80.65)]),
            "ATC Semitec 104NT-4-R025H42G" => Curve::ThreePoints([(25.0, 100_000.0), (160.0, 1_074.0), (300.0, 82.78)]),
            "SliceEngineering 450" => Curve::ThreePoints([(25.0, 500_000.0), (200.0, 3_734.0), (400.0, 240.0)]),
            "TDK NTCG104LH104JT1" => Curve::ThreePoints([(25.0, 100_000.0), (50.0, 31_230.0), (125.0, 2_066.0)]),
            "NTC 100K beta 3950" | "Generic 3950" => {
                Curve::ThreePoints([(25.0, 100_000.0), (150.0, 1_770.0), (250.0, 230.0)])
            }
            "Honeywell 100K 135-104LAG-J01" | "NTC 100K MGB18-104F39050L32" => {
                Curve::Beta { ohm: 100_000.0, at_c: 25.0, beta_k: if name.starts_with('H') { 3974.0 } else { 4100.0 } }
            }
            "PT1000" => Curve::Platinum { ohm: 1000.0 },
            _ => return None,
        })
    }

    pub(crate) fn law(&self) -> Law {
        match self {
            Curve::Beta { ohm, at_c, beta_k } => {
                let b = 1.0 / beta_k;
                Law::Steinhart { a: 1.0 / (at_c + ZERO_C_K) - b * libm::log(*ohm), b, c: 0.0 }
            }
            Curve::ThreePoints(points) => {
                let l = points.map(|(_, ohm)| libm::log(ohm));
                let y = points.map(|(t, _)| 1.0 / (t + ZERO_C_K));
                let g2 = (y[1] - y[0]) / (l[1] - l[0]);
                let g3 = (y[2] - y[0]) / (l[2] - l[0]);
                let c = (g3 - g2) / ((l[2] - l[1]) * (l[0] + l[1] + l[2]));
                let b = g2 - c * (l[0] * l[0] + l[0] * l[1] + l[1] * l[1]);
                Law::Steinhart { a: y[0] - (b + c * l[0] * l[0]) * l[0], b, c }
            }
            Curve::Platinum { ohm } => Law::Platinum { ohm: *ohm },
        }
    }

    fn validate(&self, place: &str, p: &mut Problems) {
        match self {
            Curve::Beta { ohm, at_c, beta_k } => {
                p.positive(alloc::format!("{place}.ohm"), *ohm);
                p.within(alloc::format!("{place}.at_c"), *at_c, -100.0, 500.0);
                p.positive(alloc::format!("{place}.beta_k"), *beta_k);
            }
            Curve::ThreePoints(points) => {
                let falls = points.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 > w[1].1 && w[1].1 > 0.0);
                if !falls {
                    let mend = "list three (degrees C, ohm) pairs, temperatures rising, resistances falling";
                    p.add(place.into(), "is not an NTC table", mend);
                }
            }
            Curve::Platinum { ohm } => p.positive(alloc::format!("{place}.ohm"), *ohm),
        }
    }
}

impl Law {
    /// Resistance at a temperature, ohm.
    pub(crate) fn ohm(self, temperature_c: f64) -> f64 {
        let t = temperature_c.clamp(-60.0, 600.0);
        match self {
            Law::Steinhart { a, b, c } => {
                let inverse_t = 1.0 / (t + ZERO_C_K);
                if c == 0.0 {
                    return libm::exp((inverse_t - a) / b);
                }
                // Real root of c l^3 + b l + (a - 1/T) = 0 (b, c > 0: one root), by Cardano.
                let p = b / (3.0 * c);
                let q = (a - inverse_t) / (2.0 * c);
                let s = libm::sqrt(q * q + p * p * p);
                libm::exp(libm::cbrt(-q + s) - libm::cbrt(q + s))
            }
            Law::Platinum { ohm } => ohm * (1.0 + t * (CALLENDAR.0 + t * CALLENDAR.1)),
        }
    }
}

/// A sensor at work.
#[derive(Clone, Debug)]
pub(crate) struct SensorState {
    pub(crate) feels: Feels,
    pub(crate) broken: Break,
    law: Law,
    pullup_ohm: f64,
    inline_ohm: f64,
    noise_lsb: f64,
    noise: Noise,
}

impl SensorState {
    pub(crate) fn new(sensor: &Sensor, index: usize, seed: u64) -> SensorState {
        SensorState {
            feels: sensor.feels,
            broken: Break::Whole,
            law: sensor.curve.law(),
            pullup_ohm: sensor.pullup_ohm,
            inline_ohm: sensor.inline_ohm,
            noise_lsb: sensor.noise_lsb,
            noise: if sensor.name.is_empty() {
                Noise::new(seed, "adc", index)
            } else {
                Noise::new(seed, &alloc::format!("adc.{}", sensor.name), 0)
            },
        }
    }

    /// One ADC conversion with the sensor at `temperature_c`.
    pub(crate) fn code(&mut self, temperature_c: f64) -> u16 {
        let ratio = match self.broken {
            Break::Whole => {
                let r = self.law.ohm(temperature_c) + self.inline_ohm;
                r / (r + self.pullup_ohm)
            }
            Break::Open => 1.0,
            Break::Short => self.inline_ohm / (self.inline_ohm + self.pullup_ohm),
        };
        let analog = ratio * ADC_MAX + self.noise_lsb * self.noise.gaussian();
        libm::round(analog.clamp(0.0, ADC_MAX)) as u16
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        f(self.broken as u64);
        self.noise.fold(f);
    }
}

impl Sensor {
    pub(crate) fn validate(&self, place: &str, machine: &Machine, p: &mut Problems) {
        if let Feels::Heater(heater) = self.feels {
            p.index(alloc::format!("{place}.feels"), heater, machine.heaters.len(), "heaters");
        }
        self.curve.validate(&alloc::format!("{place}.curve"), p);
        p.positive(alloc::format!("{place}.pullup_ohm"), self.pullup_ohm);
        p.within(alloc::format!("{place}.inline_ohm"), self.inline_ohm, 0.0, 1e6);
        p.within(alloc::format!("{place}.noise_lsb"), self.noise_lsb, 0.0, 100.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curve_passes_through_its_table() {
        let mut worst = 0.0f64;
        for name in ["EPCOS 100K B57560G104F", "ATC Semitec 104GT-2", "Generic 3950", "SliceEngineering 450"] {
            let Some(Curve::ThreePoints(points)) = Curve::named(name) else { panic!("{name}") };
            let law = Curve::ThreePoints(points).law();
            for (t, ohm) in points {
                worst = worst.max((law.ohm(t) / ohm - 1.0).abs());
            }
        }
        let pt = Curve::Platinum { ohm: 1000.0 }.law();
        // IEC 60751: 100 degrees C is 1385.055 ohm.
        worst = worst.max((pt.ohm(100.0) / 1385.055 - 1.0).abs());
        std::println!("ladder: thermistor tables and IEC 60751 within {worst:.1e}");
        assert!(worst < 1e-9, "relative error {worst}");
    }

    #[test]
    fn resistance_is_monotone() {
        for name in ["EPCOS 100K B57560G104F", "ATC Semitec 104NT-4-R025H42G", "PT1000", "TDK NTCG104LH104JT1"] {
            let law = Curve::named(name).expect("known").law();
            let sign = if name == "PT1000" { 1.0 } else { -1.0 };
            for t in -20..350 {
                let t = f64::from(t);
                assert!(sign * (law.ohm(t + 1.0) - law.ohm(t)) > 0.0, "{name} at {t}");
            }
        }
    }

    /// Divider and beta law give d code/dT = -4095 x (1 - x) B/T^2 with x the ratio: 8.8 LSB/K at 25 and 5.6 at 200 C.
    #[test]
    fn sensitivity_matches_the_divider_law() {
        let beta_k = 4500.0;
        let sensor = Sensor {
            name: String::new(),
            feels: Feels::Ambient,
            curve: Curve::Beta { ohm: 100_000.0, at_c: 25.0, beta_k },
            pullup_ohm: 4700.0,
            inline_ohm: 0.0,
            noise_lsb: 0.0,
        };
        let mut state = SensorState::new(&sensor, 0, 0);
        let law = sensor.curve.law();
        for t in [25.0, 100.0, 200.0] {
            let x = law.ohm(t) / (law.ohm(t) + 4700.0);
            let expected = -4095.0 * x * (1.0 - x) * beta_k / ((t + ZERO_C_K) * (t + ZERO_C_K));
            let slope = (f64::from(state.code(t + 2.5)) - f64::from(state.code(t - 2.5))) / 5.0;
            // One rounding at each end over 5 K.
            assert!((slope - expected).abs() < 0.2, "{slope} and {expected} LSB/K at {t}");
        }
    }
}
