//! The bed's surface between the probed places.
//!
//! The probed matrix is made finer once, by polynomial or spline, rows first; a height between those is bilinear.

use super::{bicubic, lagrange};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// The probed places as they are.
    Direct,
    Lagrange,
    Bicubic,
}

impl Algorithm {
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Direct => "direct",
            Algorithm::Lagrange => "lagrange",
            Algorithm::Bicubic => "bicubic",
        }
    }
}

/// What was probed, and how it is to be made finer.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    pub min_mm: [f64; 2],
    pub max_mm: [f64; 2],
    /// Rows from the lowest Y.
    pub heights_mm: Vec<Vec<f64>>,
    /// Places put between two probed ones, along X and Y.
    pub between: [usize; 2],
    pub algorithm: Algorithm,
    pub tension: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Surface {
    pub probed: Probed,
    mesh_mm: Vec<Vec<f64>>,
    offset_mm: [f64; 2],
}

impl Probed {
    pub fn counts(&self) -> [usize; 2] {
        [self.heights_mm.first().map_or(0, Vec::len), self.heights_mm.len()]
    }
}

impl Surface {
    pub fn new(probed: Probed) -> Surface {
        let direct = probed.algorithm == Algorithm::Direct;
        let [across, along] = if direct { [0, 0] } else { probed.between };
        let finer = |line: &[f64], between: usize| refine(line, between, probed.algorithm, probed.tension);
        let rows: Vec<Vec<f64>> = probed.heights_mm.iter().map(|row| finer(row, across)).collect();
        let width = rows.first().map_or(0, Vec::len);
        let columns: Vec<Vec<f64>> =
            (0..width).map(|x| finer(&rows.iter().map(|row| row[x]).collect::<Vec<f64>>(), along)).collect();
        let height = columns.first().map_or(0, Vec::len);
        let mesh_mm = (0..height).map(|y| columns.iter().map(|column| column[y]).collect()).collect();
        Surface { probed, mesh_mm, offset_mm: [0.0; 2] }
    }

    pub fn mesh_mm(&self) -> &[Vec<f64>] {
        &self.mesh_mm
    }

    /// The mesh is looked up so much aside (another nozzle).
    pub fn set_offset(&mut self, axis: usize, offset_mm: f64) {
        self.offset_mm[axis] = offset_mm;
    }

    /// Height of the bed; beyond the edges, that of the edge.
    pub fn height(&self, x: f64, y: f64) -> f64 {
        let columns = self.mesh_mm.first().map_or(0, Vec::len);
        let (column, tx) = self.index(0, x, columns);
        let (row, ty) = self.index(1, y, self.mesh_mm.len());
        let mix = |t: f64, a: f64, b: f64| a + t * (b - a);
        let at = |row: usize| mix(tx, self.mesh_mm[row][column], self.mesh_mm[row][column + 1]);
        mix(ty, at(row), at(row + 1))
    }

    fn index(&self, axis: usize, at: f64, count: usize) -> (usize, f64) {
        let (min, max) = (self.probed.min_mm[axis], self.probed.max_mm[axis]);
        let place = (at + self.offset_mm[axis] - min) / (max - min) * (count - 1) as f64;
        let index = (place.max(0.0) as usize).min(count - 2);
        (index, (place - index as f64).clamp(0.0, 1.0))
    }

    /// Makes the height at a place zero, by raising or lowering all.
    pub fn set_zero(&mut self, height_mm: f64) {
        let all = self.mesh_mm.iter_mut().chain(self.probed.heights_mm.iter_mut());
        all.flatten().for_each(|z| *z -= height_mm);
    }

    pub fn range(&self) -> (f64, f64) {
        let all = self.mesh_mm.iter().flatten();
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), z| (low.min(*z), high.max(*z)))
    }

    /// To hundredths, so that a print does not depend on the last micrometre of a probing.
    pub fn average(&self) -> f64 {
        let count = self.mesh_mm.iter().map(Vec::len).sum::<usize>().max(1);
        let mean = self.mesh_mm.iter().flatten().sum::<f64>() / count as f64;
        (mean * 100.0).round() / 100.0
    }
}

fn refine(line: &[f64], between: usize, algorithm: Algorithm, tension: f64) -> Vec<f64> {
    let parts = between + 1;
    let points: Vec<(f64, f64)> = line.iter().enumerate().map(|(i, z)| (i as f64, *z)).collect();
    let at = |i: usize| {
        if i.is_multiple_of(parts) {
            return line[i / parts];
        }
        let place = i as f64 / parts as f64;
        match algorithm {
            Algorithm::Bicubic => bicubic::interpolate(line, place, tension),
            _ => lagrange::interpolate(&points, place),
        }
    };
    (0..=line.len().saturating_sub(1) * parts).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surface(algorithm: Algorithm, tension: f64, f: impl Fn(f64, f64) -> f64) -> Surface {
        let heights_mm =
            (0..5).map(|y| (0..5).map(|x| f(f64::from(x) * 20.0, f64::from(y) * 20.0)).collect()).collect();
        Surface::new(Probed { min_mm: [0.0; 2], max_mm: [80.0; 2], heights_mm, between: [2, 2], algorithm, tension })
    }

    #[test]
    fn a_tilted_bed_is_met_everywhere_by_lagrange_and_direct() {
        let plane = |x: f64, y: f64| 0.1 + 0.002 * x - 0.003 * y;
        for algorithm in [Algorithm::Lagrange, Algorithm::Direct] {
            let surface = surface(algorithm, 0.2, plane);
            for (x, y) in [(0.0, 0.0), (13.0, 57.0), (40.0, 40.0), (79.9, 0.1), (80.0, 80.0)] {
                assert!((surface.height(x, y) - plane(x, y)).abs() < 1e-12, "{algorithm:?} {x} {y}");
            }
        }
    }

    #[test]
    fn a_bowl_is_met_at_the_places_of_the_mesh() {
        let bowl = |x: f64, y: f64| 0.0001 * ((x - 40.0) * (x - 40.0) + (y - 30.0) * (y - 30.0));
        let lagrange = surface(Algorithm::Lagrange, 0.2, bowl);
        let spline = surface(Algorithm::Bicubic, 0.5, bowl);
        for iy in 0..13 {
            for ix in 0..13 {
                let (x, y) = (f64::from(ix) * 20.0 / 3.0, f64::from(iy) * 20.0 / 3.0);
                assert!((lagrange.height(x, y) - bowl(x, y)).abs() < 1e-12);
                if (20.0..=60.0).contains(&x) && (20.0..=60.0).contains(&y) {
                    assert!((spline.height(x, y) - bowl(x, y)).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn probed_places_keep_their_heights_and_beyond_the_edge_the_edge_counts() {
        let odd = |x: f64, y: f64| ((x * 7.0 + y * 3.0) % 11.0) / 100.0;
        let surface = surface(Algorithm::Bicubic, 0.2, odd);
        assert_eq!(surface.mesh_mm().len(), 13);
        for (x, y) in [(0.0, 0.0), (20.0, 60.0), (80.0, 80.0)] {
            assert!((surface.height(x, y) - odd(x, y)).abs() < 1e-12);
        }
        assert_eq!(surface.height(-50.0, 200.0), surface.height(0.0, 80.0));
    }
}
