//! Trigger synchronisation: stops steppers at an endstop, at the host's word, or when the host has gone silent.
//!
//! While armed it reports at a fixed period; the trigger is reported at once and only the first one counts.

use crate::board::Board;
use crate::firmware::{Firmware, Task};
use crate::responses::Message;
use crate::shutdown::Shutdown;
use crate::timers::{Caller, Next};

#[derive(Clone, Debug, Default)]
pub(crate) struct Trsync {
    oid: u8,
    can_trigger: bool,
    trigger_reason: u8,
    expire_reason: u8,
    report_ticks: u32,
    /// Clock of a report that waits for the task.
    report: Option<u32>,
}

impl Trsync {
    pub fn shut_down(&mut self) {
        self.can_trigger = false;
        self.report = None;
    }
}

impl Firmware {
    pub(crate) fn config_trsync<B: Board>(&mut self, _board: &mut B, oid: u8) -> Result<(), Shutdown> {
        self.objects.add_trsync(oid, Trsync { oid, ..Trsync::default() })
    }

    pub(crate) fn trsync_start<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        report_clock: u32,
        report_ticks: u32,
        expire_reason: u8,
    ) -> Result<(), Shutdown> {
        let index = self.objects.trsync_index(oid)?;
        self.stop_trsync_timers(index);
        self.release_steppers(index);
        *self.objects.trsync(oid)? =
            Trsync { oid, can_trigger: true, trigger_reason: 0, expire_reason, report_ticks, report: None };
        if report_ticks == 0 {
            return Ok(());
        }
        self.timers.set(Caller::TrsyncReport(index), report_clock, board.now())
    }

    pub(crate) fn trsync_set_timeout<B: Board>(&mut self, board: &mut B, oid: u8, clock: u32) -> Result<(), Shutdown> {
        let index = self.objects.trsync_index(oid)?;
        if !self.objects.trsync(oid)?.can_trigger {
            return Ok(());
        }
        self.timers.set(Caller::TrsyncExpire(index), clock, board.now())
    }

    /// Triggers unless that has happened, and always answers with the reason of the trigger.
    pub(crate) fn trsync_trigger<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        reason: u8,
        answer: &mut Message,
    ) -> Result<(), Shutdown> {
        let index = self.objects.trsync_index(oid)?;
        self.trigger(board, index, reason);
        let trsync = self.objects.trsync(oid)?;
        trsync.report = None;
        answer.trsync_state(oid, 0, trsync.trigger_reason, 0);
        Ok(())
    }

    /// Runs the trigger: every stepper that waits for it stops now.
    pub(crate) fn trigger<B: Board>(&mut self, board: &mut B, index: u8, reason: u8) {
        let Some(trsync) = self.objects.trsyncs.get_mut(usize::from(index)) else { return };
        if !trsync.can_trigger {
            return;
        }
        trsync.can_trigger = false;
        trsync.trigger_reason = reason;
        trsync.report = Some(board.now());
        self.stop_trsync_timers(index);
        self.stop_steppers(board, index);
        self.wake_task(Task::Trsync);
    }

    fn stop_trsync_timers(&mut self, index: u8) {
        self.timers.remove(Caller::TrsyncReport(index));
        self.timers.remove(Caller::TrsyncExpire(index));
    }

    pub(crate) fn trsync_report_event(&mut self, index: u8, wake: u32) -> Next {
        let Some(trsync) = self.objects.trsyncs.get_mut(usize::from(index)) else { return Ok(None) };
        trsync.report = Some(wake);
        let next = wake.wrapping_add(trsync.report_ticks);
        self.wake_task(Task::Trsync);
        Ok(Some(next))
    }

    pub(crate) fn trsync_expire_event<B: Board>(&mut self, board: &mut B, index: u8) -> Next {
        let reason = self.objects.trsyncs.get(usize::from(index)).map_or(0, |trsync| trsync.expire_reason);
        self.trigger(board, index, reason);
        Ok(None)
    }

    /// Sends one report; whether it found one.
    pub(crate) fn trsync_task(&mut self, message: &mut Message) -> bool {
        for trsync in &mut self.objects.trsyncs {
            if let Some(clock) = trsync.report.take() {
                message.trsync_state(trsync.oid, u8::from(trsync.can_trigger), trsync.trigger_reason, clock);
                return true;
            }
        }
        false
    }
}
