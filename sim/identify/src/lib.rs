//! From an owner's recordings to a machine whose twin behaves as they do.
//!
//! - [`accel`]: vibration modes from accelerometer recordings, and what suits them
//! - [`heat`]: hot ends and beds from temperature traces
//! - [`mesh`]: the bed's shape from a probed mesh
//! - [`pressure`]: the melt's time constant from the widths of a pressure-advance tower

pub mod accel;
pub mod heat;
pub mod mesh;
pub mod pressure;
pub mod refusal;
mod solve;
