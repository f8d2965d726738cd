//! The step counter: which boundaries a stretch of motion crosses, the filter against twitches, delivery in batches.

use super::{ClockMap, StepSink};
use alloc::vec::Vec;
use libm::{ceil, floor};

/// A step and its reverse closer than this are dropped.
const TWITCH_S: f64 = 0.000_75;
/// A position this close to a boundary at the end of a piece has reached it.
const REACHED_MM: f64 = 1e-9;
/// To step back, the position must pass the boundary of the last step by this much.
const BACKLASH_MM: f64 = 1e-8;
/// Steps gathered before they are handed on.
const BATCH: usize = 4096;
/// Adding this makes an f64 round to an integer and shows it in the low 51 bits (valid for 0 ≤ x < 2^51: five months
/// of ticks at 168 MHz). Several times cheaper than a checked conversion, and it vectorises.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// A run of steps in one direction: boundaries `first_mm`, `first_mm + stride_mm`, ...
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub count: i32,
    pub first_mm: f64,
    pub stride_mm: f64,
}

#[derive(Debug, Clone)]
pub(super) struct Emitter {
    step_mm: f64,
    inv_step_mm: f64,
    origin_mm: f64,
    /// Step position after all of `batch`.
    steps: i64,
    clock_map: ClockMap,
    twitch_ticks: u64,
    dir: bool,
    /// Undelivered steps, all in direction `dir`.
    batch: Vec<u64>,
    /// The last step of `batch` can no longer be a twitch.
    settled: bool,
}

impl Emitter {
    pub fn new(step_mm: f64, clock_map: ClockMap) -> Self {
        let mut emitter = Self {
            step_mm,
            inv_step_mm: 1.0 / step_mm,
            origin_mm: 0.0,
            steps: 0,
            clock_map,
            twitch_ticks: 0,
            dir: true,
            batch: Vec::with_capacity(BATCH),
            settled: true,
        };
        emitter.set_clock_map(clock_map);
        emitter
    }

    pub fn set_clock_map(&mut self, clock_map: ClockMap) {
        self.clock_map = clock_map;
        self.twitch_ticks = (TWITCH_S * clock_map.freq_hz) as u64;
    }

    pub fn set_position_mm(&mut self, pos_mm: f64) {
        self.origin_mm = pos_mm - self.steps as f64 * self.step_mm;
        self.settled = true;
    }

    pub fn commanded_pos_mm(&self) -> f64 {
        self.origin_mm + self.steps as f64 * self.step_mm
    }

    pub fn position_steps(&self) -> i64 {
        self.steps
    }

    pub fn step_distance_mm(&self) -> f64 {
        self.step_mm
    }

    /// Which boundaries lie between here and `end_mm`, moving `up` or down. `is_end`: the piece ends there, so
    /// that almost reaching a boundary counts.
    pub fn run_to(&mut self, up: bool, end_mm: f64, is_end: bool) -> Run {
        let reached_mm = if is_end { REACHED_MM } else { 0.0 };
        let end = (end_mm - self.origin_mm) * self.inv_step_mm;
        let reached = reached_mm * self.inv_step_mm;
        let here = self.steps as f64;
        let mut count = if up { floor(end + 0.5 + reached) - here } else { here - ceil(end - 0.5 - reached) };
        let turns = up != self.dir;
        if turns && count > 0.0 {
            let past = if up { end + 0.5 - here } else { here - end + 0.5 };
            if past < 1.0 + BACKLASH_MM * self.inv_step_mm {
                count = 0.0;
            }
        }
        // The position has reached the full step: the last step was no twitch.
        if !turns && (if up { end >= here } else { end <= here }) {
            self.settled |= count <= 0.0;
        }
        let side = if up { 0.5 } else { -0.5 };
        Run {
            count: count.clamp(0.0, 1e9) as i32,
            first_mm: self.origin_mm + (here + side) * self.step_mm,
            stride_mm: if up { self.step_mm } else { -self.step_mm },
        }
    }

    /// Emit a run; `time_of(i)` is the time of its i-th step, seconds after `print_time`.
    #[inline(always)]
    pub fn emit(
        &mut self,
        run: Run,
        up: bool,
        end_mm: f64,
        print_time: f64,
        sink: &mut impl StepSink,
        mut time_of: impl FnMut(i32) -> f64,
    ) {
        if run.count == 0 {
            return;
        }
        let (base, freq) = (self.clock_map.ticks(print_time), self.clock_map.freq_hz);
        let clock_of = |t: f64| ((base + t * freq).max(0.0) + ROUND).to_bits() & ((1 << 51) - 1);
        let mut first = 0;
        if up != self.dir {
            first = self.turn(up, clock_of(time_of(0)), sink);
        }
        let mut i = first;
        while i < run.count {
            let next = run.count.min(i + BATCH as i32);
            if self.batch.len() + (next - i) as usize > BATCH {
                self.deliver_but_last(sink);
            }
            self.batch.extend((i..next).map(|i| clock_of(time_of(i))));
            i = next;
        }
        self.steps += if up { i64::from(run.count) } else { -i64::from(run.count) };
        if run.count > first {
            let end = (end_mm - self.origin_mm) * self.inv_step_mm;
            let here = self.steps as f64;
            self.settled = if up { end >= here } else { end <= here };
        }
    }

    /// The direction turns with a step at `clock`. Returns how many steps that took care of: 1 if it and the step
    /// before it cancel, else 0.
    fn turn(&mut self, up: bool, clock: u64, sink: &mut impl StepSink) -> i32 {
        let mut cancelled = 0;
        if let Some(&last) = self.batch.last()
            && !self.settled
            && clock.saturating_sub(last) < self.twitch_ticks
        {
            self.batch.pop();
            cancelled = 1;
        }
        self.deliver_all(sink);
        self.dir = up;
        cancelled
    }

    fn deliver_but_last(&mut self, sink: &mut impl StepSink) {
        if let Some(last) = self.batch.pop() {
            if !self.batch.is_empty() {
                sink.steps(self.dir, &self.batch);
                self.batch.clear();
            }
            self.batch.push(last);
        }
    }

    /// Deliver what nothing after `print_time` can cancel.
    pub fn deliver_until(&mut self, print_time: f64, sink: &mut impl StepSink) {
        let Some(&last) = self.batch.last() else { return };
        if self.settled || last + self.twitch_ticks <= self.clock_map.clock(print_time) {
            self.deliver_all(sink);
        } else {
            self.deliver_but_last(sink);
        }
    }

    pub fn deliver_all(&mut self, sink: &mut impl StepSink) {
        if !self.batch.is_empty() {
            sink.steps(self.dir, &self.batch);
            self.batch.clear();
        }
        self.settled = true;
    }
}
