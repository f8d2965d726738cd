//! Steps on a piece of constant acceleration, in closed form.
//!
//! # Equation
//!   From the end of the piece where the motor is slower (speed w ≥ 0 there, acceleration A ≥ 0 away from it), a
//!   boundary at distance δ is τ = 2δ/(w + √(w² + 2Aδ)) away in time.
//! # Caveats
//!   None of the terms cancel, so τ is good to a few ulp of δ. A piece in which the motor turns is cut there: w = 0.
//! # Cost
//!   one division and one square root a step; at constant speed one multiplication

use super::StepSink;
use super::emit::Emitter;
use super::pieces::Piece;
use libm::sqrt;

/// Keeps 0/0 (a boundary exactly at a standstill) at 0.
const TINY: f64 = 1e-300;

/// Steps of `piece` from `u0` to `u1` seconds after its start.
pub(super) fn solve(piece: &Piece, u0: f64, u1: f64, emitter: &mut Emitter, sink: &mut impl StepSink) {
    let turn = -piece.v / (2.0 * piece.half_accel);
    // NaN and infinities (no acceleration) fail the comparison.
    if turn > 0.0 && turn < piece.duration {
        let pos = piece.pos + 0.5 * piece.v * turn;
        if u0 < turn {
            let before = Anchor { pos, speed: 0.0, accel: 2.0 * piece.half_accel.abs(), time: turn, backwards: true };
            let end = if u1 < turn { piece.position(u1) } else { pos };
            solve_monotone(&before, piece.v > 0.0, end, u1.min(turn), u1 >= turn, piece, emitter, sink);
        }
        if u1 > turn {
            let after = Anchor { pos, speed: 0.0, accel: 2.0 * piece.half_accel.abs(), time: turn, backwards: false };
            let up = piece.half_accel > 0.0;
            solve_monotone(&after, up, piece.position(u1), u1, u1 >= piece.duration, piece, emitter, sink);
        }
        return;
    }
    let end_v = piece.v + 2.0 * piece.half_accel * piece.duration;
    let slows = end_v.abs() < piece.v.abs();
    let up = piece.v + end_v > 0.0;
    let accel = 2.0 * piece.half_accel.abs();
    let anchor = if slows {
        let pos = piece.position(piece.duration);
        Anchor { pos, speed: end_v.abs(), accel, time: piece.duration, backwards: true }
    } else {
        Anchor { pos: piece.pos, speed: piece.v.abs(), accel, time: 0.0, backwards: false }
    };
    solve_monotone(&anchor, up, piece.position(u1), u1, u1 >= piece.duration, piece, emitter, sink);
}

/// The slower end of a monotone stretch.
#[derive(Clone, Copy)]
pub(super) struct Anchor {
    pub pos: f64,
    /// Speed there, ≥ 0.
    pub speed: f64,
    /// Acceleration away from it, ≥ 0.
    pub accel: f64,
    /// Its time, seconds after the piece's start.
    pub time: f64,
    /// The stretch lies before it.
    pub backwards: bool,
}

impl Anchor {
    /// Time after the piece's start of a boundary at a distance ≥ 0 from the anchor.
    #[inline(always)]
    pub fn time_at<const BACKWARDS: bool>(&self, distance: f64) -> f64 {
        let d = distance.max(0.0);
        let v2 = self.speed * self.speed + 2.0 * self.accel * d;
        let away = 2.0 * d / (self.speed + sqrt(v2) + TINY);
        if BACKWARDS { self.time - away } else { self.time + away }
    }
}

#[allow(clippy::too_many_arguments, reason = "one call site each; a struct would only rename them")]
fn solve_monotone(
    a: &Anchor,
    up: bool,
    end_mm: f64,
    end_u: f64,
    is_end: bool,
    piece: &Piece,
    emitter: &mut Emitter,
    sink: &mut impl StepSink,
) {
    let run = emitter.run_to(up, end_mm, is_end);
    if run.count == 0 {
        return;
    }
    let (a, print_time) = (*a, piece.print_time);
    let sign = if up != a.backwards { 1.0 } else { -1.0 };
    // Distance of the i-th boundary from the anchor.
    let (d0, stride) = (sign * (run.first_mm - a.pos), sign * run.stride_mm);
    if a.accel == 0.0 {
        let inv_v = 1.0 / (a.speed + TINY);
        let (t0, dt) = (a.time + d0 * inv_v, stride * inv_v);
        emitter.emit(run, up, end_mm, print_time, sink, move |i| (t0 + f64::from(i) * dt).min(end_u));
    } else if a.backwards {
        emitter
            .emit(run, up, end_mm, print_time, sink, move |i| a.time_at::<true>(d0 + f64::from(i) * stride).min(end_u));
    } else {
        emitter.emit(run, up, end_mm, print_time, sink, move |i| {
            a.time_at::<false>(d0 + f64::from(i) * stride).min(end_u)
        });
    }
}
