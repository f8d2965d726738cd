//! `[respond]`: M118 and RESPOND, messages from G-code to the terminal.

use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::printer::Printer;

const TYPES: [(&str, &str); 3] = [("echo", "echo:"), ("command", "//"), ("error", "!!")];

fn prefix_of(kind: &str) -> Option<&'static str> {
    TYPES.iter().find(|(name, _)| *name == kind).map(|(_, prefix)| *prefix)
}

pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    let kind = section.choice("default_type", &names).or("echo")?;
    let default = section.text("default_prefix").or(prefix_of(kind).unwrap_or("echo:"))?;
    let m118 = default.clone();
    printer.gcode.register("M118", "Send a message to the terminal", move |printer, command| {
        printer.gcode.respond_raw(format!("{m118} {}", command.raw_params()).trim_end().to_string());
        Ok(())
    });
    printer.gcode.register("RESPOND", "Echo the message prepended with a prefix", move |printer, command| {
        let mut prefix = default.clone();
        let mut space = " ";
        if let Some(kind) = command.get("TYPE") {
            let kind = kind.to_lowercase();
            let (base, no_space) = kind.strip_suffix("_no_space").map_or((kind.as_str(), false), |b| (b, true));
            let known = prefix_of(base).ok_or_else(|| {
                CommandError::new(format!(
                    "RESPOND TYPE '{kind}' is invalid. Must be one of 'echo', 'command', or 'error'"
                ))
            })?;
            prefix = known.to_string();
            space = if no_space { "" } else { " " };
        }
        if let Some(given) = command.get("PREFIX") {
            prefix = given.to_string();
        }
        printer.gcode.respond_raw(format!("{prefix}{space}{}", command.get("MSG").unwrap_or_default()));
        Ok(())
    });
    Ok(())
}
