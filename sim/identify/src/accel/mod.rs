//! Accelerometer recordings: reading them, judging them, and the modes of the machine that they show.
//!
//! - [`Recording::read`], [`Recording::read_all`]: Klipper's raw and PSD files, Shake&Tune's `.stdata`
//! - [`fit`]: the modes of a machine from its recordings, one axis or several

mod fit;
mod recording;

pub use fit::{AxisFit, FitError, FitOptions, FittedMode, Interval, ModesFit, fit};
pub use recording::{Data, Psd, ReadError, Recording};
