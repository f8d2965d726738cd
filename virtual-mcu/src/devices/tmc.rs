//! TMC stepper drivers as sets of registers: who they are, what they count, and the two ways to reach them.
//!
//! # Source        Trinamic data sheets TMC2208 rev. 1.13, TMC2209 rev. 1.09, TMC2130 rev. 1.15, TMC5160 rev. 1.18
//! # Valid for     configuration and status reads by a host
//! # Caveats       the power stage is the plant's: it reads currents and microsteps here and puts in what it measures
//! # Checked by    tests::*, tests/host/devices.rs
//! # Cost          nothing while no one talks to it

use alloc::collections::BTreeMap;

/// Which driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TmcKind {
    Tmc2130,
    Tmc2208,
    Tmc2209,
    Tmc5160,
}

pub(crate) mod reg {
    pub const GCONF: u8 = 0x00;
    pub const GSTAT: u8 = 0x01;
    /// UART drivers count accepted writes here; SPI drivers have their pins at 0x04 and UART drivers at 0x06.
    pub const IFCNT: u8 = 0x02;
    pub const IOIN_SPI: u8 = 0x04;
    pub const IOIN_UART: u8 = 0x06;
    pub const TSTEP: u8 = 0x12;
    pub const MSCNT: u8 = 0x6a;
    pub const MSCURACT: u8 = 0x6b;
    pub const CHOPCONF: u8 = 0x6c;
    pub const DRV_STATUS: u8 = 0x6f;
    pub const PWMCONF: u8 = 0x70;
}

/// Registers that only the chip itself writes.
const READ_ONLY: &[u8] =
    &[reg::IFCNT, reg::IOIN_SPI, reg::IOIN_UART, reg::TSTEP, 0x41, reg::MSCNT, reg::MSCURACT, reg::DRV_STATUS, 0x71];

/// The driver has been reset since this was last cleared.
const GSTAT_RESET: u32 = 1;
const STANDSTILL: u32 = 1 << 31;

/// One driver.
#[derive(Clone, Debug)]
pub(crate) struct Tmc {
    kind: TmcKind,
    registers: BTreeMap<u8, u32>,
    ifcnt: u8,
    /// What the next SPI transfer answers.
    spi_answer: u32,
    shift: [u8; 5],
    shifted: usize,
}

impl Tmc {
    pub fn new(kind: TmcKind) -> Self {
        let version: u32 = match kind {
            TmcKind::Tmc2130 => 0x11,
            TmcKind::Tmc2208 => 0x20,
            TmcKind::Tmc2209 => 0x21,
            TmcKind::Tmc5160 => 0x30,
        };
        let (gconf, chopconf, pwmconf) = match kind {
            TmcKind::Tmc2208 => (0x101, 0x1000_0053, 0xc10d_0024),
            TmcKind::Tmc2209 => (0x101, 0x1000_0053, 0xc10d_0024),
            TmcKind::Tmc2130 => (0, 0, 0x0005_0480),
            TmcKind::Tmc5160 => (0, 0x1041_0150, 0xc40c_001e),
        };
        let ioin = if kind.is_uart() { reg::IOIN_UART } else { reg::IOIN_SPI };
        // At rest on its first microstep, a coil current of 0 and of the largest value.
        let registers = [
            (reg::GCONF, gconf),
            (reg::GSTAT, GSTAT_RESET),
            (ioin, version << 24),
            (reg::TSTEP, 0x000f_ffff),
            (reg::MSCURACT, 0x00f7_0000),
            (reg::CHOPCONF, chopconf),
            (reg::PWMCONF, pwmconf),
            (reg::DRV_STATUS, STANDSTILL),
        ];
        Self { kind, registers: registers.into(), ifcnt: 0, spi_answer: 0, shift: [0; 5], shifted: 0 }
    }

    pub fn read(&mut self, register: u8) -> u32 {
        if register == reg::IFCNT && self.kind.is_uart() {
            return u32::from(self.ifcnt);
        }
        let value = self.peek(register);
        if register == reg::GSTAT && self.kind == TmcKind::Tmc2130 {
            self.registers.insert(reg::GSTAT, 0);
        }
        value
    }

    /// What a register holds, without the effects of reading it.
    pub fn peek(&self, register: u8) -> u32 {
        self.registers.get(&(register & 0x7f)).copied().unwrap_or(0)
    }

    pub fn write(&mut self, register: u8, value: u32) {
        self.ifcnt = self.ifcnt.wrapping_add(1);
        match register {
            reg::GSTAT if self.kind == TmcKind::Tmc2130 => {}
            // Flags are cleared by writing ones.
            reg::GSTAT => self.put(reg::GSTAT, self.peek(reg::GSTAT) & !value),
            _ if READ_ONLY.contains(&register) => {}
            _ => self.put(register, value),
        }
    }

    /// Sets what the chip itself measures.
    pub fn put(&mut self, register: u8, value: u32) {
        self.registers.insert(register & 0x7f, value);
    }

    /// Chip select goes low.
    pub fn select(&mut self) {
        self.shifted = 0;
        self.shift = [0; 5];
    }

    /// One byte of an SPI transfer: the chip answers with its status and what the transfer before asked for.
    pub fn exchange(&mut self, byte: u8) -> u8 {
        let [b3, b2, b1, b0] = self.spi_answer.to_be_bytes();
        let answer = [self.spi_status(), b3, b2, b1, b0].get(self.shifted).copied();
        // Beyond its 40 bits, a chip passes on what came in.
        let answer = answer.unwrap_or(self.shift[0]);
        self.shift.rotate_left(1);
        self.shift[4] = byte;
        self.shifted += 1;
        answer
    }

    /// Chip select goes high: the last 40 bits count.
    pub fn deselect(&mut self) {
        if self.shifted < self.shift.len() {
            return;
        }
        let [address, data @ ..] = self.shift;
        let value = u32::from_be_bytes(data);
        if address & 0x80 == 0 {
            self.spi_answer = self.read(address);
        } else {
            self.write(address & 0x7f, value);
            self.spi_answer = value;
        }
    }

    fn spi_status(&self) -> u8 {
        let gstat = self.peek(reg::GSTAT) as u8;
        let standstill = u8::from(self.peek(reg::DRV_STATUS) & STANDSTILL != 0) << 3;
        gstat & 1 | gstat & 2 | standstill
    }

    pub fn fold_state(&self, fold: &mut impl FnMut(u64)) {
        fold(u64::from(self.ifcnt));
        for (register, value) in &self.registers {
            fold(u64::from(*register) << 32 | u64::from(*value));
        }
    }
}

impl TmcKind {
    /// Whether the driver is reached by the single-wire UART rather than by SPI.
    pub fn is_uart(self) -> bool {
        matches!(self, Self::Tmc2208 | Self::Tmc2209)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(driver: &mut Tmc, bytes: [u8; 5]) -> [u8; 5] {
        driver.select();
        let answer = bytes.map(|byte| driver.exchange(byte));
        driver.deselect();
        answer
    }

    #[test]
    fn an_spi_read_is_answered_by_the_next_transfer() {
        let mut driver = Tmc::new(TmcKind::Tmc5160);
        transfer(&mut driver, [0x04, 0, 0, 0, 0]);
        assert_eq!(transfer(&mut driver, [0x04, 0, 0, 0, 0])[1..], [0x30, 0, 0, 0]);
        transfer(&mut driver, [0xec, 1, 2, 3, 4]);
        assert_eq!(driver.peek(reg::CHOPCONF), 0x0102_0304);
        transfer(&mut driver, [0x6c, 0, 0, 0, 0]);
        assert_eq!(transfer(&mut driver, [0; 5])[1..], [1, 2, 3, 4]);
    }

    #[test]
    fn the_reset_flag_is_cleared_the_way_each_driver_does_it() {
        let mut driver = Tmc::new(TmcKind::Tmc2130);
        assert_eq!(driver.read(reg::GSTAT), 1);
        assert_eq!(driver.read(reg::GSTAT), 0);
        let mut driver = Tmc::new(TmcKind::Tmc2209);
        assert_eq!(driver.read(reg::GSTAT), 1);
        assert_eq!(driver.read(reg::GSTAT), 1);
        driver.write(reg::GSTAT, 1);
        assert_eq!(driver.read(reg::GSTAT), 0);
    }

    #[test]
    fn a_uart_driver_counts_each_write_even_of_what_it_only_reads() {
        let mut driver = Tmc::new(TmcKind::Tmc2208);
        for _ in 0..300 {
            driver.write(reg::DRV_STATUS, 0);
        }
        assert_eq!(driver.read(reg::IFCNT), 300 % 256);
        assert_eq!(driver.peek(reg::DRV_STATUS), STANDSTILL);
    }
}
