//! Everything that the firmware understands: one table, from which come the declarations in the dictionary, the ids and
//! the call of the handler, a method of [`Firmware`] with the command's name.
//!
//! A command marked `always` works while shut down; any other is then answered by `is_shutdown`.

use crate::board::Board;
use crate::firmware::Firmware;
use crate::shutdown::Shutdown;
use crate::signature::{declaration, number_of, read, wire_id};
use drydock_protocol::vlq::Reader;

macro_rules! commands {
    ($($when:ident $name:ident($($arg:ident: $type:ident),* $(,)?);)*) => {
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy)]
        enum Number { $($name),* }

        /// Declarations in the order of their numbers.
        const DECLARATIONS: &[&str] = &[$(declaration!($name $($arg: $type),*)),*];

        /// Reads one command off the front of a block's content and executes it.
        #[inline]
        pub(crate) fn execute<B: Board>(
            firmware: &mut Firmware,
            board: &mut B,
            reader: &mut Reader<'_>,
        ) -> Result<(), Shutdown> {
            let number = reader.int().and_then(number_of).ok_or(Shutdown::CommandParser)?;
            match number.wrapping_sub(FIRST) {
                $(number if number == Number::$name as usize => {
                    $(let $arg = read!(reader $type).ok_or(Shutdown::CommandParser)?;)*
                    if !always!($when) && firmware.refuses(board) {
                        return Ok(());
                    }
                    firmware.$name(board $(, $arg)*)
                })*
                _ => Err(Shutdown::CommandParser),
            }
        }
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
    always identify(offset: u, count: c);
    always get_uptime();
    always get_clock();
    always get_config();
    always emergency_stop();
    always clear_shutdown();
    always reset();
    always config_reset();
    always debug_ping(data: buf);
    always debug_nop();
    running allocate_oids(count: c);
    running finalize_config(crc: u);

    running config_stepper(oid: c, step_pin: c, dir_pin: c, invert_step: c, step_pulse_ticks: u);
    running queue_step(oid: c, interval: u, count: hu, add: hi);
    running set_next_step_dir(oid: c, dir: c);
    running reset_step_clock(oid: c, clock: u);
    running stepper_get_position(oid: c);
    running stepper_stop_on_trigger(oid: c, trsync_oid: c);

    running config_trsync(oid: c);
    running trsync_start(oid: c, report_clock: u, report_ticks: u, expire_reason: c);
    running trsync_set_timeout(oid: c, clock: u);
    running trsync_trigger(oid: c, reason: c);

    running config_endstop(oid: c, pin: c, pull_up: c);
    running endstop_home(oid: c, clock: u, sample_ticks: u, sample_count: c, rest_ticks: u, pin_value: c, trsync_oid: c,
        trigger_reason: c);
    running endstop_query_state(oid: c);

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
    running spi_transfer(oid: c, data: buf);
    running spi_send(oid: c, data: buf);

    running config_adxl345(oid: c, spi_oid: c);
    running query_adxl345(oid: c, rest_ticks: u);
    running query_adxl345_status(oid: c);

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
