//! Step compression: exact step clocks become the MCU's `queue_step` commands.
//!
//! # Equation
//!   A command (interval, count, add) steps at T_k = T_0 + k·interval + add·k(k − 1)/2, k = 1..count, where T_0 is the
//!   step before it. For each exact clock t_k: t_k − e_k ≤ T_k ≤ t_k, e_k = min(max error, half the gap to the exact
//!   step before). So steps may be early, never late, and never change places.
//! # Valid for
//!   clocks that ascend by 4 or more. A gap of 3·2^28 ticks or more becomes a command of one step whose interval is the gap
//!   modulo 2^32: the MCU's clock wraps too, and it gets the command shortly before it is due.
//! # Caveats
//!   Commands are found greedily and end where the pending steps end, so another flush schedule gives other commands
//!   for the same error bound.
//! # Checked by
//!   tests below (bound on every step for random trains) and tests/step_parity.rs (reference programs)
//! # Cost
//!   benches/motion.rs

use crate::step_times::StepSink;
use alloc::vec::Vec;

mod fit;
mod history;

pub use history::{History, HistoryEntry};

/// 25 µs: how early a step may be.
pub const MAX_ERROR_S: f64 = 0.000_025;
/// How long commands are remembered.
pub const HISTORY_S: f64 = 30.0;
/// Gaps from here on are sent as a single step.
const LONG_GAP_TICKS: u64 = 3 << 28;
/// Steps aim this much before their exact clock, which is rounded itself: a step late by another host's rounding is
/// late too. Not where no error is allowed.
const ROUNDING_TICKS: u32 = 1;
/// Steps that may be early by the whole error keep this much more away from being late: where the motor creeps, a
/// host that finds clocks to 1e-9 mm is several ticks off.
const CREEP_TICKS: u32 = 7;
/// Pending steps beyond this are compressed without waiting for a flush, down to the half.
const MAX_PENDING: usize = 32_768;

/// One command for the MCU, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepCommand {
    /// `set_next_step_dir`: true if the position grows (the host applies dir_pin inversion).
    SetDir {
        dir: bool,
    },
    QueueStep(QueueStep),
}

/// `queue_step`, with the absolute clocks of its first and last step for the host's scheduling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueStep {
    pub first_clock: u64,
    pub last_clock: u64,
    /// From the step before; modulo 2^32 when `count` is 1.
    pub interval: u32,
    pub count: u16,
    pub add: i16,
}

impl QueueStep {
    /// The clock of each step.
    pub fn clocks(&self) -> impl Iterator<Item = u64> + use<> {
        let (mut clock, mut interval, add) = (self.first_clock, self.interval, self.add);
        (0..self.count).map(move |i| {
            if i > 0 {
                interval = interval.wrapping_add_signed(i32::from(add));
                clock += u64::from(interval);
            }
            clock
        })
    }
}

/// Compresses the steps of one stepper. It is the sink of a step generator; commands are taken with
/// [`commands`](Self::commands).
#[derive(Debug, Clone)]
pub struct StepCompressor {
    max_error: u32,
    margin: u32,
    history_ticks: u64,
    /// Latest clocks of the pending steps, as ticks after `base` (they span less than 2^31), and how much earlier each
    /// may be.
    latest: Vec<u32>,
    slack: Vec<u32>,
    /// Pending steps already compressed.
    done: usize,
    base: u64,
    /// Exact clock of the last step taken in.
    last_exact: u64,
    /// Clock of the last step of the last command.
    last_clock: u64,
    dir: Option<bool>,
    /// Length of the last command: the next one is likely as long.
    last_count: usize,
    commands: Vec<StepCommand>,
    history: History,
}

impl StepCompressor {
    /// `max_error_s`: [`MAX_ERROR_S`]; 0 keeps every clock as it is.
    pub fn new(freq_hz: f64, max_error_s: f64) -> Self {
        let max_error = (max_error_s * freq_hz).clamp(0.0, 1e9) as u32;
        Self {
            max_error,
            history_ticks: (HISTORY_S * freq_hz) as u64,
            margin: if max_error > ROUNDING_TICKS { ROUNDING_TICKS } else { 0 },
            latest: Vec::new(),
            slack: Vec::new(),
            done: 0,
            base: 0,
            last_exact: 0,
            last_clock: 0,
            dir: None,
            last_count: 1,
            commands: Vec::new(),
            history: History::default(),
        }
    }

    /// `reset_step_clock` was sent: the next interval counts from `clock`, and the direction will be told again.
    /// Pending steps must have been flushed, or are dropped.
    pub fn reset(&mut self, clock: u64) {
        self.latest.clear();
        self.slack.clear();
        self.done = 0;
        (self.last_clock, self.last_exact) = (clock, clock);
        self.dir = None;
    }

    /// The MCU reported its position (after homing): history counts from there. Position in steps, as the MCU's.
    pub fn set_last_position(&mut self, clock: u64, position: i64) {
        self.history.set_position(clock, position);
    }

    /// Position after the last command.
    pub fn last_position(&self) -> i64 {
        self.history.position()
    }

    /// Position at a clock in the past, not longer than [`HISTORY_S`] before the last command.
    pub fn find_past_position(&self, clock: u64) -> i64 {
        self.history.position_at(clock)
    }

    /// Everything queued that is still remembered.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Compress until a command ends at or after `until_clock`, or nothing is pending. Steps after that stay pending,
    /// so that flushing often does not make commands short.
    pub fn flush(&mut self, until_clock: u64) {
        while self.done < self.latest.len() && self.last_clock < until_clock {
            self.compress_one();
        }
    }

    /// Commands since the last call, oldest first.
    pub fn commands(&mut self) -> alloc::vec::Drain<'_, StepCommand> {
        self.commands.drain(..)
    }

    /// The same without taking them.
    pub fn pending_commands(&self) -> &[StepCommand] {
        &self.commands
    }

    fn compress_one(&mut self) {
        let (latest, slack) = (&self.latest[self.done..], &self.slack[self.done..]);
        let first = self.base.saturating_add_signed(i64::from(latest[0] as i32));
        let gap = first.saturating_sub(self.last_clock);
        let step = if gap >= LONG_GAP_TICKS {
            QueueStep { first_clock: first, last_clock: first, interval: gap as u32, count: 1, add: 0 }
        } else {
            // Ticks after the last step are small here; its own place before `base` may be.
            let origin = (self.last_clock.wrapping_sub(self.base)) as u32;
            let fit = fit::fit(latest, slack, origin, self.last_count);
            let span = fit.interval.wrapping_mul(u32::from(fit.count)).wrapping_add(fit.add_ticks());
            QueueStep {
                first_clock: self.last_clock + u64::from(fit.interval),
                last_clock: self.last_clock + u64::from(span),
                interval: fit.interval,
                count: fit.count,
                add: fit.add,
            }
        };
        let count = usize::from(step.count);
        self.last_clock = step.last_clock;
        self.last_count = count;
        self.history.push(&step, self.dir != Some(false));
        self.history.trim(self.last_clock.saturating_sub(self.history_ticks));
        self.commands.push(StepCommand::QueueStep(step));
        self.done += count;
        if self.done == self.latest.len() {
            self.latest.clear();
            self.slack.clear();
            self.done = 0;
        }
    }

    /// Make room: drop what is compressed.
    fn forget_done(&mut self) {
        self.latest.drain(..self.done);
        self.slack.drain(..self.done);
        self.done = 0;
    }

    /// All within 2^31 ticks of `base`.
    fn append(&mut self, clocks: &[u64]) {
        if self.latest.is_empty() {
            self.base = clocks[0];
        }
        let old = self.latest.len();
        // The first may lie before `base` by the margin; arithmetic on `latest` is modulo 2^32.
        let offset = (self.base as u32).wrapping_add(self.margin);
        self.latest.extend(clocks.iter().map(|&c| (c as u32).wrapping_sub(offset)));
        let first_gap = clocks[0].saturating_sub(self.last_exact).min(LONG_GAP_TICKS) as u32;
        let (max_error, margin) = (self.max_error, self.margin);
        // Signed, because that vectorises everywhere; gaps here are below 2^30.
        let slack_of = move |gap: u32| ((gap >> 1) as i32).min(max_error as i32).max(margin as i32) as u32 - margin;
        self.slack.push(slack_of(first_gap));
        let new = &self.latest[old..];
        self.slack.extend(new[1..].iter().zip(new).map(|(&t, &before)| slack_of(t.wrapping_sub(before))));
        let full = max_error - margin;
        if full > 4 * CREEP_TICKS {
            for (latest, slack) in self.latest[old..].iter_mut().zip(&mut self.slack[old..]) {
                let creep = if *slack == full { CREEP_TICKS } else { 0 };
                *latest = latest.wrapping_sub(creep);
                *slack -= creep;
            }
        }
        self.last_exact = clocks[clocks.len() - 1];
    }
}

impl StepSink for StepCompressor {
    fn steps(&mut self, dir: bool, clocks: &[u64]) {
        if self.dir != Some(dir) {
            self.flush(u64::MAX);
            self.dir = Some(dir);
            self.commands.push(StepCommand::SetDir { dir });
        }
        let mut rest = clocks;
        while !rest.is_empty() {
            if self.latest.len() - self.done >= MAX_PENDING {
                while self.latest.len() - self.done > MAX_PENDING / 2 {
                    self.compress_one();
                }
            }
            if self.latest.len() >= 2 * MAX_PENDING {
                self.forget_done();
            }
            // Ticks after `base` must stay below 2^31.
            let base = if self.latest.is_empty() { rest[0] } else { self.base };
            let room = MAX_PENDING - (self.latest.len() - self.done);
            let take = rest.len().min(room);
            let fits = rest[..take].partition_point(|&c| c.saturating_sub(base) < LONG_GAP_TICKS);
            if fits == 0 {
                self.flush(u64::MAX);
                continue;
            }
            self.append(&rest[..fits]);
            rest = &rest[fits..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    const FREQ_HZ: f64 = 168e6;
    const MAX_TICKS: u64 = 4200;

    /// Expands commands and checks the promise for every step.
    pub(super) fn check(exact: &[(bool, u64)], commands: &[StepCommand]) {
        let mut dir = None;
        let mut steps = vec![];
        let mut last = 0;
        for c in commands {
            match c {
                StepCommand::SetDir { dir: d } => dir = Some(*d),
                StepCommand::QueueStep(q) => {
                    assert!(q.count > 0);
                    assert_eq!(q.first_clock.wrapping_sub(last) as u32, q.interval);
                    assert!(q.count == 1 || u64::from(q.interval) < LONG_GAP_TICKS);
                    let clocks: Vec<u64> = q.clocks().collect();
                    assert_eq!(*clocks.last().unwrap(), q.last_clock);
                    last = q.last_clock;
                    steps.extend(clocks.into_iter().map(|c| (dir.unwrap(), c)));
                }
            }
        }
        assert_eq!(steps.len(), exact.len());
        let mut before = 0;
        for (got, want) in steps.iter().zip(exact) {
            let slack = MAX_TICKS.min((want.1 - before) / 2);
            assert_eq!(got.0, want.0);
            assert!(got.1 <= want.1 && want.1 - got.1 <= slack, "{got:?} for {want:?}, slack {slack}");
            before = want.1;
        }
    }

    fn compress(exact: &[(bool, u64)], flush_each: usize) -> Vec<StepCommand> {
        let mut c = StepCompressor::new(FREQ_HZ, MAX_ERROR_S);
        let mut commands = vec![];
        for chunk in exact.chunks(flush_each) {
            for run in chunk.chunk_by(|a, b| a.0 == b.0) {
                let clocks: Vec<u64> = run.iter().map(|s| s.1).collect();
                c.steps(run[0].0, &clocks);
            }
            c.flush(chunk.last().unwrap().1.saturating_sub(1_000_000));
            commands.extend(c.commands());
        }
        c.flush(u64::MAX);
        commands.extend(c.commands());
        commands
    }

    #[test]
    fn steps_at_constant_speed_become_few_commands() {
        let exact: Vec<_> = (0..60_000_u64).map(|i| (true, 42_000_000 + i * 21_000)).collect();
        let commands = compress(&exact, usize::MAX);
        check(&exact, &commands);
        assert!(commands.len() <= 6, "{} commands", commands.len());
    }

    #[test]
    fn a_start_from_rest_takes_about_as_many_commands_as_the_peer() {
        // 100 mm/s reached with 3000 mm/s²; 80 steps/mm: 133 steps.
        let at = |i: u64| libm::sqrt(2.0 * (i as f64 + 0.5) * 0.0125 / 3000.0) * FREQ_HZ;
        let exact: Vec<_> = (0..133).map(|i| (true, 42_000_000 + at(i) as u64)).collect();
        let commands = compress(&exact, usize::MAX);
        check(&exact, &commands);
        assert!(commands.len() <= 11, "{} commands: {commands:?}", commands.len());
    }

    #[test]
    fn long_gaps_are_single_steps_modulo_the_clock() {
        let gaps = [42_000_000, 21_000, (3 << 28) - 1, 3 << 28, 21_000, (1 << 31) + 5, 21_000, (9 << 32) + 77, 500];
        let mut clock = 0;
        let exact: Vec<_> = gaps
            .iter()
            .map(|g: &u64| {
                (true, {
                    clock += g;
                    clock
                })
            })
            .collect();
        for flush_each in [1, 2, 100] {
            check(&exact, &compress(&exact, flush_each));
        }
    }

    #[test]
    fn reset_makes_the_next_interval_count_from_there() {
        let mut c = StepCompressor::new(FREQ_HZ, MAX_ERROR_S);
        c.steps(true, &[1000, 200_000]);
        c.flush(u64::MAX);
        c.reset(0);
        c.steps(true, &[1_000_000]);
        c.flush(u64::MAX);
        let commands: Vec<_> = c.commands().collect();
        assert_eq!(commands[commands.len() - 2], StepCommand::SetDir { dir: true });
        let StepCommand::QueueStep(q) = commands[commands.len() - 1] else { panic!() };
        assert!((1_000_000 - 4200..=1_000_000).contains(&q.interval));
    }

    #[test]
    fn the_past_position_is_the_number_of_steps_until_then() {
        let exact: Vec<u64> = (1..=1000_u64).map(|i| i * 10_000).collect();
        let mut c = StepCompressor::new(FREQ_HZ, MAX_ERROR_S);
        c.steps(true, &exact);
        c.flush(u64::MAX);
        let back: Vec<u64> = (0..400_u64).map(|i| 20_000_000 + i * 9_000).collect();
        c.steps(false, &back);
        c.flush(u64::MAX);
        assert_eq!(c.last_position(), 600);
        let steps: Vec<(i64, u64)> = c
            .history()
            .iter()
            .flat_map(|e| e.step.clocks().map(|clock| (if e.dir { 1 } else { -1 }, clock)).collect::<Vec<_>>())
            .collect();
        for probe in (0..30_000_000).step_by(7_777) {
            let expected: i64 = steps.iter().filter(|s| s.1 <= probe).map(|s| s.0).sum();
            assert_eq!(c.find_past_position(probe), expected, "at {probe}");
        }
        c.set_last_position(30_000_000, -5);
        assert_eq!((c.last_position(), c.find_past_position(31_000_000)), (-5, -5));
    }

    #[test]
    fn the_history_is_bounded() {
        let mut c = StepCompressor::new(1000.0, 0.0);
        for i in 0..100_u64 {
            c.steps(i % 2 == 0, &[10_000 * (i + 1)]);
        }
        c.flush(u64::MAX);
        // 30 s are 30,000 ticks.
        assert!((3..=5).contains(&c.history().iter().count()));
    }

    #[test]
    fn random_trains_keep_the_promise() {
        // A small linear congruence: no dependency, same trains each run.
        let mut state = 12345_u64;
        let mut random = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        for case in 0..300 {
            let (mut clock, mut gap, mut dir) = (random(1 << 30), 20_000_i64, true);
            let mut exact = vec![];
            for _ in 0..random(4000) + 1 {
                if random(50) == 0 {
                    gap = random(200_000) as i64 + 40;
                }
                if random(200) == 0 {
                    dir = !dir;
                }
                let jitter = if case % 3 == 0 { random(200) as i64 - 100 } else { 0 };
                gap = (gap + random(60) as i64 - 30).max(40);
                clock += (gap + jitter).max(4) as u64;
                if random(1500) == 0 {
                    clock += random(6 << 30);
                }
                exact.push((dir, clock));
            }
            check(&exact, &compress(&exact, random(700) as usize + 1));
        }
    }

    #[test]
    fn no_error_allowed_means_exact_clocks() {
        let exact: Vec<u64> = (0..500_u64).map(|i| 1_000_000 + i * i * 3 + i * 5000).collect();
        let mut c = StepCompressor::new(FREQ_HZ, 0.0);
        c.steps(true, &exact);
        c.flush(u64::MAX);
        let got: Vec<u64> = c.history().iter().flat_map(|e| e.step.clocks().collect::<Vec<_>>()).collect();
        assert_eq!(got, exact);
    }
}
