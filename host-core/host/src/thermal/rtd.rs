//! Platinum resistance sensors: PT1000 on a divider, PT100 behind E3D's amplifier board.
//!
//! # Equation
//! R = R0 (1 + A t + B t^2 + C (t - 100) t^3),  C only below 0 °C
//! PT100 board: V = G V_s R / (R + R_b)
//!
//! # Symbols
//! t \[°C\] · R, R0, R_b \[ohm\] · A, B, C · G gain of the amplifier · V_s its supply \[V\]
//!
//! # Source
//! IEC 60751:2008 (A = 3.9083e-3, B = -5.775e-7, C = -4.183e-12); INA826 datasheet, G = 1 + 49.4 k / 5.49 k;
//! E3D PT100 amplifier board: R_b = 4.4 kohm on 5 V
//!
//! # Valid for
//! -200 to 850 °C (IEC 60751)
//!
//! # Caveats
//! lead resistance is not in it; the board's own table is rounded to 10 mV (2.5 K)
//!
//! # Checked by
//! `tests::pt1000_has_the_resistances_of_iec_60751` (0.05 ohm), `tests::pt100_board_gives_its_published_voltages`
//! (6 mV, table rounded to 10 mV)

use super::Converter;
use super::divider::Divider;

const A: f64 = 3.9083e-3;
const B: f64 = -5.775e-7;
const C: f64 = -4.183e-12;

/// R / R0 of a platinum sensor.
pub fn platinum_ratio(celsius: f64) -> f64 {
    let t = celsius;
    let cold = if t < 0.0 { C * (t - 100.0) * t * t * t } else { 0.0 };
    1.0 + A * t + B * t * t + cold
}

/// Inverse of [`platinum_ratio`]: closed form above 0 °C, Newton steps below.
pub fn platinum_celsius(ratio: f64) -> f64 {
    let discriminant = A * A - 4.0 * B * (1.0 - ratio);
    let mut t = (-A + libm::sqrt(discriminant.max(0.0))) / (2.0 * B);
    if t < 0.0 {
        for _ in 0..4 {
            let slope = A + 2.0 * B * t + C * (4.0 * t - 300.0) * t * t;
            t -= (platinum_ratio(t) - ratio) / slope;
        }
    }
    t
}

/// A platinum sensor in place of a thermistor.
#[derive(Debug, Clone, Copy)]
pub struct Platinum {
    pub r0_ohm: f64,
    pub divider: Divider,
}

impl Converter for Platinum {
    fn celsius(&self, ratio: f64) -> f64 {
        platinum_celsius(self.divider.resistance(ratio) / self.r0_ohm)
    }
    fn ratio(&self, celsius: f64) -> f64 {
        self.divider.ratio(self.r0_ohm * platinum_ratio(celsius))
    }
}

const BOARD_GAIN_TIMES_SUPPLY_V: f64 = (1.0 + 49.4 / 5.49) * 5.0;
const BOARD_BRIDGE_OHM: f64 = 4400.0;

/// Output of E3D's PT100 board.
pub fn pt100_board_volt(celsius: f64) -> f64 {
    let ohm = 100.0 * platinum_ratio(celsius);
    BOARD_GAIN_TIMES_SUPPLY_V * ohm / (ohm + BOARD_BRIDGE_OHM)
}

pub fn pt100_board_celsius(volt: f64) -> f64 {
    let share = (volt / BOARD_GAIN_TIMES_SUPPLY_V).clamp(1e-4, 0.5);
    platinum_celsius(BOARD_BRIDGE_OHM * share / (1.0 - share) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pt1000_has_the_resistances_of_iec_60751() {
        for (celsius, ohm) in [
            (-100.0, 602.56),
            (0.0, 1000.0),
            (100.0, 1385.06),
            (200.0, 1758.56),
            (300.0, 2120.52),
            (400.0, 2470.92),
            (500.0, 2809.78),
        ] {
            let got = 1000.0 * platinum_ratio(celsius);
            assert!((got - ohm).abs() < 0.05, "{celsius}: {got}");
            assert!((platinum_celsius(ohm / 1000.0) - celsius).abs() < 0.02, "{ohm}");
        }
    }

    #[test]
    fn pt100_board_gives_its_published_voltages() {
        for (celsius, volt) in
            [(1.0, 1.11), (20.0, 1.20), (100.0, 1.52), (200.0, 1.92), (300.0, 2.29), (400.0, 2.66), (500.0, 3.00)]
        {
            let got = pt100_board_volt(celsius);
            assert!((got - volt).abs() < 0.011, "{celsius}: {got}");
            assert!((pt100_board_celsius(got) - celsius).abs() < 1e-6);
        }
    }
}
