//! The host on USART1, PA9 and PA10: an interrupt takes bytes in, the main loop puts them out.
//!
//! By hand, since what is wanted is two registers: the HAL's port would bring its own pin types, buffers and error type.
#![allow(unsafe_code, reason = "registers that the interrupt and the main loop both use")]

use crate::{SHELL, gpio};
use cortex_m::Peripherals;
use drydock_firmware::Pull;
use stm32f4xx_hal::pac::{GPIOA, Interrupt, NVIC, USART1, interrupt};
use stm32f4xx_hal::rcc::{Enable, Rcc};

/// Of the bus that the port hangs on.
const BUS_HZ: u32 = 84_000_000;
const BAUD: u32 = drydock_board_shell::number(env!("DRYDOCK_BAUD"));

/// What this port needs of the chip.
macro_rules! peripherals {
    ($chip:ident) => {
        $chip.USART1
    };
}
pub(crate) use peripherals;

pub struct Port(USART1);

impl Port {
    pub fn new(_: GPIOA, usart: USART1, rcc: &mut Rcc) -> Self {
        gpio::start(rcc);
        USART1::enable(rcc);
        gpio::set_alternate(9, 7, Pull::None);
        gpio::set_alternate(10, 7, Pull::Up);
        // SAFETY: the rate in sixteenths, and the usual frame of eight bits.
        usart.brr().write(|w| unsafe { w.bits(((BUS_HZ + BAUD / 2) / BAUD) as u16) });
        usart.cr1().write(|w| w.ue().set_bit().te().set_bit().re().set_bit().rxneie().set_bit());
        // SAFETY: the handler uses nothing but its queue and its port's registers. Steps come before bytes.
        unsafe {
            Peripherals::steal().NVIC.set_priority(Interrupt::USART1, u8::MAX);
            NVIC::unmask(Interrupt::USART1);
        }
        Self(usart)
    }
}

impl drydock_board_shell::Port for Port {
    /// A byte from the host is an interrupt.
    const WAKES: bool = true;

    fn poll(&mut self) {
        let mut byte = [0];
        if self.0.sr().read().txe().bit_is_set() && SHELL.tx.pop(&mut byte) == 1 {
            // SAFETY: any byte may be sent.
            self.0.dr().write(|w| unsafe { w.bits(byte[0].into()) });
        }
    }

    fn is_idle(&mut self) -> bool {
        self.0.sr().read().tc().bit_is_set()
    }
}

#[interrupt]
fn USART1() {
    // SAFETY: reads of this port, which the main loop only writes to. A byte that finds no room is lost, as one that came
    // with an error is wrong: the block's checksum tells, and the host repeats it.
    let usart = unsafe { &*USART1::ptr() };
    if usart.sr().read().rxne().bit_is_set() {
        SHELL.rx.push(&[usart.dr().read().bits() as u8]);
    }
}
