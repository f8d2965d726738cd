//! Three-hump extra insensitive: five pulses, four zeros, 5 % humps between them.
//!
//! # Equation
//!   Amplitudes and times (in undamped periods 1/f) are cubics in ζ.
//! # Source
//!   W. Singhose, L. Porter, T. Tuttle, N. Singer, "Vibration reduction using multi-hump input shapers", J. Dyn. Sys.
//!   Meas. Control 119 (1997) 320: curve fit for 5 %
//! # Valid for
//!   0 ≤ ζ ≤ 0.2

use super::{Shaper, ShaperError, cubic};
use alloc::vec::Vec;

const A: [[f64; 4]; 5] = [
    [0.11275, 0.76632, 3.29160, -1.44380],
    [0.23698, 0.61164, -2.57850, 4.85220],
    [0.30008, -0.19062, -2.14560, 0.13744],
    [0.23775, -0.73297, 0.46885, -2.08650],
    [0.11244, -0.45439, 0.96382, -1.46000],
];
const T: [[f64; 4]; 5] = [
    [0.0; 4],
    [0.49974, 0.23834, 0.44559, 12.4720],
    [0.99849, 0.29808, -2.36460, 23.3990],
    [1.49870, 0.10306, -2.01390, 17.0320],
    [1.99960, -0.28231, 0.61536, 5.40450],
];

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThreeHumpEi;

impl ThreeHumpEi {
    pub const DEFAULT: Self = Self;
}

impl Shaper for ThreeHumpEi {
    const NAME: &'static str = "3hump_ei";
    const MAX_DAMPING: f64 = 0.2;
    const MIN_TUNED_FREQ_HZ: f64 = 48.0;

    fn raw_pulses(&self, freq_hz: f64, damping: f64) -> Result<(Vec<f64>, Vec<f64>), ShaperError> {
        let at = |c: &[f64; 4]| cubic(*c, damping);
        Ok((A.iter().map(at).collect(), T.iter().map(|c| at(c) / freq_hz).collect()))
    }
}
