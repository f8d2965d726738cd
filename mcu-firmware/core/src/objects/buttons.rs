//! Buttons: up to eight pins polled together, debounced, and each change sent until the host has acknowledged it.

use crate::board::{Board, Pin, Pull};
use crate::firmware::{Firmware, Task};
use crate::responses::Message;
use crate::shutdown::Shutdown;
use crate::timers::{Caller, Next};

const PINS_MAX: usize = 8;
const REPORTS_MAX: usize = 8;

#[derive(Clone, Debug, Default)]
pub(crate) struct Buttons {
    oid: u8,
    pins: [Option<Pin>; PINS_MAX],
    pin_count: u8,
    invert: u8,
    rest_ticks: u32,
    /// Last poll, and the state that was last believed.
    polled: u8,
    believed: u8,
    reports: [u8; REPORTS_MAX],
    report_count: usize,
    ack_count: u8,
    retransmit_count: u8,
    /// Polls until unacknowledged reports are sent again.
    polls_left: u8,
    send: bool,
}

impl Buttons {
    fn read<B: Board>(&self, board: &mut B) -> u8 {
        let mut state = 0;
        for (bit, pin) in self.pins.iter().enumerate() {
            if let Some(pin) = pin {
                state |= u8::from(board.input_read(*pin)) << bit;
            }
        }
        state ^ self.invert
    }

    /// Takes one poll; whether there is something to send.
    fn poll(&mut self, state: u8) -> bool {
        let stable = core::mem::replace(&mut self.polled, state) == state;
        let mut due = false;
        if stable
            && state != self.believed
            && let Some(place) = self.reports.get_mut(self.report_count)
        {
            *place = state;
            self.believed = state;
            self.report_count += 1;
            due = true;
        } else if self.report_count > 0 {
            self.polls_left = self.polls_left.saturating_sub(1);
            due = self.polls_left == 0;
        }
        if due {
            self.polls_left = self.retransmit_count.max(1);
        }
        self.send |= due;
        due
    }
}

impl Firmware {
    pub(crate) fn config_buttons<B: Board>(
        &mut self,
        _board: &mut B,
        oid: u8,
        button_count: u8,
    ) -> Result<(), Shutdown> {
        if usize::from(button_count) > PINS_MAX {
            return Err(Shutdown::ButtonCount);
        }
        self.objects.add_buttons(oid, Buttons { oid, pin_count: button_count, ..Buttons::default() })
    }

    pub(crate) fn buttons_add<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        pos: u8,
        pin: u32,
        pull_up: u8,
    ) -> Result<(), Shutdown> {
        let buttons = self.objects.buttons_of(oid)?;
        if pos >= buttons.pin_count {
            return Err(Shutdown::ButtonIndex);
        }
        let place = buttons.pins.get_mut(usize::from(pos)).ok_or(Shutdown::ButtonIndex)?;
        *place = Some(board.input_setup(pin, Pull::from_wire(pull_up))?);
        Ok(())
    }

    pub(crate) fn buttons_query<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        clock: u32,
        rest_ticks: u32,
        retransmit_count: u8,
        invert: u8,
    ) -> Result<(), Shutdown> {
        let index = self.objects.buttons_index(oid)?;
        self.timers.remove(Caller::Buttons(index));
        let old = self.objects.buttons_of(oid)?;
        *old = Buttons {
            oid,
            pins: old.pins,
            pin_count: old.pin_count,
            invert,
            rest_ticks,
            retransmit_count,
            ..Buttons::default()
        };
        if rest_ticks == 0 {
            return Ok(());
        }
        self.timers.set(Caller::Buttons(index), clock, board.now())
    }

    pub(crate) fn buttons_ack<B: Board>(&mut self, _board: &mut B, oid: u8, count: u8) -> Result<(), Shutdown> {
        let buttons = self.objects.buttons_of(oid)?;
        let count_taken = usize::from(count).min(buttons.report_count);
        buttons.reports.copy_within(count_taken.., 0);
        buttons.report_count -= count_taken;
        buttons.ack_count = buttons.ack_count.wrapping_add(count_taken as u8);
        Ok(())
    }

    pub(crate) fn buttons_event<B: Board>(&mut self, board: &mut B, index: u8, wake: u32) -> Next {
        let Some(buttons) = self.objects.buttons.get_mut(usize::from(index)) else { return Ok(None) };
        let state = buttons.read(board);
        let next = wake.wrapping_add(buttons.rest_ticks);
        if buttons.poll(state) {
            self.wake_task(Task::Buttons);
        }
        Ok(Some(next))
    }

    /// Sends one report; whether it found one.
    pub(crate) fn buttons_task(&mut self, message: &mut Message) -> bool {
        for buttons in &mut self.objects.buttons {
            if core::mem::take(&mut buttons.send) {
                let state = buttons.reports.get(..buttons.report_count).unwrap_or_default();
                message.buttons_state(buttons.oid, buttons.ack_count, state);
                return true;
            }
        }
        false
    }
}
