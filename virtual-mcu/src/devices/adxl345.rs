//! The ADXL345 accelerometer as a digital part: registers, a FIFO of 32 samples, and a sample clock of its own.
//!
//! # Equation      sample k of a measurement is taken at start + ceil(k / (rate · (1 + clock_error)))
//! # Symbols       rate [Hz] = 3200 / 2^(15 − BW_RATE), clock_error: how fast the chip's oscillator runs
//! # Source        Analog Devices ADXL345 data sheet rev. G: registers p. 23-28, FIFO p. 21, last bit p. 32
//! # Valid for     SPI of four wires; rates of 6.25 Hz and up
//! # Caveats       no interrupts, no offsets, no self test; the last bit is 0 at 1600 and 3200 Hz as the data sheet says
//! # Checked by    tests::*; the firmware's own path in tests/host/devices.rs
//! # Cost          one event for each sample while it measures, none otherwise

const FIFO_LEN: usize = 32;
const DEVID: u8 = 0xe5;

mod reg {
    pub const DEVID: u8 = 0x00;
    pub const BW_RATE: u8 = 0x2c;
    pub const POWER_CTL: u8 = 0x2d;
    pub const INT_SOURCE: u8 = 0x30;
    pub const DATA: u8 = 0x32;
    pub const DATA_END: u8 = 0x37;
    pub const FIFO_CTL: u8 = 0x38;
    pub const FIFO_STATUS: u8 = 0x39;
}

const MEASURE: u8 = 0x08;
const DATA_READY: u8 = 0x80;
const OVERRUN: u8 = 0x01;

/// How one chip differs from the data sheet's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adxl345Config {
    /// How much faster than nominal the sample clock runs; chips measured are within −0.051..0.032.
    pub clock_error: f64,
}

impl Default for Adxl345Config {
    fn default() -> Self {
        Self { clock_error: 0.0 }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Adxl345 {
    registers: [u8; 64],
    fifo: [[i16; 3]; FIFO_LEN],
    fifo_start: usize,
    fifo_len: usize,
    /// The sample that the data registers show.
    shown: [i16; 3],
    overrun: bool,
    clock_error: f64,
    start_ns: u64,
    /// Nanoseconds of a sample, times 2^24.
    period: u64,
    samples: u64,
    /// When the next sample is due; `u64::MAX` while the chip stands by.
    next_sample_ns: u64,
    /// First byte of the transfer under way.
    command: Option<u8>,
    address: u8,
}

impl Adxl345 {
    pub fn new(config: Adxl345Config) -> Self {
        let mut registers = [0; 64];
        registers[usize::from(reg::DEVID)] = DEVID;
        registers[usize::from(reg::BW_RATE)] = 0x0a;
        Self {
            registers,
            fifo: [[0; 3]; FIFO_LEN],
            fifo_start: 0,
            fifo_len: 0,
            shown: [0; 3],
            overrun: false,
            clock_error: config.clock_error,
            start_ns: 0,
            period: 0,
            samples: 0,
            next_sample_ns: u64::MAX,
            command: None,
            address: 0,
        }
    }

    pub fn next_sample_ns(&self) -> u64 {
        self.next_sample_ns
    }

    /// Takes the sample that is due.
    pub fn take_sample(&mut self, sample: [i16; 3]) {
        self.samples += 1;
        self.schedule();
        let has_last_bit = self.registers[usize::from(reg::BW_RATE)] & 0x0f < 0x0e;
        let sample = sample.map(|value| {
            let value = value.clamp(-4096, 4095);
            if has_last_bit { value } else { value & !1 }
        });
        let mode = self.registers[usize::from(reg::FIFO_CTL)] >> 6;
        match mode {
            0 => {
                self.overrun |= self.fifo_len > 0;
                (self.fifo_start, self.fifo_len) = (0, 0);
            }
            // A FIFO that does not stream stops when it is full.
            1 if self.fifo_len == FIFO_LEN => {
                self.overrun = true;
                return;
            }
            _ if self.fifo_len == FIFO_LEN => {
                self.overrun = true;
                self.fifo_start = (self.fifo_start + 1) % FIFO_LEN;
                self.fifo_len -= 1;
            }
            _ => {}
        }
        self.fifo[(self.fifo_start + self.fifo_len) % FIFO_LEN] = sample;
        self.fifo_len += 1;
    }

    /// Chip select goes low.
    pub fn select(&mut self) {
        self.command = None;
    }

    /// One byte of a transfer.
    pub fn exchange(&mut self, at_ns: u64, byte: u8) -> u8 {
        let Some(command) = self.command else {
            self.command = Some(byte);
            self.address = byte & 0x3f;
            return 0;
        };
        let answer = if command & 0x80 != 0 { self.read(self.address) } else { 0 };
        if command & 0x80 == 0 {
            self.write(at_ns, self.address, byte);
        }
        if command & 0x40 != 0 {
            self.address = (self.address + 1) & 0x3f;
        }
        answer
    }

    fn read(&mut self, address: u8) -> u8 {
        match address {
            reg::DATA..=reg::DATA_END => {
                if address == reg::DATA {
                    self.show_next();
                }
                let offset = usize::from(address - reg::DATA);
                self.shown[offset / 2].to_le_bytes()[offset % 2]
            }
            reg::FIFO_STATUS => self.level(),
            reg::INT_SOURCE => {
                let ready = if self.fifo_len > 0 { DATA_READY } else { 0 };
                ready | if self.overrun { OVERRUN } else { 0 }
            }
            _ => self.registers[usize::from(address)],
        }
    }

    /// Samples held; without a FIFO there are none beside the one that the data registers show.
    fn level(&self) -> u8 {
        if self.registers[usize::from(reg::FIFO_CTL)] >> 6 == 0 { 0 } else { self.fifo_len as u8 }
    }

    fn show_next(&mut self) {
        if self.fifo_len == 0 {
            return;
        }
        self.shown = self.fifo[self.fifo_start];
        self.fifo_start = (self.fifo_start + 1) % FIFO_LEN;
        self.fifo_len -= 1;
        self.overrun = false;
    }

    fn write(&mut self, at_ns: u64, address: u8, value: u8) {
        if matches!(address, reg::DEVID | reg::INT_SOURCE..=reg::INT_SOURCE | reg::DATA..=reg::DATA_END | reg::FIFO_STATUS)
        {
            return;
        }
        let before = core::mem::replace(&mut self.registers[usize::from(address)], value);
        match address {
            reg::FIFO_CTL if value >> 6 == 0 => (self.fifo_start, self.fifo_len, self.overrun) = (0, 0, false),
            reg::POWER_CTL if (before ^ value) & MEASURE != 0 => self.start(at_ns),
            reg::BW_RATE if before != value => self.start(at_ns),
            _ => {}
        }
    }

    /// Begins to count samples anew.
    fn start(&mut self, at_ns: u64) {
        self.start_ns = at_ns;
        self.samples = 0;
        let code = u32::from(self.registers[usize::from(reg::BW_RATE)] & 0x0f);
        let rate_hz = 3200.0 / f64::from(1 << (15 - code)) * (1.0 + self.clock_error);
        self.period = (1e9 / rate_hz * f64::from(1 << 24)) as u64;
        self.schedule();
    }

    fn schedule(&mut self) {
        let measures = self.registers[usize::from(reg::POWER_CTL)] & MEASURE != 0;
        let elapsed = (u128::from(self.samples + 1) * u128::from(self.period)).div_ceil(1 << 24);
        self.next_sample_ns = if measures { self.start_ns + elapsed as u64 } else { u64::MAX };
    }

    pub fn fold_state(&self, fold: &mut impl FnMut(u64)) {
        fold(self.samples);
        fold(self.fifo_len as u64);
        fold(self.next_sample_ns);
        for value in self.shown {
            fold(value as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn write(chip: &mut Adxl345, at_ns: u64, register: u8, value: u8) {
        chip.select();
        chip.exchange(at_ns, register);
        chip.exchange(at_ns, value);
    }

    fn read(chip: &mut Adxl345, register: u8, count: usize) -> Vec<u8> {
        chip.select();
        chip.exchange(0, register | 0xc0);
        (0..count).map(|_| chip.exchange(0, 0)).collect()
    }

    fn measuring(clock_error: f64) -> Adxl345 {
        let mut chip = Adxl345::new(Adxl345Config { clock_error });
        for (register, value) in [(reg::POWER_CTL, 0), (0x31, 0x0b), (reg::FIFO_CTL, 0), (reg::BW_RATE, 0x0f)] {
            write(&mut chip, 0, register, value);
        }
        write(&mut chip, 0, reg::FIFO_CTL, 0x90);
        write(&mut chip, 1000, reg::POWER_CTL, MEASURE);
        chip
    }

    #[test]
    fn the_chip_says_who_it_is_and_keeps_its_registers() {
        let mut chip = measuring(0.0);
        assert_eq!(read(&mut chip, reg::DEVID, 1), [DEVID]);
        assert_eq!(read(&mut chip, 0x31, 1), [0x0b]);
        write(&mut chip, 0, reg::DEVID, 3);
        assert_eq!(read(&mut chip, reg::DEVID, 1), [DEVID]);
    }

    #[test]
    fn samples_come_at_the_chips_own_rate() {
        let mut chip = measuring(0.02);
        for k in 1..=3264_u64 {
            let due = chip.next_sample_ns();
            assert!(due.abs_diff(1000 + (k * 1_000_000_000).div_ceil(3264)) <= 1, "sample {k} at {due}");
            chip.take_sample([0; 3]);
        }
        write(&mut chip, 5, reg::POWER_CTL, 0);
        assert_eq!(chip.next_sample_ns(), u64::MAX);
    }

    #[test]
    fn the_fifo_gives_samples_back_in_order_without_their_last_bit() {
        let mut chip = measuring(0.0);
        for value in 0..5 {
            chip.take_sample([value, -value, 1000 + value]);
        }
        assert_eq!(read(&mut chip, reg::FIFO_STATUS, 1), [5]);
        for value in 0..5_i16 {
            let data = read(&mut chip, reg::DATA, 6);
            let numbers: Vec<_> = data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
            assert_eq!(numbers, [value & !1, -value & !1, (1000 + value) & !1]);
        }
        assert_eq!(read(&mut chip, reg::FIFO_STATUS, 1), [0]);
    }

    #[test]
    fn a_stream_that_is_not_read_keeps_the_newest_32_and_says_so() {
        let mut chip = measuring(0.0);
        for value in 0..40 {
            chip.take_sample([value * 2, 0, 0]);
        }
        assert_eq!(read(&mut chip, reg::FIFO_STATUS, 1), [32]);
        assert_eq!(read(&mut chip, reg::INT_SOURCE, 1), [DATA_READY | OVERRUN]);
        assert_eq!(read(&mut chip, reg::DATA, 2), [16, 0]);
    }

    #[test]
    fn out_of_range_numbers_stop_at_13_bits() {
        let mut chip = measuring(0.0);
        chip.take_sample([i16::MAX, i16::MIN, 0]);
        assert_eq!(read(&mut chip, reg::DATA, 4), [0xfe, 0x0f, 0x00, 0xf0]);
    }
}
