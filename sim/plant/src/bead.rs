//! The bead that is laid: where the nozzle truly was, as wide as the flow truly was.
//!
//! # Equation
//! A = V/l; w = A/h + h (1 - pi/4), the flattened round of slicers; where A < pi h^2/4 the strand hangs free: w = h =
//! sqrt(4 A/pi); where it comes out almost in place it spreads as a disc: l w + pi w^2/4 = V/h. Looks at the path merge into one straight bead while every look lies within m of the chord (a sleeve of
//! slopes about the first direction) and the widths within m of each other.
//!
//! # Symbols
//! V (mm^3) volume, l (mm) path since the last look · A (mm^2) section · h (mm) nozzle over what lies below · w (mm) width ·
//! m (mm) `merge_mm`
//!
//! # Source
//! facts/physics.md 6 (section of Slic3r, nozzle path = drive + modes); sleeve fitting: Reumann, Witkam 1974
//!
//! # Valid for
//! ringing of wavelength above four looks (0.4 mm)
//!
//! # Caveats
//! no die swell, no squeeze against neighbours; what leaks while the head travels far from the part is counted, not drawn
//!
//! # Checked by
//! tests::straight_steady_line_is_one_bead, tests::ringing_survives_merging, tests::volume_is_kept,
//! tests::width_matches_the_section
//!
//! # Cost
//! about 30 ns a look

use crate::machine::Problems;
use alloc::vec::Vec;
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

/// Below this section nothing is drawn, mm^2: a hair of 0.05 mm.
pub(crate) const HAIR_MM2: f64 = 0.002;
/// No nozzle spreads a line wider than this, mm.
const BLOB_MM: f64 = 1.5;

/// Width and height of a strand of section `area_mm2` laid `gap_mm` over what lies below.
pub fn section(area_mm2: f64, gap_mm: f64) -> (f64, f64) {
    const QUARTER: f64 = core::f64::consts::FRAC_PI_4;
    let gap_mm = gap_mm.max(0.02);
    if area_mm2 < QUARTER * gap_mm * gap_mm {
        let round = libm::sqrt(area_mm2 / QUARTER);
        (round, round)
    } else {
        (area_mm2 / gap_mm + gap_mm * (1.0 - QUARTER), gap_mm)
    }
}

/// Width of a bead of some volume and length: a section, or a disc where filament came out almost in place.
fn width(volume_mm3: f64, length_mm: f64, gap_mm: f64) -> (f64, f64) {
    let (width_mm, height_mm) = section(volume_mm3 / length_mm.max(1e-6), gap_mm);
    if width_mm < BLOB_MM {
        return (width_mm, height_mm);
    }
    // l w + pi w^2/4 = V/h
    const QUARTER: f64 = core::f64::consts::FRAC_PI_4;
    let area = volume_mm3 / height_mm;
    let disc = (libm::sqrt(length_mm * length_mm + 4.0 * QUARTER * area) - length_mm) / (2.0 * QUARTER);
    (disc.min(width_mm), height_mm)
}

/// One look at the nozzle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    pub(crate) at_ns: u64,
    pub(crate) at_mm: [f64; 3],
    /// Nozzle over what lies below, mm.
    pub(crate) gap_mm: f64,
    /// Volume since the look before, mm^3.
    pub(crate) volume_mm3: f64,
    pub(crate) melt_c: f64,
    pub(crate) extruder: usize,
}

/// Beads being laid.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    shape: BeadShape,
    last: Option<Look>,
    run: Option<Run>,
    /// Finished beads.
    pub(crate) done: Vec<Bead>,
    pub(crate) keep: bool,
    count: u64,
    digest: u64,
    laid_mm3: f64,
}

/// A bead that may still grow.
#[derive(Clone, Copy, Debug)]
struct Run {
    bead: Bead,
    direction: [f64; 3],
    side: [f64; 3],
    up: [f64; 3],
    /// Slopes against `direction` that keep every look within the sleeve, sideways and up.
    slopes: [[f64; 2]; 2],
    widths: [f64; 2],
    length_mm: f64,
    height_sum: f64,
}

fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn minus(a: &[f64; 3], b: &[f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

impl Layer {
    pub(crate) fn new(shape: &BeadShape) -> Layer {
        Layer {
            shape: shape.clone(),
            last: None,
            run: None,
            done: Vec::new(),
            keep: true,
            count: 0,
            digest: 0,
            laid_mm3: 0.0,
        }
    }

    /// How far the nozzle has gone sideways since the last look, squared, mm^2; `None` before the first.
    pub(crate) fn moved2(&self, at_mm: &[f64; 3]) -> Option<f64> {
        self.last.map(|l| {
            let d = minus(at_mm, &l.at_mm);
            d[0] * d[0] + d[1] * d[1]
        })
    }

    /// The nozzle is here and nothing has been laid since the last look.
    pub(crate) fn skip_to(&mut self, look: Look) {
        self.finish();
        self.last = Some(look);
    }

    /// Lays what flowed since the last look along the straight line from there.
    pub(crate) fn lay(&mut self, look: Look) {
        let Some(from) = self.last.replace(look) else { return };
        let d = minus(&look.at_mm, &from.at_mm);
        let length_mm = libm::sqrt(dot(&d, &d));
        if length_mm <= 0.0 || look.volume_mm3 < HAIR_MM2 * length_mm {
            self.finish();
            return;
        }
        let (width_mm, height_mm) = width(look.volume_mm3, length_mm, look.gap_mm);
        if let Some(run) = &mut self.run
            && run.extend(&from, &look, length_mm, width_mm, height_mm, &self.shape)
        {
            return;
        }
        self.finish();
        self.run = Run::start(&from, &look, d, length_mm, width_mm, height_mm, self.shape.merge_mm);
    }

    /// Ends the bead in work.
    pub(crate) fn finish(&mut self) {
        let Some(run) = self.run.take() else { return };
        let mut bead = run.bead;
        bead.height_mm = run.height_sum / run.length_mm;
        let d = minus(&bead.end_mm, &bead.start_mm);
        let chord_mm = libm::sqrt(dot(&d, &d));
        bead.width_mm = width(bead.volume_mm3, chord_mm, bead.height_mm).0;
        self.count += 1;
        for x in bead.end_mm.into_iter().chain([bead.width_mm]) {
            self.digest = (self.digest ^ x.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        self.laid_mm3 += bead.volume_mm3;
        if self.keep {
            self.done.push(bead);
        }
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        f(self.count);
        f(self.digest);
        f(self.laid_mm3.to_bits());
        if let Some(run) = &self.run {
            f(run.bead.start_ns);
            run.bead.end_mm.iter().for_each(|x| f(x.to_bits()));
            f(run.bead.volume_mm3.to_bits());
        }
        if let Some(last) = &self.last {
            last.at_mm.iter().for_each(|x| f(x.to_bits()));
        }
    }
}

impl Run {
    fn start(from: &Look, to: &Look, d: [f64; 3], length_mm: f64, width: f64, height: f64, merge: f64) -> Option<Run> {
        let direction = d.map(|x| x / length_mm);
        let flat = libm::sqrt(direction[0] * direction[0] + direction[1] * direction[1]);
        let side = if flat > 0.0 { [-direction[1] / flat, direction[0] / flat, 0.0] } else { [0.0, 1.0, 0.0] };
        let up = [
            direction[1] * side[2] - direction[2] * side[1],
            direction[2] * side[0] - direction[0] * side[2],
            direction[0] * side[1] - direction[1] * side[0],
        ];
        let slope = merge / length_mm;
        let bead = Bead {
            start_ns: from.at_ns,
            end_ns: to.at_ns,
            start_mm: from.at_mm,
            end_mm: to.at_mm,
            width_mm: width,
            height_mm: height,
            volume_mm3: to.volume_mm3,
            melt_c: to.melt_c,
            extruder: to.extruder,
        };
        Some(Run {
            bead,
            direction,
            side,
            up,
            slopes: [[-slope, slope]; 2],
            widths: [width, width],
            length_mm,
            height_sum: height * length_mm,
        })
    }

    /// Grows to `to` if the bead stays straight and even; `false` leaves it as it was.
    fn extend(&mut self, from: &Look, to: &Look, length: f64, width: f64, height: f64, shape: &BeadShape) -> bool {
        let same_place = from.at_ns == self.bead.end_ns && to.extruder == self.bead.extruder;
        let widths = [self.widths[0].min(width), self.widths[1].max(width)];
        let even = widths[1] - widths[0] <= shape.merge_mm;
        if !same_place || !even || self.length_mm + length > shape.longest_mm {
            return false;
        }
        let d = minus(&to.at_mm, &self.bead.start_mm);
        let along = dot(&d, &self.direction);
        if along <= self.length_mm * 0.999 {
            return false;
        }
        let mut slopes = self.slopes;
        for (range, axis) in slopes.iter_mut().zip([&self.side, &self.up]) {
            let across = dot(&d, axis);
            let slope = across / along;
            if slope < range[0] || slope > range[1] {
                return false;
            }
            range[0] = range[0].max((across - shape.merge_mm) / along);
            range[1] = range[1].min((across + shape.merge_mm) / along);
        }
        (self.slopes, self.widths) = (slopes, widths);
        self.length_mm += length;
        self.height_sum += height * length;
        self.bead.end_ns = to.at_ns;
        self.bead.end_mm = to.at_mm;
        self.bead.volume_mm3 += to.volume_mm3;
        self.bead.melt_c = to.melt_c;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(path: impl Fn(f64) -> [f64; 3], looks: u32, area: f64) -> Vec<Bead> {
        let mut layer = Layer::new(&BeadShape::default());
        let look = |n: u32, volume_mm3: f64| Look {
            at_ns: u64::from(n) * 1000,
            at_mm: path(f64::from(n) * 0.1),
            gap_mm: 0.2,
            volume_mm3,
            melt_c: 210.0,
            extruder: 0,
        };
        layer.skip_to(look(0, 0.0));
        for n in 1..=looks {
            layer.lay(look(n, area * 0.1));
        }
        layer.finish();
        layer.done
    }

    #[test]
    fn width_matches_the_section() {
        // 0.45 x 0.2 mm: A = h (w - h) + pi h^2/4.
        let area = 0.2 * 0.25 + core::f64::consts::PI * 0.01;
        let (w, h) = section(area, 0.2);
        assert!((w - 0.45).abs() < 1e-12 && h == 0.2);
        let (w, h) = section(0.1, 5.0);
        assert!(w == h && (w * w * core::f64::consts::FRAC_PI_4 - 0.1).abs() < 1e-12);
    }

    #[test]
    fn straight_steady_line_is_one_bead() {
        let beads = draw(|s| [s * 0.8, s * 0.6, 0.2], 150, 0.09);
        assert_eq!(beads.len(), 1);
        assert!((beads[0].volume_mm3 - 150.0 * 0.009).abs() < 1e-9);
    }

    #[test]
    fn volume_is_kept() {
        let beads = draw(|s| [s, libm::sin(s * 3.0) * 0.3, 0.2], 1000, 0.09);
        let volume: f64 = beads.iter().map(|b| b.volume_mm3).sum();
        assert!((volume - 1000.0 * 0.009).abs() < 1e-9);
    }

    /// A decaying wave of 20 um and 2.2 mm on a straight wall: beads follow it within the sleeve.
    #[test]
    fn ringing_survives_merging() {
        let wave = |s: f64| 0.02 * (-s / 6.0).exp() * (core::f64::consts::TAU * s / 2.2).sin();
        let beads = draw(|s| [s, wave(s), 0.2], 1000, 0.09);
        let mut worst = 0.0f64;
        for b in &beads {
            for i in 0..=20 {
                let t = f64::from(i) / 20.0;
                let (x, y) = (
                    b.start_mm[0] + t * (b.end_mm[0] - b.start_mm[0]),
                    b.start_mm[1] + t * (b.end_mm[1] - b.start_mm[1]),
                );
                worst = worst.max((y - wave(x)).abs());
            }
        }
        // The sleeve and the sag of a 0.1 mm chord of the wave (0.2 um).
        assert!(worst < 2.3e-3, "{worst} mm");
        assert!(beads.len() < 500, "{} beads for 100 mm", beads.len());
    }
}
