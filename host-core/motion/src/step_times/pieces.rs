//! Shaped motion: a weighted sum of time-shifted copies of the trapezoid queue.
//!
//! # Equation
//!   axis(t) = Σ A_i · queue_axis(t − T_i + t_s); between any two edges of any shifted copy every term is quadratic,
//!   so the sum is too
//! # Cost
//!   one addition of quadratics per pulse and piece; pieces = pulses × segments

use super::StepSink;
use super::arm::ArmCurve;
use super::emit::Emitter;
use super::newton;
use super::quadratic;
use super::search::Windows;
use crate::kinematics::ActuatorMap;
use crate::shapers::Pulses;
use crate::trapq::TrapQ;
use alloc::vec::Vec;

/// A stretch on which a position is `pos + v·u + half_accel·u²`, 0 ≤ u ≤ duration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub print_time: f64,
    pub duration: f64,
    pub pos: f64,
    pub v: f64,
    pub half_accel: f64,
}

impl Piece {
    pub fn position(&self, u: f64) -> f64 {
        self.pos + (self.v + self.half_accel * u) * u
    }
}

/// X, Y, Z as quadratics of the time since a piece's start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quadratics {
    pub pos: [f64; 3],
    pub v: [f64; 3],
    pub half_accel: [f64; 3],
}

/// One copy of the queue: seen `shift_s` ahead, weighted per axis.
#[derive(Debug, Clone)]
struct Cursor {
    shift_s: f64,
    weight: [f64; 3],
    index: u64,
    /// What the segment under the cursor adds: position at the segment's start, direction; both weighted.
    pos: [f64; 3],
    dir: [f64; 3],
    start_time: f64,
    end_time: f64,
    start_v: f64,
    half_accel: f64,
}

impl Cursor {
    fn new(shift_s: f64, weight: [f64; 3], index: u64) -> Self {
        Self {
            shift_s,
            weight,
            index,
            pos: [0.0; 3],
            dir: [0.0; 3],
            start_time: f64::NEG_INFINITY,
            end_time: f64::NEG_INFINITY,
            start_v: 0.0,
            half_accel: 0.0,
        }
    }

    /// Stand on the segment that holds `time` (of the blend); beyond the queue: at rest for ever, for the time being.
    fn seek(&mut self, trapq: &TrapQ, time: f64) {
        if time < self.end_time {
            return;
        }
        self.index = self.index.max(trapq.first_index());
        while let Some(s) = trapq.segment(self.index) {
            self.end_time = s.end_time() - self.shift_s;
            if time < self.end_time {
                self.start_time = s.print_time - self.shift_s;
                self.start_v = s.start_v;
                self.half_accel = s.half_accel;
                for i in 0..3 {
                    self.pos[i] = self.weight[i] * s.start_pos[i];
                    self.dir[i] = self.weight[i] * s.axes_r[i];
                }
                return;
            }
            self.index += 1;
        }
        self.rest(trapq.end_pos());
    }

    fn rest(&mut self, pos: [f64; 3]) {
        self.start_time = 0.0;
        self.end_time = f64::INFINITY;
        (self.start_v, self.half_accel) = (0.0, 0.0);
        self.dir = [0.0; 3];
        for (i, p) in pos.into_iter().enumerate() {
            self.pos[i] = self.weight[i] * p;
        }
    }

    /// The queue may have grown behind the last segment.
    fn look_again(&mut self) {
        if self.end_time == f64::INFINITY {
            self.end_time = f64::NEG_INFINITY;
        }
    }

    fn add_to(&self, time: f64, sum: &mut Quadratics) {
        let u = (time - self.start_time).max(0.0);
        let v = self.start_v + 2.0 * self.half_accel * u;
        let d = (self.start_v + self.half_accel * u) * u;
        for i in 0..3 {
            sum.pos[i] += self.pos[i] + self.dir[i] * d;
            sum.v[i] += self.dir[i] * v;
            sum.half_accel[i] += self.dir[i] * self.half_accel;
        }
    }

    fn is_at_rest(&self) -> bool {
        self.start_v == 0.0 && self.half_accel == 0.0 || self.dir == [0.0; 3]
    }
}

#[derive(Debug, Clone)]
pub(super) struct Blend {
    cursors: Vec<Cursor>,
    windows: Windows,
}

impl Blend {
    pub fn new(map: &ActuatorMap, pulses: &[Option<Pulses>; 3], first: u64) -> Self {
        let used = map.axes();
        let mut cursors = Vec::new();
        let mut unshaped = [0.0; 3];
        for axis in 0..3 {
            match &pulses[axis] {
                _ if !used[axis] => {}
                None => unshaped[axis] = 1.0,
                Some(p) => {
                    let mean_s = p.mean_delay_s();
                    for (a, t) in p.a.iter().zip(&p.t_s) {
                        let mut weight = [0.0; 3];
                        weight[axis] = *a;
                        cursors.push(Cursor::new(mean_s - t, weight, first));
                    }
                }
            }
        }
        if unshaped != [0.0; 3] {
            cursors.push(Cursor::new(0.0, unshaped, first));
        }
        Self { cursors, windows: Windows::default() }
    }

    pub fn first_index(&self) -> u64 {
        self.cursors.iter().map(|c| c.index).min().unwrap_or(0)
    }

    pub fn rewind(&mut self, first: u64) {
        for c in &mut self.cursors {
            *c = Cursor::new(c.shift_s, c.weight, first);
        }
    }

    pub fn window(&self) -> (f64, f64) {
        let ahead = self.cursors.iter().map(|c| c.shift_s).fold(0.0, f64::max);
        let behind = self.cursors.iter().map(|c| -c.shift_s).fold(0.0, f64::max);
        (ahead, behind)
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
        self.cursors.iter_mut().for_each(Cursor::look_again);
        self.windows.look_again();
        let (axes, early_s) = (map.axes(), self.window().0);
        let mut time = from;
        while time < until {
            if let Some((start, end)) = self.windows.at(trapq, time, axes, early_s) {
                emitter.enter_window(start.max(from), end.min(until), sink);
            }
            let mut piece_end = self.windows.end();
            let mut at_rest = true;
            for c in &mut self.cursors {
                c.seek(trapq, time);
                piece_end = piece_end.min(c.end_time);
                at_rest &= c.is_at_rest();
            }
            if !at_rest {
                let mut sum = Quadratics::default();
                self.cursors.iter().for_each(|c| c.add_to(time, &mut sum));
                solve(map, &sum, time, piece_end - time, until - time, emitter, sink);
            }
            time = piece_end.min(until);
        }
    }
}

/// Steps of one piece that starts at `time` and lasts `duration`, up to `u1`.
fn solve(
    map: &ActuatorMap,
    q: &Quadratics,
    time: f64,
    duration: f64,
    u1: f64,
    emitter: &mut Emitter,
    sink: &mut impl StepSink,
) {
    let u1 = u1.min(duration);
    match *map {
        ActuatorMap::Linear(c) => {
            let dot = |v: &[f64; 3]| c[0] * v[0] + c[1] * v[1] + c[2] * v[2];
            let piece =
                Piece { print_time: time, duration, pos: dot(&q.pos), v: dot(&q.v), half_accel: dot(&q.half_accel) };
            quadratic::solve(&piece, 0.0, u1, emitter, sink);
        }
        ActuatorMap::Arm { arm2_mm2, tower_mm } => {
            let mut q = *q;
            q.pos[0] -= tower_mm[0];
            q.pos[1] -= tower_mm[1];
            let curve = ArmCurve { arm2_mm2, q };
            newton::solve(&curve, time, u1, u1 >= duration, emitter, sink);
        }
    }
}
