//! Everything that the firmware sends: one table, from which come the declarations in the dictionary, the ids, and a
//! method of [`Message`] for each.
//!
//! Whoever has something to say fills in a message, which is a matter of a few words of memory. The link turns it into bytes
//! afterwards, when the timers may run again.

use crate::commands;
use crate::signature::{declaration, is_bytes, rust_type, wire_id, write};
use drydock_protocol::block::CONTENT_MAX;

/// Id and numbers of the longest message.
const NUMBERS_MAX: usize = 8;

/// A message to the host, not yet in bytes. A new one says nothing.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The id, then the numbers in their order.
    numbers: [u32; NUMBERS_MAX],
    number_count: usize,
    /// What comes after the numbers.
    bytes: [u8; CONTENT_MAX],
    byte_count: Option<usize>,
}

impl Message {
    pub fn new() -> Self {
        Self { numbers: [0; NUMBERS_MAX], number_count: 0, bytes: [0; CONTENT_MAX], byte_count: None }
    }

    pub fn is_empty(&self) -> bool {
        self.number_count == 0
    }

    pub fn clear(&mut self) {
        (self.number_count, self.byte_count) = (0, None);
    }

    /// Id and numbers, and the bytes after them.
    pub fn parts(&self) -> (&[u32], Option<&[u8]>) {
        let numbers = self.numbers.get(..self.number_count).unwrap_or_default();
        (numbers, self.byte_count.map(|count| self.bytes.get(..count).unwrap_or_default()))
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.byte_count.unwrap_or(0)).unwrap_or_default()
    }

    #[inline(always)]
    fn int(&mut self, value: u32) {
        if let Some(place) = self.numbers.get_mut(self.number_count) {
            *place = value;
            self.number_count += 1;
        }
    }

    /// What is cut off here is of a message that fits no block and is dropped.
    fn bytes(&mut self, bytes: &[u8]) {
        let count = bytes.len().min(CONTENT_MAX);
        self.bytes[..count].copy_from_slice(&bytes[..count]);
        self.byte_count = Some(count);
    }
}

macro_rules! responses {
    ($($name:ident($($arg:ident: $type:ident),* $(,)?);)*) => {
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy)]
        enum Number { $($name),* }

        /// Declarations in the order of their numbers.
        const DECLARATIONS: &[&str] = &[$(declaration!($name $($arg: $type),*)),*];

        impl Message {
            $(
                pub fn $name(&mut self $(, $arg: rust_type!($type))*) {
                    const { assert!(has_room(&[$(is_bytes!($type)),*])) };
                    self.clear();
                    self.int(wire_id(number(Number::$name as usize)) as u32);
                    $(write!(self $arg $type);)*
                }
            )*
        }
    };
}

responses! {
    identify_response(offset: u, data: cbuf);
    uptime(high: u, clock: u);
    clock(clock: u);
    config(is_config: c, crc: u, is_shutdown: c, move_count: hu);
    stats(count: u, sum: u, sumsq: u);
    starting();
    shutdown(clock: u, static_string_id: hu);
    is_shutdown(static_string_id: hu);
    pong(data: buf);
    stepper_position(oid: c, pos: i);
    trsync_state(oid: c, can_trigger: c, trigger_reason: c, clock: u);
    endstop_state(oid: c, homing: c, next_clock: u, pin_value: c);
    analog_in_state(oid: c, next_clock: u, values: buf);
    spi_transfer_response(oid: c, response: buf);
    sensor_bulk_data(oid: c, sequence: hu, data: buf);
    sensor_bulk_status(oid: c, clock: u, query_ticks: u, next_sequence: hu, buffered: u, possible_overflows: hu);
    tmcuart_response(oid: c, read: buf);
    neopixel_result(oid: c, success: c);
    buttons_state(oid: c, ack_count: c, state: buf);
    counter_state(oid: c, next_clock: u, count: u, count_clock: u);
}

/// Whether a [`Message`] holds an id and these arguments, of which bytes must be the last.
const fn has_room(are_bytes: &[bool]) -> bool {
    let mut at = 0;
    while at < are_bytes.len() {
        if are_bytes[at] && at + 1 < are_bytes.len() {
            return false;
        }
        at += 1;
    }
    are_bytes.len() < NUMBERS_MAX
}

/// Message 0 is `identify_response`; the other responses follow the commands.
const fn number(response: usize) -> usize {
    if response == 0 { 0 } else { response + commands::COUNT }
}

/// Each declaration with its id.
pub(crate) fn declarations() -> impl Iterator<Item = (&'static str, i32)> {
    DECLARATIONS.iter().enumerate().map(|(at, text)| (*text, wire_id(number(at))))
}
