//! What every printer tells templates, whatever its sections: `printer.webhooks`, `printer.gcode`, `printer.mcu`,
//! `printer.system_stats`, `printer.query_endstops`, `printer.motion_report`.
//!
//! The host's computer is not part of a simulation, so that `system_stats` is that of an idle one.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::extruder::Extruder;
use crate::printer::{Object, Printer, State, Value};
use crate::reactor::EventTime;
use crate::{macros, mcu};

pub fn load(printer: &Rc<Printer>) {
    let weak = || Rc::downgrade(printer);
    printer.add_object("webhooks", Rc::new(Webhooks(weak())));
    printer.add_object("gcode", Rc::new(Commands(weak())));
    printer.add_object("system_stats", Rc::new(SystemStats));
    printer.add_object("query_endstops", Rc::new(QueryEndstops::default()));
    printer.add_object("motion_report", Rc::new(MotionReport(weak())));
    for mcu in printer.mcus() {
        let name = if mcu.name() == "mcu" { "mcu".to_string() } else { format!("mcu {}", mcu.name()) };
        printer.add_object(&name, Rc::new(Chip(mcu)));
    }
}

struct Webhooks(Weak<Printer>);

impl Object for Webhooks {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let state = self.0.upgrade()?.state();
        let message = match &state {
            State::Startup => "Printer is not ready".to_string(),
            State::Ready => "Printer is ready".to_string(),
            State::Shutdown(message) | State::Error(message) => message.clone(),
        };
        Some(minijinja::context! { state => state.name(), state_message => message })
    }
}

struct Commands(Weak<Printer>);

impl Object for Commands {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let help = self.0.upgrade()?.gcode.help();
        let commands = help.into_iter().map(|(name, text)| {
            let entry = if text.is_empty() {
                Value::from_pairs([("", ""); 0])
            } else {
                minijinja::context! { help => text }
            };
            (name, entry)
        });
        Some(minijinja::context! { commands => Value::from_pairs(commands) })
    }
}

struct SystemStats;

impl Object for SystemStats {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        Some(minijinja::context! { sysload => 0.0, cputime => 0.0, memavail => 0 })
    }
}

struct Chip(mcu::Mcu);

impl Object for Chip {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let (version, build_versions) = self.0.version();
        Some(minijinja::context! {
            mcu_version => version,
            mcu_build_versions => build_versions,
            mcu_constants => Value::from_pairs(self.0.constants()),
        })
    }
}

/// What QUERY_ENDSTOPS found last.
#[derive(Default)]
pub struct QueryEndstops(RefCell<Vec<(String, bool)>>);

impl QueryEndstops {
    pub fn note(printer: &Printer, found: Vec<(String, bool)>) {
        if let Some(this) = printer.lookup::<QueryEndstops>("query_endstops") {
            this.0.replace(found);
        }
    }
}

impl Object for QueryEndstops {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let found = self.0.borrow();
        let last = Value::from_pairs(found.iter().map(|(name, triggered)| (name.clone(), i64::from(*triggered))));
        Some(minijinja::context! { last_query => last })
    }
}

struct MotionReport(Weak<Printer>);

impl Object for MotionReport {
    fn status(&self, eventtime: EventTime) -> Option<Value> {
        let printer = self.0.upgrade()?;
        if !printer.has_toolhead() {
            return Some(minijinja::context! {
                live_position => macros::coord4([0.0; 4]),
                live_velocity => 0.0,
                live_extruder_velocity => 0.0,
            });
        }
        let toolhead = printer.toolhead();
        let at = printer.main_mcu().estimated_print_time(eventtime);
        let ([x, y, z], velocity) = toolhead.trapq.borrow().position_at(at);
        let (e, extruder_velocity) = toolhead.extruder().map_or((0.0, 0.0), |e: Rc<Extruder>| e.moved_at(at));
        Some(minijinja::context! {
            live_position => macros::coord4([x, y, z, e]),
            live_velocity => velocity,
            live_extruder_velocity => extruder_velocity,
        })
    }
}
