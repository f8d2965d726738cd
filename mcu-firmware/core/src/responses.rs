//! Everything that the firmware sends: one table, from which come the declarations in the dictionary, the ids, and a
//! method of the link for each message.

use crate::board::Board;
use crate::commands;
use crate::link::{Content, Link};
use crate::signature::{declaration, rust_type, wire_id, write};

macro_rules! responses {
    ($($name:ident($($arg:ident: $type:ident),* $(,)?);)*) => {
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy)]
        enum Number { $($name),* }

        /// Declarations in the order of their numbers.
        const DECLARATIONS: &[&str] = &[$(declaration!($name $($arg: $type),*)),*];

        impl Link {
            $(
                #[allow(clippy::too_many_arguments)]
                pub fn $name(&mut self, board: &mut impl Board $(, $arg: rust_type!($type))*) {
                    let mut content = Content::new();
                    content.int(wire_id(number(Number::$name as usize)) as u32);
                    $(write!(content $arg $type);)*
                    self.send(board, content);
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

/// Message 0 is `identify_response`; the other responses follow the commands.
const fn number(response: usize) -> usize {
    if response == 0 { 0 } else { response + commands::COUNT }
}

/// Each declaration with its id.
pub(crate) fn declarations() -> impl Iterator<Item = (&'static str, i32)> {
    DECLARATIONS.iter().enumerate().map(|(at, text)| (*text, wire_id(number(at))))
}
