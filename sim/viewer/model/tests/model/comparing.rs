//! Two runs of one program: the same place of the program is the same place of the part.

use crate::synthetic::*;
use drydock_view_model::*;

fn document(squares: Squares) -> Document {
    Document::from_bytes("planted", squares.bytes()).unwrap()
}

#[test]
fn playheads_are_locked_by_line_and_by_the_way_along_it() {
    let a = Squares::default();
    let b = Squares { speed_mm_s: 50.0, heat_s: 3.0, ..a };
    let (mut first, mut second) = (document(a), document(b));
    for i in 0..97u64 {
        let at_ns = a.start_ns() + (a.end_ns() - a.start_ns()) / 97 * i;
        let other_ns = Compare::time(&mut first, &mut second, at_ns).unwrap();
        let (here, there) = (first.pose(at_ns).drive_mm, second.pose(other_ns).drive_mm);
        (0..3).for_each(|axis| assert!((here[axis] - there[axis]).abs() < 0.01, "{here:?} {there:?}"));
        let back_ns = Compare::time(&mut second, &mut first, other_ns).unwrap();
        assert!(back_ns.abs_diff(at_ns) < 1000, "{back_ns} for {at_ns}");
    }
    assert_eq!(Compare::time(&mut first, &mut second, 0), None, "nothing is under way yet");
}

#[test]
fn a_run_less_itself_is_nothing_and_less_a_quieter_one_is_what_the_shaper_took_away() {
    let loud = Squares::default();
    let quiet = Squares { amplitude_um: 10.0, heat_s: 2.0, ..loud };
    let (mut a, mut b) = (document(loud), document(quiet));
    let mut twin = document(loud);
    assert!(Compare::deviation_difference(&mut a, &mut twin).iter().all(|v| *v == 0.0));
    let difference = Compare::deviation_difference(&mut a, &mut b);
    assert_eq!(difference.len(), a.part().len());
    for (bead, value) in difference.into_iter().enumerate() {
        let since_ns = a.part().middle_ns(bead) - loud.start_ns();
        let t = (since_ns % loud.side_ns()) as f64 * 1e-9;
        let first = since_ns < loud.side_ns();
        let planted = if first { 0.0 } else { loud.swing_um(t) - quiet.swing_um(t) };
        assert!((f64::from(value) - planted).abs() < 0.6, "{value} for {planted} um");
    }
}

#[test]
fn what_the_other_run_never_printed_has_no_difference() {
    let long = Squares { layers: 3, ..Squares::default() };
    let short = Squares { layers: 1, ..long };
    let (mut a, mut b) = (document(long), document(short));
    let difference = Compare::deviation_difference(&mut a, &mut b);
    let first_layer = a.timeline().layers()[0].beads.clone();
    // The last line of the layer ends in the way up to the next one, which the other run has not.
    let both = first_layer.start..first_layer.start + first_layer.len() / 4 * 3;
    assert!(difference[both].iter().all(|v| *v == 0.0));
    assert!(difference[first_layer.end..].iter().all(|v| v.is_nan()));
    let in_layer_2 = long.start_ns() + 6 * long.side_ns();
    assert_eq!(Compare::time(&mut a, &mut b, in_layer_2), None);
}
