//! Pulse-width outputs: eight slices of two channels, of which each pin has one.
#![allow(unsafe_code, reason = "fields that the register crate gives as numbers")]

use crate::facts::CLOCK_FREQ_HZ;
use crate::gpio::{self, Function};
use drydock_firmware::board::PWM_MAX;
use drydock_firmware::{Pin, Pull, Shutdown};
use rp2040_hal::pac::{PWM, RESETS, pwm};

/// The slices count cycles of the core.
const CORE_MHZ: u64 = 125;
const CLOCK_MHZ: u64 = CLOCK_FREQ_HZ as u64 / 1_000_000;
/// A duty of all of the cycle is one count more than the last, which must fit too.
const COUNTS_MAX: u64 = 65_535;
const DIVIDER_MAX: u64 = 255;

pub fn start(resets: &mut RESETS, _: &PWM) {
    resets.reset().modify(|_, w| w.pwm().clear_bit());
    while resets.reset_done().read().pwm().bit_is_clear() {}
}

fn slice(pin: Pin) -> &'static pwm::CH {
    // SAFETY: the register block of the chip, of which one slice is used.
    unsafe { (*PWM::ptr()).ch(usize::from(pin >> 1 & 7)) }
}

/// Makes a pin a pulse-width output. The two pins of a slice share its cycle.
pub fn setup(pin: u32, cycle_ticks: u32, value: u16) -> Result<Pin, Shutdown> {
    let pin = gpio::checked(pin).ok_or(Shutdown::PwmPin)?;
    let cycle = u64::from(cycle_ticks) * CORE_MHZ / CLOCK_MHZ;
    let divider = cycle.div_ceil(COUNTS_MAX).max(1);
    let counts = cycle / divider;
    if counts < 2 || divider > DIVIDER_MAX {
        return Err(Shutdown::PwmCycle);
    }
    let slice = slice(pin);
    let (divider, top) = ((divider as u32) << 4, counts as u32 - 1);
    let runs = slice.csr().read().en().bit_is_set();
    if runs && (slice.div().read().bits(), slice.top().read().bits()) != (divider, top) {
        return Err(Shutdown::PwmCycle);
    }
    // SAFETY: a divider of 8.4 bits, and the last count.
    unsafe {
        slice.div().write(|w| w.bits(divider));
        slice.top().write(|w| w.bits(top));
    }
    write(pin, value);
    slice.csr().write(|w| w.en().set_bit());
    gpio::set_function(pin, Function::Pwm, Pull::None, false);
    Ok(pin)
}

pub fn write(pin: Pin, value: u16) {
    let slice = slice(pin);
    let counts = slice.top().read().bits() + 1;
    let on = (u64::from(counts) * u64::from(value.min(PWM_MAX)) / u64::from(PWM_MAX)) as u16;
    // SAFETY: any count is allowed. The step interrupt may change the slice's other channel, so this is one change.
    cortex_m::interrupt::free(|_| unsafe {
        match pin & 1 {
            0 => slice.cc().modify(|_, w| w.a().bits(on)),
            _ => slice.cc().modify(|_, w| w.b().bits(on)),
        };
    });
}
