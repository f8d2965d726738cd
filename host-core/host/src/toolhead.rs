//! The tool head: takes moves, plans them, and keeps the micro-controllers fed with steps in time.
//!
//! ```text
//! move_to -> LookAhead -> (final speeds) -> TrapQ of the tool head, TrapQ of the extruder -> steppers -> wire
//! ```
//!
//! # Important terms
//! - *print_time*: time axis of all moves: seconds on the main micro-controller's clock.
//! - *estimated print time*: where that clock is now, as clock synchronisation has it.
//! - *buffer*: how far the end of the planned moves is ahead of it. Whoever adds moves waits while it is above
//!   [`BUFFER_HIGH_S`]; when it runs low, what the look-ahead still holds is planned to a stop.
//! - *priming*: nothing is planned; the next move starts [`BUFFER_START_S`] from now.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use drydock_motion::kinematics::{AnyKinematics, Kinematics, MoveError};
pub use drydock_motion::lookahead::PlannedMove;
use drydock_motion::lookahead::{E, LookAhead, Move, VelocityLimits};
use drydock_motion::trapq::TrapQ;

use crate::config::ConfigError;
use crate::extruder::Extruder;
use crate::gcode::CommandError;
use crate::gcode_move::Position;
use crate::kinematics::Machine;
use crate::mcu::Mcu;
use crate::printer::dispatch::CommandResult;
use crate::printer::{Event, Object, Printer, Value};
use crate::reactor::{Completion, EventTime};
use crate::stepper::Stepper;

mod batch;
pub use batch::BATCH_BLOCK_BYTES;

/// More planned motion than this makes the sender wait.
const BUFFER_HIGH_S: f64 = 1.0;
/// Less makes the look-ahead give up waiting for more.
const BUFFER_LOW_S: f64 = 0.45;
/// From the first move after a stop to its first step.
const BUFFER_START_S: f64 = 0.250;
/// How long the look-ahead waits for company after the first move.
const PRIMING_S: f64 = 0.100;
/// Motion at requested speed that gathers before moves are planned, while running and after a stop.
const LOOKAHEAD_FLUSH_S: f64 = 0.150;
const LOOKAHEAD_START_S: f64 = 1.0;
/// Steps are made this far ahead of the estimated print time, in pieces of [`STEPGEN_PIECE_S`].
const STEPGEN_AHEAD_S: f64 = 0.70;
const STEPGEN_PIECE_S: f64 = 0.25;
/// The newest step waits so long for a step back that would cancel it; no stop takes less between its last step and
/// the next.
const HOLD_BACK_S: f64 = 0.001;
/// A homing move is sent in pieces of this length, at most [`DRIP_AHEAD_S`] ahead.
const DRIP_PIECE_S: f64 = 0.050;
const DRIP_AHEAD_S: f64 = 0.100;
/// A wait shorter than this may end before the time that it was computed for, and would begin anew for ever.
const ROUNDING_S: f64 = 1e-9;
/// Distance of the corrections to the clocks of other micro-controllers.
const STEER_PERIOD_S: f64 = 1.0;

/// Called with the print time at which the move that it was queued behind ends.
pub type LookaheadCallback = Box<dyn FnOnce(f64)>;

/// What a move carries through the look-ahead.
#[derive(Default)]
pub struct MoveTag {
    callbacks: Vec<LookaheadCallback>,
}

/// Told of each planned move: (print time, move).
type MoveObserver = Rc<dyn Fn(f64, &PlannedMove<MoveTag>)>;

struct Queue {
    lookahead: LookAhead<MoveTag>,
    planned: Vec<PlannedMove<MoveTag>>,
    /// End of what is planned.
    print_time: f64,
    /// Steps are made up to here.
    generated_to: f64,
    /// The steps of all that is planned are complete when they are made up to here.
    needed_to: f64,
    /// Something was planned since a batch run last caught up with it.
    batch_pending: bool,
    priming: bool,
    /// Host time at which a primed but unplanned look-ahead is planned anyway.
    priming_deadline: EventTime,
    limits: VelocityLimits,
    commanded: Position,
    print_stalls: u32,
}

pub struct ToolHead {
    printer: Weak<Printer>,
    mcu: Mcu,
    offline: bool,
    queue: RefCell<Queue>,
    pub trapq: RefCell<TrapQ>,
    pub machine: Machine,
    extruder: RefCell<Option<Rc<Extruder>>>,
    max_limits: VelocityLimits,
    wake: RefCell<Option<Completion<()>>>,
    observer: RefCell<Option<MoveObserver>>,
}

impl Object for ToolHead {
    fn status(&self, eventtime: EventTime) -> Option<Value> {
        let q = self.queue.borrow();
        let (min, max) = self.machine.range();
        let four = |p: [f64; 3]| crate::macros::coord4([p[0], p[1], p[2], 0.0]);
        let extruder = self.extruder.borrow().as_ref().map_or(String::new(), |e| e.name().to_string());
        Some(minijinja::context! {
            print_time => q.print_time,
            stalls => q.print_stalls,
            estimated_print_time => self.mcu.estimated_print_time(eventtime),
            extruder => extruder,
            position => crate::macros::coord4(q.commanded),
            max_velocity => q.limits.max_velocity_mm_s,
            max_accel => q.limits.max_accel_mm_s2,
            minimum_cruise_ratio => q.limits.minimum_cruise_ratio,
            square_corner_velocity => q.limits.square_corner_velocity_mm_s,
            homed_axes => self.machine.homed_axes(),
            axis_minimum => four(min),
            axis_maximum => four(max),
        })
    }

    fn stats(&self, eventtime: EventTime) -> Option<(bool, String)> {
        let q = self.queue.borrow();
        let buffer = if q.priming { 0.0 } else { q.print_time - self.estimated(eventtime) };
        Some((
            buffer > 0.0 || !q.priming,
            format!("print_time={:.3} buffer_time={:.3} print_stall={}", q.print_time, buffer.max(0.0), q.print_stalls),
        ))
    }
}

impl ToolHead {
    pub fn load(printer: &Rc<Printer>) -> Result<(), ConfigError> {
        let section = printer.config.require_section("printer")?;
        let limits = VelocityLimits {
            max_velocity_mm_s: section.float("max_velocity").above(0.0).required()?,
            max_accel_mm_s2: section.float("max_accel").above(0.0).required()?,
            square_corner_velocity_mm_s: section.float("square_corner_velocity").min(0.0).or(5.0)?,
            minimum_cruise_ratio: section.float("minimum_cruise_ratio").min(0.0).below(1.0).or(0.5)?,
        };
        let machine = Machine::load(printer, &section, &limits)?;
        let this = Rc::new(ToolHead {
            printer: Rc::downgrade(printer),
            mcu: printer.main_mcu(),
            offline: printer.is_offline(),
            queue: RefCell::new(Queue {
                lookahead: LookAhead::new(LOOKAHEAD_START_S),
                planned: Vec::new(),
                print_time: 0.0,
                generated_to: 0.0,
                needed_to: 0.0,
                batch_pending: false,
                priming: true,
                priming_deadline: 0.0,
                limits,
                commanded: [0.0; 4],
                print_stalls: 0,
            }),
            trapq: RefCell::new(TrapQ::new([0.0; 3])),
            machine,
            extruder: RefCell::default(),
            max_limits: limits,
            wake: RefCell::default(),
            observer: RefCell::default(),
        });
        printer.set_toolhead(this.clone());
        register(printer);
        let toolhead = this.clone();
        printer.on(Event::Shutdown, move || {
            let mut q = toolhead.queue.borrow_mut();
            q.lookahead.reset();
            q.priming = true;
        });
        let toolhead = this.clone();
        let steered = toolhead.clone();
        printer.reactor.spawn("step generation", async move { toolhead.feed().await });
        printer.reactor.spawn("clock steering", async move { steered.steer_clocks().await });
        Ok(())
    }

    fn printer(&self) -> Rc<Printer> {
        self.printer.upgrade().expect("the printer outlives its tool head")
    }

    fn estimated(&self, eventtime: EventTime) -> f64 {
        match self.offline {
            // Nothing paces a batch run: the machine is always just where the plan ends.
            true => self.queue.try_borrow().map_or(0.0, |q| q.print_time),
            false => self.mcu.estimated_print_time(eventtime),
        }
    }

    pub fn limits(&self) -> VelocityLimits {
        self.queue.borrow().limits
    }

    pub fn set_limits(&self, limits: VelocityLimits) {
        self.queue.borrow_mut().limits = limits;
    }

    /// As printer.cfg has them, whatever SET_VELOCITY_LIMIT did since.
    pub fn configured_limits(&self) -> VelocityLimits {
        self.max_limits
    }

    pub fn extruder(&self) -> Option<Rc<Extruder>> {
        self.extruder.borrow().clone()
    }

    /// Makes an extruder the active one; E goes on from its position.
    pub fn set_extruder(&self, extruder: Rc<Extruder>) {
        let position = extruder.position();
        *self.extruder.borrow_mut() = Some(extruder);
        self.queue.borrow_mut().commanded[E] = position;
    }

    /// `plan` and motion reports listen here.
    pub fn observe(&self, observer: impl Fn(f64, &PlannedMove<MoveTag>) + 'static) {
        *self.observer.borrow_mut() = Some(Rc::new(observer));
    }

    // ---- taking moves

    /// Where the last queued move ends.
    pub fn position(&self) -> Position {
        self.queue.borrow().commanded
    }

    /// Queues a straight move. Never waits: whoever sends many moves awaits [`ToolHead::pace`] in between.
    pub fn move_to(&self, to: Position, speed_mm_s: f64) -> CommandResult {
        let (from, limits) = {
            let q = self.queue.borrow();
            (q.commanded, q.limits)
        };
        let Some(mut mv) = Move::new(&limits, from, to, speed_mm_s, MoveTag::default()) else {
            return Ok(());
        };
        if mv.is_kinematic {
            self.machine.check_move(&mut mv)?;
        }
        let mut instant_corner_v = f64::INFINITY;
        if mv.axes_d[E] != 0.0 {
            let extruder = self.extruder.borrow();
            let extruder = extruder.as_ref().ok_or_else(|| CommandError::new("Extrude when no extruder present"))?;
            extruder.check_move(&mut mv)?;
        }
        if let Some(extruder) = &*self.extruder.borrow() {
            instant_corner_v = extruder.instant_corner_velocity();
        }
        let (due, was_priming) = {
            let mut q = self.queue.borrow_mut();
            q.commanded = mv.end_pos;
            if q.priming && q.lookahead.is_empty() {
                q.priming_deadline = self.printer().reactor.now() + PRIMING_S;
                self.wake();
            }
            (q.lookahead.add_move(mv, instant_corner_v), q.priming)
        };
        if due {
            self.flush_lookahead(true);
            if self.offline && was_priming {
                self.batch_start();
            }
        }
        Ok(())
    }

    /// The move that was queued last ends no faster than this.
    pub fn limit_next_junction_speed(&self, speed_mm_s: f64) {
        if let Some(last) = self.queue.borrow_mut().lookahead.last_mut() {
            last.limit_next_junction_speed(speed_mm_s);
        }
    }

    /// Moves the axes that are given, and waits for nothing.
    pub fn manual_move(&self, to: [Option<f64>; 4], speed_mm_s: f64) -> CommandResult {
        let mut position = self.position();
        for (p, t) in position.iter_mut().zip(to) {
            *p = t.unwrap_or(*p);
        }
        self.move_to(position, speed_mm_s)?;
        let printer = self.printer();
        printer.gcode_move().reset_last_position(&printer);
        Ok(())
    }

    /// Calls back with the print time at which everything queued so far ends; at once if nothing is in the look-ahead.
    pub fn register_lookahead_callback(&self, callback: impl FnOnce(f64) + 'static) {
        {
            let mut q = self.queue.borrow_mut();
            if let Some(last) = q.lookahead.last_mut() {
                last.payload.callbacks.push(Box::new(callback));
                return;
            }
        }
        callback(self.last_move_time());
    }

    /// Like [`ToolHead::register_lookahead_callback`], but for one who only looks on: nothing is planned for its sake, and
    /// where nothing is queued the time is the end of what was.
    pub fn when_planned(&self, callback: impl FnOnce(f64) + 'static) {
        let mut q = self.queue.borrow_mut();
        if let Some(last) = q.lookahead.last_mut() {
            last.payload.callbacks.push(Box::new(callback));
            return;
        }
        let end = q.print_time;
        drop(q);
        callback(end);
    }

    /// Is the queue so full that the sender of moves has to wait?
    pub fn must_pace(&self) -> bool {
        let q = self.queue.borrow();
        !self.offline
            && !q.priming
            && q.print_time - self.mcu.estimated_print_time(self.printer().reactor.now()) > BUFFER_HIGH_S
    }

    /// Waits while the queue is full.
    pub async fn pace(&self) {
        while self.must_pace() {
            let reactor = self.printer().reactor.clone();
            let ahead = self.queue.borrow().print_time - self.estimated(reactor.now());
            reactor.sleep((ahead - BUFFER_HIGH_S).max(0.001)).await;
            if self.printer().is_shutdown() {
                return;
            }
        }
    }

    /// Are moves queued or under way?
    pub fn is_moving(&self, eventtime: EventTime) -> bool {
        let q = self.queue.borrow();
        !q.lookahead.is_empty() || (!self.offline && q.print_time > self.mcu.estimated_print_time(eventtime))
    }

    // ---- planning

    /// Plans what the look-ahead holds; `lazy` leaves what later moves may still speed up.
    fn flush_lookahead(&self, lazy: bool) {
        let mut planned = {
            let mut q = self.queue.borrow_mut();
            let mut planned = std::mem::take(&mut q.planned);
            q.lookahead.flush(lazy, &mut planned);
            q.lookahead.set_flush_time(LOOKAHEAD_FLUSH_S);
            planned
        };
        if planned.is_empty() {
            self.queue.borrow_mut().planned = planned;
            return;
        }
        if self.queue.borrow().priming {
            self.start_print_time();
        }
        let start = self.queue.borrow().print_time;
        let mut print_time = start;
        let (_, reach) = self.reach();
        {
            let mut trapq = self.trapq.borrow_mut();
            let extruder = self.extruder.borrow();
            let observer = self.observer.borrow();
            for mv in &planned {
                if let Some(observer) = &*observer {
                    observer(print_time, mv);
                }
                if mv.mv.is_kinematic {
                    trapq.append(&mv.trap_move(print_time));
                    self.machine.note_move(print_time, &mv.mv.axes_d);
                }
                if mv.mv.axes_d[E] != 0.0
                    && let Some(extruder) = &*extruder
                {
                    extruder.append(print_time, mv);
                }
                print_time += mv.total_t();
            }
        }
        {
            let mut q = self.queue.borrow_mut();
            q.print_time = print_time;
            q.needed_to = print_time + reach;
            q.batch_pending = true;
        }
        // Callbacks come after the whole batch: they may queue commands, not moves. Each gets its own move's end.
        // It is to be the very number at which the next move starts, so it is summed up in the same way.
        let mut end = start;
        for mv in planned.drain(..) {
            end += mv.total_t();
            for callback in mv.mv.payload.callbacks {
                callback(end);
            }
        }
        self.queue.borrow_mut().planned = planned;
        self.wake();
    }

    /// Time for the first move after a stop.
    fn start_print_time(&self) {
        let now = self.printer().reactor.now();
        let (reach, _) = self.reach();
        let mut q = self.queue.borrow_mut();
        let soonest = match self.offline {
            true => BUFFER_START_S,
            false => self.mcu.estimated_print_time(now) + BUFFER_START_S,
        };
        // Steps of shaped axes come up to half a shaper early; none may fall before what is sent already.
        let after_sent = if q.generated_to > 0.0 { q.generated_to + reach } else { 0.0 };
        q.print_time = q.print_time.max(soonest).max(after_sent);
        q.priming = false;
    }

    /// Longest look-ahead or look-back, in seconds, that shapers and pressure advance need around a moment.
    fn window(&self) -> f64 {
        let extruder = self.extruder.borrow().as_ref().map_or(0.0, |e| e.window());
        self.machine.window().max(extruder)
    }

    /// How far the steps of a move may reach before its start and beyond its end; a batch run reckons as the peer does.
    fn reach(&self) -> (f64, f64) {
        let window = self.window();
        match self.offline {
            true => (window.max(HOLD_BACK_S), window.max(HOLD_BACK_S)),
            false => (window, window + HOLD_BACK_S),
        }
    }

    /// Plans everything to a stop and answers when it ends.
    pub fn last_move_time(&self) -> f64 {
        let was_priming = self.queue.borrow().priming;
        self.flush_lookahead(false);
        if self.queue.borrow().priming {
            self.start_print_time();
            self.wake();
        }
        if self.offline && was_priming {
            self.begin_priming();
        }
        self.queue.borrow().print_time
    }

    /// The next moves gather as after a stop.
    fn begin_priming(&self) {
        let mut q = self.queue.borrow_mut();
        q.priming = true;
        q.lookahead.set_flush_time(LOOKAHEAD_START_S);
    }

    /// Print time up to which steps are made: whatever changes how they are made holds from there on.
    pub fn generated_to(&self) -> f64 {
        self.queue.borrow().generated_to
    }

    /// Holds still for a while, after what is queued.
    pub fn dwell(&self, seconds: f64) {
        let end = self.last_move_time() + seconds.max(0.0);
        self.queue.borrow_mut().print_time = end;
    }

    /// Everything queued so far is planned to a stop and its steps are made and sent.
    pub fn flush_step_generation(&self) {
        self.flush_lookahead(false);
        self.begin_priming();
        // Where nothing moved there is nothing to make, and the next move need not wait for it.
        let needed_to = self.queue.borrow().needed_to;
        if needed_to > 0.0 {
            self.generate(needed_to);
            if self.offline {
                self.deliver_held_steps(needed_to);
            }
        }
    }

    /// Waits until the last queued move has been made.
    pub async fn wait_moves(&self) {
        self.flush_lookahead(false);
        if self.offline {
            return self.begin_priming();
        }
        let reactor = self.printer().reactor.clone();
        loop {
            let end = {
                let q = self.queue.borrow();
                if q.priming && q.lookahead.is_empty() && q.print_time <= self.mcu.estimated_print_time(reactor.now()) {
                    return;
                }
                q.print_time
            };
            let ahead = end - self.mcu.estimated_print_time(reactor.now());
            if ahead <= 0.0 || self.printer().is_shutdown() {
                return;
            }
            reactor.sleep(ahead.clamp(0.001, 0.5)).await;
        }
    }

    // ---- steps

    /// Makes and sends all steps before `until`.
    fn generate(&self, until: f64) {
        {
            let mut q = self.queue.borrow_mut();
            if until <= q.generated_to {
                return;
            }
            q.generated_to = until;
        }
        let trapq = &mut *self.trapq.borrow_mut();
        self.machine.generate(trapq, until);
        let printer = self.printer();
        for (_, extruder) in printer.lookup_all::<Extruder>() {
            extruder.generate(until);
        }
        trapq.trim(until - 2.0 * self.window() - STEPGEN_PIECE_S);
        for mcu in printer.mcus() {
            mcu.flush_moves(mcu.print_time_to_clock(until).max(0) as u64, Stepper::history_clock(&mcu, until));
        }
    }

    /// Keeps the clocks of the other micro-controllers on the main one's, from where steps are not made yet.
    async fn steer_clocks(self: Rc<Self>) {
        let reactor = self.printer().reactor.clone();
        if self.offline {
            return;
        }
        loop {
            reactor.sleep(STEER_PERIOD_S).await;
            let printer = self.printer.upgrade().filter(|p| !p.is_shutdown() && p.mcus().len() > 1);
            let Some(printer) = printer else { return };
            let generated_to = self.queue.borrow().generated_to;
            for mcu in printer.mcus() {
                mcu.calibrate_clock(generated_to, reactor.now());
            }
            self.each_stepper(Stepper::refresh_clock);
        }
    }

    /// All motors that moves are made for: the machine's, then the extruders'.
    fn each_stepper(&self, act: impl Fn(&Stepper)) {
        self.machine.steppers().iter().for_each(|stepper| act(stepper));
        let extruders = self.printer().lookup_all::<Extruder>();
        extruders.iter().filter_map(|(_, extruder)| extruder.stepper()).for_each(|stepper| act(&stepper));
    }

    /// Nothing more comes soon: no step need wait for one that would cancel it.
    fn deliver_held_steps(&self, until: f64) {
        self.each_stepper(|stepper| stepper.deliver_held(until));
    }

    fn wake(&self) {
        if let Some(wake) = self.wake.borrow_mut().take() {
            wake.complete(());
        }
    }

    /// The task that keeps steps coming: sleeps until something is queued, then works piece by piece.
    async fn feed(self: Rc<Self>) {
        let reactor = self.printer().reactor.clone();
        if self.offline {
            return;
        }
        loop {
            let next = self.feed_once(reactor.now());
            let wake = reactor.completion();
            *self.wake.borrow_mut() = Some(wake.clone());
            wake.wait_until(next).await;
            if self.printer.upgrade().is_none_or(|p| p.is_shutdown()) {
                return;
            }
        }
    }

    /// Does what is due; answers when to look again.
    fn feed_once(&self, now: EventTime) -> EventTime {
        let est = self.mcu.estimated_print_time(now);
        let (priming, empty, deadline) = {
            let q = self.queue.borrow();
            (q.priming, q.lookahead.is_empty(), q.priming_deadline)
        };
        if priming {
            if empty {
                return crate::reactor::NEVER;
            }
            if now < deadline {
                return deadline;
            }
            self.flush_lookahead(false);
        }
        let print_time = self.queue.borrow().print_time;
        let buffer = print_time - est;
        if buffer < BUFFER_LOW_S && !self.queue.borrow().lookahead.is_empty() {
            // The sender has nothing more: stop in time rather than mid-move.
            self.flush_lookahead(false);
        }
        let (print_time, idle) = {
            let q = self.queue.borrow();
            (q.print_time, q.lookahead.is_empty())
        };
        let window = self.window();
        if idle && print_time - est < BUFFER_LOW_S {
            // Nothing may follow without a new start: the steps around the end are final.
            self.generate(print_time + window + HOLD_BACK_S);
            self.begin_priming();
            return crate::reactor::NEVER;
        }
        self.generate((est + STEPGEN_AHEAD_S).min(print_time - window));
        // Look again when a piece is used up, or when the buffer runs low.
        let until_low = (print_time - est - BUFFER_LOW_S).max(0.0) + 0.001;
        now + until_low.clamp(0.005, STEPGEN_PIECE_S)
    }

    // ---- homing

    /// A move that `stop` may end at any time: its steps are sent in small pieces just before they are due.
    /// Steps of pieces that are sent but not made are dropped by the micro-controllers themselves.
    pub async fn drip_move(&self, to: Position, speed_mm_s: f64, stop: &Completion<()>) -> CommandResult {
        self.flush_step_generation();
        if self.offline {
            // Steps count as made up to where the move is to begin.
            let mut q = self.queue.borrow_mut();
            q.generated_to = q.generated_to.max(q.print_time);
        }
        self.move_to(to, speed_mm_s)?;
        self.flush_lookahead(false);
        let end = self.queue.borrow().print_time;
        if self.offline {
            self.flush_step_generation();
            return Ok(());
        }
        let reactor = self.printer().reactor.clone();
        // While this runs the feeding task must leave the queue alone.
        self.queue.borrow_mut().priming = true;
        let mut sent = self.queue.borrow().generated_to;
        let finish = end + self.window() + HOLD_BACK_S;
        while sent < finish && stop.get().is_none() {
            let ahead = sent - self.mcu.estimated_print_time(reactor.now());
            if ahead > DRIP_AHEAD_S + ROUNDING_S {
                stop.wait_until(reactor.now() + (ahead - DRIP_AHEAD_S)).await;
                continue;
            }
            if self.printer().is_shutdown() {
                return Err(CommandError::new("Printer was shut down while homing"));
            }
            sent = (sent + DRIP_PIECE_S).max(self.mcu.estimated_print_time(reactor.now())).min(finish);
            self.generate(sent);
        }
        if stop.get().is_some() {
            let at = self.queue.borrow().generated_to;
            let (_, reach) = self.reach();
            // What was planned beyond never happens; where the head is, the steppers will say.
            let p = self.position();
            self.trapq.borrow_mut().set_position(at, [p[0], p[1], p[2]]);
            let mut q = self.queue.borrow_mut();
            (q.print_time, q.needed_to) = (at, at + reach);
        }
        Ok(())
    }

    /// The head is at `position`, whatever the steps said; `homed` axes are known from here on.
    pub fn set_position(&self, position: Position, homed: [bool; 3]) {
        self.flush_step_generation();
        // Steps are complete up to here; shaped steps of the next move may come before its start.
        let print_time = self.queue.borrow().generated_to;
        self.trapq.borrow_mut().set_position(print_time, [position[0], position[1], position[2]]);
        self.machine.set_position(&self.trapq.borrow(), print_time, [position[0], position[1], position[2]], homed);
        self.queue.borrow_mut().commanded = position;
        let printer = self.printer();
        printer.gcode_move().reset_last_position(&printer);
    }

    /// For GET_POSITION.
    pub fn describe_position(&self, printer: &Printer) -> String {
        let q = self.queue.borrow().commanded;
        let g = printer.gcode_move().gcode_position();
        let xyz = |p: &[f64]| format!("X:{:.6} Y:{:.6} Z:{:.6}", p[0], p[1], p[2]);
        let steppers = self.machine.steppers();
        let mcu: Vec<String> = steppers.iter().map(|s| format!("{}:{}", s.name(), s.mcu_position())).collect();
        let motors: Vec<String> =
            steppers.iter().map(|s| format!("{}:{:.6}", s.name(), s.commanded_position())).collect();
        let kinematic = self.machine.calc_position();
        format!(
            "mcu: {}\nstepper: {}\nkinematic: {}\ntoolhead: {} E:{:.6}\ngcode: {} E:{:.6}",
            mcu.join(" "),
            motors.join(" "),
            xyz(&kinematic),
            xyz(&q),
            q[E],
            xyz(&g),
            g[E]
        )
    }

    /// Switches the motors off, at the end of what is queued; positions are not known any more.
    pub fn motors_off(&self) {
        self.dwell(0.100);
        let at = self.last_move_time();
        let printer = self.printer();
        self.machine.motors_off(at);
        for (_, extruder) in printer.lookup_all::<Extruder>() {
            extruder.motor_off(at);
        }
        printer.send(Event::MotorOff);
        self.dwell(0.100);
    }
}

/// A refused move in the words that users search for.
pub fn move_error(error: MoveError) -> CommandError {
    match error {
        MoveError::MustHomeFirst { .. } => CommandError::new("Must home axis first"),
        MoveError::OutOfRange { end_pos: p } => {
            CommandError::new(format!("Move out of range: {:.3} {:.3} {:.3} [{:.3}]", p[0], p[1], p[2], p[3]))
        }
        MoveError::ExtrudeTooLong { distance_mm, max_mm } => CommandError::new(format!(
            "Extrude only move too long ({distance_mm:.3}mm vs {max_mm:.3}mm)\nSee the 'max_extrude_only_distance' config option for details"
        )),
        MoveError::ExtrudeTooMuch { area_mm2, max_mm2 } => CommandError::new(format!(
            "Move exceeds maximum extrusion ({area_mm2:.3}mm^2 vs {max_mm2:.3}mm^2)\nSee the 'max_extrude_cross_section' config option for details"
        )),
    }
}

fn register(printer: &Rc<Printer>) {
    let gcode = &printer.gcode;
    gcode.register("G4", "Dwell", |printer, command| {
        printer.toolhead().dwell(command.float("P").min(0.0).or(0.0)? / 1000.0);
        Ok(())
    });
    gcode.register_async("M400", "Wait for the moves to end", |printer, _| async move {
        printer.toolhead().clone().wait_moves().await;
        Ok(())
    });
    gcode.register("M204", "Set the acceleration", |printer, command| {
        let toolhead = printer.toolhead();
        let accel = match command.float("S").above(0.0).optional()? {
            Some(s) => s,
            None => {
                let (p, t) = (command.float("P").above(0.0).optional()?, command.float("T").above(0.0).optional()?);
                match (p, t) {
                    (Some(p), Some(t)) => p.min(t),
                    _ => {
                        printer.gcode.respond_info(&format!("Invalid M204 command \"{}\"", command.raw()));
                        return Ok(());
                    }
                }
            }
        };
        let mut limits = toolhead.limits();
        limits.max_accel_mm_s2 = accel;
        toolhead.set_limits(limits);
        Ok(())
    });
    gcode.register("SET_VELOCITY_LIMIT", "Set printer velocity limits", |printer, command| {
        let toolhead = printer.toolhead();
        let mut limits = toolhead.limits();
        let mut given = false;
        let mut set = |value: Option<f64>, field: &mut f64| {
            given |= value.is_some();
            *field = value.unwrap_or(*field);
        };
        set(command.float("VELOCITY").above(0.0).optional()?, &mut limits.max_velocity_mm_s);
        set(command.float("ACCEL").above(0.0).optional()?, &mut limits.max_accel_mm_s2);
        set(command.float("SQUARE_CORNER_VELOCITY").min(0.0).optional()?, &mut limits.square_corner_velocity_mm_s);
        set(command.float("MINIMUM_CRUISE_RATIO").min(0.0).below(1.0).optional()?, &mut limits.minimum_cruise_ratio);
        toolhead.set_limits(limits);
        let message = format!(
            "max_velocity: {:.6}\nmax_accel: {:.6}\nminimum_cruise_ratio: {:.6}\nsquare_corner_velocity: {:.6}",
            limits.max_velocity_mm_s,
            limits.max_accel_mm_s2,
            limits.minimum_cruise_ratio,
            limits.square_corner_velocity_mm_s
        );
        printer.log(message.replace('\n', " "));
        if !given {
            printer.gcode.respond_info(&message);
        }
        Ok(())
    });
    for name in ["M18", "M84"] {
        gcode.register(name, "Switch the motors off", |printer, _| {
            printer.toolhead().motors_off();
            Ok(())
        });
    }
}

/// Which of X, Y, Z are homed, as status fields spell it.
pub fn homed_axes(kinematics: &AnyKinematics) -> String {
    let homed = kinematics.homed();
    "xyz".chars().zip(homed).filter_map(|(c, h)| h.then_some(c)).collect()
}
