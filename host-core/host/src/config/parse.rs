//! Text to sections: Klipper's INI dialect, line by line, with the place of everything.
//!
//! The rules are those of Python's `configparser` with Klipper's habits: `#` starts a comment anywhere, `;` at the
//! start of a line or after a blank; a line that is indented deeper than its option's line goes on with the value.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::error::{ConfigError, Place};
use super::source::{FileSource, is_pattern, join};

/// Includes that one configuration may hold; files that include each other in a fan would otherwise take for ever.
const INCLUDES_MAX: usize = 2000;

/// First line of the SAVE_CONFIG block.
pub(crate) const SAVE_MARKER: &str = "#*# <---------------------- SAVE_CONFIG ---------------------->";

#[derive(Clone, Debug)]
pub struct RawOption {
    /// Lower-cased.
    pub name: String,
    /// The value's lines, comments and indentation removed, joined by newlines. Line `i` of it stands `i` lines below
    /// `value_place` in the file.
    pub value: String,
    pub name_place: Place,
    pub value_place: Place,
    /// The value comes from the SAVE_CONFIG block.
    pub autosave: bool,
    /// Where earlier values of the same option stand, that this one overrides.
    pub overrides: Vec<RawOverride>,
}

/// An earlier value of an option.
#[derive(Clone, Debug)]
pub struct RawOverride {
    pub value: String,
    pub name_place: Place,
    pub autosave: bool,
}

#[derive(Clone, Debug)]
pub struct RawSection {
    pub name: String,
    /// The header of each occurrence, in order.
    pub places: Vec<Place>,
    pub options: Vec<RawOption>,
}

impl RawSection {
    pub fn option(&self, name: &str) -> Option<&RawOption> {
        self.options.iter().find(|o| o.name == name)
    }

    pub fn place(&self) -> &Place {
        &self.places[0]
    }
}

/// A file as it was read, for error displays and for SAVE_CONFIG.
#[derive(Clone, Debug)]
pub struct SourceText {
    pub path: Rc<str>,
    pub text: String,
}

#[derive(Default)]
pub(crate) struct Parsed {
    pub sections: Vec<RawSection>,
    pub index: BTreeMap<String, usize>,
    pub files: Vec<SourceText>,
    pub errors: Vec<ConfigError>,
    pub warnings: Vec<ConfigError>,
}

pub(crate) fn parse(source: &dyn FileSource, main: &str) -> Parsed {
    let mut parser = Parser { source, out: Parsed::default(), open: Vec::new(), includes: 0 };
    match source.read(main) {
        Ok(bytes) if bytes.contains(&0) => parser.out.errors.push(no_text(main, &main.into(), &bytes)),
        Ok(bytes) => parser.main_file(main, &bytes),
        Err(why) => {
            let error = ConfigError::new(format!("Unable to open config file '{main}': {why}"));
            parser.out.errors.push(error.help("give the path of a printer.cfg"));
        }
    }
    parser.out
}

struct Parser<'s> {
    source: &'s dyn FileSource,
    out: Parsed,
    /// Files that are being read, outermost first.
    open: Vec<String>,
    includes: usize,
}

/// Where the lines of one text go.
struct Cursor {
    file: Rc<str>,
    autosave: bool,
    section: Option<usize>,
    /// What stands here belongs to a header that could not be read, and that has been told.
    lost: bool,
    /// Index of the option in its section that deeper lines go on with, and the indentation of its line.
    option: Option<usize>,
    indent: usize,
}

impl Cursor {
    fn new(file: &Rc<str>, autosave: bool) -> Self {
        Cursor { file: file.clone(), autosave, section: None, lost: false, option: None, indent: 0 }
    }
}

impl Parser<'_> {
    fn main_file(&mut self, path: &str, bytes: &[u8]) {
        let text = self.text_of(path, bytes);
        let file: Rc<str> = path.into();
        let (regular, saved) = split_saved(&text);
        self.open.push(path.to_string());
        self.lines(&mut Cursor::new(&file, false), regular, 1);
        if let Some(saved) = saved {
            let first = 1 + regular.matches('\n').count() as u32;
            match saved_lines(saved) {
                Ok(body) => self.lines(&mut Cursor::new(&file, true), &body, first),
                Err(line) => self.out.warnings.push(
                    ConfigError::new("The SAVE_CONFIG block is damaged, so all of it is ignored")
                        .at(Place::new(&file, first + line, 1, 3))
                        .help("every line below the marker must start with '#*#'; move other lines above it"),
                ),
            }
        }
        self.out.files.insert(0, SourceText { path: file, text });
        for section in &mut self.out.sections {
            for option in &mut section.options {
                option.value.truncate(option.value.trim_end().len());
            }
        }
    }

    fn text_of(&mut self, path: &str, bytes: &[u8]) -> String {
        match std::str::from_utf8(bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text).to_string(),
            Err(e) => {
                let line = 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() as u32;
                let error =
                    ConfigError::new(format!("'{path}' is not UTF-8 text")).at(Place::new(&path.into(), line, 1, 0));
                self.out.errors.push(error.help("save the file as UTF-8, or remove the odd character in this line"));
                String::from_utf8_lossy(bytes).into_owned()
            }
        }
    }

    fn lines(&mut self, cursor: &mut Cursor, text: &str, first_line: u32) {
        for (number, line) in (first_line..).zip(text.split('\n')) {
            self.line(cursor, line, number);
        }
    }

    fn line(&mut self, cursor: &mut Cursor, line: &str, number: u32) {
        let code = strip_comment(line);
        let text = code.trim();
        if text.is_empty() {
            // Kept, so that a value's lines stay in step with the file's.
            return self.go_on(cursor, "");
        }
        let indent = code.chars().take_while(|c| c.is_whitespace()).count();
        if cursor.option.is_some() && indent > cursor.indent {
            return self.go_on(cursor, text);
        }
        cursor.indent = indent;
        cursor.option = None;
        let place = Place::new(&cursor.file, number, indent as u32 + 1, text.chars().count() as u32);
        match text.strip_prefix('[').and_then(|t| t.rsplit_once(']')) {
            Some((header, _)) => self.header(cursor, header.trim(), place),
            None => self.option(cursor, text, place),
        }
    }

    fn go_on(&mut self, cursor: &Cursor, text: &str) {
        if let (Some(section), Some(option)) = (cursor.section, cursor.option) {
            let value = &mut self.out.sections[section].options[option].value;
            value.push('\n');
            value.push_str(text);
        }
    }

    fn header(&mut self, cursor: &mut Cursor, name: &str, place: Place) {
        cursor.section = None;
        cursor.lost = name.is_empty();
        if name.is_empty() {
            let error = ConfigError::new("A section needs a name").at(place);
            return self.out.errors.push(error.help("write the section's name between the brackets"));
        }
        if let Some(spec) = name.strip_prefix("include ").filter(|_| !cursor.autosave) {
            return self.include(&cursor.file.clone(), spec.trim(), place);
        }
        let index = *self.out.index.entry(name.to_string()).or_insert_with(|| {
            self.out.sections.push(RawSection { name: name.to_string(), places: Vec::new(), options: Vec::new() });
            self.out.sections.len() - 1
        });
        self.out.sections[index].places.push(place);
        cursor.section = Some(index);
    }

    fn option(&mut self, cursor: &mut Cursor, text: &str, place: Place) {
        let Some((name, value)) = text.split_once([':', '=']).filter(|(name, _)| !name.trim().is_empty()) else {
            let error = ConfigError::new(format!("Unable to parse line '{}'", shorten(text)));
            let help = match text.starts_with('[') {
                true => "close the name of the section with ']'",
                false => "a line is '[section]', 'option: value', a comment, or, indented, more of the value above it",
            };
            if text.starts_with('[') {
                (cursor.section, cursor.lost) = (None, true);
            }
            return self.out.errors.push(error.at(place).help(help));
        };
        let name = name.trim().to_lowercase();
        let Some(section) = cursor.section else {
            if std::mem::replace(&mut cursor.lost, true) {
                return;
            }
            let error = ConfigError::new(format!("Option '{name}' stands in no section")).in_option(&name).at(place);
            return self.out.errors.push(error.help("put a '[section]' line above it"));
        };
        let before = text.chars().count() - value.trim_start().chars().count();
        let value = value.trim();
        let name_place = Place { len: name.chars().count() as u32, ..place.clone() };
        let value_place =
            Place { column: place.column + before as u32, len: value.chars().count() as u32, ..place.clone() };
        let new = RawOption {
            name,
            value: value.to_string(),
            name_place,
            value_place,
            autosave: cursor.autosave,
            overrides: Vec::new(),
        };
        cursor.option = Some(place_option(&mut self.out.sections[section].options, new));
    }

    fn include(&mut self, from: &Rc<str>, spec: &str, place: Place) {
        let path = join(from, spec);
        let paths = if is_pattern(&path) {
            let mut paths = self.source.glob(&path);
            paths.sort();
            paths
        } else {
            vec![path]
        };
        for path in paths {
            self.includes += 1;
            if self.includes > INCLUDES_MAX {
                let error = ConfigError::new(format!("More than {INCLUDES_MAX} includes")).at(place.clone());
                self.out.errors.push(error.help("the files include each other too often"));
                return;
            }
            if self.open.contains(&path) {
                let error = ConfigError::new(format!("Recursive include of config file '{path}'")).at(place.clone());
                self.out.errors.push(error.help("a file may not include itself, directly or through others"));
                continue;
            }
            match self.source.read(&path) {
                Ok(bytes) if bytes.contains(&0) => {
                    self.out.errors.push(no_text(&path, &path.as_str().into(), &bytes));
                }
                Ok(bytes) => {
                    let text = self.text_of(&path, &bytes);
                    let file: Rc<str> = path.as_str().into();
                    self.open.push(path);
                    self.lines(&mut Cursor::new(&file, false), &text, 1);
                    self.open.pop();
                    if !self.out.files.iter().any(|f| f.path == file) {
                        self.out.files.push(SourceText { path: file, text });
                    }
                }
                Err(why) => {
                    let error =
                        ConfigError::new(format!("Include file '{path}' does not exist or cannot be read: {why}"));
                    let help = "paths are relative to the file with the [include] line";
                    self.out.errors.push(error.in_section(&format!("include {spec}")).at(place.clone()).help(help));
                }
            }
        }
    }
}

/// A file with a NUL in it: one error, since each "line" of it would give another.
fn no_text(path: &str, file: &Rc<str>, bytes: &[u8]) -> ConfigError {
    let before = bytes.iter().take_while(|b| **b != 0);
    let line = 1 + before.filter(|b| **b == b'\n').count() as u32;
    let help = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is UTF-16; save it as UTF-8",
        _ => "is this the printer.cfg?",
    };
    ConfigError::new(format!("'{path}' is not a text file")).at(Place::new(file, line, 1, 0)).help(help)
}

fn place_option(options: &mut Vec<RawOption>, mut new: RawOption) -> usize {
    let Some(at) = options.iter().position(|o| o.name == new.name) else {
        options.push(new);
        return options.len() - 1;
    };
    let old = &mut options[at];
    new.overrides = std::mem::take(&mut old.overrides);
    new.overrides.push(RawOverride {
        value: old.value.trim_end().to_string(),
        name_place: old.name_place.clone(),
        autosave: old.autosave,
    });
    *old = new;
    at
}

/// The line without its comment.
pub(crate) fn strip_comment(line: &str) -> &str {
    let mut blank_before = true;
    for (i, c) in line.char_indices() {
        if c == '#' || (c == ';' && blank_before) {
            return &line[..i];
        }
        blank_before = c.is_whitespace();
    }
    line
}

/// The hand-written part, and the SAVE_CONFIG block from its marker on.
pub(crate) fn split_saved(text: &str) -> (&str, Option<&str>) {
    let mut start = 0;
    while let Some(found) = text[start..].find(SAVE_MARKER) {
        let at = start + found;
        if at == 0 || text.as_bytes()[at - 1] == b'\n' {
            return (&text[..at], Some(&text[at..]));
        }
        start = at + SAVE_MARKER.len();
    }
    (text, None)
}

/// The block's text without `#*#`, line for line; or the index of the first line that does not belong there.
pub(crate) fn saved_lines(block: &str) -> Result<String, u32> {
    let mut body = String::with_capacity(block.len());
    for (i, line) in (0u32..).zip(block.split('\n')) {
        let line = line.trim_end();
        let Some(rest) = line.strip_prefix("#*#") else {
            if !line.is_empty() {
                return Err(i);
            }
            body.push('\n');
            continue;
        };
        let header = i == 0 || (i == 1 && rest.trim_start().starts_with("DO NOT EDIT"));
        if !header {
            body.push_str(rest.strip_prefix(' ').unwrap_or(rest));
        }
        body.push('\n');
    }
    Ok(body)
}

/// At most 40 characters of outside text for a message.
pub(crate) fn shorten(text: &str) -> String {
    let line = text.split('\n').next().unwrap_or_default();
    let end = line.char_indices().nth(40).map_or(line.len(), |(end, _)| end);
    if end < text.len() { format!("{}...", &text[..end]) } else { text.to_string() }
}
