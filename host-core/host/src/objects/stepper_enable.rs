//! SET_STEPPER_ENABLE, and `printer.stepper_enable`: which motors are on.

use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use crate::extruder::Extruder;
use crate::gcode::CommandError;
use crate::printer::{Object, Printer, Value};
use crate::reactor::EventTime;
use crate::stepper::Stepper;

struct StepperEnable {
    printer: Weak<Printer>,
}

impl Object for StepperEnable {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let printer = self.printer.upgrade()?;
        let on: BTreeMap<String, bool> = all(&printer).iter().map(|s| (s.name().to_string(), s.is_enabled())).collect();
        Some(minijinja::context! { steppers => on })
    }
}

/// Every motor of the printer: rails first, then extruders.
pub fn all(printer: &Printer) -> Vec<Rc<Stepper>> {
    let mut steppers = printer.toolhead().machine.steppers().to_vec();
    steppers.extend(printer.lookup_all::<Extruder>().into_iter().filter_map(|(_, e)| e.stepper()));
    steppers
}

pub fn find(printer: &Printer, name: &str) -> Result<Rc<Stepper>, CommandError> {
    let steppers = all(printer);
    steppers.iter().find(|s| s.name() == name).cloned().ok_or_else(|| {
        let names: Vec<&str> = steppers.iter().map(|s| s.name()).collect();
        CommandError::new(format!("Unknown stepper {name} (known: {})", names.join(", ")))
    })
}

pub fn load(printer: &Rc<Printer>) {
    printer.add_object("stepper_enable", Rc::new(StepperEnable { printer: Rc::downgrade(printer) }));
    printer.gcode.register("SET_STEPPER_ENABLE", "Enable/disable individual stepper by name", |printer, command| {
        let stepper = find(printer, command.text("STEPPER").required()?)?;
        let on = command.int("ENABLE").or(1)? != 0;
        let toolhead = printer.toolhead();
        toolhead.dwell(0.100);
        let at = toolhead.last_move_time();
        if on {
            stepper.enable(at);
        } else {
            stepper.disable(at);
            toolhead.machine.note_motor_switched();
        }
        toolhead.dwell(0.100);
        Ok(())
    });
}
