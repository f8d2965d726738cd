//! What a file of an accelerometer holds.

use std::path::{Path, PathBuf};

use drydock_host::shaper_calibrate::Sample;

/// One measurement of one accelerometer.
#[derive(Clone, Debug)]
pub struct Recording {
    pub path: PathBuf,
    /// What the measurement is called: in the file where it says, else the file's own name.
    pub name: String,
    /// Direction of the excitation in machine axes, where name or user tell it.
    pub direction: Option<[f64; 3]>,
    pub data: Data,
}

#[derive(Clone, Debug)]
pub enum Data {
    /// s and mm/s².
    Raw(Vec<Sample>),
    Psd(Psd),
}

/// Spectral densities that a printer wrote, (mm/s²)²/Hz.
#[derive(Clone, Debug)]
pub struct Psd {
    pub freq_hz: Vec<f64>,
    pub axes: [Vec<f64>; 3],
    pub sum: Vec<f64>,
    /// Divided by frequency already, as calibration files of older versions are.
    pub normalised: bool,
}

/// Why a file cannot be read: place, cause and mend in one sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadError {
    pub path: PathBuf,
    pub line: Option<usize>,
    pub why: String,
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path.display(), self.why),
            None => write!(f, "{}: {}", self.path.display(), self.why),
        }
    }
}

impl std::error::Error for ReadError {}

impl Recording {
    /// The one measurement of a file; a file with several is an error that names them.
    pub fn read(path: &Path) -> Result<Recording, ReadError> {
        Err(ReadError { path: path.to_path_buf(), line: None, why: "is of no known kind".into() })
    }

    /// All measurements of a file.
    pub fn read_all(path: &Path) -> Result<Vec<Recording>, ReadError> {
        Recording::read(path).map(|recording| vec![recording])
    }
}
