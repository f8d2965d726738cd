//! Where the bed is probed, and how the results become a matrix.
//!
//! The head goes over the grid in rows, each the other way round than the one before. On a round bed the grid is a
//! square around the middle; places outside the circle are not probed and take the height of the row's last place.

/// Grids are laid out in steps of this.
const STEP_MM: f64 = 0.01;
const STEP_MIN_MM: f64 = 1.0;

/// The grid that is probed. `min_mm` and `max_mm` are X, Y of the outermost places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    pub min_mm: [f64; 2],
    pub max_mm: [f64; 2],
    pub counts: [usize; 2],
    /// Centre and radius of a round bed.
    pub circle: Option<([f64; 2], f64)>,
}

impl Grid {
    /// Over a rectangle; the far edge moves in by what the rounding of the step takes.
    pub fn rectangular(min_mm: [f64; 2], max_mm: [f64; 2], counts: [usize; 2]) -> Result<Grid, String> {
        let step = |i: usize| step(max_mm[i] - min_mm[i], counts[i]);
        let steps = [step(0)?, step(1)?];
        let max_mm = std::array::from_fn(|i| min_mm[i] + steps[i] * (counts[i] - 1) as f64);
        Ok(Grid { min_mm, max_mm, counts, circle: None })
    }

    /// Over a circle; `count` is odd, so that the middle is probed.
    pub fn round(centre_mm: [f64; 2], radius_mm: f64, count: usize) -> Result<Grid, String> {
        let half = (count / 2) as f64 * step(2.0 * radius_mm, count)?;
        Ok(Grid {
            min_mm: centre_mm.map(|c| c - half),
            max_mm: centre_mm.map(|c| c + half),
            counts: [count, count],
            circle: Some((centre_mm, radius_mm)),
        })
    }

    fn place(&self, column: usize, row: usize) -> [f64; 2] {
        let at = |axis: usize, i: usize| {
            let step = (self.max_mm[axis] - self.min_mm[axis]) / (self.counts[axis] - 1) as f64;
            self.min_mm[axis] + step * i as f64
        };
        [at(0, column), at(1, row)]
    }

    fn is_probed(&self, [x, y]: [f64; 2]) -> bool {
        let inside = |([cx, cy], r): ([f64; 2], f64)| (x - cx) * (x - cx) + (y - cy) * (y - cy) <= r * r * (1.0 + 1e-9);
        self.circle.is_none_or(inside)
    }

    /// Columns and rows that are probed, in the order of the way.
    fn way(&self) -> Vec<(usize, usize)> {
        let [columns, rows] = self.counts;
        let row =
            |row: usize| (0..columns).map(move |i| (if row.is_multiple_of(2) { i } else { columns - 1 - i }, row));
        (0..rows).flat_map(row).filter(|(c, r)| self.is_probed(self.place(*c, *r))).collect()
    }

    /// Places on the bed in the order of the way.
    pub fn places(&self) -> Vec<[f64; 2]> {
        self.way().into_iter().map(|(c, r)| self.place(c, r)).collect()
    }

    /// Rows from the lowest Y, each from the lowest X, from heights in the order of [`Grid::places`].
    pub fn matrix(&self, heights: &[f64]) -> Option<Vec<Vec<f64>>> {
        let way = self.way();
        let mut rows = vec![vec![None; self.counts[0]]; self.counts[1]];
        for ((column, row), height) in way.iter().zip(heights) {
            rows[*row][*column] = Some(*height);
        }
        (way.len() == heights.len()).then_some(())?;
        rows.iter().map(|row| fill(row)).collect()
    }
}

fn step(length_mm: f64, count: usize) -> Result<f64, String> {
    // A step that is whole hundredths but for its last bits keeps them all.
    let step = ((length_mm / (count - 1) as f64 / STEP_MM) + 1e-6).floor() * STEP_MM;
    match step < STEP_MIN_MM {
        true => Err("bed_mesh: min/max points too close together".into()),
        false => Ok(step),
    }
}

/// Places outside the circle take the height of the nearest one inside; `None` if a row has none at all.
fn fill(row: &[Option<f64>]) -> Option<Vec<f64>> {
    let first = row.iter().position(Option::is_some)?;
    let last = row.iter().rposition(Option::is_some)?;
    (0..row.len()).map(|i| row[i.clamp(first, last)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_turns_at_each_row_and_the_matrix_undoes_it() {
        let grid = Grid::rectangular([10.0, 20.0], [30.0, 60.0], [3, 3]).unwrap();
        let places = grid.places();
        assert_eq!(places[..4], [[10.0, 20.0], [20.0, 20.0], [30.0, 20.0], [30.0, 40.0]]);
        let heights: Vec<f64> = places.iter().map(|[x, y]| x + 100.0 * y).collect();
        let matrix = grid.matrix(&heights).unwrap();
        assert_eq!(matrix[1], [4010.0, 4020.0, 4030.0]);
        assert_eq!(grid.matrix(&heights[1..]), None);
    }

    #[test]
    fn steps_are_hundredths_and_never_beyond_the_edge() {
        let grid = Grid::rectangular([0.0, 0.0], [100.0, 50.0], [4, 3]).unwrap();
        assert!((grid.max_mm[0] - 99.99).abs() < 1e-9);
        assert_eq!(grid.max_mm[1], 50.0);
        assert!(Grid::rectangular([0.0, 0.0], [1.0, 50.0], [4, 3]).is_err());
    }

    #[test]
    fn a_round_bed_is_probed_inside_its_circle_and_filled_outside() {
        let grid = Grid::round([0.0, 0.0], 90.0, 5).unwrap();
        let places = grid.places();
        assert!(places.iter().all(|[x, y]| x * x + y * y <= 90.0 * 90.0 + 1e-6));
        assert_eq!(places.len(), 13);
        let heights: Vec<f64> = places.iter().map(|[x, _]| *x).collect();
        let matrix = grid.matrix(&heights).unwrap();
        assert_eq!(matrix[0], [0.0; 5], "the row at the rim has one place");
        assert_eq!(matrix[2], [-90.0, -45.0, 0.0, 45.0, 90.0]);
    }
}
