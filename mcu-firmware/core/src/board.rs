//! What silicon must do for the firmware: one trait of few methods, each of which says what it MUST do.
//!
//! A method that sets something up may refuse with the [`Shutdown`] that the host is to see. The others cannot fail:
//! they are only ever called with what a set-up accepted.

use crate::shutdown::Shutdown;

/// Number of a pin, as the dictionary's enumeration `pin` gives it.
pub type Pin = u16;

/// What an input's pin is tied to inside the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    None,
    Up,
    Down,
}

impl Pull {
    /// From the wire's `pull_up=%c`: 1 up, 0 none, −1 down.
    pub fn from_wire(pull_up: u8) -> Self {
        match pull_up as i8 {
            0 => Self::None,
            1.. => Self::Up,
            _ => Self::Down,
        }
    }
}

/// Answer to a request for an analog value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdcSample {
    Ready(u16),
    /// The conversion runs; ask again in so many ticks.
    Wait {
        ticks: u32,
    },
}

/// SPI clock polarity and phase, 0..=3.
pub type SpiMode = u8;

/// A serial peripheral bus: one of the chip's own, or three plain pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpiBus {
    Hardware { bus: u32, mode: SpiMode, rate_hz: u32 },
    Software { miso: Pin, mosi: Pin, sclk: Pin, mode: SpiMode, pulse_ticks: u32 },
}

pub trait Board {
    /// MUST be the rate of [`Board::now`], and below 715 MHz, because hosts need three seconds in 31 bits.
    fn clock_freq_hz(&self) -> u32;

    /// MUST be the tick counter: 32 bits, wrapping, never going back.
    fn now(&self) -> u32;

    /// MUST return after at least so many ticks, and soon after.
    fn delay(&mut self, ticks: u32);

    /// MUST be the slots of the move queue that memory has room for, at least 1.
    fn move_count(&self) -> u16;

    /// MUST be the longest step pulse that may be made inside one timer event; longer ones get an event for each edge.
    fn short_pulse_ticks(&self) -> u32;

    /// MUST be the zlib-compressed JSON of [`crate::dictionary`], the same bytes at each call.
    fn dictionary(&self) -> &[u8];

    /// MUST make `pin` an output at `level` without a glitch, or say why it cannot be one.
    fn output_setup(&mut self, pin: u32, level: bool) -> Result<Pin, Shutdown>;

    /// MUST set an output.
    fn output_write(&mut self, pin: Pin, level: bool);

    /// MUST invert an output.
    fn output_toggle(&mut self, pin: Pin);

    /// MUST set an output to `level` for at least `ticks` and then back, before it returns.
    fn output_pulse(&mut self, pin: Pin, level: bool, ticks: u32) {
        self.output_write(pin, level);
        self.delay(ticks);
        self.output_write(pin, !level);
    }

    /// MUST make `pin` an input, or say why it cannot be one.
    fn input_setup(&mut self, pin: u32, pull: Pull) -> Result<Pin, Shutdown>;

    /// MUST be the level at an input now.
    fn input_read(&mut self, pin: Pin) -> bool;

    /// MUST make `pin` an analog input, or refuse with [`Shutdown::AdcPin`].
    fn adc_setup(&mut self, pin: u32) -> Result<Pin, Shutdown>;

    /// MUST start a conversion, or give the value of the one that it started; 12 bits.
    fn adc_sample(&mut self, pin: Pin) -> AdcSample;

    /// MUST forget a conversion that was started.
    fn adc_cancel(&mut self, pin: Pin);

    /// MUST make `pin` a pulse-width output with a cycle as near to `cycle_ticks` as it can, at `value` of [`PWM_MAX`].
    fn pwm_setup(&mut self, pin: u32, cycle_ticks: u32, value: u16) -> Result<Pin, Shutdown>;

    /// MUST set the duty of a pulse-width output, [`PWM_MAX`] being all of the cycle.
    fn pwm_write(&mut self, pin: Pin, value: u16);

    /// MUST make the bus usable, or say why it cannot be; calls for one bus with several settings may alternate.
    fn spi_setup(&mut self, bus: SpiBus) -> Result<(), Shutdown>;

    /// MUST bring a bus of the chip's own to its mode and rate, and its clock to rest. No device is selected yet.
    fn spi_prepare(&mut self, _bus: SpiBus) {}

    /// MUST exchange each byte of `data` for the one that comes back, and leave the clock at rest. The firmware has prepared the
    /// bus and selected the device. A board without a better way for a software bus calls [`crate::spi_bit_bang`].
    fn spi_transfer(&mut self, bus: SpiBus, data: &mut [u8]);

    /// MUST send bit number `at` to a chain of WS281x lights: high for a third or two thirds of 1.25 us.
    fn neopixel_bit(&mut self, pin: Pin, _at: usize, bit: bool) {
        let third = self.clock_freq_hz() / 2_400_000;
        let high = if bit { 2 * third } else { third };
        self.output_pulse(pin, true, high);
        self.delay(3 * third - high);
    }

    /// MUST restart the chip soon: after this call the firmware's state is thrown away.
    fn reset(&mut self);
}

/// Full duty of a hardware pulse-width output.
pub const PWM_MAX: u16 = 32768;
/// Largest analog value.
pub const ADC_MAX: u16 = 4095;
