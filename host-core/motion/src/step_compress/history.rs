//! What was queued, to answer where the stepper was at a clock in the past.

use super::QueueStep;
use alloc::collections::VecDeque;

/// A command and the position before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryEntry {
    pub step: QueueStep,
    pub dir: bool,
    pub start_position: i64,
}

impl HistoryEntry {
    /// Steps of the command at or before `clock`.
    fn steps_until(&self, clock: u64) -> i64 {
        let q = &self.step;
        if clock >= q.last_clock {
            return i64::from(q.count);
        }
        if clock < q.first_clock {
            return 0;
        }
        // Clocks ascend, so bisect on k: step k (from 0) is at first + k·(interval + add) + add·k(k − 1)/2.
        let ticks = (clock - q.first_clock) as i64;
        let (interval, add) = (i64::from(q.interval), i64::from(q.add));
        let at = |k: i64| k * (interval + add) + add * (k * (k - 1) / 2);
        let (mut low, mut high) = (0, i64::from(q.count));
        while high - low > 1 {
            let mid = (low + high) / 2;
            if at(mid) <= ticks { low = mid } else { high = mid }
        }
        low + 1
    }

    fn sign(&self) -> i64 {
        if self.dir { 1 } else { -1 }
    }
}

/// Commands, oldest first.
#[derive(Debug, Clone, Default)]
pub struct History {
    entries: VecDeque<HistoryEntry>,
    /// After the last command.
    position: i64,
}

impl History {
    pub(super) fn push(&mut self, step: &QueueStep, dir: bool) {
        let entry = HistoryEntry { step: *step, dir, start_position: self.position };
        self.position += entry.sign() * i64::from(step.count);
        self.entries.push_back(entry);
    }

    /// The position is known to be this from `clock` on; what was queued later did not happen.
    pub(super) fn set_position(&mut self, clock: u64, position: i64) {
        while self.entries.back().is_some_and(|e| e.step.first_clock > clock) {
            self.entries.pop_back();
        }
        self.position = position;
        // A marker of no steps keeps earlier entries from answering for later clocks.
        let step = QueueStep { first_clock: clock, last_clock: clock, interval: 0, count: 0, add: 0 };
        self.entries.push_back(HistoryEntry { step, dir: true, start_position: position });
    }

    pub(super) fn trim(&mut self, clock: u64) {
        while self.entries.len() > 1 && self.entries[0].step.last_clock < clock {
            self.entries.pop_front();
        }
    }

    /// Position after the last command.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Position at `clock`; before the history: where it begins.
    pub fn position_at(&self, clock: u64) -> i64 {
        let after = self.entries.partition_point(|e| e.step.first_clock <= clock);
        match after.checked_sub(1).and_then(|i| self.entries.get(i)) {
            Some(e) => e.start_position + e.sign() * e.steps_until(clock),
            None => self.entries.front().map_or(self.position, |e| e.start_position),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &HistoryEntry> {
        self.entries.iter()
    }
}
