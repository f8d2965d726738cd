//! From an owner's recordings to a machine whose twin behaves as they do.
//!
//! - [`accel`]: vibration modes from accelerometer recordings, and what suits them

pub mod accel;
