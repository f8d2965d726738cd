//! `[fan_generic NAME]`: a fan that SET_FAN_SPEED sets.

use std::rc::Rc;

use super::fan::Fan;
use crate::config::{ConfigError, Section};
use crate::printer::Printer;

pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let fan = Fan::load(printer, section, 0.0)?;
    printer.add_object(section.name(), fan.clone());
    let name = Some(section.identifier());
    printer.gcode.register_mux("SET_FAN_SPEED", "FAN", name, "Sets the speed of a fan", move |printer, command| {
        if command.has("TEMPLATE") {
            return Err(command.error("SET_FAN_SPEED TEMPLATE is not supported yet"));
        }
        fan.set_speed_after_moves(printer, command.float("SPEED").or(0.0)?);
        Ok(())
    });
    Ok(())
}
