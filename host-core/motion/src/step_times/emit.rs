//! The step counter: which boundaries a stretch of motion crosses, the filters against twitches and unseen excursions,
//! delivery in batches.

use super::search::Search;
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
    search: Search,
    /// The motor turned, and it is not known yet whether that will be seen.
    trial: Option<Trial>,
    /// Undelivered steps from before the turn on trial.
    batch_before: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Trial {
    /// The next look. A motor that is back before then has not turned.
    look: u64,
    /// `settled` as it was before the turn.
    settled_before: bool,
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
            search: Search::default(),
            trial: None,
            batch_before: Vec::new(),
        };
        emitter.set_clock_map(clock_map);
        emitter
    }

    pub fn set_clock_map(&mut self, clock_map: ClockMap) {
        self.clock_map = clock_map;
        self.twitch_ticks = (TWITCH_S * clock_map.freq_hz) as u64;
        self.search.set_rate(clock_map.freq_hz);
    }

    /// The position is looked at from `start` to `end` (print times) as [`Search`] says.
    pub fn enter_window(&mut self, start: f64, end: f64, sink: &mut impl StepSink) {
        self.confirm_turn(sink);
        self.search.enter(self.clock_map.clock(start), self.clock_map.clock(end));
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
        if up != self.dir || self.trial.is_some() {
            while first < run.count {
                match self.cancelled(run.count - first, up, clock_of(time_of(first)), sink) {
                    0 => break,
                    steps => first += steps,
                }
            }
        }
        let mut i = first;
        while i < run.count {
            let next = run.count.min(i + BATCH as i32);
            if self.batch.len() + (next - i) as usize > BATCH {
                self.confirm_turn(sink);
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
            match self.trial {
                None => self.note_steps((run.count - first) as usize, false),
                Some(trial) if trial.look <= self.batch[0] || self.batch.len() > 1 => self.confirm_turn(sink),
                Some(_) => {}
            }
        }
    }

    /// A run of `count` steps begins with a turn, or follows one on trial. Returns how many of its steps are not made,
    /// because they and earlier ones, which are taken back, lie between two looks. `clock`: that of its first step.
    fn cancelled(&mut self, count: i32, up: bool, clock: u64, sink: &mut impl StepSink) -> i32 {
        if let Some(trial) = self.trial {
            if trial.look < clock {
                self.confirm_turn(sink);
            } else if up != self.dir {
                return self.take_back_turn(count);
            }
        }
        if up == self.dir {
            return 0;
        }
        self.trial = Some(Trial { look: self.search.look(clock), settled_before: self.settled });
        core::mem::swap(&mut self.batch, &mut self.batch_before);
        self.dir = up;
        0
    }

    /// The turn on trial, if there is one, was seen. It and the step before it may still be a twitch.
    fn confirm_turn(&mut self, sink: &mut impl StepSink) {
        let Some(trial) = self.trial.take() else { return };
        self.note_steps(self.batch.len(), true);
        if let (Some(&last), Some(&first)) = (self.batch_before.last(), self.batch.first())
            && !trial.settled_before
            && first.saturating_sub(last) < self.twitch_ticks
        {
            self.batch_before.pop();
            self.batch.remove(0);
            self.settled |= self.batch.is_empty();
        }
        if !self.batch_before.is_empty() {
            sink.steps(!self.dir, &self.batch_before);
            self.batch_before.clear();
        }
    }

    /// The turn on trial was not seen, and the motor has come back by up to `count` steps: by how many, of those made.
    fn take_back_turn(&mut self, count: i32) -> i32 {
        let back = self.batch.len().min(count as usize);
        self.batch.truncate(self.batch.len() - back);
        if self.batch.is_empty()
            && let Some(trial) = self.trial.take()
        {
            core::mem::swap(&mut self.batch, &mut self.batch_before);
            self.dir = !self.dir;
            self.settled = trial.settled_before;
        }
        back as i32
    }

    /// The last `count` steps of `batch` are news to the search; with the first of them the motor turned, or not.
    fn note_steps(&mut self, count: usize, turned: bool) {
        let search = &mut self.search;
        match self.batch[self.batch.len().saturating_sub(count)..] {
            [.., before, last] => {
                search.step(before, false);
                search.step(last, false);
            }
            [last] => search.step(last, turned),
            [] => {}
        }
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
        self.confirm_turn(sink);
        let Some(&last) = self.batch.last() else { return };
        if self.settled || last + self.twitch_ticks <= self.clock_map.clock(print_time) {
            self.deliver_all(sink);
        } else {
            self.deliver_but_last(sink);
        }
    }

    pub fn deliver_all(&mut self, sink: &mut impl StepSink) {
        self.confirm_turn(sink);
        if !self.batch.is_empty() {
            sink.steps(self.dir, &self.batch);
            self.batch.clear();
        }
        self.settled = true;
    }
}
