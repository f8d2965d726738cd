//! Pulse-width outputs of the chip itself, with queued changes and the guard of `max_duration`.

use super::digital_out::{earliest, has_come};
use super::moves::{Move, Queue};
use crate::board::{Board, PWM_MAX, Pin};
use crate::firmware::Firmware;
use crate::shutdown::Shutdown;
use crate::timers::{Caller, Next, is_before};

#[derive(Clone, Debug)]
pub(crate) struct PwmOut {
    pin: Pin,
    value: u16,
    default_value: u16,
    max_duration: u32,
    deadline: Option<u32>,
    queue: Queue,
}

impl PwmOut {
    pub fn value(&self) -> u16 {
        self.value
    }

    pub fn shut_down<B: Board>(&mut self, board: &mut B) {
        self.value = self.default_value;
        self.deadline = None;
        self.queue = Queue::default();
        board.pwm_write(self.pin, self.value);
    }
}

impl Firmware {
    #[allow(clippy::too_many_arguments, reason = "the command's own arguments")]
    pub(crate) fn config_pwm_out<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        pin: u32,
        cycle_ticks: u32,
        value: u16,
        default_value: u16,
        max_duration: u32,
    ) -> Result<(), Shutdown> {
        let (value, default_value) = (value.min(PWM_MAX), default_value.min(PWM_MAX));
        let pin = board.pwm_setup(pin, cycle_ticks, value)?;
        let out = PwmOut { pin, value, default_value, max_duration, deadline: None, queue: Queue::default() };
        self.objects.add_pwm_out(oid, out)
    }

    pub(crate) fn queue_pwm_out<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        clock: u32,
        value: u16,
    ) -> Result<(), Shutdown> {
        let index = self.objects.pwm_out_index(oid)?;
        let out = self.objects.pwm_outs.get_mut(usize::from(index)).ok_or(Shutdown::OidType)?;
        let was_empty = out.queue.is_empty();
        let second = u32::from(value.min(PWM_MAX));
        self.objects.moves.push(&mut out.queue, Move { first: clock, second, flag: false })?;
        if !was_empty {
            return Ok(());
        }
        if out.deadline.is_some_and(|deadline| is_before(deadline, clock)) {
            return Err(Shutdown::PwmOutExceeds);
        }
        self.timers.set(Caller::PwmOut(index), clock, board.now())
    }

    pub(crate) fn set_pwm_out<B: Board>(
        &mut self,
        board: &mut B,
        pin: u32,
        cycle_ticks: u32,
        value: u16,
    ) -> Result<(), Shutdown> {
        board.pwm_setup(pin, cycle_ticks, value.min(PWM_MAX)).map(|_| ())
    }

    pub(crate) fn pwm_out_event<B: Board>(&mut self, board: &mut B, index: u8, wake: u32) -> Next {
        let moves = &mut self.objects.moves;
        let Some(out) = self.objects.pwm_outs.get_mut(usize::from(index)) else { return Ok(None) };
        let Some(change) = moves.peek(&out.queue).filter(|change| has_come(Some(change.first), wake)) else {
            return if has_come(out.deadline, wake) { Err(Shutdown::PwmOutMissed) } else { Ok(out.deadline) };
        };
        moves.pop(&mut out.queue);
        out.value = change.second as u16;
        board.pwm_write(out.pin, out.value);
        let guarded = out.max_duration != 0 && out.value != out.default_value;
        out.deadline = guarded.then(|| wake.wrapping_add(out.max_duration));
        let next = moves.peek(&out.queue).map(|change| change.first);
        match (next, out.deadline) {
            (Some(next), Some(deadline)) if is_before(deadline, next) => Err(Shutdown::PwmOutExceeds),
            (Some(next), _) => Ok(Some(next)),
            (None, deadline) => Ok(earliest([deadline, None, None])),
        }
    }
}
