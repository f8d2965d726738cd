//! Analog inputs: sums of several samples at a fixed period, with a range outside of which the machine is shut down.

use crate::board::{AdcSample, Board, Pin};
use crate::firmware::{Firmware, Task};
use crate::responses::Message;
use crate::shutdown::Shutdown;
use crate::timers::{Caller, Next};

const REPORT_MAX: usize = 48;

#[derive(Clone, Debug)]
pub(crate) struct AnalogIn {
    oid: u8,
    pin: Pin,
    rest_ticks: u32,
    sample_ticks: u32,
    sample_count: u8,
    samples_taken: u8,
    sum: u16,
    next_begin: u32,
    min_value: u16,
    max_value: u16,
    /// Sums in a row that were out of range.
    bad_count: u8,
    range_check_count: u8,
    bytes_per_report: usize,
    report: [u8; REPORT_MAX],
    report_len: usize,
    /// The report is complete and waits for the task.
    ready: bool,
}

impl AnalogIn {
    pub fn shut_down<B: Board>(&mut self, board: &mut B) {
        board.adc_cancel(self.pin);
        self.sample_count = 0;
        self.report_len = 0;
        self.ready = false;
    }

    /// Takes a complete sum; whether a report is now complete.
    fn take_sum(&mut self) -> Result<bool, Shutdown> {
        self.samples_taken = 0;
        self.next_begin = self.next_begin.wrapping_add(self.rest_ticks);
        if (self.min_value..=self.max_value).contains(&self.sum) {
            self.bad_count = 0;
        } else {
            self.bad_count = self.bad_count.saturating_add(1);
            if self.bad_count >= self.range_check_count {
                return Err(Shutdown::AdcRange);
            }
        }
        if self.ready {
            return Ok(false);
        }
        if let Some(place) = self.report.get_mut(self.report_len..self.report_len + 2) {
            place.copy_from_slice(&self.sum.to_le_bytes());
            self.report_len += 2;
        }
        self.ready = self.report_len + 2 > self.bytes_per_report;
        Ok(self.ready)
    }
}

impl Firmware {
    pub(crate) fn config_analog_in<B: Board>(&mut self, board: &mut B, oid: u8, pin: u32) -> Result<(), Shutdown> {
        let input = AnalogIn {
            oid,
            pin: board.adc_setup(pin)?,
            rest_ticks: 0,
            sample_ticks: 0,
            sample_count: 0,
            samples_taken: 0,
            sum: 0,
            next_begin: 0,
            min_value: 0,
            max_value: 0,
            bad_count: 0,
            range_check_count: 0,
            bytes_per_report: 2,
            report: [0; REPORT_MAX],
            report_len: 0,
            ready: false,
        };
        self.objects.add_analog_in(oid, input)
    }

    #[allow(clippy::too_many_arguments, reason = "the command's own arguments")]
    pub(crate) fn query_analog_in<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        clock: u32,
        sample_ticks: u32,
        sample_count: u8,
        rest_ticks: u32,
        bytes_per_report: u8,
        min_value: u16,
        max_value: u16,
        range_check_count: u8,
    ) -> Result<(), Shutdown> {
        let index = self.objects.analog_in_index(oid)?;
        self.timers.remove(Caller::AnalogIn(index));
        let input = self.objects.analog_in(oid)?;
        board.adc_cancel(input.pin);
        let pin = input.pin;
        *input = AnalogIn {
            oid,
            pin,
            rest_ticks,
            sample_ticks,
            sample_count,
            samples_taken: 0,
            sum: 0,
            next_begin: clock,
            min_value,
            max_value,
            bad_count: 0,
            range_check_count,
            bytes_per_report: usize::from(bytes_per_report).clamp(2, REPORT_MAX),
            report: [0; REPORT_MAX],
            report_len: 0,
            ready: false,
        };
        if sample_count == 0 {
            return Ok(());
        }
        self.timers.set(Caller::AnalogIn(index), clock, board.now())
    }

    pub(crate) fn analog_in_event<B: Board>(&mut self, board: &mut B, index: u8) -> Next {
        let Some(input) = self.objects.analog_ins.get_mut(usize::from(index)) else { return Ok(None) };
        let value = match board.adc_sample(input.pin) {
            AdcSample::Wait { ticks } => return Ok(Some(board.now().wrapping_add(ticks.max(1)))),
            AdcSample::Ready(value) => value,
        };
        input.sum = if input.samples_taken == 0 { value } else { input.sum.wrapping_add(value) };
        input.samples_taken += 1;
        if input.samples_taken < input.sample_count {
            return Ok(Some(board.now().wrapping_add(input.sample_ticks)));
        }
        let complete = input.take_sum()?;
        let next = input.next_begin;
        if complete {
            self.wake_task(Task::AnalogIn);
        }
        Ok(Some(next))
    }

    /// Sends one report; whether it found one.
    pub(crate) fn analog_in_task(&mut self, message: &mut Message) -> bool {
        for input in &mut self.objects.analog_ins {
            if core::mem::take(&mut input.ready) {
                let len = core::mem::take(&mut input.report_len);
                let values = input.report.get(..len).unwrap_or_default();
                message.analog_in_state(input.oid, input.next_begin, values);
                return true;
            }
        }
        false
    }
}
