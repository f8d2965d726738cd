//! Two recordings side by side: playheads locked by G-code line, and the difference of what they laid.
//!
//! The same line of the same program is the same place. Within a line it is the same share of the way, so that two runs
//! stand at the same place of a wall also where one of them takes the corner before it more slowly.

use crate::colour::ColourBy;
use crate::document::Document;
use crate::part::Part;
use crate::pose::way_mm;
use drydock_recording::Move;
use std::ops::Range;

pub struct Compare;

impl Compare {
    /// The time in `to` that stands for a time in `from`; `None` where `to` has no such line.
    pub fn time(from: &mut Document, to: &mut Document, at_ns: u64) -> Option<u64> {
        let line = from.timeline().line_at(at_ns)?;
        let span = from.timeline().line_span(line)?;
        let number = from.timeline().line(line)?.line_no;
        let others = to.timeline();
        let other = others.line_span(others.line_numbered(number)?)?;
        let of_time = || (at_ns - span.start) as f64 / (span.end - span.start).max(1) as f64;
        let share = from.plan(&span).share(at_ns).unwrap_or_else(of_time).clamp(0.0, 1.0);
        let on_the_way = to.plan(&other).time(share);
        Some(on_the_way.unwrap_or(other.start + ((other.end - other.start) as f64 * share) as u64))
    }

    /// For each bead of `a`: its deviation less that of the bead which `b` laid at the same place of the program, um; not a
    /// number where `b` laid nothing there.
    pub fn deviation_difference(a: &mut Document, b: &mut Document) -> Vec<f32> {
        let theirs = b.values(ColourBy::Deviation).to_vec();
        let mut ours = a.values(ColourBy::Deviation).to_vec();
        let (a, b) = (&*a, &*b);
        let mut bead = 0;
        while bead < ours.len() {
            let Some(line) = a.timeline().line_at(a.part().start_ns(bead)) else {
                ours[bead] = f32::NAN;
                bead += 1;
                continue;
            };
            let beads = line_beads(a, line).unwrap_or(bead..bead + 1);
            let beads = bead..beads.end.max(bead + 1);
            let number = a.timeline().line(line).map(|l| l.line_no);
            let other = number.and_then(|n| b.timeline().line_numbered(n)).and_then(|line| line_beads(b, line));
            match other.filter(|o| !o.is_empty()) {
                Some(other) => subtract(a.part(), beads.clone(), &mut ours, b.part(), other, &theirs),
                None => ours[beads.clone()].fill(f32::NAN),
            }
            bead = beads.end;
        }
        ours
    }
}

/// The beads that are begun while a line is under way.
fn line_beads(document: &Document, line: usize) -> Option<Range<usize>> {
    let span = document.timeline().line_span(line)?;
    Some(document.part().first_from(span.start)..document.part().first_from(span.end))
}

/// Takes from each bead's value that of the bead at the same share of the other line's length.
fn subtract(a: &Part, beads: Range<usize>, ours: &mut [f32], b: &Part, others: Range<usize>, theirs: &[f32]) {
    let long = |part: &Part, range: Range<usize>| range.map(|i| part.bead(i).length_mm()).sum::<f32>().max(1e-6);
    let scale = long(b, others.clone()) / long(a, beads.clone());
    let mut other = others.start;
    let (mut way, mut other_end) = (0.0, b.bead(other).length_mm());
    for bead in beads {
        let own = a.bead(bead).length_mm();
        let middle = (way + own / 2.0) * scale;
        while other + 1 < others.end && other_end < middle {
            other += 1;
            other_end += b.bead(other).length_mm();
        }
        ours[bead] -= theirs[other];
        way += own;
    }
}

/// The moves of one line.
struct Plan {
    moves: Vec<Move>,
    long_mm: f64,
}

impl Plan {
    /// How much of the way is done at a time; `None` where the line has no way.
    fn share(&self, at_ns: u64) -> Option<f64> {
        let done: f64 = self.moves.iter().map(|m| way_mm(m, at_ns)).sum();
        (self.long_mm > 1e-6).then(|| done / self.long_mm)
    }

    /// When a share of the way is done.
    fn time(&self, share: f64) -> Option<u64> {
        let mut left = share * self.long_mm;
        for planned in &self.moves {
            let long = way_mm(planned, u64::MAX);
            if left > long {
                left -= long;
                continue;
            }
            // v t + a t^2/2 = left
            let (v, a) = (planned.start_v_mm_s, planned.accel_mm_s2);
            let root = (v * v + 2.0 * a * left).max(0.0).sqrt();
            let t = if v + root > 0.0 { 2.0 * left / (v + root) } else { 0.0 };
            return Some(planned.at_ns.saturating_add(((t * 1e9) as u64).min(planned.duration_ns)));
        }
        self.moves.last().map(|m| m.at_ns.saturating_add(m.duration_ns))
    }
}

impl Document {
    fn plan(&mut self, span: &Range<u64>) -> Plan {
        let mut moves = Vec::new();
        self.streams.moves.for_each(&mut self.reader, span.clone(), |m| moves.push(m.clone()));
        let long_mm = moves.iter().map(|m| way_mm(m, u64::MAX)).sum();
        Plan { moves, long_mm }
    }
}
