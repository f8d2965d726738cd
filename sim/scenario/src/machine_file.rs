//! The machine file: read, checked, written.

use std::path::Path;

use drydock_plant::Machine;
use serde_json::Value;

use crate::setup::PrepareError;
use crate::text::{self, Source};

/// Reads a machine file. Every path of its `sources` must name a field.
pub fn parse(path: &Path, text: &str) -> Result<Machine, PrepareError> {
    let machine: Machine = text::read(path, text)?;
    let source = Source { path: path.to_path_buf(), text: text.to_string() };
    for of in machine.sources.keys() {
        check_path(&machine, of).map_err(|why| source.wrong(&[&format!("\"{of}\"")], why))?;
    }
    Ok(machine)
}

/// The text of a machine file.
pub fn write(machine: &Machine) -> Result<String, String> {
    let pretty = ron::ser::PrettyConfig::default().depth_limit(6);
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    let text = options.to_string_pretty(machine, pretty).map_err(|e| e.to_string())?;
    Ok(text + "\n")
}

/// Whether a path as `modes[0].freq_hz` or `heaters[1].body` names a field, or a group of fields, of a machine.
pub fn check_path(machine: &Machine, path: &str) -> Result<(), String> {
    let whole = serde_json::to_value(machine).map_err(|e| e.to_string())?;
    let mut at = &whole;
    let mut walked = String::new();
    for step in steps(path) {
        let next = match step {
            Step::Field(name) => field(at, name),
            Step::Index(i) => at.get(i),
            Step::Broken(text) => return Err(format!("the path {path} cannot be read at {text}")),
        };
        at = next.ok_or_else(|| {
            let known = known(at);
            let place = if walked.is_empty() { "a machine".to_string() } else { walked.clone() };
            format!("sources: {path} names nothing: {place} has {known}")
        })?;
        match step {
            Step::Index(i) => walked += &format!("[{i}]"),
            Step::Field(name) if walked.is_empty() => walked += name,
            Step::Field(name) => walked += &format!(".{name}"),
            Step::Broken(_) => {}
        }
    }
    Ok(())
}

/// Whether a machine has the parts that a printer.cfg wires, which names them by their places.
pub fn check_parts(wired: &Machine, machine: &Machine) -> Result<(), String> {
    let names = |list: Vec<&String>| list.into_iter().cloned().collect::<Vec<_>>().join(", ");
    for (what, wants, has) in [
        (
            "motors",
            names(wired.motors.iter().map(|m| &m.name).collect()),
            names(machine.motors.iter().map(|m| &m.name).collect()),
        ),
        (
            "heaters",
            names(wired.heaters.iter().map(|h| &h.name).collect()),
            names(machine.heaters.iter().map(|h| &h.name).collect()),
        ),
    ] {
        if wants != has {
            return Err(format!("it has the {what} {has}; the printer.cfg wires {wants}, in this order"));
        }
    }
    for (what, wants, has) in [
        ("sensors", wired.sensors.len(), machine.sensors.len()),
        ("fans", wired.fans.len(), machine.fans.len()),
        ("extruders", wired.extruders.len(), machine.extruders.len()),
        ("endstops", wired.endstops.len(), machine.endstops.len()),
        ("probes", wired.probes.len(), machine.probes.len()),
        ("accelerometers", wired.accelerometers.len(), machine.accelerometers.len()),
    ] {
        if has < wants {
            return Err(format!("it has {has} {what}, the printer.cfg wires {wants}"));
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Index(usize),
    Broken(&'a str),
}

fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split('.').flat_map(|part| {
        let (name, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        let index = |text| match str::parse(str::trim_end_matches(text, ']')) {
            Ok(i) => Step::Index(i),
            Err(_) => Step::Broken(text),
        };
        let indices = indices.split('[').skip(1).map(index);
        std::iter::once(Step::Field(name)).chain(indices)
    })
}

/// A field; what kind a body or drive is (`Hotend`, `Rotor`) need not be in the path.
fn field<'a>(of: &'a Value, name: &str) -> Option<&'a Value> {
    of.get(name).or_else(|| inside(of)?.get(name))
}

fn inside(of: &Value) -> Option<&Value> {
    let object = of.as_object().filter(|o| o.len() == 1)?;
    object.iter().next().filter(|(kind, _)| kind.starts_with(char::is_uppercase)).map(|(_, value)| value)
}

fn known(of: &Value) -> String {
    match inside(of).unwrap_or(of) {
        Value::Object(fields) => fields.keys().cloned().collect::<Vec<_>>().join(", "),
        Value::Array(list) => format!("{} entries", list.len()),
        _ => "no parts".to_string(),
    }
}
