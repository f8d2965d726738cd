//! The one seam between the image that is flashed and the one that QEMU's netduinoplus2 runs; it stands in for `time.rs`.
//!
//! That machine has no clock control, so nothing waits for a PLL. Its TIM5 counts at 1 GHz over the prescaler and has no
//! comparator, so the clock is 100 MHz (the dictionary says so) and the alarm is SysTick, which counts at 168 MHz. SysTick
//! has no bit in the interrupt controller: it is masked with all the others.
#![allow(unsafe_code, reason = "registers that the interrupt and the main loop both use")]

use crate::SHELL;
use crate::facts::CLOCK_FREQ_HZ;
use cortex_m::peripheral::{SCB, SYST, syst::SystClkSource};
use cortex_m_rt::exception;
use stm32f4xx_hal::pac::{RCC, TIM5};
use stm32f4xx_hal::rcc::{Rcc, RccExt};

const TIMER_HZ: u32 = 1_000_000_000;
const SYSTICK_HZ: u64 = 168_000_000;
const SYSTICK_MAX: u64 = 0xff_ffff;

pub fn start(rcc: RCC, timer: TIM5) -> Rcc {
    // SAFETY: every value of these registers is allowed.
    unsafe {
        timer.psc().write(|w| w.bits(TIMER_HZ / CLOCK_FREQ_HZ - 1));
        timer.arr().write(|w| w.bits(u32::MAX));
    }
    timer.cr1().write(|w| w.cen().set_bit());
    rcc.constrain()
}

#[inline(always)]
pub fn now() -> u32 {
    // SAFETY: reads a counter.
    unsafe { (*TIM5::ptr()).cnt().read().bits() }
}

/// Sets the alarm, or an earlier one where SysTick does not reach so far; false where the moment has come.
pub fn arm(wake: u32) -> bool {
    let ticks = wake.wrapping_sub(now()) as i32;
    if ticks <= 0 {
        return false;
    }
    let reload = (ticks as u64 * SYSTICK_HZ / u64::from(CLOCK_FREQ_HZ)).clamp(1, SYSTICK_MAX);
    // SAFETY: SysTick belongs to this file, and only the holder of the lock or the interrupt comes here.
    let systick = unsafe { &*SYST::PTR };
    // SAFETY: as above; the reload value is within 24 bits.
    unsafe {
        systick.rvr.write(reload as u32);
        systick.cvr.write(0);
        systick.csr.write(u32::from(SystClkSource::Core as u8) << 2 | 0b111);
    }
    true
}

pub fn mask() {
    cortex_m::interrupt::disable();
}

pub fn unmask() {
    // SAFETY: only the holder of the lock that this interrupt masked comes here, when it is done.
    unsafe { cortex_m::interrupt::enable() };
}

/// Makes the interrupt come as soon as it is unmasked.
pub fn pend() {
    SCB::set_pendst();
}

/// Passes time without sleeping: this machine's clock counts instructions, and while it sleeps it follows the clock of the
/// computer that it runs on, which is late now and then.
pub fn idle(nothing_to_do: impl FnOnce() -> bool) {
    if nothing_to_do() {
        cortex_m::asm::delay(1000);
    }
}

#[exception]
fn SysTick() {
    // SAFETY: this is the interrupt that `mask` masks, with all others.
    unsafe { SHELL.step_interrupt() };
}
