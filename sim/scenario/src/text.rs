//! RON files as their writers see them: what is wrong, at which line and column, and what to write instead.

use std::path::{Path, PathBuf};

use drydock_host::config::nearest;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};

use crate::setup::PrepareError;

/// The file that something was read from; empty for what was made without one.
#[derive(Debug, Clone, Default)]
pub struct Source {
    pub path: PathBuf,
    pub text: String,
}

impl Source {
    /// An error about what is written in the file, at the first of these texts that it holds.
    pub fn wrong(&self, written: &[&str], why: impl Into<String>) -> PrepareError {
        let why = why.into();
        if self.path.as_os_str().is_empty() {
            return PrepareError::Setup(why);
        }
        let at = written.iter().find_map(|w| self.text.find(w)).unwrap_or(0);
        let (line, column) = line_and_column(&self.text, at);
        PrepareError::Ron { path: self.path.clone(), line, column, why }
    }
}

/// Reads a value; `Some` may be left out.
pub fn read<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, PrepareError> {
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    options.from_str(text).map_err(|error| {
        let at = error.span.start;
        let mut offset = text.split_inclusive('\n').take(at.line.saturating_sub(1)).map(str::len).sum::<usize>();
        offset += text[offset..].chars().take(at.col.saturating_sub(1)).map(char::len_utf8).sum::<usize>();
        // The parser stands before the blanks that lead to what it did not like.
        offset += text[offset..].len() - text[offset..].trim_start().len();
        let (line, column) = line_and_column(text, offset);
        let found = match text.lines().nth(line - 1).unwrap_or_default().trim() {
            "" => ", at the end of the file".to_string(),
            written => format!(", in `{}`", shorten(written)),
        };
        PrepareError::Ron { path: path.to_path_buf(), line, column, why: cause(&error.code) + &found }
    })
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (1 + before.matches('\n').count(), 1 + before[line_start..].chars().count())
}

fn shorten(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { short + "..." } else { short }
}

fn cause(code: &ron::Error) -> String {
    use ron::Error::{DuplicateStructField, MissingStructField, NoSuchEnumVariant, NoSuchStructField};
    let of = |outer: &Option<String>| outer.as_ref().map(|o| format!(" in {o}")).unwrap_or_default();
    match code {
        NoSuchStructField { expected, found, outer } => {
            format!("unknown field {found}{} ({})", of(outer), instead(found, expected))
        }
        NoSuchEnumVariant { expected, found, outer } => {
            let kind = outer.as_deref().unwrap_or("variant");
            format!("unknown {kind} {found} ({}, or a bracket above is not closed)", instead(found, expected))
        }
        MissingStructField { field, outer } => format!("the field {field} is missing{}", of(outer)),
        DuplicateStructField { field, outer } => format!("the field {field} comes twice{}", of(outer)),
        other => {
            let text = other.to_string();
            text[..1].to_lowercase() + &text[1..]
        }
    }
}

fn instead(found: &str, known: &[&'static str]) -> String {
    match nearest(found, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known: {}", known.join(", ")),
    }
}

/// A number that passes a test. The checks are made while reading, since only then the place is known.
fn number<'de, D: Deserializer<'de>>(from: D, wanted: &str, ok: fn(f64) -> bool) -> Result<f64, D::Error> {
    let value = f64::deserialize(from)?;
    if ok(value) { Ok(value) } else { Err(D::Error::custom(format!("must be {wanted}, not {value}"))) }
}

pub fn positive<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    number(from, "above 0", |v| v > 0.0 && v.is_finite())
}

pub fn not_negative<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    number(from, "0 or more", |v| v >= 0.0 && v.is_finite())
}

pub fn chance<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    number(from, "a chance from 0 to 1", |v| (0.0..=1.0).contains(&v))
}

pub fn drift_ppm<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    number(from, "a drift from -100000 to 100000 ppm", |v| v.abs() <= 1e5)
}

pub fn sample_hz<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    number(from, "a rate from 1 to 100000 Hz", |v| (1.0..=1e5).contains(&v))
}

/// What the operating system says, in words without its number.
pub fn io_cause(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
