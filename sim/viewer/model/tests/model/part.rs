//! The part and its triangles: what is drawn is what was laid.

use crate::synthetic::*;
use drydock_recording::{Bead, Writer};
use drydock_view_model::*;
use std::collections::BTreeMap;

fn document(squares: Squares) -> Document {
    Document::from_bytes("planted", squares.bytes()).unwrap()
}

/// A recording of nothing but beads.
fn of_beads(beads: &[Bead]) -> Document {
    let mut writer = Writer::new(Vec::new(), Squares::default().header()).unwrap();
    beads.iter().for_each(|b| writer.push(b.clone()).unwrap());
    Document::from_bytes("beads", writer.finish(&Default::default()).unwrap()).unwrap()
}

fn bead(at_ns: u64, from_mm: [f64; 3], to_mm: [f64; 3]) -> Bead {
    let (width_mm, height_mm, duration_ns) = (0.45, 0.2, 1_000_000);
    Bead { at_ns, duration_ns, from_mm, to_mm, width_mm, height_mm, ..Bead::default() }
}

/// The middle of a bead's way as its vertices have it: half way between the edges of its top.
fn middle_of_top(mesh: &Mesh, bead: u32) -> [f64; 3] {
    let own = |i: &usize| mesh.beads[*i] == bead;
    let of: Vec<[f32; 3]> = (0..mesh.positions.len()).filter(own).map(|i| mesh.positions[i]).collect();
    let top = of.iter().map(|p| p[2]).fold(f32::MIN, f32::max);
    let edge: Vec<_> = of.into_iter().filter(|p| top - p[2] < 1e-6).collect();
    [0, 1, 2].map(|axis| edge.iter().map(|p| f64::from(p[axis])).sum::<f64>() / edge.len() as f64)
}

#[test]
fn deviation_of_the_mesh_is_that_of_the_recording_within_a_micrometre_at_twenty_named_points() {
    let squares = Squares::default();
    let mut document = document(squares);
    let mesh = document.part().mesh(0..document.part().len(), Detail::Fine);
    let deviations = document.values(ColourBy::Deviation).to_vec();
    // So many mm behind the corners of the second layer, on each of its four sides: from the first peak of the swing on.
    let names = [4.0, 9.0, 13.0, 21.0, 34.0];
    let (mut worst_mesh, mut worst_value) = (0.0f64, 0.0f64);
    for side in 4..8u64 {
        for behind_mm in names {
            let since_ns = (behind_mm / squares.speed_mm_s * 1e9) as u64;
            let at_ns = squares.start_ns() + side * squares.side_ns() + since_ns;
            let index = document.part().bead_at(at_ns).unwrap();
            let place = middle_of_top(&mesh, index as u32);
            let [x, y] = CORNER_MM;
            let drawn_um = 1e3
                * match side % 4 {
                    0 => y - place[1],
                    1 => place[0] - x - squares.side_mm,
                    2 => place[1] - y - squares.side_mm,
                    _ => x - place[0],
                };
            // What was recorded: where the bead begins and ends.
            let swing = |ns: u64| squares.swing_um((ns - squares.start_ns() - side * squares.side_ns()) as f64 * 1e-9);
            let part = document.part();
            let recorded_um = (swing(part.start_ns(index)) + swing(part.end_ns(index))) / 2.0;
            worst_mesh = worst_mesh.max((drawn_um - recorded_um).abs());
            worst_value = worst_value.max((f64::from(deviations[index]) - recorded_um).abs());
            let z_um = (place[2] - 2.0 * LAYER_MM).abs() * 1e3;
            assert!(z_um < 1.0, "the top is {z_um} um off at {behind_mm} mm on side {side}");
        }
    }
    println!("20 points: the mesh is off by {worst_mesh:.4} um at most, the values by {worst_value:.4} um");
    assert!(worst_mesh < 1.0 && worst_value < 1.0, "{worst_mesh} {worst_value}");
}

#[test]
fn a_strand_has_its_width_its_height_and_its_volume_and_is_closed() {
    let document = of_beads(&[
        bead(0, [10.0, 10.0, 0.3], [15.0, 10.0, 0.3]),
        bead(2, [15.0, 10.0, 0.3], [20.0, 10.0, 0.3]),
        bead(4, [20.0, 10.0, 0.3], [24.0, 13.0, 0.3]),
    ]);
    let lies = |p: &[f32; 3]| (11.0..19.0).contains(&p[0]);
    for detail in [Detail::Fine, Detail::Coarse] {
        let mesh = document.part().mesh(0..3, detail);
        let within: Vec<_> = mesh.positions.iter().filter(|p| lies(p)).collect();
        let across = within.iter().map(|p| (p[1] - 10.0).abs()).fold(0.0, f32::max);
        let low = within.iter().map(|p| p[2]).fold(f32::MAX, f32::min);
        assert!((across - 0.225).abs() < 1e-4, "{detail:?} is {across} mm to the side");
        assert!(detail == Detail::Coarse || (low - 0.1).abs() < 1e-5, "{detail:?} reaches down to {low} mm");
        let volume = volume_mm3(&mesh);
        let section = f64::from(document.part().bead(0).section_mm2());
        // Round sides are corners here, and ends have noses.
        assert!((volume / (15.0 * section) - 1.0).abs() < 0.06, "{detail:?}: {volume} mm3");
        assert_eq!(mesh.ends.last().unwrap().1 as usize, mesh.indices.len());
        assert!(mesh.normals.iter().all(|n| (n.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-4));
        open_edges_only_where_strands_meet(&mesh);
    }
}

/// By the divergence theorem: positive where the triangles run counter-clockwise from outside.
fn volume_mm3(mesh: &Mesh) -> f64 {
    let at = |i: u32| mesh.positions[i as usize].map(f64::from);
    let tetrahedron = |t: &[u32]| {
        let [a, b, c] = [at(t[0]), at(t[1]), at(t[2])];
        let cross = [b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0]];
        (a[0] * cross[0] + a[1] * cross[1] + a[2] * cross[2]) / 6.0
    };
    mesh.indices.chunks(3).map(tetrahedron).sum()
}

/// Every edge between two places is passed once in each direction, so no hole can be seen.
fn open_edges_only_where_strands_meet(mesh: &Mesh) {
    let place = |i: u32| mesh.positions[i as usize].map(|v| (v * 1e4).round() as i32);
    let mut edges: BTreeMap<_, i32> = BTreeMap::new();
    for t in mesh.indices.chunks(3) {
        for (a, b) in [(t[0], t[1]), (t[1], t[2]), (t[2], t[0])] {
            let (a, b) = (place(a), place(b));
            let (key, way) = if a < b { ((a, b), 1) } else { ((b, a), -1) };
            *edges.entry(key).or_default() += if a == b { 0 } else { way };
        }
    }
    let open = edges.values().filter(|n| **n != 0).count();
    assert_eq!(open, 0, "open edges");
}

#[test]
fn beads_that_follow_each_other_share_their_ends_and_sharp_corners_get_round_ones() {
    let document = of_beads(&[
        bead(0, [0.0, 0.0, 0.2], [5.0, 0.0, 0.2]),
        bead(2, [5.0, 0.0, 0.2], [10.0, 2.0, 0.2]),
        bead(4, [10.0, 2.0, 0.2], [5.0, 2.1, 0.2]),
        bead(6, [40.0, 0.0, 0.2], [45.0, 0.0, 0.2]),
    ]);
    let part = document.part();
    let joined: Vec<bool> = part.beads().iter().map(BeadRecord::is_joined).collect();
    assert_eq!(joined, [false, true, true, false]);
    let mesh = part.mesh(0..4, Detail::Fine);
    let vertices = |bead: u32| mesh.beads.iter().filter(|b| **b == bead).count();
    assert_eq!([0, 1, 2, 3].map(vertices), [50, 50, 80, 80], "ten a section, thirty a round end");
    // At the mitre both strands have the same ten places.
    let at_joint = |bead: u32| -> Vec<[i32; 3]> {
        let near = |i: &usize| mesh.beads[*i] == bead && (mesh.positions[*i][0] - 5.0).abs() < 0.3;
        let mut of: Vec<_> =
            (0..mesh.beads.len()).filter(near).map(|i| mesh.positions[i].map(|v| (v * 1e5).round() as i32)).collect();
        of.sort();
        of
    };
    assert_eq!(at_joint(0), at_joint(1));
}

#[test]
fn the_part_grows_with_time() {
    let squares = Squares::default();
    let document = document(squares);
    let part = document.part();
    assert_eq!(part.laid_at(0), (0, 0.0));
    let at_ns = squares.start_ns() + 100 * BEAD_NS;
    assert_eq!(part.laid_at(at_ns), (100, 0.0));
    assert_eq!(part.laid_at(at_ns + BEAD_NS / 4), (100, 0.25));
    assert_eq!(part.laid_at(u64::MAX), (part.len(), 0.0));
    let mesh = part.mesh(50..150, Detail::Coarse);
    assert_eq!((mesh.indices_before(0), mesh.indices_before(50)), (0, 0));
    assert_eq!(mesh.indices_before(150), mesh.indices.len());
    assert!(mesh.indices_before(100) > mesh.indices.len() / 3);
}

#[test]
fn chunks_hold_every_bead_once_in_order_inside_their_boxes() {
    let document = document(Squares { layers: 30, ..Squares::default() });
    let part = document.part();
    let mut next = 0;
    for chunk in part.chunks() {
        assert_eq!(chunk.beads.start, next);
        assert!(!chunk.beads.is_empty() && chunk.beads.len() <= CHUNK);
        next = chunk.beads.end;
        let mesh = part.mesh(chunk.beads.clone(), Detail::Coarse);
        let outside = |p: &&[f32; 3]| {
            // A mitre may reach a little beyond the half width that a box reckons with.
            (0..3).any(|i| p[i] < chunk.min_mm[i] - 0.05 || p[i] > chunk.max_mm[i] + 0.05)
        };
        assert_eq!(mesh.positions.iter().find(outside), None);
        let times =
            chunk.beads.clone().all(|i| chunk.span_ns.start <= part.start_ns(i) && part.end_ns(i) <= chunk.span_ns.end);
        assert!(times);
    }
    assert_eq!(next, part.len());
    assert!(part.chunks().len() > 1);
}

#[test]
fn runs_stay_within_their_tolerance_and_keep_the_plastic() {
    let document = document(Squares { amplitude_um: 120.0, ..Squares::default() });
    let part = document.part();
    let volume = |beads: &mut dyn Iterator<Item = BeadRecord>| -> f64 {
        beads.map(|b| f64::from(b.section_mm2() * b.length_mm())).sum()
    };
    let whole = volume(&mut part.beads().iter().copied());
    let mut before = part.len() + 1;
    for tolerance_mm in [0.0001f32, 0.02, 0.2] {
        let runs = part.simplified(0..part.len(), tolerance_mm);
        assert!(runs.len() < before, "a coarser tolerance leaves fewer runs: {}", runs.len());
        before = runs.len();
        let mut next = 0;
        for run in &runs {
            assert_eq!(run.beads.start, next);
            next = run.beads.end;
            assert_eq!(run.bead.from_mm, part.bead(run.beads.start).from_mm);
            assert_eq!(run.bead.to_mm, part.bead(run.beads.end - 1).to_mm);
            let way = [0, 1].map(|i| run.bead.to_mm[i] - run.bead.from_mm[i]);
            let long = way[0].hypot(way[1]);
            for bead in run.beads.clone() {
                let off = [0, 1].map(|i| part.bead(bead).to_mm[i] - run.bead.from_mm[i]);
                let across = (way[0] * off[1] - way[1] * off[0]).abs() / long;
                assert!(across <= tolerance_mm + 1e-4, "{across}");
            }
        }
        assert_eq!(next, part.len());
        let kept = volume(&mut runs.iter().map(|r| r.bead));
        assert!((kept / whole - 1.0).abs() < 0.01, "{kept} of {whole} mm3");
    }
    let far = part.mesh(0..part.len(), Detail::Far);
    assert!(far.positions.len() * 8 < part.mesh(0..part.len(), Detail::Coarse).positions.len());
}
