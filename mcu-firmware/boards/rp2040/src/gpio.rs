//! Pins by their numbers, through the single-cycle registers.
//!
//! The HAL gives each pin a type of its own, which is no help where the host says at run time which pin it wants.
#![allow(unsafe_code, reason = "fields that the register crate gives as numbers")]

use drydock_firmware::{Pin, Pull};
use rp2040_hal::pac::{IO_BANK0, PADS_BANK0, RESETS, SIO, io_bank0, pads_bank0, sio};

const PINS: u32 = 30;

pub fn start(resets: &mut RESETS, _: &IO_BANK0, _: &PADS_BANK0) {
    resets.reset().modify(|_, w| w.io_bank0().clear_bit().pads_bank0().clear_bit());
    while resets.reset_done().read().io_bank0().bit_is_clear() {}
    while resets.reset_done().read().pads_bank0().bit_is_clear() {}
}

/// The pin with this number, if the chip has it.
pub fn checked(number: u32) -> Option<Pin> {
    (number < PINS).then_some(number as Pin)
}

#[inline(always)]
fn sio() -> &'static sio::RegisterBlock {
    // SAFETY: the calls below use registers that set, clear or invert single bits, or that are only read.
    unsafe { &*SIO::ptr() }
}

#[inline(always)]
pub fn write(pin: Pin, level: bool) {
    let bit = 1 << (pin & 31);
    // SAFETY: sets or clears one output.
    unsafe {
        match level {
            true => sio().gpio_out_set().write(|w| w.bits(bit)),
            false => sio().gpio_out_clr().write(|w| w.bits(bit)),
        };
    }
}

#[inline(always)]
pub fn toggle(pin: Pin) {
    // SAFETY: inverts one output.
    unsafe { sio().gpio_out_xor().write(|w| w.bits(1 << (pin & 31))) };
}

#[inline(always)]
pub fn read(pin: Pin) -> bool {
    sio().gpio_in().read().bits() >> (pin & 31) & 1 != 0
}

/// What a pin is connected to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Spi = 1,
    #[cfg(feature = "uart0")]
    Uart = 2,
    Pwm = 4,
    Sio = 5,
    None = 31,
}

/// Connects a pin; `drives` says whether it is an output where it is connected to the single-cycle registers.
pub fn set_function(pin: Pin, function: Function, pull: Pull, drives: bool) {
    // SAFETY: register blocks of the chip, of which a pin's own registers are used.
    let (bank, pads): (&io_bank0::RegisterBlock, &pads_bank0::RegisterBlock) =
        unsafe { (&*IO_BANK0::ptr(), &*PADS_BANK0::ptr()) };
    let at = usize::from(pin);
    pads.gpio(at).modify(|_, w| {
        w.ie().bit(function != Function::None).od().clear_bit();
        w.pue().bit(pull == Pull::Up).pde().bit(pull == Pull::Down)
    });
    // SAFETY: enables or disables one output; a function of the datasheet's table.
    unsafe {
        match drives {
            true => sio().gpio_oe_set().write(|w| w.bits(1 << pin)),
            false => sio().gpio_oe_clr().write(|w| w.bits(1 << pin)),
        };
        bank.gpio(at).gpio_ctrl().write(|w| w.bits(function as u32));
    }
}
