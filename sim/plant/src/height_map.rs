//! What stands on the bed: the height of the printed surface, cell by cell.
//!
//! # Equation
//! a cell holds its top t and the top b of the layer below; filament laid at z > t + step makes b = t, t = z;
//! the bead's height is z - b
//!
//! # Symbols
//! z (mm) nozzle · t, b (mm) tops · step: 0.025 mm, less than any layer
//!
//! # Source
//! bookkeeping: layers follow from where filament was laid, so spiral vases, sequential parts and bed meshes need no rule
//!
//! # Valid for
//! cells of 0.5 mm: about one line width
//!
//! # Caveats
//! a line marks the cells under its middle and 0.2 mm beside it
//!
//! # Checked by
//! tests::layers_follow_from_where_filament_was_laid
//!
//! # Cost
//! about 15 ns a look; 12 bytes a cell, whatever the length of the print

use crate::bed_surface::SurfaceState;
use alloc::vec::Vec;

const CELL_MM: f64 = 0.5;
const LAYER_STEP_MM: f32 = 0.025;
/// Half of a line, mm.
const EDGE_MM: f64 = 0.2;

#[derive(Clone, Copy, Debug)]
struct Cell {
    bed: f32,
    top: f32,
    below: f32,
}

/// Printed heights over the whole bed.
#[derive(Clone, Debug)]
pub(crate) struct HeightMap {
    origin_mm: [f64; 2],
    size: [usize; 2],
    cells: Vec<Cell>,
    /// Cells in which filament lies on the bed itself.
    pub(crate) footprint_cells: u64,
    digest: u64,
    highest_mm: f64,
}

impl HeightMap {
    pub(crate) fn new(min_mm: [f64; 3], max_mm: [f64; 3], highest_bed_mm: f64) -> HeightMap {
        // A machine larger than 2 m keeps to its first 2 m: 16 million cells would not fit the memory of a run.
        let span = |i: usize| ((max_mm[i] - min_mm[i]) / CELL_MM).clamp(1.0, 4000.0) as usize + 1;
        let size = [span(0), span(1)];
        let empty = Cell { bed: f32::NAN, top: f32::NAN, below: f32::NAN };
        HeightMap {
            origin_mm: [min_mm[0], min_mm[1]],
            size,
            cells: alloc::vec![empty; size[0] * size[1]],
            footprint_cells: 0,
            digest: 0,
            highest_mm: highest_bed_mm,
        }
    }

    fn index(&self, x_mm: f64, y_mm: f64) -> Option<usize> {
        let (i, j) = ((x_mm - self.origin_mm[0]) / CELL_MM, (y_mm - self.origin_mm[1]) / CELL_MM);
        let inside = i >= 0.0 && j >= 0.0 && i < self.size[0] as f64 && j < self.size[1] as f64;
        inside.then(|| j as usize * self.size[0] + i as usize)
    }

    fn cell(&mut self, x_mm: f64, y_mm: f64, surface: &SurfaceState) -> Option<&mut Cell> {
        let index = self.index(x_mm, y_mm)?;
        let cell = &mut self.cells[index];
        if cell.bed.is_nan() {
            cell.bed = surface.height_mm(x_mm, y_mm) as f32;
            (cell.top, cell.below) = (cell.bed, cell.bed);
        }
        Some(cell)
    }

    /// Height of the bare bed, mm.
    pub(crate) fn bed_mm(&mut self, x_mm: f64, y_mm: f64, surface: &SurfaceState) -> f64 {
        self.cell(x_mm, y_mm, surface).map_or(f64::NEG_INFINITY, |c| f64::from(c.bed))
    }

    /// Height of what was printed, or of the bed, mm.
    pub(crate) fn top_mm(&mut self, x_mm: f64, y_mm: f64, surface: &SurfaceState) -> f64 {
        self.cell(x_mm, y_mm, surface).map_or(f64::NEG_INFINITY, |c| f64::from(c.top))
    }

    /// Lays filament with the nozzle at `at_mm`; gives the height of the bead, mm.
    pub(crate) fn lay(&mut self, at_mm: [f64; 3], surface: &SurfaceState) -> f64 {
        let [x_mm, y_mm, z_mm] = at_mm;
        let height_mm = self.mark(x_mm, y_mm, z_mm, surface);
        // A line along the border of two cells is in both: vibration must not find one of them bare a layer later.
        for (dx, dy) in [(-EDGE_MM, -EDGE_MM), (EDGE_MM, -EDGE_MM), (-EDGE_MM, EDGE_MM), (EDGE_MM, EDGE_MM)] {
            self.mark(x_mm + dx, y_mm + dy, z_mm, surface);
        }
        self.highest_mm = self.highest_mm.max(z_mm);
        height_mm
    }

    #[inline]
    fn mark(&mut self, x_mm: f64, y_mm: f64, z_mm: f64, surface: &SurfaceState) -> f64 {
        let Some(index) = self.index(x_mm, y_mm) else { return 0.2 };
        let Some(cell) = self.cell(x_mm, y_mm, surface) else { return 0.2 };
        let z = z_mm as f32;
        if z <= cell.top + LAYER_STEP_MM {
            return f64::from(z - cell.below);
        }
        let first = cell.top == cell.bed;
        (cell.below, cell.top) = (cell.top, z);
        let height_mm = f64::from(z - cell.below);
        let word = (index as u64) << 32 | u64::from(z.to_bits());
        self.digest = (self.digest ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        self.footprint_cells += u64::from(first);
        height_mm
    }

    /// Nothing stands higher than this, mm.
    pub(crate) fn highest_mm(&self) -> f64 {
        self.highest_mm
    }

    /// Area of the part on the bed, mm^2.
    pub(crate) fn footprint_mm2(&self) -> f64 {
        self.footprint_cells as f64 * CELL_MM * CELL_MM
    }

    /// Takes all that was printed off the bed.
    pub(crate) fn clear(&mut self) {
        for c in &mut self.cells {
            (c.top, c.below) = (c.bed, c.bed);
        }
        self.footprint_cells = 0;
        self.digest = self.digest.wrapping_add(1);
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        f(self.digest);
        f(self.footprint_cells);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bed_surface::BedSurface;

    #[test]
    fn layers_follow_from_where_filament_was_laid() {
        let surface = SurfaceState::new(&BedSurface::flat(), [0.0; 3], [50.0; 3], 0);
        let mut map = HeightMap::new([0.0; 3], [50.0; 3], 0.0);
        assert!((map.lay([10.0, 10.0, 0.25], &surface) - 0.25).abs() < 1e-6);
        // A second pass in the same layer, a little off in z.
        assert!((map.lay([10.1, 10.1, 0.255], &surface) - 0.255).abs() < 1e-6);
        assert!((map.lay([10.0, 10.0, 0.45], &surface) - 0.2).abs() < 1e-6);
        // Another part, not started yet.
        assert!((map.lay([30.0, 10.0, 0.3], &surface) - 0.3).abs() < 1e-6);
        assert!((map.top_mm(10.0, 10.0, &surface) - 0.45).abs() < 1e-6);
        assert_eq!(map.footprint_cells, 8, "each line lies in four cells");
        map.clear();
        assert_eq!(map.top_mm(10.0, 10.0, &surface), 0.0);
    }
}
