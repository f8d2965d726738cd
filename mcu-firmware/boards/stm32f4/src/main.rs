//! The firmware on an STM32F4.
//!
//! With the feature `qemu` one file is another: `time_qemu.rs` in place of `time.rs`.
#![no_std]
#![no_main]

mod adc;
mod board;
mod gpio;
mod pwm;
#[cfg_attr(feature = "usart1", path = "usart.rs")]
#[cfg_attr(feature = "usb", path = "usb.rs")]
mod serial;
mod spi;
#[cfg_attr(feature = "qemu", path = "time_qemu.rs")]
mod time;
mod watchdog;

use adc::Adc;
use board::Stm32;
use cortex_m::peripheral::SCB;
use cortex_m_rt::entry;
use drydock_board_shell::{Shell, memory};
use stm32f4xx_hal::pac;

/// Made by build.rs: what the dictionary tells, as constants.
mod facts {
    include!(concat!(env!("OUT_DIR"), "/facts.rs"));
    pub static DICTIONARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/dictionary.z"));
}

static SHELL: Shell<Stm32> = Shell::new();

#[entry]
fn main() -> ! {
    let (Some(mut core), Some(chip)) = (pac::CorePeripherals::take(), pac::Peripherals::take()) else {
        SCB::sys_reset()
    };
    memory::start(&mut core.MPU);
    let mut rcc = time::start(chip.RCC, chip.TIM5);
    gpio::start(&rcc);
    spi::start(&mut rcc);
    let adc = Adc::new(&mut rcc, chip.ADC1, &chip.ADC_COMMON);
    let port = serial::Port::new(chip.GPIOA, serial::peripherals!(chip), &mut rcc);
    watchdog::start(chip.IWDG);
    SHELL.run(Stm32 { adc }, port)
}
