//! `sensor_type: temperature_host`: the temperature of the computer that runs the host.
//!
//! The host itself reads no files: its shell may tell the temperature by [`HostTemperature::set`]. Where nobody does (in a
//! simulation there is no such computer) the sensor reads 0 °C and its limits are not checked.

use std::rc::Rc;

use super::sensor::{OnReading, Range};
use crate::config::{ConfigError, Section};
use crate::printer::{Object, Printer};

pub struct HostTemperature {
    range: Range,
    section: String,
    on_reading: OnReading,
}

impl Object for HostTemperature {}

pub fn attach(
    printer: &Rc<Printer>,
    section: &Section,
    range: Range,
    on_reading: OnReading,
) -> Result<(), ConfigError> {
    // Where the shell finds the temperature is its business; the option is Klipper's.
    section.text("sensor_path").optional()?;
    let sensor = HostTemperature { range, section: section.name().to_string(), on_reading };
    printer.add_object(&format!("temperature_host {}", section.name()), Rc::new(sensor));
    Ok(())
}

impl HostTemperature {
    /// What the shell measured.
    pub fn set(&self, printer: &Printer, celsius: f64) {
        let now = printer.reactor.now();
        (self.on_reading)(printer.main_mcu().estimated_print_time(now), celsius);
        let Range { min_celsius, max_celsius } = self.range;
        if !(min_celsius..=max_celsius).contains(&celsius) {
            printer.invoke_shutdown(&format!(
                "HOST temperature {celsius:.1} of [{}] outside {min_celsius:.1}:{max_celsius:.1}",
                self.section
            ));
        }
    }
}
