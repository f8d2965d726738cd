//! Two-hump extra insensitive: four pulses, three zeros, 5 % humps between them.
//!
//! # Equation
//!   Amplitudes and times (in undamped periods 1/f) are cubics in ζ.
//! # Source
//!   W. Singhose, L. Porter, T. Tuttle, N. Singer, "Vibration reduction using multi-hump input shapers", J. Dyn. Sys.
//!   Meas. Control 119 (1997) 320: curve fit for 5 %
//! # Valid for
//!   0 ≤ ζ ≤ 0.3
//! # Caveats
//!   The fitted amplitudes sum to 1.0005 at ζ = 0.1; they are normalised. The zero at the design frequency is fitted
//!   too: 0.32 % remain at ζ = 0, 0.05 % at ζ = 0.1.

use super::{Shaper, ShaperError, cubic};
use alloc::vec::Vec;

const A: [[f64; 4]; 4] = [
    [0.16054, 0.76699, 2.26560, -1.22750],
    [0.33911, 0.45081, -2.58080, 1.73650],
    [0.34089, -0.61533, -0.68765, 0.42261],
    [0.15997, -0.60246, 1.00280, -0.93145],
];
const T: [[f64; 4]; 4] = [
    [0.0; 4],
    [0.49890, 0.16270, -0.54262, 6.16180],
    [0.99748, 0.18382, -1.58270, 8.17120],
    [1.49920, -0.09297, -0.28338, 1.85710],
];

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwoHumpEi;

impl TwoHumpEi {
    pub const DEFAULT: Self = Self;
}

impl Shaper for TwoHumpEi {
    const NAME: &'static str = "2hump_ei";
    const MAX_DAMPING: f64 = 0.3;
    const MIN_TUNED_FREQ_HZ: f64 = 39.0;

    fn raw_pulses(&self, freq_hz: f64, damping: f64) -> Result<(Vec<f64>, Vec<f64>), ShaperError> {
        let at = |c: &[f64; 4]| cubic(*c, damping);
        Ok((A.iter().map(at).collect(), T.iter().map(|c| at(c) / freq_hz).collect()))
    }
}
