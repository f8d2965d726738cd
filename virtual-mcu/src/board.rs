//! The firmware's board on virtual silicon, lent for the time of one event together with the world at its pins.

use crate::pins;
use crate::silicon::Silicon;
use crate::wires::Wires;
use drydock_firmware::board::PWM_MAX;
use drydock_firmware::{AdcSample, Board, Firmware, Lock, Pin, Pull, Shutdown, SpiBus};

pub(crate) struct VirtualBoard<'a, W: Wires + ?Sized> {
    pub silicon: &'a mut Silicon,
    pub wires: &'a mut W,
}

/// What the main loop holds. Nothing interrupts it: the chip does one thing at a time.
pub(crate) struct MainLoop<'a, W: Wires + ?Sized> {
    pub firmware: &'a mut Firmware,
    pub board: VirtualBoard<'a, W>,
}

impl<'a, W: Wires + ?Sized> Lock for MainLoop<'a, W> {
    type Board = VirtualBoard<'a, W>;

    fn lock<T>(&mut self, work: impl FnOnce(&mut Firmware, &mut Self::Board) -> T) -> T {
        work(self.firmware, &mut self.board)
    }

    fn serial_write(&mut self, bytes: &[u8]) -> bool {
        let silicon = &mut self.board.silicon;
        silicon.transmit.push(silicon.now_ns, bytes)
    }
}

fn checked(pin: u32, refusal: Shutdown) -> Result<Pin, Shutdown> {
    if (pin as usize) < pins::COUNT { Ok(pin as Pin) } else { Err(refusal) }
}

impl<W: Wires + ?Sized> VirtualBoard<'_, W> {
    fn set(&mut self, pin: Pin, level: bool) {
        let state = self.silicon.pin(pin);
        state.level = level;
        state.is_output = true;
        if state.watched {
            self.silicon.watched_change(pin, level);
        }
        self.wires.output(self.silicon.now_ns, pin, level);
    }
}

impl<W: Wires + ?Sized> Board for VirtualBoard<'_, W> {
    fn clock_freq_hz(&self) -> u32 {
        self.silicon.oscillator.freq_hz()
    }

    #[inline]
    fn now(&self) -> u32 {
        self.silicon.now_tick as u32
    }

    fn delay(&mut self, ticks: u32) {
        self.silicon.now_tick += u64::from(ticks);
        self.silicon.now_ns = self.silicon.oscillator.ns_of(self.silicon.now_tick);
    }

    fn move_count(&self) -> u16 {
        self.silicon.move_count
    }

    fn short_pulse_ticks(&self) -> u32 {
        self.silicon.short_pulse_ticks
    }

    fn dictionary(&self) -> &[u8] {
        &self.silicon.dictionary
    }

    fn output_setup(&mut self, pin: u32, level: bool) -> Result<Pin, Shutdown> {
        let pin = checked(pin, Shutdown::OutputPin)?;
        self.set(pin, level);
        Ok(pin)
    }

    fn output_write(&mut self, pin: Pin, level: bool) {
        if self.silicon.pin(pin).level != level {
            self.set(pin, level);
        }
    }

    #[inline]
    fn output_toggle(&mut self, pin: Pin) {
        let state = self.silicon.pin(pin);
        let level = !state.level;
        if state.watched {
            return self.set(pin, level);
        }
        state.level = level;
        self.wires.output(self.silicon.now_ns, pin, level);
    }

    #[inline]
    fn output_pulse(&mut self, pin: Pin, level: bool, _ticks: u32) {
        self.wires.pulse(self.silicon.now_ns, pin, level);
    }

    fn input_setup(&mut self, pin: u32, _pull: Pull) -> Result<Pin, Shutdown> {
        let pin = checked(pin, Shutdown::InputPin)?;
        self.silicon.pin(pin).is_output = false;
        Ok(pin)
    }

    fn input_read(&mut self, pin: Pin) -> bool {
        let state = self.silicon.pin(pin);
        if state.is_output {
            return state.level;
        }
        if state.watched
            && let Some(level) = self.silicon.uart_level(pin)
        {
            return level;
        }
        self.wires.input(self.silicon.now_ns, pin)
    }

    fn adc_setup(&mut self, pin: u32) -> Result<Pin, Shutdown> {
        checked(pin, Shutdown::AdcPin)
    }

    fn adc_sample(&mut self, pin: Pin) -> AdcSample {
        AdcSample::Ready(match pins::is_thermometer(pin) {
            true => pins::ADC_TEMPERATURE_CODE,
            false => self.wires.analog(self.silicon.now_ns, pin),
        })
    }

    fn adc_cancel(&mut self, _pin: Pin) {}

    fn pwm_setup(&mut self, pin: u32, cycle_ticks: u32, value: u16) -> Result<Pin, Shutdown> {
        if cycle_ticks == 0 {
            return Err(Shutdown::PwmCycle);
        }
        let pin = checked(pin, Shutdown::PwmPin)?;
        self.pwm_write(pin, value);
        Ok(pin)
    }

    fn pwm_write(&mut self, pin: Pin, value: u16) {
        self.wires.pwm(self.silicon.now_ns, pin, f64::from(value.min(PWM_MAX)) / f64::from(PWM_MAX));
    }

    fn spi_setup(&mut self, bus: SpiBus) -> Result<(), Shutdown> {
        match bus {
            SpiBus::Hardware { bus, .. } if !pins::is_spi_bus(bus) => Err(Shutdown::SpiBus),
            _ => Ok(()),
        }
    }

    fn spi_transfer(&mut self, _bus: SpiBus, data: &mut [u8]) {
        self.silicon.spi_transfer(data);
    }

    fn neopixel_bit(&mut self, pin: Pin, at: usize, bit: bool) {
        self.silicon.light(pin, at, bit);
    }

    fn reset(&mut self) {
        self.silicon.reset_requested = true;
    }
}
