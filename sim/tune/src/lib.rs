//! Offline tuning: a printer's settings are searched in its twin, through the real host and the real firmware.
//!
//! - [`printer`]: printer.cfg and machine file, and runs of both in memory
//! - [`advance`]: pressure advance

pub mod advance;
pub mod pool;
pub mod printer;

pub use printer::{Change, Job, Printer, Run};

/// Why there is no answer, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl Failure {
    fn of_all<E: std::fmt::Display>(errors: &[E]) -> Failure {
        Failure(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<drydock_recording::Error> for Failure {
    fn from(error: drydock_recording::Error) -> Self {
        Failure(error.to_string())
    }
}

/// Somebody who looks on, and may have had enough.
pub trait Progress: Sync {
    /// What is being done, and how much of it, 0 to 1.
    fn tell(&self, what: &str, part: f64);
    /// The best so far is wanted.
    fn stopped(&self) -> bool;
}

/// Nobody looks on.
pub struct Unwatched;

impl Progress for Unwatched {
    fn tell(&self, _: &str, _: f64) {}

    fn stopped(&self) -> bool {
        false
    }
}
