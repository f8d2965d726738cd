//! The modes of a machine from recordings of its resonance tests.

use drydock_plant::frame::Mode;

use super::Recording;

#[derive(Clone, Debug)]
pub struct FitOptions {
    /// Modes that an axis may have at most; how many it gets is decided by what was not fitted.
    pub max_modes: usize,
    pub min_freq_hz: f64,
    pub max_freq_hz: f64,
}

impl Default for FitOptions {
    fn default() -> Self {
        FitOptions { max_modes: 6, min_freq_hz: 12.0, max_freq_hz: 130.0 }
    }
}

/// A value and the bounds of its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// A mode, and how well it is known.
#[derive(Clone, Debug)]
pub struct FittedMode {
    pub freq_hz: Interval,
    pub damping: Interval,
    /// Share of the tested axis's motion that the mode carries.
    pub share: Interval,
    pub mode: Mode,
}

/// What the tests of one direction showed.
#[derive(Clone, Debug)]
pub struct AxisFit {
    /// Files that it was fitted to.
    pub files: Vec<String>,
    pub direction: [f64; 3],
    pub modes: Vec<FittedMode>,
    /// Part of the response that the modes do not explain, in windows that were not fitted, 0 to 1.
    pub held_out_residual: f64,
}

/// The modes of a machine.
#[derive(Clone, Debug)]
pub struct ModesFit {
    pub axes: Vec<AxisFit>,
    /// What the data do not tell, and what was assumed for it, in sentences.
    pub notes: Vec<String>,
}

impl ModesFit {
    /// All modes, for [`drydock_plant::Machine::modes`].
    pub fn modes(&self) -> Vec<Mode> {
        self.axes.iter().flat_map(|axis| axis.modes.iter().map(|m| m.mode.clone())).collect()
    }
}

/// Why nothing is fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct FitError {
    pub recording: String,
    pub why: String,
}

impl std::fmt::Display for FitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.recording, self.why)
    }
}

impl std::error::Error for FitError {}

/// Fits the modes of every direction that the recordings tested.
pub fn fit(recordings: &[Recording], _options: &FitOptions) -> Result<ModesFit, FitError> {
    let first = recordings.first().map_or(String::new(), |r| r.name.clone());
    Err(FitError { recording: first, why: "no recording of a resonance test".into() })
}
