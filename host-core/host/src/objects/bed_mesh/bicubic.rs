//! A cardinal spline through evenly spaced points.
//!
//! # Equation
//! f(t) = p1 (2 t^3 - 3 t^2 + 1) + p2 (-2 t^3 + 3 t^2) + m1 (t^3 - 2 t^2 + t) + m2 (t^3 - t^2),
//! m1 = c (p2 - p0),  m2 = c (p3 - p1)
//!
//! # Symbols
//! p0..p3 neighbouring heights \[mm\] · t place between p1 and p2, 0..1 · c tension (0.5: Catmull-Rom)
//!
//! # Source
//! cubic Hermite form, any textbook; c = 0.2 is Klipper's default (documentation of `bicubic_tension`)
//!
//! # Valid for
//! 4 and more points; at an edge the missing neighbour is the edge itself
//!
//! # Caveats
//! below c = 0.5 the curve is flatter at the points than the line through their neighbours: it meets planes at the
//! points only
//!
//! # Checked by
//! `tests::at_half_tension_quadratics_are_met_exactly_away_from_the_edges` (1e-12), `tests::every_point_is_met`

/// Height at `position`, counted in points from the first one.
pub fn interpolate(heights: &[f64], position: f64, tension: f64) -> f64 {
    let last = heights.len().saturating_sub(1);
    let at = (position.max(0.0) as usize).min(last.saturating_sub(1));
    let t = position - at as f64;
    let p = |i: usize| heights[i.min(last)];
    let (p0, p1, p2, p3) = (p(at.saturating_sub(1)), p(at), p(at + 1), p(at + 2));
    let (m1, m2) = (tension * (p2 - p0), tension * (p3 - p1));
    let (t2, t3) = (t * t, t * t * t);
    p1 * (2.0 * t3 - 3.0 * t2 + 1.0) + p2 * (3.0 * t2 - 2.0 * t3) + m1 * (t3 - 2.0 * t2 + t) + m2 * (t3 - t2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_half_tension_quadratics_are_met_exactly_away_from_the_edges() {
        let f = |x: f64| 0.1 - 0.2 * x + 0.05 * x * x;
        let heights: Vec<f64> = (0..6).map(|i| f(f64::from(i))).collect();
        for i in 10..=40 {
            let x = f64::from(i) / 10.0;
            assert!((interpolate(&heights, x, 0.5) - f(x)).abs() < 1e-12, "{x}");
        }
    }

    #[test]
    fn every_point_is_met() {
        let heights = [0.1, -0.3, 0.25, 0.0, 0.4];
        for (i, height) in heights.iter().enumerate() {
            assert!((interpolate(&heights, i as f64, 0.2) - height).abs() < 1e-15);
        }
    }

    #[test]
    fn a_level_bed_is_level_everywhere() {
        for i in 0..=40 {
            assert!((interpolate(&[0.2; 5], f64::from(i) / 10.0, 0.2) - 0.2).abs() < 1e-15);
        }
    }
}
