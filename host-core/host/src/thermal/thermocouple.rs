//! Thermocouples J and K behind the analogue amplifiers AD595, AD597 and AD8494 to AD8497.
//!
//! # Equation
//! V = G (E(t) + E0)                       AD595, AD597
//! V = G (E(t) - E(t_r)) + 5 mV/K t_r      AD849x, with the reference junction at t_r
//!
//! # Symbols
//! E thermocouple voltage against an ice point \[mV\] · t hot junction \[°C\] · G gain · E0 offset \[mV\]
//!
//! # Source
//! E(t): NIST ITS-90 reference functions (Monograph 175). AD594/AD595 datasheet: G = 247.3, E0 = 11 uV;
//! AD596/AD597: G = 245.46. AD849x datasheet: G = 96.7 (J), 122.4 (K), 90.35 (AD8496, J),
//! 122.4 (AD8497, K), ideal output 5 mV/K; optimised about 25 °C (AD8494/5) and 60 °C (AD8496/7)
//!
//! # Valid for
//! -200 to 1200 °C (J), -200 to 1372 °C (K); the supply of the amplifier cuts the range further
//!
//! # Caveats
//! the AD849x's cold junction error away from t_r (up to 1 K) is not in it
//!
//! # Checked by
//! `tests::thermocouples_have_the_voltages_of_nist` (1 uV), `tests::amplifiers_have_their_datasheet_outputs` (1 mV)
//!
//! # Cost
//! 60 evaluations of a polynomial per reading, a few microseconds each 300 ms

/// Powers of t from the constant on; result in mV.
const K_COLD: [f64; 11] = [
    0.0,
    0.394501280250e-1,
    0.236223735980e-4,
    -0.328589067840e-6,
    -0.499048287770e-8,
    -0.675090591730e-10,
    -0.574103274280e-12,
    -0.310888728940e-14,
    -0.104516093650e-16,
    -0.198892668780e-19,
    -0.163226974860e-22,
];
const K_HOT: [f64; 10] = [
    -0.176004136860e-1,
    0.389212049750e-1,
    0.185587700320e-4,
    -0.994575928740e-7,
    0.318409457190e-9,
    -0.560728448890e-12,
    0.560750590590e-15,
    -0.320207200030e-18,
    0.971511471520e-22,
    -0.121047212750e-25,
];
/// Type K's extra term above 0 °C: `a0 exp(a1 (t - a2)^2)`.
const K_HUMP: (f64, f64, f64) = (0.118597600000, -0.118343200000e-3, 0.126968600000e3);
const J_LOW: [f64; 9] = [
    0.0,
    0.503811878150e-1,
    0.304758369300e-4,
    -0.856810657200e-7,
    0.132281952950e-9,
    -0.170529583370e-12,
    0.209480906970e-15,
    -0.125383953360e-18,
    0.156317256970e-22,
];
const J_HIGH: [f64; 6] = [
    0.296456256810e3,
    -0.149761277860e1,
    0.317871039240e-2,
    -0.318476867010e-5,
    0.157208190040e-8,
    -0.306913690560e-12,
];

fn polynomial(coefficients: &[f64], t: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * t + c)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Couple {
    J,
    K,
}

impl Couple {
    const fn range_celsius(self) -> (f64, f64) {
        match self {
            Couple::J => (-200.0, 1200.0),
            Couple::K => (-200.0, 1372.0),
        }
    }

    /// Voltage against an ice point.
    pub fn millivolt(self, celsius: f64) -> f64 {
        let (low, high) = self.range_celsius();
        let t = celsius.clamp(low, high);
        match self {
            Couple::J if t <= 760.0 => polynomial(&J_LOW, t),
            Couple::J => polynomial(&J_HIGH, t),
            Couple::K if t < 0.0 => polynomial(&K_COLD, t),
            Couple::K => {
                let (a0, a1, a2) = K_HUMP;
                polynomial(&K_HOT, t) + a0 * libm::exp(a1 * (t - a2) * (t - a2))
            }
        }
    }
}

/// One amplifier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Amplifier {
    couple: Couple,
    gain: f64,
    /// Output with the hot junction at 0 °C [mV].
    zero: Zero,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Zero {
    /// Added to the thermocouple's voltage.
    InputMillivolt(f64),
    /// 5 mV/K is met where the hot junction is at this temperature.
    IdealAtCelsius(f64),
}

/// The amplifiers that `sensor_type` knows by name.
pub const AMPLIFIERS: &[(&str, Amplifier)] = &[
    ("AD595", Amplifier { couple: Couple::K, gain: 247.3, zero: Zero::InputMillivolt(0.011) }),
    ("AD597", Amplifier { couple: Couple::K, gain: 245.46, zero: Zero::InputMillivolt(0.0) }),
    ("AD8494", Amplifier { couple: Couple::J, gain: 96.7, zero: Zero::IdealAtCelsius(25.0) }),
    ("AD8495", Amplifier { couple: Couple::K, gain: 122.4, zero: Zero::IdealAtCelsius(25.0) }),
    ("AD8496", Amplifier { couple: Couple::J, gain: 90.35, zero: Zero::IdealAtCelsius(60.0) }),
    ("AD8497", Amplifier { couple: Couple::K, gain: 122.4, zero: Zero::IdealAtCelsius(60.0) }),
];

impl Amplifier {
    pub fn volt(&self, celsius: f64) -> f64 {
        let couple_mv = self.couple.millivolt(celsius);
        let output_mv = match self.zero {
            Zero::InputMillivolt(offset) => self.gain * (couple_mv + offset),
            Zero::IdealAtCelsius(t) => self.gain * (couple_mv - self.couple.millivolt(t)) + 5.0 * t,
        };
        output_mv * 1e-3
    }

    /// By bisection: the output rises with temperature over the whole range.
    pub fn celsius(&self, volt: f64) -> f64 {
        let (mut low, mut high) = self.couple.range_celsius();
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            match self.volt(middle) < volt {
                true => low = middle,
                false => high = middle,
            }
        }
        0.5 * (low + high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thermocouples_have_the_voltages_of_nist() {
        for (couple, celsius, millivolt) in [
            (Couple::K, -100.0, -3.554),
            (Couple::K, 0.0, 0.0),
            (Couple::K, 25.0, 1.000),
            (Couple::K, 100.0, 4.096),
            (Couple::K, 200.0, 8.138),
            (Couple::K, 300.0, 12.209),
            (Couple::K, 500.0, 20.644),
            (Couple::K, 1000.0, 41.276),
            (Couple::J, -100.0, -4.633),
            (Couple::J, 25.0, 1.277),
            (Couple::J, 100.0, 5.269),
            (Couple::J, 200.0, 10.779),
            (Couple::J, 300.0, 16.327),
            (Couple::J, 800.0, 45.494),
        ] {
            let got = couple.millivolt(celsius);
            assert!((got - millivolt).abs() < 0.001, "{couple:?} at {celsius}: {got}");
        }
    }

    #[test]
    fn amplifiers_have_their_datasheet_outputs() {
        for (name, celsius, volt) in [
            ("AD595", 0.0, 0.0027),
            ("AD595", 25.0, 0.250),
            ("AD595", 100.0, 1.015),
            ("AD595", 200.0, 2.015),
            ("AD595", 300.0, 3.022),
            ("AD597", 25.0, 0.245),
            ("AD597", 100.0, 1.005),
            ("AD597", 300.0, 2.996),
            ("AD8494", 25.0, 0.125),
            ("AD8494", 100.0, 0.511),
            ("AD8495", 25.0, 0.125),
            ("AD8495", 100.0, 0.504),
            ("AD8496", 60.0, 0.300),
            ("AD8497", 60.0, 0.300),
        ] {
            let (_, amplifier) = AMPLIFIERS.iter().find(|(n, _)| *n == name).unwrap();
            let got = amplifier.volt(celsius);
            assert!((got - volt).abs() < 0.001, "{name} at {celsius}: {got}");
        }
    }

    #[test]
    fn temperature_of_the_output_is_identity() {
        for (name, amplifier) in AMPLIFIERS {
            for celsius in [-50.0, 0.0, 25.0, 240.0, 500.0, 900.0] {
                let back = amplifier.celsius(amplifier.volt(celsius));
                assert!((back - celsius).abs() < 1e-6, "{name}: {celsius} -> {back}");
            }
        }
    }
}
