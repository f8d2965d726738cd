//! All heaters and sensors of the printer, and the commands that set, show and await temperatures.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::heater::Heater;
use super::{pid_calibrate, verify_heater};
use crate::config::{ConfigError, Section};
use crate::gcode::{Command, CommandError, OwnedCommand};
use crate::printer::dispatch::CommandResult;
use crate::printer::{Object, Printer, Value};
use crate::reactor::EventTime;

/// While a command waits for a temperature it reports each second.
const WAIT_REPORT_S: f64 = 1.0;

/// Anything with a temperature.
pub trait TemperatureSource {
    /// Temperature and target [°C]; 0 where there is none.
    fn temperature(&self, eventtime: EventTime) -> (f64, f64);
}

#[derive(Default)]
pub struct Heaters {
    /// In the order of printer.cfg.
    heaters: RefCell<Vec<Rc<Heater>>>,
    /// All sources by the name of their section, heaters included.
    sensors: RefCell<Vec<(String, Rc<dyn TemperatureSource>)>>,
    /// What M105 shows, by its letter.
    shown: RefCell<BTreeMap<String, Rc<dyn TemperatureSource>>>,
}

impl Object for Heaters {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let heaters: Vec<String> = self.heaters.borrow().iter().map(|h| h.name().to_string()).collect();
        let sensors: Vec<String> = self.sensors.borrow().iter().map(|(name, _)| name.clone()).collect();
        let monitors: Vec<String> = Vec::new();
        Some(minijinja::context! {
            available_heaters => heaters,
            available_sensors => sensors,
            available_monitors => monitors,
        })
    }
}

impl Heaters {
    /// Makes the object, and its commands, on first use.
    pub fn of(printer: &Rc<Printer>) -> Rc<Heaters> {
        if let Some(this) = printer.lookup("heaters") {
            return this;
        }
        let this = Rc::new(Heaters::default());
        printer.add_object("heaters", this.clone());
        register(printer, &this);
        this
    }

    /// Makes the heater of a section. It becomes an object of the section's name only if the caller adds it.
    pub fn setup_heater(
        &self,
        printer: &Rc<Printer>,
        section: &Section,
        gcode_id: Option<&str>,
    ) -> Result<Rc<Heater>, ConfigError> {
        let heater = Heater::load(printer, section)?;
        let short = heater.short_name().to_string();
        if self.heater(&short).is_some() {
            return Err(section.section_error(format!("Heater {short} already registered")));
        }
        self.add_source(section, heater.clone(), gcode_id)?;
        self.heaters.borrow_mut().push(heater.clone());
        verify_heater::load_for(printer, &heater)?;
        let me = heater.clone();
        let help = "Sets a heater temperature";
        printer.gcode.register_mux("SET_HEATER_TEMPERATURE", "HEATER", Some(&short), help, move |printer, command| {
            note_use(printer);
            set_target(&me, command.float("TARGET").or(0.0)?)
        });
        pid_calibrate::register(printer, &heater);
        Ok(heater)
    }

    /// A sensor that M105 (with a letter) and TEMPERATURE_WAIT know.
    pub fn add_source(
        &self,
        section: &Section,
        source: Rc<dyn TemperatureSource>,
        gcode_id: Option<&str>,
    ) -> Result<(), ConfigError> {
        if let Some(id) = gcode_id {
            let old = self.shown.borrow_mut().insert(id.to_string(), source.clone());
            if old.is_some() {
                return Err(section.error("gcode_id", format!("G-Code sensor id {id} already registered")));
            }
        }
        self.sensors.borrow_mut().push((section.name().to_string(), source));
        Ok(())
    }

    /// By short name (`chamber`) or by section (`heater_generic chamber`).
    pub fn heater(&self, name: &str) -> Option<Rc<Heater>> {
        self.heaters.borrow().iter().find(|h| h.short_name() == name || h.name() == name).cloned()
    }

    pub fn all(&self) -> Vec<Rc<Heater>> {
        self.heaters.borrow().clone()
    }

    pub fn turn_off(&self) {
        for heater in self.heaters.borrow().iter() {
            // 0 is within any limits.
            let _ = heater.set_target(0.0);
        }
    }

    /// The line of M105, without `ok`: `B:23.9 /0.0 T0:23.9 /0.0`.
    pub fn report(&self, eventtime: EventTime) -> String {
        let shown = self.shown.borrow();
        let parts: Vec<String> = shown
            .iter()
            .map(|(id, source)| {
                let (celsius, target) = source.temperature(eventtime);
                format!("{id}:{celsius:.1} /{target:.1}")
            })
            .collect();
        if parts.is_empty() { "T:0".to_string() } else { parts.join(" ") }
    }

    /// The heater of `T` (`extruder`, `extruder1`, ...), or of the active extruder.
    fn extruder_heater(&self, printer: &Printer, index: Option<i64>) -> Option<Rc<Heater>> {
        let name = match index {
            Some(0) => "extruder".to_string(),
            Some(n) => format!("extruder{n}"),
            None => active_extruder(printer),
        };
        self.heater(&name)
    }
}

/// A heater that is set counts as motion for the idle timeout: the print time goes on.
fn note_use(printer: &Printer) {
    if printer.has_toolhead() && !printer.is_offline() {
        printer.toolhead().register_lookahead_callback(|_| ());
    }
}

fn active_extruder(printer: &Printer) -> String {
    let active = printer.has_toolhead().then(|| printer.toolhead().extruder()).flatten();
    active.map_or_else(|| "extruder".to_string(), |e| e.name().to_string())
}

fn set_target(heater: &Heater, celsius: f64) -> CommandResult {
    heater.set_target(celsius).map_err(|error| CommandError::new(error.to_string()))
}

/// Sets a target and, if wanted, waits until the heater is there.
pub async fn set_temperature(printer: &Rc<Printer>, heater: &Rc<Heater>, celsius: f64, wait: bool) -> CommandResult {
    note_use(printer);
    set_target(heater, celsius)?;
    if wait && celsius != 0.0 {
        wait_while(printer, || heater.is_busy()).await;
    }
    Ok(())
}

/// Reports temperatures each second as long as the condition holds. Offline no temperature ever changes: no wait.
async fn wait_while(printer: &Rc<Printer>, condition: impl Fn() -> bool) {
    if printer.is_offline() {
        return;
    }
    let heaters = Heaters::of(printer);
    while !printer.is_shutdown() && condition() {
        if printer.has_toolhead() {
            // What is queued runs on; nothing keeps the look-ahead waiting for more.
            printer.toolhead().last_move_time();
        }
        printer.gcode.respond_raw(heaters.report(printer.reactor.now()));
        printer.reactor.sleep(WAIT_REPORT_S).await;
    }
}

fn register(printer: &Rc<Printer>, heaters: &Rc<Heaters>) {
    let gcode = &printer.gcode;
    let me = heaters.clone();
    gcode.register("TURN_OFF_HEATERS", "Turn off all heaters", move |_, _| {
        me.turn_off();
        Ok(())
    });
    let me = heaters.clone();
    gcode.register_always("M105", "Report temperatures", move |printer, _| {
        let line = me.report(printer.reactor.now());
        printer.gcode.respond_raw(line);
        Ok(())
    });
    let me = heaters.clone();
    gcode.register_async("TEMPERATURE_WAIT", "Wait for a temperature on a sensor", move |printer, command| {
        let me = me.clone();
        async move { me.temperature_wait(&printer, &command).await }
    });
    let me = heaters.clone();
    gcode.register("M104", "Set extruder temperature", move |printer, command| match me.asked(printer, command)? {
        Some((heater, celsius)) => {
            note_use(printer);
            set_target(&heater, celsius)
        }
        None => Ok(()),
    });
    let me = heaters.clone();
    gcode.register_async("M109", "Set extruder temperature and wait", move |printer, command| {
        let me = me.clone();
        async move {
            match me.asked(&printer, &command)? {
                Some((heater, celsius)) => set_temperature(&printer, &heater, celsius, true).await,
                None => Ok(()),
            }
        }
    });
}

impl Heaters {
    /// Heater and target of M104 and M109; switching off what is not there is no error.
    fn asked(&self, printer: &Printer, command: &Command<'_>) -> Result<Option<(Rc<Heater>, f64)>, CommandError> {
        let celsius = command.float("S").or(0.0)?;
        let index = command.int("T").min(0).optional()?;
        match self.extruder_heater(printer, index) {
            Some(heater) => Ok(Some((heater, celsius))),
            None if celsius <= 0.0 => Ok(None),
            None => Err(command.error("Extruder not configured")),
        }
    }

    async fn temperature_wait(&self, printer: &Rc<Printer>, command: &OwnedCommand) -> CommandResult {
        let name = command.text("SENSOR").required()?;
        let source = self.sensors.borrow().iter().find(|(n, _)| n == name).map(|(_, s)| s.clone());
        let source = source.ok_or_else(|| {
            let known: Vec<String> = self.sensors.borrow().iter().map(|(n, _)| n.clone()).collect();
            command.error(format!("Unknown sensor '{name}' (known: {})", known.join(", ")))
        })?;
        let min = command.float("MINIMUM").optional()?;
        let max = command.float("MAXIMUM").above(min.unwrap_or(f64::NEG_INFINITY)).optional()?;
        if min.is_none() && max.is_none() {
            return Err(command.error("Error on 'TEMPERATURE_WAIT': missing MINIMUM or MAXIMUM."));
        }
        let range = min.unwrap_or(f64::NEG_INFINITY)..=max.unwrap_or(f64::INFINITY);
        let outside = || !range.contains(&source.temperature(printer.reactor.now()).0);
        wait_while(printer, outside).await;
        Ok(())
    }
}

/// Loader of `[heater_bed]`: the heater, M140 and M190.
pub fn load_bed(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let heater = Heaters::of(printer).setup_heater(printer, section, Some("B"))?;
    printer.add_object(section.name(), heater.clone());
    let me = heater.clone();
    printer.gcode.register("M140", "Set bed temperature", move |printer, command| {
        note_use(printer);
        set_target(&me, command.float("S").or(0.0)?)
    });
    printer.gcode.register_async("M190", "Set bed temperature and wait", move |printer, command| {
        let heater = heater.clone();
        async move {
            let celsius = command.float("S").or(0.0)?;
            set_temperature(&printer, &heater, celsius, true).await
        }
    });
    Ok(())
}

/// Loader of `[heater_generic NAME]`.
pub fn load_generic(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let gcode_id = section.text("gcode_id").optional()?;
    let heater = Heaters::of(printer).setup_heater(printer, section, gcode_id.as_deref())?;
    printer.add_object(section.name(), heater);
    Ok(())
}
