//! From an owner's recordings to a machine whose twin behaves as they do.
//!
//! - [`accel`]: vibration modes from accelerometer recordings: `accel::fit`, then `accel::holdout::settle_in_twin` on the
//!   machine, and `accel::holdout::holdout` on recordings that were not fitted

pub mod accel;
