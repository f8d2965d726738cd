//! G-code coordinates: what G0/G1, G90..G92, M82/M83, M220/M221 and the offsets mean for the tool head.
//!
//! # Important terms
//! - *last position*: where the last move ends, in tool head coordinates.
//! - *base position*: tool head position of the G-code origin. G92 and SET_GCODE_OFFSET move it.
//! - *homing origin*: the part of the base position that SET_GCODE_OFFSET set; G92 does not touch it.
//! - *transform*: what stands between G-code and tool head (bed mesh, excluded objects, tuning tower).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::gcode::{Command, CommandError};
use crate::objects::print_stats::PrintStats;
use crate::printer::dispatch::CommandResult;
use crate::printer::{Event, Object, Printer, Value};
use crate::reactor::EventTime;

pub type Position = [f64; 4];

/// A stage between the coordinates of G-code and those of the tool head.
pub trait MoveTransform {
    fn position(&self) -> Position;
    fn move_to(&self, to: Position, speed: f64) -> CommandResult;
}

#[derive(Clone)]
struct Frame {
    absolute: bool,
    absolute_extrude: bool,
    base: Position,
    last: Position,
    homing: Position,
    /// mm/s as commanded, before the speed factor.
    speed: f64,
    /// 1/60 at M220 S100: F is in mm/min.
    speed_factor: f64,
    extrude_factor: f64,
}

impl Frame {
    fn gcode_position(&self) -> Position {
        let mut p: Position = std::array::from_fn(|i| self.last[i] - self.base[i]);
        p[3] /= self.extrude_factor;
        p
    }
}

pub struct GCodeMove {
    frame: RefCell<Frame>,
    saved: RefCell<BTreeMap<String, Frame>>,
    transform: RefCell<Option<Rc<dyn MoveTransform>>>,
}

impl Object for GCodeMove {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let f = self.frame.borrow();
        Some(minijinja::context! {
            speed_factor => f.speed_factor * 60.0,
            speed => f.speed / (1.0 / 60.0),
            extrude_factor => f.extrude_factor,
            absolute_coordinates => f.absolute,
            absolute_extrude => f.absolute_extrude,
            homing_origin => crate::macros::coord4(f.homing),
            position => crate::macros::coord4(f.last),
            gcode_position => crate::macros::coord4(f.gcode_position()),
        })
    }
}

const AXES: [char; 4] = ['X', 'Y', 'Z', 'E'];

impl GCodeMove {
    pub fn load(printer: &Rc<Printer>) {
        let this = Rc::new(GCodeMove {
            frame: RefCell::new(Frame {
                absolute: true,
                absolute_extrude: true,
                base: [0.0; 4],
                last: [0.0; 4],
                homing: [0.0; 4],
                speed: 25.0,
                speed_factor: 1.0 / 60.0,
                extrude_factor: 1.0,
            }),
            saved: RefCell::default(),
            transform: RefCell::default(),
        });
        printer.set_gcode_move(this.clone());
        for event in [Event::Ready, Event::HomingEnd, Event::MotorOff, Event::CommandError] {
            let (weak, this) = (Rc::downgrade(printer), this.clone());
            printer.on(event, move || {
                let Some(printer) = weak.upgrade() else { return };
                this.reset_last_position(&printer);
                if event == Event::HomingEnd {
                    this.rebase_homed();
                }
            });
        }
        register(printer);
    }

    /// Puts a stage in front of the tool head; answers the one that was there, which the new one must call.
    pub fn set_transform(&self, transform: Rc<dyn MoveTransform>) -> Option<Rc<dyn MoveTransform>> {
        self.transform.replace(Some(transform))
    }

    fn target_position(&self, printer: &Printer) -> Position {
        match &*self.transform.borrow() {
            Some(transform) => transform.position(),
            None => printer.toolhead().position(),
        }
    }

    fn move_last(&self, printer: &Rc<Printer>) -> CommandResult {
        let (last, speed) = {
            let f = self.frame.borrow();
            (f.last, f.speed)
        };
        let transform = self.transform.borrow().clone();
        match transform {
            Some(transform) => transform.move_to(last, speed),
            None => printer.toolhead().move_to(last, speed),
        }
    }

    /// Takes the position over from the tool head, after something else moved it.
    pub fn reset_last_position(&self, printer: &Printer) {
        let position = self.target_position(printer);
        self.frame.borrow_mut().last = position;
    }

    /// After homing, the G-code origin of the axes is the machine's again.
    fn rebase_homed(&self) {
        let mut f = self.frame.borrow_mut();
        for i in 0..3 {
            f.base[i] = f.homing[i];
        }
    }

    pub fn gcode_position(&self) -> Position {
        self.frame.borrow().gcode_position()
    }

    /// What SET_GCODE_OFFSET set.
    pub fn homing_origin(&self) -> Position {
        self.frame.borrow().homing
    }

    /// Speed of the last G1 in mm/s.
    pub fn speed(&self) -> f64 {
        self.frame.borrow().speed
    }

    pub fn absolute_coordinates(&self) -> bool {
        self.frame.borrow().absolute
    }

    pub fn absolute_extrude(&self) -> bool {
        self.frame.borrow().absolute_extrude
    }

    /// Where the last move leaves the extruder, mm of filament, whatever G92 calls it.
    pub fn extruder_mm(&self) -> f64 {
        self.frame.borrow().last[3]
    }

    pub fn extrude_factor(&self) -> f64 {
        self.frame.borrow().extrude_factor
    }

    /// G0/G1. The parameters are (axis letter, value) pairs in the order of the line.
    pub fn linear_move(
        &self,
        printer: &Rc<Printer>,
        params: impl Iterator<Item = (char, f64)>,
        raw: &str,
    ) -> CommandResult {
        {
            let mut f = self.frame.borrow_mut();
            let mut next = f.clone_targets();
            for (letter, value) in params {
                match letter {
                    'X' | 'Y' | 'Z' => {
                        let axis = (letter as u8 - b'X') as usize;
                        next.last[axis] = value + if f.absolute { f.base[axis] } else { next.last[axis] };
                    }
                    'E' => {
                        let value = value * f.extrude_factor;
                        let from = if f.absolute && f.absolute_extrude { f.base[3] } else { next.last[3] };
                        next.last[3] = value + from;
                    }
                    'F' => {
                        if value <= 0.0 {
                            return Err(CommandError::new(format!("Invalid speed in '{raw}': F must be above 0")));
                        }
                        next.speed = value * f.speed_factor;
                    }
                    _ => {}
                }
            }
            f.last = next.last;
            f.speed = next.speed;
        }
        self.move_last(printer)
    }

    fn set_offset(&self, printer: &Rc<Printer>, command: &Command<'_>) -> CommandResult {
        let mut delta = [0.0; 4];
        {
            let mut f = self.frame.borrow_mut();
            for (axis, letter) in AXES.iter().enumerate() {
                let offset = match command.float(&letter.to_string()).optional()? {
                    Some(value) => value,
                    None => match command.float(&format!("{letter}_ADJUST")).optional()? {
                        Some(adjust) => f.homing[axis] + adjust,
                        None => continue,
                    },
                };
                delta[axis] = offset - f.homing[axis];
                f.base[axis] += delta[axis];
                f.homing[axis] = offset;
            }
        }
        if command.int("MOVE").or(0)? != 0 {
            let speed = command.float("MOVE_SPEED").above(0.0).optional()?;
            let speed = {
                let mut f = self.frame.borrow_mut();
                (0..4).for_each(|i| f.last[i] += delta[i]);
                speed.unwrap_or(f.speed)
            };
            let last = self.frame.borrow().last;
            let transform = self.transform.borrow().clone();
            match transform {
                Some(transform) => transform.move_to(last, speed)?,
                None => printer.toolhead().move_to(last, speed)?,
            }
        }
        Ok(())
    }

    /// Moves E alone, at a speed of its own, and leaves G-code's view of E as it was (firmware retraction).
    pub fn shift_extruder(&self, printer: &Rc<Printer>, length_mm: f64, speed_mm_s: f64) -> CommandResult {
        let speed = {
            let mut f = self.frame.borrow_mut();
            f.last[3] += length_mm;
            f.base[3] += length_mm;
            std::mem::replace(&mut f.speed, speed_mm_s)
        };
        let result = self.move_last(printer);
        self.frame.borrow_mut().speed = speed;
        result
    }

    pub fn save_state(&self, name: &str) {
        self.saved.borrow_mut().insert(name.to_string(), self.frame.borrow().clone());
    }

    pub fn restore_state(&self, printer: &Rc<Printer>, name: &str, move_speed: Option<f64>) -> CommandResult {
        let saved = self.saved.borrow().get(name).cloned();
        let saved = saved.ok_or_else(|| CommandError::new(format!("Unknown g-code state: {name}")))?;
        {
            let mut f = self.frame.borrow_mut();
            let e_moved = f.last[3] - saved.last[3];
            let last = f.last;
            *f = saved.clone();
            f.last = last;
            // The extruder went on since: its origin moves along.
            f.base[3] = saved.base[3] + e_moved;
        }
        if let Some(speed) = move_speed {
            {
                let mut f = self.frame.borrow_mut();
                (0..3).for_each(|i| f.last[i] = saved.last[i]);
            }
            let last = self.frame.borrow().last;
            let transform = self.transform.borrow().clone();
            match transform {
                Some(transform) => transform.move_to(last, speed)?,
                None => printer.toolhead().move_to(last, speed)?,
            }
        }
        Ok(())
    }
}

struct Targets {
    last: Position,
    speed: f64,
}

impl Frame {
    fn clone_targets(&self) -> Targets {
        Targets { last: self.last, speed: self.speed }
    }
}

fn register(printer: &Rc<Printer>) {
    let gcode = &printer.gcode;
    for name in ["G0", "G1"] {
        gcode.register(name, "", |printer, command| {
            let mut values = [(' ', 0.0); 16];
            let mut count = 0;
            for (letter, text) in command.letters() {
                let value = text.parse().ok().filter(|v: &f64| v.is_finite());
                let value =
                    value.ok_or_else(|| CommandError::new(format!("Unable to parse move '{}'", command.raw())))?;
                if let Some(slot) = values.get_mut(count) {
                    *slot = (letter as char, value);
                    count += 1;
                }
            }
            printer.gcode_move().linear_move(printer, values[..count].iter().copied(), command.raw())
        });
    }
    let mode = |name: &str, set: fn(&mut Frame)| {
        gcode.register(name, "", move |printer, _| {
            set(&mut printer.gcode_move().frame.borrow_mut());
            Ok(())
        });
    };
    mode("G21", |_| {});
    mode("M82", |f| f.absolute_extrude = true);
    mode("M83", |f| f.absolute_extrude = false);
    mode("G90", |f| f.absolute = true);
    mode("G91", |f| f.absolute = false);
    gcode.register("G20", "", |_, _| Err(CommandError::new("Machine does not support G20 (inches) command")));
    gcode.register("G92", "Set the G-code position", |printer, command| {
        let mut f = printer.gcode_move().frame.borrow_mut();
        let mut any = false;
        for (axis, letter) in AXES.iter().enumerate() {
            if let Some(value) = command.float(&letter.to_string()).optional()? {
                any = true;
                let value = if axis == 3 { value * f.extrude_factor } else { value };
                f.base[axis] = f.last[axis] - value;
            }
        }
        if !any {
            f.base = f.last;
        }
        Ok(())
    });
    gcode.register("M114", "Report the position", |printer, _| {
        let p = printer.gcode_move().gcode_position();
        printer.gcode.respond_raw(format!("X:{:.3} Y:{:.3} Z:{:.3} E:{:.3}", p[0], p[1], p[2], p[3]));
        Ok(())
    });
    gcode.register("M220", "Set the speed factor in percent", |printer, command| {
        let factor = command.float("S").above(0.0).or(100.0)? / (60.0 * 100.0);
        let mut f = printer.gcode_move().frame.borrow_mut();
        f.speed = f.speed / f.speed_factor * factor;
        f.speed_factor = factor;
        Ok(())
    });
    gcode.register("M221", "Set the flow factor in percent", |printer, command| {
        let factor = command.float("S").above(0.0).or(100.0)? / 100.0;
        if let Some(print) = printer.lookup::<PrintStats>("print_stats") {
            print.count_filament();
        }
        let mut f = printer.gcode_move().frame.borrow_mut();
        let e = (f.last[3] - f.base[3]) / f.extrude_factor;
        f.base[3] = f.last[3] - e * factor;
        f.extrude_factor = factor;
        Ok(())
    });
    gcode.register("SET_GCODE_OFFSET", "Set a virtual offset to g-code positions", |printer, command| {
        printer.gcode_move().set_offset(printer, command)
    });
    gcode.register("SAVE_GCODE_STATE", "Save G-code coordinate state", |printer, command| {
        printer.gcode_move().save_state(command.get("NAME").unwrap_or("default"));
        Ok(())
    });
    gcode.register("RESTORE_GCODE_STATE", "Restore a previously saved G-code state", |printer, command| {
        let name = command.get("NAME").unwrap_or("default").to_string();
        let this = printer.gcode_move();
        let speed = match command.int("MOVE").or(0)? {
            0 => None,
            _ => Some(command.float("MOVE_SPEED").above(0.0).or(this.speed())?),
        };
        this.restore_state(printer, &name, speed)
    });
    gcode.register("GET_POSITION", "Return information on the current location of the toolhead", |printer, _| {
        let text = printer.toolhead().describe_position(printer);
        printer.gcode.respond_info(&text);
        Ok(())
    });
}
