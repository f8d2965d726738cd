//! Steps on a smooth curve without a closed inverse: Newton's method inside a bracket.
//!
//! The curve is cut where it turns, so between two cuts it is monotone and each boundary is crossed once. Each step
//! starts from the one before it, which makes two or three iterations enough.

use super::StepSink;
use super::emit::Emitter;

/// A bracket this narrow needs no further search.
const CONVERGED_S: f64 = 1e-12;
/// A Newton step this small leaves an error of its square times acceleration/(2·speed): below 1e-12 s wherever
/// acceleration/speed is below 20,000/s; slower than that the motor crawls at a turning point.
const SMALL_MOVE_S: f64 = 1e-8;
const MAX_ITERATIONS: usize = 60;

pub(super) trait Curve {
    /// Position (mm) and speed `u` seconds after the piece's start.
    fn value_and_slope(&self, u: f64) -> (f64, f64);
    /// Where in 0..duration the speed changes its sign, ascending; returns how many.
    fn turns(&self, duration: f64, found: &mut [f64; 4]) -> usize;
}

/// Steps of a curve from 0 to `u1`.
pub(super) fn solve(
    curve: &impl Curve,
    print_time: f64,
    u1: f64,
    is_end: bool,
    emitter: &mut Emitter,
    sink: &mut impl StepSink,
) {
    let mut cuts = [0.0; 4];
    let count = curve.turns(u1, &mut cuts);
    let mut start = 0.0;
    for &cut in &cuts[..count] {
        solve_monotone(curve, start, cut, true, print_time, emitter, sink);
        start = cut;
    }
    solve_monotone(curve, start, u1, is_end, print_time, emitter, sink);
}

fn solve_monotone(
    curve: &impl Curve,
    u0: f64,
    u1: f64,
    is_end: bool,
    print_time: f64,
    emitter: &mut Emitter,
    sink: &mut impl StepSink,
) {
    let (p0, v0) = curve.value_and_slope(u0);
    let (p1, v1) = curve.value_and_slope(u1);
    let up = p1 > p0;
    let run = emitter.run_to(up, p1, is_end);
    // The step before: its boundary, time, speed and inverse speed; the acceleration around it.
    let (mut pos, mut low, mut speed, mut inv_v) = (p0, u0, v0, 1.0 / v0);
    let mut accel = (v1 - v0) / (u1 - u0);
    let inv_stride = 1.0 / run.stride_mm;
    let mut done = -1;
    emitter.emit(run, up, p1, print_time, sink, |i| {
        // The emitter may ask for the first step twice.
        if i == done {
            return low;
        }
        let target = run.first_mm + f64::from(i) * run.stride_mm;
        let away = (target - pos) * inv_v;
        let guess = low + away * (1.0 - 0.5 * accel * away * inv_v);
        let (u, v, inv) = find(curve, target, up, low, u1, guess);
        if i > 0 {
            // dv/dt = v·dv/dx
            accel = v * (v - speed) * inv_stride;
        }
        (pos, low, speed, inv_v, done) = (target, u, v, inv, i);
        low
    });
}

/// The time in `low..=high` at which a curve that is monotone there passes `target`; its speed then and the inverse.
#[inline(always)]
fn find(curve: &impl Curve, target: f64, up: bool, mut low: f64, mut high: f64, guess: f64) -> (f64, f64, f64) {
    let mut u = if guess > low && guess < high { guess } else { 0.5 * (low + high) };
    let (mut v, mut inv_v) = (0.0, 0.0);
    for _ in 0..MAX_ITERATIONS {
        let p;
        (p, v) = curve.value_and_slope(u);
        inv_v = 1.0 / v;
        let newton = u - (p - target) * inv_v;
        if (p > target) == up {
            high = u;
        } else {
            low = u;
        }
        // Also false for NaN.
        let is_newton = newton >= low && newton <= high;
        let next = if is_newton { newton } else { 0.5 * (low + high) };
        let moved = (next - u).abs();
        u = next;
        if (is_newton && moved < SMALL_MOVE_S) || high - low < CONVERGED_S {
            break;
        }
    }
    (u, v, inv_v)
}

/// The sign change of `f` between `low` and `high`.
pub(super) fn bisect(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let rises = f(high) > 0.0;
    while high - low > CONVERGED_S {
        let mid = 0.5 * (low + high);
        if mid <= low || mid >= high {
            break;
        }
        if (f(mid) > 0.0) == rises { high = mid } else { low = mid }
    }
    0.5 * (low + high)
}
