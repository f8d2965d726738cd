//! Smooth pressure advance: the extruder runs ahead of the plan in proportion to its speed.
//!
//! # Equation
//!   position(t) = ∫ w(y)·f(t + y) dy, −h ≤ y ≤ h, with f = e + K·v_e (K only on segments that advance) and the
//!   triangle w(y) = (h − |y|)/h². So position″(t) = (f(t + h) − 2f(t) + f(t − h))/h², and between two edges of
//!   segments under t − h, t and t + h, position is quartic in t.
//! # Symbols
//!   e [mm] planned filament · v_e [mm/s] its speed · K [s] pressure advance · h [s] half of the smooth time
//! # Valid for
//!   any queue; f may jump (v_e does, at corners and where K begins to apply)
//! # Caveats
//!   f is taken relative to its value in the middle of the window before it is integrated, so that hundreds of mm
//!   of filament do not cost digits.

use super::StepSink;
use super::emit::Emitter;
use super::newton;
use super::pieces::Piece;
use super::polynomial::Quartic;
use super::quadratic;
use super::search::Windows;
use crate::kinematics::ActuatorMap;
use crate::trapq::{Segment, TrapQ};
use alloc::vec::Vec;

#[derive(Debug, Clone)]
pub(super) struct PressureAdvance {
    /// (print time from which it holds, K), ascending; the first holds from the beginning.
    advances: Vec<(f64, f64)>,
    half_s: f64,
    /// Number of the segment under the window's left edge.
    index: u64,
    windows: Windows,
}

/// f on one segment: a quadratic of the time since `start`.
#[derive(Debug, Clone, Copy)]
struct Part {
    start: f64,
    end: f64,
    c: [f64; 3],
}

impl Part {
    /// The quadratic seen from `time`.
    fn at(&self, time: f64) -> [f64; 3] {
        let u = (time - self.start).max(0.0);
        let c = &self.c;
        [(c[2] * u + c[1]) * u + c[0], 2.0 * c[2] * u + c[1], c[2]]
    }
}

impl PressureAdvance {
    pub fn new(index: u64) -> Self {
        Self { advances: Vec::new(), half_s: 0.0, index, windows: Windows::default() }
    }

    pub fn set_advance(&mut self, from: f64, advance_s: f64) {
        self.advances.retain(|&(t, _)| t < from);
        let from = if self.advances.is_empty() { f64::NEG_INFINITY } else { from };
        self.advances.push((from, advance_s));
    }

    pub fn set_smooth_time(&mut self, smooth_time_s: f64) {
        self.half_s = 0.5 * smooth_time_s.max(0.0);
    }

    pub fn first_index(&self) -> u64 {
        self.index
    }

    pub fn rewind(&mut self, first: u64) {
        self.index = first;
    }

    pub fn window(&self) -> (f64, f64) {
        (self.half_s, self.half_s)
    }

    fn advance_at(&self, print_time: f64) -> f64 {
        self.advances.iter().rev().find(|(t, _)| *t <= print_time).map_or(0.0, |&(_, k)| k)
    }

    fn part(&self, s: &Segment, map: &ActuatorMap) -> Part {
        // The queue's y direction says whether the move advances; it is no coordinate.
        let r = map.position([s.axes_r[0], 0.0, 0.0]);
        let k = if self.half_s > 0.0 && s.axes_r[1] != 0.0 { self.advance_at(s.print_time) } else { 0.0 };
        let (v, a) = (r * s.start_v, r * s.half_accel);
        let pos = map.position([s.start_pos[0], 0.0, 0.0]);
        Part { start: s.print_time, end: s.end_time(), c: [pos + k * v, v + 2.0 * k * a, a] }
    }

    /// The parts under the window around `time`; rest before and after the queue. Returns the first and last number.
    fn parts_under(&mut self, map: &ActuatorMap, trapq: &TrapQ, time: f64, parts: &mut Vec<Part>) {
        parts.clear();
        let (left, right) = (time - self.half_s, time + self.half_s);
        self.index = self.index.max(trapq.first_index());
        while trapq.segment(self.index).is_some_and(|s| s.end_time() <= left) {
            self.index += 1;
        }
        if let Some(s) = trapq.segment(self.index)
            && s.print_time > left
        {
            let pos = map.position([s.start_pos[0], 0.0, 0.0]);
            parts.push(Part { start: left, end: s.print_time, c: [pos, 0.0, 0.0] });
        }
        let mut index = self.index;
        // Rounding may leave a hair between two segments: one more is taken rather than one too few.
        while let Some(s) = trapq.segment(index)
            && (s.print_time <= right || parts.last().is_none_or(|p| p.end <= right))
        {
            parts.push(self.part(s, map));
            index += 1;
        }
        if trapq.segment(index).is_none() && parts.last().is_none_or(|p| p.end <= right) {
            let pos = map.position([trapq.end_pos()[0], 0.0, 0.0]);
            let start = parts.last().map_or(left, |p| p.end);
            parts.push(Part { start, end: f64::INFINITY, c: [pos, 0.0, 0.0] });
        }
    }

    pub fn generate(
        &mut self,
        map: &ActuatorMap,
        trapq: &TrapQ,
        from: f64,
        until: f64,
        emitter: &mut Emitter,
        sink: &mut impl StepSink,
    ) {
        let mut parts = Vec::new();
        self.windows.look_again();
        let (axes, early_s) = (map.axes(), self.half_s);
        let mut time = from;
        while time < until {
            if let Some((start, end)) = self.windows.at(trapq, time, axes, early_s) {
                emitter.enter_window(start.max(from), end.min(until), sink);
            }
            self.parts_under(map, trapq, time, &mut parts);
            let h = self.half_s;
            let Some(&last) = parts.last() else { return };
            let under = |t: f64| *parts.iter().find(|p| t < p.end).unwrap_or(&last);
            let (left, mid, right) = (under(time - h), under(time), under(time + h));
            let end = (left.end + h).min(mid.end).min(right.end - h).min(self.windows.end());
            // An edge that rounding puts at `time` itself would stop the clock.
            let end = end.max(time + 1e-12);
            if parts.iter().any(|p| p.c[1] != 0.0 || p.c[2] != 0.0) {
                let curve = if h > 0.0 { smoothed(&parts, left, mid, right, time, h) } else { plain(&mid, time) };
                let u1 = (end - time).min(until - time);
                let is_end = end <= until;
                let c = curve.0;
                if c[3] == 0.0 && c[4] == 0.0 {
                    let piece = Piece { print_time: time, duration: end - time, pos: c[0], v: c[1], half_accel: c[2] };
                    quadratic::solve(&piece, 0.0, u1, emitter, sink);
                } else {
                    newton::solve(&curve, time, u1, is_end, emitter, sink);
                }
            }
            time = end.min(until);
        }
        // Settings from before the window will not be asked for again.
        let left = until - self.half_s;
        let outdated = self.advances.iter().rposition(|&(t, _)| t <= left - MAX_MOVE_S).unwrap_or(0);
        self.advances.drain(..outdated);
    }
}

/// No segment under the window began longer ago than this (a move is at most a few minutes long).
const MAX_MOVE_S: f64 = 3600.0;

fn plain(mid: &Part, time: f64) -> Quartic {
    let [a, b, c] = mid.at(time);
    Quartic([a, b, c, 0.0, 0.0])
}

/// The smoothed position as a polynomial of the time since `time`.
fn smoothed(parts: &[Part], left: Part, mid: Part, right: Part, time: f64, h: f64) -> Quartic {
    let reference = mid.at(time)[0];
    let inv_h2 = 1.0 / (h * h);
    let (mut value, mut slope) = (0.0, 0.0);
    for p in parts {
        let (a, b) = ((p.start - time).max(-h), (p.end - time).min(h));
        if a >= b {
            continue;
        }
        // Left of the middle the weight rises, right of it it falls.
        if a < 0.0 {
            let end = b.min(0.0);
            let (plain, moment) = integrals(p, time, reference, a, end);
            value += (h + a) * plain + moment;
            slope -= plain;
        }
        if b > 0.0 {
            let start = a.max(0.0);
            let (plain, moment) = integrals(p, time, reference, start, b);
            value += (h - start) * plain - moment;
            slope += plain;
        }
    }
    let (l, m, r) = (left.at(time - h), mid.at(time), right.at(time + h));
    let k: [f64; 3] = core::array::from_fn(|i| ((r[i] - m[i]) - (m[i] - l[i])) * inv_h2);
    Quartic([reference + value * inv_h2, slope * inv_h2, 0.5 * k[0], k[1] / 6.0, k[2] / 12.0])
}

/// ∫ g and ∫ y·g over 0..b−a, where g(y) = f(time + a + y) − reference on part `p`.
fn integrals(p: &Part, time: f64, reference: f64, a: f64, b: f64) -> (f64, f64) {
    let [c0, c1, c2] = p.at(time + a);
    let c0 = c0 - reference;
    let y = b - a;
    let plain = ((c2 / 3.0 * y + c1 / 2.0) * y + c0) * y;
    let moment = ((c2 / 4.0 * y + c1 / 3.0) * y + c0 / 2.0) * y * y;
    (plain, moment)
}
