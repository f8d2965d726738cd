//! The chip without its program: time, pins, what is on the serial line, and the devices on its buses.

use crate::devices::adxl345::Adxl345;
use crate::devices::tmc::Tmc;
use crate::devices::tmc_uart::TmcWire;
use crate::oscillator::Oscillator;
use crate::pins;
use alloc::vec::Vec;
use drydock_firmware::Pin;

/// State of one pin.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PinState {
    pub level: bool,
    pub is_output: bool,
    /// A device here wants to know of changes: a chip select, or the wire of a UART.
    pub watched: bool,
}

/// A device that is found by its chip select.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SpiDevice {
    Adxl345(usize),
    Tmc(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Silicon {
    pub oscillator: Oscillator,
    pub now_tick: u64,
    pub now_ns: u64,
    pub move_count: u16,
    pub short_pulse_ticks: u32,
    pub dictionary: Vec<u8>,
    pub reset_requested: bool,
    pub pins: Vec<PinState>,
    pub transmit: Transmit,
    pub selects: Vec<(Pin, SpiDevice)>,
    pub accelerometers: Vec<(u8, Adxl345)>,
    /// The soonest sample of any accelerometer, `u64::MAX` for none.
    pub next_sample_ns: u64,
    pub drivers: Vec<Tmc>,
    pub uarts: Vec<TmcWire>,
    /// Last colours of each chain of lights.
    pub lights: Vec<(Pin, Vec<u8>)>,
}

/// What the firmware has sent, and the room in its buffer.
#[derive(Clone, Debug)]
pub(crate) struct Transmit {
    /// Nanoseconds of a byte; 0 for a line that takes no time.
    pub byte_ns: u64,
    pub buffer_bytes: usize,
    busy_until_ns: u64,
    bytes: Vec<u8>,
    messages: Vec<(u64, usize)>,
}

impl Transmit {
    pub fn new(baud: u32, buffer_bytes: usize) -> Self {
        let byte_ns = if baud == 0 { 0 } else { 10_000_000_000_u64.div_ceil(u64::from(baud)) };
        Self { byte_ns, buffer_bytes, busy_until_ns: 0, bytes: Vec::new(), messages: Vec::new() }
    }

    /// Queues a message unless it does not fit beside what is still going out.
    pub fn push(&mut self, now_ns: u64, bytes: &[u8]) -> bool {
        if self.byte_ns != 0 {
            let waiting = self.busy_until_ns.saturating_sub(now_ns).div_ceil(self.byte_ns) as usize;
            if waiting + bytes.len() > self.buffer_bytes {
                return false;
            }
            self.busy_until_ns = self.busy_until_ns.max(now_ns) + bytes.len() as u64 * self.byte_ns;
        }
        self.bytes.extend_from_slice(bytes);
        self.messages.push((now_ns, bytes.len()));
        true
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub fn drain(&mut self, mut each: impl FnMut(u64, &[u8])) {
        let mut start = 0;
        for (at_ns, len) in self.messages.drain(..) {
            each(at_ns, &self.bytes[start..start + len]);
            start += len;
        }
        self.bytes.clear();
    }
}

impl Silicon {
    pub fn pin(&mut self, pin: Pin) -> &mut PinState {
        // Pins are handed out by set-ups that check them; a board's own bug would show at the last pin.
        let at = usize::from(pin).min(pins::COUNT - 1);
        &mut self.pins[at]
    }

    /// An output that a device watches has changed.
    #[cold]
    pub fn watched_change(&mut self, pin: Pin, level: bool) {
        for wire in self.uarts.iter_mut().filter(|wire| wire.tx_pin == pin) {
            wire.write(self.now_tick, level, &mut self.drivers);
        }
        for (_, device) in self.selects.iter().filter(|(select, _)| *select == pin) {
            match (*device, level) {
                (SpiDevice::Adxl345(index), false) => self.accelerometers[index].1.select(),
                (SpiDevice::Adxl345(_), true) => {}
                (SpiDevice::Tmc(index), false) => self.drivers[index].select(),
                (SpiDevice::Tmc(index), true) => self.drivers[index].deselect(),
            }
        }
    }

    /// Exchanges bytes with the device whose chip select is low; none answers with ones.
    pub fn spi_transfer(&mut self, data: &mut [u8]) {
        let pins = &self.pins;
        let is_selected = |pin: Pin| pins.get(usize::from(pin)).is_some_and(|pin| pin.is_output && !pin.level);
        let device = self.selects.iter().find(|(pin, _)| is_selected(*pin)).map(|(_, device)| *device);
        for byte in data {
            *byte = match device {
                None => 0xff,
                Some(SpiDevice::Adxl345(index)) => self.accelerometers[index].1.exchange(self.now_ns, *byte),
                Some(SpiDevice::Tmc(index)) => self.drivers[index].exchange(*byte),
            };
        }
        self.find_next_sample();
    }

    /// A bit of a chain of lights has come.
    pub fn light(&mut self, pin: Pin, at: usize, bit: bool) {
        let known = self.lights.iter().position(|(chain, _)| *chain == pin);
        let known = known.unwrap_or_else(|| {
            self.lights.push((pin, Vec::new()));
            self.lights.len() - 1
        });
        let (colours, byte, place) = (&mut self.lights[known].1, at / 8, 0x80 >> (at % 8));
        if colours.len() <= byte {
            colours.resize(byte + 1, 0);
        }
        colours[byte] = colours[byte] & !place | if bit { place } else { 0 };
    }

    pub fn find_next_sample(&mut self) {
        self.next_sample_ns =
            self.accelerometers.iter().map(|(_, chip)| chip.next_sample_ns()).min().unwrap_or(u64::MAX);
    }

    /// What a driver on a UART wire makes of an input pin; `None` where there is no such wire.
    #[cold]
    pub fn uart_level(&mut self, pin: Pin) -> Option<bool> {
        let wire = self.uarts.iter_mut().find(|wire| wire.rx_pin == pin)?;
        Some(wire.read(self.now_tick, &mut self.drivers))
    }

    pub fn fold_state(&self, fold: &mut impl FnMut(u64)) {
        fold(self.now_tick);
        fold(self.now_ns);
        for (at, pin) in self.pins.iter().enumerate().filter(|(_, pin)| pin.is_output) {
            fold((at as u64) << 1 | u64::from(pin.level));
        }
        for (_, chip) in &self.accelerometers {
            chip.fold_state(fold);
        }
        for driver in &self.drivers {
            driver.fold_state(fold);
        }
    }
}
