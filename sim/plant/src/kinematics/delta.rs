//! Linear delta: three carriages on vertical towers hold the nozzle by arms.
//!
//! # Equation
//! h_i = z + sqrt(L_i^2 - (x - X_i)^2 - (y - Y_i)^2); forward: the three spheres' common point below
//!
//! # Symbols
//! h_i [mm] carriage heights (rails) · L_i [mm] arms · X_i = R cos a_i, Y_i = R sin a_i [mm] towers ·
//! R [mm] delta radius · a_i [deg] tower angles · x, y, z [mm] nozzle
//!
//! # Source
//! facts/klipper.md section 10; trilateration is textbook
//!
//! # Valid for
//! all of the reach; arms are rigid and their joints have no play
//!
//! # Caveats
//! the effector never tilts
//!
//! # Checked by
//! kinematics::tests::forward_of_inverse_is_identity: below 1e-10 mm; virtual_work_balances
//!
//! # Cost
//! about 15 ns

use super::{Geometry, Maps};
use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// A linear delta. Defaults are the bench machine of the reference data: 333 mm arms, 174.75 mm radius.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delta {
    /// Horizontal distance from a tower to the nozzle at the centre, mm.
    pub radius_mm: f64,
    /// Arm length of each tower, mm.
    pub arm_length_mm: [f64; 3],
    /// Direction of each tower seen from the centre, degrees from +X.
    pub tower_angle_deg: [f64; 3],
}

impl Default for Delta {
    fn default() -> Self {
        Delta { radius_mm: 174.75, arm_length_mm: [333.0; 3], tower_angle_deg: [210.0, 330.0, 90.0] }
    }
}

impl Delta {
    fn tower(&self, i: usize) -> [f64; 2] {
        let angle = self.tower_angle_deg[i] * (core::f64::consts::PI / 180.0);
        [self.radius_mm * libm::cos(angle), self.radius_mm * libm::sin(angle)]
    }
}

struct Towers {
    at_mm: [[f64; 2]; 3],
    arms_mm: [f64; 3],
}

/// The common point of three spheres round `(towers, heights)`, the lower one. The two plane equations that come from
/// subtracting sphere 0 give x and y as straight lines in z; sphere 0 then gives a quadratic.
fn trilaterate(towers: &[[f64; 2]; 3], arms: &[f64; 3], h: [f64; 3]) -> Option<[f64; 3]> {
    let w = |i: usize| {
        let [x, y] = towers[i];
        x * x + y * y + h[i] * h[i] - arms[i] * arms[i]
    };
    let (w0, w1, w2) = (w(0), w(1), w(2));
    let (ax, ay, az, aw) = (towers[1][0] - towers[0][0], towers[1][1] - towers[0][1], h[1] - h[0], 0.5 * (w1 - w0));
    let (bx, by, bz, bw) = (towers[2][0] - towers[0][0], towers[2][1] - towers[0][1], h[2] - h[0], 0.5 * (w2 - w0));
    let det = ax * by - ay * bx;
    if det == 0.0 {
        return None;
    }
    // x = px + qx z, y = py + qy z
    let (px, qx) = ((aw * by - ay * bw) / det, (ay * bz - az * by) / det);
    let (py, qy) = ((ax * bw - aw * bx) / det, (az * bx - ax * bz) / det);
    let (dx, dy) = (px - towers[0][0], py - towers[0][1]);
    let a = qx * qx + qy * qy + 1.0;
    let half_b = dx * qx + dy * qy - h[0];
    let c = dx * dx + dy * dy + h[0] * h[0] - arms[0] * arms[0];
    let disc = half_b * half_b - a * c;
    if disc < 0.0 {
        return None;
    }
    let z = (-half_b - libm::sqrt(disc)) / a;
    Some([px + qx * z, py + qy * z, z])
}

impl Geometry for Delta {
    fn ready(&self) -> Box<dyn Maps> {
        Box::new(Towers { at_mm: [self.tower(0), self.tower(1), self.tower(2)], arms_mm: self.arm_length_mm })
    }

    fn problem(&self) -> Option<&'static str> {
        let arms_reach = self.arm_length_mm.iter().all(|arm| *arm > self.radius_mm);
        if self.radius_mm.is_nan() || self.radius_mm <= 0.0 {
            Some("radius_mm must be above 0")
        } else if !arms_reach {
            Some("each arm_length_mm must be longer than radius_mm")
        } else {
            None
        }
    }
}

impl Maps for Towers {
    fn forward(&self, rails_mm: [f64; 3]) -> Option<[f64; 3]> {
        trilaterate(&self.at_mm, &self.arms_mm, rails_mm)
    }

    fn inverse(&self, p: [f64; 3]) -> Option<[f64; 3]> {
        let mut rails = [0.0; 3];
        for (i, [tx, ty]) in self.at_mm.into_iter().enumerate() {
            let (dx, dy) = (p[0] - tx, p[1] - ty);
            let left = self.arms_mm[i] * self.arms_mm[i] - dx * dx - dy * dy;
            if left < 0.0 {
                return None;
            }
            rails[i] = p[2] + libm::sqrt(left);
        }
        Some(rails)
    }

    /// K v = r'.
    fn nozzle_speed(&self, rails_mm: [f64; 3], p: [f64; 3], rails_mm_s: [f64; 3]) -> [f64; 3] {
        let k = self.rails_per_nozzle(rails_mm, p);
        let row = |j: usize| core::array::from_fn(|i| k[i][j]);
        solve_transposed(&[row(0), row(1), row(2)], rails_mm_s)
    }

    /// K^T r = f.
    fn rail_forces(&self, rails_mm: [f64; 3], p: [f64; 3], f: [f64; 3]) -> [f64; 3] {
        solve_transposed(&self.rails_per_nozzle(rails_mm, p), f)
    }
}

impl Towers {
    /// K, the inverse Jacobian: dh_i = dz - ((X_i - x) dx + (Y_i - y) dy)/(h_i - z) up to sign.
    fn rails_per_nozzle(&self, rails_mm: [f64; 3], p: [f64; 3]) -> [[f64; 3]; 3] {
        core::array::from_fn(|i| {
            let rise = 1.0 / (rails_mm[i] - p[2]);
            [(self.at_mm[i][0] - p[0]) * rise, (self.at_mm[i][1] - p[1]) * rise, 1.0]
        })
    }
}

/// x with k^T x = f, by Cramer's rule.
fn solve_transposed(k: &[[f64; 3]; 3], f: [f64; 3]) -> [f64; 3] {
    let column = |j: usize| [k[0][j], k[1][j], k[2][j]];
    let rows = [column(0), column(1), column(2)];
    let det3 = |m: &[[f64; 3]; 3]| {
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    };
    let det = det3(&rows);
    let mut out = [0.0; 3];
    for (i, x) in out.iter_mut().enumerate() {
        let mut m = rows;
        for j in 0..3 {
            m[j][i] = f[j];
        }
        *x = det3(&m) / det;
    }
    out
}
