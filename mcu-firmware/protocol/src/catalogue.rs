//! A dictionary made ready for use: declarations parsed, commands found by name, incoming messages found by id.

use crate::dictionary::Dictionary;
use crate::format::{Format, FormatError, Value};
use crate::vlq::Reader;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// A message with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: i32,
    pub format: Format,
}

impl Message {
    /// Appends id and arguments to a block's content.
    pub fn encode(&self, args: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), FormatError> {
        self.format.encode(self.id, args, out)
    }
}

/// The messages of one micro-controller. `output` declarations are free text and are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    commands: BTreeMap<String, Message>,
    command_ids: BTreeMap<i32, String>,
    responses: BTreeMap<i32, Message>,
}

impl Catalogue {
    pub fn new(dictionary: &Dictionary) -> Result<Self, FormatError> {
        let mut catalogue = Self::default();
        for (text, id) in &dictionary.commands {
            let format = Format::parse(text)?;
            catalogue.command_ids.insert(*id, format.name.clone());
            catalogue.commands.insert(format.name.clone(), Message { id: *id, format });
        }
        for (text, id) in &dictionary.responses {
            catalogue.responses.insert(*id, Message { id: *id, format: Format::parse(text)? });
        }
        Ok(catalogue)
    }

    /// The command called `name`.
    pub fn command(&self, name: &str) -> Option<&Message> {
        self.commands.get(name)
    }

    /// The command declared exactly as `format`; hosts must not use one whose declaration differs.
    pub fn command_as(&self, format: &str) -> Option<&Message> {
        let name = format.split(' ').next()?;
        self.command(name).filter(|message| message.format.text == format)
    }

    /// The response with this id.
    pub fn response(&self, id: i32) -> Option<&Message> {
        self.responses.get(&id)
    }

    /// The response called `name`.
    pub fn response_named(&self, name: &str) -> Option<&Message> {
        self.responses.values().find(|message| message.format.name == name)
    }

    /// Reads the message id at the front of `reader` and finds the response; `None` for an unknown id or no id.
    pub fn incoming(&self, reader: &mut Reader<'_>) -> Option<&Message> {
        self.response(reader.int()? as i32)
    }

    /// Reads the message id at the front of `reader` and finds the command, as a tool that shows traffic needs it.
    pub fn outgoing(&self, reader: &mut Reader<'_>) -> Option<&Message> {
        let name = self.command_ids.get(&(reader.int()? as i32))?;
        self.commands.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn sample() -> Catalogue {
        let mut dictionary = Dictionary::default();
        dictionary.commands.insert("identify offset=%u count=%c".into(), 1);
        dictionary.commands.insert("get_clock".into(), -3);
        dictionary.responses.insert("clock clock=%u".into(), -2);
        Catalogue::new(&dictionary).unwrap()
    }

    #[test]
    fn a_command_is_sent_and_a_response_found_by_its_negative_id() {
        let catalogue = sample();
        let mut out = vec![];
        catalogue.command("identify").unwrap().encode(&[Value::Int(0), Value::Int(40)], &mut out).unwrap();
        assert_eq!(out, [1, 0, 40]);
        let mut reader = Reader::new(&[0x7e, 0x05]);
        let message = catalogue.incoming(&mut reader).unwrap();
        assert_eq!(message.format.name, "clock");
        assert_eq!(message.format.decode_args(&mut reader).unwrap(), [Value::Int(5)]);
        assert_eq!(catalogue.outgoing(&mut Reader::new(&[0x7d])).unwrap().format.name, "get_clock");
    }

    #[test]
    fn a_declaration_that_differs_is_not_found() {
        let catalogue = sample();
        assert!(catalogue.command_as("identify offset=%u count=%c").is_some());
        assert!(catalogue.command_as("identify offset=%u count=%u").is_none());
        assert!(catalogue.command_as("get_clock").is_some());
    }
}
