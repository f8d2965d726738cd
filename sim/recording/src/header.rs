//! What stands at the two ends of a file: how the run was made, and how it ended. Both are RON text.

use crate::streams::StreamInfo;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything needed to make the run again, and the names that the rows' indexes point to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// Program and version, such as "drydock 0.1.0".
    pub program: String,
    /// One line for people.
    pub title: String,
    /// The command line that makes this run again.
    pub command: String,
    pub seed: u64,
    pub scenario_ron: String,
    pub printer_cfg: String,
    pub machine_ron: String,
    pub steppers: Vec<Stepper>,
    pub heaters: Vec<String>,
    pub motors: Vec<String>,
    pub fans: Vec<String>,
    pub mcus: Vec<String>,
    pub pins: Vec<String>,
    pub chips: Vec<Chip>,
    /// Filled in by the writer.
    pub streams: Vec<StreamInfo>,
}

/// What turns the steps of a stepper into time and distance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stepper {
    pub name: String,
    pub mcu: String,
    /// Ticks of the micro-controller's clock in one simulated second.
    pub clock_hz: f64,
    pub step_distance_mm: f64,
}

/// What turns the counts of an accelerometer into mm/s^2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chip {
    pub name: String,
    /// For x, y and z of the machine: which raw value (0, 1, 2), and mm/s^2 per count with its sign.
    pub axes: [(u8, f64); 3],
}

impl Default for Chip {
    fn default() -> Self {
        Chip { name: String::new(), axes: [(0, 1.0), (1, 1.0), (2, 1.0)] }
    }
}

impl Chip {
    /// An ADXL345 as it is mounted when `axes_map` is "x, y, z": 3.774 mg a count in the plane and 3.906 mg across it.
    pub fn adxl345(name: &str) -> Chip {
        const STANDARD_GRAVITY_MM_S2: f64 = 9806.65;
        let (plane, across) = (0.003_774 * STANDARD_GRAVITY_MM_S2, 0.003_906 * STANDARD_GRAVITY_MM_S2);
        Chip { name: name.to_owned(), axes: [(0, plane), (1, plane), (2, across)] }
    }

    /// Acceleration in the machine's axes.
    pub fn mm_s2(&self, raw: [i16; 3]) -> [f64; 3] {
        self.axes.map(|(axis, scale)| f64::from(raw.get(usize::from(axis)).copied().unwrap_or(0)) * scale)
    }
}

/// How the run ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct End {
    pub fingerprint: String,
    /// Simulated time when the run ended.
    pub end_ns: u64,
    /// Figures of the run. Those whose names begin with `wall_`, and `realtime_factor`, depend on the machine that ran it.
    pub summary: BTreeMap<String, Figure>,
}

/// One figure of the summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Figure {
    Number(f64),
    Text(String),
    Flag(bool),
}

impl End {
    pub fn set(&mut self, name: &str, value: impl Into<Figure>) {
        self.summary.insert(name.to_owned(), value.into());
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        match self.summary.get(name)? {
            Figure::Number(value) => Some(*value),
            _ => None,
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        match self.summary.get(name)? {
            Figure::Text(value) => Some(value),
            _ => None,
        }
    }
}

impl From<f64> for Figure {
    fn from(value: f64) -> Self {
        Figure::Number(value)
    }
}

impl From<&str> for Figure {
    fn from(value: &str) -> Self {
        Figure::Text(value.to_owned())
    }
}

impl From<String> for Figure {
    fn from(value: String) -> Self {
        Figure::Text(value)
    }
}

impl From<bool> for Figure {
    fn from(value: bool) -> Self {
        Figure::Flag(value)
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Figure::Number(value) => write!(f, "{value}"),
            Figure::Text(value) => write!(f, "{value}"),
            Figure::Flag(value) => write!(f, "{value}"),
        }
    }
}
