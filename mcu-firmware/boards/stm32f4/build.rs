//! The memory map and the dictionary of the chip and the serial port that were chosen.
#![allow(clippy::disallowed_methods, reason = "this runs on the builder's machine, not inside the boundary")]

use drydock_board_recipe::{Memory, bootloader_bytes, compiler, number, one_feature, write_dictionary, write_memory};
use drydock_firmware::BoardFacts;
use drydock_protocol::{Constant, EnumEntry};

struct Chip {
    flash_kib: u32,
    /// What is in one piece with the bus masters' reach; the core-coupled memory of F405 and F407 is left alone.
    ram_kib: u32,
    /// Letters of the ports that the die has, from `A` on and without the crystal's port H.
    ports: &'static str,
}

fn chip(name: &str) -> Chip {
    match name {
        // The smaller of the two sizes that are sold.
        "stm32f401" => Chip { flash_kib: 256, ram_kib: 64, ports: "ABCDE" },
        "stm32f446" => Chip { flash_kib: 512, ram_kib: 128, ports: "ABCDEFG" },
        _ => Chip { flash_kib: 512, ram_kib: 128, ports: "ABCDEFGI" },
    }
}

fn main() {
    let name = one_feature("chip", &["stm32f401", "stm32f405", "stm32f407", "stm32f446"]);
    let serial = one_feature("serial port", &["usart1", "usb"]);
    let emulated = std::env::var_os("CARGO_FEATURE_QEMU").is_some();
    let chip = chip(name);
    let offset = bootloader_bytes();
    let memory = Memory {
        flash_base: 0x0800_0000 + offset,
        flash_bytes: chip.flash_kib * 1024 - offset,
        ram_base: 0x2000_0000,
        ram_bytes: chip.ram_kib * 1024,
    };
    write_memory(&memory, "");

    let text = |name: &str, text: &str| (name.to_string(), Constant::Text(text.to_string()));
    let mut constants = vec![text("RESERVE_PINS_crystal", "PH0,PH1")];
    if serial == "usb" {
        constants.push(text("RESERVE_PINS_USB", "PA11,PA12"));
    } else {
        let baud = number("DRYDOCK_BAUD", 250_000);
        println!("cargo:rustc-env=DRYDOCK_BAUD={baud}");
        constants.push(text("RESERVE_PINS_serial", "PA10,PA9"));
        constants.push(("SERIAL_BAUD".into(), Constant::Int(baud.into())));
        constants.push(("RECEIVE_WINDOW".into(), Constant::Int(192)));
    }
    println!("cargo:rustc-env=DRYDOCK_MCU={name}xx");
    println!("cargo:rustc-env=DRYDOCK_CRYSTAL_HZ={}", number("DRYDOCK_CRYSTAL_HZ", 8_000_000));

    // A bus goes by Klipper's older name too, where it had one.
    let mut spi_buses = Vec::new();
    for (number, (name, old, pins)) in BUSES.iter().enumerate() {
        for name in [name, old] {
            spi_buses.push((name.to_string(), EnumEntry::One(number as i64)));
            constants.push(text(&format!("BUS_PINS_{name}"), pins));
        }
    }
    let mut pins: Vec<_> = chip
        .ports
        .chars()
        .map(|port| (format!("P{port}0"), EnumEntry::Range { start: i64::from(port as u8 - b'A') * 16, count: 16 }))
        .collect();
    pins.push(("ADC_TEMPERATURE".into(), EnumEntry::One(ADC_TEMPERATURE)));

    write_dictionary(&BoardFacts {
        mcu: format!("{name}xx"),
        // The timers of the slower bus, and what QEMU's gigahertz timer makes of its prescaler.
        clock_freq_hz: if emulated { 100_000_000 } else { 84_000_000 },
        pins,
        spi_buses,
        constants,
        build_versions: compiler(),
    });
}

/// In the order of `BUSES` in src/spi.rs: name, Klipper's older name, and MISO, MOSI, SCLK.
const BUSES: &[(&str, &str, &str)] = &[
    ("spi1_PA6_PA7_PA5", "spi1", "PA6,PA7,PA5"),
    ("spi1_PB4_PB5_PB3", "spi1a", "PB4,PB5,PB3"),
    ("spi2_PB14_PB15_PB13", "spi2", "PB14,PB15,PB13"),
    ("spi2_PC2_PC3_PB10", "spi2a", "PC2,PC3,PB10"),
    ("spi3_PB4_PB5_PB3", "spi3", "PB4,PB5,PB3"),
    ("spi3_PC11_PC12_PC10", "spi3a", "PC11,PC12,PC10"),
];
/// A number that no port has.
const ADC_TEMPERATURE: i64 = 254;
