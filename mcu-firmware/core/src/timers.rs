//! The moments at which objects want to be called, soonest at the end.
//!
//! A printer has a few dozen timers and the soonest is nearly always a stepper whose next step is one of the next few
//! events, so a sorted array beats any tree: the event is changed in place and sinks past the handful before it.
//! Events due at the same tick run in the order in which they were put in.

use crate::shutdown::Shutdown;
use alloc::vec::Vec;

/// Who is to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Stats,
    Stepper(u8),
    DigitalOut(u8),
    PwmOut(u8),
    AnalogIn(u8),
    Endstop(u8),
    TrsyncReport(u8),
    TrsyncExpire(u8),
    Adxl345(u8),
    TmcUart(u8),
    Buttons(u8),
    Counter(u8),
}

/// When, if ever, a caller wants to be called again.
pub(crate) type Next = Result<Option<u32>, Shutdown>;

/// Whether clock `a` is earlier than clock `b`; they must lie within 2^31 ticks.
#[inline]
pub(crate) fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    wake: u32,
    caller: Caller,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    /// Latest first.
    queue: Vec<Timer>,
}

impl Timers {
    /// Makes room for `count` timers more, so that adding them does not allocate.
    pub fn reserve(&mut self, count: usize) -> Result<(), Shutdown> {
        self.queue.try_reserve(count).or(Err(Shutdown::OutOfMemory))
    }

    /// The soonest moment.
    #[inline]
    pub fn next_wake(&self) -> Option<u32> {
        self.queue.last().map(|timer| timer.wake)
    }

    /// Who is called at the soonest moment, and when that is.
    #[inline]
    pub fn next(&self) -> Option<(u32, Caller)> {
        let [.., timer] = self.queue.as_slice() else { return None };
        Some((timer.wake, timer.caller))
    }

    /// Gives the soonest timer, which is `caller`'s, a new moment.
    #[inline]
    pub fn move_next(&mut self, wake: u32, caller: Caller) {
        let [others @ .., moved] = self.queue.as_mut_slice() else { return };
        let mut hole = moved;
        for other in others.iter_mut().rev() {
            if is_before(wake, other.wake) {
                break;
            }
            *hole = *other;
            hole = other;
        }
        *hole = Timer { wake, caller };
    }

    /// Takes the soonest timer out.
    #[inline]
    pub fn pop(&mut self) {
        self.queue.pop();
    }

    /// Sets `caller`'s timer, which must not be in the past as `now` tells it.
    pub fn set(&mut self, caller: Caller, wake: u32, now: u32) -> Result<(), Shutdown> {
        if is_before(wake, now) {
            return Err(Shutdown::TimerTooClose);
        }
        self.remove(caller);
        self.reserve(1)?;
        self.insert(caller, wake);
        Ok(())
    }

    /// Puts in a timer of a caller that has none and for which there is room.
    pub fn insert(&mut self, caller: Caller, wake: u32) {
        self.queue.push(Timer { wake, caller });
        self.move_next(wake, caller);
    }

    pub fn remove(&mut self, caller: Caller) {
        if let Some(at) = self.queue.iter().position(|timer| timer.caller == caller) {
            self.queue.remove(at);
        }
    }

    /// Takes out every timer but those of the firmware itself.
    pub fn clear_objects(&mut self) {
        self.queue.retain(|timer| timer.caller == Caller::Stats);
    }

    pub fn fold_state(&self, fold: &mut impl FnMut(u64)) {
        for timer in &self.queue {
            fold(u64::from(timer.wake));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn order(timers: &Timers) -> Vec<(u32, Caller)> {
        let mut timers = timers.clone();
        let mut seen = vec![];
        while let Some(next) = timers.next() {
            seen.push(next);
            timers.pop();
        }
        seen
    }

    #[test]
    fn timers_come_in_order_across_the_wrap_of_the_clock() {
        let mut timers = Timers::default();
        timers.insert(Caller::Stepper(0), 5);
        timers.insert(Caller::Stepper(1), u32::MAX - 5);
        timers.insert(Caller::Stepper(2), u32::MAX);
        timers.insert(Caller::Stepper(3), 5);
        let callers: Vec<_> = order(&timers).into_iter().map(|(_, caller)| caller).collect();
        assert_eq!(callers, [Caller::Stepper(1), Caller::Stepper(2), Caller::Stepper(0), Caller::Stepper(3)]);
    }

    #[test]
    fn a_timer_in_the_past_is_too_close() {
        let mut timers = Timers::default();
        assert_eq!(timers.set(Caller::Stats, 99, 100), Err(Shutdown::TimerTooClose));
        assert_eq!(timers.set(Caller::Stats, 100, 100), Ok(()));
        assert_eq!(timers.set(Caller::Stats, 200, 100), Ok(()));
        assert_eq!(order(&timers), [(200, Caller::Stats)]);
    }

    proptest! {
        #[test]
        fn moving_the_soonest_keeps_the_order(start: u32, waits in prop::collection::vec(0..1000_u32, 1..200)) {
            let mut timers = Timers::default();
            for index in 0..8 {
                timers.insert(Caller::Stepper(index), start.wrapping_add(u32::from(index) * 7));
            }
            for wait in waits {
                let (wake, caller) = timers.next().unwrap();
                timers.move_next(wake.wrapping_add(wait), caller);
                let wakes = order(&timers);
                prop_assert_eq!(wakes.len(), 8);
                prop_assert!(wakes.windows(2).all(|pair| !is_before(pair[1].0, pair[0].0)));
            }
        }
    }
}
