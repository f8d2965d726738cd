//! Two recordings side by side: playheads locked by G-code line, and the difference of what they laid.

use crate::colour::ColourBy;
use crate::document::Document;
use crate::timeline::Timeline;

/// Finds in one run the times of another one.
///
/// The same line of the same program is the same place; within a line it is the same share of its time.
#[derive(Clone, Debug, Default)]
pub struct Compare;

impl Compare {
    /// The time in `to` that stands for a time in `from`.
    pub fn time(from: &Timeline, to: &Timeline, at_ns: u64) -> Option<u64> {
        let line = from.line_at(at_ns)?;
        let span = from.line_span(line)?;
        let number = from.line(line)?.line_no;
        let other = to.line_span(to.line_numbered(number)?)?;
        let share = (at_ns - span.start) as f64 / (span.end - span.start).max(1) as f64;
        Some(other.start + ((other.end - other.start) as f64 * share.min(1.0)) as u64)
    }

    /// For each bead of `a`: its deviation less that of the bead which `b` laid at the same place of the program, um.
    pub fn deviation_difference(a: &mut Document, b: &mut Document) -> Vec<f32> {
        let theirs = b.values(ColourBy::Deviation).to_vec();
        let mut ours = a.values(ColourBy::Deviation).to_vec();
        for (bead, value) in ours.iter_mut().enumerate() {
            let other_ns = Compare::time(a.timeline(), b.timeline(), a.part().middle_ns(bead));
            let other = other_ns.and_then(|ns| b.part().bead_at(ns)).and_then(|bead| theirs.get(bead));
            *value -= other.copied().unwrap_or(f32::NAN);
        }
        ours
    }
}
