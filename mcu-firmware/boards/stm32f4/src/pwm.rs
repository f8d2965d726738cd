//! Pulse-width outputs of the timers.
//!
//! The register crate gives every timer a type of its own, and the host says at run time which it wants; the blocks are
//! alike in what is used here, so these registers are reached by hand, each at its place in the reference manual.
#![allow(unsafe_code, reason = "the timer is found by its number")]

use crate::facts::CLOCK_FREQ_HZ;
use crate::gpio;
use drydock_firmware::board::PWM_MAX;
use drydock_firmware::{Pin, Pull, Shutdown};
use stm32f4xx_hal::pac::RCC;

struct Output {
    pin: Pin,
    function: u32,
    timer: u8,
    /// 1 to 4.
    channel: u8,
}

const fn output(port: u8, bit: u8, function: u32, timer: u8, channel: u8) -> Output {
    Output { pin: ((port - b'A') * 16 + bit) as Pin, function, timer, channel }
}

/// Pins and the timers behind them; TIM5 is the firmware's clock.
const OUTPUTS: &[Output] = &[
    output(b'A', 8, 1, 1, 1),
    output(b'A', 9, 1, 1, 2),
    output(b'A', 10, 1, 1, 3),
    output(b'A', 11, 1, 1, 4),
    output(b'E', 9, 1, 1, 1),
    output(b'E', 11, 1, 1, 2),
    output(b'E', 13, 1, 1, 3),
    output(b'E', 14, 1, 1, 4),
    output(b'A', 0, 1, 2, 1),
    output(b'A', 1, 1, 2, 2),
    output(b'A', 5, 1, 2, 1),
    output(b'A', 15, 1, 2, 1),
    output(b'B', 3, 1, 2, 2),
    output(b'B', 10, 1, 2, 3),
    output(b'B', 11, 1, 2, 4),
    output(b'A', 6, 2, 3, 1),
    output(b'A', 7, 2, 3, 2),
    output(b'B', 0, 2, 3, 3),
    output(b'B', 1, 2, 3, 4),
    output(b'B', 4, 2, 3, 1),
    output(b'B', 5, 2, 3, 2),
    output(b'C', 6, 2, 3, 1),
    output(b'C', 7, 2, 3, 2),
    output(b'C', 8, 2, 3, 3),
    output(b'C', 9, 2, 3, 4),
    output(b'B', 6, 2, 4, 1),
    output(b'B', 7, 2, 4, 2),
    output(b'B', 8, 2, 4, 3),
    output(b'B', 9, 2, 4, 4),
    output(b'D', 12, 2, 4, 1),
    output(b'D', 13, 2, 4, 2),
    output(b'D', 14, 2, 4, 3),
    output(b'D', 15, 2, 4, 4),
    output(b'A', 2, 3, 9, 1),
    output(b'A', 3, 3, 9, 2),
    output(b'E', 5, 3, 9, 1),
    output(b'E', 6, 3, 9, 2),
];

/// Where a timer's registers are, the bit of its clock, and whether it hangs on the faster bus.
const fn place(timer: u8) -> (usize, u32, bool) {
    match timer {
        1 => (0x4001_0000, 1 << 0, true),
        9 => (0x4001_4000, 1 << 16, true),
        2 => (0x4000_0000, 1 << 0, false),
        3 => (0x4000_0400, 1 << 1, false),
        _ => (0x4000_0800, 1 << 2, false),
    }
}

/// The timers of the faster bus count at the core's clock, twice that of the firmware, but on F401, where it is the same.
const FAST_RATIO: u32 = if cfg!(feature = "stm32f401") { 1 } else { 2 };
const CR1: usize = 0x00;
const EGR: usize = 0x14;
const CCMR1: usize = 0x18;
const CCER: usize = 0x20;
const PSC: usize = 0x28;
const ARR: usize = 0x2c;
const CCR1: usize = 0x34;
const BDTR: usize = 0x44;
/// Compare mode that is high below the value, changed at the end of a cycle.
const PWM_MODE: u32 = 6 << 4 | 1 << 3;

struct Registers(usize);

impl Registers {
    fn read(&self, at: usize) -> u32 {
        // SAFETY: `place` names timers that every chip of this crate has, and the offsets lie in their blocks.
        unsafe { ((self.0 + at) as *const u32).read_volatile() }
    }

    fn write(&self, at: usize, value: u32) {
        // SAFETY: as above; a timer touches no memory.
        unsafe { ((self.0 + at) as *mut u32).write_volatile(value) }
    }
}

/// Makes a pin a pulse-width output; its handle is its row. Outputs of one timer share their cycle.
pub fn setup(pin: u32, cycle_ticks: u32, value: u16) -> Result<Pin, Shutdown> {
    let row = OUTPUTS.iter().position(|output| u32::from(output.pin) == pin).ok_or(Shutdown::PwmPin)?;
    let output = &OUTPUTS[row];
    let (base, clock, fast) = place(output.timer);
    let cycle = u64::from(cycle_ticks) * u64::from(if fast { FAST_RATIO } else { 1 });
    // As many counts as 16 bits hold, for the finest duty.
    let prescaler = cycle.div_ceil(65_536).max(1);
    let counts = cycle / prescaler;
    if counts < 2 || prescaler > 65_536 || cycle_ticks > CLOCK_FREQ_HZ {
        return Err(Shutdown::PwmCycle);
    }
    // SAFETY: switches on the clock of one timer and changes no other bit.
    unsafe {
        let rcc = &*RCC::ptr();
        match fast {
            true => _ = rcc.apb2enr().modify(|r, w| w.bits(r.bits() | clock)),
            false => _ = rcc.apb1enr().modify(|r, w| w.bits(r.bits() | clock)),
        }
    }
    let timer = Registers(base);
    let (psc, arr) = (prescaler as u32 - 1, counts as u32 - 1);
    if timer.read(CR1) & 1 != 0 && (timer.read(PSC), timer.read(ARR)) != (psc, arr) {
        return Err(Shutdown::PwmCycle);
    }
    timer.write(PSC, psc);
    timer.write(ARR, arr);
    let channel = u32::from(output.channel - 1);
    let (ccmr, shift) = (CCMR1 + 4 * (channel as usize / 2), channel % 2 * 8);
    timer.write(ccmr, timer.read(ccmr) & !(0xff << shift) | PWM_MODE << shift);
    write(row as Pin, value);
    timer.write(CCER, timer.read(CCER) | 1 << (4 * channel));
    if timer.read(CR1) & 1 == 0 {
        timer.write(EGR, 1);
    }
    if output.timer == 1 {
        timer.write(BDTR, 1 << 15);
    }
    timer.write(CR1, 1 << 7 | 1);
    gpio::set_alternate(output.pin, output.function, Pull::None);
    Ok(row as Pin)
}

pub fn write(row: Pin, value: u16) {
    let Some(output) = OUTPUTS.get(usize::from(row)) else { return };
    let timer = Registers(place(output.timer).0);
    let counts = u64::from(timer.read(ARR)) + 1;
    let on = counts * u64::from(value.min(PWM_MAX)) / u64::from(PWM_MAX);
    timer.write(CCR1 + 4 * usize::from(output.channel - 1), on as u32);
}
