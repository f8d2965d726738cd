//! Digital outputs with queued changes: enables, fans and heaters by soft PWM, and the guard of `max_duration`.
//!
//! With a cycle set, a change says how long the output is on in each cycle. An output with a `max_duration` may not stay
//! off its default longer than that without word from the host: a host that dies does not leave a heater on.

use super::moves::{Move, Queue};
use crate::board::{Board, Pin};
use crate::firmware::Firmware;
use crate::shutdown::Shutdown;
use crate::timers::{Caller, Next, is_before};

#[derive(Clone, Debug)]
pub(crate) struct DigitalOut {
    pin: Pin,
    level: bool,
    default_level: bool,
    max_duration: u32,
    cycle_ticks: u32,
    /// Set while the output is not at its default and must hear from the host by then.
    deadline: Option<u32>,
    /// Set while the output toggles by itself: when next, and how long it is on.
    toggle: Option<u32>,
    on_ticks: u32,
    queue: Queue,
}

impl DigitalOut {
    pub fn level(&self) -> bool {
        self.level
    }

    pub fn shut_down<B: Board>(&mut self, board: &mut B) {
        self.level = self.default_level;
        self.deadline = None;
        self.toggle = None;
        self.queue = Queue::default();
        board.output_write(self.pin, self.level);
    }

    fn write<B: Board>(&mut self, board: &mut B, level: bool) {
        self.level = level;
        board.output_write(self.pin, level);
    }

    /// Applies a queued change.
    fn apply<B: Board>(&mut self, board: &mut B, clock: u32, on_ticks: u32) {
        let toggles = self.cycle_ticks != 0 && on_ticks != 0 && on_ticks < self.cycle_ticks;
        self.on_ticks = on_ticks;
        self.toggle = toggles.then(|| clock.wrapping_add(on_ticks));
        self.write(board, on_ticks != 0);
        let guarded = self.max_duration != 0 && (toggles || self.level != self.default_level);
        self.deadline = guarded.then(|| clock.wrapping_add(self.max_duration));
    }

    fn flip<B: Board>(&mut self, board: &mut B, clock: u32) {
        self.write(board, !self.level);
        let ticks = if self.level { self.on_ticks } else { self.cycle_ticks - self.on_ticks };
        self.toggle = Some(clock.wrapping_add(ticks));
    }
}

/// The earliest of moments that may be.
pub(super) fn earliest(moments: [Option<u32>; 3]) -> Option<u32> {
    moments.into_iter().flatten().reduce(|first, other| if is_before(other, first) { other } else { first })
}

/// Whether a moment has come at `now`.
pub(super) fn has_come(moment: Option<u32>, now: u32) -> bool {
    moment.is_some_and(|moment| !is_before(now, moment))
}

impl Firmware {
    pub(crate) fn config_digital_out<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        pin: u32,
        value: u8,
        default_value: u8,
        max_duration: u32,
    ) -> Result<(), Shutdown> {
        let level = value != 0;
        let out = DigitalOut {
            pin: board.output_setup(pin, level)?,
            level,
            default_level: default_value != 0,
            max_duration,
            cycle_ticks: 0,
            deadline: None,
            toggle: None,
            on_ticks: 0,
            queue: Queue::default(),
        };
        self.objects.add_digital_out(oid, out)
    }

    pub(crate) fn set_digital_out_pwm_cycle<B: Board>(
        &mut self,
        _board: &mut B,
        oid: u8,
        cycle_ticks: u32,
    ) -> Result<(), Shutdown> {
        let out = self.objects.digital_out(oid)?;
        if !out.queue.is_empty() || out.toggle.is_some() {
            return Err(Shutdown::SoftPwmBusy);
        }
        out.cycle_ticks = cycle_ticks;
        Ok(())
    }

    pub(crate) fn queue_digital_out<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        clock: u32,
        on_ticks: u32,
    ) -> Result<(), Shutdown> {
        let index = self.objects.digital_out_index(oid)?;
        let out = self.objects.digital_outs.get_mut(usize::from(index)).ok_or(Shutdown::OidType)?;
        let was_empty = out.queue.is_empty();
        self.objects.moves.push(&mut out.queue, Move { first: clock, second: on_ticks, flag: false })?;
        if !was_empty {
            return Ok(());
        }
        if out.deadline.is_some_and(|deadline| is_before(deadline, clock)) {
            return Err(Shutdown::DigitalOutExceeds);
        }
        let wake = earliest([Some(clock), out.toggle, None]).unwrap_or(clock);
        self.timers.set(Caller::DigitalOut(index), wake, board.now())
    }

    pub(crate) fn update_digital_out<B: Board>(&mut self, board: &mut B, oid: u8, value: u8) -> Result<(), Shutdown> {
        let index = self.objects.digital_out_index(oid)?;
        let out = self.objects.digital_outs.get_mut(usize::from(index)).ok_or(Shutdown::OidType)?;
        if !out.queue.is_empty() {
            return Err(Shutdown::DigitalOutBusy);
        }
        let now = board.now();
        out.toggle = None;
        out.write(board, value != 0);
        let guarded = out.max_duration != 0 && out.level != out.default_level;
        out.deadline = guarded.then(|| now.wrapping_add(out.max_duration));
        self.timers.remove(Caller::DigitalOut(index));
        match out.deadline {
            Some(deadline) => self.timers.set(Caller::DigitalOut(index), deadline, now),
            None => Ok(()),
        }
    }

    pub(crate) fn set_digital_out<B: Board>(&mut self, board: &mut B, pin: u32, value: u8) -> Result<(), Shutdown> {
        board.output_setup(pin, value != 0).map(|_| ())
    }

    pub(crate) fn digital_out_event<B: Board>(&mut self, board: &mut B, index: u8, wake: u32) -> Next {
        let moves = &mut self.objects.moves;
        let Some(out) = self.objects.digital_outs.get_mut(usize::from(index)) else { return Ok(None) };
        let change = moves.peek(&out.queue);
        if has_come(change.map(|change| change.first), wake) {
            if let Some(change) = moves.pop(&mut out.queue) {
                out.apply(board, wake, change.second);
            }
            let next = moves.peek(&out.queue).map(|change| change.first);
            if let (Some(next), Some(deadline)) = (next, out.deadline)
                && is_before(deadline, next)
            {
                return Err(Shutdown::DigitalOutExceeds);
            }
        } else if has_come(out.deadline, wake) {
            return Err(Shutdown::DigitalOutMissed);
        } else if has_come(out.toggle, wake) {
            out.flip(board, wake);
        }
        let change = moves.peek(&out.queue).map(|change| change.first);
        // With a change in the queue that comes in time, the deadline cannot be missed.
        let deadline = if change.is_some() { None } else { out.deadline };
        Ok(earliest([change, out.toggle, deadline]))
    }
}
