//! Delta towers: the carriage's height while the nozzle moves.
//!
//! # Equation
//!   Unshaped, along a straight move at distance D from its start: with q = start − tower (X, Y), direction (r, r_z),
//!   carriage height b and w = b − z, |q + rD|² + (w − r_z D)² = arm² is quadratic in D; the carriage rises where the
//!   smaller root holds and falls where the larger does. The time of D follows from the trapezoid, as for a straight
//!   motor. The carriage's turning point D* has (q·r + |r|²D*) = r_z √(|r|² K), K = arm² − |q|² + (q·r)²/|r|².
//! # Cost
//!   two square roots and one division a step (unshaped); shaped: newton.rs

use super::StepSink;
use super::emit::Emitter;
use super::newton::Curve;
use super::pieces::Quadratics;
use super::quadratic::Anchor;
use crate::trapq::Segment;
use libm::sqrt;

/// One tower and its arm.
pub(super) struct ArmSegment {
    pub arm2_mm2: f64,
    pub tower_mm: [f64; 2],
}

/// A straight move seen from the tower.
#[derive(Clone, Copy)]
struct Line {
    arm2: f64,
    /// |q|², q·r, |r|², z, r_z of the module's page.
    qq: f64,
    qr: f64,
    rr: f64,
    z: f64,
    rz: f64,
}

impl Line {
    /// Carriage height at distance `d` along the move.
    fn height(&self, d: f64) -> f64 {
        sqrt((self.arm2 - self.qq - (2.0 * self.qr + self.rr * d) * d).max(0.0)) + self.z + self.rz * d
    }

    /// Where the carriage turns from rising to falling; ∓∞ if it only falls or only rises.
    fn turning_distance(&self) -> f64 {
        if self.rr == 0.0 {
            return if self.rz > 0.0 { f64::INFINITY } else { f64::NEG_INFINITY };
        }
        let k = self.arm2 - self.qq + self.qr * self.qr / self.rr;
        let norm = self.rr / (self.rr + self.rz * self.rz);
        (self.rz * sqrt((norm * k).max(0.0)) - self.qr) / self.rr
    }

    /// The distance at which the carriage passes height `b`, on its rising or falling side.
    #[inline(always)]
    fn distance_at<const RISING: bool>(&self, b: f64, inv_norm: f64) -> f64 {
        let w = b - self.z;
        let half = (self.qr - self.rz * w) * inv_norm;
        let root = sqrt((half * half - (w * w + self.qq - self.arm2) * inv_norm).max(0.0));
        if RISING { -half - root } else { root - half }
    }
}

impl ArmSegment {
    /// Steps of a segment from `u0` to `u1` seconds after its start.
    pub fn solve(&self, s: &Segment, u0: f64, u1: f64, emitter: &mut Emitter, sink: &mut impl StepSink) {
        let q = [s.start_pos[0] - self.tower_mm[0], s.start_pos[1] - self.tower_mm[1]];
        // Distance is counted along the motion, so a negative speed turns the direction round.
        let sign = if s.start_v + s.half_accel * s.duration < 0.0 { -1.0 } else { 1.0 };
        let r = s.axes_r.map(|r| r * sign);
        let line = Line {
            arm2: self.arm2_mm2,
            qq: q[0] * q[0] + q[1] * q[1],
            qr: q[0] * r[0] + q[1] * r[1],
            rr: r[0] * r[0] + r[1] * r[1],
            z: s.start_pos[2],
            rz: r[2],
        };
        let (v, half_accel) = (s.start_v * sign, s.half_accel * sign);
        let distance = |u: f64| (v + half_accel * u) * u;
        let end_v = v + 2.0 * half_accel * s.duration;
        let anchor = if end_v < v {
            let pos = distance(s.duration);
            Anchor { pos, speed: end_v.max(0.0), accel: -2.0 * half_accel, time: s.duration, backwards: true }
        } else {
            Anchor { pos: 0.0, speed: v, accel: 2.0 * half_accel, time: 0.0, backwards: false }
        };
        let (d0, d1) = (distance(u0), distance(u1));
        let turn = line.turning_distance();
        let is_end = u1 >= s.duration;
        if d0 < turn {
            line.solve::<true>(&anchor, d1.min(turn), is_end || turn < d1, s.print_time, u1, emitter, sink);
        }
        if d1 > turn {
            line.solve::<false>(&anchor, d1, is_end, s.print_time, u1, emitter, sink);
        }
    }
}

impl Line {
    #[allow(clippy::too_many_arguments, reason = "two call sites; a struct would only rename them")]
    fn solve<const RISING: bool>(
        &self,
        anchor: &Anchor,
        end_d: f64,
        is_end: bool,
        print_time: f64,
        u1: f64,
        emitter: &mut Emitter,
        sink: &mut impl StepSink,
    ) {
        let end_mm = self.height(end_d);
        let run = emitter.run_to(RISING, end_mm, is_end);
        let inv_norm = 1.0 / (self.rr + self.rz * self.rz);
        // Copies: the loop keeps them in registers.
        let (line, anchor) = (*self, *anchor);
        let distance = move |i: i32| {
            let d = line.distance_at::<RISING>(run.first_mm + f64::from(i) * run.stride_mm, inv_norm);
            if d < end_d { d } else { end_d }
        };
        if anchor.accel == 0.0 {
            let inv_v = 1.0 / anchor.speed;
            let time = move |i: i32| (anchor.time + distance(i) * inv_v).min(u1);
            emitter.emit(run, RISING, end_mm, print_time, sink, time);
        } else if anchor.backwards {
            let time = move |i: i32| anchor.time_at::<true>(anchor.pos - distance(i)).min(u1);
            emitter.emit(run, RISING, end_mm, print_time, sink, time);
        } else {
            let time = move |i: i32| anchor.time_at::<false>(distance(i)).min(u1);
            emitter.emit(run, RISING, end_mm, print_time, sink, time);
        }
    }
}

/// A carriage above a shaped (curved) path; X and Y are measured from the tower.
pub(super) struct ArmCurve {
    pub arm2_mm2: f64,
    pub q: Quadratics,
}

impl ArmCurve {
    fn axis(&self, i: usize, u: f64) -> (f64, f64) {
        let (p, v, a) = (self.q.pos[i], self.q.v[i], self.q.half_accel[i]);
        (p + (v + a * u) * u, v + 2.0 * a * u)
    }
}

impl Curve for ArmCurve {
    fn value_and_slope(&self, u: f64) -> (f64, f64) {
        let ((x, vx), (y, vy), (z, vz)) = (self.axis(0, u), self.axis(1, u), self.axis(2, u));
        let h = sqrt((self.arm2_mm2 - x * x - y * y).max(1e-12));
        (h + z, vz - (x * vx + y * vy) / h)
    }

    /// Pieces are a few ms long and arms hundreds of mm, so the slope changes its sign at most once per quarter.
    fn turns(&self, duration: f64, found: &mut [f64; 4]) -> usize {
        let slope = |u: f64| self.value_and_slope(u).1;
        let mut count = 0;
        let (mut u0, mut s0) = (0.0, slope(0.0));
        for quarter in 1..=4 {
            let u1 = 0.25 * f64::from(quarter) * duration;
            let s1 = slope(u1);
            if s0 * s1 < 0.0 {
                found[count] = super::newton::bisect(slope, u0, u1);
                count += 1;
            }
            (u0, s0) = (u1, s1);
        }
        count
    }
}
