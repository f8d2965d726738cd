//! From an owner's recordings to a machine whose twin behaves as they do.
//!
//! - [`accel`]: vibration modes from accelerometer recordings: `accel::fit`, then `accel::holdout::settle_in_twin` on the
//!   machine, and `accel::holdout::holdout` on recordings that were not fitted
//! - [`heat`]: hot ends and beds from temperature traces
//! - [`mesh`]: the bed's shape from a probed mesh
//! - [`pressure`]: the melt's time constant from the widths of a pressure-advance tower

pub mod accel;
pub mod heat;
pub mod mesh;
pub mod pressure;
pub mod refusal;
mod solve;
