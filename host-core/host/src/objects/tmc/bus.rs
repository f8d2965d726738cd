//! The two ways to a driver's registers, with errors in the words that users search for.

use std::rc::Rc;

use super::model::{BusKind, Model};
use super::{spi, uart};
use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::printer::Printer;

pub enum Bus {
    Uart(uart::Line),
    Spi(spi::Link),
}

impl Bus {
    pub fn load(printer: &Rc<Printer>, section: &Section, model: &Model) -> Result<Bus, ConfigError> {
        match model.bus {
            BusKind::Uart { addresses } => uart::Line::load(printer, section, addresses).map(Bus::Uart),
            BusKind::Spi => spi::Link::load(printer, section).map(Bus::Spi),
        }
    }

    pub async fn read(&self, motor: &str, model: &Model, register: u8) -> Result<u32, CommandError> {
        match self {
            Bus::Uart(line) => line.read(motor, model, register).await,
            Bus::Spi(link) => link.read(register).await,
        }
    }

    /// Writes, and makes sure that the chip took it as far as its bus can tell.
    pub async fn write(&self, motor: &str, model: &Model, register: u8, value: u32) -> Result<(), CommandError> {
        match self {
            Bus::Uart(line) => line.write(motor, model, register, value).await,
            Bus::Spi(link) => link.write(motor, model, register, value).await,
        }
    }
}
