//! Fourier transforms. Their plans are generic in rustfft; made here, all of it is compiled once and not in every crate that
//! transforms something.

use std::sync::Arc;

use rustfft::FftPlanner;
pub use rustfft::{Fft, num_complex::Complex};

/// A transform of one length, neither way scaled.
pub type Plan = Arc<dyn Fft<f64>>;

#[inline(never)]
pub fn forward(len: usize) -> Plan {
    FftPlanner::new().plan_fft_forward(len)
}

#[inline(never)]
pub fn inverse(len: usize) -> Plan {
    FftPlanner::new().plan_fft_inverse(len)
}
