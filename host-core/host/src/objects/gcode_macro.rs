//! `[gcode_macro NAME]`: commands of the user's own, in Jinja2; and SET_GCODE_VARIABLE.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::macros::{Context, Template, parse_literal};
use crate::printer::dispatch::CommandResult;
use crate::printer::{Object, Printer, Value};
use crate::reactor::EventTime;
use crate::template::run_actions;

pub struct GcodeMacro {
    template: Template,
    variables: RefCell<BTreeMap<String, Value>>,
    /// A macro that calls itself would never end.
    running: Cell<bool>,
}

impl Object for GcodeMacro {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        Some(Value::from_pairs(self.variables.borrow().iter().map(|(k, v)| (k.clone(), v.clone()))))
    }
}

impl GcodeMacro {
    pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
        let name = section.identifier().to_string();
        if name.contains(' ') {
            return Err(
                section.section_error(format!("Name of section '{}' contains illegal whitespace", section.name()))
            );
        }
        let template = Template::compile(&format!("{}:gcode", section.name()), &section.gcode_required("gcode")?)?;
        let mut variables = BTreeMap::new();
        for option in section.prefix_options("variable_") {
            let literal = section.text(&option).required()?;
            let value = parse_literal(&literal).map_err(|m| {
                section.error(
                    &option,
                    format!("Option '{option}' in section '{}' is not a valid literal: {m}", section.name()),
                )
            })?;
            variables.insert(option["variable_".len()..].to_string(), value);
        }
        let alias = name.to_uppercase();
        let description = section.text("description").or("G-Code macro")?;
        let rename = section.text("rename_existing").optional()?;
        let this = Rc::new(GcodeMacro { template, variables: RefCell::new(variables), running: Cell::new(false) });
        printer.add_object(section.name(), this.clone());
        match rename {
            // What it replaces may be registered by an object that comes later: exchange them when all are there.
            Some(existing) => {
                let section = section.clone();
                printer.after_load(move |printer| {
                    let existing = existing.to_uppercase();
                    if !printer.gcode.rename(&alias, &existing) {
                        return Err(section.error(
                            "rename_existing",
                            format!("Existing command '{alias}' not found in gcode_macro rename"),
                        ));
                    }
                    register(printer, &alias, &description, this);
                    Ok(())
                });
            }
            None => {
                if printer.gcode.has_command(&alias) {
                    return Err(section.section_error(format!(
                        "gcode command {alias} already registered: give rename_existing to replace it"
                    )));
                }
                register(printer, &alias, &description, this);
            }
        }
        if !printer.gcode.has_command("SET_GCODE_VARIABLE") {
            register_set_variable(printer);
        }
        Ok(())
    }

    async fn run(self: &Rc<Self>, printer: &Rc<Printer>, command: &crate::gcode::OwnedCommand) -> CommandResult {
        if self.running.replace(true) {
            return Err(CommandError::new(format!("Macro {} called recursively", command.name())));
        }
        let result = self.run_once(printer, command).await;
        self.running.set(false);
        result
    }

    async fn run_once(&self, printer: &Rc<Printer>, command: &crate::gcode::OwnedCommand) -> CommandResult {
        let script = {
            let source = printer.status_source();
            let variables: Vec<(String, Value)> =
                self.variables.borrow().iter().map(|(k, v)| (k.clone(), v.clone())).collect();
            let context = Context::for_command(&source, command).with_variables(variables);
            let rendered = self.template.render(&context)?;
            run_actions(printer, &rendered.actions)?;
            rendered.text
        };
        printer.gcode.run_script_from_command(printer, &script).await
    }
}

fn register(printer: &Rc<Printer>, alias: &str, description: &str, this: Rc<GcodeMacro>) {
    printer.gcode.register_async(alias, "G-Code macro", move |printer, command| {
        let this = this.clone();
        async move { this.run(&printer, &command).await }
    });
    printer.gcode.describe(alias, description);
}

fn register_set_variable(printer: &Rc<Printer>) {
    printer.gcode.register("SET_GCODE_VARIABLE", "Set the value of a G-Code macro variable", |printer, command| {
        let name = command.text("MACRO").required()?;
        let found = printer.lookup_all::<GcodeMacro>().into_iter().find(|(section, _)| {
            section.strip_prefix("gcode_macro ").is_some_and(|n| n.trim().eq_ignore_ascii_case(name))
        });
        let (_, this) = found.ok_or_else(|| CommandError::new(format!("The value '{name}' is not valid for MACRO")))?;
        let variable = command.text("VARIABLE").required()?.to_lowercase();
        let literal = command.text("VALUE").required()?;
        if !this.variables.borrow().contains_key(&variable) {
            return Err(CommandError::new(format!("Unknown gcode_macro variable '{variable}'")));
        }
        let value = parse_literal(literal)
            .map_err(|m| CommandError::new(format!("Unable to parse '{literal}' as a literal: {m}")))?;
        this.variables.borrow_mut().insert(variable, value);
        Ok(())
    });
}
