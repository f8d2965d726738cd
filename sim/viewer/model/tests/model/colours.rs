//! What the part is coloured by is what was recorded.

use crate::synthetic::*;
use drydock_view_model::*;

#[test]
fn every_value_of_a_bead_is_what_was_recorded_there() {
    let squares = Squares { amplitude_um: 0.0, ..Squares::default() };
    let mut document = Document::from_bytes("planted", squares.bytes()).unwrap();
    let part_len = document.part().len();
    let mut values = |by: ColourBy| {
        let values = document.values(by).to_vec();
        assert_eq!(values.len(), part_len, "{by:?}");
        // A bead in the middle of a side of the second layer, 20 mm behind its corner.
        values[(4 * 400 + 1200 + 200) as usize]
    };
    let near = |value: f32, expected: f32| assert!((value / expected - 1.0).abs() < 0.01, "{value} for {expected}");
    assert_eq!(values(ColourBy::Feature), 2.0);
    near(values(ColourBy::Speed), 100.0);
    assert_eq!(values(ColourBy::Acceleration), 0.0);
    // A flattened round of 0.45 by 0.2 mm: 0.0814 mm2.
    near(values(ColourBy::Flow), 8.142);
    near(values(ColourBy::Pressure), 21.0);
    near(values(ColourBy::Temperature), 210.0);
    assert!(values(ColourBy::Deviation).abs() < 0.02);
    // The motor that has least is at 30 degrees: half of its torque is used.
    near(values(ColourBy::TorqueMargin), 50.0);
    assert_eq!(values(ColourBy::Tool), 0.0);
    near(values(ColourBy::LayerTime), 1.6);
}

#[test]
fn legends_name_what_occurs_and_clip_what_sticks_out() {
    let mut document = Document::from_bytes("planted", Squares::default().bytes()).unwrap();
    for by in ColourBy::ALL {
        let values = document.values(by).to_vec();
        let legend = by.legend(&values, [0.02, 0.98]);
        assert_eq!((legend.title, legend.unit), (by.title(), by.unit()));
        assert!(legend.high > legend.low, "{by:?}");
        match legend.map {
            Map::Categories => assert!(!legend.categories.is_empty()),
            _ => assert!(legend.categories.is_empty() && !legend.unit.is_empty()),
        }
    }
    let features = document.values(ColourBy::Feature).to_vec();
    let legend = ColourBy::Feature.legend(&features, [0.0, 1.0]);
    assert_eq!(legend.categories, [(1, "outer wall"), (2, "inner wall")]);
    assert_eq!(legend.colour(1.0), Map::Categories.colour(1.0));
    let mut values = vec![10.0f32; 1000];
    values.extend([1e6, f32::NAN]);
    let legend = ColourBy::Speed.legend(&values, [0.02, 0.98]);
    assert!(legend.high < 20.0, "one wild bead does not take the colours from the others: {legend:?}");
    let empty = ColourBy::Speed.legend(&[], [0.02, 0.98]);
    assert!(empty.high > empty.low);
}
