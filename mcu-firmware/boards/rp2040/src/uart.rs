//! The host on UART0, gpio0 and gpio1: an interrupt takes bytes in, the main loop puts them out.
//!
//! By hand, since what is wanted is two registers: the HAL's port would bring its own pin types and error type.
#![allow(unsafe_code, reason = "registers that the interrupt and the main loop both use")]

use crate::SHELL;
use crate::gpio::{self, Function};
use cortex_m::Peripherals;
use drydock_firmware::Pull;
use rp2040_hal::clocks::ClocksManager;
use rp2040_hal::pac::{Interrupt, NVIC, RESETS, UART0, interrupt};

const PERIPHERAL_HZ: u32 = 125_000_000;
const BAUD: u32 = drydock_board_shell::number(env!("DRYDOCK_BAUD"));
/// The rate's divider in sixty-fourths.
const DIVIDER: u32 = (PERIPHERAL_HZ * 4 + BAUD / 2) / BAUD;

/// What this port needs of the chip.
macro_rules! peripherals {
    ($chip:ident) => {
        $chip.UART0
    };
}
pub(crate) use peripherals;

pub struct Port(UART0);

impl Port {
    pub fn new(uart: UART0, resets: &mut RESETS, _: ClocksManager) -> Self {
        resets.reset().modify(|_, w| w.uart0().clear_bit());
        while resets.reset_done().read().uart0().bit_is_clear() {}
        gpio::set_function(0, Function::Uart, Pull::None, false);
        gpio::set_function(1, Function::Uart, Pull::Up, false);
        // SAFETY: the rate; the usual frame of eight bits, with queues; an interrupt for half a dozen bytes in, or for
        // fewer when no more come; on, both ways.
        unsafe {
            uart.uartibrd().write(|w| w.bits(DIVIDER >> 6));
            uart.uartfbrd().write(|w| w.bits(DIVIDER & 63));
            uart.uartlcr_h().write(|w| w.bits(3 << 5 | 1 << 4));
            uart.uartifls().write(|w| w.bits(0));
            uart.uartimsc().write(|w| w.bits(1 << 6 | 1 << 4));
            uart.uartcr().write(|w| w.bits(1 << 9 | 1 << 8 | 1));
        }
        // SAFETY: the handler uses nothing but its queue and its port's registers. Steps come before bytes.
        unsafe {
            Peripherals::steal().NVIC.set_priority(Interrupt::UART0_IRQ, u8::MAX);
            NVIC::unmask(Interrupt::UART0_IRQ);
        }
        Self(uart)
    }
}

impl drydock_board_shell::Port for Port {
    /// A byte from the host is an interrupt.
    const WAKES: bool = true;

    fn poll(&mut self) {
        let mut byte = [0];
        while self.0.uartfr().read().txff().bit_is_clear() && SHELL.tx.pop(&mut byte) == 1 {
            // SAFETY: any byte may be sent.
            self.0.uartdr().write(|w| unsafe { w.bits(byte[0].into()) });
        }
    }

    fn is_idle(&mut self) -> bool {
        self.0.uartfr().read().busy().bit_is_clear()
    }
}

#[interrupt]
fn UART0_IRQ() {
    // SAFETY: reads of this port, which the main loop only writes to. A byte that finds no room is lost, as one that came
    // with an error is wrong: the block's checksum tells, and the host repeats it.
    let uart = unsafe { &*UART0::ptr() };
    while uart.uartfr().read().rxfe().bit_is_clear() {
        SHELL.rx.push(&[uart.uartdr().read().bits() as u8]);
    }
    // SAFETY: clears the interrupt of bytes that were fewer.
    unsafe { uart.uarticr().write(|w| w.bits(1 << 6)) };
}
