//! Zero vibration and derivative: ZV applied twice, so the residual's slope is zero at the design frequency too.
//!
//! # Source
//!   N. Singer, W. Seering, "Preshaping command inputs to reduce system vibration", J. Dyn. Sys. Meas. Control 112
//!   (1990) 76

use super::{Shaper, ShaperError, damped_period_s, decay};
use alloc::{vec, vec::Vec};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zvd;

impl Zvd {
    pub const DEFAULT: Self = Self;
}

impl Shaper for Zvd {
    const NAME: &'static str = "zvd";
    const MAX_DAMPING: f64 = 0.99;
    const MIN_TUNED_FREQ_HZ: f64 = 29.0;

    fn raw_pulses(&self, freq_hz: f64, damping: f64) -> Result<(Vec<f64>, Vec<f64>), ShaperError> {
        let k = decay(damping, 0.5);
        let period_s = damped_period_s(freq_hz, damping);
        Ok((vec![1.0, 2.0 * k, k * k], vec![0.0, 0.5 * period_s, period_s]))
    }
}
