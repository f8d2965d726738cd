//! The virtual chip's pins. They carry the names of several chip families, so that a printer.cfg written for a real
//! board runs as it is: any of them can be an output, an input, an analog input or a pulse-width output.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use drydock_firmware::Pin;
use drydock_protocol::EnumEntry;

/// Numbers of pins: every one below this exists.
pub(crate) const COUNT: usize = 255;

/// First name, number and count of each run of pins.
const RUNS: &[(&str, i64, u32)] = &[
    ("PA0", 0, 16),
    ("PB0", 16, 16),
    ("PC0", 32, 16),
    ("PD0", 48, 16),
    ("PE0", 64, 16),
    ("PF0", 80, 16),
    ("PG0", 96, 16),
    ("PH0", 112, 16),
    ("PI0", 128, 16),
    ("gpio0", 144, 30),
    ("PJ0", 174, 8),
    ("PK0", 182, 8),
    ("PL0", 190, 8),
    ("analog0", 198, 16),
];

/// The chip's own thermometer, as several families call it.
const ADC_TEMPERATURE: (&str, i64) = ("ADC_TEMPERATURE", 254);

/// What the thermometer reads: a die at 40 °C, by the line that hosts take for an STM32F4 (0.76 V at 25 °C, 2.5 mV/K,
/// 12 bits of 3.3 V). The chip has no heat of its own; it only must look well.
pub(crate) const ADC_TEMPERATURE_CODE: u16 = 990;

pub(crate) fn is_thermometer(pin: Pin) -> bool {
    i64::from(pin) == ADC_TEMPERATURE.1
}

/// SPI buses by the names of several chip families. All of them are alike: a device is found by its chip select.
const SPI_BUSES: &[&str] = &[
    "spi1",
    "spi2",
    "spi3",
    "spi4",
    "spi5",
    "spi6",
    "spi1a",
    "spi2a",
    "spi3a",
    "spi0",
    "spi0a",
    "spi0b",
    "spi0c",
    "spi0d",
    "spi1b",
    "spi1c",
    "spi1d",
    "spi1_PA6_PA7_PA5",
    "spi1_PB4_PB5_PB3",
    "spi2_PB14_PB15_PB13",
    "spi2_PC2_PC3_PB10",
    "spi3_PB4_PB5_PB3",
    "spi3_PC11_PC12_PC10",
    "spi0_gpio0_gpio3_gpio2",
    "spi0_gpio4_gpio7_gpio6",
    "spi0_gpio16_gpio19_gpio18",
    "spi0_gpio20_gpio23_gpio22",
    "spi1_gpio8_gpio11_gpio10",
    "spi1_gpio12_gpio15_gpio14",
    "spi1_gpio24_gpio27_gpio26",
];

/// The enumeration `pin`.
pub(crate) fn names() -> Vec<(String, EnumEntry)> {
    let runs =
        RUNS.iter().map(|(name, start, count)| ((*name).to_owned(), EnumEntry::Range { start: *start, count: *count }));
    let (name, number) = ADC_TEMPERATURE;
    runs.chain([(name.to_owned(), EnumEntry::One(number))]).collect()
}

/// The enumeration `spi_bus`.
pub(crate) fn spi_buses() -> Vec<(String, EnumEntry)> {
    SPI_BUSES.iter().enumerate().map(|(at, name)| ((*name).to_owned(), EnumEntry::One(at as i64))).collect()
}

pub(crate) fn is_spi_bus(bus: u32) -> bool {
    (bus as usize) < SPI_BUSES.len()
}
