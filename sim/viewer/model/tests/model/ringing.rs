//! What a planted mode must show: on the wall, in the colours, in the light that tells how it rings down.

use crate::synthetic::*;
use drydock_view_model::*;

fn document(squares: Squares) -> Document {
    Document::from_bytes("planted", squares.bytes()).unwrap()
}

/// (mm behind the corner, deviation) along one side of a square.
fn along(document: &mut Document, squares: Squares, side: u64) -> Vec<(f64, f64)> {
    let values = document.values(ColourBy::Deviation).to_vec();
    let start_ns = squares.start_ns() + side * squares.side_ns();
    let part = document.part();
    let beads = part.first_from(start_ns)..part.first_from(start_ns + squares.side_ns());
    let place = |bead: usize| (part.middle_ns(bead) - start_ns) as f64 * 1e-9 * squares.speed_mm_s;
    beads.map(|bead| (place(bead), f64::from(values[bead]))).collect()
}

/// Distances between crossings of zero in the same direction, by straight lines between beads.
fn wavelengths(profile: &[(f64, f64)]) -> Vec<f64> {
    let crossing = |p: &[(f64, f64)]| {
        (p[0].1 < 0.0 && p[1].1 >= 0.0).then(|| p[0].0 + (p[1].0 - p[0].0) * p[0].1 / (p[0].1 - p[1].1))
    };
    let crossings: Vec<f64> = profile.windows(2).filter_map(crossing).collect();
    crossings.windows(2).map(|c| c[1] - c[0]).collect()
}

#[test]
fn deviation_along_a_wall_has_the_wavelength_of_the_planted_mode_speed_over_frequency() {
    let mut worst = 0.0f64;
    for (freq_hz, speed_mm_s) in [(48.0, 100.0), (37.0, 60.0), (62.0, 150.0), (90.0, 200.0)] {
        let squares = Squares { freq_hz, speed_mm_s, side_mm: speed_mm_s * 0.3, layers: 1, ..Squares::default() };
        let mut document = document(squares);
        let expected = speed_mm_s / document.machine().modes[0].damped_hz();
        for side in 1..4 {
            let lengths = wavelengths(&along(&mut document, squares, side));
            let some = &lengths[..lengths.len().min(6)];
            assert!(some.len() >= 5, "{lengths:?}");
            let mean = some.iter().sum::<f64>() / some.len() as f64;
            worst = worst.max((mean / expected - 1.0).abs());
            assert!((mean / expected - 1.0).abs() < 0.03, "{mean} mm for {expected} mm, {freq_hz} Hz");
        }
    }
    println!("wavelengths are off by {:.3} % at most", worst * 100.0);
}

#[test]
fn deviation_is_the_planted_swing_to_the_right_of_the_way_and_none_before_the_first_corner() {
    let squares = Squares::default();
    let mut document = document(squares);
    for side in 0..12 {
        for (mm, deviation_um) in along(&mut document, squares, side) {
            let t = mm / squares.speed_mm_s;
            let planted = if side == 0 { 0.0 } else { squares.swing_um(t) };
            // Half a bead from the mean of its ends to the curve between them: A (w h)^2 / 8.
            assert!((deviation_um - planted).abs() < 0.6, "{deviation_um} for {planted} um, {mm} mm on side {side}");
        }
    }
}

#[test]
fn colours_of_the_deviation_change_sides_with_its_sign() {
    let squares = Squares::default();
    let mut document = document(squares);
    let values = document.values(ColourBy::Deviation).to_vec();
    let legend = ColourBy::Deviation.legend(&values, [0.02, 0.98]);
    assert_eq!(legend.low, -legend.high);
    for value in values.into_iter().filter(|v| v.abs() > 0.4 * legend.high) {
        let [red, _, blue] = legend.colour(value);
        assert_eq!(red > blue, value > 0.0, "{value} um");
    }
}
