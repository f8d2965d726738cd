//! One message's declaration, such as `queue_step oid=%c interval=%u count=%hu add=%hi`, and its arguments on the wire.
//!
//! The declaration is compared as a whole string between host and firmware, so it is kept as it was written and parsed
//! beside that. Numbers are VLQ modulo 2^32; the declared type says only whether they read as signed. Buffers are a
//! length byte and bytes.

use crate::vlq::{self, Reader};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// Type of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// `%u`
    U32,
    /// `%i`
    I32,
    /// `%hu`
    U16,
    /// `%hi`
    I16,
    /// `%c`
    Byte,
    /// `%s`
    Text,
    /// `%.*s`
    ConstBuffer,
    /// `%*s`
    Buffer,
}

impl ParamType {
    pub fn parse(spec: &str) -> Option<Self> {
        Some(match spec {
            "%u" => Self::U32,
            "%i" => Self::I32,
            "%hu" => Self::U16,
            "%hi" => Self::I16,
            "%c" => Self::Byte,
            "%s" => Self::Text,
            "%.*s" => Self::ConstBuffer,
            "%*s" => Self::Buffer,
            _ => return None,
        })
    }

    pub fn is_buffer(self) -> bool {
        matches!(self, Self::Text | Self::ConstBuffer | Self::Buffer)
    }

    /// Whether the wire's number modulo 2^32 reads as signed. `%hi` and `%i` are the only ones that do.
    pub fn is_signed(self) -> bool {
        matches!(self, Self::I32 | Self::I16)
    }
}

/// One argument. Numbers are wide enough for both signednesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub fn int(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            Self::Bytes(_) => None,
        }
    }

    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Int(_) => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    pub name: String,
    pub kind: ParamType,
}

/// A parsed declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// The declaration as it was written.
    pub text: String,
    pub name: String,
    pub params: Vec<Param>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// The declaration is empty or starts with a blank.
    NoName { format: String },
    /// A word of the declaration is not `name=%type`.
    BadParam { format: String, word: String },
    /// A message was given too many or too few arguments.
    Count { message: String, expected: usize, given: usize },
    /// A number stands where a buffer belongs, or the other way round.
    Kind { message: String, param: String },
    /// A buffer is longer than its length byte can say.
    TooLong { message: String, param: String, len: usize },
    /// A received message ends inside one of its parameters.
    Cut { message: String, param: String },
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName { format } => write!(f, "message format '{format}' has no name; it must start with one"),
            Self::BadParam { format, word } => write!(
                f,
                "message format '{format}': '{word}' is not NAME=%TYPE with a type of %u %i %hu %hi %c %s %*s %.*s"
            ),
            Self::Count { message, expected, given } => {
                write!(f, "message '{message}' takes {expected} arguments, {given} were given")
            }
            Self::Kind { message, param } => {
                write!(
                    f,
                    "message '{message}': parameter '{param}' was given a buffer for a number or a number for a buffer"
                )
            }
            Self::TooLong { message, param, len } => {
                write!(f, "message '{message}': buffer '{param}' has {len} bytes, at most 255 can be sent")
            }
            Self::Cut { message, param } => {
                write!(
                    f,
                    "received message '{message}' ends inside parameter '{param}'; the sender's dictionary differs"
                )
            }
        }
    }
}

impl core::error::Error for FormatError {}

impl Format {
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut words = text.split(' ');
        let name = words.next().unwrap_or_default();
        if name.is_empty() {
            return Err(FormatError::NoName { format: text.to_string() });
        }
        let params = words
            .map(|word| {
                let bad = || FormatError::BadParam { format: text.to_string(), word: word.to_string() };
                let (name, spec) = word.split_once('=').ok_or_else(bad)?;
                let kind = ParamType::parse(spec).ok_or_else(bad)?;
                Ok(Param { name: name.to_string(), kind })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_string(), name: name.to_string(), params })
    }

    /// Position of the parameter called `name`.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|param| param.name == name)
    }

    /// Appends the arguments, in the declaration's order, without the message id.
    pub fn encode_args(&self, args: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), FormatError> {
        if args.len() != self.params.len() {
            let (expected, given) = (self.params.len(), args.len());
            return Err(FormatError::Count { message: self.name.clone(), expected, given });
        }
        let start = out.len();
        for (param, arg) in self.params.iter().zip(args) {
            if let Err(error) = self.encode_arg(param, *arg, out) {
                out.truncate(start);
                return Err(error);
            }
        }
        Ok(())
    }

    fn encode_arg(&self, param: &Param, arg: Value<'_>, out: &mut Vec<u8>) -> Result<(), FormatError> {
        match (arg, param.kind.is_buffer()) {
            (Value::Int(value), false) => vlq::push(value as u32, out),
            (Value::Bytes(bytes), true) => {
                let Ok(len) = u8::try_from(bytes.len()) else {
                    let (message, param) = (self.name.clone(), param.name.clone());
                    return Err(FormatError::TooLong { message, param, len: bytes.len() });
                };
                out.push(len);
                out.extend_from_slice(bytes);
            }
            _ => return Err(FormatError::Kind { message: self.name.clone(), param: param.name.clone() }),
        }
        Ok(())
    }

    /// Appends the message: its id and its arguments.
    pub fn encode(&self, id: i32, args: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), FormatError> {
        let start = out.len();
        vlq::push(id as u32, out);
        self.encode_args(args, out).inspect_err(|_| out.truncate(start))
    }

    /// Reads the arguments that follow the message id.
    pub fn decode_args<'a>(&self, reader: &mut Reader<'a>) -> Result<Vec<Value<'a>>, FormatError> {
        self.params
            .iter()
            .map(|param| {
                let cut = || FormatError::Cut { message: self.name.clone(), param: param.name.clone() };
                if param.kind.is_buffer() {
                    return reader.bytes().map(Value::Bytes).ok_or_else(cut);
                }
                let value = reader.int().ok_or_else(cut)?;
                Ok(Value::Int(if param.kind.is_signed() { i64::from(value as i32) } else { i64::from(value) }))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn queue_step_parses_into_its_parameters() {
        let format = Format::parse("queue_step oid=%c interval=%u count=%hu add=%hi").unwrap();
        assert_eq!(format.name, "queue_step");
        let kinds: Vec<_> = format.params.iter().map(|param| (param.name.as_str(), param.kind)).collect();
        let expected = [
            ("oid", ParamType::Byte),
            ("interval", ParamType::U32),
            ("count", ParamType::U16),
            ("add", ParamType::I16),
        ];
        assert_eq!(kinds, expected);
        assert_eq!(format.index_of("add"), Some(3));
    }

    #[test]
    fn signed_parameters_come_back_signed_and_unsigned_ones_modulo_2_32() {
        let format = Format::parse("x a=%hi b=%i c=%u d=%c").unwrap();
        let args = [Value::Int(-409), Value::Int(-1), Value::Int(-1), Value::Int(255)];
        let mut out = vec![];
        format.encode_args(&args, &mut out).unwrap();
        let back = format.decode_args(&mut Reader::new(&out)).unwrap();
        assert_eq!(back, [Value::Int(-409), Value::Int(-1), Value::Int(u32::MAX.into()), Value::Int(255)]);
    }

    #[test]
    fn wrong_arguments_are_refused_and_leave_nothing_behind() {
        let format = Format::parse("spi_send oid=%c data=%*s").unwrap();
        let mut out = vec![7];
        assert!(matches!(format.encode(3, &[Value::Int(1)], &mut out), Err(FormatError::Count { .. })));
        assert!(matches!(format.encode(3, &[Value::Int(1), Value::Int(1)], &mut out), Err(FormatError::Kind { .. })));
        let long = vec![0; 256];
        let args = [Value::Int(1), Value::Bytes(&long)];
        assert!(matches!(format.encode(3, &args, &mut out), Err(FormatError::TooLong { .. })));
        assert_eq!(out, [7]);
    }

    #[test]
    fn broken_declarations_name_the_word_that_is_wrong() {
        assert!(matches!(Format::parse(""), Err(FormatError::NoName { .. })));
        for text in ["a b", "a b=%d", "a  b=%u", "a b=", "a =u"] {
            assert!(matches!(Format::parse(text), Err(FormatError::BadParam { .. })), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text: String) {
            let _ = Format::parse(&text);
        }

        #[test]
        fn any_content_is_decoded_without_panic(bytes: Vec<u8>) {
            let format = Format::parse("m a=%u b=%*s c=%hi d=%.*s e=%s f=%c").unwrap();
            let _ = format.decode_args(&mut Reader::new(&bytes));
        }

        #[test]
        fn arguments_survive_the_round_trip(a: u32, b: i32, c: i16, d in prop::collection::vec(any::<u8>(), 0..60)) {
            let format = Format::parse("m a=%u b=%i c=%hi d=%*s").unwrap();
            let args = [Value::Int(a.into()), Value::Int(b.into()), Value::Int(c.into()), Value::Bytes(&d)];
            let mut out = vec![];
            format.encode_args(&args, &mut out).unwrap();
            let mut reader = Reader::new(&out);
            prop_assert_eq!(format.decode_args(&mut reader).unwrap(), args);
            prop_assert!(reader.is_empty());
        }
    }
}
