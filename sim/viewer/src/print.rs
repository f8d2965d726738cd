//! From a recording's beads to nodes: what the scene draws, and which of it is there at a time.

use crate::beads::Node;
use drydock_view_model::{BeadRecord, Document, Part};
use std::ops::Range;

/// Nodes of a part, and the node that each bead begins at. Nodes that are drawn already need not be held.
#[derive(Debug, Default)]
pub struct Nodes {
    held: Vec<Node>,
    /// The first that is held.
    first: usize,
    /// Up to this one swings are known.
    swung: usize,
    of_bead: Vec<u32>,
}

/// Nodes whose swings are looked up together.
const TOGETHER: usize = 16 * 1024;

impl Nodes {
    pub fn of(part: &Part) -> Nodes {
        let mut made = Nodes::default();
        made.extend(part);
        made
    }

    /// Takes in the beads that the part has more.
    pub fn extend(&mut self, part: &Part) {
        let known = self.of_bead.len();
        let beads = part.beads();
        self.of_bead.reserve_exact(beads.len() - known.min(beads.len()));
        for (nth, bead) in beads.iter().enumerate().skip(known) {
            let joined = nth > 0 && bead.is_joined();
            let speed = bead.length_mm() / (part.duration_ns(nth).max(1) as f32 * 1e-9);
            let node = |at| Node { speed, ..node(bead, at) };
            let begin = node(bead.from_mm);
            if joined {
                // The end of the bead before is this one's beginning; its section is between the two.
                if let Some(before) = self.held.last_mut() {
                    let (width, swing) = ((before.width + begin.width) / 2.0, before.swing);
                    *before = Node { width, swing, last: false, ..begin };
                }
            } else {
                self.held.push(begin);
            }
            self.of_bead.push(self.count() as u32 - 1);
            self.held.push(Node { last: true, ..node(bead.to_mm) });
        }
    }

    pub fn count(&self) -> usize {
        self.first + self.held.len()
    }

    pub fn beads(&self) -> usize {
        self.of_bead.len()
    }

    pub fn first_held(&self) -> usize {
        self.first
    }

    /// A stretch of the nodes that are held, and the one after it, where its last segment ends.
    pub fn stretch(&self, nodes: Range<usize>) -> Vec<Node> {
        let mut stretch: Vec<Node> = self.held[nodes.start - self.first..nodes.end - self.first].to_vec();
        let next = self.held.get(nodes.end - self.first);
        stretch.extend(next.map(|node| Node { last: true, ..*node }));
        stretch
    }

    /// Lets nodes go once they are where they are drawn; which bead is which stays.
    pub fn forget_before(&mut self, node: usize) {
        self.held.drain(..node - self.first);
        self.first = node;
        self.held.shrink_to_fit();
    }

    /// Looks up how far the nozzle was from where the steps put it, for a piece of the nodes; gives the share that is done.
    pub fn swing(&mut self, document: &mut Document) -> f32 {
        let from = self.swung.max(self.first);
        let until = (from + TOGETHER).min(self.count());
        let part = document.part();
        let beads = self.of_bead.partition_point(|node| (*node as usize + 1) < from);
        let mut times = vec![0; until - from];
        for (bead, &node) in self.of_bead.iter().enumerate().skip(beads) {
            let node = node as usize;
            if node >= until {
                break;
            }
            for (node, at_ns) in [(node, part.start_ns(bead)), (node + 1, part.end_ns(bead))] {
                if let Some(time) = node.checked_sub(from).and_then(|nth| times.get_mut(nth)) {
                    *time = at_ns;
                }
            }
        }
        let swings = document.displacements(&times);
        for (node, swing) in self.held[from - self.first..].iter_mut().zip(swings) {
            node.swing = swing;
        }
        self.swung = until;
        if until == self.count() { 1.0 } else { until as f32 / self.count() as f32 }
    }

    /// The swings of what is held are to be looked up again: states are written later than beads.
    pub fn forget_swings(&mut self) {
        self.swung = self.first;
    }

    /// One value a node from one a bead: between two beads, what lies between theirs.
    pub fn values(&self, of_beads: &[f32], flat: bool) -> Vec<f32> {
        let mut values = vec![f32::NAN; self.count()];
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
        self.of_bead.get(bead).copied().unwrap_or(self.count() as u32)
    }
}

fn node(bead: &BeadRecord, at: [f32; 3]) -> Node {
    Node { at, width: bead.width_mm(), height: bead.height_mm(), feature: bead.feature, ..Node::default() }
}
