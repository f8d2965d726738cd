//! A probe that is a plain switch, deployed and stowed by the user's own G-code if at all.

use std::cell::Cell;
use std::rc::Rc;

use super::ProbeSensor;
use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::homing::{Endstop, McuEndstop, Sampling};
use crate::macros::Template;
use crate::printer::Printer;
use crate::printer::dispatch::CommandResult;
use crate::printer::pins::PinFlags;
use crate::reactor::{Completion, LocalFuture};
use crate::stepper::Stepper;

pub struct SwitchProbe {
    input: Rc<McuEndstop>,
    activate: Option<Rc<Template>>,
    deactivate: Option<Rc<Template>>,
    /// Stow between the probings of a session.
    each_sample: bool,
    in_session: Cell<bool>,
}

impl SwitchProbe {
    pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<Rc<SwitchProbe>, ConfigError> {
        let pin = printer.pins.take(printer, section, "pin", PinFlags::INPUT, None)?;
        Ok(Rc::new(SwitchProbe {
            input: McuEndstop::new(printer, "probe", pin),
            activate: section.template_optional("activate_gcode")?.map(Rc::new),
            deactivate: section.template_optional("deactivate_gcode")?.map(Rc::new),
            each_sample: section.boolean("deactivate_on_each_sample").or(true)?,
            in_session: Cell::new(false),
        }))
    }
}

/// Runs the user's script, which must not move the head: the probing begins where it was told to.
fn run_script(printer: Rc<Printer>, template: Option<Rc<Template>>, which: &'static str) -> LocalFuture<CommandResult> {
    Box::pin(async move {
        let Some(template) = template else { return Ok(()) };
        let before = printer.toolhead().position();
        let script = template.render_gcode(&printer)?;
        printer.gcode.run_script_from_command(&printer, &script).await?;
        match printer.toolhead().position()[..3] == before[..3] {
            true => Ok(()),
            false => Err(CommandError::new(format!("Toolhead moved during probe {which} script"))),
        }
    })
}

impl ProbeSensor for SwitchProbe {
    fn begin_session(&self, printer: Rc<Printer>) -> LocalFuture<CommandResult> {
        if self.each_sample {
            return Box::pin(async { Ok(()) });
        }
        self.in_session.set(true);
        run_script(printer, self.activate.clone(), "activate_gcode")
    }

    fn end_session(&self, printer: Rc<Printer>) -> LocalFuture<CommandResult> {
        match self.in_session.replace(false) {
            true => run_script(printer, self.deactivate.clone(), "deactivate_gcode"),
            false => Box::pin(async { Ok(()) }),
        }
    }
}

impl Endstop for SwitchProbe {
    fn name(&self) -> String {
        self.input.name()
    }
    fn add_stepper(&self, stepper: Rc<Stepper>) {
        self.input.add_stepper(stepper);
    }
    fn steppers(&self) -> Vec<Rc<Stepper>> {
        self.input.steppers()
    }
    fn prepare(&self, printer: Rc<Printer>) -> LocalFuture<CommandResult> {
        let script = if self.in_session.get() { None } else { self.activate.clone() };
        run_script(printer, script, "activate_gcode")
    }
    fn finish(&self, printer: Rc<Printer>) -> LocalFuture<CommandResult> {
        let script = if self.in_session.get() { None } else { self.deactivate.clone() };
        run_script(printer, script, "deactivate_gcode")
    }
    fn home_start(&self, print_time: f64, sample: Sampling, triggered: bool) -> Completion<()> {
        self.input.home_start(print_time, sample, triggered)
    }
    fn home_wait(&self, end: f64) -> LocalFuture<Result<Option<f64>, CommandError>> {
        self.input.home_wait(end)
    }
    fn query(&self, print_time: f64) -> LocalFuture<Result<bool, CommandError>> {
        self.input.query(print_time)
    }
}
