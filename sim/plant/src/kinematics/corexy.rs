//! CoreXY: two belts drive two axes together.
//!
//! # Equation
//! x = (a + b)/2, y = (a - b)/2, z = r2; inverse a = x + y, b = x - y
//!
//! # Symbols
//! a, b [mm] belt positions (rails 0 and 1) · r2 [mm] Z rail · x, y, z [mm] nozzle
//!
//! # Source
//! facts/klipper.md section 10 (stepper_x = X + Y, stepper_y = X - Y)
//!
//! # Valid for
//! inextensible belts: what stretches is in the frame's modes
//!
//! # Caveats
//! racking of the beam is a mode of the frame, not geometry
//!
//! # Checked by
//! kinematics::tests::forward_of_inverse_is_identity: below 1e-13 mm
//!
//! # Cost
//! under 2 ns

use super::{Geometry, Maps};
use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// A CoreXY machine; it has no parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoreXy {}

impl Geometry for CoreXy {
    fn ready(&self) -> Box<dyn Maps> {
        Box::new(Belts)
    }
}

struct Belts;

impl Maps for Belts {
    fn forward(&self, r: [f64; 3]) -> Option<[f64; 3]> {
        Some([0.5 * (r[0] + r[1]), 0.5 * (r[0] - r[1]), r[2]])
    }
    fn inverse(&self, p: [f64; 3]) -> Option<[f64; 3]> {
        Some([p[0] + p[1], p[0] - p[1], p[2]])
    }
    fn nozzle_speed(&self, _rails_mm: [f64; 3], _nozzle_mm: [f64; 3], v: [f64; 3]) -> [f64; 3] {
        [0.5 * (v[0] + v[1]), 0.5 * (v[0] - v[1]), v[2]]
    }
    fn rail_forces(&self, _rails_mm: [f64; 3], _nozzle_mm: [f64; 3], f: [f64; 3]) -> [f64; 3] {
        [0.5 * (f[0] + f[1]), 0.5 * (f[0] - f[1]), f[2]]
    }
}
