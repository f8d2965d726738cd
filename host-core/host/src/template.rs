//! Templates of printer.cfg at work: what `printer` means in them, and what their `action_...` calls do.

use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::macros::{Action, Context, StatusSource, Template};
use crate::printer::dispatch::CommandResult;
use crate::printer::{Printer, Value};

/// `printer` as templates see it: the status of every object that has one.
pub struct PrinterStatus<'a>(&'a Rc<Printer>);

impl Printer {
    pub fn status_source<'a>(self: &'a Rc<Self>) -> PrinterStatus<'a> {
        PrinterStatus(self)
    }

    /// The status of one object, by the name that `printer[...]` takes.
    pub fn status(&self, name: &str) -> Option<Value> {
        self.lookup_object(name)?.status(self.reactor.now())
    }
}

impl StatusSource for PrinterStatus<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        self.0.status(name)
    }

    fn names(&self) -> Vec<String> {
        let now = self.0.reactor.now();
        let mut names = Vec::new();
        self.0.for_each_object(|name, object| {
            if object.status(now).is_some() {
                names.push(name.to_string());
            }
        });
        names
    }
}

impl Template {
    /// Renders without parameters, carries out the actions, answers the script.
    pub fn render_gcode(&self, printer: &Rc<Printer>) -> Result<String, CommandError> {
        let source = printer.status_source();
        let rendered = self.render(&Context::new(&source))?;
        run_actions(printer, &rendered.actions)?;
        Ok(rendered.text)
    }
}

impl Section {
    /// The template of a G-code option, if it is there.
    pub fn template_optional(&self, option: &str) -> Result<Option<Template>, ConfigError> {
        let text = self.gcode(option);
        text.map(|text| Template::compile(&format!("{}:{option}", self.name()), &text)).transpose()
    }

    pub fn template_or(&self, option: &str, default: &str) -> Result<Template, ConfigError> {
        match self.template_optional(option)? {
            Some(template) => Ok(template),
            None => Template::from_source(&format!("{}:{option}", self.name()), default, self.place()),
        }
    }
}

/// Does what a template asked for while it rendered.
pub fn run_actions(printer: &Rc<Printer>, actions: &[Action]) -> CommandResult {
    for action in actions {
        match action {
            Action::RespondInfo(text) => printer.gcode.respond_info(text),
            Action::Log(text) => printer.log(text.clone()),
            Action::EmergencyStop(text) => {
                printer.invoke_shutdown(&format!("Shutdown due to {text}"));
            }
            Action::CallRemoteMethod(name, _) => {
                printer.gcode.respond_info(&format!("Remote method '{name}' is not registered"));
            }
        }
    }
    Ok(())
}
