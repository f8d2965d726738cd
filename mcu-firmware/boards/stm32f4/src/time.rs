//! Clocks, and the step timer: TIM5 counts freely, 32 bits wide, and its first comparator makes the step interrupt. It
//! is both the firmware's clock and its alarm, so that no two rates can part.
#![allow(unsafe_code, reason = "registers that the interrupt and the main loop both use")]

use crate::SHELL;
use crate::facts::CLOCK_FREQ_HZ;
use stm32f4xx_hal::pac::{Interrupt, NVIC, RCC, TIM5, interrupt, tim5};
use stm32f4xx_hal::rcc::{Config, Enable, Rcc, RccExt};
use stm32f4xx_hal::time::Hertz;

/// The board's crystal.
const CRYSTAL_HZ: u32 = drydock_board_shell::number(env!("DRYDOCK_CRYSTAL_HZ"));
/// F401 goes no faster than 84 MHz; the others run at the most that gives USB its 48 MHz.
const CORE_HZ: u32 = if cfg!(feature = "stm32f401") { 84_000_000 } else { 168_000_000 };
/// An alarm nearer than this may be past by the time that it is set.
const ALARM_MIN_TICKS: i32 = 20;
const ALARM_MAX_TICKS: i32 = CLOCK_FREQ_HZ as i32 / 10;

pub fn start(rcc: RCC, timer: TIM5) -> Rcc {
    let config =
        Config::hse(Hertz::from_raw(CRYSTAL_HZ)).sysclk(Hertz::from_raw(CORE_HZ)).hclk(Hertz::from_raw(CORE_HZ));
    let config = config.pclk1(Hertz::from_raw(42_000_000)).pclk2(Hertz::from_raw(84_000_000)).require_pll48clk();
    let mut rcc = rcc.freeze(config);
    debug_assert_eq!(rcc.clocks.timclk1().raw(), CLOCK_FREQ_HZ);
    TIM5::enable(&mut rcc);
    // SAFETY: every value of these registers is allowed.
    unsafe {
        timer.arr().write(|w| w.bits(u32::MAX));
        timer.dier().write(|w| w.bits(1 << 1));
    }
    timer.cr1().write(|w| w.cen().set_bit());
    rcc
}

#[inline(always)]
fn timer() -> &'static tim5::RegisterBlock {
    // SAFETY: a register block of the chip, of which the calls below use one register each.
    unsafe { &*TIM5::ptr() }
}

#[inline(always)]
pub fn now() -> u32 {
    timer().cnt().read().bits()
}

/// Sets the alarm, or one a tenth of a second ahead; false where the moment is so near that the caller must see to it
/// itself.
#[inline]
pub fn arm(wake: u32) -> bool {
    let start = now();
    let ticks = (wake.wrapping_sub(start) as i32).min(ALARM_MAX_TICKS);
    // SAFETY: every value of this register is allowed.
    unsafe { timer().ccr1().write(|w| w.bits(start.wrapping_add(ticks as u32))) };
    ticks >= ALARM_MIN_TICKS
}

pub fn mask() {
    NVIC::mask(Interrupt::TIM5);
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

pub fn unmask() {
    // SAFETY: only the holder of the lock that this interrupt masked comes here, when it is done.
    unsafe { NVIC::unmask(Interrupt::TIM5) };
}

/// Makes the interrupt come as soon as it is unmasked.
pub fn pend() {
    NVIC::pend(Interrupt::TIM5);
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
fn TIM5() {
    // SAFETY: clears the comparator's flag and no other: writing ones leaves flags as they are.
    unsafe { timer().sr().write(|w| w.bits(!(1 << 1))) };
    // SAFETY: this is the interrupt that `mask` masks.
    unsafe { SHELL.step_interrupt() };
}
