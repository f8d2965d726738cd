//! `[probe]`: a switch that finds the bed under the tool head, and everything that probing with any sensor shares.
//!
//! # Important terms
//! - *offset*: where the sensor is, seen from the nozzle; `z_offset` is how far the nozzle is above the bed when the
//!   sensor triggers.
//! - *contact*: where the nozzle would touch the bed, as a probing tells it: X and Y of the sensor, Z of the trigger
//!   less `z_offset`.
//! - *session*: probings that belong together; a sensor may stay deployed in between.

mod commands;
mod points;
mod samples;
mod switch;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::config::{ConfigError, PinDesc, Section};
use crate::gcode::{Command, CommandError};
use crate::gcode_move::Position;
use crate::homing::{Endstop, Sampling, homing_move};
use crate::printer::dispatch::CommandResult;
use crate::printer::pins::VirtualPins;
use crate::printer::{Object, Printer, Value};
use crate::reactor::{Completion, EventTime, LocalFuture};
use crate::stepper::Stepper;
pub use points::{Approach, probe_points};
pub use samples::{Statistics, Summary};

/// What a probe needs beyond an endstop.
pub trait ProbeSensor: Endstop {
    /// Before the first and after the last probing of a session.
    fn begin_session(&self, printer: Rc<Printer>) -> LocalFuture<CommandResult>;
    fn end_session(&self, printer: Rc<Printer>) -> LocalFuture<CommandResult>;
}

/// How probing is done unless a command says otherwise.
#[derive(Debug, Clone, Copy)]
pub struct ProbeSettings {
    pub speed_mm_s: f64,
    pub lift_speed_mm_s: f64,
    pub samples: usize,
    pub retract_mm: f64,
    pub tolerance_mm: f64,
    pub retries: usize,
    pub summary: Summary,
}

pub struct Probe {
    name: String,
    sensor: Rc<dyn ProbeSensor>,
    offset_mm: [f64; 3],
    settings: ProbeSettings,
    /// How deep a probing searches.
    lowest_z_mm: f64,
    in_session: Cell<bool>,
    last_query: Cell<bool>,
    last_z_mm: Cell<f64>,
    last_position: RefCell<[f64; 3]>,
}

impl Object for Probe {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        Some(minijinja::context! {
            name => self.name.clone(),
            last_query => i64::from(self.last_query.get()),
            last_z_result => self.last_z_mm.get(),
            last_probe_position => self.last_position.borrow().to_vec(),
        })
    }
}

/// `[probe]`.
pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let sensor = switch::SwitchProbe::load(printer, section)?;
    Probe::load(printer, section, sensor)
}

impl ProbeSettings {
    fn load(section: &Section) -> Result<ProbeSettings, ConfigError> {
        let speed = section.float("speed").above(0.0).or(5.0)?;
        Ok(ProbeSettings {
            speed_mm_s: speed,
            lift_speed_mm_s: section.float("lift_speed").above(0.0).or(speed)?,
            samples: section.int("samples").min(1).or(1)? as usize,
            retract_mm: section.float("sample_retract_dist").above(0.0).or(2.0)?,
            tolerance_mm: section.float("samples_tolerance").min(0.0).or(0.100)?,
            retries: section.int("samples_tolerance_retries").min(0).or(0)? as usize,
            summary: section
                .choice_of("samples_result", &[("average", Summary::Average), ("median", Summary::Median)])
                .or(Summary::Average)?,
        })
    }

    /// The same, with what the parameters of a command change.
    pub fn with(self, command: &Command<'_>) -> Result<ProbeSettings, CommandError> {
        let summary = match command.get("SAMPLES_RESULT").map(str::to_lowercase).as_deref() {
            None => self.summary,
            Some("average") => Summary::Average,
            Some("median") => Summary::Median,
            Some(other) => return Err(command.error(format!("SAMPLES_RESULT is average or median, not {other}"))),
        };
        Ok(ProbeSettings {
            speed_mm_s: command.float("PROBE_SPEED").above(0.0).or(self.speed_mm_s)?,
            lift_speed_mm_s: command.float("LIFT_SPEED").above(0.0).or(self.lift_speed_mm_s)?,
            samples: command.int("SAMPLES").min(1).or(self.samples as i64)? as usize,
            retract_mm: command.float("SAMPLE_RETRACT_DIST").above(0.0).or(self.retract_mm)?,
            tolerance_mm: command.float("SAMPLES_TOLERANCE").min(0.0).or(self.tolerance_mm)?,
            retries: command.int("SAMPLES_TOLERANCE_RETRIES").min(0).or(self.retries as i64)? as usize,
            summary,
        })
    }
}

impl Probe {
    /// The probe object over any sensor: its offsets, its commands, its virtual endstop.
    pub fn load(printer: &Rc<Printer>, section: &Section, sensor: Rc<dyn ProbeSensor>) -> Result<(), ConfigError> {
        if printer.lookup_object("probe").is_some() {
            return Err(section.section_error("there is a probe already").help("keep one of [probe] and [bltouch]"));
        }
        let offset_mm = [
            section.float("x_offset").or(0.0)?,
            section.float("y_offset").or(0.0)?,
            section.float("z_offset").required()?,
        ];
        let probe = Rc::new(Probe {
            name: section.name().to_string(),
            sensor,
            offset_mm,
            settings: ProbeSettings::load(section)?,
            lowest_z_mm: lowest_z(printer)?,
            in_session: Cell::new(false),
            last_query: Cell::new(false),
            last_z_mm: Cell::new(0.0),
            last_position: RefCell::new([0.0; 3]),
        });
        printer.pins.register_chip("probe", Rc::new(ProbePins(probe.clone())));
        printer.add_object("probe", probe.clone());
        commands::register(printer, &probe);
        printer.after_load(move |printer| {
            probe.stop_with_z(printer);
            Ok(())
        });
        Ok(())
    }

    /// The probe of this printer.
    pub fn of(printer: &Printer) -> Option<Rc<Probe>> {
        printer.lookup("probe")
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sensor seen from the nozzle.
    pub fn offset_mm(&self) -> [f64; 3] {
        self.offset_mm
    }

    pub fn settings(&self) -> ProbeSettings {
        self.settings
    }

    /// Every motor that moves Z stops when the probe triggers, unless the Z rail saw to that already.
    fn stop_with_z(&self, printer: &Printer) {
        let known = self.sensor.steppers();
        for stepper in printer.toolhead().machine.steppers() {
            if stepper.map().axes()[2] && !known.iter().any(|k| k.name() == stepper.name()) {
                self.sensor.add_stepper(stepper.clone());
            }
        }
    }

    // ---- sessions

    /// Runs `work` with the sensor ready for several probings, and puts it away whatever happens.
    pub async fn session<T>(
        &self,
        printer: &Rc<Printer>,
        work: impl Future<Output = Result<T, CommandError>>,
    ) -> Result<T, CommandError> {
        if self.in_session.replace(true) {
            return Err(CommandError::new("the probe is in use already"));
        }
        let begun = self.sensor.begin_session(printer.clone()).await;
        let result = match begun {
            Ok(()) => work.await,
            Err(error) => Err(error),
        };
        let end = self.sensor.end_session(printer.clone()).await;
        self.in_session.set(false);
        let value = result?;
        end.map(|()| value)
    }

    /// Goes down once from where the head is, until the sensor triggers. Answers the head's position at the trigger.
    async fn touch(&self, printer: &Rc<Printer>, speed_mm_s: f64) -> Result<[f64; 3], CommandError> {
        let toolhead = printer.toolhead().clone();
        if !toolhead.machine.homed()[2] {
            return Err(CommandError::new("Must home before probe"));
        }
        let mut to: Position = toolhead.position();
        to[2] = self.lowest_z_mm;
        let endstop: Rc<dyn Endstop> = self.sensor.clone();
        let found = homing_move(printer, &[endstop], to, speed_mm_s, true, true).await.map_err(|error| {
            let plain = CommandError::new(error.message.replace("Error during homing", "Error during probing"));
            match error.message.contains("Communication timeout") {
                true => CommandError::new(format!("{plain}. Probing needs an unbroken line to each micro-controller")),
                false => plain,
            }
        })?;
        if found.no_movement {
            return Err(CommandError::new("Probe triggered prior to movement"));
        }
        let [x, y, z, _] = found.trigger;
        let offset = self.offset_mm;
        let contact = [x + offset[0], y + offset[1], z - offset[2]];
        printer.gcode.respond_info(&format!(
            "probe: at {:.3},{:.3} bed will contact at z={:.6}",
            contact[0], contact[1], contact[2]
        ));
        Ok([x, y, z])
    }

    /// Probes here as often as the settings ask. Answers the head's position at the trigger.
    pub async fn run(&self, printer: &Rc<Printer>, settings: &ProbeSettings) -> Result<[f64; 3], CommandError> {
        let toolhead = printer.toolhead().clone();
        let here = toolhead.position();
        let mut found: Vec<[f64; 3]> = Vec::new();
        let mut retries = 0;
        while found.len() < settings.samples {
            let position = self.touch(printer, settings.speed_mm_s).await?;
            found.push(position);
            let z: Vec<f64> = found.iter().map(|p| p[2]).collect();
            if Statistics::of(&z).range() > settings.tolerance_mm {
                if retries >= settings.retries {
                    return Err(CommandError::new("Probe samples exceed samples_tolerance"));
                }
                printer.gcode.respond_info("Probe samples exceed tolerance. Retrying...");
                retries += 1;
                found.clear();
            }
            if found.len() < settings.samples {
                let up = position[2] + settings.retract_mm;
                toolhead.manual_move([Some(here[0]), Some(here[1]), Some(up), None], settings.lift_speed_mm_s)?;
            }
        }
        let axis = |i: usize| settings.summary.of(&found.iter().map(|p| p[i]).collect::<Vec<f64>>());
        let result = [axis(0), axis(1), axis(2)];
        *self.last_position.borrow_mut() = self.contact(result);
        self.last_z_mm.set(result[2]);
        Ok(result)
    }

    /// Where the nozzle would touch, from the head's position at a trigger.
    pub fn contact(&self, trigger: [f64; 3]) -> [f64; 3] {
        let o = self.offset_mm;
        [trigger[0] + o[0], trigger[1] + o[1], trigger[2] - o[2]]
    }
}

/// How far down Z may go, from the section of its motor.
fn lowest_z(printer: &Printer) -> Result<f64, ConfigError> {
    match printer.config.section("stepper_z") {
        Some(z) => z.float("position_min").or(0.0),
        None => printer.config.section_or_empty("printer").float("minimum_z_position").or(0.0),
    }
}

/// The chip name `probe`, which offers `z_virtual_endstop`.
struct ProbePins(Rc<Probe>);

impl VirtualPins for ProbePins {
    fn endstop(&self, pin: &PinDesc) -> Result<Rc<dyn Endstop>, String> {
        if pin.pin != "z_virtual_endstop" {
            return Err("Probe virtual endstop only useful as endstop pin".into());
        }
        if pin.invert || pin.pullup != 0 {
            return Err("Can not pullup/invert probe virtual endstop".into());
        }
        Ok(Rc::new(VirtualEndstop(self.0.clone())))
    }
}

/// The probe as the endstop of Z.
struct VirtualEndstop(Rc<Probe>);

impl Endstop for VirtualEndstop {
    fn name(&self) -> String {
        "z".into()
    }
    fn add_stepper(&self, stepper: Rc<Stepper>) {
        self.0.sensor.add_stepper(stepper);
    }
    fn steppers(&self) -> Vec<Rc<Stepper>> {
        self.0.sensor.steppers()
    }
    fn position_endstop(&self) -> Option<f64> {
        Some(self.0.offset_mm[2])
    }
    fn prepare(&self, printer: Rc<Printer>) -> LocalFuture<CommandResult> {
        self.0.sensor.prepare(printer)
    }
    fn finish(&self, printer: Rc<Printer>) -> LocalFuture<CommandResult> {
        self.0.sensor.finish(printer)
    }
    fn home_start(&self, print_time: f64, sample: Sampling, triggered: bool) -> Completion<()> {
        self.0.sensor.home_start(print_time, sample, triggered)
    }
    fn home_wait(&self, end: f64) -> LocalFuture<Result<Option<f64>, CommandError>> {
        self.0.sensor.home_wait(end)
    }
    fn query(&self, print_time: f64) -> LocalFuture<Result<bool, CommandError>> {
        self.0.sensor.query(print_time)
    }
}
