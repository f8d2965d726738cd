//! The independent watchdog: a main loop that stands still for half a second restarts the chip.
#![allow(unsafe_code, reason = "keys are plain numbers")]

use stm32f4xx_hal::pac::IWDG;

/// Thousandths of a second, with the low-speed oscillator at its nominal 32 kHz.
const TIMEOUT_MS: u16 = 500;

pub fn start(dog: IWDG) {
    // SAFETY: the keys and values of the reference manual: unlock, a count each millisecond, how many.
    unsafe {
        dog.kr().write(|w| w.bits(0xcccc));
        dog.kr().write(|w| w.bits(0x5555));
        dog.pr().write(|w| w.bits(3));
        dog.rlr().write(|w| w.bits(TIMEOUT_MS));
    }
    feed();
}

#[inline]
pub fn feed() {
    // SAFETY: the key that starts the count anew; before the start it does nothing.
    unsafe { (*IWDG::ptr()).kr().write(|w| w.bits(0xaaaa)) };
}
