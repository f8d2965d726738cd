//! Extra insensitive: 5 % residual at the design frequency buys zeros on both sides of it.
//!
//! # Equation
//!   A_1, A_3 and T_2 are polynomials in ζ and in the tolerated residual V; A_2 = 1 − A_1 − A_3, T_3 = t_d.
//! # Source
//!   W. Singhose, W. Seering, N. Singer, "Input shaping for vibration reduction with specified insensitivity to
//!   modeling errors", Japan-USA Symp. Flexible Automation (1996): curve fit of the damped EI shaper
//! # Valid for
//!   0 ≤ ζ ≤ 0.4, V = 0.05
//! # Caveats
//!   The fit leaves 4.88 % (ζ = 0) to 5.06 % (ζ = 0.1) at the design frequency instead of 5 %.

use super::{Shaper, ShaperError, cubic, damped_period_s};
use alloc::{vec, vec::Vec};

const V: f64 = 0.05;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ei;

impl Ei {
    pub const DEFAULT: Self = Self;
}

impl Shaper for Ei {
    const NAME: &'static str = "ei";
    const MAX_DAMPING: f64 = 0.4;
    const MIN_TUNED_FREQ_HZ: f64 = 29.0;

    fn raw_pulses(&self, freq_hz: f64, damping: f64) -> Result<(Vec<f64>, Vec<f64>), ShaperError> {
        let a1 = cubic([0.24968 + 0.24961 * V, 0.80008 + 1.23328 * V, 0.49599 + 3.17316 * V, 0.0], damping);
        let a3 = cubic([0.25149 + 0.21474 * V, -0.83249 + 1.41498 * V, 0.85181 - 4.90094 * V, 0.0], damping);
        let t2 = cubic(
            [0.49990, (0.46159 + 8.57843 * V) * V, (4.26169 - 108.644 * V) * V, (1.75601 + 336.989 * V) * V],
            damping,
        );
        let period_s = damped_period_s(freq_hz, damping);
        Ok((vec![a1, 1.0 - a1 - a3, a3], vec![0.0, t2 * period_s, period_s]))
    }
}
