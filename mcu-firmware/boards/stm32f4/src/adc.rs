//! Analog inputs: one conversion at a time on the first converter.
#![allow(unsafe_code, reason = "fields that the register crate gives as numbers")]

use crate::gpio::{self, Mode};
use drydock_firmware::{AdcSample, Pin, Pull};
use stm32f4xx_hal::pac::{ADC_COMMON, ADC1};
use stm32f4xx_hal::rcc::{Enable, Rcc};

/// Number of the pin that stands for the chip's thermometer, as build.rs gives it.
const THERMOMETER: u32 = 254;
const THERMOMETER_CHANNEL: Pin = if cfg!(any(feature = "stm32f405", feature = "stm32f407")) { 16 } else { 18 };
/// Sampling for 112 cycles and converting for 12, at 84 MHz / 4, in ticks of the firmware's clock, rounded up.
const CONVERSION_TICKS: u32 = 520;
/// For each channel from 0 on, its pin.
const PINS: [Pin; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 32, 33, 34, 35, 36, 37];

/// The converter; a pin's handle is its channel.
pub struct Adc {
    registers: ADC1,
    /// The channel that is being converted.
    busy: Option<Pin>,
}

impl Adc {
    pub fn new(rcc: &mut Rcc, registers: ADC1, common: &ADC_COMMON) -> Self {
        ADC1::enable(rcc);
        // SAFETY: clock over four, thermometer on; the longest sampling but one for each channel.
        unsafe {
            common.ccr().write(|w| w.bits(1 << 16 | 1 << 23));
            registers.smpr1().write(|w| w.bits(0o555_555_555));
            registers.smpr2().write(|w| w.bits(0o5_555_555_555));
        }
        registers.cr2().write(|w| w.adon().set_bit());
        Self { registers, busy: None }
    }

    pub fn setup(&self, pin: u32) -> Option<Pin> {
        if pin == THERMOMETER {
            return Some(THERMOMETER_CHANNEL);
        }
        let channel = PINS.iter().position(|known| u32::from(*known) == pin)?;
        gpio::set_mode(pin as Pin, Mode::Analog, Pull::None);
        Some(channel as Pin)
    }

    pub fn sample(&mut self, channel: Pin) -> AdcSample {
        match self.busy {
            None => {
                self.busy = Some(channel);
                // SAFETY: a sequence of one conversion, of a channel that `setup` handed out.
                self.registers.sqr3().write(|w| unsafe { w.bits(channel.into()) });
                self.registers.sr().write(|w| w.eoc().clear_bit());
                self.registers.cr2().write(|w| w.adon().set_bit().swstart().set_bit());
                AdcSample::Wait { ticks: CONVERSION_TICKS }
            }
            Some(busy) if busy == channel && self.registers.sr().read().eoc().bit_is_set() => {
                self.busy = None;
                AdcSample::Ready(self.registers.dr().read().data().bits())
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
