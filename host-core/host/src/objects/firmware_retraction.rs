//! `[firmware_retraction]`: G10 and G11.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::printer::dispatch::CommandResult;
use crate::printer::{Object, Printer, Value};
use crate::reactor::EventTime;

#[derive(Clone, Copy)]
struct Settings {
    retract_length_mm: f64,
    retract_speed_mm_s: f64,
    unretract_extra_length_mm: f64,
    unretract_speed_mm_s: f64,
}

pub struct FirmwareRetraction {
    settings: RefCell<Settings>,
    retracted: Cell<bool>,
}

impl Object for FirmwareRetraction {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let s = self.settings.borrow();
        Some(minijinja::context! {
            retract_length => s.retract_length_mm,
            retract_speed => s.retract_speed_mm_s,
            unretract_extra_length => s.unretract_extra_length_mm,
            unretract_speed => s.unretract_speed_mm_s,
        })
    }
}

impl FirmwareRetraction {
    pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
        let settings = Settings {
            retract_length_mm: section.float("retract_length").min(0.0).or(0.0)?,
            retract_speed_mm_s: section.float("retract_speed").min(1.0).or(20.0)?,
            unretract_extra_length_mm: section.float("unretract_extra_length").min(0.0).or(0.0)?,
            unretract_speed_mm_s: section.float("unretract_speed").min(1.0).or(10.0)?,
        };
        let this = Rc::new(FirmwareRetraction { settings: RefCell::new(settings), retracted: Cell::new(false) });
        printer.add_object("firmware_retraction", this.clone());
        let gcode = &printer.gcode;
        let me = this.clone();
        gcode.register("SET_RETRACTION", "Set firmware retraction parameters", move |_, command| {
            let mut s = me.settings.borrow_mut();
            s.retract_length_mm = command.float("RETRACT_LENGTH").min(0.0).or(s.retract_length_mm)?;
            s.retract_speed_mm_s = command.float("RETRACT_SPEED").min(1.0).or(s.retract_speed_mm_s)?;
            s.unretract_extra_length_mm =
                command.float("UNRETRACT_EXTRA_LENGTH").min(0.0).or(s.unretract_extra_length_mm)?;
            s.unretract_speed_mm_s = command.float("UNRETRACT_SPEED").min(1.0).or(s.unretract_speed_mm_s)?;
            me.retracted.set(false);
            Ok(())
        });
        let me = this.clone();
        gcode.register("GET_RETRACTION", "Report firmware retraction parameters", move |printer, _| {
            let s = me.settings.borrow();
            printer.gcode.respond_info(&format!(
                "RETRACT_LENGTH={:.5} RETRACT_SPEED={:.5} UNRETRACT_EXTRA_LENGTH={:.5} UNRETRACT_SPEED={:.5}",
                s.retract_length_mm, s.retract_speed_mm_s, s.unretract_extra_length_mm, s.unretract_speed_mm_s
            ));
            Ok(())
        });
        let me = this.clone();
        gcode.register("G10", "Retract", move |printer, _| {
            if me.retracted.replace(true) {
                return Ok(());
            }
            let s = *me.settings.borrow();
            extrude(printer, -s.retract_length_mm, s.retract_speed_mm_s)
        });
        gcode.register("G11", "Unretract", move |printer, _| {
            if !this.retracted.replace(false) {
                return Ok(());
            }
            let s = *this.settings.borrow();
            extrude(printer, s.retract_length_mm + s.unretract_extra_length_mm, s.unretract_speed_mm_s)
        });
        Ok(())
    }
}

/// Moves E alone and leaves the G-code frame as it was: speed, position and modes.
fn extrude(printer: &Rc<Printer>, length_mm: f64, speed_mm_s: f64) -> CommandResult {
    printer.gcode_move().shift_extruder(printer, length_mm, speed_mm_s)
}
