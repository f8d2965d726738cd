//! The voltage divider that a resistive sensor forms with its pull-up.
//!
//! # Equation
//! ratio = (R + R_inline) / (R + R_inline + R_pullup)
//!
//! # Symbols
//! ratio: ADC reading over its full scale \[1\]; R sensor, R_pullup, R_inline \[ohm\]
//!
//! # Source
//! Ohm's law; the wiring of `pullup_resistor` and `inline_resistor` in the Configuration Reference
//!
//! # Valid for
//! a pull-up that hangs on the ADC's own reference, so that the supply cancels out
//!
//! # Caveats
//! no self-heating, no input leakage
//!
//! # Checked by
//! `tests::resistance_of_the_ratio_is_identity` (1e-9 relative)

/// Readings closer to the rails than this say "shorted" or "open", not a temperature.
const RAIL: f64 = 1e-5;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Divider {
    pub pullup_ohm: f64,
    pub inline_ohm: f64,
}

impl Divider {
    pub fn resistance(&self, ratio: f64) -> f64 {
        let ratio = ratio.clamp(RAIL, 1.0 - RAIL);
        self.pullup_ohm * ratio / (1.0 - ratio) - self.inline_ohm
    }

    pub fn ratio(&self, resistance_ohm: f64) -> f64 {
        let lower = resistance_ohm + self.inline_ohm;
        lower / (lower + self.pullup_ohm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resistance_of_the_ratio_is_identity() {
        for divider in
            [Divider { pullup_ohm: 4700.0, inline_ohm: 0.0 }, Divider { pullup_ohm: 2200.0, inline_ohm: 100.0 }]
        {
            for ohm in [20.0, 100.0, 4700.0, 1e5, 1e6] {
                let back = divider.resistance(divider.ratio(ohm));
                assert!((back / ohm - 1.0).abs() < 1e-9, "{ohm} -> {back}");
            }
        }
        let divider = Divider { pullup_ohm: 4700.0, inline_ohm: 0.0 };
        assert!(divider.resistance(0.0).is_finite() && divider.resistance(1.0).is_finite());
    }
}
