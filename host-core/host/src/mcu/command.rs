//! Messages as callers see them: a command made ready for sending, its arguments, and a received message.

use drydock_protocol::block::CONTENT_MAX;
use drydock_protocol::vlq::{self, Reader};
use drydock_protocol::{Format, Message, Value};
use std::rc::Rc;

/// A command of one micro-controller; clones are cheap.
#[derive(Clone, Debug)]
pub struct Cmd {
    message: Rc<Message>,
}

/// One argument of a command, in the order of its declaration.
#[derive(Clone, Copy, Debug)]
pub enum Arg<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

macro_rules! arg_from {
    ($($int:ty),*) => { $(impl From<$int> for Arg<'_> {
        fn from(value: $int) -> Self {
            Arg::Int(value as i64)
        }
    })* };
}
arg_from!(u8, i8, u16, i16, u32, i32, i64, bool);

impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Arg::Bytes(bytes)
    }
}

/// Content of one message on its way: never longer than a block holds.
#[derive(Clone, Copy)]
pub(crate) struct Content {
    len: u8,
    bytes: [u8; CONTENT_MAX],
}

impl Content {
    pub(crate) fn new() -> Self {
        Content { len: 0, bytes: [0; CONTENT_MAX] }
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut content = Content::new();
        content.extend(bytes).then_some(content)
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// False where the block is too small for it; then nothing is written.
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> bool {
        let start = usize::from(self.len);
        let Some(room) = self.bytes.get_mut(start..start + bytes.len()) else { return false };
        room.copy_from_slice(bytes);
        self.len += bytes.len() as u8;
        true
    }

    /// Appends an integer, modulo 2^32.
    #[inline]
    pub(crate) fn int(&mut self, value: u32) -> bool {
        let mut encoded = [0; vlq::MAX_LEN];
        let len = vlq::encode(value, &mut encoded);
        self.extend(&encoded[..len])
    }
}

impl Cmd {
    pub(crate) fn new(message: Rc<Message>) -> Self {
        Cmd { message }
    }

    pub fn name(&self) -> &str {
        &self.message.format.name
    }

    pub(crate) fn id(&self) -> i32 {
        self.message.id
    }

    /// Content with these arguments.
    ///
    /// # Panics
    /// If the arguments do not fit the declaration or a block: the declaration was checked when the command was
    /// looked up, so only a mistake in the caller can do that. Callers with data of unknown length check it first.
    pub(crate) fn encode(&self, args: &[Arg<'_>]) -> Content {
        let format = &self.message.format;
        assert_eq!(args.len(), format.params.len(), "arguments of '{}'", format.text);
        let mut content = Content::new();
        let mut fits = content.int(self.message.id as u32);
        for (param, arg) in format.params.iter().zip(args) {
            fits &= match (arg, param.kind.is_buffer()) {
                (Arg::Int(value), false) => content.int(*value as u32),
                (Arg::Bytes(bytes), true) => content.extend(&[bytes.len() as u8]) && content.extend(bytes),
                _ => panic!("argument '{}' of '{}' is of the wrong kind", param.name, format.text),
            };
        }
        assert!(fits, "'{}' with these arguments is longer than a message block", format.text);
        content
    }
}

/// A received message.
#[derive(Clone, Debug)]
pub struct Params {
    message: Rc<Message>,
    values: Vec<Owned>,
    /// Host time when the command block that this answers left; 0 where that is not known for sure.
    pub sent_time: f64,
    /// Host time when the first byte of this message came.
    pub receive_time: f64,
}

#[derive(Clone, Debug)]
enum Owned {
    Int(i64),
    Bytes(Vec<u8>),
}

impl Params {
    pub(crate) fn decode(message: &Rc<Message>, content: &mut Reader<'_>, times: (f64, f64)) -> Option<Self> {
        let values = message.format.decode_args(content).ok()?;
        // One message a block: what follows it would be misread.
        if !content.is_empty() {
            return None;
        }
        let owned = |value: &Value<'_>| match value {
            Value::Int(number) => Owned::Int(*number),
            Value::Bytes(bytes) => Owned::Bytes(bytes.to_vec()),
        };
        let (sent_time, receive_time) = times;
        Some(Params { message: message.clone(), values: values.iter().map(owned).collect(), sent_time, receive_time })
    }

    /// What a query answers where there is no micro-controller: every number 0, every buffer empty.
    pub(crate) fn neutral(response: &str) -> Self {
        let format = Format { text: response.to_string(), name: response.to_string(), params: Vec::new() };
        Params { message: Rc::new(Message { id: 0, format }), values: Vec::new(), sent_time: 0.0, receive_time: 0.0 }
    }

    pub fn name(&self) -> &str {
        &self.message.format.name
    }

    fn value(&self, name: &str) -> Option<&Owned> {
        self.values.get(self.message.format.index_of(name)?)
    }

    /// The number called `name`; 0 where the message has none.
    pub fn int(&self, name: &str) -> i64 {
        match self.value(name) {
            Some(Owned::Int(value)) => *value,
            _ => 0,
        }
    }

    /// The buffer called `name`; empty where the message has none.
    pub fn bytes(&self, name: &str) -> &[u8] {
        match self.value(name) {
            Some(Owned::Bytes(bytes)) => bytes,
            _ => &[],
        }
    }

    /// Whether the message carries a parameter of that name.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The oid, if the message has one.
    pub(crate) fn oid(&self) -> Option<u8> {
        match self.value("oid") {
            Some(Owned::Int(oid)) => u8::try_from(*oid).ok(),
            _ => None,
        }
    }
}
