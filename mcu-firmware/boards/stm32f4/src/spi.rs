//! Hardware SPI buses. Set-ups of several devices on one bus may alternate, so each prepares its own.
#![allow(unsafe_code, reason = "the bus is found by its number")]

use crate::gpio;
use drydock_firmware::{Pin, Pull, SpiMode};
use stm32f4xx_hal::pac::{SPI1, SPI2, SPI3, spi1::RegisterBlock};
use stm32f4xx_hal::rcc::{Enable, Rcc};

struct Bus {
    peripheral: u8,
    /// MISO, MOSI, SCLK.
    pins: [Pin; 3],
    function: u32,
}

/// In the order of `BUSES` in build.rs.
const BUSES: [Bus; 6] = [
    Bus { peripheral: 1, pins: [6, 7, 5], function: 5 },
    Bus { peripheral: 1, pins: [20, 21, 19], function: 5 },
    Bus { peripheral: 2, pins: [30, 31, 29], function: 5 },
    Bus { peripheral: 2, pins: [34, 35, 26], function: 5 },
    Bus { peripheral: 3, pins: [20, 21, 19], function: 6 },
    Bus { peripheral: 3, pins: [43, 44, 42], function: 6 },
];

pub fn start(rcc: &mut Rcc) {
    SPI1::enable(rcc);
    SPI2::enable(rcc);
    SPI3::enable(rcc);
}

/// Connects a bus to its pins; false where there is no such bus.
pub fn setup(bus: u32) -> bool {
    let Some(bus) = BUSES.get(bus as usize) else { return false };
    for pin in bus.pins {
        gpio::set_alternate(pin, bus.function, Pull::None);
    }
    gpio::set_alternate(bus.pins[0], bus.function, Pull::Up);
    true
}

/// Brings a bus to the fastest rate that is not above what is asked for, and to the mode.
pub fn prepare(bus: u32, mode: SpiMode, rate_hz: u32) {
    let Some((registers, bus_hz)) = registers(bus) else { return };
    // The bus over 2, 4, .. 256.
    let divider = (0..7).find(|power| bus_hz >> (power + 1) <= rate_hz).unwrap_or(7) as u16;
    let settings = 1 << 9 | 1 << 8 | divider << 3 | 1 << 2 | u16::from(mode);
    // SAFETY: master, its own select held, polarity and phase; then on. It stays on, so that the clock rests as it should.
    registers.cr1().write(|w| unsafe { w.bits(settings) });
    registers.cr1().write(|w| unsafe { w.bits(settings | 1 << 6) });
}

/// Exchanges each byte for the one that comes back.
pub fn transfer(bus: u32, data: &mut [u8]) {
    let Some((registers, _)) = registers(bus) else { return };
    for byte in data {
        // The register takes 16 bits and the frame is 8, so only the low ones go out.
        // SAFETY: any byte may be sent.
        registers.dr().write(|w| unsafe { w.bits(u16::from(*byte)) });
        while registers.sr().read().rxne().bit_is_clear() {}
        *byte = registers.dr().read().bits() as u8;
    }
    while registers.sr().read().bsy().bit_is_set() {}
}

/// A bus's registers and the rate that it is fed with, Hz.
fn registers(bus: u32) -> Option<(&'static RegisterBlock, u32)> {
    let bus = BUSES.get(bus as usize)?;
    // SAFETY: the three have the same registers, and only the holder of the firmware's lock comes here.
    Some(unsafe {
        match bus.peripheral {
            1 => (&*SPI1::ptr(), 84_000_000),
            2 => (&*SPI2::ptr().cast(), 42_000_000),
            _ => (&*SPI3::ptr().cast(), 42_000_000),
        }
    })
}
