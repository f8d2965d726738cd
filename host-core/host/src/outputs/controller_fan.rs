//! `[controller_fan NAME]`: cools the board while motors or heaters are on, and for a while after.

use std::cell::Cell;
use std::rc::Rc;

use super::fan::{Fan, each_second};
use super::heater_fan::heater_names;
use crate::config::{ConfigError, Section};
use crate::printer::{Object, Printer, Value};
use crate::reactor::EventTime;
use crate::thermal::heaters::Heaters;

struct ControllerFan {
    fan: Rc<Fan>,
}

impl Object for ControllerFan {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        Some(self.fan.status())
    }
}

/// What the fan should do, second by second.
#[derive(Debug, Clone)]
struct Law {
    fan_speed: f64,
    idle_speed: f64,
    idle_timeout_s: u32,
    idle_left_s: Cell<u32>,
}

impl Law {
    fn speed(&self, active: bool) -> f64 {
        if active {
            self.idle_left_s.set(self.idle_timeout_s);
            return self.fan_speed;
        }
        let left = self.idle_left_s.get();
        self.idle_left_s.set(left.saturating_sub(1));
        if left > 0 { self.idle_speed } else { 0.0 }
    }
}

pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let fan_speed = section.float("fan_speed").min(0.0).max(1.0).or(1.0)?;
    let law = Law {
        fan_speed,
        idle_speed: section.float("idle_speed").min(0.0).max(1.0).or(fan_speed)?,
        idle_timeout_s: u32::try_from(section.int("idle_timeout").min(0).or(30)?).unwrap_or(u32::MAX),
        idle_left_s: Cell::new(0),
    };
    let heaters = heater_names(printer, section)?;
    let steppers = section.list("stepper").optional()?;
    let fan = Fan::load(printer, section, 0.0)?;
    printer.add_object(section.name(), Rc::new(ControllerFan { fan: fan.clone() }));
    each_second(printer, "controller_fan", move |printer| {
        let all = Heaters::of(printer);
        let heating = heaters.iter().filter_map(|name| all.heater(name)).any(|heater| heater.target() > 0.0);
        fan.set_speed(None, law.speed(heating || any_enabled(printer, steppers.as_deref())));
    });
    Ok(())
}

/// Is a motor of the list, or any motor where there is no list, switched on? `stepper_enable` says so in its status.
fn any_enabled(printer: &Printer, names: Option<&[String]>) -> bool {
    let status = printer.lookup_object("stepper_enable").and_then(|o| o.status(printer.reactor.now()));
    let Some(steppers) = status.and_then(|s| s.get_attr("steppers").ok()) else { return false };
    let Ok(all) = steppers.try_iter() else { return false };
    let on = |name: &Value| steppers.get_item(name).is_ok_and(|v| v.is_true());
    let listed = |name: &Value| names.is_none_or(|list| list.iter().any(|n| Some(n.as_str()) == name.as_str()));
    all.into_iter().any(|name| listed(&name) && on(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_on_for_the_idle_time_and_then_stops() {
        let law = Law { fan_speed: 1.0, idle_speed: 0.4, idle_timeout_s: 3, idle_left_s: Cell::new(0) };
        let speeds: Vec<f64> = [false, true, true, false, false, false, false].map(|a| law.speed(a)).to_vec();
        assert_eq!(speeds, [0.0, 1.0, 1.0, 0.4, 0.4, 0.4, 0.0]);
    }
}
