//! Analog inputs: gpio26 to gpio29 and the chip's thermometer, one conversion at a time.
#![allow(unsafe_code, reason = "fields that the register crate gives as numbers")]

use crate::gpio::{self, Function};
use drydock_firmware::{AdcSample, Pin, Pull};
use rp2040_hal::pac::{ADC, RESETS};

/// Number of the pin that stands for the chip's thermometer, as build.rs gives it.
const THERMOMETER: u32 = 254;
const THERMOMETER_CHANNEL: Pin = 4;
const FIRST_PIN: u32 = 26;
/// 96 cycles of 48 MHz in ticks of the firmware's clock, rounded up.
const CONVERSION_TICKS: u32 = 28;

/// The converter; a pin's handle is its channel.
pub struct Adc {
    registers: ADC,
    /// The channel that is being converted.
    busy: Option<Pin>,
}

impl Adc {
    pub fn new(resets: &mut RESETS, registers: ADC) -> Self {
        resets.reset().modify(|_, w| w.adc().clear_bit());
        while resets.reset_done().read().adc().bit_is_clear() {}
        registers.cs().write(|w| w.en().set_bit().ts_en().set_bit());
        Self { registers, busy: None }
    }

    pub fn setup(&self, pin: u32) -> Option<Pin> {
        if pin == THERMOMETER {
            return Some(THERMOMETER_CHANNEL);
        }
        let channel = pin.checked_sub(FIRST_PIN).filter(|channel| *channel < 4)?;
        gpio::set_function(pin as Pin, Function::None, Pull::None, false);
        Some(channel as Pin)
    }

    pub fn sample(&mut self, channel: Pin) -> AdcSample {
        match self.busy {
            None => {
                self.busy = Some(channel);
                // SAFETY: a channel that `setup` handed out.
                self.registers.cs().modify(|_, w| unsafe { w.ainsel().bits(channel as u8).start_once().set_bit() });
                AdcSample::Wait { ticks: CONVERSION_TICKS }
            }
            Some(busy) if busy == channel && self.registers.cs().read().ready().bit_is_set() => {
                self.busy = None;
                AdcSample::Ready(self.registers.result().read().result().bits())
            }
            Some(_) => AdcSample::Wait { ticks: CONVERSION_TICKS / 2 },
        }
    }

    pub fn cancel(&mut self, channel: Pin) {
        if self.busy == Some(channel) {
            self.busy = None;
        }
    }
}
