//! Typed access to options: `section.float("max_velocity").above(0.0).required()?`.
//!
//! Each accessor ends in `required()` (an error if the option is missing), `or(default)`, or `optional()`. What is
//! read is recorded for the `configfile.settings` status object.

use minijinja::Value;

use super::error::{ConfigError, Place};
use super::parse::shorten;
use super::section::Section;

/// A value as an accessor read it.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingValue {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<SettingValue>),
}

impl SettingValue {
    pub fn to_value(&self) -> Value {
        match self {
            SettingValue::None => Value::from(()),
            SettingValue::Bool(v) => Value::from(*v),
            SettingValue::Int(v) => Value::from(*v),
            SettingValue::Float(v) => Value::from(*v),
            SettingValue::Text(v) => Value::from(v.as_str()),
            SettingValue::List(v) => v.iter().map(SettingValue::to_value).collect(),
        }
    }
}

/// Numbers that an option can hold.
pub trait Number: Copy + PartialOrd + std::fmt::Debug {
    /// "a number", "a whole number": for the help.
    const KIND: &'static str;
    fn parse(text: &str) -> Option<Self>;
    fn setting(self) -> SettingValue;
}

impl Number for f64 {
    const KIND: &'static str = "a number such as 12.5";
    fn parse(text: &str) -> Option<f64> {
        text.parse().ok().filter(|v: &f64| v.is_finite())
    }
    fn setting(self) -> SettingValue {
        SettingValue::Float(self)
    }
}

impl Number for i64 {
    const KIND: &'static str = "a whole number";
    fn parse(text: &str) -> Option<i64> {
        text.parse().ok()
    }
    fn setting(self) -> SettingValue {
        SettingValue::Int(self)
    }
}

fn unparsable(section: &Section, option: &str, value: &str, kind: &str) -> ConfigError {
    let message = format!("Unable to parse option '{option}' in section '{}'", section.name());
    let help = match value.split_once('\n').map(|(first, more)| (first, more.trim())) {
        Some((first, more)) if !more.is_empty() => {
            let next = shorten(more.lines().next().unwrap_or(""));
            format!("'{}' goes on with the indented '{next}'; remove the blanks before that", shorten(first))
        }
        _ => format!("'{}' is not {kind}", shorten(value.trim())),
    };
    section.error(option, message).help(help)
}

impl Section {
    pub fn float<'s>(&'s self, option: &'s str) -> NumberOption<'s, f64> {
        NumberOption::new(self, option)
    }

    pub fn int<'s>(&'s self, option: &'s str) -> NumberOption<'s, i64> {
        NumberOption::new(self, option)
    }

    pub fn boolean<'s>(&'s self, option: &'s str) -> ChoiceOption<'s, bool> {
        const WORDS: [(&str, bool); 8] = [
            ("true", true),
            ("false", false),
            ("yes", true),
            ("no", false),
            ("on", true),
            ("off", false),
            ("1", true),
            ("0", false),
        ];
        ChoiceOption { section: self, option, choices: WORDS.to_vec(), boolean: true }
    }

    pub fn text<'s>(&'s self, option: &'s str) -> TextOption<'s> {
        TextOption { section: self, option }
    }

    /// One of the given words.
    pub fn choice<'s>(&'s self, option: &'s str, words: &[&'static str]) -> ChoiceOption<'s, &'static str> {
        let choices = words.iter().map(|w| (*w, *w)).collect();
        ChoiceOption { section: self, option, choices, boolean: false }
    }

    /// One of the given words, each standing for a value.
    pub fn choice_of<'s, T: Clone>(&'s self, option: &'s str, choices: &[(&'static str, T)]) -> ChoiceOption<'s, T> {
        ChoiceOption { section: self, option, choices: choices.to_vec(), boolean: false }
    }

    /// Numbers separated by commas: exactly `count` of them, or any number if `None`.
    pub fn float_list<'s>(&'s self, option: &'s str, count: impl Into<Option<usize>>) -> FloatListOption<'s> {
        FloatListOption { section: self, option, count: count.into() }
    }

    /// Lines of numbers separated by `sep`, each line with `count` of them if that is given.
    pub fn float_rows<'s>(
        &'s self,
        option: &'s str,
        sep: char,
        count: impl Into<Option<usize>>,
    ) -> FloatRowsOption<'s> {
        FloatRowsOption { section: self, option, row_sep: '\n', sep, count: count.into() }
    }

    /// Words separated by commas.
    pub fn list<'s>(&'s self, option: &'s str) -> ListOption<'s> {
        ListOption { section: self, option, sep: ',' }
    }

    /// The value's lines that are not empty.
    pub fn lines<'s>(&'s self, option: &'s str) -> ListOption<'s> {
        ListOption { section: self, option, sep: '\n' }
    }

    /// `gear_ratio: 80:20, 57:11` as the product of its quotients; 1 where the option is missing.
    pub fn gear_ratio(&self, option: &str) -> Result<f64, ConfigError> {
        let rows = FloatRowsOption { section: self, option, row_sep: ',', sep: ':', count: Some(2) }.or(&[])?;
        let mut ratio = 1.0;
        for row in rows {
            if row[0] <= 0.0 || row[1] <= 0.0 {
                let message = format!("Option '{option}' in section '{}' must be above 0.0", self.name());
                return Err(self.error(option, message).help("write it as driven:driving teeth, such as 80:20"));
            }
            ratio *= row[0] / row[1];
        }
        Ok(ratio)
    }

    /// The text of a G-code template and its place. `None` where the option is missing.
    pub fn gcode(&self, option: &str) -> Option<GcodeText> {
        let source = self.raw(option)?.to_string();
        self.record(option, SettingValue::Text(source.clone()));
        Some(GcodeText { source, place: self.option_place(option) })
    }

    pub fn gcode_required(&self, option: &str) -> Result<GcodeText, ConfigError> {
        self.gcode(option).ok_or_else(|| self.missing(option))
    }
}

/// The text of a G-code template: line `i` of `source` stands `i` lines below `place`.
#[derive(Clone, Debug)]
pub struct GcodeText {
    pub source: String,
    pub place: Place,
}

/// See [`Section::float`] and [`Section::int`].
pub struct NumberOption<'s, T> {
    section: &'s Section,
    option: &'s str,
    min: Option<T>,
    max: Option<T>,
    above: Option<T>,
    below: Option<T>,
}

impl<'s, T: Number> NumberOption<'s, T> {
    fn new(section: &'s Section, option: &'s str) -> Self {
        NumberOption { section, option, min: None, max: None, above: None, below: None }
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

    pub fn required(self) -> Result<T, ConfigError> {
        self.optional()?.ok_or_else(|| self.section.missing(self.option))
    }

    /// The default is taken as it is, limits or not.
    pub fn or(self, default: T) -> Result<T, ConfigError> {
        if !self.section.has(self.option) {
            self.section.record(self.option, default.setting());
            return Ok(default);
        }
        Ok(self.optional()?.unwrap_or(default))
    }

    pub fn optional(&self) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.section.raw(self.option) else { return Ok(None) };
        let value = T::parse(text).ok_or_else(|| unparsable(self.section, self.option, text, T::KIND))?;
        self.check(value)?;
        self.section.record(self.option, value.setting());
        Ok(Some(value))
    }

    fn check(&self, value: T) -> Result<(), ConfigError> {
        let limits = [
            (self.min.filter(|m| value < *m), "have minimum of"),
            (self.max.filter(|m| value > *m), "have maximum of"),
            (self.above.filter(|m| value <= *m), "be above"),
            (self.below.filter(|m| value >= *m), "be below"),
        ];
        let Some((limit, words)) = limits.iter().find_map(|(l, w)| l.map(|l| (l, *w))) else { return Ok(()) };
        let (option, section) = (self.option, self.section.name());
        let message = format!("Option '{option}' in section '{section}' must {words} {limit:?}");
        Err(self.section.error(option, message).help(format!("it is {value:?}")))
    }
}

/// See [`Section::text`].
pub struct TextOption<'s> {
    section: &'s Section,
    option: &'s str,
}

impl TextOption<'_> {
    pub fn required(self) -> Result<String, ConfigError> {
        self.optional()?.ok_or_else(|| self.section.missing(self.option))
    }

    pub fn or(self, default: &str) -> Result<String, ConfigError> {
        Ok(self.optional()?.unwrap_or_else(|| {
            self.section.record(self.option, SettingValue::Text(default.to_string()));
            default.to_string()
        }))
    }

    pub fn optional(&self) -> Result<Option<String>, ConfigError> {
        Ok(self.section.raw(self.option).map(|text| {
            self.section.record(self.option, SettingValue::Text(text.to_string()));
            text.to_string()
        }))
    }
}

/// See [`Section::choice`], [`Section::choice_of`] and [`Section::boolean`].
pub struct ChoiceOption<'s, T> {
    section: &'s Section,
    option: &'s str,
    choices: Vec<(&'static str, T)>,
    boolean: bool,
}

impl<T: Clone> ChoiceOption<'_, T> {
    pub fn required(self) -> Result<T, ConfigError> {
        self.optional()?.ok_or_else(|| self.section.missing(self.option))
    }

    pub fn or(self, default: T) -> Result<T, ConfigError> {
        Ok(self.optional()?.unwrap_or(default))
    }

    pub fn optional(&self) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.section.raw(self.option) else { return Ok(None) };
        let same = |word: &str| if self.boolean { word.eq_ignore_ascii_case(text) } else { word == text };
        match self.choices.iter().find(|(word, _)| same(word)) {
            Some((word, value)) => {
                let setting = match self.boolean {
                    true => SettingValue::Bool(matches!(*word, "true" | "yes" | "on" | "1")),
                    false => SettingValue::Text(word.to_string()),
                };
                self.section.record(self.option, setting);
                Ok(Some(value.clone()))
            }
            None => Err(self.bad_choice(text)),
        }
    }

    fn bad_choice(&self, text: &str) -> ConfigError {
        if self.boolean {
            return unparsable(self.section, self.option, text, "True or False");
        }
        let (option, section) = (self.option, self.section.name());
        let message =
            format!("Choice '{}' for option '{option}' in section '{section}' is not a valid choice", shorten(text));
        let words: Vec<&str> = self.choices.iter().map(|(w, _)| *w).collect();
        let lower = text.to_lowercase();
        let near = words.iter().copied().find(|w| w.to_lowercase() == lower);
        let near = near.or_else(|| super::suggest::nearest(text, words.iter().copied()));
        let error = self.section.error(option, message);
        match near {
            Some(near) => error.help(format!("did you mean '{near}'?")),
            None => error.help(format!("one of: {}", words.join(", "))),
        }
    }
}

/// See [`Section::list`] and [`Section::lines`].
pub struct ListOption<'s> {
    section: &'s Section,
    option: &'s str,
    sep: char,
}

impl ListOption<'_> {
    pub fn required(self) -> Result<Vec<String>, ConfigError> {
        self.optional()?.ok_or_else(|| self.section.missing(self.option))
    }

    pub fn or(self, default: &[&str]) -> Result<Vec<String>, ConfigError> {
        Ok(self.optional()?.unwrap_or_else(|| default.iter().map(|s| s.to_string()).collect()))
    }

    pub fn optional(&self) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(text) = self.section.raw(self.option) else { return Ok(None) };
        let parts = text.split(self.sep).map(str::trim);
        let parts: Vec<String> = parts.filter(|p| self.sep != '\n' || !p.is_empty()).map(str::to_string).collect();
        let setting = parts.iter().map(|p| SettingValue::Text(p.clone())).collect();
        self.section.record(self.option, SettingValue::List(setting));
        Ok(Some(parts))
    }
}

/// See [`Section::float_list`].
pub struct FloatListOption<'s> {
    section: &'s Section,
    option: &'s str,
    count: Option<usize>,
}

impl FloatListOption<'_> {
    pub fn required(self) -> Result<Vec<f64>, ConfigError> {
        self.optional()?.ok_or_else(|| self.section.missing(self.option))
    }

    pub fn or(self, default: &[f64]) -> Result<Vec<f64>, ConfigError> {
        Ok(self.optional()?.unwrap_or_else(|| {
            self.section.record(self.option, float_setting(default));
            default.to_vec()
        }))
    }

    pub fn optional(&self) -> Result<Option<Vec<f64>>, ConfigError> {
        let Some(text) = self.section.raw(self.option) else { return Ok(None) };
        let values = float_row(self.section, self.option, text, ',', self.count)?;
        self.section.record(self.option, float_setting(&values));
        Ok(Some(values))
    }
}

fn float_setting(values: &[f64]) -> SettingValue {
    SettingValue::List(values.iter().map(|v| v.setting()).collect())
}

fn float_row(
    section: &Section,
    option: &str,
    text: &str,
    sep: char,
    count: Option<usize>,
) -> Result<Vec<f64>, ConfigError> {
    let mut values = Vec::new();
    for part in text.split(sep).map(str::trim) {
        values.push(f64::parse(part).ok_or_else(|| unparsable(section, option, part, f64::KIND))?);
    }
    if let Some(count) = count.filter(|c| *c != values.len()) {
        let message = format!("Option '{option}' in section '{}' must have {count} elements", section.name());
        return Err(section.error(option, message).help(format!("it has {}", values.len())));
    }
    Ok(values)
}

/// See [`Section::float_rows`].
pub struct FloatRowsOption<'s> {
    section: &'s Section,
    option: &'s str,
    row_sep: char,
    sep: char,
    count: Option<usize>,
}

impl FloatRowsOption<'_> {
    pub fn required(self) -> Result<Vec<Vec<f64>>, ConfigError> {
        self.optional()?.ok_or_else(|| self.section.missing(self.option))
    }

    pub fn or(self, default: &[&[f64]]) -> Result<Vec<Vec<f64>>, ConfigError> {
        Ok(self.optional()?.unwrap_or_else(|| default.iter().map(|row| row.to_vec()).collect()))
    }

    pub fn optional(&self) -> Result<Option<Vec<Vec<f64>>>, ConfigError> {
        let Some(text) = self.section.raw(self.option) else { return Ok(None) };
        let rows = text.split(self.row_sep).map(str::trim).filter(|line| !line.is_empty());
        let rows = rows.map(|line| float_row(self.section, self.option, line, self.sep, self.count));
        let rows: Vec<Vec<f64>> = rows.collect::<Result<_, _>>()?;
        let setting = rows.iter().map(|row| float_setting(row)).collect();
        self.section.record(self.option, SettingValue::List(setting));
        Ok(Some(rows))
    }
}
