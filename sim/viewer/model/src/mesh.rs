//! Beads as triangles: a flat strand with round sides, as wide and high as the bead is, joined where beads follow each
//! other and rounded where they end.
//!
//! The nozzle's tip draws the middle of the bead's top: half way between the two edges of the top of a ring is where the
//! nozzle truly was, within single precision (15 nm on a bed of 250 mm).

use crate::part::{BeadRecord, Part};
use std::ops::Range;

/// How finely beads are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Round sides.
    Fine,
    /// A flat top and sloping sides.
    Coarse,
    /// As `Coarse`, and beads that lie in line within 20 um are one.
    Far,
}

/// Triangles, counter-clockwise from outside; z is up. Lists have one entry a vertex where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mesh {
    pub positions: Vec<[f32; 3]>,
    pub normals: Vec<[f32; 3]>,
    /// The bead that a vertex belongs to, as an index into the part: for its colour. Of a run of beads, its middle one.
    pub beads: Vec<u32>,
    pub indices: Vec<u32>,
    /// For each drawn bead, in the order of time: its index, and how many of `indices` draw it and all before it.
    pub ends: Vec<(u32, u32)>,
}

/// Beads that lie in line within this are one in `Detail::Far`, mm.
pub const FAR_MM: f32 = 0.02;
/// A joint that turns less than this is mitred, a sharper one gets two round ends: cosine of 60 degrees.
const MITRE: f32 = 0.5;

impl Part {
    /// Triangles of a range of beads.
    pub fn mesh(&self, range: Range<usize>, detail: Detail) -> Mesh {
        let range = range.start.min(self.len())..range.end.min(self.len());
        let strands: Vec<(BeadRecord, u32)> = match detail {
            Detail::Far => {
                let runs = self.simplified(range, FAR_MM);
                runs.into_iter().map(|r| (r.bead, (r.beads.start + r.beads.len() / 2) as u32)).collect()
            }
            _ => range.map(|index| (*self.bead(index), index as u32)).collect(),
        };
        Mesh::of(&strands, detail)
    }
}

/// Unit vector along a strand in the plane.
type Way = [f32; 2];

impl Mesh {
    /// Triangles of beads that stand in the order of time, each with the index that its vertices get.
    pub fn of(strands: &[(BeadRecord, u32)], detail: Detail) -> Mesh {
        let corners = if detail == Detail::Fine { &FINE[..] } else { &COARSE[..] };
        let mut mesh = Mesh::default();
        mesh.positions.reserve(strands.len() * 2 * corners.len());
        mesh.indices.reserve(strands.len() * 6 * corners.len());
        let ways: Vec<Way> = strands.iter().map(|(bead, _)| way(bead)).collect();
        for (i, (bead, index)) in strands.iter().enumerate() {
            let joint = |a: usize, b: usize| {
                let ((_, wa), (_, wb)) = ((strands[a].0, ways[a]), (strands[b].0, ways[b]));
                let turn = wa[0] * wb[0] + wa[1] * wb[1];
                (strands[b].0.is_joined() && turn >= MITRE).then(|| Joint::mitre(&strands[a].0, wa, &strands[b].0, wb))
            };
            let before = i.checked_sub(1).and_then(|b| joint(b, i));
            let after = (i + 1 < strands.len()).then(|| joint(i, i + 1)).flatten();
            let own = Joint { half: bead.width_mm() / 2.0, height: bead.height_mm(), right: right(ways[i]) };
            let (start, end) = (before.unwrap_or(own), after.unwrap_or(own));
            if before.is_none() && detail == Detail::Fine {
                mesh.round_end(bead.from_mm, own, ways[i].map(|v| -v), *index, corners, true);
            }
            let first = mesh.ring(bead.from_mm, start, [0.0; 2], 1.0, *index, corners);
            let last = mesh.ring(bead.to_mm, end, [0.0; 2], 1.0, *index, corners);
            mesh.tube(first, last, corners.len());
            if detail == Detail::Fine {
                if after.is_none() {
                    mesh.round_end(bead.to_mm, own, ways[i], *index, corners, false);
                }
            } else {
                mesh.lid(first, corners.len(), before.is_none(), true);
                mesh.lid(last, corners.len(), after.is_none(), false);
            }
            mesh.ends.push((*index, mesh.indices.len() as u32));
        }
        mesh
    }

    /// How many of the indices draw the beads before this one: the part as it was when this bead began.
    pub fn indices_before(&self, bead: usize) -> usize {
        let drawn = self.ends.partition_point(|(index, _)| (*index as usize) < bead);
        drawn.checked_sub(1).map_or(0, |last| self.ends[last].1 as usize)
    }

    /// Adds the corners of a section; gives the number of the first. `out` moves it along, `share` makes it narrower.
    fn ring(&mut self, at: [f32; 3], joint: Joint, out: [f32; 2], share: f32, index: u32, corners: &[Corner]) -> u32 {
        let first = self.positions.len() as u32;
        let Joint { half, height, right } = joint;
        let round = (height / 2.0).min(half);
        let tilt = out[0].hypot(out[1]) / half.max(1e-6);
        let outwards = if tilt > 0.0 { out.map(|v| v / out[0].hypot(out[1])) } else { [0.0; 2] };
        for corner in corners {
            let off = share * (corner.flat * (half - round) + corner.across * round);
            let side = corner.across * share;
            self.positions.push([
                at[0] + out[0] + right[0] * off,
                at[1] + out[1] + right[1] * off,
                at[2] - height / 2.0 + corner.up * height / 2.0,
            ]);
            let flat = 1.0 - corner.up.abs();
            let normal =
                [right[0] * side + outwards[0] * tilt * flat, right[1] * side + outwards[1] * tilt * flat, corner.up];
            self.normals.push(unit(normal));
            self.beads.push(index);
        }
        first
    }

    /// Two narrower sections beyond an end: a round nose.
    fn round_end(&mut self, at: [f32; 3], joint: Joint, way: Way, index: u32, corners: &[Corner], start: bool) {
        const HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
        let n = corners.len();
        let mut rings = [(0.0, 1.0), (HALF, HALF), (1.0, 0.15)].map(|(out, share)| {
            let out = way.map(|v| v * out * joint.half);
            self.ring(at, joint, out, share, index, corners)
        });
        if start {
            rings.reverse();
        }
        self.tube(rings[0], rings[1], n);
        self.tube(rings[1], rings[2], n);
        self.lid(if start { rings[0] } else { rings[2] }, n, true, start);
    }

    fn tube(&mut self, first: u32, last: u32, n: usize) {
        let n = n as u32;
        for i in 0..n {
            let next = (i + 1) % n;
            let (a, b, c, d) = (first + i, first + next, last + i, last + next);
            self.indices.extend([a, b, c, b, d, c]);
        }
    }

    fn lid(&mut self, first: u32, n: usize, wanted: bool, start: bool) {
        let n = if wanted { n as u32 } else { 0 };
        for i in 1..n.saturating_sub(1) {
            let (b, c) = (first + i, first + i + 1);
            self.indices.extend(if start { [first, c, b] } else { [first, b, c] });
        }
    }
}

/// The section where a bead ends.
#[derive(Clone, Copy)]
struct Joint {
    half: f32,
    height: f32,
    /// To the right of the way; longer than 1 where a mitre makes it so.
    right: [f32; 2],
}

impl Joint {
    fn mitre(a: &BeadRecord, wa: Way, b: &BeadRecord, wb: Way) -> Joint {
        let (ra, rb) = (right(wa), right(wb));
        let sum = [ra[0] + rb[0], ra[1] + rb[1]];
        // |ra + rb| = 2 cos(turn/2), and the mitre is 1/cos(turn/2) long.
        let scale = 2.0 / (sum[0] * sum[0] + sum[1] * sum[1]).max(0.1);
        Joint {
            half: (a.width_mm() + b.width_mm()) / 4.0,
            height: (a.height_mm() + b.height_mm()) / 2.0,
            right: sum.map(|v| v * scale),
        }
    }
}

/// A corner of a section: `flat` of the way to where the round side begins, then `across` and `up` on the round.
struct Corner {
    flat: f32,
    across: f32,
    up: f32,
}

const fn corner(flat: f32, across: f32, up: f32) -> Corner {
    Corner { flat, across, up }
}

const D: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// From the left edge of the top, clockwise as seen along the way.
const FINE: [Corner; 10] = [
    corner(-1.0, 0.0, 1.0),
    corner(1.0, 0.0, 1.0),
    corner(1.0, D, D),
    corner(1.0, 1.0, 0.0),
    corner(1.0, D, -D),
    corner(1.0, 0.0, -1.0),
    corner(-1.0, 0.0, -1.0),
    corner(-1.0, -D, -D),
    corner(-1.0, -1.0, 0.0),
    corner(-1.0, -D, D),
];

/// The sides slope so that the section has the area of the round one.
const COARSE: [Corner; 4] =
    [corner(-1.0, -0.6, 1.0), corner(1.0, 0.6, 1.0), corner(1.0, 1.0, -1.0), corner(-1.0, -1.0, -1.0)];

fn way(bead: &BeadRecord) -> Way {
    let d = [bead.to_mm[0] - bead.from_mm[0], bead.to_mm[1] - bead.from_mm[1]];
    let long = d[0].hypot(d[1]);
    if long > 1e-6 { d.map(|v| v / long) } else { [1.0, 0.0] }
}

fn right(way: Way) -> [f32; 2] {
    [way[1], -way[0]]
}

fn unit(v: [f32; 3]) -> [f32; 3] {
    let long = (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt();
    if long > 1e-6 { v.map(|x| x / long) } else { [0.0, 0.0, 1.0] }
}
