//! Klipper's wire, one copy for both ends: the host's MCU client and the firmware read and write the same blocks.
//!
//! Layers, bottom up: [`crc`] and [`block`] make a byte stream into numbered blocks; [`vlq`] is the integer inside a
//! block; [`format`] is one message's layout as its declaration string says it; [`dictionary`] is the list of all of
//! them that a micro-controller hands out; [`catalogue`] is that list made ready for lookups.
#![no_std]
extern crate alloc;

pub mod block;
pub mod catalogue;
pub mod crc;
pub mod dictionary;
pub mod format;
mod json;
pub mod vlq;

pub use block::{Block, Deframer, Event};
pub use catalogue::{Catalogue, Message};
pub use crc::crc16;
pub use dictionary::{Constant, Dictionary, DictionaryError, EnumEntry};
pub use format::{Format, FormatError, ParamType, Value};

/// Id of `identify_response offset=%u data=%.*s`, fixed so that a host can talk before it knows the dictionary.
pub const IDENTIFY_RESPONSE_ID: i32 = 0;
/// Id of `identify offset=%u count=%c`.
pub const IDENTIFY_ID: i32 = 1;
/// Format of message 0 in every dictionary.
pub const IDENTIFY_RESPONSE_FORMAT: &str = "identify_response offset=%u data=%.*s";
/// Format of message 1 in every dictionary.
pub const IDENTIFY_FORMAT: &str = "identify offset=%u count=%c";
