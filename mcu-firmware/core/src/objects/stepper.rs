//! Stepper motors: a chain of step times from `queue_step` commands, made into edges on a pin.
//!
//! A command's steps are at `t += interval` with `interval += add` after each. Three shapes of pulse share the chain: one
//! edge a step, a short pulse inside one event, and a long pulse with an event for each of its edges. The direction pin
//! changes when the first move of the other direction is loaded, a pulse length after the last edge.

use super::moves::{Move, MovePool, Queue};
use crate::board::{Board, Pin};
use crate::firmware::Firmware;
use crate::responses::Message;
use crate::shutdown::Shutdown;
use crate::timers::{Caller, Next, is_before};

/// What the next event of a stepper does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// A step that is one edge.
    Edge,
    /// A step that is a whole pulse.
    Pulse,
    /// A step that begins a pulse; [`Event::Release`] ends it.
    Rise,
    Release,
    /// The direction pin changes; the step comes after it.
    Turn,
}

/// Its size is a power of two, which a chip finds by its index the soonest.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Stepper {
    interval: u32,
    add: u32,
    /// Steps of the loaded move that are still to come; 0 means idle.
    left: u32,
    next_step: u32,
    event: Event,
    /// The kind of event that this stepper's steps are.
    step_event: Event,
    step_pin: Pin,
    dir_pin: Pin,
    /// Level of the step pin between pulses.
    idle_level: bool,
    pulse_ticks: u32,
    late_ticks: u32,
    queue: Queue,
    /// Direction of the loaded move, which the pin shows unless a turn is about to come.
    dir: bool,
    /// Direction of the next command.
    next_dir: bool,
    need_reset: bool,
    last_edge: u32,
    /// Position at the end of the loaded move.
    position: i32,
    /// Index of the trsync whose trigger stops this stepper.
    stop_on: Option<u8>,
}

impl Stepper {
    /// Does what is due if that is part of a step with another one of the same move after it, and says when that is.
    #[inline(always)]
    pub fn quick_event<B: Board>(&mut self, board: &mut B) -> Option<u32> {
        if self.left <= 1 {
            return None;
        }
        // One edge a step is for the highest rates; the others would cost it registers.
        if self.event == Event::Edge {
            board.output_toggle(self.step_pin);
            return Some(self.count_step());
        }
        self.quick_pulse(board)
    }

    #[inline(never)]
    fn quick_pulse<B: Board>(&mut self, board: &mut B) -> Option<u32> {
        match self.event {
            Event::Rise => Some(self.rise(board)),
            Event::Release => {
                let now = self.release(board);
                self.count_step();
                Some(self.after_pulse(now))
            }
            Event::Pulse => {
                board.output_pulse(self.step_pin, !self.idle_level, self.pulse_ticks);
                Some(self.count_step())
            }
            Event::Edge | Event::Turn => None,
        }
    }

    /// Does what is due and says when it wants to be called again.
    #[inline(always)]
    pub fn event<B: Board>(&mut self, board: &mut B, moves: &mut MovePool) -> Next {
        let released = match self.event {
            Event::Edge => {
                board.output_toggle(self.step_pin);
                None
            }
            Event::Pulse => {
                board.output_pulse(self.step_pin, !self.idle_level, self.pulse_ticks);
                None
            }
            Event::Rise => return Ok(Some(self.rise(board))),
            Event::Release => Some(self.release(board)),
            Event::Turn => {
                board.output_write(self.dir_pin, self.dir);
                self.event = self.step_event;
                return Ok(Some(self.after_pulse(board.now())));
            }
        };
        let next = self.advance(board, moves)?;
        Ok(match released {
            Some(now) => next.map(|_| self.after_pulse(now)),
            None => next,
        })
    }

    /// Counts a step of a move that has another one, and says when that is.
    #[inline(always)]
    fn count_step(&mut self) -> u32 {
        self.left -= 1;
        self.interval = self.interval.wrapping_add(self.add);
        self.next_step = self.next_step.wrapping_add(self.interval);
        self.next_step
    }

    /// Begins a long pulse: when it ends.
    #[inline(always)]
    fn rise<B: Board>(&mut self, board: &mut B) -> u32 {
        board.output_write(self.step_pin, !self.idle_level);
        self.event = Event::Release;
        board.now().wrapping_add(self.pulse_ticks)
    }

    /// Ends a long pulse: now.
    #[inline(always)]
    fn release<B: Board>(&mut self, board: &mut B) -> u32 {
        board.output_write(self.step_pin, self.idle_level);
        self.event = Event::Rise;
        board.now()
    }

    /// Time of the next event, not before a pulse length from now.
    fn after_pulse(&self, now: u32) -> u32 {
        let earliest = now.wrapping_add(self.pulse_ticks);
        let wanted = if self.event == Event::Turn { now } else { self.next_step };
        if is_before(wanted, earliest) { earliest } else { wanted }
    }

    #[inline(always)]
    fn advance<B: Board>(&mut self, board: &mut B, moves: &mut MovePool) -> Next {
        if self.left > 1 {
            return Ok(Some(self.count_step()));
        }
        let now = board.now();
        self.last_edge = now;
        if !self.load(moves) {
            return Ok(None);
        }
        if is_before(self.next_step.wrapping_add(self.late_ticks), now) {
            return Err(Shutdown::StepperInPast);
        }
        Ok(Some(if self.event == Event::Turn { self.after_pulse(now) } else { self.next_step }))
    }

    /// Takes the next move from the queue; false where there is none.
    #[inline]
    fn load(&mut self, moves: &mut MovePool) -> bool {
        let Some(Move { first, second, flag }) = moves.pop(&mut self.queue) else {
            self.left = 0;
            return false;
        };
        self.interval = first;
        self.left = second & 0xffff;
        self.add = (second as i32 >> 16) as u32;
        self.next_step = self.next_step.wrapping_add(first);
        let steps = self.left as i32;
        self.position = self.position.wrapping_add(if flag { steps } else { -steps });
        if flag != self.dir {
            self.dir = flag;
            self.event = Event::Turn;
        }
        true
    }

    /// Begins to move: the clock of the first event.
    fn begin<B: Board>(&mut self, board: &mut B, moves: &mut MovePool) -> Option<u32> {
        self.event = self.step_event;
        if !self.load(moves) {
            return None;
        }
        if self.event == Event::Turn {
            let now = board.now();
            // More than a pulse length from now means that the last edge is so long ago that the clock has wrapped.
            let wait = self.last_edge.wrapping_add(self.pulse_ticks).wrapping_sub(now);
            if (1..=self.pulse_ticks).contains(&wait) {
                return Some(now.wrapping_add(wait));
            }
            board.output_write(self.dir_pin, self.dir);
            self.event = self.step_event;
        }
        Some(self.next_step)
    }

    /// Position now: the loaded move counts as far as its steps are made.
    pub fn position(&self) -> i32 {
        let made = u32::from(self.left != 0 && self.event == Event::Release);
        let left = (self.left - made) as i32;
        self.position.wrapping_sub(if self.dir { left } else { -left })
    }

    /// Drops everything that waits and refuses steps until the clock is set anew.
    pub fn stop<B: Board>(&mut self, board: &mut B, moves: &mut MovePool) {
        self.position = self.position();
        self.left = 0;
        self.next_step = 0;
        self.event = self.step_event;
        self.need_reset = true;
        self.last_edge = board.now();
        (self.dir, self.next_dir) = (false, false);
        self.stop_on = None;
        moves.drain(&mut self.queue);
        board.output_write(self.dir_pin, false);
        if self.step_event != Event::Edge {
            board.output_write(self.step_pin, self.idle_level);
        }
    }

    pub fn fold_state(&self, fold: &mut impl FnMut(u64)) {
        fold(self.position() as u64);
        fold(u64::from(self.left) << 32 | u64::from(self.next_step));
        fold(u64::from(self.dir) << 1 | u64::from(self.need_reset));
    }
}

impl Firmware {
    pub(crate) fn config_stepper<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        step_pin: u8,
        dir_pin: u8,
        invert_step: u8,
        step_pulse_ticks: u32,
    ) -> Result<(), Shutdown> {
        let both_edges = (invert_step as i8) < 0;
        let idle_level = !both_edges && invert_step != 0;
        let step_event = match both_edges {
            true => Event::Edge,
            false if step_pulse_ticks <= board.short_pulse_ticks() => Event::Pulse,
            false => Event::Rise,
        };
        let stepper = Stepper {
            interval: 0,
            add: 0,
            left: 0,
            next_step: 0,
            event: step_event,
            step_event,
            step_pin: board.output_setup(step_pin.into(), idle_level)?,
            dir_pin: board.output_setup(dir_pin.into(), false)?,
            idle_level,
            pulse_ticks: step_pulse_ticks,
            late_ticks: board.clock_freq_hz() / 1000,
            queue: Queue::default(),
            dir: false,
            next_dir: false,
            need_reset: false,
            last_edge: board.now(),
            position: 0,
            stop_on: None,
        };
        self.objects.add_stepper(oid, stepper)
    }

    #[inline]
    pub(crate) fn queue_step<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        interval: u32,
        count: u16,
        add: i16,
    ) -> Result<(), Shutdown> {
        let index = self.objects.stepper_index(oid)?;
        let stepper = self.objects.steppers.get_mut(usize::from(index)).ok_or(Shutdown::OidType)?;
        if count == 0 {
            return Err(Shutdown::InvalidCount);
        }
        if stepper.need_reset {
            return Ok(());
        }
        let second = u32::from(count) | (add as u16 as u32) << 16;
        let moves = &mut self.objects.moves;
        moves.push(&mut stepper.queue, Move { first: interval, second, flag: stepper.next_dir })?;
        if stepper.left != 0 {
            return Ok(());
        }
        match stepper.begin(board, moves) {
            Some(wake) => self.timers.set(Caller::Stepper(index), wake, board.now()),
            None => Ok(()),
        }
    }

    pub(crate) fn set_next_step_dir<B: Board>(&mut self, _board: &mut B, oid: u8, dir: u8) -> Result<(), Shutdown> {
        self.objects.stepper(oid)?.next_dir = dir != 0;
        Ok(())
    }

    pub(crate) fn reset_step_clock<B: Board>(&mut self, _board: &mut B, oid: u8, clock: u32) -> Result<(), Shutdown> {
        let stepper = self.objects.stepper(oid)?;
        if stepper.left != 0 {
            return Err(Shutdown::ResetWhileActive);
        }
        stepper.next_step = clock;
        stepper.need_reset = false;
        Ok(())
    }

    pub(crate) fn stepper_get_position<B: Board>(
        &mut self,
        _board: &mut B,
        oid: u8,
        answer: &mut Message,
    ) -> Result<(), Shutdown> {
        answer.stepper_position(oid, self.objects.stepper(oid)?.position());
        Ok(())
    }

    pub(crate) fn stepper_stop_on_trigger<B: Board>(
        &mut self,
        _board: &mut B,
        oid: u8,
        trsync_oid: u8,
    ) -> Result<(), Shutdown> {
        let trsync = self.objects.trsync_index(trsync_oid)?;
        self.objects.stepper(oid)?.stop_on = Some(trsync);
        Ok(())
    }

    /// Stops every stepper that waits for this trsync.
    pub(crate) fn stop_steppers<B: Board>(&mut self, board: &mut B, trsync: u8) {
        for (index, stepper) in self.objects.steppers.iter_mut().enumerate() {
            if stepper.stop_on == Some(trsync) {
                self.timers.remove(Caller::Stepper(index as u8));
                stepper.stop(board, &mut self.objects.moves);
            }
        }
    }

    /// Forgets which steppers wait for this trsync.
    pub(crate) fn release_steppers(&mut self, trsync: u8) {
        for stepper in &mut self.objects.steppers {
            if stepper.stop_on == Some(trsync) {
                stepper.stop_on = None;
            }
        }
    }
}
