//! Exact step times of one stepper.
//!
//! The stepper's position p(t) follows from the trapezoid queue, through the kinematics and, where set, an input
//! shaper per axis or pressure advance. It is cut into *pieces* on which it has one formula; each piece is solved for
//! the times at which p crosses a boundary half-way between two step positions.
//!
//! # Equation
//!   step k → k + 1 at p(t) = origin + (k + ½)·d, k + 1 → k at the same boundary downwards; clock = ⌊t·f + ½⌋
//! # Symbols
//!   d [mm] step distance · f [Hz] MCU clock · `origin` [mm] position of step 0, fixed by `set_position`
//! # Valid for
//!   - straight motors (cartesian, CoreXY, extruder): p is quadratic in t per piece, shaped or not; solved by the
//!     quadratic formula from the slower end of the piece, which never cancels
//!   - delta towers, unshaped: the distance along the move solves a quadratic, the time another
//!   - delta towers, shaped, and pressure advance (p is quartic): Newton's method inside a bracket
//! # Caveats
//!   A step and its reverse within 0.75 ms are dropped unless the motor reached the full step in between: the
//!   stepper would only twitch. So the last step is held back until it is 0.75 ms old.
//!   Where a motor turns, passes a boundary and comes back between two looks (search.rs), the steps there and back are
//!   not made. And where a motor creeps (below 0.06 mm/s), the peer's tolerance of 1e-9 mm makes its clocks a few ticks
//!   uncertain: up to 7 at 168 MHz were seen.
//! # Checked by
//!   tests/step_parity.rs: 368,394 reference steps, none more than a tick (6 ns) off the peer's;
//!   tests/step_properties.rs: every step within 1.05 ticks of the crossing, over random programs, all kinematics and
//!   shapers, pressure advance; tests/step_changes.rs: what changes on the way
//! # Cost
//!   benches/motion.rs, ns a step on a busy 2-core Xeon: cartesian 3, CoreXY 5, delta 24; shaped cartesian or CoreXY
//!   6..15, shaped delta 200; extruder 4, with pressure advance 70; compression 7..20 on top

use crate::kinematics::ActuatorMap;
use crate::shapers::Pulses;
use crate::trapq::TrapQ;
use alloc::vec::Vec;

mod arm;
mod emit;
mod newton;
mod pieces;
mod polynomial;
mod pressure_advance;
mod quadratic;
mod search;

use arm::ArmSegment;
use emit::Emitter;
use pieces::{Blend, Piece};
use pressure_advance::PressureAdvance;

/// Takes the steps of one stepper.
pub trait StepSink {
    /// Steps in one direction (true: the position grows), clocks ascending, after all that came before.
    fn steps(&mut self, dir: bool, clocks: &[u64]);
}

/// From print time to the clock of the stepper's MCU: `⌊(print_time − time_offset)·freq + ½⌋`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockMap {
    pub time_offset_s: f64,
    pub freq_hz: f64,
}

impl ClockMap {
    /// The main MCU: print time 0 is clock 0.
    pub fn main(freq_hz: f64) -> Self {
        Self { time_offset_s: 0.0, freq_hz }
    }

    /// Not rounded yet.
    fn ticks(&self, print_time: f64) -> f64 {
        (print_time - self.time_offset_s) * self.freq_hz
    }

    pub fn clock(&self, print_time: f64) -> u64 {
        libm::floor((self.ticks(print_time) + 0.5).max(0.0)) as u64
    }
}

/// Turns a trapezoid queue into the steps of one stepper, piece by piece as the queue grows.
///
/// Generators share nothing; each may run on its own thread over the same queue.
#[derive(Debug, Clone)]
pub struct StepGenerator {
    map: ActuatorMap,
    source: Source,
    emitter: Emitter,
    /// Steps are complete up to here.
    time_s: f64,
}

/// Where the position comes from.
#[derive(Debug, Clone)]
enum Source {
    /// Straight from the queue's segments; the number of the next one.
    Plain {
        index: u64,
    },
    /// Several cursors into the queue, one per pulse.
    Shaped {
        pulses: [Option<Pulses>; 3],
        blend: Blend,
    },
    PressureAdvance(PressureAdvance),
}

impl StepGenerator {
    /// A motor at position 0 mm (tell it the truth with [`set_position`](Self::set_position)).
    pub fn new(map: ActuatorMap, step_distance_mm: f64, clock_map: ClockMap) -> Self {
        Self {
            map,
            source: Source::Plain { index: 0 },
            emitter: Emitter::new(step_distance_mm, clock_map),
            time_s: 0.0,
        }
    }

    /// Shape an axis (0..3), or stop shaping it. Only while the queue is at rest within [`window`](Self::window):
    /// the position of a moving motor would jump. Ends pressure advance, which is for extruders.
    pub fn set_shaper(&mut self, axis: usize, shaper: Option<Pulses>) {
        let (mut pulses, from) = match &mut self.source {
            Source::Shaped { pulses, blend } => (core::mem::take(pulses), blend.first_index()),
            Source::Plain { index } => (Default::default(), *index),
            Source::PressureAdvance(pa) => (Default::default(), pa.first_index()),
        };
        pulses[axis] = if self.map.axes()[axis] { shaper } else { None };
        self.source = if pulses.iter().all(Option::is_none) {
            Source::Plain { index: from }
        } else {
            let blend = Blend::new(&self.map, &pulses, from);
            Source::Shaped { pulses, blend }
        };
    }

    /// Pressure advance of `advance_s` (mm per mm/s) for moves that start at `from_print_time` or later. It acts
    /// while a smooth time is set. Its place in the move queue is the print time of the next move.
    pub fn set_pressure_advance(&mut self, from_print_time: f64, advance_s: f64) {
        self.pressure_advance().set_advance(from_print_time, advance_s);
    }

    /// Width of the triangle that pressure advance is smoothed over; 0 switches smoothing and pressure advance off
    /// (klippy does so while the advance is 0). Only while the queue is at rest within the old and the new window.
    pub fn set_smooth_time(&mut self, smooth_time_s: f64) {
        self.pressure_advance().set_smooth_time(smooth_time_s);
    }

    fn pressure_advance(&mut self) -> &mut PressureAdvance {
        let from = match &self.source {
            Source::PressureAdvance(_) => None,
            Source::Plain { index } => Some(*index),
            Source::Shaped { blend, .. } => Some(blend.first_index()),
        };
        if let Some(from) = from {
            self.source = Source::PressureAdvance(PressureAdvance::new(from));
        }
        match &mut self.source {
            Source::PressureAdvance(pa) => pa,
            _ => unreachable!("set just above"),
        }
    }

    /// (pre, post) in seconds. To generate until t the queue must be final until t + pre, and must still hold what
    /// ended after t − post. A move that starts at t moves the motor from t − pre to its end + post.
    pub fn window(&self) -> (f64, f64) {
        match &self.source {
            Source::Plain { .. } => (0.0, 0.0),
            Source::Shaped { blend, .. } => blend.window(),
            Source::PressureAdvance(pa) => pa.window(),
        }
    }

    /// A clock that runs a little differently from here on (clock synchronisation of a second MCU).
    pub fn set_clock_map(&mut self, clock_map: ClockMap) {
        self.emitter.set_clock_map(clock_map);
    }

    /// The motor is at `pos` (X, Y, Z) from `print_time` on: no steps result, and the next step is half a step away.
    /// Call `TrapQ::set_position` first. The count of steps goes on.
    pub fn set_position(&mut self, trapq: &TrapQ, print_time: f64, pos: [f64; 3]) {
        self.emitter.set_position_mm(self.map.position(pos));
        self.time_s = print_time;
        self.rewind(trapq);
    }

    /// Follow another queue (an extruder synchronised to another) from `print_time` on, from its position there.
    pub fn follow(&mut self, trapq: &TrapQ, print_time: f64) {
        self.set_position(trapq, print_time, trapq.position_at(print_time).0);
    }

    fn rewind(&mut self, trapq: &TrapQ) {
        let first = trapq.first_index();
        match &mut self.source {
            Source::Plain { index } => *index = first,
            Source::Shaped { blend, .. } => blend.rewind(first),
            Source::PressureAdvance(pa) => pa.rewind(first),
        }
    }

    /// Where the steps so far have put the motor, mm.
    pub fn commanded_pos_mm(&self) -> f64 {
        self.emitter.commanded_pos_mm()
    }

    /// Steps so far: up minus down.
    pub fn position_steps(&self) -> i64 {
        self.emitter.position_steps()
    }

    pub fn step_distance_mm(&self) -> f64 {
        self.emitter.step_distance_mm()
    }

    pub fn map(&self) -> &ActuatorMap {
        &self.map
    }

    /// Print time up to which steps are generated.
    pub fn generated_until(&self) -> f64 {
        self.time_s
    }

    /// When the motor first moves because of what is queued between two print times, if it does (for its enable
    /// pin). Looks at the queue only; costs nothing per step.
    pub fn first_motion(&self, trapq: &TrapQ, from: f64, until: f64) -> Option<f64> {
        let axes = self.map.axes();
        let (mut index, end) = (trapq.first_index(), trapq.end_index());
        while index < end {
            let s = trapq.segment(index)?;
            if s.print_time >= until {
                return None;
            }
            if s.end_time() > from && s.moves(axes) {
                return Some(s.print_time.max(from));
            }
            index += 1;
        }
        None
    }

    /// All steps up to `until`, appended to `sink`; the last may be held back for 0.75 ms.
    pub fn generate(&mut self, trapq: &TrapQ, until: f64, sink: &mut impl StepSink) {
        if until <= self.time_s {
            return;
        }
        let (from, emitter) = (self.time_s, &mut self.emitter);
        match &mut self.source {
            Source::Plain { index } => match self.map {
                ActuatorMap::Linear(c) => generate_linear(c, trapq, index, from, until, emitter, sink),
                ActuatorMap::Arm { arm2_mm2, tower_mm } => {
                    let arm = ArmSegment { arm2_mm2, tower_mm };
                    generate_arm(&arm, trapq, index, from, until, emitter, sink);
                }
            },
            Source::Shaped { blend, .. } => blend.generate(&self.map, trapq, from, until, emitter, sink),
            Source::PressureAdvance(pa) => pa.generate(&self.map, trapq, from, until, emitter, sink),
        }
        emitter.deliver_until(until, sink);
        self.time_s = until;
    }

    /// Deliver the step that `generate` may still hold back: nothing more is to come soon.
    pub fn finish(&mut self, sink: &mut impl StepSink) {
        self.emitter.deliver_all(sink);
    }
}

/// Calls `each(segment, u0, u1)` for the part of every segment between two print times.
fn for_segments(
    trapq: &TrapQ,
    index: &mut u64,
    from: f64,
    until: f64,
    mut each: impl FnMut(&crate::trapq::Segment, f64, f64),
) {
    *index = (*index).max(trapq.first_index());
    while let Some(s) = trapq.segment(*index) {
        if s.print_time >= until {
            return;
        }
        let u1 = (until - s.print_time).min(s.duration);
        let u0 = (from - s.print_time).max(0.0);
        if u0 < u1 {
            each(s, u0, u1);
        }
        if s.end_time() > until {
            return;
        }
        *index += 1;
    }
}

fn generate_linear(
    c: [f64; 3],
    trapq: &TrapQ,
    index: &mut u64,
    from: f64,
    until: f64,
    emitter: &mut Emitter,
    sink: &mut impl StepSink,
) {
    for_segments(trapq, index, from, until, |s, u0, u1| {
        let r = c[0] * s.axes_r[0] + c[1] * s.axes_r[1] + c[2] * s.axes_r[2];
        let (v, half_accel) = (r * s.start_v, r * s.half_accel);
        if v == 0.0 && half_accel == 0.0 {
            return;
        }
        let p = &s.start_pos;
        let piece = Piece {
            print_time: s.print_time,
            duration: s.duration,
            pos: c[0] * p[0] + c[1] * p[1] + c[2] * p[2],
            v,
            half_accel,
        };
        quadratic::solve(&piece, u0, u1, emitter, sink);
    });
}

fn generate_arm(
    arm: &ArmSegment,
    trapq: &TrapQ,
    index: &mut u64,
    from: f64,
    until: f64,
    emitter: &mut Emitter,
    sink: &mut impl StepSink,
) {
    for_segments(trapq, index, from, until, |s, u0, u1| {
        if s.moves([true; 3]) {
            emitter.enter_window(s.print_time + u0, s.print_time + u1, sink);
            arm.solve(s, u0, u1, emitter, sink);
        }
    });
}

/// A vector sink, for tests and tools: every step with its direction.
impl StepSink for Vec<(bool, u64)> {
    fn steps(&mut self, dir: bool, clocks: &[u64]) {
        self.extend(clocks.iter().map(|&clock| (dir, clock)));
    }
}
