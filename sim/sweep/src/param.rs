//! What of a scenario can be set by a name, and how it is set.
//!
//! - `config.SECTION.OPTION`: an option of printer.cfg (`config.tmc2209 stepper_x.run_current`).
//! - `machine.PATH`: a field of the machine (`machine.modes[0].freq_hz`, `machine.motors[stepper_x].microsteps`).
//! - any other path: a field of the scenario (`line.corrupt_per_byte`, `faults[0].at_s`).
//!
//! The name of an enum's variant may be left out of a path: `machine.motors[0].model.supply_v`.

use drydock_host::config::{Config, known_section, nearest};
use serde_json::Value;

/// Where a name leads.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Config { section: String, option: String },
    Machine(Path),
    Scenario(Path),
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq)]
enum Segment {
    /// A field.
    Key(String),
    /// An entry of a list, by its place or by its name.
    Entry(String),
}

/// A path through fields and lists.
#[derive(Clone, Debug, PartialEq)]
pub struct Path(Vec<Segment>);

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, segment)| match segment {
            Segment::Key(key) if i == 0 => write!(f, "{key}"),
            Segment::Key(key) => write!(f, ".{key}"),
            Segment::Entry(entry) => write!(f, "[{entry}]"),
        })
    }
}

impl Target {
    pub fn parse(name: &str) -> Result<Target, String> {
        let unnamed =
            || format!("'{name}' names nothing: write config.SECTION.OPTION, machine.FIELD or a scenario's field");
        match name.split_once('.') {
            Some(("config", rest)) => {
                let (section, option) = rest.rsplit_once('.').ok_or_else(unnamed)?;
                Ok(Target::Config { section: section.trim().into(), option: option.trim().to_lowercase() })
            }
            Some(("machine", rest)) => Ok(Target::Machine(Path::parse(rest).ok_or_else(unnamed)?)),
            _ => Ok(Target::Scenario(Path::parse(name).ok_or_else(unnamed)?)),
        }
    }
}

impl Path {
    fn parse(text: &str) -> Option<Path> {
        let mut segments = Vec::new();
        for piece in text.split('.') {
            let (key, entries) = piece.split_once('[').map_or((piece, None), |(key, rest)| (key, Some(rest)));
            if key.trim().is_empty() {
                return None;
            }
            segments.push(Segment::Key(key.trim().to_string()));
            for entry in entries.into_iter().flat_map(|rest| rest.split('[')) {
                segments.push(Segment::Entry(entry.strip_suffix(']')?.trim().to_string()));
            }
        }
        Some(Path(segments))
    }

    /// The value that the path leads to in `whole`, which the user calls `root` (empty for the scenario itself).
    pub fn find<'v>(&self, whole: &'v mut Value, root: &str) -> Result<&'v mut Value, String> {
        let mut at = whole;
        let mut so_far = root.to_string();
        for segment in &self.0 {
            at = match segment {
                Segment::Key(key) => {
                    let at = field(at, key).map_err(|known| unknown(&so_far, key, &known))?;
                    so_far = if so_far.is_empty() { key.clone() } else { format!("{so_far}.{key}") };
                    at
                }
                Segment::Entry(entry) => {
                    let at = entry_of(at, entry).map_err(|known| match known.len() {
                        0 => format!("{so_far} is no list"),
                        _ => format!("{so_far} has no entry [{entry}] (known: {})", known.join(", ")),
                    })?;
                    so_far = format!("{so_far}[{entry}]");
                    at
                }
            };
        }
        Ok(at)
    }
}

/// A field of an object, or of the one variant that the object stands for; or the fields that there are.
fn field<'v>(at: &'v mut Value, key: &str) -> Result<&'v mut Value, Vec<String>> {
    let Value::Object(fields) = at else { return Err(Vec::new()) };
    if fields.contains_key(key) {
        return Ok(&mut fields[key]);
    }
    let known: Vec<String> = fields.keys().cloned().collect();
    match known.as_slice() {
        [variant] if variant.starts_with(char::is_uppercase) => field(&mut fields[variant.as_str()], key),
        _ => Err(known),
    }
}

/// An entry of a list by its place or its name; or the places and names that there are.
fn entry_of<'v>(at: &'v mut Value, entry: &str) -> Result<&'v mut Value, Vec<String>> {
    let variant = match &*at {
        Value::Object(fields) if fields.len() == 1 => {
            fields.keys().find(|k| k.starts_with(char::is_uppercase)).cloned()
        }
        _ => None,
    };
    if let Some(variant) = variant {
        return entry_of(&mut at[variant.as_str()], entry);
    }
    let Value::Array(list) = at else { return Err(Vec::new()) };
    let names: Vec<Option<String>> = list
        .iter()
        .map(|e| e.get("name").and_then(Value::as_str).filter(|n| !n.is_empty()).map(str::to_string))
        .collect();
    let place = entry.parse::<usize>().ok().or_else(|| names.iter().position(|n| n.as_deref() == Some(entry)));
    match place.and_then(|place| list.get_mut(place)) {
        Some(found) => Ok(found),
        None if names.is_empty() => Err(vec!["none, the list is empty".into()]),
        None => {
            Err(names.into_iter().enumerate().map(|(i, n)| n.map_or(i.to_string(), |n| format!("{i} {n}"))).collect())
        }
    }
}

fn unknown(so_far: &str, key: &str, known: &[String]) -> String {
    let place = if so_far.is_empty() { "the scenario".to_string() } else { so_far.to_string() };
    let full = |name: &str| if so_far.is_empty() { name.to_string() } else { format!("{so_far}.{name}") };
    let also = ["config", "machine"].into_iter().filter(|_| so_far.is_empty());
    let help = match nearest(key, known.iter().map(String::as_str).chain(also)) {
        Some(near) => format!("did you mean {}?", full(near)),
        None if so_far.is_empty() && known_section(key).is_some() => format!("did you mean config.{key}?"),
        None if known.is_empty() => return format!("{place} has no fields below it"),
        None => format!("known: {}", known.join(", ")),
    };
    format!("{place} has no field {key} ({help})")
}

/// Whether printer.cfg can have such an option; the section may be one that it does not have yet.
pub fn check_option(config: &Config, section: &str, option: &str) -> Result<(), String> {
    let there = config.raw_section(section);
    if there.is_some_and(|s| s.option(option).is_some()) {
        return Ok(());
    }
    let Some(known) = known_section(section) else {
        let help = match nearest(section, config.names()) {
            Some(near) => format!("did you mean config.{near}.{option}?"),
            None => format!("known: {}", config.names().collect::<Vec<_>>().join(", ")),
        };
        return Err(format!("printer.cfg has no section [{section}] ({help})"));
    };
    if known.has_option(option) {
        return Ok(());
    }
    let help = match known.nearest_option(option) {
        Some(near) => format!("did you mean config.{section}.{near}?"),
        None => format!("known: {}", known.options().collect::<Vec<_>>().join(", ")),
    };
    Err(format!("[{section}] has no option {option} ({help})"))
}

/// A value as it is written on the command line.
pub fn value(text: &str) -> Value {
    let number = || text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Value::Number);
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => None
            .or_else(|| text.parse::<u64>().ok().map(Value::from))
            .or_else(|| text.parse::<i64>().ok().map(Value::from))
            .or_else(number)
            .unwrap_or_else(|| Value::String(text.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn find(name: &str) -> Result<Value, String> {
        let mut machine = json!({
            "modes": [{"freq_hz": 50.0, "shape": [1.0, 0.0, 0.0]}],
            "motors": [{"name": "stepper_x", "model": {"Rotor": {"supply_v": 24.0}}}, {"name": "stepper_y", "model": "Ideal"}],
        });
        match Target::parse(name)? {
            Target::Machine(path) => path.find(&mut machine, "machine").cloned(),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn paths_go_through_fields_places_names_and_variants() {
        assert_eq!(find("machine.modes[0].freq_hz"), Ok(json!(50.0)));
        assert_eq!(find("machine.modes[0].shape[0]"), Ok(json!(1.0)));
        assert_eq!(find("machine.motors[0].model.Rotor.supply_v"), Ok(json!(24.0)));
        assert_eq!(find("machine.motors[stepper_x].model.supply_v"), Ok(json!(24.0)));
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_near_one() {
        for (name, said) in [
            (
                "machine.modes[0].frq_hz",
                "machine.modes[0] has no field frq_hz (did you mean machine.modes[0].freq_hz?)",
            ),
            ("machine.mods[0]", "machine has no field mods (did you mean machine.modes?)"),
            ("machine.motors[7].name", "machine.motors has no entry [7] (known: 0 stepper_x, 1 stepper_y)"),
            ("machine.modes.freq_hz", "machine.modes has no fields below it"),
            ("machine.modes[0].freq_hz.x", "machine.modes[0].freq_hz has no fields below it"),
        ] {
            assert_eq!(find(name), Err(said.to_string()));
        }
        for name in ["", ".", "machine.", "machine.modes[0", "config.printer"] {
            assert!(Target::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_section_with_a_blank_in_its_name_is_one() {
        let expected = Target::Config { section: "tmc2209 stepper_x".into(), option: "run_current".into() };
        assert_eq!(Target::parse("config.tmc2209 stepper_x.run_current"), Ok(expected));
    }

    #[test]
    fn values_are_what_they_look_like() {
        assert_eq!(value("3"), json!(3));
        assert_eq!(value("-3"), json!(-3));
        assert_eq!(value("18446744073709551615"), json!(u64::MAX));
        assert_eq!(value("0.1"), json!(0.1));
        assert_eq!(value("true"), json!(true));
        assert_eq!(value("mzv"), json!("mzv"));
        assert_eq!(value("nan"), json!("nan"));
    }
}
