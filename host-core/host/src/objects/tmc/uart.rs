//! A driver on a single-wire UART, alone or with others on the same wire.

use std::rc::Rc;

use super::TmcDriver;
use super::bus::Bus;
use super::model::Model;
use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::mcu::{McuError, TmcUart};
use crate::printer::Printer;
use crate::printer::pins::PinFlags;

const PULLUP: PinFlags = PinFlags { invert: false, pullup: true };

pub struct Line {
    wire: TmcUart,
    /// Micro-controller, receiving pin, sending pin.
    pins: (String, String, String),
    address: u8,
}

impl Line {
    pub fn load(printer: &Rc<Printer>, section: &Section, addresses: i64) -> Result<Line, ConfigError> {
        let rx = printer.pins.take(printer, section, "uart_pin", PULLUP, Some("tmc_uart_rx"))?;
        let tx = match section.text("tx_pin").optional()? {
            Some(_) => Some(printer.pins.take(printer, section, "tx_pin", PinFlags::PLAIN, Some("tmc_uart_tx"))?),
            None => None,
        };
        if let Some(tx) = tx.as_ref().filter(|tx| tx.mcu.name() != rx.mcu.name()) {
            let message =
                format!("TMC uart rx and tx pins must be on the same mcu ({} and {})", rx.mcu.name(), tx.mcu.name());
            return Err(section.error("tx_pin", message));
        }
        if section.has("select_pins") {
            return Err(
                section.error("select_pins", "an analog switch between the drivers (select_pins) is not supported yet")
            );
        }
        let address = match addresses {
            1 => 0,
            n => section.int("uart_address").min(0).max(n - 1).or(0)? as u8,
        };
        let tx_name = tx.as_ref().map_or(&rx.name, |tx| &tx.name).clone();
        let pins = (rx.mcu.name().to_string(), rx.name.clone(), tx_name);
        let mut wire = None;
        for (name, driver) in printer.lookup_all::<TmcDriver>() {
            let Bus::Uart(other) = driver.bus() else { continue };
            if other.pins != pins {
                continue;
            }
            if other.address == address {
                let message = format!("Shared TMC uart must have unique addresses: [{name}] has {address} too");
                let error = section.error("uart_address", message);
                return Err(
                    error.help("drivers on one wire need addresses of their own; see how the board wires MS1 and MS2")
                );
            }
            wire = Some(other.wire.clone());
        }
        let wire =
            wire.unwrap_or_else(|| TmcUart::new(&rx.mcu, &rx.name, rx.pullup, tx.as_ref().map(|tx| tx.name.as_str())));
        Ok(Line { wire, pins, address })
    }

    pub async fn read(&self, motor: &str, model: &Model, register: u8) -> Result<u32, CommandError> {
        let answer = self.wire.read_register(self.address, register).await;
        answer.map_err(|e| plain(motor, "read", model.register_name(register), &e))
    }

    pub async fn write(&self, motor: &str, model: &Model, register: u8, value: u32) -> Result<(), CommandError> {
        self.wire.write_register(self.address, register, value).await.map_err(|e| {
            // The count of accepted writes is asked for first: a dead wire shows there.
            let silent = e.to_string().contains("Unable to read");
            match silent {
                true => plain(motor, "read", "IFCNT", &e),
                false => plain(motor, "write", model.register_name(register), &e),
            }
        })
    }
}

fn plain(motor: &str, what: &str, register: &str, error: &McuError) -> CommandError {
    match error.cause {
        crate::mcu::McuErrorCause::Device(_) => CommandError::new(format!(
            "Unable to {what} tmc uart '{motor}' register {register}\nCheck uart_pin and uart_address, and that the motors have power"
        )),
        _ => CommandError::new(error.to_string()),
    }
}
