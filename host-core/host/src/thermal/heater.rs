//! One heater of the printer: its section, its sensor, its pin, and the core that decides.

use std::cell::RefCell;
use std::rc::Rc;

use super::control::Control;
use super::core::{HeaterCore, Limits, MAX_HEAT_TIME_S, OutOfRange, PWM_DELAY_S};
use super::heaters::TemperatureSource;
use super::law::ControlLaw;
use super::sensor::{self, Range};
use crate::config::{ConfigError, Section};
use crate::mcu::{PwmSetup, SoftPwm};
use crate::printer::pins::PinFlags;
use crate::printer::{Event, Object, Printer, Value};
use crate::reactor::EventTime;

/// A temperature older than this is shown as 0.
const STALE_S: f64 = 7.0;

pub struct Heater {
    name: String,
    core: RefCell<HeaterCore>,
    last_reading_s: std::cell::Cell<f64>,
    min_extrude_celsius: f64,
    offline: bool,
    pwm: SoftPwm,
}

impl Heater {
    /// Reads the heater's options of `section` and connects sensor and pin. [`Heaters`](super::heaters::Heaters) calls it.
    pub(super) fn load(printer: &Rc<Printer>, section: &Section) -> Result<Rc<Heater>, ConfigError> {
        let control = Control::load(section)?;
        let Limits { min_celsius, max_celsius, .. } = control.limits;
        let min_extrude_celsius = section.float("min_extrude_temp").min(min_celsius).max(max_celsius).or(170.0)?;
        let cycle_time_s = section.float("pwm_cycle_time").above(0.0).max(PWM_DELAY_S).or(0.100)?;
        let pin = printer.pins.take(printer, section, "heater_pin", PinFlags::OUTPUT, None)?;
        let setup = PwmSetup { cycle_time_s, start_value: 0.0, shutdown_value: 0.0, max_duration_s: MAX_HEAT_TIME_S };
        let heater = Rc::new(Heater {
            name: section.name().to_string(),
            core: RefCell::new(control.core()),
            last_reading_s: std::cell::Cell::new(f64::NEG_INFINITY),
            min_extrude_celsius,
            offline: printer.is_offline(),
            pwm: SoftPwm::new(&pin.mcu, &pin.name, pin.invert, setup),
        });
        let weak = Rc::downgrade(&heater);
        let on_reading = Rc::new(move |time_s: f64, celsius: f64| {
            if let Some(heater) = weak.upgrade() {
                heater.reading(time_s, celsius);
            }
        });
        sensor::attach(printer, section, Range { min_celsius, max_celsius }, on_reading)?;
        let weak = Rc::downgrade(&heater);
        printer.on(Event::Shutdown, move || {
            if let Some(heater) = weak.upgrade() {
                heater.core.borrow_mut().kill();
            }
        });
        Ok(heater)
    }

    pub(super) fn reading(&self, time_s: f64, celsius: f64) {
        self.last_reading_s.set(time_s);
        let update = self.core.borrow_mut().reading(time_s, celsius);
        if let Some(update) = update {
            self.pwm.set_pwm(update.time_s, update.power);
        }
    }

    /// Name of the section: `extruder`, `heater_generic chamber`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its last word: what HEATER= names.
    pub fn short_name(&self) -> &str {
        self.name.rsplit(' ').next().unwrap_or(&self.name)
    }

    pub fn set_target(&self, celsius: f64) -> Result<(), OutOfRange> {
        self.core.borrow_mut().set_target(celsius)
    }

    pub fn target(&self) -> f64 {
        self.core.borrow().temperature().1
    }

    /// May filament be pushed through? Offline nothing is ever warm, and everything may.
    pub fn can_extrude(&self) -> bool {
        let (celsius, _) = self.core.borrow().temperature();
        self.min_extrude_celsius <= 0.0 || self.offline || celsius >= self.min_extrude_celsius
    }

    pub fn min_extrude_celsius(&self) -> f64 {
        self.min_extrude_celsius
    }

    pub fn max_power(&self) -> f64 {
        self.core.borrow().limits().max_power
    }

    pub fn power(&self) -> f64 {
        self.core.borrow().power()
    }

    pub fn is_busy(&self) -> bool {
        self.core.borrow().is_busy()
    }

    /// Another law takes over; see [`HeaterCore::set_law`].
    pub fn set_law(&self, law: Box<dyn ControlLaw>) -> Box<dyn ControlLaw> {
        self.core.borrow_mut().set_law(law)
    }

    /// Temperature, target and power as status fields have them.
    pub fn status_values(&self, eventtime: EventTime) -> (f64, f64, f64) {
        let (celsius, target) = self.temperature(eventtime);
        ((celsius * 100.0).round() / 100.0, target, self.power())
    }
}

impl TemperatureSource for Heater {
    fn temperature(&self, eventtime: EventTime) -> (f64, f64) {
        let (celsius, target) = self.core.borrow().temperature();
        let stale = self.last_reading_s.get() < self.pwm.mcu().estimated_print_time(eventtime) - STALE_S;
        (if stale { 0.0 } else { celsius }, target)
    }
}

impl Object for Heater {
    fn status(&self, eventtime: EventTime) -> Option<Value> {
        let (temperature, target, power) = self.status_values(eventtime);
        Some(minijinja::context! { temperature, target, power })
    }

    fn stats(&self, _eventtime: EventTime) -> Option<(bool, String)> {
        Some(self.core.borrow().stats(self.short_name()))
    }
}
