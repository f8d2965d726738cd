//! The firmware on an RP2040. The same image runs under rp2040js: nothing here knows of it.
#![no_std]
#![no_main]

mod adc;
mod board;
#[cfg(feature = "usb")]
mod flash_id;
mod gpio;
mod pwm;
#[cfg_attr(feature = "uart0", path = "uart.rs")]
#[cfg_attr(feature = "usb", path = "usb.rs")]
mod serial;
mod spi;
mod time;

use adc::Adc;
use board::Rp2040;
use cortex_m::peripheral::SCB;
use cortex_m_rt::entry;
use drydock_board_shell::{Shell, memory};
use rp2040_hal::clocks::init_clocks_and_plls;
use rp2040_hal::{Watchdog, pac};

/// Made by build.rs: what the dictionary tells, as constants.
mod facts {
    include!(concat!(env!("OUT_DIR"), "/facts.rs"));
    pub static DICTIONARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/dictionary.z"));
}

/// What the ROM runs first; this one works with every flash chip.
#[unsafe(link_section = ".boot2")]
#[used]
#[allow(unsafe_code, reason = "a section of its own")]
static BOOT2: [u8; 256] = rp2040_boot2::BOOT_LOADER_GENERIC_03H;

static SHELL: Shell<Rp2040> = Shell::new();

#[entry]
fn main() -> ! {
    let (Some(mut core), Some(mut chip)) = (pac::CorePeripherals::take(), pac::Peripherals::take()) else {
        SCB::sys_reset()
    };
    memory::start(&mut core.MPU);
    let mut watchdog = Watchdog::new(chip.WATCHDOG);
    let clocks = init_clocks_and_plls(
        facts::CLOCK_FREQ_HZ,
        chip.XOSC,
        chip.CLOCKS,
        chip.PLL_SYS,
        chip.PLL_USB,
        &mut chip.RESETS,
        &mut watchdog,
    );
    let Ok(clocks) = clocks else { SCB::sys_reset() };
    time::start(&mut watchdog, &mut chip.RESETS, &chip.TIMER);
    gpio::start(&mut chip.RESETS, &chip.IO_BANK0, &chip.PADS_BANK0);
    spi::start(&mut chip.RESETS);
    pwm::start(&mut chip.RESETS, &chip.PWM);
    let adc = Adc::new(&mut chip.RESETS, chip.ADC);
    let port = serial::Port::new(serial::peripherals!(chip), &mut chip.RESETS, clocks);
    time::start_watchdog();
    SHELL.run(Rp2040 { adc }, port)
}
