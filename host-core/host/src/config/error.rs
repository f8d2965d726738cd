//! What is wrong in a configuration: the place, the cause and the mend.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

/// Where a piece of configuration stands. Lines and columns count from 1; columns count characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub file: Rc<str>,
    pub line: u32,
    pub column: u32,
    /// Characters that the piece takes on its line.
    pub len: u32,
}

impl Place {
    pub fn new(file: &Rc<str>, line: u32, column: u32, len: u32) -> Self {
        Place { file: file.clone(), line, column, len }
    }

    /// The same file, `lines` further down, from the first column on.
    pub fn lines_below(&self, lines: u32) -> Self {
        match lines {
            0 => self.clone(),
            _ => Place { file: self.file.clone(), line: self.line + lines, column: 1, len: 0 },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One problem in a configuration; its fields are [`Problem`]'s. Boxed, since it travels in results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Box<Problem>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `None` where nothing in a file is to blame (the main file itself is missing).
    pub place: Option<Place>,
    pub section: String,
    pub option: String,
    pub message: String,
    /// What to do about it; may be empty.
    pub help: String,
}

impl ConfigError {
    pub fn new(message: impl Into<String>) -> Self {
        ConfigError(Box::new(Problem {
            place: None,
            section: String::new(),
            option: String::new(),
            message: message.into(),
            help: String::new(),
        }))
    }

    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    pub fn in_section(mut self, section: &str) -> Self {
        self.section = section.to_string();
        self
    }

    pub fn in_option(mut self, option: &str) -> Self {
        self.option = option.to_string();
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    pub fn file(&self) -> &str {
        self.place.as_ref().map_or("", |p| &p.file)
    }

    /// Line number from 1, or 0 where no file is to blame.
    pub fn line(&self) -> u32 {
        self.place.as_ref().map_or(0, |p| p.line)
    }
}

impl Deref for ConfigError {
    type Target = Problem;
    fn deref(&self) -> &Problem {
        &self.0
    }
}

impl DerefMut for ConfigError {
    fn deref_mut(&mut self) -> &mut Problem {
        &mut self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if !self.help.is_empty() {
            write!(f, " ({})", self.help)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
