//! Turning a sweep into moves: each segment is one move whose speeds the look-ahead cannot but choose as meant.

use std::rc::Rc;

use drydock_motion::lookahead::VelocityLimits;

use super::sweep::Sweep;
use crate::gcode::CommandError;
use crate::objects::input_shaper::InputShaper;
use crate::printer::Printer;
use crate::printer::dispatch::CommandResult;

/// Speeds below this are rounding.
const REST_MM_S: f64 = 1e-6;
/// Room above the highest speed that is asked for, so that rounding is never cut off.
const HEADROOM: f64 = 1.01;

/// Runs the whole sweep from where the head stands. Limits and input shaper come back however it ends.
pub async fn shake(printer: &Rc<Printer>, direction: [f64; 3], sweep: &Sweep, shaped: bool) -> CommandResult {
    let toolhead = printer.toolhead();
    let before = toolhead.limits();
    let shaper = printer.lookup::<InputShaper>("input_shaper").filter(|_| !shaped);
    if let Some(shaper) = &shaper {
        shaper.disable(printer);
        printer.gcode.respond_info("Disabled [input_shaper] for resonance testing");
    }
    let result = run(printer, direction, sweep, before).await;
    toolhead.set_limits(before);
    if let Some(shaper) = &shaper {
        shaper.enable(printer);
        printer.gcode.respond_info("Re-enabled [input_shaper]");
    }
    let position = printer.gcode_move();
    position.reset_last_position(printer);
    result
}

struct Shaker<'a> {
    printer: &'a Rc<Printer>,
    start: [f64; 4],
    direction: [f64; 3],
    /// Distance from the start along the direction, mm, and speed, mm/s.
    at_mm: f64,
    speed_mm_s: f64,
    limits: VelocityLimits,
}

async fn run(printer: &Rc<Printer>, direction: [f64; 3], sweep: &Sweep, before: VelocityLimits) -> CommandResult {
    let toolhead = printer.toolhead();
    let peak = sweep.peak_speed_mm_s() * HEADROOM;
    let limits =
        VelocityLimits { max_velocity_mm_s: before.max_velocity_mm_s.max(peak), minimum_cruise_ratio: 0.0, ..before };
    let mut shaker = Shaker { printer, start: toolhead.position(), direction, at_mm: 0.0, speed_mm_s: 0.0, limits };
    let mut shown_hz = 0.0;
    for segment in sweep.segments() {
        if segment.freq_hz.floor() > shown_hz {
            shown_hz = segment.freq_hz.floor();
            printer.gcode.respond_info(&format!("Testing frequency {:.0} Hz", segment.freq_hz));
        }
        shaker.accelerate(segment.accel_mm_s2, segment.duration_s)?;
        toolhead.pace().await;
        if printer.is_shutdown() {
            return Err(CommandError::new("Resonance test interrupted"));
        }
    }
    if shaker.speed_mm_s != 0.0 {
        // To a stop, with an acceleration that the machine is used to.
        let accel = before.max_accel_mm_s2.copysign(-shaker.speed_mm_s);
        shaker.accelerate(accel, -shaker.speed_mm_s / accel)?;
    }
    Ok(())
}

impl Shaker<'_> {
    fn accelerate(&mut self, accel_mm_s2: f64, duration_s: f64) -> CommandResult {
        let from = self.speed_mm_s;
        let mut to = from + accel_mm_s2 * duration_s;
        if to.abs() < REST_MM_S {
            to = 0.0;
        }
        if accel_mm_s2.abs() < REST_MM_S {
            return self.go(from * duration_s, from, from);
        }
        self.limits.max_accel_mm_s2 = accel_mm_s2.abs();
        self.printer.toolhead().set_limits(self.limits);
        let reach = |v0: f64, v1: f64| (v1 * v1 - v0 * v0) / (2.0 * accel_mm_s2);
        if from * to < 0.0 {
            // One move cannot turn round: to a stop first.
            self.go(reach(from, 0.0), from, 0.0)?;
            return self.go(reach(0.0, to), 0.0, to);
        }
        self.go(reach(from, to), from, to)
    }

    fn go(&mut self, distance_mm: f64, from_mm_s: f64, to_mm_s: f64) -> CommandResult {
        self.at_mm += distance_mm;
        self.speed_mm_s = to_mm_s;
        let mut target = self.start;
        target.iter_mut().zip(self.direction).for_each(|(p, d)| *p += d * self.at_mm);
        let toolhead = self.printer.toolhead();
        toolhead.move_to(target, from_mm_s.abs().max(to_mm_s.abs()))?;
        // Where the speed has a minimum, both moves could go faster through it.
        toolhead.limit_next_junction_speed(to_mm_s.abs());
        Ok(())
    }
}
