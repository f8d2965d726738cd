//! The `printer` object of a template: status, fetched when it is asked for.
//!
//! minijinja's objects must be `Send`, which the host's objects are not. So a rendering never reaches into the host:
//! what it asks for and does not find is noted, fetched afterwards, and the rendering is repeated. A template names most
//! of its objects in its text, so they are fetched before the first pass, and nearly every rendering takes one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};

use super::shared::Shared;

/// Gives the status of printer objects, as `printer["NAME"]` shows it.
pub trait StatusSource {
    /// The status of one object, or `None` if there is no such object.
    fn get(&self, name: &str) -> Option<Value>;
    /// Names of all objects that have a status, in the order of the configuration.
    fn names(&self) -> Vec<String>;
}

/// Status held in a map, for tests and for lint.
#[derive(Clone, Debug, Default)]
pub struct StatusMap(pub BTreeMap<String, Value>);

impl StatusSource for StatusMap {
    fn get(&self, name: &str) -> Option<Value> {
        self.0.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

#[derive(Debug, Default)]
struct Known {
    objects: BTreeMap<String, Option<Value>>,
    names: Option<Vec<String>>,
    missing: BTreeSet<String>,
    names_missing: bool,
}

/// What a template sees as `printer`.
#[derive(Debug, Default)]
pub(super) struct Printer(Shared<Known>);

impl Printer {
    pub fn fetch(&self, source: &dyn StatusSource, names: impl IntoIterator<Item = String>) {
        for name in names {
            let status = source.get(&name);
            self.0.lock().objects.insert(name, status);
        }
    }

    /// Fetches what the last pass missed; `false` if it missed nothing. The names go to `learned`.
    pub fn fetch_missing(&self, source: &dyn StatusSource, learned: &mut BTreeSet<String>) -> bool {
        let (missing, names_missing) = {
            let mut known = self.0.lock();
            (std::mem::take(&mut known.missing), std::mem::take(&mut known.names_missing))
        };
        if names_missing {
            let names = source.names();
            self.0.lock().names = Some(names);
        }
        learned.extend(missing.iter().cloned());
        let any = names_missing || !missing.is_empty();
        self.fetch(source, missing);
        any
    }
}

impl Object for Printer {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let mut known = self.0.lock();
        match known.objects.get(name) {
            Some(status) => status.clone(),
            None => {
                known.missing.insert(name.to_string());
                None
            }
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let mut known = self.0.lock();
        match &known.names {
            Some(names) => Enumerator::Values(names.iter().map(|n| Value::from(n.as_str())).collect()),
            None => {
                known.names_missing = true;
                Enumerator::Empty
            }
        }
    }
}

/// Names of the printer objects that stand in a template's text: `printer.NAME` and `printer["NAME"]`.
pub(super) fn names_in(source: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = source;
    while let Some(at) = rest.find("printer") {
        rest = &rest[at + "printer".len()..];
        let name = if let Some(tail) = rest.strip_prefix('.') {
            let end = tail.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(tail.len());
            &tail[..end]
        } else if let Some(tail) = rest.strip_prefix("[\"") {
            tail.split_once("\"]").map_or("", |(name, _)| name)
        } else if let Some(tail) = rest.strip_prefix("['") {
            tail.split_once("']").map_or("", |(name, _)| name)
        } else {
            ""
        };
        if !name.is_empty() && !matches!(name, "items" | "keys" | "values" | "get") && !name.contains(['"', '\'']) {
            names.insert(name.to_string());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_the_text() {
        let source = r#"{printer.toolhead.position} {printer["gcode_macro X"].v} {printer['fan'].speed} {printer[x]}"#;
        let names: Vec<String> = names_in(source).into_iter().collect();
        assert_eq!(names, ["fan", "gcode_macro X", "toolhead"]);
    }
}
