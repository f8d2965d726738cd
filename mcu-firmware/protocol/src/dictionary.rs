//! The data dictionary: what a micro-controller says about itself when a host connects.
//!
//! It is JSON (zlib-compressed on the wire; compression is for the two ends to bring). It names each message with its
//! declaration and id, the names behind numbers (pins, buses, shutdown reasons) and the constants. Ids may be negative,
//! because they travel as VLQ integers and a host reads those signed.

use crate::json::{self, Json};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// A micro-controller's dictionary.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dictionary {
    /// Declaration to id, of what the micro-controller understands.
    pub commands: BTreeMap<String, i32>,
    /// Declaration to id, of what it sends.
    pub responses: BTreeMap<String, i32>,
    /// Declaration to id, of free-text debug output.
    pub output: BTreeMap<String, i32>,
    /// Names behind numbers, by the parameter they apply to.
    pub enumerations: BTreeMap<String, Vec<(String, EnumEntry)>>,
    /// Constants, under the key `config`.
    pub constants: BTreeMap<String, Constant>,
    pub version: String,
    pub build_versions: String,
    pub app: String,
    pub license: String,
}

/// Number or numbers behind one name of an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnumEntry {
    One(i64),
    /// `PA0: (start, 16)` stands for PA0..PA15 = start..start+15.
    Range {
        start: i64,
        count: u32,
    },
}

/// Value of one constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    Int(i64),
    Float(f64),
    Text(String),
}

/// Why a dictionary could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DictionaryError {
    /// Not JSON.
    Syntax { offset: usize, cause: &'static str },
    /// JSON, but a part of it is of the wrong kind.
    Shape { place: String, expected: &'static str },
    /// A part without which no message can be sent.
    Missing { key: &'static str },
}

impl fmt::Display for DictionaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { offset, cause } => {
                write!(f, "data dictionary, byte {offset}: {cause}; it was cut or damaged on the way, identify again")
            }
            Self::Shape { place, expected } => write!(f, "data dictionary, {place}: {expected} expected"),
            Self::Missing { key } => {
                write!(f, "data dictionary: key '{key}' is missing; the firmware is not one of Klipper's kind")
            }
        }
    }
}

impl core::error::Error for DictionaryError {}

/// Ranges beyond this many names are refused: a chip has a few hundred pins.
const RANGE_MAX: u32 = 4096;

impl Dictionary {
    /// Reads the uncompressed JSON. Unknown keys are passed over; commands and responses must be there.
    pub fn parse(bytes: &[u8]) -> Result<Self, DictionaryError> {
        let json =
            json::parse(bytes).map_err(|error| DictionaryError::Syntax { offset: error.offset, cause: error.cause })?;
        let mut dictionary = Self::default();
        let (mut has_commands, mut has_responses) = (false, false);
        for (key, value) in object(json, "the whole")? {
            match key.as_str() {
                "commands" => {
                    dictionary.commands = ids(value, "commands")?;
                    has_commands = true;
                }
                "responses" => {
                    dictionary.responses = ids(value, "responses")?;
                    has_responses = true;
                }
                "output" => dictionary.output = ids(value, "output")?,
                "enumerations" => dictionary.enumerations = enumerations(value)?,
                "config" => dictionary.constants = constants(value)?,
                "version" => dictionary.version = text(value, "version")?,
                "build_versions" => dictionary.build_versions = text(value, "build_versions")?,
                "app" => dictionary.app = text(value, "app")?,
                "license" => dictionary.license = text(value, "license")?,
                _ => {}
            }
        }
        match (has_commands, has_responses) {
            (false, _) => Err(DictionaryError::Missing { key: "commands" }),
            (_, false) => Err(DictionaryError::Missing { key: "responses" }),
            _ => Ok(dictionary),
        }
    }

    /// The JSON, in a fixed order and without blanks.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{");
        for (key, messages) in [("commands", &self.commands), ("responses", &self.responses), ("output", &self.output)]
        {
            member(key, &mut out);
            write_map(messages, &mut out, write_number);
        }
        member("enumerations", &mut out);
        write_map(&self.enumerations, &mut out, |entries, out| write_entries(entries, out));
        member("config", &mut out);
        write_map(&self.constants, &mut out, |constant, out| match constant {
            Constant::Int(value) => write_number(value, out),
            Constant::Float(value) => write_number(&FloatText(*value), out),
            Constant::Text(value) => json::write_text(value, out),
        });
        for (key, value) in [
            ("version", &self.version),
            ("build_versions", &self.build_versions),
            ("app", &self.app),
            ("license", &self.license),
        ] {
            member(key, &mut out);
            json::write_text(value, &mut out);
        }
        out.push('}');
        out
    }

    /// Constant `name` as a number.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.constants.get(name)? {
            Constant::Int(value) => Some(*value as f64),
            Constant::Float(value) => Some(*value),
            Constant::Text(text) => text.parse().ok(),
        }
    }

    /// Constant `name` as an integer.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.constants.get(name)? {
            Constant::Int(value) => Some(*value),
            Constant::Float(_) => None,
            Constant::Text(text) => text.parse().ok(),
        }
    }

    /// Number behind `name` in `enumeration`, for instance `("pin", "PA3")`.
    pub fn enum_value(&self, enumeration: &str, name: &str) -> Option<i64> {
        self.enumerations.get(enumeration)?.iter().find_map(|(first, entry)| entry.value_of(first, name))
    }

    /// Name of `value` in `enumeration`, for instance `("static_string_id", 4)`.
    pub fn enum_name(&self, enumeration: &str, value: i64) -> Option<String> {
        self.enumerations.get(enumeration)?.iter().find_map(|(first, entry)| entry.name_of(first, value))
    }

    /// Every name of `enumeration` with its number, ranges written out.
    pub fn enum_names(&self, enumeration: &str) -> Vec<(String, i64)> {
        let entries = self.enumerations.get(enumeration).map_or(&[][..], Vec::as_slice);
        let mut names = Vec::new();
        for (first, entry) in entries {
            for value in entry.values() {
                names.extend(entry.name_of(first, value).map(|name| (name, value)));
            }
        }
        names
    }

    /// The enumeration that applies to a parameter: one of its own name, or the part after the last `_`s of it
    /// (`step_pin` is a `pin`).
    pub fn enumeration_for<'a>(&self, param: &'a str) -> Option<&'a str> {
        let tails = core::iter::once(param).chain(param.match_indices('_').map(|(at, _)| &param[at + 1..]));
        tails.into_iter().find(|tail| self.enumerations.contains_key(*tail))
    }
}

impl EnumEntry {
    fn values(self) -> core::ops::Range<i64> {
        match self {
            Self::One(value) => value..value.saturating_add(1),
            Self::Range { start, count } => start..start.saturating_add(i64::from(count)),
        }
    }

    fn value_of(self, first: &str, name: &str) -> Option<i64> {
        match self {
            Self::One(value) => (first == name).then_some(value),
            Self::Range { start, count } => {
                let (stem, first_number) = split_number(first);
                let (other, number) = split_number(name);
                let step = number?.checked_sub(first_number.unwrap_or(0))?;
                (stem == other && step < u64::from(count)).then(|| start.saturating_add(step as i64))
            }
        }
    }

    fn name_of(self, first: &str, value: i64) -> Option<String> {
        if !self.values().contains(&value) {
            return None;
        }
        match self {
            Self::One(_) => Some(first.to_string()),
            Self::Range { start, .. } => {
                let (stem, number) = split_number(first);
                let mut name = stem.to_string();
                write_number(&(number.unwrap_or(0).saturating_add((value - start) as u64)), &mut name);
                Some(name)
            }
        }
    }
}

/// `PA10` is `("PA", Some(10))`. A number with a leading zero does not count on, so it stays part of the stem.
fn split_number(name: &str) -> (&str, Option<u64>) {
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (stem, number) = name.split_at(name.len() - digits);
    if number.len() > 1 && number.starts_with('0') {
        return (name, None);
    }
    (stem, number.parse().ok())
}

fn object(json: Json, place: &str) -> Result<Vec<(String, Json)>, DictionaryError> {
    match json {
        Json::Object(members) => Ok(members),
        _ => Err(shape(place, "an object")),
    }
}

fn text(json: Json, place: &str) -> Result<String, DictionaryError> {
    match json {
        Json::Text(text) => Ok(text),
        _ => Err(shape(place, "a string")),
    }
}

fn shape(place: &str, expected: &'static str) -> DictionaryError {
    DictionaryError::Shape { place: place.to_string(), expected }
}

fn inner(section: &str, name: &str) -> String {
    let mut place = String::from(section);
    place.push_str(" '");
    place.push_str(name);
    place.push('\'');
    place
}

fn ids(json: Json, section: &str) -> Result<BTreeMap<String, i32>, DictionaryError> {
    object(json, section)?
        .into_iter()
        .map(|(format, id)| match id {
            Json::Int(id) if i32::try_from(id).is_ok() => Ok((format, id as i32)),
            _ => Err(shape(&inner(section, &format), "a 32-bit message id")),
        })
        .collect()
}

fn enumerations(json: Json) -> Result<BTreeMap<String, Vec<(String, EnumEntry)>>, DictionaryError> {
    let mut all = BTreeMap::new();
    for (name, entries) in object(json, "enumerations")? {
        let place = inner("enumeration", &name);
        let entries = object(entries, &place)?
            .into_iter()
            .map(|(value_name, entry)| {
                entry_of(&entry)
                    .map(|entry| (value_name, entry))
                    .ok_or_else(|| shape(&place, "a number or [start, count]"))
            })
            .collect::<Result<_, _>>()?;
        all.insert(name, entries);
    }
    Ok(all)
}

fn entry_of(json: &Json) -> Option<EnumEntry> {
    match json {
        Json::Int(value) => Some(EnumEntry::One(*value)),
        Json::List(items) => match items[..] {
            [Json::Int(start), Json::Int(count)] => {
                let count = u32::try_from(count).ok().filter(|count| *count <= RANGE_MAX)?;
                Some(EnumEntry::Range { start, count })
            }
            _ => None,
        },
        _ => None,
    }
}

fn constants(json: Json) -> Result<BTreeMap<String, Constant>, DictionaryError> {
    object(json, "config")?
        .into_iter()
        .map(|(name, value)| match value {
            Json::Int(value) => Ok((name, Constant::Int(value))),
            Json::Float(value) => Ok((name, Constant::Float(value))),
            Json::Text(value) => Ok((name, Constant::Text(value))),
            _ => Err(shape(&inner("config", &name), "a number or a string")),
        })
        .collect()
}

/// Starts the next member of an object that is being written.
fn member(key: &str, out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
    json::write_text(key, out);
    out.push(':');
}

fn write_map<V>(map: &BTreeMap<String, V>, out: &mut String, mut write: impl FnMut(&V, &mut String)) {
    out.push('{');
    for (key, value) in map {
        member(key, out);
        write(value, out);
    }
    out.push('}');
}

fn write_entries(entries: &[(String, EnumEntry)], out: &mut String) {
    out.push('{');
    for (name, entry) in entries {
        member(name, out);
        match entry {
            EnumEntry::One(value) => write_number(value, out),
            EnumEntry::Range { start, count } => {
                out.push('[');
                write_number(start, out);
                out.push(',');
                write_number(count, out);
                out.push(']');
            }
        }
    }
    out.push('}');
}

/// A float that always reads back as a float.
struct FloatText(f64);

impl fmt::Display for FloatText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

fn write_number(value: &impl fmt::Display, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    const SAMPLE: &str = r#"{"app": "Klipper", "build_versions": "gcc: x", "commands": {"identify offset=%u count=%c": 1,
        "reset": -8}, "config": {"CLOCK_FREQ": 168000000, "MCU": "stm32f405xx", "X": 0.5},
        "enumerations": {"pin": {"PA0": [0, 16], "PB0": [16, 16], "ADC_TEMPERATURE": 254}, "static_string_id": {"Timer too close": 7}},
        "license": "L", "responses": {"starting": -7}, "version": "v1", "later": [1, {"x": null}]}"#;

    #[test]
    fn a_dictionary_of_the_peers_kind_is_read_with_its_negative_ids() {
        let dictionary = Dictionary::parse(SAMPLE.as_bytes()).unwrap();
        assert_eq!(dictionary.commands["reset"], -8);
        assert_eq!(dictionary.responses["starting"], -7);
        assert_eq!(dictionary.integer("CLOCK_FREQ"), Some(168_000_000));
        assert_eq!(dictionary.number("X"), Some(0.5));
        assert_eq!(dictionary.enum_name("static_string_id", 7).as_deref(), Some("Timer too close"));
    }

    #[test]
    fn pin_ranges_count_their_trailing_digits() {
        let dictionary = Dictionary::parse(SAMPLE.as_bytes()).unwrap();
        assert_eq!(dictionary.enum_value("pin", "PA15"), Some(15));
        assert_eq!(dictionary.enum_value("pin", "PA16"), None);
        assert_eq!(dictionary.enum_value("pin", "PB3"), Some(19));
        assert_eq!(dictionary.enum_value("pin", "PA03"), None);
        assert_eq!(dictionary.enum_value("pin", "ADC_TEMPERATURE"), Some(254));
        assert_eq!(dictionary.enum_name("pin", 31).as_deref(), Some("PB15"));
        assert_eq!(dictionary.enum_names("pin").len(), 33);
        assert_eq!(dictionary.enumeration_for("step_pin"), Some("pin"));
        assert_eq!(dictionary.enumeration_for("count"), None);
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let dictionary = Dictionary::parse(SAMPLE.as_bytes()).unwrap();
        assert_eq!(Dictionary::parse(dictionary.to_json().as_bytes()).unwrap(), dictionary);
        let empty = Dictionary::default();
        assert_eq!(Dictionary::parse(empty.to_json().as_bytes()).unwrap(), empty);
    }

    #[test]
    fn each_mistake_is_named_with_its_place() {
        for (text, message) in [
            ("{", "byte 1"),
            ("[]", "the whole: an object"),
            (r#"{"responses": {}}"#, "'commands' is missing"),
            (r#"{"commands": {}}"#, "'responses' is missing"),
            (r#"{"commands": {"a": 4294967296}, "responses": {}}"#, "commands 'a': a 32-bit message id"),
            (r#"{"enumerations": {"pin": {"a": [1]}}}"#, "enumeration 'pin': a number or [start, count]"),
            (r#"{"enumerations": {"pin": {"a": [1, 99999]}}}"#, "enumeration 'pin'"),
            (r#"{"config": {"A": null}}"#, "config 'A'"),
            (r#"{"version": 3}"#, "version: a string"),
        ] {
            let error = Dictionary::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_dictionary_cut_anywhere_is_an_error_and_no_panic() {
        for end in 0..SAMPLE.len() {
            assert!(Dictionary::parse(&SAMPLE.as_bytes()[..end]).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn a_damaged_dictionary_is_read_without_panic(hits in prop::collection::vec((0..SAMPLE.len(), any::<u8>()), 1..4)) {
            let mut bytes = vec![];
            bytes.extend_from_slice(SAMPLE.as_bytes());
            for (at, byte) in hits {
                bytes[at] = byte;
            }
            if let Ok(dictionary) = Dictionary::parse(&bytes) {
                let _ = dictionary.enum_names("pin");
                let _ = dictionary.to_json();
            }
        }
    }
}
