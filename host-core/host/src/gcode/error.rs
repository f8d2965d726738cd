//! Why a command did not run.

use std::fmt;

use crate::config::ConfigError;

/// The cause in Klipper's words, and where it happened, innermost place first.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CommandError {
    pub message: String,
    /// Such as "macro START_PRINT, printer.cfg:120" or "line 12 of cube.gcode".
    pub places: Vec<String>,
}

impl CommandError {
    pub fn new(message: impl Into<String>) -> Self {
        CommandError { message: message.into(), places: Vec::new() }
    }

    /// Adds a place around the ones that are known.
    pub fn within(mut self, place: impl Into<String>) -> Self {
        self.places.push(place.into());
        self
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.places.is_empty() {
            return f.write_str(&self.message);
        }
        // A terminal marks only the first line as the error.
        let first = self.message.find('\n').unwrap_or(self.message.len());
        write!(f, "{} ({}){}", &self.message[..first], self.places.join(", from "), &self.message[first..])
    }
}

impl std::error::Error for CommandError {}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        let place = error.place.as_ref().map(|p| p.to_string());
        CommandError { message: error.message.clone(), places: place.into_iter().collect() }
    }
}
