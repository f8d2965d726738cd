//! Beads as triangles: a rounded section of the bead's own width and height, joined where beads follow each other.

use crate::part::{BeadRecord, Part};
use std::ops::Range;

/// How finely a bead's section is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Eight corners: round sides.
    Fine,
    /// Four corners: a ribbon with a roof, for far away.
    Coarse,
}

/// Triangles; the lists have one entry a vertex. The path of the nozzle's tip is the middle of the bead's top.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mesh {
    pub positions: Vec<[f32; 3]>,
    pub normals: Vec<[f32; 3]>,
    /// The bead that a vertex belongs to, as an index into the part: for its colour.
    pub beads: Vec<u32>,
    pub indices: Vec<u32>,
}

impl Part {
    /// Triangles of a range of beads.
    pub fn mesh(&self, range: Range<usize>, detail: Detail) -> Mesh {
        let mut mesh = Mesh::default();
        let range = range.start.min(self.len())..range.end.min(self.len());
        for index in range {
            mesh.add(self.bead(index), index as u32, detail);
        }
        mesh
    }
}

impl Mesh {
    fn add(&mut self, bead: &BeadRecord, index: u32, detail: Detail) {
        let (from, to) = (bead.from_mm, bead.to_mm);
        let way = [to[0] - from[0], to[1] - from[1]];
        let long = way[0].hypot(way[1]);
        let along = if long > 0.0 { [way[0] / long, way[1] / long] } else { [1.0, 0.0] };
        let right = [along[1], -along[0]];
        let (half, height) = (bead.width_mm() / 2.0, bead.height_mm());
        let first = self.positions.len() as u32;
        let section = section(detail);
        for end in [from, to] {
            for (across, up) in section {
                let side = across.signum() * (half - height / 2.0).max(0.0) * f32::from(u8::from(across.abs() > 1e-3));
                let off = side + across * height.min(2.0 * half) / 2.0;
                self.positions.push([
                    end[0] + right[0] * off,
                    end[1] + right[1] * off,
                    end[2] - height / 2.0 + up * height / 2.0,
                ]);
                self.normals.push([right[0] * across, right[1] * across, *up]);
                self.beads.push(index);
            }
        }
        let n = section.len() as u32;
        for i in 0..n {
            let (a, b) = (first + i, first + (i + 1) % n);
            self.indices.extend([a, b, a + n, b, b + n, a + n]);
        }
        for i in 1..n - 1 {
            self.indices.extend([first, first + i + 1, first + i]);
            self.indices.extend([first + n, first + n + i, first + n + i + 1]);
        }
    }
}

/// Corners of a round section of radius 1, from the top clockwise as seen along the way.
fn section(detail: Detail) -> &'static [(f32, f32)] {
    const D: f32 = std::f32::consts::FRAC_1_SQRT_2;
    match detail {
        Detail::Fine => &[(0.0, 1.0), (D, D), (1.0, 0.0), (D, -D), (0.0, -1.0), (-D, -D), (-1.0, 0.0), (-D, D)],
        Detail::Coarse => &[(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)],
    }
}
