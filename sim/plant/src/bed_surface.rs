//! The bed's shape: tilted, bowed, and a little random.
//!
//! # Equation
//! z(x, y) = h + t.(r - m) + b_x (1 - u^2) + b_y (1 - v^2) + g(x, y); g = s sqrt(2/N) sum cos(k_i.r + p_i), k_i Gaussian of
//! deviation 1/l: a Gaussian random field of correlation exp(-r^2/(2 l^2))
//!
//! # Symbols
//! h (mm) height · t (mm/mm) tilt · m: middle of the travel · u, v: place from middle to edge, -1 to 1 · b (mm) bow ·
//! s (mm) rms, l (mm) correlation length of g · N = 24 waves
//!
//! # Source
//! facts/physics.md 1.8: 243 saved meshes, median rms 0.057 mm off a plane, 0.020 mm off a quadratic; spectral method for
//! random fields: Shinozuka 1971
//!
//! # Valid for
//! the travel of the machine; the same seed gives the same bed
//!
//! # Caveats
//! the bed does not warp as it warms
//!
//! # Checked by
//! tests::random_part_has_its_rms_and_length, tests::plane_and_bow_match_closed_form
//!
//! # Cost
//! about 300 ns a point; owners keep what they asked

use crate::machine::Problems;
use crate::noise::Noise;
use crate::trig::cos_turns;
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

const WAVES: usize = 24;

/// A bed that can be asked.
#[derive(Clone, Debug)]
pub(crate) struct SurfaceState {
    shape: BedSurface,
    middle_mm: [f64; 2],
    half_mm: [f64; 2],
    /// (turns/mm along x, along y, phase in turns)
    waves: [[f64; 3]; WAVES],
}

impl SurfaceState {
    pub(crate) fn new(shape: &BedSurface, min_mm: [f64; 3], max_mm: [f64; 3], seed: u64) -> SurfaceState {
        let mut noise = Noise::new(seed, "bed.surface", 0);
        let per_mm = 1.0 / (core::f64::consts::TAU * shape.rough_length_mm);
        SurfaceState {
            shape: shape.clone(),
            middle_mm: core::array::from_fn(|i| 0.5 * (min_mm[i] + max_mm[i])),
            half_mm: core::array::from_fn(|i| 0.5 * (max_mm[i] - min_mm[i])),
            waves: core::array::from_fn(|_| [noise.gaussian() * per_mm, noise.gaussian() * per_mm, noise.uniform()]),
        }
    }

    /// No point of the bed is higher than this, mm.
    pub(crate) fn highest_mm(&self) -> f64 {
        let s = &self.shape;
        let tilt = s.tilt[0].abs() * self.half_mm[0] + s.tilt[1].abs() * self.half_mm[1];
        let waves = s.rough_mm * libm::sqrt(2.0 * WAVES as f64);
        s.height_mm + tilt + s.bow_mm[0].max(0.0) + s.bow_mm[1].max(0.0) + waves
    }

    /// Height of the bed, mm.
    pub(crate) fn height_mm(&self, x_mm: f64, y_mm: f64) -> f64 {
        let s = &self.shape;
        let (x, y) = (x_mm - self.middle_mm[0], y_mm - self.middle_mm[1]);
        let (u, v) = (x / self.half_mm[0], y / self.half_mm[1]);
        let even =
            s.height_mm + s.tilt[0] * x + s.tilt[1] * y + s.bow_mm[0] * (1.0 - u * u) + s.bow_mm[1] * (1.0 - v * v);
        if s.rough_mm == 0.0 {
            return even;
        }
        let sum: f64 = self.waves.iter().map(|w| cos_turns(w[0] * x + w[1] * y + w[2])).sum();
        even + s.rough_mm * libm::sqrt(2.0 / WAVES as f64) * sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plane_and_bow_match_closed_form() {
        let shape = BedSurface { tilt: [1e-3, -2e-3], bow_mm: [0.1, -0.2], height_mm: 0.05, ..BedSurface::flat() };
        let s = SurfaceState::new(&shape, [0.0; 3], [200.0, 100.0, 10.0], 1);
        assert!((s.height_mm(100.0, 50.0) - (0.05 + 0.1 - 0.2)).abs() < 1e-12);
        assert!((s.height_mm(200.0, 100.0) - (0.05 + 0.1 - 0.1)).abs() < 1e-12);
    }

    #[test]
    fn random_part_has_its_rms_and_length() {
        let shape = BedSurface { rough_mm: 0.02, rough_length_mm: 60.0, ..BedSurface::flat() };
        let (mut rms2, mut product, mut count) = (0.0, 0.0, 0.0);
        for seed in 0..60 {
            let s = SurfaceState::new(&shape, [0.0; 3], [300.0; 3], seed);
            for i in 0..6 {
                for j in 0..6 {
                    let (x, y) = (f64::from(i) * 45.0, f64::from(j) * 45.0);
                    let (a, b) = (s.height_mm(x, y), s.height_mm(x + 60.0, y));
                    rms2 += a * a;
                    product += a * b;
                    count += 1.0;
                }
            }
        }
        assert!(((rms2 / count).sqrt() / 0.02 - 1.0).abs() < 0.05);
        // exp(-1/2) at one correlation length.
        assert!((product / rms2 - 0.6065).abs() < 0.1, "{}", product / rms2);
    }
}
