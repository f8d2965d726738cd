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

#[test]
fn a_mode_that_a_corner_shook_rings_down_as_it_was_planted() {
    let squares = Squares::default();
    let mut document = document(squares);
    let corner_ns = squares.start_ns() + 5 * squares.side_ns();
    let (omega, mut worst) = (std::f64::consts::TAU * squares.freq_hz, 0.0f64);
    for ms in (20..350).step_by(5) {
        let at_ns = corner_ns + ms * 1_000_000;
        let planted_um = squares.amplitude_um * (-squares.damping * omega * ms as f64 * 1e-3).exp();
        let shake = document.shake(at_ns);
        let pose = document.pose(at_ns);
        for axis in 0..2 {
            let off_um = pose.displacement_mm()[axis] * 1e3;
            assert!((shake.displacement_um[axis] - off_um).abs() < 1e-9);
            assert!((shake.modes[axis].swing_um - off_um).abs() < 0.01, "the parts are the whole");
        }
        // This side runs along y: across it is x, the first mode.
        let off = (shake.modes[0].amplitude_um - planted_um).abs() / squares.amplitude_um;
        worst = worst.max(off);
        let light = document.ring_down(at_ns).unwrap();
        assert_eq!((light.mode, light.frequency_hz), (0, squares.freq_hz));
        assert!((light.amplitude_um - shake.modes[0].amplitude_um).abs() < 1e-9);
        if ms < 300 {
            assert!((light.from_mm[1] - CORNER_MM[1]).abs() < 2.0, "the light knows its corner: {light:?}");
        }
    }
    println!("amplitudes are off by {:.2} % of the first swing at most", worst * 100.0);
    assert!(worst < 0.02, "{worst}");
    assert_eq!(document.ring_down(0), None);
}

#[test]
fn the_trail_glows_after_a_corner_and_fades() {
    let squares = Squares::default();
    let mut document = document(squares);
    let corner_ns = squares.start_ns() + 5 * squares.side_ns();
    let trail = document.trail(corner_ns + 20_000_000..corner_ns + 350_000_000, 1000);
    assert_eq!(trail.swing_um.len(), trail.at_ns.len());
    assert!(trail.swing_um.windows(10).all(|w| w[9] < w[0]), "it goes down smoothly: {:?}", trail.swing_um);
}
