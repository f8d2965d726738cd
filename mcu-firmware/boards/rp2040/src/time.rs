//! The step timer and the watchdog. Both count ticks of one generator, which divides the crystal; undivided, as here, the
//! timer counts 12 million a second, and its first alarm makes the step interrupt.
#![allow(unsafe_code, reason = "registers that the interrupt and the main loop both use")]

use crate::SHELL;
use crate::facts::CLOCK_FREQ_HZ;
use rp2040_hal::Watchdog;
use rp2040_hal::pac::{self, Interrupt, NVIC, RESETS, TIMER, WATCHDOG, interrupt, timer};

/// An alarm nearer than this may be past by the time that it is set.
const ALARM_MIN_TICKS: i32 = 6;
const ALARM_MAX_TICKS: i32 = CLOCK_FREQ_HZ as i32 / 10;
/// Half a second. The watchdog counts each tick twice (erratum E1).
const WATCHDOG_LOAD: u32 = CLOCK_FREQ_HZ / 2 * 2;

pub fn start(watchdog: &mut Watchdog, resets: &mut RESETS, timer: &TIMER) {
    resets.reset().modify(|_, w| w.timer().clear_bit());
    while resets.reset_done().read().timer().bit_is_clear() {}
    watchdog.enable_tick_generation(1);
    timer.inte().write(|w| w.alarm_0().set_bit());
}

pub fn start_watchdog() {
    feed_watchdog();
    // SAFETY: as the datasheet has it: the counter is loaded, then it is set going.
    let watchdog = unsafe { &*WATCHDOG::ptr() };
    // SAFETY: which parts a watchdog's reset reaches: all but the oscillators.
    unsafe { (*pac::PSM::ptr()).wdsel().write(|w| w.bits(0x0001_fffc)) };
    watchdog.ctrl().modify(|_, w| w.enable().set_bit());
}

#[inline]
pub fn feed_watchdog() {
    // SAFETY: 24 bits, the count till the reset.
    unsafe { (*WATCHDOG::ptr()).load().write(|w| w.bits(WATCHDOG_LOAD)) };
}

#[inline(always)]
fn timer() -> &'static timer::RegisterBlock {
    // SAFETY: a register block of the chip, of which the calls below use one register each.
    unsafe { &*TIMER::ptr() }
}

#[inline(always)]
pub fn now() -> u32 {
    timer().timerawl().read().bits()
}

/// Sets the alarm, or one a tenth of a second ahead; false where the moment is so near that the caller must see to it
/// itself.
#[inline]
pub fn arm(wake: u32) -> bool {
    let start = now();
    let ticks = (wake.wrapping_sub(start) as i32).min(ALARM_MAX_TICKS);
    // SAFETY: every value of this register is allowed.
    unsafe { timer().alarm0().write(|w| w.bits(start.wrapping_add(ticks as u32))) };
    ticks >= ALARM_MIN_TICKS
}

pub fn mask() {
    NVIC::mask(Interrupt::TIMER_IRQ_0);
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

pub fn unmask() {
    // SAFETY: only the holder of the lock that this interrupt masked comes here, when it is done.
    unsafe { NVIC::unmask(Interrupt::TIMER_IRQ_0) };
}

/// Makes the interrupt come as soon as it is unmasked.
pub fn pend() {
    NVIC::pend(Interrupt::TIMER_IRQ_0);
}

/// Sleeps till an interrupt comes, if there is nothing to do.
pub fn idle(nothing_to_do: impl FnOnce() -> bool) {
    // An interrupt that comes between the look and the sleep ends the sleep, and runs after it.
    cortex_m::interrupt::free(|_| {
        if nothing_to_do() {
            cortex_m::asm::wfi();
        }
    });
}

#[interrupt]
fn TIMER_IRQ_0() {
    timer().intr().write(|w| w.alarm_0().clear_bit_by_one());
    // SAFETY: this is the interrupt that `mask` masks.
    unsafe { SHELL.step_interrupt() };
}
