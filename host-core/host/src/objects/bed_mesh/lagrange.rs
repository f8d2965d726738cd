//! The polynomial through all points of a line.
//!
//! # Equation
//! f(x) = sum_i y_i prod_{j != i} (x - x_j) / (x_i - x_j)
//!
//! # Symbols
//! (x_i, y_i) the points \[mm\] · x where it is wanted \[mm\]
//!
//! # Source
//! Lagrange's form of the interpolation polynomial, any textbook
//!
//! # Valid for
//! up to 6 points: beyond, the polynomial swings between them (Runge)
//!
//! # Checked by
//! `tests::a_polynomial_of_lower_degree_is_met_exactly` (1e-12)

/// Height at `x` of the polynomial through `points` of (x, y).
pub fn interpolate(points: &[(f64, f64)], x: f64) -> f64 {
    let weight = |i: usize| {
        let others = points.iter().enumerate().filter(|(j, _)| *j != i);
        others.map(|(_, (xj, _))| (x - xj) / (points[i].0 - xj)).product::<f64>()
    };
    points.iter().enumerate().map(|(i, (_, y))| y * weight(i)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polynomial_of_lower_degree_is_met_exactly() {
        let f = |x: f64| 0.3 - 0.7 * x + 0.25 * x * x;
        let points: Vec<(f64, f64)> = [0.0, 1.0, 2.5, 4.0].map(|x| (x, f(x))).to_vec();
        for i in 0..=40 {
            let x = f64::from(i) / 10.0;
            assert!((interpolate(&points, x) - f(x)).abs() < 1e-12);
        }
    }
}
