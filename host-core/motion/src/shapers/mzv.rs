//! Modified zero vibration: n pulses, equally spaced over a chosen time, that cancel the design frequency and a row
//! of frequencies above it.
//!
//! # Equation
//!   An undamped train of n pulses over t periods is a polynomial in z = e^(j2πf·t/(n − 1)); its n − 1 roots are put
//!   at f_i = 1 + i/τ (in units of the design frequency), i = 0 .. n − 2. The amplitudes are real where the roots are
//!   mirrored about half the repeat frequency (n − 1)/t, so τ = t(n − 2)/(n − 1 − 2t), and pairs of roots give the
//!   factors z² − 2cos(2πf_i·t/(n − 1))·z + 1. Damping scales pulse i by the decay up to its time.
//! # Symbols
//!   n [1] pulses · t [periods] duration · τ [periods] what t tends to with ever more pulses ("projected" duration)
//! # Caveats
//!   The default n = 3, t = 0.75 is the classical MZV. n ≤ 2t + 1 leaves no room for the zeros; too short a t needs a
//!   negative pulse. Both are refused.
//! # Checked by
//!   shapers::tests: the default and n = 4, t = 1 agree with the peer's printed digits; n = 3, τ = 0.5 is ZV, as it is
//!   in the peer's step times

use super::{MAX_PULSES, Shaper, ShaperError, damped_period_s, decay};
use alloc::{vec, vec::Vec};
use libm::cos;

/// An amplitude this small is zero but for rounding; its pulse is left out.
const ZERO: f64 = 1e-9;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mzv {
    n: usize,
    /// Duration, periods.
    t: f64,
}

impl Mzv {
    pub const DEFAULT: Self = Self { n: 3, t: 0.75 };

    /// n pulses over t periods.
    pub fn new(n: usize, t: f64) -> Result<Self, ShaperError> {
        if n < 3 {
            return Err(ShaperError::TooFewPulses { n });
        }
        if n > MAX_PULSES {
            return Err(ShaperError::TooManyPulses { n, max: MAX_PULSES });
        }
        if t.is_nan() || t <= 0.0 {
            return Err(ShaperError::NotPositive { argument: "t" });
        }
        if n as f64 <= 2.0 * t + 1.0 {
            return Err(ShaperError::TooLong { n, t });
        }
        let shaper = Self { n, t };
        if shaper.undamped().iter().any(|&a| a < -ZERO) {
            return Err(ShaperError::NegativePulse);
        }
        Ok(shaper)
    }

    /// n pulses with the projected duration tau.
    pub fn with_tau(n: usize, tau: f64) -> Result<Self, ShaperError> {
        if n < 3 {
            return Err(ShaperError::TooFewPulses { n });
        }
        if tau.is_nan() || tau <= 0.0 || tau.is_infinite() {
            return Err(ShaperError::NotPositive { argument: "tau" });
        }
        Self::new(n, tau * (n - 1) as f64 / ((n - 2) as f64 + 2.0 * tau))
    }

    /// `n=4, t=1` or `n=4, tau=2`; what is left out keeps its default.
    pub(super) fn parse(arguments: &str) -> Result<Self, ShaperError> {
        let bad = |text: &str| ShaperError::BadArgument { text: text.trim().into() };
        let (mut n, mut t, mut tau) = (None, None, None);
        for argument in arguments.split(',') {
            let (key, value) = argument.split_once('=').ok_or_else(|| bad(argument))?;
            let value = value.trim();
            let is_new = match key.trim() {
                "n" => n.replace(value.parse::<usize>().map_err(|_| bad(argument))?).is_none(),
                "t" => t.replace(value.parse::<f64>().map_err(|_| bad(argument))?).is_none(),
                "tau" => tau.replace(value.parse::<f64>().map_err(|_| bad(argument))?).is_none(),
                _ => false,
            };
            if !is_new {
                return Err(bad(argument));
            }
        }
        let n = n.unwrap_or(Self::DEFAULT.n);
        match (t, tau) {
            (Some(_), Some(_)) => Err(bad(arguments)),
            (None, Some(tau)) => Self::with_tau(n, tau),
            (t, None) => Self::new(n, t.unwrap_or(Self::DEFAULT.t)),
        }
    }

    fn spacing(&self) -> f64 {
        self.t / (self.n - 1) as f64
    }

    fn undamped(&self) -> Vec<f64> {
        let intervals = self.n - 1;
        let zeros_apart = (intervals as f64 / self.t - 2.0) / (self.n - 2) as f64;
        let mut a = vec![1.0];
        for i in 0..intervals / 2 {
            let angle = 2.0 * core::f64::consts::PI * (1.0 + i as f64 * zeros_apart) * self.spacing();
            a = multiply(&a, &[1.0, -2.0 * cos(angle), 1.0]);
        }
        // With an odd number of roots one is its own mirror image: z = −1.
        if intervals % 2 == 1 {
            a = multiply(&a, &[1.0, 1.0]);
        }
        a
    }
}

/// Product of two polynomials.
fn multiply(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut product = vec![0.0; a.len() + b.len() - 1];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            product[i + j] += x * y;
        }
    }
    product
}

impl Shaper for Mzv {
    const NAME: &'static str = "mzv";
    const MAX_DAMPING: f64 = 0.99;
    const MIN_TUNED_FREQ_HZ: f64 = 23.0;

    fn raw_pulses(&self, freq_hz: f64, damping: f64) -> Result<(Vec<f64>, Vec<f64>), ShaperError> {
        let step = self.spacing();
        let period_s = damped_period_s(freq_hz, damping);
        let pulses = self.undamped().into_iter().enumerate().filter(|(_, a)| *a > ZERO);
        Ok(pulses.map(|(i, a)| (a * decay(damping, i as f64 * step), i as f64 * step * period_s)).unzip())
    }
}
