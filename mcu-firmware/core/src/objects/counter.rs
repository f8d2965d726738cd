//! Pulse counters, for the tachometers of fans: edges seen by polling, reported at a slower period.

use crate::board::{Board, Pin, Pull};
use crate::firmware::{Firmware, Task};
use crate::responses::Message;
use crate::shutdown::Shutdown;
use crate::timers::{Caller, Next, is_before};

#[derive(Clone, Debug)]
pub(crate) struct Counter {
    oid: u8,
    pin: Pin,
    poll_ticks: u32,
    sample_ticks: u32,
    next_sample: u32,
    level: bool,
    count: u32,
    /// Clock of the last edge.
    count_clock: u32,
    /// A report waits for the task.
    due: bool,
}

impl Counter {
    pub fn count(&self) -> u32 {
        self.count
    }
}

impl Firmware {
    pub(crate) fn config_counter<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        pin: u32,
        pull_up: u8,
    ) -> Result<(), Shutdown> {
        let pin = board.input_setup(pin, Pull::from_wire(pull_up))?;
        let counter = Counter {
            oid,
            pin,
            poll_ticks: 0,
            sample_ticks: 0,
            next_sample: 0,
            level: board.input_read(pin),
            count: 0,
            count_clock: 0,
            due: false,
        };
        self.objects.add_counter(oid, counter)
    }

    pub(crate) fn query_counter<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        clock: u32,
        poll_ticks: u32,
        sample_ticks: u32,
    ) -> Result<(), Shutdown> {
        let index = self.objects.counter_index(oid)?;
        self.timers.remove(Caller::Counter(index));
        let counter = self.objects.counter(oid)?;
        (counter.poll_ticks, counter.sample_ticks) = (poll_ticks, sample_ticks);
        counter.next_sample = clock;
        if poll_ticks == 0 {
            return Ok(());
        }
        self.timers.set(Caller::Counter(index), clock, board.now())
    }

    pub(crate) fn counter_event<B: Board>(&mut self, board: &mut B, index: u8, wake: u32) -> Next {
        let Some(counter) = self.objects.counters.get_mut(usize::from(index)) else { return Ok(None) };
        let level = board.input_read(counter.pin);
        if core::mem::replace(&mut counter.level, level) != level {
            counter.count = counter.count.wrapping_add(1);
            counter.count_clock = wake;
        }
        let next = wake.wrapping_add(counter.poll_ticks);
        if !is_before(wake, counter.next_sample) {
            counter.next_sample = counter.next_sample.wrapping_add(counter.sample_ticks);
            counter.due = true;
            self.wake_task(Task::Counter);
        }
        Ok(Some(next))
    }

    /// Sends one report; whether it found one.
    pub(crate) fn counter_task(&mut self, message: &mut Message) -> bool {
        for counter in &mut self.objects.counters {
            if core::mem::take(&mut counter.due) {
                message.counter_state(counter.oid, counter.next_sample, counter.count, counter.count_clock);
                return true;
            }
        }
        false
    }
}
