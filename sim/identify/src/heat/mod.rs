//! Hot ends and beds from temperature traces: what a trace is, how it is read, what of it can be fitted, the fit.

pub mod fit;
pub mod read;
pub mod report;
pub mod window;

use std::path::PathBuf;

/// One moment of a heater.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    pub t_s: f64,
    pub temp_c: f64,
    /// Target, where the file tells it.
    pub target_c: Option<f64>,
    /// Share of full power.
    pub duty: f64,
    /// Part fan, share of full speed, where the file tells it.
    pub fan: Option<f64>,
    /// The machine prints: fan and flow of filament may be anything.
    pub busy: bool,
}

/// One heater over time, as one file tells it.
#[derive(Clone, Debug)]
pub struct Trace {
    pub path: PathBuf,
    pub heater: String,
    pub samples: Vec<Sample>,
    /// Places in `samples` where the clock jumps: nothing may be concluded across them.
    pub breaks: Vec<usize>,
    /// Coldest air that the file tells of, degrees C.
    pub ambient_c: Option<f64>,
    /// What is odd about the trace, for people.
    pub flags: Vec<String>,
}
