//! Typed access to a command's parameters: `command.float("S").min(0.0).or(100.0)?`.
//!
//! The wording of the errors is Klipper's, since users search for it.

use super::error::CommandError;
use super::line::Command;
use crate::config::Number;

impl<'a> Command<'a> {
    pub fn float<'c>(&'c self, key: &'c str) -> ParamNumber<'c, 'a, f64> {
        ParamNumber::new(self, key)
    }

    pub fn int<'c>(&'c self, key: &'c str) -> ParamNumber<'c, 'a, i64> {
        ParamNumber::new(self, key)
    }

    pub fn text<'c>(&'c self, key: &'c str) -> ParamText<'c, 'a> {
        ParamText { command: self, key }
    }

    fn complain(&self, what: std::fmt::Arguments<'_>) -> CommandError {
        CommandError::new(format!("Error on '{}': {what}", self.raw().trim()))
    }
}

/// See [`Command::float`] and [`Command::int`].
pub struct ParamNumber<'c, 'a, T> {
    command: &'c Command<'a>,
    key: &'c str,
    min: Option<T>,
    max: Option<T>,
    above: Option<T>,
    below: Option<T>,
}

impl<'c, 'a, T: Number> ParamNumber<'c, 'a, T> {
    fn new(command: &'c Command<'a>, key: &'c str) -> Self {
        ParamNumber { command, key, min: None, max: None, above: None, below: None }
    }

    pub fn min(mut self, limit: T) -> Self {
        self.min = Some(limit);
        self
    }

    pub fn max(mut self, limit: T) -> Self {
        self.max = Some(limit);
        self
    }

    pub fn above(mut self, limit: T) -> Self {
        self.above = Some(limit);
        self
    }

    pub fn below(mut self, limit: T) -> Self {
        self.below = Some(limit);
        self
    }

    pub fn required(self) -> Result<T, CommandError> {
        self.optional()?.ok_or_else(|| self.command.complain(format_args!("missing {}", self.key)))
    }

    /// The default is taken as it is, limits or not.
    pub fn or(self, default: T) -> Result<T, CommandError> {
        Ok(self.optional()?.unwrap_or(default))
    }

    pub fn optional(&self) -> Result<Option<T>, CommandError> {
        let Some(text) = self.command.get(self.key) else { return Ok(None) };
        let Some(value) = T::parse(text.trim()) else {
            return Err(self.command.complain(format_args!("unable to parse {text}")));
        };
        let limits = [
            (self.min.filter(|m| value < *m), "have minimum of"),
            (self.max.filter(|m| value > *m), "have maximum of"),
            (self.above.filter(|m| value <= *m), "be above"),
            (self.below.filter(|m| value >= *m), "be below"),
        ];
        match limits.iter().find_map(|(limit, words)| limit.map(|l| (l, *words))) {
            Some((limit, words)) => Err(self.command.complain(format_args!("{} must {words} {limit:?}", self.key))),
            None => Ok(Some(value)),
        }
    }
}

/// See [`Command::text`].
pub struct ParamText<'c, 'a> {
    command: &'c Command<'a>,
    key: &'c str,
}

impl<'c> ParamText<'c, '_> {
    pub fn required(self) -> Result<&'c str, CommandError> {
        self.optional().ok_or_else(|| self.command.complain(format_args!("missing {}", self.key)))
    }

    pub fn or<'d>(self, default: &'d str) -> &'d str
    where
        'c: 'd,
    {
        self.optional().unwrap_or(default)
    }

    pub fn optional(&self) -> Option<&'c str> {
        self.command.get(self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T: std::fmt::Debug>(result: Result<T, CommandError>) -> String {
        result.unwrap_err().message
    }

    #[test]
    fn errors_have_the_wording_that_users_search_for() {
        let command = Command::parse("M104 T-1 Sabc").unwrap();
        assert_eq!(
            message(command.float("T").min(0.0).required()),
            "Error on 'M104 T-1 Sabc': T must have minimum of 0.0"
        );
        assert_eq!(message(command.float("P").required()), "Error on 'M104 T-1 Sabc': missing P");
        let command = Command::parse("SET_PIN PIN=fan VALUE=x CYCLE=7").unwrap();
        assert_eq!(
            message(command.float("VALUE").required()),
            "Error on 'SET_PIN PIN=fan VALUE=x CYCLE=7': unable to parse x"
        );
        assert_eq!(
            message(command.int("CYCLE").below(7).required()),
            "Error on 'SET_PIN PIN=fan VALUE=x CYCLE=7': CYCLE must be below 7"
        );
        assert_eq!(
            message(command.float("CYCLE").above(7.5).required()),
            "Error on 'SET_PIN PIN=fan VALUE=x CYCLE=7': CYCLE must be above 7.5"
        );
        assert_eq!(
            message(command.int("CYCLE").max(6).required()),
            "Error on 'SET_PIN PIN=fan VALUE=x CYCLE=7': CYCLE must have maximum of 6"
        );
    }

    #[test]
    fn defaults_stand_in_for_what_is_missing() {
        let command = Command::parse("M104 S200.5").unwrap();
        assert_eq!(command.float("S").or(0.0), Ok(200.5));
        assert_eq!(command.int("T").or(0), Ok(0));
        assert_eq!(command.float("T").optional(), Ok(None));
        assert_eq!(command.text("NAME").or("none"), "none");
        assert!(command.int("S").or(0).is_err());
    }
}
