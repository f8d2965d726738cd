//! `[force_move]`: moves past the kinematics, for finding out what a motor does: STEPPER_BUZZ, FORCE_MOVE, SET_KINEMATIC_POSITION.

use std::rc::Rc;

use drydock_motion::kinematics::ActuatorMap;
use drydock_motion::trapq::{TrapMove, TrapQ};

use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::objects::stepper_enable::find;
use crate::printer::Printer;
use crate::stepper::Stepper;

const BUZZ_DISTANCE_MM: f64 = 1.0;
const BUZZ_SPEED_MM_S: f64 = 4.0;
const SETTLE_S: f64 = 0.050;
const SETTLE_AFTER_S: f64 = 0.150;

pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    if section.boolean("enable_force_move").or(false)? {
        printer.gcode.register("FORCE_MOVE", "Manually move a stepper; invalidates kinematics", |printer, command| {
            let stepper = find(printer, command.text("STEPPER").required()?)?;
            let distance = command.float("DISTANCE").required()?;
            let speed = command.float("VELOCITY").above(0.0).required()?;
            let accel = command.float("ACCEL").min(0.0).or(0.0)?;
            let was_on = stepper.is_enabled();
            switch_on(printer, &stepper);
            manual_move(printer, &stepper, distance, speed, accel);
            let _ = was_on;
            Ok(())
        });
        printer.gcode.register("SET_KINEMATIC_POSITION", "Force a low-level kinematic position", |printer, command| {
            let toolhead = printer.toolhead();
            toolhead.last_move_time();
            let mut position = toolhead.position();
            for (i, axis) in ["X", "Y", "Z"].iter().enumerate() {
                position[i] = command.float(axis).or(position[i])?;
            }
            let axes_of = |text: &str| {
                let text = text.to_lowercase();
                ["x", "y", "z"].map(|axis| text.contains(axis))
            };
            let homed = command.get("SET_HOMED").map_or([true; 3], axes_of);
            let clear = command.get("CLEAR_HOMED").or(command.get("CLEAR")).map_or([false; 3], axes_of);
            printer.log(format!("SET_KINEMATIC_POSITION pos={:.3},{:.3},{:.3}", position[0], position[1], position[2]));
            toolhead.set_position(position, homed);
            toolhead.machine.clear_homed(clear);
            Ok(())
        });
    }
    Ok(())
}

/// STEPPER_BUZZ needs no section.
pub fn register_buzz(printer: &Rc<Printer>) {
    printer.gcode.register("STEPPER_BUZZ", "Oscillate a given stepper to help id it", |printer, command| {
        let stepper = find(printer, command.text("STEPPER").required()?)?;
        let rotary = matches!(stepper.map(), ActuatorMap::Linear(_));
        if !rotary {
            return Err(CommandError::new("STEPPER_BUZZ needs a motor that moves along a line"));
        }
        let was_on = stepper.is_enabled();
        switch_on(printer, &stepper);
        for _ in 0..10 {
            manual_move(printer, &stepper, BUZZ_DISTANCE_MM, BUZZ_SPEED_MM_S, 0.0);
            printer.toolhead().dwell(SETTLE_S);
            manual_move(printer, &stepper, -BUZZ_DISTANCE_MM, BUZZ_SPEED_MM_S, 0.0);
            printer.toolhead().dwell(0.450);
        }
        if !was_on {
            let at = printer.toolhead().last_move_time();
            stepper.disable(at);
            printer.toolhead().machine.note_motor_switched();
            printer.toolhead().dwell(SETTLE_AFTER_S);
        }
        Ok(())
    });
}

fn switch_on(printer: &Printer, stepper: &Stepper) {
    let toolhead = printer.toolhead();
    let at = toolhead.last_move_time();
    stepper.enable(at);
    toolhead.dwell(SETTLE_AFTER_S);
}

/// One motor alone, along a trapezoid of its own.
fn manual_move(printer: &Printer, stepper: &Stepper, distance_mm: f64, speed_mm_s: f64, accel: f64) {
    let toolhead = printer.toolhead();
    toolhead.flush_step_generation();
    let print_time = toolhead.last_move_time();
    let distance = distance_mm.abs();
    let (accel_t, cruise_t, cruise_v) = if accel > 0.0 && distance > 0.0 {
        let v = speed_mm_s.min((distance * accel).sqrt());
        (v / accel, (distance - v * v / accel) / v, v)
    } else {
        (0.0, distance / speed_mm_s, speed_mm_s)
    };
    let mut trapq = TrapQ::new([0.0; 3]);
    trapq.append(&TrapMove {
        print_time,
        accel_t,
        cruise_t,
        decel_t: accel_t,
        start_pos: [0.0; 3],
        axes_r: [distance_mm.signum(), 0.0, 0.0],
        start_v: 0.0,
        cruise_v,
        accel,
    });
    let end = print_time + 2.0 * accel_t + cruise_t;
    stepper.make_manual_move(&trapq, end);
    toolhead.dwell(end - print_time);
    toolhead.flush_step_generation();
}
