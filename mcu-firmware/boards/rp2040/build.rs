//! The memory map and the dictionary of the serial port that was chosen.
#![allow(clippy::disallowed_methods, reason = "this runs on the builder's machine, not inside the boundary")]

use drydock_board_recipe::{Memory, compiler, number, one_feature, write_dictionary, write_memory};
use drydock_firmware::BoardFacts;
use drydock_protocol::{Constant, EnumEntry};

/// The ROM loads the first 256 bytes of flash and runs them; they open the flash to the rest.
const BOOT2: &str = "
MEMORY { BOOT2 : ORIGIN = 0x10000000, LENGTH = 0x100 }
SECTIONS { .boot2 ORIGIN(BOOT2) : { KEEP(*(.boot2)); } > BOOT2 } INSERT BEFORE .text;
";

fn main() {
    let serial = one_feature("serial port", &["uart0", "usb"]);
    let memory = Memory {
        flash_base: 0x1000_0100,
        flash_bytes: 2 * 1024 * 1024 - 0x100,
        ram_base: 0x2000_0000,
        ram_bytes: 256 * 1024,
    };
    write_memory(&memory, BOOT2);

    let text = |name: &str, text: &str| (name.to_string(), Constant::Text(text.to_string()));
    let mut constants = Vec::new();
    if serial == "uart0" {
        let baud = number("DRYDOCK_BAUD", 250_000);
        println!("cargo:rustc-env=DRYDOCK_BAUD={baud}");
        constants.push(text("RESERVE_PINS_serial", "gpio0,gpio1"));
        constants.push(("SERIAL_BAUD".into(), Constant::Int(baud.into())));
        constants.push(("RECEIVE_WINDOW".into(), Constant::Int(192)));
    }
    let mut spi_buses = Vec::new();
    for (number, (name, old, pins)) in BUSES.iter().enumerate() {
        for name in [name, old] {
            spi_buses.push((name.to_string(), EnumEntry::One(number as i64)));
            constants.push(text(&format!("BUS_PINS_{name}"), pins));
        }
    }
    write_dictionary(&BoardFacts {
        mcu: "rp2040".into(),
        // The crystal, undivided.
        clock_freq_hz: 12_000_000,
        pins: vec![
            ("gpio0".into(), EnumEntry::Range { start: 0, count: 30 }),
            ("ADC_TEMPERATURE".into(), EnumEntry::One(ADC_TEMPERATURE)),
        ],
        spi_buses,
        constants,
        build_versions: compiler(),
    });
}

/// In the order of `BUSES` in src/spi.rs: name, Klipper's older name, and MISO, MOSI, SCLK.
const BUSES: &[(&str, &str, &str)] = &[
    ("spi0_gpio0_gpio3_gpio2", "spi0a", "gpio0,gpio3,gpio2"),
    ("spi0_gpio4_gpio7_gpio6", "spi0b", "gpio4,gpio7,gpio6"),
    ("spi0_gpio16_gpio19_gpio18", "spi0c", "gpio16,gpio19,gpio18"),
    ("spi0_gpio20_gpio23_gpio22", "spi0d", "gpio20,gpio23,gpio22"),
    ("spi1_gpio8_gpio11_gpio10", "spi1a", "gpio8,gpio11,gpio10"),
    ("spi1_gpio12_gpio15_gpio14", "spi1b", "gpio12,gpio15,gpio14"),
    ("spi1_gpio24_gpio27_gpio26", "spi1c", "gpio24,gpio27,gpio26"),
];
/// A number that no pin has.
const ADC_TEMPERATURE: i64 = 254;
