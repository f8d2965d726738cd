//! `[heater_fan NAME]`: runs while a heater is on or still warm.

use std::rc::Rc;

use super::fan::{Fan, each_second};
use crate::config::{ConfigError, Section};
use crate::printer::{Object, Printer, Value};
use crate::reactor::EventTime;
use crate::thermal::heaters::{Heaters, TemperatureSource};

struct HeaterFan {
    fan: Rc<Fan>,
}

impl Object for HeaterFan {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        Some(self.fan.status())
    }
}

pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let heaters = heater_names(printer, section)?;
    let heater_temp_celsius = section.float("heater_temp").or(50.0)?;
    let fan_speed = section.float("fan_speed").min(0.0).max(1.0).or(1.0)?;
    let fan = Fan::load(printer, section, 1.0)?;
    printer.add_object(section.name(), Rc::new(HeaterFan { fan: fan.clone() }));
    each_second(printer, "heater_fan", move |printer| {
        let all = Heaters::of(printer);
        let now = printer.reactor.now();
        let hot = heaters.iter().filter_map(|name| all.heater(name)).any(|heater| {
            let (celsius, target) = heater.temperature(now);
            target > 0.0 || celsius > heater_temp_celsius
        });
        fan.set_speed(None, if hot { fan_speed } else { 0.0 });
    });
    Ok(())
}

/// The names in `heater`, each checked to be a heater of printer.cfg.
pub(super) fn heater_names(printer: &Rc<Printer>, section: &Section) -> Result<Vec<String>, ConfigError> {
    let names = section.list("heater").or(&["extruder"])?;
    let given = section.has("heater");
    for name in &names {
        let short = |n: &str| n == name || n.strip_prefix("heater_generic ").map(str::trim) == Some(name);
        if given && !printer.config.names().any(short) {
            let error = section.error("heater", format!("Unknown heater '{name}'"));
            return Err(error.help("name the section of a heater, such as extruder or heater_bed"));
        }
    }
    Ok(names)
}
