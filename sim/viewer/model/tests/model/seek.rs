//! Going to any place of a long recording costs a few blocks, wherever it is.

use crate::synthetic::*;
use drydock_recording::{Reader, Row, State, Thermal};
use drydock_view_model::*;

/// Twelve layers an hour: most of it one speed, so that an hour stays cheap to make.
const HOUR: Squares = Squares {
    freq_hz: 48.0,
    damping: 0.06,
    amplitude_um: 40.0,
    speed_mm_s: 4.0,
    side_mm: 60.0,
    layers: 60,
    heat_s: 2.0,
    comments: true,
};

#[test]
fn a_pose_anywhere_in_an_hour_reads_a_few_blocks() {
    let file = Growing::of(HOUR.bytes());
    let mut document = Document::from_source("hour", file.clone()).unwrap();
    let span = document.span_ns();
    assert!(span.end > 3_600_000_000_000, "{span:?}");
    let reader = Reader::new(std::io::Cursor::new(file.bytes())).unwrap();
    let largest = |id: u16| reader.blocks_of(id).map(|b| u64::from(b.len)).max().unwrap_or(0);
    // Two blocks of each stream around the playhead; a third where rows of another heater stand in between.
    let bound = 3 * (largest(State::ID) + largest(Thermal::ID) + largest(drydock_recording::Move::ID));
    let (mut worst, mut worst_ms) = (0, 0.0f64);
    for i in 0..100u64 {
        let at_ns = span.end / 100 * (i * 37 % 100) + 12_345;
        file.bytes_read();
        let start = std::time::Instant::now();
        let pose = document.pose(at_ns);
        worst_ms = worst_ms.max(start.elapsed().as_secs_f64() * 1e3);
        let read = file.bytes_read();
        assert!(read <= bound, "{read} bytes for one pose, {bound} allowed, {} in all", file.len());
        worst = worst.max(read);
        let (drive, nozzle, ..) = HOUR.at(at_ns);
        if at_ns > HOUR.start_ns() {
            (0..3).for_each(|axis| assert!((pose.drive_mm[axis] - drive[axis]).abs() < 0.01));
            (0..3).for_each(|axis| assert!((pose.nozzle_mm[axis] - nozzle[axis]).abs() < 0.01));
            (0..3).for_each(|axis| assert!((pose.commanded_mm[axis] - drive[axis]).abs() < 0.01));
        }
    }
    let (file_mb, beads) = (file.len() as f64 * 1e-6, document.part().len());
    println!(
        "an hour, {file_mb:.1} MB, {beads} beads: a seek reads {:.0} kB and takes {worst_ms:.1} ms at worst",
        worst as f64 * 1e-3
    );
    file.bytes_read();
    document.pose(span.end / 2);
    file.bytes_read();
    document.pose(span.end / 2 + document.tick_ns());
    assert_eq!(file.bytes_read(), 0, "a step reads nothing");
}

#[test]
fn lines_and_layers_are_found_by_time_and_by_number() {
    let squares = Squares::default();
    let mut document = Document::from_bytes("planted", squares.bytes()).unwrap();
    let second_layer_ns = squares.start_ns() + 4 * squares.side_ns();
    let pose = document.pose(second_layer_ns + 10);
    let timeline = document.timeline();
    assert_eq!((timeline.layers().len(), pose.layer), (3, Some(1)));
    let layer = &timeline.layers()[1];
    assert!((layer.z_mm - 2.0 * LAYER_MM).abs() < 1e-4);
    assert_eq!(layer.span_ns, second_layer_ns..second_layer_ns + 4 * squares.side_ns());
    assert_eq!(layer.beads.len() as u64, 4 * squares.side_ns() / BEAD_NS);
    assert_eq!(timeline.layer_of(layer.beads.start), Some(1));
    let line = timeline.line(pose.line.unwrap()).unwrap();
    assert_eq!((line.line_no, line.at_ns), (14, second_layer_ns));
    assert!(line.text.starts_with("G1 X140"), "{}", line.text);
    let index = timeline.line_numbered(14).unwrap();
    assert_eq!(timeline.line_span(index), Some(second_layer_ns..second_layer_ns + squares.side_ns()));
    assert_eq!(timeline.line_at(0), None);
    assert_eq!(timeline.line_numbered(999), None);
    let features: Vec<u8> = timeline.features().iter().map(|f| f.feature).collect();
    assert_eq!(features, [1, 2, 1, 2, 1, 2]);
}

#[test]
fn layers_are_found_by_height_where_the_program_does_not_name_them() {
    let squares = Squares { comments: false, ..Squares::default() };
    let bare = Document::from_bytes("planted", squares.bytes()).unwrap();
    let named = Document::from_bytes("planted", Squares::default().bytes()).unwrap();
    assert_eq!(bare.timeline().layers(), named.timeline().layers());
}

#[test]
fn exaggeration_enlarges_the_displacement_and_is_the_truth_at_one() {
    let squares = Squares::default();
    let mut document = Document::from_bytes("planted", squares.bytes()).unwrap();
    let at_ns = squares.start_ns() + squares.side_ns() + 8 * STATE_NS;
    let pose = document.pose(at_ns);
    assert_eq!(pose.exaggerated(1.0), pose.nozzle_mm);
    let (drive, nozzle, ..) = squares.at(at_ns);
    let large = pose.exaggerated(200.0);
    assert!((large[0] - drive[0] - 200.0 * (nozzle[0] - drive[0])).abs() < 0.01);
    let trail = document.trail(at_ns - 100_000_000..at_ns + 1, 20);
    assert!(trail.at_ns.len() <= 21 && trail.at_ns.last() == Some(&at_ns));
    assert_eq!(trail.truth.last(), Some(&pose.nozzle_mm));
    assert_eq!(trail.exaggerated(200.0).last().unwrap(), large);
    assert_eq!((trail.commanded.len(), trail.drive.len()), (trail.at_ns.len(), trail.at_ns.len()));
}

#[test]
fn between_samples_the_swing_is_round_and_at_samples_it_is_what_was_recorded() {
    let squares = Squares { freq_hz: 62.0, ..Squares::default() };
    let mut document = Document::from_bytes("planted", squares.bytes()).unwrap();
    let corner_ns = squares.start_ns() + 5 * squares.side_ns();
    let times: Vec<u64> = (0..2000).map(|i| corner_ns + 10_000_000 + i * 50_000).collect();
    let straight = document.displacements(&times);
    let (mut worst_round, mut worst_straight) = (0.0f64, 0.0f64);
    for (at_ns, straight) in times.into_iter().zip(straight) {
        let planted_um = squares.swing_um((at_ns - corner_ns) as f64 * 1e-9);
        let pose = document.pose(at_ns);
        let off_um = (pose.displacement_mm()[0] * 1e3 - planted_um).abs();
        if at_ns.is_multiple_of(STATE_NS) {
            assert!(off_um < 0.02, "{off_um} um off at a sample");
        }
        worst_round = worst_round.max(off_um);
        worst_straight = worst_straight.max((f64::from(straight[0]) * 1e3 - planted_um).abs());
    }
    println!("between samples: {worst_round:.2} um off, {worst_straight:.2} um on straight lines, of 40 um");
    assert!(worst_round < 0.03 * squares.amplitude_um && worst_straight < 0.1 * squares.amplitude_um);
}
