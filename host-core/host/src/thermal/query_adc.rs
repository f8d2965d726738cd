//! QUERY_ADC: what the analog inputs read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::gcode::Command;
use crate::mcu::AdcIn;
use crate::printer::dispatch::CommandResult;
use crate::printer::{Object, Printer};

#[derive(Default)]
pub struct QueryAdc {
    inputs: RefCell<BTreeMap<String, AdcIn>>,
}

impl Object for QueryAdc {}

impl QueryAdc {
    /// Makes the object on first use.
    pub fn of(printer: &Rc<Printer>) -> Rc<QueryAdc> {
        if let Some(this) = printer.lookup("query_adc") {
            return this;
        }
        let this = Rc::new(QueryAdc::default());
        printer.add_object("query_adc", this.clone());
        let me = this.clone();
        printer.gcode.register("QUERY_ADC", "Report the last value of an analog pin", move |printer, command| {
            me.query(printer, command)
        });
        this
    }

    pub fn add(&self, name: &str, input: AdcIn) {
        // The short name is the one that users give.
        let short = name.rsplit(' ').next().unwrap_or(name);
        self.inputs.borrow_mut().insert(short.to_string(), input);
    }

    fn query(&self, printer: &Rc<Printer>, command: &Command<'_>) -> CommandResult {
        let inputs = self.inputs.borrow();
        let found = command.get("NAME").and_then(|name| Some((name, inputs.get(name)?)));
        let Some((name, input)) = found else {
            let names: Vec<String> = inputs.keys().map(|name| format!("\"{name}\"")).collect();
            printer.gcode.respond_info(&format!("Available ADC objects: {}", names.join(", ")));
            return Ok(());
        };
        let (time_s, value) = input.last();
        let mut text = format!("ADC object \"{name}\" has value {value:.6} (timestamp {time_s:.3})");
        if let Some(pullup_ohm) = command.float("PULLUP").above(0.0).optional()? {
            let value = value.clamp(0.00001, 0.99999);
            let ohm = pullup_ohm * value / (1.0 - value);
            text += &format!("\n resistance {ohm:.3} (with {pullup_ohm:.0} pullup)");
        }
        printer.gcode.respond_info(&text);
        Ok(())
    }
}
