//! The little of JSON that a data dictionary needs: a reader that never panics and says where it stopped, and a writer.
//!
//! Numbers keep whether they were written as integers, because constants and ids are integers and only a few constants
//! are not.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

/// Objects within objects beyond this are refused: a dictionary has three levels.
const DEPTH_MAX: usize = 16;

#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Json>),
    /// In the order written, so that a later duplicate can be seen.
    Object(Vec<(String, Json)>),
}

/// Where reading stopped and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    pub offset: usize,
    pub cause: &'static str,
}

pub fn parse(bytes: &[u8]) -> Result<Json, JsonError> {
    let mut parser = Parser { bytes, at: 0 };
    let value = parser.value(0)?;
    parser.blanks();
    if parser.at == bytes.len() { Ok(value) } else { Err(parser.error("text goes on after the end of the value")) }
}

/// Appends `text` as a JSON string.
pub fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn error(&self, cause: &'static str) -> JsonError {
        JsonError { offset: self.at, cause }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.blanks();
        match self.peek() {
            None => Err(self.error("text ends where a value should stand")),
            Some(b'{' | b'[') if depth == DEPTH_MAX => Err(self.error("nested too deeply")),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.text().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.at += 1;
        let mut members = Vec::new();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.blanks();
            let name = self.text()?;
            if !self.take(b':') {
                return Err(self.error("':' expected after a name"));
            }
            members.push((name, self.value(depth + 1)?));
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return Err(self.error("',' or '}' expected in an object"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(b']') {
                return Ok(Json::List(items));
            }
            if !self.take(b',') {
                return Err(self.error("',' or ']' expected in a list"));
            }
        }
    }

    fn text(&mut self) -> Result<String, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("'\"' expected"));
        }
        self.at += 1;
        let mut out = String::new();
        loop {
            let plain = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            match core::str::from_utf8(&self.bytes[plain..self.at]) {
                Ok(text) => out.push_str(text),
                Err(_) => return Err(self.error("string is not UTF-8")),
            }
            match self.peek() {
                None => return Err(self.error("text ends inside a string")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return Err(self.error("control character inside a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let byte = self.peek().ok_or(self.error("text ends inside a string"))?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(self.error("unknown escape in a string")),
        })
    }

    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hex4()?;
        let mut code = first;
        if (0xd800..0xdc00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let second = self.hex4()?;
            code = 0x10000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff);
        }
        char::from_u32(code).ok_or(self.error("escape is no character"))
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or(self.error("text ends inside a string"))?;
        let mut value = 0;
        for digit in digits {
            value = value * 16 + char::from(*digit).to_digit(16).ok_or(self.error("escape needs four hex digits"))?;
        }
        self.at += 4;
        Ok(value)
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        // Only ASCII was taken.
        let text = core::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
        if let Ok(value) = text.parse::<i64>() {
            return Ok(Json::Int(value));
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Json::Float(value)),
            _ => Err(JsonError { offset: start, cause: "not a number" }),
        }
    }

    fn word(&mut self) -> Result<Json, JsonError> {
        for (word, value) in [("true", Json::Bool(true)), ("false", Json::Bool(false)), ("null", Json::Null)] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.error("not a value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_of_each_kind_are_read() {
        let json = parse(br#" {"a": [1, -2.5, "x\n\u00e9\ud83d\ude00", true, false, null], "b": {}} "#).unwrap();
        let Json::Object(members) = json else { panic!("object") };
        let Json::List(items) = &members[0].1 else { panic!("list") };
        assert_eq!(items[0], Json::Int(1));
        assert_eq!(items[1], Json::Float(-2.5));
        assert_eq!(items[2], Json::Text("x\né😀".into()));
        assert_eq!(items[3..], [Json::Bool(true), Json::Bool(false), Json::Null]);
        assert_eq!(members[1].1, Json::Object(Vec::new()));
    }

    #[test]
    fn broken_texts_say_where() {
        for (text, offset) in [
            ("", 0),
            ("{", 1),
            ("[1 2]", 3),
            ("{\"a\" 1}", 5),
            ("\"a", 2),
            ("1 2", 2),
            ("tru", 0),
            ("--", 0),
            ("[1e999]", 1),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().offset, offset, "{text}");
        }
        let deep = [b'['; 1000];
        assert_eq!(parse(&deep).unwrap_err().cause, "nested too deeply");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn json_like_bytes_are_read_without_panic(text in r#"[\[\]{}",:\\u0-9a-f.eE \-]{0,60}"#) {
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn any_string_survives_the_round_trip(text: String) {
            let mut out = String::new();
            write_text(&text, &mut out);
            prop_assert_eq!(parse(out.as_bytes()).unwrap(), Json::Text(text));
        }
    }
}
