//! A driver on an SPI bus, alone or in a chain of drivers behind one chip select.
//!
//! A datagram has 40 bits: an address (bit 7 set to write) and a value. A chip answers with its status and what the
//! transfer *before* asked for, so a read takes two transfers. In a chain, what goes in first ends in the last chip.

use std::rc::Rc;

use super::TmcDriver;
use super::bus::Bus;
use super::model::Model;
use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::mcu::{McuError, Spi};
use crate::printer::Printer;
use crate::printer::pins::PinFlags;
use crate::printer::spi::load_bus;
use crate::reactor::Mutual;

const MODE: u8 = 3;
const SPEED_HZ: i64 = 4_000_000;
const WRITE: u8 = 0x80;
const DATAGRAM: usize = 5;
const TRIES: usize = 5;

pub struct Link {
    spi: Spi,
    /// A read is two transfers, which belong together; one lock for a chain.
    turn: Mutual,
    select: (String, String),
    /// Place and length of the chain: (1, 1) is a chip of its own.
    position: usize,
    length: usize,
}

impl Link {
    pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<Link, ConfigError> {
        let length = section.int("chain_length").min(2).max(9).optional()?;
        let position = match length {
            Some(length) => section.int("chain_position").min(1).max(length).required()?,
            None => 1,
        };
        let share = length.map(|_| "tmc_spi_cs");
        let cs = printer.pins.take(printer, section, "cs_pin", PinFlags::PLAIN, share)?;
        let rate_hz = section.int("spi_speed").min(100_000).or(SPEED_HZ)? as u32;
        let bus = load_bus(printer, section, &cs.mcu)?;
        let select = (cs.mcu.name().to_string(), cs.name.clone());
        let (position, length) = (position as usize, length.unwrap_or(1) as usize);
        let mut shared = None;
        for (name, driver) in printer.lookup_all::<TmcDriver>() {
            let Bus::Spi(other) = driver.bus() else { continue };
            if other.select != select {
                continue;
            }
            if other.length != length {
                return Err(section.error(
                    "chain_length",
                    format!("TMC SPI chain must have same length: [{name}] has {}", other.length),
                ));
            }
            if other.position == position {
                return Err(section
                    .error("chain_position", format!("TMC SPI chain can not have duplicate position: see [{name}]")));
            }
            shared = Some((other.spi.clone(), other.turn.clone()));
        }
        let (spi, turn) =
            shared.unwrap_or_else(|| (Spi::new(&cs.mcu, Some(&cs.name), false, bus, MODE, rate_hz), Mutual::default()));
        Ok(Link { spi, turn, select, position, length })
    }

    fn datagram(&self, address: u8, value: u32) -> Vec<u8> {
        let mut bytes = vec![0; DATAGRAM * self.length];
        let at = DATAGRAM * (self.length - self.position);
        bytes[at] = address;
        bytes[at + 1..at + DATAGRAM].copy_from_slice(&value.to_be_bytes());
        bytes
    }

    fn answer(&self, bytes: &[u8]) -> u32 {
        let at = DATAGRAM * (self.length - self.position);
        bytes[at + 1..at + DATAGRAM].iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
    }

    pub async fn read(&self, register: u8) -> Result<u32, CommandError> {
        let _turn = self.turn.lock().await;
        let ask = self.datagram(register, 0);
        self.spi.transfer(&ask).await.map_err(plain)?;
        let answer = self.spi.transfer(&ask).await.map_err(plain)?;
        Ok(self.answer(&answer))
    }

    /// For flags that are cleared by writing ones: what comes back is not what was written.
    pub async fn write_unchecked(&self, register: u8, value: u32) -> Result<(), CommandError> {
        let _turn = self.turn.lock().await;
        self.spi.transfer(&self.datagram(register | WRITE, value)).await.map(drop).map_err(plain)
    }

    /// The transfer after a write answers what was written.
    pub async fn write(&self, motor: &str, model: &Model, register: u8, value: u32) -> Result<(), CommandError> {
        if self.spi.mcu().is_offline() {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        let write = self.datagram(register | WRITE, value);
        for _ in 0..TRIES {
            self.spi.transfer(&write).await.map_err(plain)?;
            let answer = self.spi.transfer(&self.datagram(register, 0)).await.map_err(plain)?;
            if self.answer(&answer) == value {
                return Ok(());
            }
        }
        let name = model.register_name(register);
        Err(CommandError::new(format!(
            "Unable to write tmc spi '{motor}' register {name}\nCheck cs_pin and the SPI pins, and that the motors have power"
        )))
    }
}

fn plain(error: McuError) -> CommandError {
    CommandError::new(error.to_string())
}
