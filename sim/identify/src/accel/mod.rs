//! Accelerometer recordings: reading them, judging them, and the modes of the machine that they show.
//!
//! - [`Recording::read`], [`Recording::read_all`]: Klipper's raw and PSD files, Shake&Tune's `.stdata`
//! - [`check`]: what is wrong with a recording, by name
//! - [`fit`]: the modes of a machine from its recordings, one axis or several
//! - [`holdout`]: the same tests in the twin, against recordings that nothing was fitted to

mod checks;
mod excitation;
mod fit;
pub mod holdout;
mod modal;
mod plot;
mod recording;
mod response;
pub(crate) mod unpack;

pub use checks::{Checked, Fault, Finding, check};
pub use excitation::Excitation;
pub use fit::{AxisFit, FitError, FitOptions, FittedMode, Interval, ModesFit, fit};
pub use plot::{holdout_svg, residual_svg};
pub use recording::{Data, Psd, ReadError, Recording};
