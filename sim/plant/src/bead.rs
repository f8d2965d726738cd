//! The bead.
use crate::machine::Problems;
use serde::{Deserialize, Serialize};

/// How the bead is sampled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeadShape {
    /// Longest distance between looks at the path, mm.
    pub sample_mm: f64,
    /// Looks merge into one straight bead while path and width stay within this, mm.
    pub merge_mm: f64,
    /// A bead is never longer than this, mm.
    pub longest_mm: f64,
}

impl Default for BeadShape {
    fn default() -> Self {
        BeadShape { sample_mm: 0.1, merge_mm: 0.001, longest_mm: 20.0 }
    }
}

impl BeadShape {
    pub(crate) fn validate(&self, place: &str, p: &mut Problems) {
        p.within(alloc::format!("{place}.sample_mm"), self.sample_mm, 0.01, 10.0);
        p.within(alloc::format!("{place}.merge_mm"), self.merge_mm, 0.0, 1.0);
        p.within(alloc::format!("{place}.longest_mm"), self.longest_mm, 0.1, 1000.0);
    }
}

/// A straight piece of laid filament.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bead {
    /// When it began, ns.
    pub start_ns: u64,
    /// When it ended, ns.
    pub end_ns: u64,
    /// Nozzle at its beginning, mm.
    pub start_mm: [f64; 3],
    /// Nozzle at its end, mm.
    pub end_mm: [f64; 3],
    /// Mean width, mm.
    pub width_mm: f64,
    /// Height over what lies below, mm.
    pub height_mm: f64,
    /// Volume, mm^3.
    pub volume_mm3: f64,
    /// Temperature of the melt, degrees C.
    pub melt_c: f64,
    /// Which extruder laid it.
    pub extruder: usize,
}
