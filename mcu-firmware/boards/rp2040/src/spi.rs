//! Hardware SPI buses. Set-ups of several devices on one bus may alternate, so each prepares its own.
//!
//! By hand, since the HAL fixes a bus's mode and rate in its type and its value.
#![allow(unsafe_code, reason = "the bus is found by its number")]

use crate::gpio::{self, Function};
use drydock_firmware::{Pin, Pull, SpiMode};
use rp2040_hal::pac::{RESETS, SPI0, SPI1, spi0};

/// In the order of `BUSES` in build.rs: peripheral, and MISO, MOSI, SCLK.
const BUSES: [(u8, [Pin; 3]); 7] = [
    (0, [0, 3, 2]),
    (0, [4, 7, 6]),
    (0, [16, 19, 18]),
    (0, [20, 23, 22]),
    (1, [8, 11, 10]),
    (1, [12, 15, 14]),
    (1, [24, 27, 26]),
];
const PERIPHERAL_HZ: u32 = 125_000_000;

pub fn start(resets: &mut RESETS) {
    resets.reset().modify(|_, w| w.spi0().clear_bit().spi1().clear_bit());
    while resets.reset_done().read().spi0().bit_is_clear() {}
    while resets.reset_done().read().spi1().bit_is_clear() {}
}

/// Connects a bus to its pins; false where there is no such bus.
pub fn setup(bus: u32) -> bool {
    let Some((_, pins)) = BUSES.get(bus as usize) else { return false };
    for (at, pin) in pins.iter().enumerate() {
        gpio::set_function(*pin, Function::Spi, if at == 0 { Pull::Up } else { Pull::None }, false);
    }
    true
}

/// Brings a bus to the fastest rate that is not above what is asked for, and to the mode.
pub fn prepare(bus: u32, mode: SpiMode, rate_hz: u32) {
    let Some(registers) = registers(bus) else { return };
    // An even prescaler, then a divider up to 256.
    let ratio = PERIPHERAL_HZ.div_ceil(rate_hz.max(1));
    let prescaler = (ratio.div_ceil(256).next_multiple_of(2)).clamp(2, 254);
    let divider = ratio.div_ceil(prescaler).clamp(1, 256) - 1;
    let (polarity, phase) = (u32::from(mode >> 1 & 1), u32::from(mode & 1));
    // SAFETY: off, values within their fields for frames of eight bits, on. It stays on, so that the clock rests as it should.
    unsafe {
        registers.sspcr1().write(|w| w.bits(0));
        registers.sspcpsr().write(|w| w.bits(prescaler));
        registers.sspcr0().write(|w| w.bits(divider << 8 | phase << 7 | polarity << 6 | 7));
        registers.sspcr1().write(|w| w.bits(1 << 1));
    }
}

/// Exchanges each byte for the one that comes back.
pub fn transfer(bus: u32, data: &mut [u8]) {
    let Some(registers) = registers(bus) else { return };
    for byte in data {
        // SAFETY: any byte may be sent.
        unsafe { registers.sspdr().write(|w| w.bits((*byte).into())) };
        while registers.sspsr().read().rne().bit_is_clear() {}
        *byte = registers.sspdr().read().bits() as u8;
    }
    while registers.sspsr().read().bsy().bit_is_set() {}
}

fn registers(bus: u32) -> Option<&'static spi0::RegisterBlock> {
    let (peripheral, _) = BUSES.get(bus as usize)?;
    // SAFETY: the two have the same registers, and only the holder of the firmware's lock comes here.
    Some(unsafe {
        match peripheral {
            0 => &*SPI0::ptr(),
            _ => &*SPI1::ptr().cast(),
        }
    })
}
