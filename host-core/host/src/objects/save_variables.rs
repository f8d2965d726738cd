//! `[save_variables]`: values that survive a restart, in a small text file of `name = literal` lines.
//!
//! The form is the ecosystem's: an INI file with one section `[Variables]` and Python literals as values.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::printer::{Object, Printer, Value};
use crate::reactor::EventTime;

pub struct SaveVariables {
    path: String,
    /// Name and literal, as written.
    variables: RefCell<BTreeMap<String, String>>,
}

impl Object for SaveVariables {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let variables: BTreeMap<String, Value> = self
            .variables
            .borrow()
            .iter()
            .map(|(name, literal)| (name.clone(), crate::macros::parse_literal(literal).unwrap_or_default()))
            .collect();
        Some(minijinja::context! { variables => variables })
    }
}

impl SaveVariables {
    pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
        let path = section.text("filename").required()?;
        let text = printer.files().read_text(&path).unwrap_or_default();
        let variables = parse(&text)
            .map_err(|m| section.error("filename", format!("Unable to parse existing variable file: {m}")))?;
        let this = Rc::new(SaveVariables { path, variables: RefCell::new(variables) });
        printer.add_object("save_variables", this.clone());
        printer.gcode.register("SAVE_VARIABLE", "Save arbitrary variables to disk", move |printer, command| {
            let name = command.text("VARIABLE").required()?.to_string();
            let literal = command.text("VALUE").required()?.to_string();
            if name != name.to_lowercase() {
                return Err(CommandError::new("VARIABLE must not contain upper case"));
            }
            crate::macros::parse_literal(&literal)
                .map_err(|m| CommandError::new(format!("Unable to parse '{literal}' as a literal: {m}")))?;
            this.variables.borrow_mut().insert(name, literal);
            printer.files().write_text(&this.path, &write(&this.variables.borrow())).map_err(CommandError::new)
        });
        Ok(())
    }
}

fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut variables = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) || line.eq_ignore_ascii_case("[variables]") {
            continue;
        }
        let (name, literal) = line
            .split_once(['=', ':'])
            .ok_or_else(|| format!("line {}: 'name = value' expected, found '{line}'", index + 1))?;
        crate::macros::parse_literal(literal.trim()).map_err(|m| format!("line {}: {m}", index + 1))?;
        variables.insert(name.trim().to_lowercase(), literal.trim().to_string());
    }
    Ok(variables)
}

fn write(variables: &BTreeMap<String, String>) -> String {
    let mut text = String::from("[Variables]\n");
    variables.iter().for_each(|(name, literal)| text.push_str(&format!("{name} = {literal}\n")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let text = "[Variables]\nname = 'a b'\nn = 4.5\nlist = [1, 2]\n";
        let variables = parse(text).unwrap();
        assert_eq!(variables.len(), 3);
        assert_eq!(parse(&write(&variables)).unwrap(), variables);
    }

    #[test]
    fn a_broken_line_is_named() {
        assert!(parse("[Variables]\nnonsense\n").unwrap_err().contains("line 2"));
    }
}
