//! Everything that the firmware understands: one table, from which come the declarations in the dictionary, the ids, how
//! arguments are read, and the call of the handler, a method of [`Firmware`] with the command's name.
//!
//! A command marked `always` works while shut down; any other is then answered by `is_shutdown`. One with an arrow has an
//! answer, for which its handler gets a [`Message`] to fill in.
//!
//! Reading a command touches no state, so that the timers need not wait for it; executing it does.

use crate::board::Board;
use crate::firmware::Firmware;
use crate::responses::Message;
use crate::shutdown::Shutdown;
use crate::signature::{argument, declaration, is_bytes, number_of, wire_id};
use drydock_protocol::vlq::Reader;

/// Arguments of the longest command.
const ARGUMENTS_MAX: usize = 9;

/// A command taken apart.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    number: usize,
    /// The arguments in their order; where one is bytes, its place here is empty.
    numbers: [u32; ARGUMENTS_MAX],
    bytes: &'a [u8],
}

impl<'a> Command<'a> {
    /// Reads one command off the front of a block's content; `None` where none stands there.
    pub fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let number = number_of(reader.int()?)?.checked_sub(FIRST)?;
        let mut shape = *SHAPES.get(number)?;
        let mut command = Self { number, numbers: [0; ARGUMENTS_MAX], bytes: &[] };
        let mut places = command.numbers.iter_mut();
        while shape != SHAPE_END {
            let place = places.next()?;
            if shape & 1 == 0 {
                *place = reader.int()?;
            } else {
                command.bytes = reader.bytes()?;
            }
            shape >>= 1;
        }
        Some(command)
    }
}

/// The arguments of a command, a bit each from the lowest on, 1 for bytes, with [`SHAPE_END`] after the last.
const fn shape(are_bytes: &[bool]) -> u16 {
    assert!(are_bytes.len() <= ARGUMENTS_MAX);
    let (mut shape, mut at) = (SHAPE_END, are_bytes.len());
    while at > 0 {
        at -= 1;
        shape = shape << 1 | are_bytes[at] as u16;
    }
    shape
}

const SHAPE_END: u16 = 1;

macro_rules! commands {
    ($($when:ident $name:ident($($arg:ident: $type:ident),* $(,)?) $(-> $answer:ident)?;)*) => {
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy)]
        enum Number { $($name),* }

        /// Declarations in the order of their numbers.
        const DECLARATIONS: &[&str] = &[$(declaration!($name $($arg: $type),*)),*];

        static SHAPES: [u16; COUNT] = [$(shape(&[$(is_bytes!($type)),*])),*];

        #[inline]
        pub(crate) fn execute<B: Board>(
            firmware: &mut Firmware,
            board: &mut B,
            command: &Command<'_>,
            answer: &mut Message,
        ) -> Result<(), Shutdown> {
            match command.number {
                $(number if number == Number::$name as usize => {
                    if !always!($when) && firmware.refuses(answer) {
                        return Ok(());
                    }
                    #[allow(unused_variables, reason = "the place of bytes")]
                    let [$($arg,)* ..] = command.numbers;
                    firmware.$name(board $(, argument!(command $arg $type))* $(, answer!(answer $answer))?)
                })*
                _ => Err(Shutdown::CommandParser),
            }
        }
    };
}

macro_rules! answer {
    ($message:ident $_name:ident) => {
        $message
    };
}

macro_rules! always {
    (always) => {
        true
    };
    (running) => {
        false
    };
}

commands! {
    always identify(offset: u, count: c) -> identify_response;
    always get_uptime() -> uptime;
    always get_clock() -> clock;
    always get_config() -> config;
    always emergency_stop();
    always clear_shutdown();
    always reset();
    always config_reset();
    always debug_ping(data: buf) -> pong;
    always debug_nop();
    running allocate_oids(count: c);
    running finalize_config(crc: u);

    running config_stepper(oid: c, step_pin: c, dir_pin: c, invert_step: c, step_pulse_ticks: u);
    running queue_step(oid: c, interval: u, count: hu, add: hi);
    running set_next_step_dir(oid: c, dir: c);
    running reset_step_clock(oid: c, clock: u);
    running stepper_get_position(oid: c) -> stepper_position;
    running stepper_stop_on_trigger(oid: c, trsync_oid: c);

    running config_trsync(oid: c);
    running trsync_start(oid: c, report_clock: u, report_ticks: u, expire_reason: c);
    running trsync_set_timeout(oid: c, clock: u);
    running trsync_trigger(oid: c, reason: c) -> trsync_state;

    running config_endstop(oid: c, pin: c, pull_up: c);
    running endstop_home(oid: c, clock: u, sample_ticks: u, sample_count: c, rest_ticks: u, pin_value: c, trsync_oid: c,
        trigger_reason: c);
    running endstop_query_state(oid: c) -> endstop_state;

    running config_digital_out(oid: c, pin: u, value: c, default_value: c, max_duration: u);
    running set_digital_out_pwm_cycle(oid: c, cycle_ticks: u);
    running queue_digital_out(oid: c, clock: u, on_ticks: u);
    running update_digital_out(oid: c, value: c);
    running set_digital_out(pin: u, value: c);

    running config_pwm_out(oid: c, pin: u, cycle_ticks: u, value: hu, default_value: hu, max_duration: u);
    running queue_pwm_out(oid: c, clock: u, value: hu);
    running set_pwm_out(pin: u, cycle_ticks: u, value: hu);

    running config_analog_in(oid: c, pin: u);
    running query_analog_in(oid: c, clock: u, sample_ticks: u, sample_count: c, rest_ticks: u, bytes_per_report: c,
        min_value: hu, max_value: hu, range_check_count: c);

    running config_spi(oid: c, pin: u, cs_active_high: c);
    running config_spi_without_cs(oid: c);
    running spi_set_bus(oid: c, spi_bus: u, mode: u, rate: u);
    running spi_set_sw_bus(oid: c, miso_pin: u, mosi_pin: u, sclk_pin: u, mode: u, pulse_ticks: u);
    running config_spi_shutdown(oid: c, spi_oid: c, shutdown_msg: buf);
    running spi_transfer(oid: c, data: buf) -> spi_transfer_response;
    // Here the answer is only where the bytes come back to.
    running spi_send(oid: c, data: buf) -> spi_transfer_response;

    running config_adxl345(oid: c, spi_oid: c);
    running query_adxl345(oid: c, rest_ticks: u);
    running query_adxl345_status(oid: c) -> sensor_bulk_status;

    running config_tmcuart(oid: c, rx_pin: u, pull_up: c, tx_pin: u, bit_time: u);
    running tmcuart_send(oid: c, write: buf, read: c);

    running config_neopixel(oid: c, pin: u, data_size: hu, bit_max_ticks: u, reset_min_ticks: u);
    running neopixel_update(oid: c, pos: hu, data: buf);
    running neopixel_send(oid: c);

    running config_buttons(oid: c, button_count: c);
    running buttons_add(oid: c, pos: c, pin: u, pull_up: c);
    running buttons_query(oid: c, clock: u, rest_ticks: u, retransmit_count: c, invert: c);
    running buttons_ack(oid: c, count: c);

    running config_counter(oid: c, pin: u, pull_up: c);
    running query_counter(oid: c, clock: u, poll_ticks: u, sample_ticks: u);
}

/// Number of commands.
pub(crate) const COUNT: usize = DECLARATIONS.len();
/// Message 1 is `identify`, the first of the table.
const FIRST: usize = 1;

/// Each declaration with its id.
pub(crate) fn declarations() -> impl Iterator<Item = (&'static str, i32)> {
    DECLARATIONS.iter().enumerate().map(|(at, text)| (*text, wire_id(at + FIRST)))
}
