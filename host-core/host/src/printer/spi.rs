//! The SPI options that sections share: spi_bus, or spi_software_miso_pin, _mosi_pin and _sclk_pin.

use std::rc::Rc;

use super::Printer;
use super::pins::PinFlags;
use crate::config::{ConfigError, Section};
use crate::mcu::{Mcu, SpiBus};

const SOFTWARE_PINS: [&str; 3] = ["spi_software_miso_pin", "spi_software_mosi_pin", "spi_software_sclk_pin"];

/// A hardware bus by name (or the first one), or three pins, for a chip whose chip select is on `mcu`.
pub fn load_bus(printer: &Rc<Printer>, section: &Section, mcu: &Mcu) -> Result<SpiBus, ConfigError> {
    let bus = section.text("spi_bus").optional()?;
    let given: Vec<&str> = SOFTWARE_PINS.into_iter().filter(|option| section.has(option)).collect();
    if given.is_empty() {
        return Ok(SpiBus::Hardware { bus: bus.unwrap_or_default() });
    }
    if bus.is_some() {
        let error = section.error("spi_bus", "a chip is on a hardware bus or on software pins, not on both");
        return Err(error.help(format!("remove spi_bus, or {}", given.join(" and "))));
    }
    if let Some(absent) = SOFTWARE_PINS.into_iter().find(|option| !given.contains(option)) {
        return Err(section.missing(absent).help("software SPI needs miso, mosi and sclk, all three"));
    }
    let pin = |option: &str| -> Result<String, ConfigError> {
        // Several chips may hang on the same wires, each wire in the same role.
        let pin = printer.pins.take(printer, section, option, PinFlags::PLAIN, Some(option))?;
        match pin.mcu.is_same(mcu) {
            true => Ok(pin.name),
            false => {
                let error = section.error(option, format!("{}: spi pins must be on same mcu", section.name()));
                Err(error.help(format!("this one is on '{}', cs_pin on '{}'", pin.mcu.name(), mcu.name())))
            }
        }
    };
    let [miso, mosi, sclk] = SOFTWARE_PINS;
    Ok(SpiBus::Software { miso_pin: pin(miso)?, mosi_pin: pin(mosi)?, sclk_pin: pin(sclk)? })
}
