//! The part as the graphics card holds it: one record of 24 bytes a node, in rows of a texture.
//!
//! A line of beads is its nodes; the segment `i` lies between the nodes `i` and `i + 1`, unless node `i` is the
//! last of its line. The cross-section is made where it is drawn (shaders/beads.wgsl), so neither the playhead nor
//! the exaggeration nor a colour touches a record. Beside the records as they are there is a coarse copy, in which
//! straight runs are one segment: what is seen from so far that a segment is smaller than a pixel is drawn from it.

use std::ops::Range;

/// Nodes in a row, which is what is drawn, hidden and culled as one.
pub const ROW: usize = 2048;
/// Rows in a page, which is one texture: the largest that WebGL2 promises, less one row that the next page repeats.
pub const PAGE_ROWS: usize = 2047;
/// Rows of the fine level that share their choice between fine and coarse.
pub const BLOCK_ROWS: usize = 8;
/// Unit of the recorded swing, mm. Saturates at 6.5 mm; where the nozzle truly was is held apart, in f32.
pub const SWING_MM: f32 = 0.0002;

const LAST: u32 = 1 << 28;
/// Fills a row up: no segment begins there.
pub const LAST_RECORD: [u32; 4] = [0, 0, 0, LAST];
/// A run becomes one coarse segment while it is straight, and its swing linear, within these.
const COARSE_WAY_MM: f32 = 0.08;
pub const COARSE_SWING_MM: f32 = 0.01;
const COARSE_SPEED: f32 = 0.1;
const COARSE_RUN: usize = 16;

/// A point of a line, in bed coordinates and mm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Node {
    /// Where the nozzle truly was.
    pub at: [f32; 3],
    /// That, less where the steps put it.
    pub swing: [f32; 3],
    pub width: f32,
    pub height: f32,
    /// Of the nozzle, mm/s, and what is laid: where they change, a coarse segment ends, for its colour.
    pub speed: f32,
    pub feature: u8,
    /// No segment begins here.
    pub last: bool,
}

/// The records of one level.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Level {
    /// x, y, z as bits of f32; width in um, height in 2 um << 16, flags << 28.
    pub nodes: Vec<[u32; 4]>,
    /// x | y << 16, z: each an i16 of `SWING_MM`.
    pub swings: Vec<[u32; 2]>,
    /// The fine node that each node is; empty at the fine level, where it is itself.
    pub fine: Vec<u32>,
}

/// Axis-aligned, in mm. Empty when `min > max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub min: [f32; 3],
    pub max: [f32; 3],
}

impl Bounds {
    pub const EMPTY: Bounds = Bounds { min: [f32::INFINITY; 3], max: [f32::NEG_INFINITY; 3] };

    pub fn add(&mut self, at: [f32; 3], margin: f32) {
        self.min = [0, 1, 2].map(|axis| self.min[axis].min(at[axis] - margin));
        self.max = [0, 1, 2].map(|axis| self.max[axis].max(at[axis] + margin));
    }

    pub fn join(&mut self, other: Bounds) {
        self.add_corner(other.min);
        self.add_corner(other.max);
    }

    fn add_corner(&mut self, at: [f32; 3]) {
        if at.iter().all(|v| v.is_finite()) {
            self.add(at, 0.0);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.min[0] > self.max[0]
    }

    pub fn centre(&self) -> [f32; 3] {
        [0, 1, 2].map(|axis| 0.5 * (self.min[axis] + self.max[axis]))
    }

    pub fn diagonal(&self) -> f32 {
        [0, 1, 2].map(|axis| (self.max[axis] - self.min[axis]).powi(2)).iter().sum::<f32>().sqrt()
    }
}

/// Rows of both levels that stand for one another.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub fine_rows: Range<usize>,
    pub coarse_rows: Range<usize>,
    pub bounds: Bounds,
    pub widest: f32,
    /// Largest swing: what exaggeration adds to the bounds.
    pub swing: f32,
    /// Mean length of a fine segment.
    pub segment: f32,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beads {
    pub fine: Level,
    pub coarse: Level,
    pub blocks: Vec<Block>,
    /// Bounds of each fine row.
    pub rows: Vec<RowBounds>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowBounds {
    pub bounds: Bounds,
    pub swing: f32,
}

impl Level {
    fn push(&mut self, node: &Node) {
        let width = (node.width * 1000.0).round().clamp(0.0, 65535.0) as u32;
        let height = (node.height * 500.0).round().clamp(0.0, 4095.0) as u32;
        let flags = if node.last { LAST } else { 0 };
        let [x, y, z] = node.at.map(f32::to_bits);
        self.nodes.push([x, y, z, width | height << 16 | flags]);
        let [x, y, z] = node.swing.map(|mm| u32::from((mm / SWING_MM).round().clamp(-32768.0, 32767.0) as i16 as u16));
        self.swings.push([x | y << 16, z]);
    }

    fn pad_to_row(&mut self) {
        while !self.nodes.len().is_multiple_of(ROW) {
            self.push(&Node { last: true, ..Node::default() });
            self.fine.push(u32::MAX);
        }
    }

    pub fn rows(&self) -> usize {
        self.nodes.len().div_ceil(ROW)
    }

    /// Where a node is drawn: what the shader does with the record.
    #[cfg(test)]
    pub fn drawn(&self, nth: usize, gain: f32) -> [f32; 3] {
        let [x, y, z, _] = self.nodes[nth];
        let [xy, zz] = self.swings[nth];
        let swing = [xy as u16, (xy >> 16) as u16, zz as u16].map(|half| f32::from(half as i16) * SWING_MM);
        let at = [x, y, z].map(f32::from_bits);
        [0, 1, 2].map(|axis| at[axis] + (gain - 1.0) * swing[axis])
    }
}

impl Beads {
    pub fn new(nodes: &[Node]) -> Beads {
        let mut beads = Beads::default();
        beads.fine.nodes.reserve_exact(nodes.len());
        beads.fine.swings.reserve_exact(nodes.len());
        for node in nodes {
            beads.fine.push(node);
        }
        for first in (0..nodes.len()).step_by(ROW * BLOCK_ROWS) {
            // One node more: the last segment ends in the next block.
            let end = (first + ROW * BLOCK_ROWS + 1).min(nodes.len());
            let coarse_first = beads.coarse.rows();
            beads.push_coarse(&nodes[first..end], first);
            let block = beads.block(&nodes[first..end], first, coarse_first);
            beads.blocks.push(block);
        }
        beads
    }

    fn block(&mut self, nodes: &[Node], first: usize, coarse_first: usize) -> Block {
        let first_row = first / ROW;
        let mut block = Block {
            fine_rows: first_row..first_row,
            coarse_rows: coarse_first..self.coarse.rows(),
            bounds: Bounds::EMPTY,
            widest: 0.0,
            swing: 0.0,
            segment: 0.0,
        };
        let (mut way, mut segments) = (0.0_f32, 0_usize);
        for row in (0..nodes.len()).step_by(ROW) {
            let nodes = &nodes[row..(row + ROW + 1).min(nodes.len())];
            if nodes.len() == 1 && row > 0 {
                break;
            }
            let mut this = RowBounds { bounds: Bounds::EMPTY, swing: 0.0 };
            for (nth, node) in nodes.iter().enumerate() {
                this.bounds.add(node.at, node.width.max(node.height));
                this.swing = this.swing.max(length(node.swing));
                block.widest = block.widest.max(node.width);
                if let Some(next) = nodes.get(nth + 1).filter(|_| !node.last) {
                    way += length(difference(next.at, node.at));
                    segments += 1;
                }
            }
            block.bounds.join(this.bounds);
            block.swing = block.swing.max(this.swing);
            self.rows.push(this);
        }
        block.fine_rows.end = self.rows.len();
        block.segment = way / segments.max(1) as f32;
        block
    }

    fn push_coarse(&mut self, nodes: &[Node], first: usize) {
        let mut start = 0;
        while start < nodes.len() {
            self.coarse.push(&Node { last: nodes[start].last || start + 1 == nodes.len(), ..nodes[start] });
            self.coarse.fine.push((first + start) as u32);
            let mut end = start + 1;
            if !nodes[start].last {
                while end + 1 < nodes.len()
                    && end - start < COARSE_RUN
                    && !nodes[end].last
                    && is_straight(&nodes[start..end + 2])
                {
                    end += 1;
                }
            }
            start = end;
        }
        self.coarse.pad_to_row();
    }
}

/// Whether one segment from the first to the last node says what all of them say.
fn is_straight(run: &[Node]) -> bool {
    let [first, inner @ .., last] = run else { return true };
    let way = difference(last.at, first.at);
    let reach = length(way);
    if reach < 1e-6 {
        return false;
    }
    inner.iter().all(|node| {
        let to = difference(node.at, first.at);
        let part = dot(to, way) / (reach * reach);
        let off = [0, 1, 2].map(|axis| to[axis] - part * way[axis]);
        let swing =
            [0, 1, 2].map(|axis| node.swing[axis] - first.swing[axis] - part * (last.swing[axis] - first.swing[axis]));
        (0.0..=1.0).contains(&part)
            && length(off) <= COARSE_WAY_MM
            && length(swing) <= COARSE_SWING_MM
            && (node.width - first.width).abs() <= COARSE_WAY_MM
            && node.height == first.height
            && node.feature == first.feature
            && (node.speed - first.speed).abs() <= COARSE_SPEED * first.speed
    })
}

fn difference(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [0, 1, 2].map(|axis| a[axis] - b[axis])
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn length(a: [f32; 3]) -> f32 {
    dot(a, a).sqrt()
}

/// What one row is drawn with: the corners of `ROW` segments. The nearer the more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detail {
    /// Round, with ends.
    Near,
    /// Three columns, joined at the turns.
    Middle,
    /// A ribbon that faces the eye.
    Far,
}

/// Vertices and triangles of a template. `positions` holds twice the segment plus one at its end, and the column;
/// `rings`, where the detail has them, how far a corner lies beyond the end and how wide the section is there.
pub struct Template {
    pub positions: Vec<[f32; 3]>,
    pub rings: Vec<[f32; 2]>,
    pub indices: Vec<u32>,
}

impl Detail {
    pub const ALL: [Detail; 3] = [Detail::Near, Detail::Middle, Detail::Far];

    /// Half widths beyond the end, and the scale of the section there; the last is the end itself.
    fn rings(self) -> &'static [[f32; 2]] {
        match self {
            Detail::Near => &[[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]],
            Detail::Middle => &[[0.8, 0.6]],
            Detail::Far => &[],
        }
    }

    fn columns(self) -> usize {
        match self {
            Detail::Near => 7,
            Detail::Middle => 3,
            Detail::Far => 2,
        }
    }

    #[cfg(test)]
    pub fn triangles(self) -> usize {
        let rings = 2 * self.rings().len().max(1);
        2 * (rings - 1) * (self.columns() - 1)
    }

    pub fn template(self) -> Template {
        let (columns, rings) = (self.columns(), self.rings());
        let mut template = Template { positions: Vec::new(), rings: Vec::new(), indices: Vec::new() };
        // From beyond the start to beyond the end: (end, ring).
        let mut sections: Vec<(usize, Option<[f32; 2]>)> = rings.iter().map(|ring| (0, Some(*ring))).collect();
        sections.extend(rings.iter().rev().map(|ring| (1, Some(*ring))));
        if rings.is_empty() {
            sections = vec![(0, None), (1, None)];
        }
        for segment in 0..ROW {
            let first = template.positions.len() as u32;
            for &(end, ring) in &sections {
                for column in 0..columns {
                    let angle = (column as f32 / (columns - 1) as f32 - 0.5) * std::f32::consts::PI;
                    let code = (2 * segment + end) as f32;
                    match ring {
                        Some(ring) => {
                            template.positions.push([code, angle, 0.0]);
                            template.rings.push(ring);
                        }
                        None => template.positions.push([code, angle.cos(), angle.sin()]),
                    }
                }
            }
            for section in 0..sections.len() - 1 {
                for column in 0..columns - 1 {
                    let here = first + (section * columns + column) as u32;
                    let there = here + columns as u32;
                    template.indices.extend([here, there, here + 1, here + 1, there, there + 1]);
                }
            }
        }
        template
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wall along x that swings across by `amplitude` mm, in steps of 0.2 mm.
    fn wall(segments: usize, amplitude: f32) -> Vec<Node> {
        (0..=segments)
            .map(|nth| {
                let swing = amplitude * (nth as f32 * 0.4).sin();
                let at = [nth as f32 * 0.2, 17.0 + swing, 0.2];
                Node {
                    at,
                    swing: [0.0, swing, 0.0],
                    width: 0.45,
                    height: 0.2,
                    last: nth == segments,
                    ..Node::default()
                }
            })
            .collect()
    }

    #[test]
    fn a_record_holds_place_and_swing_within_a_micrometre() {
        let nodes = wall(500, 0.05);
        let beads = Beads::new(&nodes);
        for (nth, node) in nodes.iter().enumerate() {
            let [_, y, _] = beads.fine.drawn(nth, 1.0);
            assert_eq!(y, node.at[1], "at exaggeration 1 the bead is where the nozzle was");
            let [_, steps, _] = beads.fine.drawn(nth, 0.0);
            assert!((y - steps - node.swing[1]).abs() < 2e-4, "node {nth}: {} against {}", y - steps, node.swing[1]);
        }
    }

    #[test]
    fn exaggeration_is_linear() {
        let nodes = wall(50, 0.03);
        let beads = Beads::new(&nodes);
        for (nth, node) in nodes.iter().enumerate() {
            let [one, many] = [1.0, 101.0].map(|gain| beads.fine.drawn(nth, gain)[1]);
            assert!((many - one - 100.0 * node.swing[1]).abs() < 100.0 * SWING_MM);
        }
    }

    #[test]
    fn a_straight_run_is_one_coarse_segment_and_a_swinging_one_keeps_its_shape() {
        let straight = Beads::new(&wall(1600, 0.0));
        let segments = straight.coarse.fine.iter().filter(|f| **f != u32::MAX).count() - 1;
        assert_eq!(segments, 1600 / COARSE_RUN);
        let swinging = Beads::new(&wall(1600, 0.5));
        let kept: Vec<u32> = swinging.coarse.fine.iter().copied().filter(|f| *f != u32::MAX).collect();
        assert!(kept.len() > 400, "{} nodes", kept.len());
        assert!(kept.windows(2).all(|w| w[0] < w[1]), "in the order of time");
    }

    #[test]
    fn every_segment_lies_in_one_row_and_in_its_bounds() {
        let nodes = wall(ROW * BLOCK_ROWS + 3000, 0.1);
        let beads = Beads::new(&nodes);
        assert_eq!(beads.rows.len(), beads.fine.rows());
        assert_eq!(beads.blocks.len(), 2);
        assert_eq!(beads.blocks[1].fine_rows, BLOCK_ROWS..BLOCK_ROWS + 2);
        assert_eq!(beads.blocks[0].coarse_rows.end, beads.blocks[1].coarse_rows.start);
        for (nth, node) in nodes.iter().enumerate() {
            let Bounds { min, max } = beads.rows[nth / ROW].bounds;
            assert!((0..3).all(|axis| min[axis] <= node.at[axis] && node.at[axis] <= max[axis]), "node {nth}");
        }
    }

    #[test]
    fn a_template_has_the_corners_of_every_segment_of_a_row() {
        for detail in Detail::ALL {
            let template = detail.template();
            assert_eq!(template.indices.len(), ROW * detail.triangles() * 3);
            let corners = template.positions.len() as u32;
            assert!(template.indices.iter().all(|i| *i < corners));
            let last = template.positions.last().map(|p| p[0]);
            assert_eq!(last, Some((2 * ROW - 1) as f32));
        }
    }
}
