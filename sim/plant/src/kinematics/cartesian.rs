//! Cartesian rails: each rail is one axis.
//!
//! # Equation
//! (x, y, z) = (r0, r1, r2)
//!
//! # Symbols
//! r0..r2 [mm] rails · x, y, z [mm] nozzle relative to the bed
//!
//! # Source
//! definition
//!
//! # Valid for
//! square frames; skew is not modelled
//!
//! # Caveats
//! on a bed slinger the Y rail moves the bed: print coordinates are the same, but the head feels no Y motion
//!
//! # Checked by
//! kinematics::tests::forward_of_inverse_is_identity: exact
//!
//! # Cost
//! under 1 ns

use super::{Geometry, Maps};
use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// A cartesian machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cartesian {
    /// The Y motor moves the bed (Ender 3, Prusa MK4) and not the head.
    #[serde(default)]
    pub bed_slinger: bool,
}

impl Geometry for Cartesian {
    fn ready(&self) -> Box<dyn Maps> {
        Box::new(Straight)
    }
    fn bed_moves_y(&self) -> bool {
        self.bed_slinger
    }
}

struct Straight;

impl Maps for Straight {
    fn forward(&self, rails_mm: [f64; 3]) -> Option<[f64; 3]> {
        Some(rails_mm)
    }
    fn inverse(&self, nozzle_mm: [f64; 3]) -> Option<[f64; 3]> {
        Some(nozzle_mm)
    }
    fn nozzle_speed(&self, _rails_mm: [f64; 3], _nozzle_mm: [f64; 3], rails_mm_s: [f64; 3]) -> [f64; 3] {
        rails_mm_s
    }
    fn rail_forces(&self, _rails_mm: [f64; 3], _nozzle_mm: [f64; 3], force_n: [f64; 3]) -> [f64; 3] {
        force_n
    }
}
