//! `[static_digital_output NAME]`: pins that are switched on once and stay so.

use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::mcu::DigitalOut;
use crate::printer::pins::PinFlags;
use crate::printer::{Object, Printer};

struct StaticOutputs {
    /// Kept alive; never touched again.
    _pins: Vec<DigitalOut>,
}

impl Object for StaticOutputs {}

pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let mut outputs = Vec::new();
    for text in section.list("pins").required()? {
        let pin = printer.pins.take_text(printer, section, "pins", &text, PinFlags::OUTPUT, None)?;
        outputs.push(DigitalOut::new(&pin.mcu, &pin.name, pin.invert, true, true, 0.0));
    }
    printer.add_object(section.name(), Rc::new(StaticOutputs { _pins: outputs }));
    Ok(())
}
