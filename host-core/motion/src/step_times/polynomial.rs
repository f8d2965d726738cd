//! A quartic over one piece, and where it turns.

use super::newton::{Curve, bisect};
use libm::sqrt;

/// c0 + c1·u + … + c4·u⁴.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quartic(pub [f64; 5]);

impl Quartic {
    fn slope(&self, u: f64) -> f64 {
        let c = &self.0;
        ((4.0 * c[4] * u + 3.0 * c[3]) * u + 2.0 * c[2]) * u + c[1]
    }
}

impl Curve for Quartic {
    fn value_and_slope(&self, u: f64) -> (f64, f64) {
        let c = &self.0;
        ((((c[4] * u + c[3]) * u + c[2]) * u + c[1]) * u + c[0], self.slope(u))
    }

    /// Exact: between the turns of the slope (a quadratic's roots) the slope is monotone, so it has one zero at most.
    fn turns(&self, duration: f64, found: &mut [f64; 4]) -> usize {
        let c = &self.0;
        let mut edges = [duration; 4];
        edges[0] = 0.0;
        let mut last = 0;
        for root in quadratic_roots(12.0 * c[4], 6.0 * c[3], 2.0 * c[2]) {
            if root > 0.0 && root < duration {
                last += 1;
                edges[last] = root;
            }
        }
        let mut count = 0;
        for pair in edges[..last + 2].windows(2) {
            if self.slope(pair[0]) * self.slope(pair[1]) < 0.0 {
                found[count] = bisect(|u| self.slope(u), pair[0], pair[1]);
                count += 1;
            }
        }
        count
    }
}

/// Real roots of a·x² + b·x + c, ascending; NaN or infinity where there are fewer.
fn quadratic_roots(a: f64, b: f64, c: f64) -> [f64; 2] {
    let half = -0.5 * b;
    let root = sqrt(half * half - a * c);
    // The stable pair: the larger numerator never cancels.
    let far = if half >= 0.0 { half + root } else { half - root };
    let (x, y) = (far / a, c / far);
    if x < y { [x, y] } else { [y, x] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_of_a_quartic_are_its_three_extremes() {
        // Slope 4(u − 1)(u − 2)(u − 3).
        let q = Quartic([0.0, -24.0, 22.0, -8.0, 1.0]);
        let mut found = [0.0; 4];
        assert_eq!(q.turns(10.0, &mut found), 3);
        for (got, want) in found.iter().zip([1.0, 2.0, 3.0]) {
            assert!((got - want).abs() < 1e-11, "{found:?}");
        }
        assert_eq!(q.turns(2.5, &mut found), 2);
    }

    #[test]
    fn lower_degrees_turn_where_they_should() {
        let mut found = [0.0; 4];
        assert_eq!(Quartic([1.0, 2.0, 0.0, 0.0, 0.0]).turns(5.0, &mut found), 0);
        assert_eq!(Quartic([1.0, -2.0, 1.0, 0.0, 0.0]).turns(5.0, &mut found), 1);
        assert!((found[0] - 1.0).abs() < 1e-11);
        assert_eq!(Quartic([0.0, 2.0, -3.0, 1.0, 0.0]).turns(5.0, &mut found), 2);
        assert_eq!(Quartic([0.0; 5]).turns(5.0, &mut found), 0);
    }
}
