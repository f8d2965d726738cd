//! The one list of what printer.cfg may hold: section name, and the loader that makes the object.

use std::rc::Rc;

use super::Printer;
use crate::config::{ConfigError, Section};

type Loader = fn(&Rc<Printer>, &Section) -> Result<(), ConfigError>;

/// How a section's name is matched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// The whole name: `[fan]`.
    Only(&'static str),
    /// A first word with a name behind it: `[heater_generic chamber]`.
    Named(&'static str),
    /// Both: `[verify_heater extruder]`... or a bare `[adxl345]`.
    Either(&'static str),
}

impl Name {
    fn matches(self, section: &str) -> bool {
        let (first, rest) = section.split_once(' ').map_or((section, None), |(f, r)| (f, Some(r)));
        match self {
            Name::Only(name) => first == name && rest.is_none(),
            Name::Named(name) => first == name && rest.is_some(),
            Name::Either(name) => first == name,
        }
    }
}

/// Sections that are read elsewhere: by the tool head, its kinematics, or the host itself.
const READ_ELSEWHERE: &[&str] = &["printer", "mcu", "stepper_", "extruder"];

pub const SECTIONS: &[(Name, Loader)] = &[];

/// Makes the object of one section.
pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let name = section.name().to_string();
    if let Some((_, loader)) = SECTIONS.iter().find(|(n, _)| n.matches(&name)) {
        return loader(printer, section);
    }
    let first = name.split(' ').next().unwrap_or_default();
    if READ_ELSEWHERE.iter().any(|known| first == *known || (known.ends_with('_') && first.starts_with(known))) {
        return Ok(());
    }
    Err(crate::config::unknown_section(section))
}
