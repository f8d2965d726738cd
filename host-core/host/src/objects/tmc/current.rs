//! From a motor current in A to what a driver's registers say, and back.
//!
//! # Equation
//! sense gain:    I_rms = (CS + 1) / 32 · V_fs / (R_s + 20 mOhm) / sqrt 2
//! global scaler: I_rms = GS / 256 · (CS + 1) / 32 · V_fs / R_s / sqrt 2
//!
//! # Symbols
//! I_rms coil current at full torque \[A\] · CS 0..31 (IRUN, IHOLD) · GS 32..256 · R_s sense resistor \[ohm\] ·
//! V_fs full-scale voltage \[V\]; with sense gain there are two, chosen by `vsense`
//!
//! # Source
//! TMC2209 data sheet rev. 1.09, section 9; TMC2130 rev. 1.15, section 9; TMC5160 rev. 1.18, section 9
//!
//! # Valid for
//! external sense resistors, no analog scaling
//!
//! # Caveats
//! the reference voltage has 5 % tolerance, and 20 mOhm stand for the chip's own resistance
//!
//! # Checked by
//! `tests::full_scale_currents_are_those_of_the_data_sheets` (rounded to 10 mA), `tests::a_chosen_current_is_met_within_half_a_step` (4 % of full scale and up)

use core::f64::consts::SQRT_2;

const CHIP_OHM: f64 = 0.020;
const CS_MAX: f64 = 31.0;
const SCALER_MIN: f64 = 32.0;
const SCALER_MAX: f64 = 256.0;

/// Which of the equations a driver follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CurrentLaw {
    /// Full-scale voltage with `vsense` 0 and 1.
    SenseGain {
        full_scale_v: [f64; 2],
    },
    GlobalScaler {
        full_scale_v: f64,
    },
}

/// What the registers hold for a pair of currents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentBits {
    pub irun: u8,
    pub ihold: u8,
    pub vsense: Option<bool>,
    /// As the register has it: 0 stands for 256.
    pub scaler: Option<u8>,
}

impl CurrentLaw {
    /// Highest RMS current with a sense resistor.
    pub fn max_a(&self, sense_ohm: f64) -> f64 {
        match self {
            CurrentLaw::SenseGain { full_scale_v } => full_scale_v[0] / (sense_ohm + CHIP_OHM) / SQRT_2,
            CurrentLaw::GlobalScaler { full_scale_v } => full_scale_v / sense_ohm / SQRT_2,
        }
    }

    /// Register values nearest to the currents. The finer of two ranges is taken where it suffices.
    pub fn choose(&self, sense_ohm: f64, run_a: f64, hold_a: f64) -> CurrentBits {
        let hold_a = hold_a.min(run_a);
        match self {
            CurrentLaw::SenseGain { full_scale_v: [coarse, fine] } => {
                let full_a = |volts: f64| volts / (sense_ohm + CHIP_OHM) / SQRT_2;
                let vsense = run_a <= full_a(*fine);
                let full = full_a(if vsense { *fine } else { *coarse });
                let scale = |amps| current_scale(amps, full);
                CurrentBits { irun: scale(run_a), ihold: scale(hold_a), vsense: Some(vsense), scaler: None }
            }
            CurrentLaw::GlobalScaler { .. } => {
                let max_a = self.max_a(sense_ohm);
                let scaler = (run_a / max_a * SCALER_MAX).round().clamp(SCALER_MIN, SCALER_MAX);
                let full = max_a * scaler / SCALER_MAX;
                let scale = |amps| current_scale(amps, full);
                let scaler = if scaler == SCALER_MAX { 0 } else { scaler as u8 };
                CurrentBits { irun: scale(run_a), ihold: scale(hold_a), vsense: None, scaler: Some(scaler) }
            }
        }
    }

    /// Run and hold current that register values stand for.
    pub fn amps(&self, sense_ohm: f64, bits: CurrentBits) -> (f64, f64) {
        let full = match self {
            CurrentLaw::SenseGain { full_scale_v } => {
                full_scale_v[usize::from(bits.vsense == Some(true))] / (sense_ohm + CHIP_OHM) / SQRT_2
            }
            CurrentLaw::GlobalScaler { .. } => {
                let scaler = bits.scaler.filter(|s| *s != 0).map_or(SCALER_MAX, f64::from);
                self.max_a(sense_ohm) * scaler / SCALER_MAX
            }
        };
        let of = |scale: u8| (f64::from(scale) + 1.0) / (CS_MAX + 1.0) * full;
        (of(bits.irun), of(bits.ihold))
    }
}

fn current_scale(amps: f64, full_a: f64) -> u8 {
    ((CS_MAX + 1.0) * amps / full_a - 1.0).round().clamp(0.0, CS_MAX) as u8
}

#[cfg(test)]
mod tests {
    use super::super::MODELS;
    use super::*;

    #[test]
    fn full_scale_currents_are_those_of_the_data_sheets() {
        // TMC2209, section 9: R_s and the RMS current at CS = 31, vsense = 0.
        let law = CurrentLaw::SenseGain { full_scale_v: [0.325, 0.180] };
        for (ohm, amps) in [(1.00, 0.23), (0.50, 0.44), (0.33, 0.66), (0.22, 0.96), (0.15, 1.35), (0.10, 1.92)] {
            assert!((law.max_a(ohm) - amps).abs() < 0.006, "{ohm}: {}", law.max_a(ohm));
        }
        // TMC5160, section 9: GLOBALSCALER = 256, CS = 31; the table has one decimal.
        let law = CurrentLaw::GlobalScaler { full_scale_v: 0.325 };
        for (ohm, amps) in [(0.10, 2.3), (0.075, 3.1)] {
            assert!((law.max_a(ohm) - amps).abs() < 0.05, "{ohm}: {}", law.max_a(ohm));
        }
    }

    #[test]
    fn a_chosen_current_is_met_within_half_a_step() {
        for model in MODELS {
            let ohm = model.default_sense_ohm;
            let max = model.current.max_a(ohm);
            for i in 4..=100 {
                let want = max * f64::from(i) / 100.0;
                let bits = model.current.choose(ohm, want, want / 2.0);
                let (run, hold) = model.current.amps(ohm, bits);
                let step = run / (f64::from(bits.irun) + 1.0);
                assert!((run - want).abs() <= step * 0.501, "{} {want}: {run}", model.name);
                assert!((hold - want / 2.0).abs() <= step * 0.501, "{} {want}: {hold}", model.name);
                assert!(hold <= run);
            }
        }
    }

    #[test]
    fn small_currents_take_the_fine_range() {
        let law = CurrentLaw::SenseGain { full_scale_v: [0.325, 0.180] };
        let small = law.choose(0.11, 0.8, 0.8);
        assert_eq!((small.irun, small.vsense), (25, Some(true)));
        let large = law.choose(0.11, 1.0, 0.5);
        assert_eq!((large.irun, large.ihold, large.vsense), (17, 8, Some(false)));
    }
}
