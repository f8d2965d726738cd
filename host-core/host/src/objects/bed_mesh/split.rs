//! A straight move over a bent bed: broken where the bed's height has changed enough.

use crate::gcode_move::Position;

/// When a move is looked at, and when it is broken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Splitting {
    pub check_distance_mm: f64,
    pub delta_z_mm: f64,
}

/// Gives `emit` the ends of the pieces of the move, with `shift` added to their heights; the last is the move's end.
pub fn split<E>(
    from: Position,
    to: Position,
    how: Splitting,
    shift: impl Fn(&Position) -> f64,
    mut emit: impl FnMut(Position) -> Result<(), E>,
) -> Result<(), E> {
    let shifted = |mut p: Position| {
        p[2] += shift(&p);
        p
    };
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let distance = (dx * dx + dy * dy).sqrt();
    let mut last_shift = shift(&from);
    let mut pieces = 1;
    while f64::from(pieces) * how.check_distance_mm < distance {
        let part = f64::from(pieces) * how.check_distance_mm / distance;
        let here: Position = std::array::from_fn(|i| from[i] + (to[i] - from[i]) * part);
        let here_shift = shift(&here);
        if (here_shift - last_shift).abs() >= how.delta_z_mm {
            emit(shifted(here))?;
            last_shift = here_shift;
        }
        pieces += 1;
    }
    emit(shifted(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOW: Splitting = Splitting { check_distance_mm: 5.0, delta_z_mm: 0.025 };

    fn pieces(from: Position, to: Position, shift: impl Fn(&Position) -> f64) -> Vec<Position> {
        let mut ends = Vec::new();
        let done: Result<(), ()> = split(from, to, HOW, shift, |p| {
            ends.push(p);
            Ok(())
        });
        assert!(done.is_ok());
        ends
    }

    #[test]
    fn the_end_point_is_kept_exactly() {
        let to = [97.3, -12.1, 0.2, 3.7];
        let ends = pieces([3.1, 4.1, 0.2, 1.0], to, |p| 0.001 * p[0]);
        let last = ends.last().copied();
        assert_eq!(last, Some([to[0], to[1], to[2] + 0.001 * to[0], to[3]]));
    }

    #[test]
    fn a_level_bed_breaks_nothing_and_a_slope_breaks_evenly() {
        let (from, to) = ([0.0, 0.0, 0.3, 0.0], [100.0, 0.0, 0.3, 10.0]);
        assert_eq!(pieces(from, to, |_| 0.4).len(), 1);
        // 0.01 mm/mm: 0.025 mm is reached at the first check, each 5 mm.
        let ends = pieces(from, to, |p| 0.01 * p[0]);
        assert_eq!(ends.len(), 20);
        for p in ends {
            assert!((p[3] - p[0] / 10.0).abs() < 1e-12 && (p[2] - 0.3 - 0.01 * p[0]).abs() < 1e-12);
        }
    }

    #[test]
    fn a_move_of_z_alone_is_one_piece() {
        assert_eq!(pieces([5.0, 5.0, 0.0, 0.0], [5.0, 5.0, 10.0, 0.0], |p| p[2] * 0.1).len(), 1);
    }
}
