//! Steps on their way to one micro-controller: encoding, the order between steppers, and the room in its move queue.
//!
//! A [`StepQueue`] takes one stepper's commands as the step compressor makes them. [`super::Mcu::flush_moves`] releases
//! what begins before a given clock, of all steppers of a micro-controller in the order of their first steps, all in
//! one command queue. The micro-controller holds a fixed number of moves: a heap of the clocks at which its slots
//! become free gives each command the clock before which it must not arrive.
//!
//! The queue also remembers what it sent for some time, because homing asks where a stepper was at a past clock.

use super::command::Content;
use super::offline::StepSink;
use super::serial_queue::{QueueId, SerialQueue};
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;

/// One `queue_step`: step times are `first_clock`, then `interval + add`, `interval + 2 add`, ... later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedStep {
    /// Ticks from the step before to the first one, modulo 2^32.
    pub interval: u32,
    pub count: u16,
    pub add: i16,
    pub first_clock: u64,
    pub last_clock: u64,
}

/// A past or future `queue_step`, as it moves the stepper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryStep {
    pub first_clock: u64,
    pub last_clock: u64,
    /// Before its first step.
    pub start_position: i64,
    pub interval: u32,
    pub add: i16,
    /// Signed by direction.
    pub step_count: i32,
}

impl HistoryStep {
    /// Steps done at `clock`, signed.
    fn steps_at(&self, clock: u64) -> i64 {
        let total = i64::from(self.step_count.unsigned_abs());
        let sign = i64::from(self.step_count.signum());
        if clock < self.first_clock || total == 0 {
            return 0;
        }
        let since_first = (clock - self.first_clock) as i64;
        let (interval, add) = (i64::from(self.interval), i64::from(self.add));
        // Ticks from the first step to step k, counted from 0; grows with k.
        let ticks_to = |k: i64| interval * k + add * (k * (k + 1) / 2);
        let (mut done, mut beyond) = (0, total);
        while beyond - done > 1 {
            let middle = (done + beyond) / 2;
            if ticks_to(middle) <= since_first { done = middle } else { beyond = middle }
        }
        sign * (done + 1)
    }
}

/// Ids of the three commands, known once the dictionary is.
#[derive(Clone, Copy)]
pub(crate) struct StepCommandIds {
    pub queue_step: i32,
    pub set_next_step_dir: i32,
    pub reset_step_clock: i32,
}

#[derive(Clone, Copy)]
struct Pending {
    /// When it must be there: the clock of its first step.
    req_clock: u64,
    /// When its slot of the move queue is free again; `None` for commands that take none.
    free_clock: Option<u64>,
    len: u8,
    bytes: [u8; 22],
}

impl Pending {
    fn new(req_clock: u64, free_clock: Option<u64>, ints: &[u32]) -> Self {
        let mut pending = Pending { req_clock, free_clock, len: 0, bytes: [0; 22] };
        let mut encoded = [0; drydock_protocol::vlq::MAX_LEN];
        for value in ints {
            let len = drydock_protocol::vlq::encode(*value, &mut encoded);
            let start = usize::from(pending.len);
            pending.bytes[start..start + len].copy_from_slice(&encoded[..len]);
            pending.len += len as u8;
        }
        pending
    }
}

struct StepperState {
    oid: u8,
    invert_dir: bool,
    /// Last direction told, in the host's sense.
    dir: Option<bool>,
    /// A direction waits for the clock of the step that follows it.
    dir_unsent: bool,
    last_clock: u64,
    position: i64,
    pending: VecDeque<Pending>,
    history: VecDeque<HistoryStep>,
}

/// What all steppers of one micro-controller share.
pub(crate) struct StepSync {
    ids: Cell<Option<StepCommandIds>>,
    queues: RefCell<Vec<StepQueue>>,
    /// Clocks at which the move queue's slots are free, soonest first.
    slots: RefCell<BinaryHeap<Reverse<u64>>>,
    command_queue: QueueId,
    sink: Option<Rc<RefCell<dyn StepSink>>>,
}

/// One stepper's commands; clones share it.
#[derive(Clone)]
pub struct StepQueue {
    state: Rc<RefCell<StepperState>>,
    sync: Rc<StepSync>,
}

impl StepSync {
    pub fn new(command_queue: QueueId, sink: Option<Rc<RefCell<dyn StepSink>>>) -> Rc<Self> {
        Rc::new(StepSync {
            ids: Cell::new(None),
            queues: RefCell::default(),
            slots: RefCell::default(),
            command_queue,
            sink,
        })
    }

    pub fn is_used(&self) -> bool {
        !self.queues.borrow().is_empty()
    }

    pub fn start(&self, ids: StepCommandIds) {
        self.ids.set(Some(ids));
    }

    /// The micro-controller holds so many moves for steppers.
    pub fn grant(&self, move_slots: usize) {
        *self.slots.borrow_mut() = std::iter::repeat_n(Reverse(0), move_slots).collect();
    }

    pub fn add_queue(self: &Rc<Self>, oid: u8) -> StepQueue {
        let state = StepperState {
            oid,
            invert_dir: false,
            dir: None,
            dir_unsent: false,
            last_clock: 0,
            position: 0,
            pending: VecDeque::new(),
            history: VecDeque::new(),
        };
        let queue = StepQueue { state: Rc::new(RefCell::new(state)), sync: self.clone() };
        self.queues.borrow_mut().push(queue.clone());
        queue
    }

    /// Hands over what must be there before `up_to_clock`, and forgets history before `clear_history_clock`.
    pub fn flush(&self, serial: &mut SerialQueue, up_to_clock: u64, clear_history_clock: u64) {
        let queues = self.queues.borrow();
        let mut slots = self.slots.borrow_mut();
        loop {
            let mut soonest: Option<(u64, usize)> = None;
            for (at, queue) in queues.iter().enumerate() {
                let Some(clock) = queue.state.borrow().pending.front().map(|pending| pending.req_clock) else {
                    continue;
                };
                if clock < up_to_clock && soonest.is_none_or(|(best, _)| clock < best) {
                    soonest = Some((clock, at));
                }
            }
            let Some((clock, at)) = soonest else { break };
            let mut state = queues[at].state.borrow_mut();
            // The stepper keeps its turn as long as it has commands of the same clock: a direction and its first steps.
            while let Some(pending) = state.pending.front().filter(|pending| pending.req_clock <= clock) {
                let min_clock = match (pending.free_clock, slots.peek_mut()) {
                    (Some(free_clock), Some(mut soonest_free)) => {
                        std::mem::replace(&mut *soonest_free, Reverse(free_clock)).0
                    }
                    (None, Some(soonest_free)) => soonest_free.0,
                    (_, None) => 0,
                };
                if let Some(content) = Content::from_slice(&pending.bytes[..usize::from(pending.len)]) {
                    serial.send(self.command_queue, content, min_clock, pending.req_clock, 0);
                }
                state.pending.pop_front();
            }
        }
        for queue in queues.iter() {
            queue.state.borrow_mut().expire_history(clear_history_clock);
        }
    }

    /// After a shutdown nothing moves.
    pub fn drop_all(&self, serial: &mut SerialQueue) {
        serial.clear_queue(self.command_queue);
        for queue in self.queues.borrow().iter() {
            queue.state.borrow_mut().pending.clear();
        }
    }
}

impl StepperState {
    fn expire_history(&mut self, clock: u64) {
        while self.history.front().is_some_and(|step| step.last_clock < clock) {
            self.history.pop_front();
        }
    }
}

impl StepQueue {
    /// Whether the wire's direction is the opposite of the host's. All else here is in the host's sense.
    pub fn set_invert_dir(&self, invert: bool) {
        self.state.borrow_mut().invert_dir = invert;
    }

    /// Direction of the steps that follow.
    pub fn set_dir(&self, dir: bool) {
        let mut state = self.state.borrow_mut();
        if state.dir != Some(dir) {
            state.dir = Some(dir);
            state.dir_unsent = true;
        }
    }

    /// One command of the step compressor; see [`QueuedStep`]. Steps before a first `set_dir` count as forward.
    pub fn queue_step(&self, interval: u32, count: u16, add: i16, first_clock: u64, last_clock: u64) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let forward = *state.dir.get_or_insert_with(|| {
            state.dir_unsent = true;
            true
        });
        let step_count = if forward { i32::from(count) } else { -i32::from(count) };
        state.history.push_back(HistoryStep {
            first_clock,
            last_clock,
            start_position: state.position,
            interval,
            add,
            step_count,
        });
        state.position += i64::from(step_count);
        state.last_clock = last_clock;
        let wire_dir = forward != state.invert_dir;
        let dir_changed = std::mem::take(&mut state.dir_unsent);
        if let Some(sink) = &self.sync.sink {
            let mut sink = sink.borrow_mut();
            if dir_changed {
                sink.set_dir(state.oid, wire_dir);
            }
            sink.queue_step(state.oid, &QueuedStep { interval, count, add, first_clock, last_clock });
            return;
        }
        let Some(ids) = self.sync.ids.get() else { return };
        let oid = u32::from(state.oid);
        if dir_changed {
            let ints = [ids.set_next_step_dir as u32, oid, u32::from(wire_dir)];
            state.pending.push_back(Pending::new(first_clock, None, &ints));
        }
        let ints = [ids.queue_step as u32, oid, interval, u32::from(count), i32::from(add) as u32];
        state.pending.push_back(Pending::new(first_clock, Some(last_clock), &ints));
    }

    /// Drops what was not released, makes `clock` the time of the "last step", and forgets the direction, which the
    /// micro-controller may have dropped with its queue.
    pub fn reset_step_clock(&self, clock: u64) {
        let mut state = self.state.borrow_mut();
        state.pending.clear();
        state.dir = None;
        state.dir_unsent = false;
        state.last_clock = clock;
        if let Some(sink) = &self.sync.sink {
            sink.borrow_mut().reset_step_clock(state.oid, clock);
            return;
        }
        let Some(ids) = self.sync.ids.get() else { return };
        let ints = [ids.reset_step_clock as u32, u32::from(state.oid), clock as u32];
        state.pending.push_back(Pending::new(0, None, &ints));
    }

    pub fn oid(&self) -> u8 {
        self.state.borrow().oid
    }

    /// Clock of the last step queued, or the one given to `reset_step_clock`.
    pub fn last_clock(&self) -> u64 {
        self.state.borrow().last_clock
    }

    /// After the last step queued.
    pub fn position_steps(&self) -> i64 {
        self.state.borrow().position
    }

    /// Where the stepper stands from `clock` on, as it said itself.
    pub fn set_position_steps(&self, clock: u64, position: i64) {
        let mut state = self.state.borrow_mut();
        state.position = position;
        // Steps that were queued beyond this clock never happened.
        while state.history.back().is_some_and(|step| step.first_clock > clock) {
            state.history.pop_back();
        }
        state.history.push_back(HistoryStep {
            first_clock: clock,
            last_clock: clock,
            start_position: position,
            interval: 0,
            add: 0,
            step_count: 0,
        });
    }

    /// Where the stepper was at a past clock.
    pub fn past_position_steps(&self, clock: u64) -> i64 {
        let state = self.state.borrow();
        match state.history.iter().rev().find(|step| step.first_clock <= clock) {
            Some(step) => step.start_position + step.steps_at(clock),
            None => state.history.front().map_or(state.position, |step| step.start_position),
        }
    }

    /// Commands that overlap the span, oldest first.
    pub fn history(&self, start_clock: u64, end_clock: u64) -> Vec<HistoryStep> {
        let overlaps = |step: &&HistoryStep| {
            step.step_count != 0 && step.last_clock >= start_clock && step.first_clock <= end_clock
        };
        self.state.borrow().history.iter().filter(overlaps).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sync(slots: usize) -> (Rc<StepSync>, SerialQueue) {
        let mut serial = SerialQueue::new();
        let sync = StepSync::new(serial.alloc_queue(), None);
        sync.start(StepCommandIds { queue_step: 10, set_next_step_dir: 11, reset_step_clock: 12 });
        sync.grant(slots);
        (sync, serial)
    }

    fn sent(serial: &mut SerialQueue) -> Vec<u8> {
        let mut out = Vec::new();
        serial.poll(0.0, &mut out);
        out
    }

    #[test]
    fn steppers_are_merged_in_the_order_of_their_first_steps() {
        let (sync, mut serial) = sync(10);
        let (a, b) = (sync.add_queue(0), sync.add_queue(1));
        a.set_dir(true);
        b.set_dir(false);
        a.queue_step(50, 1, 0, 50, 50);
        a.queue_step(50, 1, 0, 100, 100);
        b.queue_step(70, 1, 0, 70, 70);
        b.queue_step(70, 1, 0, 140, 140);
        sync.flush(&mut serial, 120, 0);
        let block = sent(&mut serial);
        let wanted =
            [[11, 0, 1].as_slice(), &[10, 0, 50, 1, 0], &[11, 1, 0], &[10, 1, 70, 1, 0], &[10, 0, 50, 1, 0]].concat();
        assert_eq!(block[2..block.len() - 3], wanted);
    }

    #[test]
    fn a_command_waits_for_a_free_slot() {
        let (sync, mut serial) = sync(2);
        let queue = sync.add_queue(0);
        queue.set_dir(true);
        for i in 1..=4_u64 {
            queue.queue_step(1000, 1, 0, i * 1000, i * 1000);
        }
        sync.flush(&mut serial, u64::MAX, 0);
        serial.set_clock(super::super::serial_queue::ClockLine { freq: 1e6, time: 0.0, clock: 0.0 });
        let mut out = Vec::new();
        serial.poll(0.0, &mut out);
        assert_eq!(out.len(), 5 + 3 + 2 * 6, "direction and two steps");
        out.clear();
        serial.poll(0.000_999, &mut out);
        assert!(out.is_empty());
        serial.poll(0.001, &mut out);
        assert_eq!(out.len(), 5 + 6, "the first slot is free after its last step");
    }

    #[test]
    fn a_past_position_counts_the_steps_up_to_that_clock() {
        let (sync, _) = sync(10);
        let queue = sync.add_queue(0);
        queue.set_dir(true);
        // Steps at 100, 190, 270, 340, 400.
        queue.queue_step(100, 5, -10, 100, 400);
        queue.set_dir(false);
        queue.queue_step(50, 2, 0, 450, 500);
        for (clock, position) in [(0, 0), (99, 0), (100, 1), (189, 1), (190, 2), (400, 5), (449, 5), (450, 4), (900, 3)]
        {
            assert_eq!(queue.past_position_steps(clock), position, "at {clock}");
        }
        assert_eq!(queue.position_steps(), 3);
        queue.reset_step_clock(0);
        queue.set_position_steps(460, 2);
        assert_eq!(queue.past_position_steps(200), 2);
        assert_eq!(queue.past_position_steps(1000), 2);
        assert_eq!(queue.position_steps(), 2);
        sync.flush(&mut SerialQueue::new(), 0, 455);
        assert_eq!(queue.history(0, u64::MAX).len(), 1);
    }
}
