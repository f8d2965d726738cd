//! Mistakes in a printer.cfg that can be found without a printer, all in one pass.
//!
//! Klippy names one error a start, without a line, and lets many through that only show on the machine. Each rule here
//! is a function over the parsed configuration in one of the files of this folder; [`RULES`] lists them. A rule says
//! nothing about a configuration that works: a warning that comes up on good files is not read on bad ones.

mod heaters;
mod levelling;
mod motion;
mod options;
mod pins;
mod program;
mod templates;
mod tmc;

use std::collections::BTreeSet;

use super::error::{ConfigError, Place};
use super::parse::{RawOption, RawSection};
use super::section::Config;
use super::source::FileSource;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The host refuses this, or the print fails at it.
    Error,
    /// It starts, and is most likely not what was meant.
    Warning,
}

/// One mistake: where, what, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// A short name of the kind of mistake, the same in every version.
    pub code: &'static str,
    /// The file; empty for the G-code program, whose line `line` then is.
    pub file: String,
    /// From 1; 0 where the file as a whole is meant.
    pub line: u32,
    pub column: u32,
    pub len: u32,
    pub section: String,
    pub option: String,
    pub message: String,
    pub help: String,
}

/// A G-code program, line by line.
pub type Program<'p, 'a> = Option<&'p mut dyn Iterator<Item = &'a str>>;

/// Reads the files and names everything that is wrong, with the text itself and with what it says.
pub fn check(source: &dyn FileSource, main: &str, program: Program<'_, '_>) -> Vec<Finding> {
    let (config, errors) = Config::parse_lenient(source, main);
    let mut out = Findings::default();
    for error in &errors {
        out.parse_error(error);
    }
    let view = View { config: &config };
    if errors.is_empty() && config.raw_sections().is_empty() {
        out.whole(&view, "file-empty", format!("'{main}' has no section"), "is this the printer.cfg?");
    } else if !config.files().is_empty() {
        out.list.extend(lint(&config, program));
    }
    out.sorted()
}

/// Names everything that is wrong with what a configuration says.
pub fn lint(config: &Config, program: Program<'_, '_>) -> Vec<Finding> {
    let view = View { config };
    let mut out = Findings::default();
    for warning in config.warnings() {
        out.add(Severity::Warning, "saved-block-damaged", warning.clone());
    }
    for rule in RULES {
        rule(&view, &mut out);
    }
    if let Some(lines) = program {
        program::check(&view, lines, &mut out);
    }
    out.sorted()
}

/// Names what is wrong with a program alone.
pub fn lint_program(config: &Config, lines: &mut dyn Iterator<Item = &str>) -> Vec<Finding> {
    let mut out = Findings::default();
    program::check(&View { config }, lines, &mut out);
    out.sorted()
}

type Rule = fn(&View<'_>, &mut Findings);

/// All rules over the configuration.
const RULES: &[Rule] = &[
    options::sections_and_options,
    options::unsupported_sections,
    options::required_options,
    options::values,
    options::indentation,
    options::duplicates,
    motion::printer,
    motion::rotation_distances,
    motion::steppers,
    motion::ranges,
    motion::step_rates,
    heaters::sensors,
    heaters::limits,
    heaters::gains,
    heaters::names,
    heaters::extrusion,
    levelling::probe,
    levelling::mesh,
    levelling::homing,
    pins::syntax_and_chips,
    pins::used_twice,
    tmc::drivers,
    tmc::addresses,
    templates::syntax,
    templates::commands,
    templates::status,
    templates::renames,
];

/// The configuration as the rules see it: nothing that they read counts as read.
pub(super) struct View<'c> {
    pub config: &'c Config,
}

impl<'c> View<'c> {
    pub fn section(&self, name: &str) -> Option<&'c RawSection> {
        self.config.raw_section(name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.config.has_section(name)
    }

    pub fn sections(&self) -> impl Iterator<Item = &'c RawSection> + use<'c> {
        self.config.raw_sections().iter()
    }

    /// Sections whose name starts with `prefix`.
    pub fn with_prefix<'p>(&self, prefix: &'p str) -> impl Iterator<Item = &'c RawSection> + use<'c, 'p> {
        self.sections().filter(move |s| s.name.starts_with(prefix))
    }

    pub fn text(&self, section: &str, option: &str) -> Option<&'c str> {
        Some(self.section(section)?.option(option)?.value.as_str())
    }

    pub fn float(&self, section: &str, option: &str) -> Option<f64> {
        float(self.section(section)?.option(option)?)
    }
}

pub(super) fn float(option: &RawOption) -> Option<f64> {
    option.value.trim().parse().ok().filter(|v: &f64| v.is_finite())
}

pub(super) fn float_in(section: &RawSection, option: &str) -> Option<f64> {
    float(section.option(option)?)
}

/// Two numbers with a comma between them.
pub(super) fn pair(option: &RawOption) -> Option<[f64; 2]> {
    let (a, b) = option.value.split_once(',')?;
    Some([a.trim().parse().ok()?, b.trim().parse().ok()?])
}

/// Collects what the rules find.
#[derive(Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    fn add(&mut self, severity: Severity, code: &'static str, error: ConfigError) {
        let place = error.place.clone();
        self.list.push(Finding {
            severity,
            code,
            file: error.file().to_string(),
            line: error.line(),
            column: place.as_ref().map_or(0, |p| p.column),
            len: place.as_ref().map_or(0, |p| p.len),
            section: error.section.clone(),
            option: error.option.clone(),
            message: error.message.clone(),
            help: error.help.clone(),
        });
    }

    fn parse_error(&mut self, error: &ConfigError) {
        let code = match &error.message {
            m if m.starts_with("Include file") => "include-missing",
            m if m.starts_with("Recursive include") => "include-recursive",
            m if m.starts_with("Unable to open") => "file-missing",
            _ => "line-unparsable",
        };
        self.add(Severity::Error, code, error.clone());
    }

    /// A finding about an option of a section.
    pub fn option(
        &mut self,
        severity: Severity,
        code: &'static str,
        section: &RawSection,
        option: &RawOption,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let error = ConfigError::new(message).help(help).in_section(&section.name).in_option(&option.name);
        self.add(severity, code, error.at(option.value_place.clone()));
    }

    /// A finding about a section as a whole.
    pub fn section(
        &mut self,
        severity: Severity,
        code: &'static str,
        section: &RawSection,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let error = ConfigError::new(message).help(help).in_section(&section.name);
        self.add(severity, code, error.at(section.place().clone()));
    }

    /// A finding about the configuration as a whole, put on the first line of the main file.
    pub fn whole(&mut self, view: &View<'_>, code: &'static str, message: impl Into<String>, help: impl Into<String>) {
        let place = Place::new(&view.config.main_path().into(), 1, 1, 0);
        self.add(Severity::Error, code, ConfigError::new(message).help(help).at(place));
    }

    /// A finding about a line of the G-code program.
    pub fn program(
        &mut self,
        severity: Severity,
        code: &'static str,
        line: u32,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let mut error = ConfigError::new(message).help(help);
        error.place = Some(Place::new(&"".into(), line, 1, 0));
        self.add(severity, code, error);
    }

    /// In the order of files and lines, the program last, without repetitions.
    fn sorted(mut self) -> Vec<Finding> {
        let key = |f: &Finding| (f.file.is_empty(), f.file.clone(), f.line, f.severity, f.code, f.message.clone());
        self.list.sort_by_key(key);
        let mut seen = BTreeSet::new();
        self.list.retain(|f| seen.insert(key(f)));
        self.list
    }
}
