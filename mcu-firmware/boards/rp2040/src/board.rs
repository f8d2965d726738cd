//! What the firmware asks of a chip, on this one.

use crate::adc::Adc;
use crate::facts::{CLOCK_FREQ_HZ, DICTIONARY};
use crate::gpio::{self, Function};
use crate::{SHELL, pwm, spi, time};
use drydock_board_shell::{Chip, memory};
use drydock_firmware::{AdcSample, Board, Pin, Pull, Shutdown, SpiBus, spi_bit_bang};

pub struct Rp2040 {
    pub adc: Adc,
}

impl Board for Rp2040 {
    fn clock_freq_hz(&self) -> u32 {
        CLOCK_FREQ_HZ
    }

    #[inline(always)]
    fn now(&self) -> u32 {
        time::now()
    }

    fn delay(&mut self, ticks: u32) {
        let start = time::now();
        while time::now().wrapping_sub(start) <= ticks {}
    }

    fn move_count(&self) -> u16 {
        memory::move_count()
    }

    fn short_pulse_ticks(&self) -> u32 {
        // Half a microsecond: an interrupt for the second edge takes about as long, and lets other steps in before it.
        CLOCK_FREQ_HZ / 2_000_000
    }

    fn dictionary(&self) -> &[u8] {
        DICTIONARY
    }

    fn output_setup(&mut self, pin: u32, level: bool) -> Result<Pin, Shutdown> {
        let pin = gpio::checked(pin).ok_or(Shutdown::OutputPin)?;
        gpio::write(pin, level);
        gpio::set_function(pin, Function::Sio, Pull::None, true);
        Ok(pin)
    }

    #[inline(always)]
    fn output_write(&mut self, pin: Pin, level: bool) {
        gpio::write(pin, level);
    }

    #[inline(always)]
    fn output_toggle(&mut self, pin: Pin) {
        gpio::toggle(pin);
    }

    fn input_setup(&mut self, pin: u32, pull: Pull) -> Result<Pin, Shutdown> {
        let pin = gpio::checked(pin).ok_or(Shutdown::InputPin)?;
        gpio::set_function(pin, Function::Sio, pull, false);
        Ok(pin)
    }

    #[inline(always)]
    fn input_read(&mut self, pin: Pin) -> bool {
        gpio::read(pin)
    }

    fn adc_setup(&mut self, pin: u32) -> Result<Pin, Shutdown> {
        self.adc.setup(pin).ok_or(Shutdown::AdcPin)
    }

    fn adc_sample(&mut self, pin: Pin) -> AdcSample {
        self.adc.sample(pin)
    }

    fn adc_cancel(&mut self, pin: Pin) {
        self.adc.cancel(pin);
    }

    fn pwm_setup(&mut self, pin: u32, cycle_ticks: u32, value: u16) -> Result<Pin, Shutdown> {
        pwm::setup(pin, cycle_ticks, value)
    }

    fn pwm_write(&mut self, pin: Pin, value: u16) {
        pwm::write(pin, value);
    }

    fn spi_setup(&mut self, bus: SpiBus) -> Result<(), Shutdown> {
        match bus {
            SpiBus::Hardware { bus, .. } if !spi::setup(bus) => Err(Shutdown::SpiBus),
            _ => Ok(()),
        }
    }

    fn spi_prepare(&mut self, bus: SpiBus) {
        if let SpiBus::Hardware { bus, mode, rate_hz } = bus {
            spi::prepare(bus, mode, rate_hz);
        }
    }

    fn spi_transfer(&mut self, bus: SpiBus, data: &mut [u8]) {
        match bus {
            SpiBus::Hardware { bus, .. } => spi::transfer(bus, data),
            SpiBus::Software { miso, mosi, sclk, mode, pulse_ticks } => {
                spi_bit_bang(self, (miso, mosi, sclk), mode, pulse_ticks, data);
            }
        }
    }

    fn reset(&mut self) {
        SHELL.restart_soon();
    }
}

impl Chip for Rp2040 {
    fn mask() {
        time::mask();
    }

    fn unmask() {
        time::unmask();
    }

    fn pend() {
        time::pend();
    }

    #[inline(always)]
    fn clock() -> u32 {
        time::now()
    }

    #[inline(always)]
    fn arm(wake: u32) -> bool {
        time::arm(wake)
    }

    fn idle(nothing_to_do: impl FnOnce() -> bool) {
        time::idle(nothing_to_do);
    }

    fn feed_watchdog() {
        time::feed_watchdog();
    }
}
