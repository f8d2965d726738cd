//! From accelerometer samples of a resonance test to the input shaper to use.
//!
//! ```text
//! samples -> Spectrum::from_samples -> normalise -> fit::find_best -> one fit per shaper, and the recommended one
//! ```
//! Pure maths: no printer, no time, no files. The FFT is this crate's own, since its twiddle factors must come from
//! `libm` for the same bits on every platform.

pub mod csv;
pub mod fft;
pub mod fit;
pub mod spectrum;

pub use fit::{Calibration, FitOptions, ShaperFit, find_best, find_best_for_all};
pub use spectrum::{Sample, Spectrum, SpectrumError};
