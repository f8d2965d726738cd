//! Gross contact.
use crate::machine::Problems;
use serde::{Deserialize, Serialize};

/// Stiffness of what the nozzle can hit, and what holds the part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// Stiffness of gantry and bed together when the nozzle presses on the bed, N/mm (50 to 300, facts/physics.md 1.1).
    pub bed_n_mm: f64,
    /// Stiffness of the frame where an axis runs into its end, N/mm.
    pub end_n_mm: f64,
    /// Shear strength of the bond of part and warm bed, MPa (0.05 to 0.3).
    pub adhesion_mpa: f64,
}

impl Default for Contact {
    fn default() -> Self {
        Contact { bed_n_mm: 120.0, end_n_mm: 400.0, adhesion_mpa: 0.15 }
    }
}

impl Contact {
    pub(crate) fn validate(&self, place: &str, p: &mut Problems) {
        p.positive(alloc::format!("{place}.bed_n_mm"), self.bed_n_mm);
        p.positive(alloc::format!("{place}.end_n_mm"), self.end_n_mm);
        p.within(alloc::format!("{place}.adhesion_mpa"), self.adhesion_mpa, 0.0, 10.0);
    }
}
