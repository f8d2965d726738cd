//! A parsed configuration and its sections, with a record of everything that was asked for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::access::SettingValue;
use super::error::{ConfigError, Place};
use super::parse::{self, Parsed, RawOption, RawSection, SourceText};
use super::source::FileSource;
use super::suggest::nearest;

/// A parsed configuration; clones share it.
#[derive(Clone)]
pub struct Config(pub(super) Rc<Inner>);

pub(super) struct Inner {
    parsed: Parsed,
    main: String,
    /// Sections that were asked for, with the options asked of each.
    asked: RefCell<BTreeMap<String, BTreeSet<String>>>,
    settings: RefCell<BTreeMap<String, BTreeMap<String, SettingValue>>>,
    collected: RefCell<Vec<ConfigError>>,
}

impl Config {
    /// Reads `main` and all it includes. All problems of the text come back at once.
    pub fn parse(source: &dyn FileSource, main: &str) -> Result<Config, Vec<ConfigError>> {
        let (config, errors) = Config::parse_lenient(source, main);
        if errors.is_empty() { Ok(config) } else { Err(errors) }
    }

    /// As [`Config::parse`], but with what could be read beside the problems; for lint.
    pub fn parse_lenient(source: &dyn FileSource, main: &str) -> (Config, Vec<ConfigError>) {
        let mut parsed = parse::parse(source, main);
        let errors = std::mem::take(&mut parsed.errors);
        let inner = Inner {
            parsed,
            main: main.to_string(),
            asked: RefCell::default(),
            settings: RefCell::default(),
            collected: RefCell::default(),
        };
        (Config(Rc::new(inner)), errors)
    }

    /// The section, if the files have it. Asking makes it known: [`Config::unused`] will not name it.
    pub fn section(&self, name: &str) -> Option<Section> {
        let index = *self.0.parsed.index.get(name)?;
        Some(self.handle(name, Some(index)))
    }

    /// The section, or an empty one of that name, for objects that exist with defaults alone.
    pub fn section_or_empty(&self, name: &str) -> Section {
        self.handle(name, self.0.parsed.index.get(name).copied())
    }

    /// The section, or the error that names it as missing.
    pub fn require_section(&self, name: &str) -> Result<Section, ConfigError> {
        self.section(name).ok_or_else(|| {
            let error = ConfigError::new(format!("Section '{name}' must be specified")).in_section(name);
            let place = Place { file: self.0.main.as_str().into(), line: 1, column: 1, len: 0 };
            let near = nearest(name, self.names());
            error.at(place).help(match near {
                Some(near) => format!("did you mean [{near}]?"),
                None => format!("add a [{name}] section"),
            })
        })
    }

    fn handle(&self, name: &str, index: Option<usize>) -> Section {
        self.0.asked.borrow_mut().entry(name.to_string()).or_default();
        Section { config: self.clone(), name: name.into(), index }
    }

    /// Whether the files have the section; does not count as asking for it.
    pub fn has_section(&self, name: &str) -> bool {
        self.0.parsed.index.contains_key(name)
    }

    /// Sections whose name starts with `prefix` ("gcode_macro "), in the order of their first appearance.
    pub fn sections_with_prefix(&self, prefix: &str) -> Vec<Section> {
        let names = self.names().filter(|n| n.starts_with(prefix)).map(str::to_string).collect::<Vec<_>>();
        names.iter().filter_map(|n| self.section(n)).collect()
    }

    /// Names of all sections in the order of their first appearance; does not count as asking for them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.parsed.sections.iter().map(|s| s.name.as_str())
    }

    /// All sections as they were read; does not count as asking for them.
    pub fn raw_sections(&self) -> &[RawSection] {
        &self.0.parsed.sections
    }

    pub fn raw_section(&self, name: &str) -> Option<&RawSection> {
        self.0.parsed.index.get(name).map(|i| &self.0.parsed.sections[*i])
    }

    /// The files that were read, the main one first.
    pub fn files(&self) -> &[SourceText] {
        &self.0.parsed.files
    }

    pub fn main_path(&self) -> &str {
        &self.0.main
    }

    /// What is odd but no error, such as a damaged SAVE_CONFIG block.
    pub fn warnings(&self) -> &[ConfigError] {
        &self.0.parsed.warnings
    }

    /// Keeps an error for [`Config::take_errors`], so that the reader can go on and find more.
    pub fn push_error(&self, error: ConfigError) {
        self.0.collected.borrow_mut().push(error);
    }

    /// The value, or `None` with the error kept for [`Config::take_errors`].
    pub fn collect<T>(&self, result: Result<T, ConfigError>) -> Option<T> {
        result.map_err(|e| self.push_error(e)).ok()
    }

    /// The errors kept so far, in the order of their places.
    pub fn take_errors(&self) -> Vec<ConfigError> {
        let mut errors = std::mem::take(&mut *self.0.collected.borrow_mut());
        errors.sort_by(|a, b| a.place.cmp(&b.place));
        errors.dedup();
        errors
    }

    /// Every section and option that nothing has asked for, each with the nearest name that was.
    pub fn unused(&self) -> Vec<ConfigError> {
        let asked = self.0.asked.borrow();
        let mut errors = Vec::new();
        for section in &self.0.parsed.sections {
            let Some(options) = asked.get(&section.name) else {
                errors.push(unused_section(section, asked.keys().map(String::as_str)));
                continue;
            };
            for option in section.options.iter().filter(|o| !options.contains(&o.name)) {
                errors.push(unused_option(&section.name, option, options.iter().map(String::as_str)));
            }
        }
        errors
    }

    /// One file that says the same as all that were read: without comments and includes, each option once.
    pub fn flat_text(&self) -> String {
        let mut text = String::new();
        for section in &self.0.parsed.sections {
            text.push_str(&format!("[{}]\n", section.name));
            for option in &section.options {
                text.push_str(&format!("{}: {}\n", option.name, option.value.replace('\n', "\n  ")));
            }
            text.push('\n');
        }
        text
    }

    /// The `config` field of the `configfile` status object: every option of every section as text.
    pub fn raw_status(&self) -> minijinja::Value {
        let sections = self.0.parsed.sections.iter().map(|s| {
            let options = s.options.iter().map(|o| (o.name.clone(), minijinja::Value::from(o.value.clone())));
            (s.name.clone(), minijinja::Value::from(options.collect::<BTreeMap<_, _>>()))
        });
        minijinja::Value::from(sections.collect::<BTreeMap<_, _>>())
    }

    /// The `settings` field of the `configfile` status object: every value that was asked for, defaults included.
    pub fn settings_status(&self) -> minijinja::Value {
        let settings = self.0.settings.borrow();
        let sections = settings.iter().map(|(name, options)| {
            let options = options.iter().map(|(k, v)| (k.clone(), v.to_value()));
            (name.clone(), minijinja::Value::from(options.collect::<BTreeMap<_, _>>()))
        });
        minijinja::Value::from(sections.collect::<BTreeMap<_, _>>())
    }
}

fn unused_section<'a>(section: &RawSection, known: impl Iterator<Item = &'a str>) -> ConfigError {
    let name = &section.name;
    let error = ConfigError::new(format!("Section '{name}' is not a valid config section"));
    let error = error.in_section(name).at(section.place().clone());
    match nearest(name, known) {
        Some(near) => error.help(format!("did you mean [{near}]?")),
        None => error.help("remove the section, or check its name"),
    }
}

fn unused_option<'a>(section: &str, option: &RawOption, known: impl Iterator<Item = &'a str>) -> ConfigError {
    let name = &option.name;
    let error = ConfigError::new(format!("Option '{name}' is not valid in section '{section}'"));
    let error = error.in_section(section).in_option(name).at(option.name_place.clone());
    match nearest(name, known) {
        Some(near) => error.help(format!("did you mean '{near}'?")),
        None => error.help("remove the option, or check its name"),
    }
}

/// One section; cheap to clone. Its accessors note what was asked for.
#[derive(Clone)]
pub struct Section {
    config: Config,
    name: Rc<str>,
    /// `None`: the files do not have it.
    index: Option<usize>,
}

impl Section {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The part of the name behind the first blank: `extruder` of `[verify_heater extruder]`; empty if there is none.
    pub fn identifier(&self) -> &str {
        self.name.split_once(' ').map_or("", |(_, rest)| rest.trim())
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the files have this section at all.
    pub fn exists(&self) -> bool {
        self.index.is_some()
    }

    /// Place of the section's header; of the main file's start where the files do not have the section.
    pub fn place(&self) -> Place {
        match self.raw_section() {
            Some(raw) => raw.place().clone(),
            None => Place { file: self.config.0.main.as_str().into(), line: 1, column: 1, len: 0 },
        }
    }

    /// Place of an option's value; of the header where it is not there.
    pub fn option_place(&self, option: &str) -> Place {
        self.find(option).map_or_else(|| self.place(), |o| o.value_place.clone())
    }

    /// Whether the option is there; counts as asking for it.
    pub fn has(&self, option: &str) -> bool {
        self.raw(option).is_some()
    }

    /// The value as it stands in the file; counts as asking for it.
    pub fn raw(&self, option: &str) -> Option<&str> {
        self.note(option);
        self.find(option).map(|o| o.value.as_str())
    }

    /// Names of the options that start with `prefix`, in order, each counted as asked for.
    pub fn prefix_options(&self, prefix: &str) -> Vec<String> {
        let options = self.raw_section().map_or(&[][..], |s| &s.options);
        let names: Vec<String> =
            options.iter().filter(|o| o.name.starts_with(prefix)).map(|o| o.name.clone()).collect();
        names.iter().for_each(|n| self.note(n));
        names
    }

    /// An error about one option, at its place.
    pub fn error(&self, option: &str, message: impl Into<String>) -> ConfigError {
        let place = self.option_place(option);
        ConfigError::new(message).in_section(&self.name).in_option(&option.to_lowercase()).at(place)
    }

    /// An error about the section as a whole.
    pub fn section_error(&self, message: impl Into<String>) -> ConfigError {
        ConfigError::new(message).in_section(&self.name).at(self.place())
    }

    /// "Option 'x' in section 'y' must be specified", with the option that was perhaps meant.
    pub fn missing(&self, option: &str) -> ConfigError {
        let error = self.error(option, format!("Option '{option}' in section '{}' must be specified", self.name));
        let present = self.raw_section().map_or(&[][..], |s| &s.options);
        match nearest(option, present.iter().map(|o| o.name.as_str())) {
            Some(near) => {
                let place = self.option_place(near);
                error.help(format!("'{near}' at {place} may be meant for it"))
            }
            None => error.help(format!("add '{option}: ...' to [{}]", self.name)),
        }
    }

    /// What the accessors read of an option, for the `settings` status.
    pub(super) fn record(&self, option: &str, value: SettingValue) {
        let mut settings = self.config.0.settings.borrow_mut();
        settings.entry(self.name.to_lowercase()).or_default().insert(option.to_lowercase(), value);
    }

    fn note(&self, option: &str) {
        let mut asked = self.config.0.asked.borrow_mut();
        let options = asked.entry(self.name.to_string()).or_default();
        let option = option.to_lowercase();
        if !options.contains(&option) {
            options.insert(option);
        }
    }

    fn raw_section(&self) -> Option<&RawSection> {
        self.index.map(|i| &self.config.0.parsed.sections[i])
    }

    fn find(&self, option: &str) -> Option<&RawOption> {
        let section = self.raw_section()?;
        section.option(option).or_else(|| section.option(&option.to_lowercase()))
    }
}
