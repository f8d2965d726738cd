//! The trapezoid queue: where the toolhead (or the extruder) is at every print time.
//!
//! A [`TrapMove`] is cut into at most three [`Segment`]s of constant acceleration. Segments lie end to end: a gap
//! between two moves becomes a segment at rest. Before the first and after the last segment the position is held.
//!
//! Step generators refer to segments by a number that stays valid while old segments are dropped, so one queue can
//! be read by many generators (on many threads) while each keeps its own place.

use crate::lookahead::{E, PlannedMove};
use alloc::collections::VecDeque;

/// One planned move on the time axis. End speed = `cruise_v − accel·decel_t`.
///
/// Extruder moves use x for mm of filament, `axes_r = [1, PA, 0]` with PA = 1 where pressure advance applies, and
/// signed speeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrapMove {
    /// Seconds, absolute.
    pub print_time: f64,
    pub accel_t: f64,
    pub cruise_t: f64,
    pub decel_t: f64,
    pub start_pos: [f64; 3],
    pub axes_r: [f64; 3],
    pub start_v: f64,
    pub cruise_v: f64,
    pub accel: f64,
}

impl<P> PlannedMove<P> {
    /// The toolhead's part (X, Y, Z) of this move. For moves with `is_kinematic`.
    pub fn trap_move(&self, print_time: f64) -> TrapMove {
        let (p, r) = (&self.mv.start_pos, &self.mv.axes_r);
        TrapMove {
            print_time,
            accel_t: self.accel_t,
            cruise_t: self.cruise_t,
            decel_t: self.decel_t,
            start_pos: [p[0], p[1], p[2]],
            axes_r: [r[0], r[1], r[2]],
            start_v: self.start_v,
            cruise_v: self.cruise_v,
            accel: self.mv.accel,
        }
    }

    /// The extruder's part of this move. For moves with `axes_d[E] != 0`.
    ///
    /// Pressure advance applies where the extruder pushes while X or Y moves.
    pub fn extruder_trap_move(&self, print_time: f64) -> TrapMove {
        let ratio = self.mv.axes_r[E];
        let presses = ratio > 0.0 && (self.mv.axes_d[0] != 0.0 || self.mv.axes_d[1] != 0.0);
        TrapMove {
            start_pos: [self.mv.start_pos[E], 0.0, 0.0],
            axes_r: [1.0, f64::from(u8::from(presses)), 0.0],
            start_v: self.start_v * ratio,
            cruise_v: self.cruise_v * ratio,
            accel: self.mv.accel * ratio,
            ..self.trap_move(print_time)
        }
    }
}

/// A stretch of constant acceleration: `pos(u) = start_pos + axes_r·(start_v·u + half_accel·u²)`, 0 ≤ u ≤ duration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    pub print_time: f64,
    pub duration: f64,
    pub start_v: f64,
    pub half_accel: f64,
    pub start_pos: [f64; 3],
    pub axes_r: [f64; 3],
}

impl Segment {
    fn rest(print_time: f64, duration: f64, pos: [f64; 3]) -> Self {
        Self { print_time, duration, start_v: 0.0, half_accel: 0.0, start_pos: pos, axes_r: [0.0; 3] }
    }

    /// Distance along `axes_r` after `u` seconds.
    pub fn distance(&self, u: f64) -> f64 {
        (self.start_v + self.half_accel * u) * u
    }

    /// Position `u` seconds after the segment's start.
    pub fn position(&self, u: f64) -> [f64; 3] {
        let d = self.distance(u);
        core::array::from_fn(|i| self.start_pos[i] + self.axes_r[i] * d)
    }

    pub fn end_time(&self) -> f64 {
        self.print_time + self.duration
    }

    /// True where the position changes along an axis with `mask[axis]`.
    pub fn moves(&self, mask: [bool; 3]) -> bool {
        (self.start_v != 0.0 || self.half_accel != 0.0) && (0..3).any(|i| mask[i] && self.axes_r[i] != 0.0)
    }
}

/// The queue. See the module's page.
#[derive(Debug, Clone)]
pub struct TrapQ {
    segments: VecDeque<Segment>,
    /// Number of `segments[0]`.
    first: u64,
    /// Segments that were in the queue when the position was set anew; only for reports.
    past: VecDeque<Segment>,
    end_time: f64,
    end_pos: [f64; 3],
}

impl TrapQ {
    /// At rest at `pos` from the beginning of time.
    pub fn new(pos: [f64; 3]) -> Self {
        Self { segments: VecDeque::new(), first: 0, past: VecDeque::new(), end_time: 0.0, end_pos: pos }
    }

    /// Append a move; its `print_time` must not lie before the end of the last one.
    pub fn append(&mut self, m: &TrapMove) {
        if m.print_time > self.end_time {
            let gap = Segment::rest(self.end_time, m.print_time - self.end_time, m.start_pos);
            self.segments.push_back(gap);
        }
        let mut s = Segment {
            print_time: m.print_time,
            duration: m.accel_t,
            start_v: m.start_v,
            half_accel: 0.5 * m.accel,
            start_pos: m.start_pos,
            axes_r: m.axes_r,
        };
        let phases = [
            (m.accel_t, m.start_v, 0.5 * m.accel),
            (m.cruise_t, m.cruise_v, 0.0),
            (m.decel_t, m.cruise_v, -0.5 * m.accel),
        ];
        for (duration, start_v, half_accel) in phases {
            // A phase of no length (or a rounding error below none) would only cost time.
            if duration <= 0.0 {
                continue;
            }
            s = Segment { duration, start_v, half_accel, ..s };
            self.segments.push_back(s);
            s.start_pos = s.position(duration);
            s.print_time += duration;
        }
        self.end_time = s.print_time;
        self.end_pos = s.start_pos;
    }

    /// Forget all motion and rest at `pos` from `print_time` on (G92-like set, homing, an aborted move). Generators
    /// must be told too: `StepGenerator::set_position`.
    pub fn set_position(&mut self, print_time: f64, pos: [f64; 3]) {
        self.first += self.segments.len() as u64;
        for s in self.segments.drain(..) {
            if s.print_time < print_time {
                self.past.push_back(Segment { duration: s.duration.min(print_time - s.print_time), ..s });
            }
        }
        self.end_time = print_time;
        self.end_pos = pos;
    }

    /// All that is queued is made, and rest follows: a window that widens later finds no motion in the past.
    pub fn settle(&mut self) {
        self.set_position(self.end_time, self.end_pos);
    }

    /// Drop the segments that end before `print_time`. Generators must already be past it by their windows.
    pub fn trim(&mut self, print_time: f64) {
        while self.past.front().is_some_and(|s| s.end_time() < print_time) {
            self.past.pop_front();
        }
        // The newest segment stays, so that what comes before the queue's start is its position.
        while self.segments.len() > 1 && self.segments[0].end_time() < print_time {
            self.segments.pop_front();
            self.first += 1;
        }
    }

    /// Print time at which the last segment ends.
    pub fn end_time(&self) -> f64 {
        self.end_time
    }

    /// Position after the last segment.
    pub fn end_pos(&self) -> [f64; 3] {
        self.end_pos
    }

    /// Number of the first segment that is still held.
    pub fn first_index(&self) -> u64 {
        self.first
    }

    /// One past the number of the last segment.
    pub fn end_index(&self) -> u64 {
        self.first + self.segments.len() as u64
    }

    /// Segment by number; `None` if it is dropped or not there yet.
    pub fn segment(&self, index: u64) -> Option<&Segment> {
        self.segments.get(usize::try_from(index.checked_sub(self.first)?).ok()?)
    }

    /// Everything still known, oldest first (for motion reports).
    pub fn history(&self) -> impl Iterator<Item = &Segment> {
        self.past.iter().chain(&self.segments)
    }

    /// Position and speed along the move at `print_time`.
    pub fn position_at(&self, print_time: f64) -> ([f64; 3], f64) {
        let i = self.segments.partition_point(|s| s.end_time() <= print_time);
        let Some(s) = self.segments.get(i) else {
            return (self.end_pos, 0.0);
        };
        let u = (print_time - s.print_time).max(0.0);
        (s.position(u), s.start_v + 2.0 * s.half_accel * u)
    }
}
