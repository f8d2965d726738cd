//! The data dictionary, made from the tables that the firmware itself runs on and from what a board says of itself.
//!
//! Making it allocates, so a chip makes it while it is built and holds the compressed bytes as a constant.

use crate::board::{ADC_MAX, PWM_MAX};
use crate::link::STATS_SUMSQ_BASE;
use crate::shutdown::Shutdown;
use crate::{commands, responses};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use drydock_protocol::dictionary::{Constant, Dictionary, EnumEntry};

/// Hash over the source files of the protocol and of this firmware, twelve hexadecimal digits: what runs on the virtual
/// MCU and what runs on a chip is one program where these are equal.
pub const SOURCE_HASH: &str = env!("DRYDOCK_SOURCE_HASH");

/// The dictionary's `version`, the same on every board.
pub const VERSION: &str = concat!("drydock-", env!("CARGO_PKG_VERSION"), "-", env!("DRYDOCK_SOURCE_HASH"));

/// What a board adds to the dictionary.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BoardFacts {
    /// Constant `MCU`, for instance `stm32f407xx`.
    pub mcu: String,
    /// Constant `CLOCK_FREQ`.
    pub clock_freq_hz: u32,
    /// Names of the pins.
    pub pins: Vec<(String, EnumEntry)>,
    /// Names of the SPI buses.
    pub spi_buses: Vec<(String, EnumEntry)>,
    /// Further constants: `SERIAL_BAUD`, `RECEIVE_WINDOW`, `BUS_PINS_*`, `RESERVE_PINS_*`.
    pub constants: Vec<(String, Constant)>,
    /// Compiler of the build.
    pub build_versions: String,
}

/// The dictionary of this firmware on that board.
pub fn dictionary(facts: &BoardFacts) -> Dictionary {
    let owned = |(text, id): (&str, i32)| (text.to_owned(), id);
    let reasons = Shutdown::ALL.iter().map(|reason| (reason.text().to_owned(), EnumEntry::One(i64::from(reason.id()))));
    let own = [
        ("MCU", Constant::Text(facts.mcu.clone())),
        ("CLOCK_FREQ", Constant::Int(i64::from(facts.clock_freq_hz))),
        ("STATS_SUMSQ_BASE", Constant::Int(i64::from(STATS_SUMSQ_BASE))),
        ("ADC_MAX", Constant::Int(i64::from(ADC_MAX))),
        ("PWM_MAX", Constant::Int(i64::from(PWM_MAX))),
        ("STEPPER_STEP_BOTH_EDGE", Constant::Int(1)),
    ];
    Dictionary {
        commands: commands::declarations().map(owned).collect(),
        responses: responses::declarations().map(owned).collect(),
        enumerations: [
            ("pin".to_owned(), facts.pins.clone()),
            ("spi_bus".to_owned(), facts.spi_buses.clone()),
            ("static_string_id".to_owned(), reasons.collect()),
        ]
        .into(),
        constants: own
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .chain(facts.constants.iter().cloned())
            .collect(),
        version: VERSION.to_owned(),
        build_versions: facts.build_versions.clone(),
        app: "Drydock".to_owned(),
        license: env!("CARGO_PKG_LICENSE").to_owned(),
        ..Dictionary::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use drydock_protocol::{Catalogue, IDENTIFY_FORMAT, IDENTIFY_RESPONSE_FORMAT};

    /// The declarations that the peer compares as whole strings, as the facts list them.
    const REQUIRED: &[&str] = &[
        "identify offset=%u count=%c",
        "get_uptime",
        "get_clock",
        "get_config",
        "allocate_oids count=%c",
        "finalize_config crc=%u",
        "emergency_stop",
        "config_stepper oid=%c step_pin=%c dir_pin=%c invert_step=%c step_pulse_ticks=%u",
        "queue_step oid=%c interval=%u count=%hu add=%hi",
        "set_next_step_dir oid=%c dir=%c",
        "reset_step_clock oid=%c clock=%u",
        "stepper_get_position oid=%c",
        "stepper_stop_on_trigger oid=%c trsync_oid=%c",
        "config_trsync oid=%c",
        "trsync_start oid=%c report_clock=%u report_ticks=%u expire_reason=%c",
        "trsync_set_timeout oid=%c clock=%u",
        "trsync_trigger oid=%c reason=%c",
        "config_endstop oid=%c pin=%c pull_up=%c",
        "endstop_home oid=%c clock=%u sample_ticks=%u sample_count=%c rest_ticks=%u pin_value=%c trsync_oid=%c trigger_reason=%c",
        "endstop_query_state oid=%c",
        "config_digital_out oid=%c pin=%u value=%c default_value=%c max_duration=%u",
        "set_digital_out_pwm_cycle oid=%c cycle_ticks=%u",
        "queue_digital_out oid=%c clock=%u on_ticks=%u",
        "update_digital_out oid=%c value=%c",
        "config_analog_in oid=%c pin=%u",
        "query_analog_in oid=%c clock=%u sample_ticks=%u sample_count=%c rest_ticks=%u bytes_per_report=%c min_value=%hu max_value=%hu range_check_count=%c",
        "config_spi oid=%c pin=%u cs_active_high=%c",
        "spi_set_bus oid=%c spi_bus=%u mode=%u rate=%u",
        "spi_set_sw_bus oid=%c miso_pin=%u mosi_pin=%u sclk_pin=%u mode=%u pulse_ticks=%u",
        "spi_transfer oid=%c data=%*s",
        "spi_send oid=%c data=%*s",
        "config_adxl345 oid=%c spi_oid=%c",
        "query_adxl345 oid=%c rest_ticks=%u",
        "query_adxl345_status oid=%c",
        "queue_pwm_out oid=%c clock=%u value=%hu",
        "query_counter oid=%c clock=%u poll_ticks=%u sample_ticks=%u",
        "config_tmcuart oid=%c rx_pin=%u pull_up=%c tx_pin=%u bit_time=%u",
        "tmcuart_send oid=%c write=%*s read=%c",
        "config_neopixel oid=%c pin=%u data_size=%hu bit_max_ticks=%u reset_min_ticks=%u",
        "neopixel_update oid=%c pos=%hu data=%*s",
        "neopixel_send oid=%c",
        "config_buttons oid=%c button_count=%c",
        "buttons_query oid=%c clock=%u rest_ticks=%u retransmit_count=%c invert=%c",
        "buttons_ack oid=%c count=%c",
        "identify_response offset=%u data=%.*s",
        "uptime high=%u clock=%u",
        "clock clock=%u",
        "config is_config=%c crc=%u is_shutdown=%c move_count=%hu",
        "shutdown clock=%u static_string_id=%hu",
        "is_shutdown static_string_id=%hu",
        "stats count=%u sum=%u sumsq=%u",
        "starting",
        "stepper_position oid=%c pos=%i",
        "trsync_state oid=%c can_trigger=%c trigger_reason=%c clock=%u",
        "endstop_state oid=%c homing=%c next_clock=%u pin_value=%c",
        "analog_in_state oid=%c next_clock=%u values=%*s",
        "spi_transfer_response oid=%c response=%*s",
        "sensor_bulk_data oid=%c sequence=%hu data=%*s",
        "sensor_bulk_status oid=%c clock=%u query_ticks=%u next_sequence=%hu buffered=%u possible_overflows=%hu",
        "counter_state oid=%c next_clock=%u count=%u count_clock=%u",
        "tmcuart_response oid=%c read=%*s",
        "neopixel_result oid=%c success=%c",
        "buttons_state oid=%c ack_count=%c state=%*s",
    ];

    #[test]
    fn every_declaration_that_hosts_compare_is_there_word_for_word() {
        let dictionary = dictionary(&BoardFacts::default());
        for text in REQUIRED {
            assert!(dictionary.commands.contains_key(*text) || dictionary.responses.contains_key(*text), "{text}");
        }
    }

    #[test]
    fn the_version_ends_with_the_hash_of_the_sources() {
        let version = dictionary(&BoardFacts::default()).version;
        assert_eq!(version.rsplit_once('-'), Some((concat!("drydock-", env!("CARGO_PKG_VERSION")), SOURCE_HASH)));
        assert!(SOURCE_HASH.len() == 12 && SOURCE_HASH.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }

    #[test]
    fn ids_are_unique_and_the_two_fixed_ones_are_in_place() {
        let dictionary = dictionary(&BoardFacts::default());
        let ids: BTreeSet<_> = dictionary.commands.values().chain(dictionary.responses.values()).collect();
        assert_eq!(ids.len(), dictionary.commands.len() + dictionary.responses.len());
        assert_eq!(dictionary.commands[IDENTIFY_FORMAT], 1);
        assert_eq!(dictionary.responses[IDENTIFY_RESPONSE_FORMAT], 0);
        Catalogue::new(&dictionary).unwrap();
    }
}
