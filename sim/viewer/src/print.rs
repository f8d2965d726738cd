//! From a recording's beads to nodes: what the scene draws, and which of it is there at a time.

use crate::beads::Node;
use drydock_view_model::{BeadRecord, Document, Part};
use std::ops::Range;

/// Nodes of a part, and the node that each bead begins at.
#[derive(Debug, Default)]
pub struct Nodes {
    pub nodes: Vec<Node>,
    count: usize,
    of_bead: Vec<u32>,
}

impl Nodes {
    pub fn of(part: &Part) -> Nodes {
        let beads = part.beads();
        let mut made = Nodes { of_bead: Vec::with_capacity(beads.len()), ..Nodes::default() };
        for (nth, bead) in beads.iter().enumerate() {
            let joined = nth > 0 && bead.is_joined();
            let speed = bead.length_mm() / (part.duration_ns(nth).max(1) as f32 * 1e-9);
            let node = |at| Node { speed, ..node(bead, at) };
            let begin = node(bead.from_mm);
            if joined {
                // The end of the bead before is this one's beginning; its section is between the two.
                if let Some(before) = made.nodes.last_mut() {
                    *before = Node { width: (before.width + begin.width) / 2.0, last: false, ..begin };
                }
            } else {
                made.nodes.push(begin);
            }
            made.of_bead.push(made.nodes.len() as u32 - 1);
            made.nodes.push(Node { last: true, ..node(bead.to_mm) });
        }
        made.count = made.nodes.len();
        made
    }

    /// Lets the nodes go once they are where they are drawn; which bead is which stays.
    pub fn forget(&mut self) {
        self.nodes = Vec::new();
    }

    /// How far the nozzle was from where the steps put it, at every node. Reads all states of the run.
    pub fn swing(&mut self, document: &mut Document) {
        let part = document.part();
        let mut times = vec![0; self.nodes.len()];
        for (bead, &node) in self.of_bead.iter().enumerate() {
            times[node as usize] = part.start_ns(bead);
            times[node as usize + 1] = part.end_ns(bead);
        }
        let mut swings = Swings::default();
        for (node, at_ns) in self.nodes.iter_mut().zip(times) {
            node.swing = swings.at(document, at_ns);
        }
    }

    /// One value a node from one a bead: between two beads, what lies between theirs.
    pub fn values(&self, of_beads: &[f32], flat: bool) -> Vec<f32> {
        let mut values = vec![f32::NAN; self.count];
        for (&node, &value) in self.of_bead.iter().zip(of_beads) {
            let node = node as usize;
            let before = values[node];
            values[node] =
                if before.is_finite() && value.is_finite() && !flat { (before + value) / 2.0 } else { value };
            values[node + 1] = value;
        }
        values
    }

    /// The first segment of a range of beads, and the first after it.
    pub fn segments(&self, beads: Range<usize>) -> Range<u32> {
        self.segment(beads.start)..self.segment(beads.end)
    }

    pub fn segment(&self, bead: usize) -> u32 {
        self.of_bead.get(bead).copied().unwrap_or(self.count as u32)
    }
}

fn node(bead: &BeadRecord, at: [f32; 3]) -> Node {
    Node { at, width: bead.width_mm(), height: bead.height_mm(), feature: bead.feature, ..Node::default() }
}

/// The swing over time, read a window at a time: beads come in the order of time.
#[derive(Default)]
struct Swings {
    window: Range<u64>,
    at_ns: Vec<u64>,
    swings: Vec<[f32; 3]>,
}

const WINDOW_NS: u64 = 10_000_000_000;

impl Swings {
    fn at(&mut self, document: &mut Document, at_ns: u64) -> [f32; 3] {
        if !self.window.contains(&at_ns) {
            self.window = at_ns..at_ns.saturating_add(WINDOW_NS);
            // A little more on both sides, so that every time in the window lies between two samples.
            let around = at_ns.saturating_sub(100_000_000)..self.window.end.saturating_add(100_000_000);
            let trail = document.trail(around, usize::MAX);
            let swing =
                |(truth, drive): (&[f64; 3], &[f64; 3])| [0, 1, 2].map(|axis| (truth[axis] - drive[axis]) as f32);
            self.swings = trail.truth.iter().zip(&trail.drive).map(swing).collect();
            self.at_ns = trail.at_ns;
        }
        let after = self.at_ns.partition_point(|ns| *ns <= at_ns);
        let before = after.saturating_sub(1);
        let (Some(a), Some(b)) = (self.swings.get(before), self.swings.get(after).or(self.swings.get(before))) else {
            return [0.0; 3];
        };
        let (from, to) = (self.at_ns[before], self.at_ns.get(after).copied().unwrap_or(at_ns));
        let part = at_ns.saturating_sub(from) as f32 / to.saturating_sub(from).max(1) as f32;
        [0, 1, 2].map(|axis| a[axis] + part.clamp(0.0, 1.0) * (b[axis] - a[axis]))
    }
}
