//! Deviation of every bead: how far the true nozzle was from the wall it should have drawn, um.
//!
//! The wall, and what is right of it, are those of `drydock_analysis::wall`. On a straight wall the bead's own place is
//! held against the line, so that it does not matter how densely the states were sampled; on a curve the deviation of the
//! states around it is taken.

use crate::part::Part;
use crate::stream::{AnyReader, Stream, share};
use drydock_analysis::wall::{STILL_NS, Tracer, WallPoint};
use drydock_recording::State;

#[derive(Default)]
pub(crate) struct Deviations {
    tracer: Tracer,
    block: usize,
    /// The bead that the newest state may lie on.
    under: usize,
    points: Vec<WallPoint>,
    settled: usize,
    ended: bool,
}

impl Deviations {
    /// Reads at most so many blocks; gives the share that is done.
    pub(crate) fn go_on(
        &mut self,
        most: usize,
        reader: &mut AnyReader,
        states: &mut Stream<State>,
        part: &Part,
        finished: bool,
        values: &mut Vec<f32>,
    ) -> f32 {
        values.truncate(self.settled);
        let ready = states.over_by(self.block, if finished { u64::MAX } else { part.known_ns() });
        for _ in 0..ready.min(most) {
            for state in states.read(reader, self.block) {
                while self.under < part.len() && part.end_ns(self.under) <= state.at_ns {
                    self.under += 1;
                }
                let on = self.under < part.len() && part.start_ns(self.under) <= state.at_ns;
                self.tracer.push(&state, on.then(|| part.bead(self.under).feature), &mut self.points);
            }
            self.block += 1;
            self.settle(part, values);
        }
        let left = ready - ready.min(most);
        if finished && left == 0 && !self.ended {
            self.ended = true;
            self.tracer.end(&mut self.points);
            self.settle(part, values);
            let last = self.points.last();
            values.extend(
                (values.len()..part.len()).map(|bead| last.map_or(f32::NAN, |p| deviation_um(part, bead, None, p))),
            );
        }
        self.settled = values.len();
        values.resize(part.len(), f32::NAN);
        share(self.block, left)
    }

    /// Values for the beads before the newest wall point; points that are not needed any more are forgotten.
    fn settle(&mut self, part: &Part, values: &mut Vec<f32>) {
        let mut next = 0;
        while values.len() < part.len() {
            let bead = values.len();
            let middle_ns = part.middle_ns(bead);
            while self.points.get(next).is_some_and(|p| p.at_ns <= middle_ns) {
                next += 1;
            }
            let Some(after) = self.points.get(next) else { break };
            let before = next.checked_sub(1).map(|i| &self.points[i]);
            values.push(deviation_um(part, bead, before, after));
        }
        self.points.drain(..next.saturating_sub(1));
    }
}

fn deviation_um(part: &Part, bead: usize, before: Option<&WallPoint>, after: &WallPoint) -> f32 {
    let middle_ns = part.middle_ns(bead);
    let bead = part.bead(bead);
    let middle = [0, 1].map(|i| (f64::from(bead.from_mm[i]) + f64::from(bead.to_mm[i])) / 2.0);
    let gap_ns = |p: &WallPoint| p.at_ns.abs_diff(middle_ns);
    let way = [0, 1].map(|i| f64::from(bead.to_mm[i] - bead.from_mm[i]));
    let along = |p: &WallPoint| way[1] * p.right[0] - way[0] * p.right[1];
    // Between two walls the bead is on the one that it runs along.
    let nearer = |b: &&WallPoint| {
        if b.wall != after.wall { along(b) > along(after) } else { gap_ns(b) <= gap_ns(after) }
    };
    let nearest = before.filter(nearer).unwrap_or(after);
    if gap_ns(nearest) > STILL_NS {
        return f32::NAN;
    }
    if nearest.straight {
        let off = [middle[0] - nearest.ideal_mm[0], middle[1] - nearest.ideal_mm[1]];
        return ((off[0] * nearest.right[0] + off[1] * nearest.right[1]) * 1e3) as f32;
    }
    match before.filter(|b| b.chain == after.chain && after.at_ns > b.at_ns) {
        Some(b) => {
            let part = gap_ns(b) as f64 / (after.at_ns - b.at_ns) as f64;
            (b.deviation_um + part * (after.deviation_um - b.deviation_um)) as f32
        }
        None => nearest.deviation_um as f32,
    }
}
