//! Steps on a smooth curve without a closed inverse: Newton's method inside a bracket.
//!
//! The curve is cut where it turns, so between two cuts it is monotone and each boundary is crossed once. Each step
//! starts from the one before it, which makes two or three iterations enough.

use super::StepSink;
use super::emit::Emitter;

/// Iterations end when the time moves by less than this.
const CONVERGED_S: f64 = 1e-12;
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
    let (p1, _) = curve.value_and_slope(u1);
    let up = p1 > p0;
    let run = emitter.run_to(up, p1, is_end);
    // Both are of the last step found, to start the next from.
    let (mut low, mut speed) = (u0, v0);
    let (mut done, mut pos) = (usize::MAX, p0);
    emitter.emit(run, up, p1, print_time, sink, |i| {
        // The emitter may ask for the first step twice.
        if i == done {
            return low;
        }
        let target = run.first_mm + i as f64 * run.stride_mm;
        (low, speed) = find(curve, target, up, low, u1, low + (target - pos) / speed);
        (done, pos) = (i, target);
        low
    });
}

/// The time in `low..=high` at which a curve that is monotone there passes `target`, and its speed then.
fn find(curve: &impl Curve, target: f64, up: bool, mut low: f64, mut high: f64, guess: f64) -> (f64, f64) {
    let mut u = if guess > low && guess < high { guess } else { 0.5 * (low + high) };
    let mut speed = 0.0;
    for _ in 0..MAX_ITERATIONS {
        let (p, v) = curve.value_and_slope(u);
        speed = v;
        let error = if up { p - target } else { target - p };
        if error > 0.0 {
            high = u;
        } else {
            low = u;
        }
        let newton = u - (p - target) / v;
        // Also false for NaN.
        let next = if newton >= low && newton <= high { newton } else { 0.5 * (low + high) };
        let moved = (next - u).abs();
        u = next;
        if moved < CONVERGED_S || high - low < CONVERGED_S {
            break;
        }
    }
    (u, speed)
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
