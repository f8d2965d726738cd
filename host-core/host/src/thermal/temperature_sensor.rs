//! `[temperature_sensor NAME]`: a temperature to look at.

use std::cell::Cell;
use std::rc::Rc;

use super::KELVIN;
use super::heaters::{Heaters, TemperatureSource};
use super::sensor::{self, Range};
use crate::config::{ConfigError, Section};
use crate::printer::{Object, Printer, Value};
use crate::reactor::EventTime;

pub struct TemperatureSensor {
    name: String,
    last_celsius: Cell<f64>,
    /// Least and most so far; `None` before the first reading.
    seen: Cell<Option<(f64, f64)>>,
}

pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let min_celsius = section.float("min_temp").min(-KELVIN).or(-KELVIN)?;
    let max_celsius = section.float("max_temp").above(min_celsius).or(99_999_999.9)?;
    let this = Rc::new(TemperatureSensor {
        name: section.identifier().to_string(),
        last_celsius: Cell::new(0.0),
        seen: Cell::new(None),
    });
    let weak = Rc::downgrade(&this);
    let on_reading = Rc::new(move |_time_s: f64, celsius: f64| {
        if let Some(this) = weak.upgrade() {
            this.reading(celsius);
        }
    });
    sensor::attach(printer, section, Range { min_celsius, max_celsius }, on_reading)?;
    let gcode_id = section.text("gcode_id").optional()?;
    Heaters::of(printer).add_source(section, this.clone(), gcode_id.as_deref())?;
    printer.add_object(section.name(), this);
    Ok(())
}

impl TemperatureSensor {
    fn reading(&self, celsius: f64) {
        self.last_celsius.set(celsius);
        let (min, max) = self.seen.get().unwrap_or((celsius, celsius));
        self.seen.set(Some((min.min(celsius), max.max(celsius))));
    }
}

impl TemperatureSource for TemperatureSensor {
    fn temperature(&self, _eventtime: EventTime) -> (f64, f64) {
        (self.last_celsius.get(), 0.0)
    }
}

impl Object for TemperatureSensor {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let round = |celsius: f64| (celsius * 100.0).round() / 100.0;
        let (min, max) = self.seen.get().unwrap_or((0.0, 0.0));
        Some(minijinja::context! {
            temperature => round(self.last_celsius.get()),
            measured_min_temp => round(min),
            measured_max_temp => round(max),
        })
    }

    fn stats(&self, _eventtime: EventTime) -> Option<(bool, String)> {
        Some((false, format!("{}: temp={:.1}", self.name, self.last_celsius.get())))
    }
}
