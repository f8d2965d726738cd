//! The bed's shape.
use crate::machine::Problems;
use serde::{Deserialize, Serialize};

/// The bed's shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BedSurface {
    /// Tilt along X and Y, mm per mm.
    pub tilt: [f64; 2],
    /// Height of the middle of the bed over its edges along X and Y (bowl below 0), mm.
    pub bow_mm: [f64; 2],
    /// Rms of the random part, mm.
    pub rough_mm: f64,
    /// Correlation length of the random part, mm.
    pub rough_length_mm: f64,
    /// Height of the whole bed at its middle, mm.
    pub height_mm: f64,
}

impl Default for BedSurface {
    /// Medians of 243 saved meshes, facts/physics.md 1.8: 0.057 mm rms off a plane, 0.020 mm off a quadratic.
    fn default() -> Self {
        BedSurface {
            tilt: [0.000_3, -0.000_2],
            bow_mm: [-0.12, 0.06],
            rough_mm: 0.020,
            rough_length_mm: 60.0,
            height_mm: 0.0,
        }
    }
}

impl BedSurface {
    /// A perfectly flat bed at z = 0.
    pub fn flat() -> BedSurface {
        BedSurface { tilt: [0.0; 2], bow_mm: [0.0; 2], rough_mm: 0.0, rough_length_mm: 60.0, height_mm: 0.0 }
    }

    pub(crate) fn validate(&self, place: &str, p: &mut Problems) {
        for axis in 0..2 {
            p.within(alloc::format!("{place}.tilt[{axis}]"), self.tilt[axis], -0.1, 0.1);
            p.within(alloc::format!("{place}.bow_mm[{axis}]"), self.bow_mm[axis], -10.0, 10.0);
        }
        p.within(alloc::format!("{place}.rough_mm"), self.rough_mm, 0.0, 5.0);
        p.positive(alloc::format!("{place}.rough_length_mm"), self.rough_length_mm);
        p.within(alloc::format!("{place}.height_mm"), self.height_mm, -50.0, 50.0);
    }
}
