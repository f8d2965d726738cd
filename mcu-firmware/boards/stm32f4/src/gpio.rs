//! Pins by their numbers: port times 16 plus bit.
//!
//! The HAL gives each pin a type of its own, which is no help where the host says at run time which pin it wants, and the
//! register crate gives the ports three types. So these registers are reached by hand: every port has the same block.
#![allow(unsafe_code, reason = "the port is found by its number")]

use drydock_firmware::{Pin, Pull};
use stm32f4xx_hal::pac::{GPIOA, RCC, gpioa::RegisterBlock};

/// Distance between the blocks of two ports.
const PORT_STRIDE: usize = 0x400;
/// Bits of the ports that this chip has.
const PORTS: u16 = if cfg!(feature = "stm32f401") {
    0b1_1111
} else if cfg!(feature = "stm32f446") {
    0b111_1111
} else {
    0b1_0111_1111
};

pub fn start(rcc: &RCC) {
    // SAFETY: switches on the clocks of ports and changes no other bit.
    rcc.ahb1enr().modify(|r, w| unsafe { w.bits(r.bits() | u32::from(PORTS)) });
}

/// The pin with this number, if the chip has it.
pub fn checked(number: u32) -> Option<Pin> {
    let port = number >> 4;
    (port < 16 && PORTS >> port & 1 != 0).then_some(number as Pin)
}

#[inline(always)]
fn port(pin: Pin) -> &'static RegisterBlock {
    // A mask and a shift that the processor has in one instruction: a step waits for this.
    let address = GPIOA::ptr() as usize + usize::from(pin & 0xf0) * (PORT_STRIDE / 16);
    // SAFETY: numbers come from `checked` or from tables of this chip's pins, so there is a port at that address. Ports
    // differ in their reset values only.
    unsafe { &*(address as *const RegisterBlock) }
}

#[inline(always)]
fn bit(pin: Pin) -> u32 {
    1 << (pin & 15)
}

#[inline(always)]
pub fn write(pin: Pin, level: bool) {
    let bits = if level { bit(pin) } else { bit(pin) << 16 };
    // SAFETY: sets or clears one output.
    port(pin).bsrr().write(|w| unsafe { w.bits(bits) });
}

#[inline(always)]
pub fn toggle(pin: Pin) {
    // SAFETY: inverts one output. Outputs change inside the firmware only, which is never entered twice, so nothing else
    // changes this register between its reading and its writing.
    port(pin).odr().modify(|r, w| unsafe { w.bits(r.bits() ^ bit(pin)) });
}

#[inline(always)]
pub fn read(pin: Pin) -> bool {
    port(pin).idr().read().bits() & bit(pin) != 0
}

/// What a pin is connected to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Input = 0,
    Output = 1,
    Alternate = 2,
    Analog = 3,
}

pub fn set_mode(pin: Pin, mode: Mode, pull: Pull) {
    let pull = match pull {
        Pull::None => 0,
        Pull::Up => 1,
        Pull::Down => 2,
    };
    let (port, at) = (port(pin), u32::from(pin & 15) * 2);
    let field = |old: u32, value: u32| old & !(3 << at) | value << at;
    // The step interrupt may set a pin up too (a stepper driver's UART), between reading a register and writing it.
    cortex_m::interrupt::free(|_| {
        // SAFETY: changes the two bits of one pin.
        unsafe {
            port.pupdr().modify(|r, w| w.bits(field(r.bits(), pull)));
            port.ospeedr().modify(|r, w| w.bits(field(r.bits(), 2)));
            port.moder().modify(|r, w| w.bits(field(r.bits(), mode as u32)));
        }
    });
}

/// Gives a pin to a peripheral.
pub fn set_alternate(pin: Pin, function: u32, pull: Pull) {
    let (port, at) = (port(pin), u32::from(pin & 7) * 4);
    let field = |old: u32| old & !(15 << at) | function << at;
    cortex_m::interrupt::free(|_| {
        // SAFETY: changes the four bits of one pin.
        unsafe {
            match pin & 8 {
                0 => port.afrl().modify(|r, w| w.bits(field(r.bits()))),
                _ => port.afrh().modify(|r, w| w.bits(field(r.bits()))),
            };
        }
    });
    set_mode(pin, Mode::Alternate, pull);
}
