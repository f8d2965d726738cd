//! Values as Python writes them, and Python literals read back.
//!
//! G-code made by a template holds what Python's `str` gives, and `SET_GCODE_VARIABLE VALUE=...` reads a Python
//! literal.

use minijinja::Value;
use minijinja::value::{Tuple, ValueKind};

use super::values::{Dict, List};

/// Containers within containers that are written or read.
const DEPTH_MAX: u32 = 64;

/// Python's `str(value)`.
pub fn text(value: &Value) -> String {
    match value.kind() {
        ValueKind::String => value.as_str().unwrap_or_default().to_string(),
        ValueKind::Undefined => String::new(),
        _ => repr(value),
    }
}

/// Python's `repr(value)`.
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value, 0);
    out
}

fn write_repr(out: &mut String, value: &Value, depth: u32) {
    if depth > DEPTH_MAX {
        return out.push_str("...");
    }
    match value.kind() {
        ValueKind::None => out.push_str("None"),
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number if value.is_integer() => out.push_str(&value.to_string()),
        ValueKind::Number => match f64::try_from(value.clone()) {
            Ok(number) => out.push_str(&float_repr(number)),
            Err(_) => out.push_str(&value.to_string()),
        },
        ValueKind::String => write_quoted(out, value.as_str().unwrap_or_default()),
        ValueKind::Seq => {
            let tuple = value.is_tuple();
            let items: Vec<Value> = value.try_iter().into_iter().flatten().collect();
            out.push(if tuple { '(' } else { '[' });
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write_repr(out, item, depth + 1);
            }
            out.push_str(if tuple && items.len() == 1 { "," } else { "" });
            out.push(if tuple { ')' } else { ']' });
        }
        ValueKind::Map => {
            out.push('{');
            for (i, key) in value.try_iter().into_iter().flatten().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write_repr(out, &key, depth + 1);
                out.push_str(": ");
                write_repr(out, &value.get_item(&key).unwrap_or_default(), depth + 1);
            }
            out.push('}');
        }
        _ => out.push_str(&value.to_string()),
    }
}

fn write_quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// Python's `repr` of a float: the shortest digits that read back, with an exponent from 1e16 up and below 1e-4.
pub fn float_repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{value:?}")
}

/// A Python literal: numbers, strings, True, False, None, lists, tuples and dictionaries.
pub fn parse_literal(source: &str) -> Result<Value, String> {
    let mut parser = Literal { rest: source.trim(), depth: 0 };
    let value = parser.value()?;
    parser.blanks();
    match parser.rest.is_empty() {
        true => Ok(value),
        false => Err(format!("unexpected '{}'", parser.head())),
    }
}

struct Literal<'a> {
    rest: &'a str,
    depth: u32,
}

impl<'a> Literal<'a> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn head(&self) -> String {
        self.rest.chars().take(20).collect()
    }

    fn eat(&mut self, c: char) -> bool {
        self.blanks();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("nested too deeply".into());
        }
        self.blanks();
        let value = match self.rest.chars().next() {
            None => Err("a value is missing".into()),
            Some('[') => self.items('[', ']').map(|(items, _)| List::value(items)),
            Some('(') => self.items('(', ')').map(|(mut items, comma)| match items.len() {
                1 if !comma => items.remove(0),
                _ => Value::from(Tuple::new(items)),
            }),
            Some('{') => self.dict(),
            Some('\'' | '"') => self.string().map(Value::from),
            Some(_) => self.word(),
        };
        self.depth -= 1;
        value
    }

    /// The items, and whether a comma stands among or behind them.
    fn items(&mut self, open: char, close: char) -> Result<(Vec<Value>, bool), String> {
        self.eat(open);
        let (mut items, mut comma) = (Vec::new(), false);
        while !self.eat(close) {
            items.push(self.value()?);
            if self.eat(',') {
                comma = true;
            } else if !self.eat(close) {
                return Err(format!("'{close}' or ',' expected before '{}'", self.head()));
            } else {
                break;
            }
        }
        Ok((items, comma))
    }

    fn dict(&mut self) -> Result<Value, String> {
        self.eat('{');
        let mut pairs = Vec::new();
        while !self.eat('}') {
            let key = self.value()?;
            if !self.eat(':') {
                return Err(format!("':' expected before '{}'", self.head()));
            }
            pairs.push((key, self.value()?));
            if !self.eat(',') {
                match self.eat('}') {
                    true => break,
                    false => return Err(format!("'}}' or ',' expected before '{}'", self.head())),
                }
            }
        }
        Ok(Dict::value(pairs))
    }

    fn string(&mut self) -> Result<String, String> {
        let mut chars = self.rest.chars();
        let quote = chars.next();
        let mut out = String::new();
        while let Some(c) = chars.next() {
            match c {
                c if Some(c) == quote => {
                    self.rest = chars.as_str();
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some(c @ ('\\' | '\'' | '"')) => out.push(c),
                    Some(c) => out.extend(['\\', c]),
                    None => break,
                },
                c => out.push(c),
            }
        }
        Err("the closing quote is missing".into())
    }

    fn word(&mut self) -> Result<Value, String> {
        let end = self.rest.find(|c: char| c.is_whitespace() || ",:[](){}'\"".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let digits = word.replace('_', "");
        match word {
            "True" => Ok(Value::from(true)),
            "False" => Ok(Value::from(false)),
            "None" => Ok(Value::from(())),
            _ if !word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
                Err(format!("'{}' is no literal; text needs quotes", word.chars().take(20).collect::<String>()))
            }
            _ => match (digits.parse::<i64>(), digits.parse::<f64>()) {
                (Ok(int), _) => Ok(Value::from(int)),
                (_, Ok(float)) if float.is_finite() => Ok(Value::from(float)),
                _ => Err(format!("'{}' is no number", word.chars().take(20).collect::<String>())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_python_does() {
        for (value, expected) in [
            (1.0, "1.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (-0.0, "-0.0"),
            (1e300, "1e+300"),
            (-2.5e-7, "-2.5e-07"),
        ] {
            assert_eq!(float_repr(value), expected);
        }
    }

    #[test]
    fn literals_are_read_and_written_back() {
        for source in [
            "5",
            "-2.5",
            "'a b'",
            "True",
            "None",
            "[1, 2.0, 'x']",
            "(1, 2)",
            "(1,)",
            "{'a': 1, 'b': [True, {}]}",
            "[]",
            "()",
            "\"it's\"",
        ] {
            assert_eq!(repr(&parse_literal(source).unwrap()), source);
        }
        for (source, expected) in [("(3)", "3"), ("1e3", "1000.0"), ("1_000", "1000"), (" [1,2,] ", "[1, 2]")] {
            assert_eq!(repr(&parse_literal(source).unwrap()), expected);
        }
        let deep = "[".repeat(1000);
        for source in ["", "abc", "[1", "{1}", "'x", "1 2", "nan", "--1", "[,]", deep.as_str()] {
            assert!(parse_literal(source).is_err(), "{source}");
        }
    }
}
