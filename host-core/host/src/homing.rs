//! Homing: moves that a switch ends, and what they tell about where the head is.
//!
//! A homing move is planned to the endstop's place and half an axis beyond. The micro-controller that sees the switch
//! stops its motors by itself and tells the others through the host (trsync). Afterwards the motors' own step
//! counters, and the host's record of when each step was due, tell where the head was at the trigger and how far it
//! went on.

use std::rc::Rc;

use crate::gcode::CommandError;
use crate::gcode_move::Position;
use crate::kinematics::Rail;
use crate::objects::session_status::QueryEndstops;
use crate::printer::dispatch::CommandResult;
use crate::printer::{Event, Printer};
use crate::reactor::{Completion, LocalFuture};
use crate::stepper::Stepper;

mod mcu_endstop;
pub use mcu_endstop::McuEndstop;

/// Pause between arming the endstop and the first step.
const START_DELAY_S: f64 = 0.001;
/// An endstop is sampled this often, this many times in a row, before it counts as triggered.
const SAMPLE_S: f64 = 0.000_015;
const SAMPLE_COUNT: u8 = 4;
/// A homing move goes this much farther than the axis is long.
const OVERTRAVEL: f64 = 1.5;

/// Anything that can end a move: a switch, a probe, a stalled driver.
pub trait Endstop {
    /// The name in messages: the section without its kind (`x`, `z1`, `z_virtual_endstop`).
    fn name(&self) -> String;
    /// A motor that this endstop must stop.
    fn add_stepper(&self, stepper: Rc<Stepper>);
    fn steppers(&self) -> Vec<Rc<Stepper>>;
    /// Where it triggers, if it knows better than printer.cfg (a probe).
    fn position_endstop(&self) -> Option<f64> {
        None
    }
    /// Before and after a move that it may end: a probe deploys and stows.
    fn prepare(&self, printer: Rc<Printer>) -> LocalFuture<CommandResult> {
        let _ = printer;
        Box::pin(async { Ok(()) })
    }
    fn finish(&self, printer: Rc<Printer>) -> LocalFuture<CommandResult> {
        let _ = printer;
        Box::pin(async { Ok(()) })
    }
    /// Arms it from `print_time` on, to be polled each `rest_s`; the completion comes when it (or an error) ends the move.
    fn home_start(&self, print_time: f64, sample: Sampling, triggered: bool) -> Completion<()>;
    /// Disarms it after a move that ends at `end`. `None`: it did not trigger.
    fn home_wait(&self, end: f64) -> LocalFuture<Result<Option<f64>, CommandError>>;
    fn query(&self, print_time: f64) -> LocalFuture<Result<bool, CommandError>>;
}

/// How an armed endstop is polled.
#[derive(Debug, Clone, Copy)]
pub struct Sampling {
    pub sample_s: f64,
    pub sample_count: u8,
    pub rest_s: f64,
}

/// What a homing move found.
pub struct HomingResult {
    /// Where the head was when the (last) endstop triggered.
    pub trigger: Position,
    /// Where the head is.
    pub halt: Position,
    /// Nothing moved at all: the endstop was triggered from the beginning.
    pub no_movement: bool,
}

struct Mark {
    stepper: Rc<Stepper>,
    endstop: usize,
    start_mm: f64,
    start: i64,
    trigger: i64,
    halt: i64,
}

/// Moves towards `to` until every endstop has triggered. With `probing`, `to` only bounds the search and the result
/// is where the probe triggered; otherwise the endstop is known to be at `to`.
pub async fn homing_move(
    printer: &Rc<Printer>,
    endstops: &[Rc<dyn Endstop>],
    to: Position,
    speed_mm_s: f64,
    probing: bool,
    triggered: bool,
) -> Result<HomingResult, CommandError> {
    let toolhead = printer.toolhead().clone();
    toolhead.flush_step_generation();
    let from = toolhead.position();
    let mut marks: Vec<Mark> = Vec::new();
    for (endstop, e) in endstops.iter().enumerate() {
        for stepper in e.steppers() {
            let start = stepper.mcu_position();
            marks.push(Mark {
                start_mm: stepper.commanded_position(),
                stepper,
                endstop,
                start,
                trigger: start,
                halt: start,
            });
        }
    }
    for endstop in endstops {
        endstop.prepare(printer.clone()).await?;
    }
    let print_time = toolhead.last_move_time();
    let distance = (0..3).map(|i| (to[i] - from[i]) * (to[i] - from[i])).sum::<f64>().sqrt();
    let all = printer.reactor.completion::<()>();
    let mut armed = Vec::new();
    for endstop in endstops {
        let rest_s = rest_time(endstop, from, to, distance / speed_mm_s);
        let sample = Sampling { sample_s: SAMPLE_S, sample_count: SAMPLE_COUNT, rest_s };
        armed.push(endstop.home_start(print_time, sample, triggered));
    }
    // The move ends when the last endstop has triggered.
    let waiter = all.clone();
    printer.reactor.spawn("homing triggers", async move {
        for completion in armed {
            completion.wait().await;
        }
        waiter.complete(());
    });
    toolhead.dwell(START_DELAY_S);
    let mut error = toolhead.drip_move(to, speed_mm_s, &all).await.err();
    let end = toolhead.last_move_time();
    let mut trigger_times = Vec::new();
    for endstop in endstops {
        match endstop.home_wait(end).await {
            Ok(time) => trigger_times.push(time),
            Err(e) => {
                error = error.or(Some(CommandError::new(format!("Error during homing {}: {e}", endstop.name()))));
                trigger_times.push(None);
            }
        }
        if trigger_times.last() == Some(&None) && error.is_none() && !printer.is_offline() {
            error = Some(CommandError::new(format!("No trigger on {} after full movement", endstop.name())));
        }
    }
    toolhead.flush_step_generation();
    let mut no_movement = !marks.is_empty();
    for mark in &mut marks {
        mark.halt = mark.stepper.mcu_position();
        mark.trigger = match trigger_times[mark.endstop] {
            Some(time) => mark.stepper.past_mcu_position(time),
            None => mark.halt,
        };
        no_movement &= mark.trigger == mark.start;
    }
    let result = find_positions(&toolhead, &marks, to, probing, printer.is_offline());
    toolhead.set_position(result.0, [false; 3]);
    for endstop in endstops {
        if let Err(e) = endstop.finish(printer.clone()).await {
            error = error.or(Some(e));
        }
    }
    match error {
        Some(error) => Err(error),
        None => {
            Ok(HomingResult { halt: result.0, trigger: result.1, no_movement: no_movement && !printer.is_offline() })
        }
    }
}

/// Halt and trigger positions of the head from what the motors counted.
fn find_positions(
    toolhead: &crate::toolhead::ToolHead,
    marks: &[Mark],
    to: Position,
    probing: bool,
    offline: bool,
) -> (Position, Position) {
    if offline {
        return (to, to);
    }
    let machine = &toolhead.machine;
    // Each motor's place at the trigger or halt, from how many steps it made since the start.
    let at = |pick: &dyn Fn(&Mark) -> i64| {
        machine.calc_position_of(&|stepper: &Stepper| {
            let mark = marks.iter().find(|m| m.stepper.name() == stepper.name());
            let moved = |m: &Mark| m.start_mm + (pick(m) - m.start) as f64 * m.stepper.step_distance();
            mark.map_or_else(|| stepper.commanded_position(), moved)
        })
    };
    let trigger = at(&|m| m.trigger);
    let halt = at(&|m| m.halt);
    let with_e = |p: [f64; 3]| [p[0], p[1], p[2], to[3]];
    if probing {
        return (with_e(halt), with_e(trigger));
    }
    // The endstop is at `to` by definition; the head went on by (halt - trigger).
    let mut end = to;
    for i in 0..3 {
        end[i] += halt[i] - trigger[i];
    }
    (end, to)
}

/// How often an endstop is looked at: once a step of the motor that makes the most steps.
fn rest_time(endstop: &Rc<dyn Endstop>, from: Position, to: Position, move_s: f64) -> f64 {
    let steps = |s: &Rc<Stepper>| {
        let p = |q: Position| s.map().position([q[0], q[1], q[2]]);
        ((p(to) - p(from)) / s.step_distance()).abs()
    };
    let most = endstop.steppers().iter().map(steps).fold(0.0, f64::max);
    if most < 1.0 { 0.001 } else { move_s / most }
}

/// Homes rails that reach their endstops together (one axis; or a delta's three towers): fast, back, slow.
/// `from` and `to` are where the head is taken to be before, and where it is at the trigger.
pub async fn home_rails(
    printer: &Rc<Printer>,
    rails: &[&Rail],
    from: Position,
    to: Position,
    axes: [bool; 3],
) -> CommandResult {
    let toolhead = printer.toolhead().clone();
    let endstops: Vec<Rc<dyn Endstop>> = rails.iter().flat_map(|rail| rail.endstops.clone()).collect();
    let homing = rails[0].homing;
    printer.send(Event::HomingBegin);
    toolhead.set_position(from, axes);
    homing_move(printer, &endstops, to, homing.speed_mm_s, false, true).await?;
    if homing.retract_dist_mm > 0.0 {
        let delta: Vec<f64> = (0..3).map(|i| to[i] - from[i]).collect();
        let length = delta.iter().map(|d| d * d).sum::<f64>().sqrt();
        let back = (homing.retract_dist_mm / length).min(1.0);
        let retract: Position = std::array::from_fn(|i| if i < 3 { to[i] - delta[i] * back } else { to[i] });
        toolhead.move_to(retract, homing.retract_speed_mm_s)?;
        toolhead.flush_step_generation();
        // The second approach may go a little beyond the retract.
        let start: Position = std::array::from_fn(|i| if i < 3 { retract[i] - delta[i] * back } else { to[i] });
        toolhead.set_position(start, axes);
        let found = homing_move(printer, &endstops, to, homing.second_speed_mm_s, false, true).await?;
        if found.no_movement {
            let name = endstops.first().map_or(String::new(), |e| e.name());
            return Err(CommandError::new(format!("Endstop {name} still triggered after retract")));
        }
    }
    let halt = toolhead.position();
    toolhead.set_position(halt, axes);
    printer.send(Event::HomingEnd);
    Ok(())
}

/// Homes the given axes, in the order X, Y, Z.
pub async fn home_axes(printer: &Rc<Printer>, axes: [bool; 3]) -> CommandResult {
    let toolhead = printer.toolhead().clone();
    let result = home_axes_inner(printer, axes).await;
    if result.is_err() && !printer.is_shutdown() {
        // Positions are not to be trusted.
        toolhead.flush_step_generation();
        toolhead.motors_off();
    }
    result
}

async fn home_axes_inner(printer: &Rc<Printer>, axes: [bool; 3]) -> CommandResult {
    let toolhead = printer.toolhead().clone();
    let machine = &toolhead.machine;
    if let Some((home, longest_fall)) = machine.delta_home() {
        let rails: Vec<&Rail> = machine.rails().iter().collect();
        let mut from = toolhead.position();
        from[..3].copy_from_slice(&home);
        let mut to = from;
        from[2] = -OVERTRAVEL * longest_fall;
        to[2] = home[2];
        return home_rails(printer, &rails, from, to, [true; 3]).await;
    }
    for axis in 0..3 {
        if !axes[axis] {
            continue;
        }
        let rail = &machine.rails()[axis];
        let (min, max) = rail.range_mm;
        let at = rail.homing.position_endstop_mm;
        let mut to = toolhead.position();
        to[axis] = at;
        let mut from = to;
        from[axis] = if rail.homing.positive_dir { at - OVERTRAVEL * (at - min) } else { at + OVERTRAVEL * (max - at) };
        let mut homed = machine.homed();
        homed[axis] = true;
        home_rails(printer, &[rail], from, to, homed).await?;
    }
    Ok(())
}

/// G28 and QUERY_ENDSTOPS.
pub fn register(printer: &Rc<Printer>) {
    let gcode = &printer.gcode;
    gcode.register_async("G28", "Home axes", |printer, command| async move {
        let mut axes = ["X", "Y", "Z"].map(|axis| command.has(axis));
        if axes == [false; 3] {
            axes = [true; 3];
        }
        home_axes(&printer, axes).await
    });
    for name in ["QUERY_ENDSTOPS", "M119"] {
        gcode.register_async(name, "Report on the status of each endstop", |printer, _| async move {
            let print_time = printer.toolhead().last_move_time();
            let mut found = Vec::new();
            for rail in printer.toolhead().clone().machine.rails() {
                for endstop in &rail.endstops {
                    found.push((endstop.name(), endstop.query(print_time).await?));
                }
            }
            let word = |triggered| if triggered { "TRIGGERED" } else { "open" };
            let words: Vec<String> = found.iter().map(|(name, on)| format!("{name}:{}", word(*on))).collect();
            QueryEndstops::note(&printer, found);
            printer.gcode.respond_raw(words.join(" "));
            Ok(())
        });
    }
}
