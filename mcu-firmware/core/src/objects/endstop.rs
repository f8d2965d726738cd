//! Endstop switches: polled at a slow rate, and sampled several times in a row once they seem to have closed.
//!
//! The reported `next_clock` is the time of the poll after the one that triggered: from it and the poll period the host
//! gets the time of the trigger.

use crate::board::{Board, Pin, Pull};
use crate::firmware::Firmware;
use crate::responses::Message;
use crate::shutdown::Shutdown;
use crate::timers::{Caller, Next};

#[derive(Clone, Debug)]
pub(crate) struct Endstop {
    pin: Pin,
    homing: bool,
    sample_ticks: u32,
    sample_count: u8,
    /// Samples that are still to agree; `sample_count` while polling.
    samples_left: u8,
    rest_ticks: u32,
    /// Time of the next poll.
    next_poll: u32,
    triggered_level: bool,
    trsync: u8,
    reason: u8,
}

impl Endstop {
    pub fn stop(&mut self) {
        self.homing = false;
    }
}

impl Firmware {
    pub(crate) fn config_endstop<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        pin: u8,
        pull_up: u8,
    ) -> Result<(), Shutdown> {
        let pin = board.input_setup(pin.into(), Pull::from_wire(pull_up))?;
        let endstop = Endstop {
            pin,
            homing: false,
            sample_ticks: 0,
            sample_count: 0,
            samples_left: 0,
            rest_ticks: 0,
            next_poll: 0,
            triggered_level: false,
            trsync: 0,
            reason: 0,
        };
        self.objects.add_endstop(oid, endstop)
    }

    #[allow(clippy::too_many_arguments, reason = "the command's own arguments")]
    pub(crate) fn endstop_home<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        clock: u32,
        sample_ticks: u32,
        sample_count: u8,
        rest_ticks: u32,
        pin_value: u8,
        trsync_oid: u8,
        trigger_reason: u8,
    ) -> Result<(), Shutdown> {
        let index = self.objects.endstop_index(oid)?;
        self.timers.remove(Caller::Endstop(index));
        if sample_count == 0 {
            self.objects.endstop(oid)?.homing = false;
            return Ok(());
        }
        let trsync = self.objects.trsync_index(trsync_oid)?;
        let endstop = self.objects.endstop(oid)?;
        *endstop = Endstop {
            pin: endstop.pin,
            homing: true,
            sample_ticks,
            sample_count,
            samples_left: sample_count,
            rest_ticks,
            next_poll: clock,
            triggered_level: pin_value != 0,
            trsync,
            reason: trigger_reason,
        };
        self.timers.set(Caller::Endstop(index), clock, board.now())
    }

    pub(crate) fn endstop_query_state<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        answer: &mut Message,
    ) -> Result<(), Shutdown> {
        let endstop = self.objects.endstop(oid)?;
        let level = board.input_read(endstop.pin);
        answer.endstop_state(oid, u8::from(endstop.homing), endstop.next_poll, u8::from(level));
        Ok(())
    }

    pub(crate) fn endstop_event<B: Board>(&mut self, board: &mut B, index: u8, wake: u32) -> Next {
        let Some(endstop) = self.objects.endstops.get_mut(usize::from(index)) else { return Ok(None) };
        if endstop.samples_left == endstop.sample_count {
            endstop.next_poll = wake.wrapping_add(endstop.rest_ticks);
        }
        if board.input_read(endstop.pin) != endstop.triggered_level {
            endstop.samples_left = endstop.sample_count;
            return Ok(Some(endstop.next_poll));
        }
        endstop.samples_left -= 1;
        if endstop.samples_left > 0 {
            return Ok(Some(wake.wrapping_add(endstop.sample_ticks)));
        }
        endstop.homing = false;
        let (trsync, reason) = (endstop.trsync, endstop.reason);
        self.trigger(board, trsync, reason);
        Ok(None)
    }
}
