//! Which brief excursions count: the moments at which a motor's position is looked at.
//!
//! Where a motor passes a boundary and comes back soon after, a printer's host need not make the two steps, and
//! Klipper's does not always: it looks at the position from time to time, ever more seldom the longer no step came.
//! Steps there and back between two looks are left out here too, so that both hosts make the same steps.
//!
//! # Equation
//!   looks at from + stride·2^k, k = 0, 1, ..., and at the end of the window
//!   from = the last step, stride = its distance from the one before (at most 100 µs where the motor turned);
//!   at the start of a window: from = start, stride = 100 µs
//!   window = a segment of the queue (a rest before motion has a second one, which starts as early as a shaper acts),
//!   cut where one batch of steps ends
//! # Source
//!   found by running klippy 0.13 on programs of shaped moves and sorting the excursions that it steps over from those
//!   it does not
//! # Valid for
//!   excursions of one step that begin with a turn. Of those that begin with a step onwards and end with the turn, nearly all are
//!   made by the peer; here all are
//! # Caveats
//!   How far a batch reaches has a say in which excursions are made: a look is taken where it ends.
//! # Checked by
//!   the tests below; tests/step_properties.rs: what is left out lasts less long than the motor stood before it. Of 54
//!   programs run on klippy (5.5 million steps) one has other excursions there: two steps in 110,338
//! # Cost
//!   nothing a step; at a turn one loop over k

use crate::trapq::TrapQ;

/// Stride at the start of a window, and the most after a turn.
const STRIDE_S: f64 = 100e-6;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Search {
    from: u64,
    stride: u64,
    end: u64,
    first_stride: u64,
}

impl Search {
    pub fn set_rate(&mut self, freq_hz: f64) {
        self.first_stride = (STRIDE_S * freq_hz) as u64;
    }

    /// A window from clock `start` to clock `end`.
    pub fn enter(&mut self, start: u64, end: u64) {
        *self = Self { from: start, stride: self.first_stride, end, ..*self };
    }

    /// A step at `clock`.
    pub fn step(&mut self, clock: u64, turned: bool) {
        let stride = clock.saturating_sub(self.from);
        self.stride = if turned { stride.min(self.first_stride) } else { stride };
        self.from = clock;
    }

    /// The first look at `clock` or later, before the next step; at once where there is no window.
    pub fn look(&self, clock: u64) -> u64 {
        if self.end <= clock {
            return clock;
        }
        let mut stride = self.stride.max(1);
        while self.from + stride < clock {
            stride *= 2;
        }
        self.end.min(self.from + stride)
    }
}

/// Finds the windows along a queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Windows {
    index: u64,
    start: f64,
    end: f64,
}

impl Windows {
    /// The window around `time`, if it is another one than at the call before: for a motor that follows `axes` and
    /// moves `early_s` before a segment does.
    pub fn at(&mut self, trapq: &TrapQ, time: f64, axes: [bool; 3], early_s: f64) -> Option<(f64, f64)> {
        if time >= self.start && time < self.end {
            return None;
        }
        self.index = self.index.max(trapq.first_index());
        while trapq.segment(self.index).is_some_and(|s| s.end_time() <= time) {
            self.index += 1;
        }
        (self.start, self.end) = match trapq.segment(self.index) {
            Some(s) => (s.print_time, s.end_time()),
            None => (time, f64::INFINITY),
        };
        let next = trapq.segment(self.index + 1);
        if let (Some(s), Some(next)) = (trapq.segment(self.index), next)
            && !s.moves(axes)
            && next.moves(axes)
        {
            let early = next.print_time - early_s;
            if time >= early {
                self.start = s.print_time.max(early);
            } else {
                self.end = early;
            }
        }
        Some((self.start, self.end))
    }

    pub fn end(&self) -> f64 {
        self.end
    }

    /// The queue may have grown, or was set anew: look again.
    pub fn look_again(&mut self) {
        (self.start, self.end) = (f64::INFINITY, f64::NEG_INFINITY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn looks(search: &Search, clocks: impl IntoIterator<Item = u64>) -> Vec<u64> {
        clocks.into_iter().map(|clock| search.look(clock)).collect()
    }

    #[test]
    fn looks_are_ever_further_apart_and_one_is_at_the_end() {
        let mut search = Search::default();
        search.set_rate(1e6);
        search.enter(1000, 2000);
        assert_eq!(
            looks(&search, [1001, 1100, 1101, 1201, 1401, 1801, 1999]),
            [1100, 1100, 1200, 1400, 1800, 2000, 2000]
        );
    }

    #[test]
    fn a_step_sets_the_stride_and_a_turn_bounds_it() {
        let mut search = Search::default();
        search.set_rate(1e6);
        search.enter(0, 1_000_000);
        search.step(300, false);
        assert_eq!(looks(&search, [301, 601, 901]), [600, 900, 1500]);
        search.step(310, false);
        assert_eq!(looks(&search, [311, 321, 351]), [320, 330, 390]);
        search.step(900, true);
        assert_eq!(looks(&search, [901, 1001]), [1000, 1100]);
    }

    #[test]
    fn without_a_window_everything_is_seen_at_once() {
        assert_eq!(looks(&Search::default(), [0, 1, 1 << 40]), [0, 1, 1 << 40]);
    }
}
