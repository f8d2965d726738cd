//! The data dictionary of one micro-controller as the client uses it: commands by name, responses by id, and command
//! texts (`config_digital_out oid=1 pin=PA1 ...`) made into message content.

use super::error::McuErrorCause;
use drydock_protocol::block::CONTENT_MAX;
use drydock_protocol::vlq::Reader;
use drydock_protocol::{Constant, Dictionary, Format, Message, Value};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Larger dictionaries than this are not of this world; it bounds what a damaged stream can inflate to.
const INFLATED_MAX: usize = 4 << 20;

pub struct McuDictionary {
    pub raw: Dictionary,
    commands: BTreeMap<String, Rc<Message>>,
    commands_by_id: BTreeMap<i32, Rc<Message>>,
    responses: BTreeMap<i32, Rc<Message>>,
    responses_by_name: BTreeMap<String, Rc<Message>>,
}

impl McuDictionary {
    /// Reads what `identify` brought: zlib-compressed JSON, or plain JSON.
    pub fn from_identify(data: &[u8]) -> Result<Self, McuErrorCause> {
        let dictionary_error = |text: String| McuErrorCause::Dictionary(text);
        let json = if data.first() == Some(&b'{') {
            data.to_vec()
        } else {
            miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(data, INFLATED_MAX).map_err(|error| {
                dictionary_error(format!(
                    "the data dictionary ({} bytes) is not a zlib stream ({:?}); identify again",
                    data.len(),
                    error.status
                ))
            })?
        };
        Self::new(Dictionary::parse(&json).map_err(|error| dictionary_error(error.to_string()))?)
    }

    pub fn new(raw: Dictionary) -> Result<Self, McuErrorCause> {
        let message = |text: &String, id: &i32| -> Result<Rc<Message>, McuErrorCause> {
            let format = Format::parse(text).map_err(|error| McuErrorCause::Dictionary(error.to_string()))?;
            Ok(Rc::new(Message { id: *id, format }))
        };
        let (mut commands, mut commands_by_id) = (BTreeMap::new(), BTreeMap::new());
        for (text, id) in &raw.commands {
            let command = message(text, id)?;
            commands.insert(command.format.name.clone(), command.clone());
            commands_by_id.insert(*id, command);
        }
        let (mut responses, mut responses_by_name) = (BTreeMap::new(), BTreeMap::new());
        for (text, id) in &raw.responses {
            let response = message(text, id)?;
            responses_by_name.insert(response.format.name.clone(), response.clone());
            responses.insert(*id, response);
        }
        Ok(Self { raw, commands, commands_by_id, responses, responses_by_name })
    }

    /// What is known before `identify`: the two messages with fixed ids.
    pub fn bootstrap() -> Self {
        let mut raw = Dictionary::default();
        raw.commands.insert(drydock_protocol::IDENTIFY_FORMAT.to_string(), drydock_protocol::IDENTIFY_ID);
        raw.responses
            .insert(drydock_protocol::IDENTIFY_RESPONSE_FORMAT.to_string(), drydock_protocol::IDENTIFY_RESPONSE_ID);
        Self::new(raw).expect("both formats are well-formed")
    }

    pub fn command_count(&self) -> usize {
        self.commands.len()
    }

    pub fn response(&self, id: i32) -> Option<&Rc<Message>> {
        self.responses.get(&id)
    }

    /// The command that is declared exactly as `format`.
    pub fn command(&self, format: &str) -> Result<Rc<Message>, McuErrorCause> {
        exact(&self.commands, "command", format).cloned()
    }

    pub fn check_response(&self, format: &str) -> Result<(), McuErrorCause> {
        exact(&self.responses_by_name, "response", format).map(drop)
    }

    pub fn constant_text(&self, name: &str) -> Option<String> {
        Some(match self.raw.constants.get(name)? {
            Constant::Int(value) => value.to_string(),
            Constant::Float(value) => value.to_string(),
            Constant::Text(text) => text.clone(),
        })
    }

    /// Encodes a command text. Numbers may stand as names of the enumeration that applies to the parameter; buffers
    /// are hexadecimal digits.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u8>, McuErrorCause> {
        let bad = |cause: String| McuErrorCause::BadCommand { text: text.to_string(), cause };
        let mut words = text.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        let message = self
            .commands
            .get(name)
            .ok_or_else(|| McuErrorCause::Missing { what: "command", format: text.to_string() })?;
        let given: BTreeMap<&str, &str> = words.filter_map(|word| word.split_once('=')).collect();
        if given.len() != message.format.params.len() {
            return Err(bad(format!("its declaration '{}' has other parameters", message.format.text)));
        }
        let mut buffers = Vec::new();
        for param in &message.format.params {
            let word = given
                .get(param.name.as_str())
                .ok_or_else(|| bad(format!("parameter '{}' of '{}' is not given", param.name, message.format.text)))?;
            buffers.push(if param.kind.is_buffer() {
                TextArg::Bytes(hex(word).ok_or_else(|| bad(format!("'{word}' is not a list of hexadecimal bytes")))?)
            } else {
                TextArg::Int(self.number(&param.name, word).map_err(bad)?)
            });
        }
        let args: Vec<Value<'_>> = buffers.iter().map(TextArg::value).collect();
        let mut content = Vec::new();
        message.encode(&args, &mut content).map_err(|error| bad(error.to_string()))?;
        if content.len() > CONTENT_MAX {
            return Err(bad(format!("it takes {} bytes, a message block holds {CONTENT_MAX}", content.len())));
        }
        Ok(content)
    }

    fn number(&self, param: &str, word: &str) -> Result<i64, String> {
        if let Some(enumeration) = self.raw.enumeration_for(param) {
            return self.raw.enum_value(enumeration, word).ok_or_else(|| {
                format!("the firmware knows no {enumeration} '{word}'; check the name against the board's")
            });
        }
        word.parse().map_err(|_| format!("'{word}' is not a number"))
    }

    /// A block's content in words, as logs show it: `name param=value ..., name ...`.
    pub fn describe(&self, content: &[u8], sent_by_host: bool) -> String {
        let messages = if sent_by_host { &self.commands_by_id } else { &self.responses };
        let mut reader = Reader::new(content);
        let mut parts = Vec::new();
        while !reader.is_empty() {
            let Some(id) = reader.int() else {
                parts.push("(cut)".to_string());
                break;
            };
            let Some(message) = messages.get(&(id as i32)) else {
                parts.push(format!("#unknown id={}", id as i32));
                break;
            };
            match message.format.decode_args(&mut reader) {
                Ok(values) => parts.push(self.describe_message(message, &values)),
                Err(_) => {
                    parts.push(format!("{} (cut)", message.format.name));
                    break;
                }
            }
        }
        parts.join(", ")
    }

    fn describe_message(&self, message: &Message, values: &[Value<'_>]) -> String {
        let mut text = message.format.name.clone();
        for (param, value) in message.format.params.iter().zip(values) {
            text += &match value {
                Value::Int(number) => match self.name_of(&param.name, *number) {
                    Some(name) => format!(" {}={name}", param.name),
                    None => format!(" {}={number}", param.name),
                },
                Value::Bytes(bytes) => format!(" {}={}", param.name, hex_text(bytes)),
            };
        }
        text
    }

    fn name_of(&self, param: &str, value: i64) -> Option<String> {
        let enumeration = self.raw.enumeration_for(param)?;
        Some(self.raw.enum_name(enumeration, value).unwrap_or_else(|| format!("?{value}")))
    }
}

enum TextArg {
    Int(i64),
    Bytes(Vec<u8>),
}

impl TextArg {
    fn value(&self) -> Value<'_> {
        match self {
            TextArg::Int(value) => Value::Int(*value),
            TextArg::Bytes(bytes) => Value::Bytes(bytes),
        }
    }
}

fn exact<'a>(
    messages: &'a BTreeMap<String, Rc<Message>>,
    what: &'static str,
    format: &str,
) -> Result<&'a Rc<Message>, McuErrorCause> {
    let name = format.split(' ').next().unwrap_or_default();
    let message = messages.get(name).ok_or_else(|| McuErrorCause::Missing { what, format: format.to_string() })?;
    if message.format.text != format {
        let declared = message.format.text.clone();
        return Err(McuErrorCause::FormatMismatch { wanted: format.to_string(), declared });
    }
    Ok(message)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// Bytes as hexadecimal digits.
pub fn hex_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dictionary() -> McuDictionary {
        let json = r#"{"commands": {"identify offset=%u count=%c": 1, "config_digital_out oid=%c pin=%u value=%c": 5,
            "spi_send oid=%c data=%*s": -3}, "responses": {"starting": -7, "shutdown clock=%u static_string_id=%hu": 9},
            "enumerations": {"pin": {"PA0": [0, 16]}, "static_string_id": {"Timer too close": 7}},
            "config": {"CLOCK_FREQ": 16000000, "MCU": "fake"}}"#;
        McuDictionary::from_identify(json.as_bytes()).unwrap()
    }

    #[test]
    fn a_command_text_encodes_with_pin_names_and_reads_back_the_same() {
        let dictionary = dictionary();
        let content = dictionary.encode_text("config_digital_out oid=2 pin=PA13 value=1").unwrap();
        assert_eq!(content, [5, 2, 13, 1]);
        assert_eq!(dictionary.describe(&content, true), "config_digital_out oid=2 pin=PA13 value=1");
        let content = dictionary.encode_text("spi_send oid=1 data=a0ff").unwrap();
        assert_eq!(dictionary.describe(&content, true), "spi_send oid=1 data=a0ff");
        assert_eq!(dictionary.describe(&[9, 5, 7], false), "shutdown clock=5 static_string_id=Timer too close");
    }

    #[test]
    fn mistakes_in_a_command_text_are_named() {
        let dictionary = dictionary();
        for (text, cause) in [
            ("config_digital_out oid=2 pin=PB1 value=1", "no pin 'PB1'"),
            ("config_digital_out oid=2 pin=PA1", "other parameters"),
            ("config_digital_out oid=x pin=PA1 value=1", "'x' is not a number"),
            ("config_stepper oid=1", "has no command"),
            ("spi_send oid=1 data=abc", "hexadecimal"),
        ] {
            let cause_found = dictionary.encode_text(text).unwrap_err();
            let error = super::super::McuError { mcu: "mcu".into(), cause: cause_found };
            assert!(error.to_string().contains(cause), "{text}: {error}");
        }
    }

    #[test]
    fn a_declaration_that_differs_in_one_parameter_is_refused() {
        let dictionary = dictionary();
        assert!(dictionary.command("identify offset=%u count=%c").is_ok());
        assert!(matches!(dictionary.command("identify offset=%u count=%u"), Err(McuErrorCause::FormatMismatch { .. })));
        assert!(matches!(dictionary.check_response("stats count=%u"), Err(McuErrorCause::Missing { .. })));
    }

    #[test]
    fn damaged_content_is_described_without_panic() {
        let dictionary = dictionary();
        for content in [&[0x80_u8][..], &[5, 2], &[99], &[9, 0x80]] {
            let _ = dictionary.describe(content, true);
            let _ = dictionary.describe(content, false);
        }
    }
}
