//! The firmware on an STM32F4.
//!
//! The step timer's interrupt runs the firmware's timers; the main loop moves bytes and runs commands and tasks, with
//! that one interrupt masked while it is inside the firmware. With the feature `qemu` one file is another: `time_qemu.rs`
//! in place of `time.rs`.
#![no_std]
#![no_main]

mod adc;
mod board;
mod gpio;
mod pwm;
#[cfg(feature = "usart1")]
#[path = "usart.rs"]
mod serial;
#[cfg(feature = "usb")]
#[path = "usb.rs"]
mod serial;
mod spi;
#[cfg(not(feature = "qemu"))]
mod time;
#[cfg(feature = "qemu")]
#[path = "time_qemu.rs"]
mod time;
mod watchdog;

use adc::Adc;
use board::Chip;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, entry, exception};
use drydock_board_shell::{ByteQueue, Shared, memory};
use drydock_firmware::Mcu;
use stm32f4xx_hal::pac;

/// Made by build.rs: what the dictionary tells, as constants.
mod facts {
    include!(concat!(env!("OUT_DIR"), "/facts.rs"));
    pub static DICTIONARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/dictionary.z"));
}

/// Bytes from the host; the constant `RECEIVE_WINDOW` leaves room for one block more.
static RX: ByteQueue<256> = ByteQueue::new();
/// Bytes to the host.
static TX: ByteQueue<256> = ByteQueue::new();
static MCU: Shared<Mcu<Chip>> = Shared::empty();
/// The step interrupt has left something for a task.
static TASKS: AtomicBool = AtomicBool::new(false);

/// The main loop sleeps no longer than a tenth of a second.
const IDLE_TICKS: u32 = facts::CLOCK_FREQ_HZ / 10;

#[entry]
fn main() -> ! {
    let (Some(mut core), Some(chip)) = (pac::CorePeripherals::take(), pac::Peripherals::take()) else { restart() };
    memory::start(&mut core.MPU);
    let mut rcc = time::start(chip.RCC, chip.TIM5);
    let mut port = serial::Port::new(chip.GPIOA, serial::peripherals!(chip), &mut rcc);
    gpio::start(&rcc);
    spi::start(&mut rcc);
    let mcu = Mcu::new(Chip { adc: Adc::new(&mut rcc, chip.ADC1, &chip.ADC_COMMON) });
    #[allow(unsafe_code)]
    // SAFETY: the step interrupt is enabled by the first call of `locked` only.
    unsafe {
        MCU.put(mcu)
    };
    locked(|_| ());
    watchdog::start(chip.IWDG);
    let mut bytes = [0; 64];
    loop {
        watchdog::feed();
        port.poll();
        let count = RX.pop(&mut bytes);
        let mut input = &bytes[..count];
        while count > 0 && locked(|mcu| mcu.firmware.rx_step(&mut mcu.board, &mut input)) {
            port.poll();
        }
        if count > 0 || TASKS.swap(false, Relaxed) {
            locked(Mcu::run_tasks);
        }
        if board::RESET.load(Relaxed) && TX.is_empty() && port.is_idle() {
            restart();
        }
        if serial::WAKES {
            time::idle(|| RX.is_empty() && TX.is_empty() && !TASKS.load(Relaxed));
        }
    }
}

/// Lets the main loop use the firmware while the step interrupt waits.
fn locked<T>(work: impl FnOnce(&mut Mcu<Chip>) -> T) -> T {
    time::mask();
    #[allow(unsafe_code)]
    // SAFETY: the step interrupt is masked, and the main loop is not in here twice.
    let Some(mcu) = (unsafe { MCU.get() }) else { restart() };
    let result = work(mcu);
    if !arm_next(mcu.next_timer()) {
        time::pend();
    }
    time::unmask();
    result
}

/// What the step interrupt does.
#[inline]
fn step_interrupt() {
    #[allow(unsafe_code)]
    // SAFETY: this is the interrupt that the main loop masks, and it does not interrupt itself.
    let Some(mcu) = (unsafe { MCU.get() }) else { return };
    loop {
        let next = mcu.timer_irq();
        if arm_next(next) {
            break;
        }
    }
    if mcu.firmware.has_tasks() {
        TASKS.store(true, Relaxed);
    }
}

/// Sets the alarm for the next timer, or for a moment before, so that the main loop gets to feed the watchdog; false where
/// that timer is all but due.
#[inline]
fn arm_next(timer: Option<u32>) -> bool {
    let soon = time::now().wrapping_add(IDLE_TICKS);
    time::arm(timer.filter(|wake| (wake.wrapping_sub(soon) as i32) < 0).unwrap_or(soon))
}

/// Pins float while the chip restarts, and boards are wired so that everything is off then.
fn restart() -> ! {
    SCB::sys_reset()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    restart()
}

#[exception]
#[allow(unsafe_code, reason = "a fault may come at any moment, and this one uses nothing")]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    restart()
}
