//! `[extruder]`, `[extruder1]`...: a heater, a motor that pushes filament, and pressure advance.
//!
//! The motor follows a trapezoid queue of its own in mm of filament; which extruder moves append to is the tool
//! head's choice (ACTIVATE_EXTRUDER). A motor can be made to follow another extruder's queue, or none
//! (SYNC_EXTRUDER_MOTION).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use drydock_motion::kinematics::ActuatorMap;
use drydock_motion::kinematics::extruder::ExtruderLimits;
use drydock_motion::lookahead::{Move, PlannedMove};
use drydock_motion::trapq::TrapQ;

use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::printer::dispatch::CommandResult;
use crate::printer::{Object, Printer, Value};
use crate::reactor::EventTime;
use crate::stepper::Stepper;
use crate::thermal::heater::Heater;
use crate::thermal::heaters::Heaters;
use crate::toolhead::{MoveTag, move_error};

/// Longest allowed `pressure_advance_smooth_time`.
const SMOOTH_TIME_MAX_S: f64 = 0.200;
const SMOOTH_TIME_S: f64 = 0.040;

pub struct Extruder {
    name: String,
    heater: Rc<Heater>,
    limits: ExtruderLimits,
    stepper: Option<Rc<Stepper>>,
    trapq: RefCell<TrapQ>,
    /// The motors that follow `trapq`; to begin with, the extruder's own.
    followers: RefCell<Vec<Rc<Stepper>>>,
    /// Whose queue the extruder's own motor follows.
    motion_queue: RefCell<Option<String>>,
    last_position: Cell<f64>,
    pressure_advance_s: Cell<f64>,
    smooth_time_s: Cell<f64>,
    offline: bool,
}

impl Object for Extruder {
    fn status(&self, eventtime: EventTime) -> Option<Value> {
        let mut fields: Vec<(String, Value)> = Vec::new();
        if let Some(heater) = self.heater.status(eventtime)
            && let Ok(keys) = heater.try_iter()
        {
            fields.extend(keys.filter_map(|key| Some((key.to_string(), heater.get_item(&key).ok()?))));
        }
        fields.push(("can_extrude".into(), self.heater.can_extrude().into()));
        fields.push(("pressure_advance".into(), self.pressure_advance_s.get().into()));
        fields.push(("smooth_time".into(), self.smooth_time_s.get().into()));
        fields.push(("motion_queue".into(), self.motion_queue.borrow().clone().into()));
        Some(Value::from_pairs(fields))
    }

    fn stats(&self, eventtime: EventTime) -> Option<(bool, String)> {
        self.heater.stats(eventtime)
    }
}

/// Makes every extruder of the configuration; the first one is active.
pub fn load_all(printer: &Rc<Printer>) -> Result<(), ConfigError> {
    for i in 0..99 {
        let name = if i == 0 { "extruder".to_string() } else { format!("extruder{i}") };
        let Some(section) = printer.config.section(&name) else {
            if i == 0 {
                continue;
            }
            break;
        };
        let extruder = Extruder::load(printer, &section, i)?;
        if i == 0 {
            printer.toolhead().set_extruder(extruder);
        }
    }
    if !printer.lookup_all::<Extruder>().is_empty() {
        register(printer);
    }
    Ok(())
}

impl Extruder {
    fn load(printer: &Rc<Printer>, section: &Section, index: usize) -> Result<Rc<Extruder>, ConfigError> {
        let heater = Heaters::of(printer).setup_heater(printer, section, Some(&format!("T{index}")))?;
        let nozzle_mm = section.float("nozzle_diameter").above(0.0).required()?;
        let filament_mm = section.float("filament_diameter").min(nozzle_mm).required()?;
        let top = printer.toolhead().configured_limits();
        let defaults = ExtruderLimits::defaults(nozzle_mm, filament_mm, top.max_velocity_mm_s, top.max_accel_mm_s2);
        let cross_section = section.float("max_extrude_cross_section").above(0.0).or(4.0 * nozzle_mm * nozzle_mm)?;
        let limits = ExtruderLimits {
            max_extrude_ratio: cross_section / defaults.filament_area_mm2,
            max_e_velocity_mm_s: section
                .float("max_extrude_only_velocity")
                .above(0.0)
                .or(defaults.max_e_velocity_mm_s)?,
            max_e_accel_mm_s2: section.float("max_extrude_only_accel").above(0.0).or(defaults.max_e_accel_mm_s2)?,
            max_e_distance_mm: section.float("max_extrude_only_distance").min(0.0).or(50.0)?,
            instant_corner_v_mm_s: section.float("instantaneous_corner_velocity").min(0.0).or(1.0)?,
            ..defaults
        };
        let pressure_advance_s = section.float("pressure_advance").min(0.0).or(0.0)?;
        let smooth_time_s =
            section.float("pressure_advance_smooth_time").above(0.0).max(SMOOTH_TIME_MAX_S).or(SMOOTH_TIME_S)?;
        let stepper = match section.has("step_pin") {
            true => {
                let stepper = Stepper::load(printer, section)?;
                stepper.set_map(ActuatorMap::Linear([1.0, 0.0, 0.0]));
                stepper.set_pressure_advance(0.0, pressure_advance_s, smooth_time_s);
                Some(stepper)
            }
            false => None,
        };
        let this = Rc::new(Extruder {
            name: section.name().to_string(),
            heater,
            limits,
            followers: RefCell::new(stepper.iter().cloned().collect()),
            motion_queue: RefCell::new(stepper.as_ref().map(|_| section.name().to_string())),
            stepper,
            trapq: RefCell::new(TrapQ::new([0.0; 3])),
            last_position: Cell::new(0.0),
            pressure_advance_s: Cell::new(pressure_advance_s),
            smooth_time_s: Cell::new(smooth_time_s),
            offline: printer.is_offline(),
        });
        printer.add_object(section.name(), this.clone());
        Ok(this)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn heater(&self) -> &Rc<Heater> {
        &self.heater
    }

    pub fn stepper(&self) -> Option<Rc<Stepper>> {
        self.stepper.clone()
    }

    pub fn nozzle_diameter_mm(&self) -> f64 {
        self.limits.nozzle_diameter_mm
    }

    /// End of the last move, mm of filament.
    pub fn position(&self) -> f64 {
        self.last_position.get()
    }

    /// Filament, mm, and its speed at a print time.
    pub fn moved_at(&self, print_time: f64) -> (f64, f64) {
        let (position, velocity) = self.trapq.borrow().position_at(print_time);
        (position[0], velocity)
    }

    pub fn instant_corner_velocity(&self) -> f64 {
        self.limits.instant_corner_v_mm_s
    }

    pub fn window(&self) -> f64 {
        self.followers.borrow().iter().map(|s| s.window()).fold(0.0, f64::max)
    }

    pub fn check_move(&self, mv: &mut Move<MoveTag>) -> CommandResult {
        if !self.offline && !self.heater.can_extrude() {
            return Err(CommandError::new(
                "Extrude below minimum temp\nSee the 'min_extrude_temp' config option for details",
            ));
        }
        self.limits.check_move(mv).map_err(move_error)
    }

    /// A planned move that extrudes.
    pub fn append(&self, print_time: f64, mv: &PlannedMove<MoveTag>) {
        for stepper in self.followers.borrow().iter() {
            stepper.enable(print_time - self.window());
        }
        self.trapq.borrow_mut().append(&mv.extruder_trap_move(print_time));
        self.last_position.set(mv.mv.end_pos[3]);
    }

    pub fn generate(&self, until: f64) {
        let mut trapq = self.trapq.borrow_mut();
        for stepper in self.followers.borrow().iter() {
            stepper.generate(&trapq, until);
        }
        trapq.trim(until - 2.0 * self.window() - 0.25);
    }

    pub fn motor_off(&self, print_time: f64) {
        if let Some(stepper) = &self.stepper {
            stepper.disable(print_time);
        }
    }

    /// The extruder's own motor follows the queue of `leader` from here on; it stands still if there is none.
    fn follow(&self, printer: &Printer, leader: Option<&Rc<Extruder>>) {
        let Some(stepper) = &self.stepper else { return };
        printer.toolhead().flush_step_generation();
        for (_, extruder) in printer.lookup_all::<Extruder>() {
            extruder.followers.borrow_mut().retain(|follower| !Rc::ptr_eq(follower, stepper));
        }
        self.motion_queue.replace(leader.map(|leader| leader.name.clone()));
        if let Some(leader) = leader {
            let at = [leader.last_position.get(), 0.0, 0.0];
            stepper.set_position(&leader.trapq.borrow(), printer.toolhead().generated_to(), at);
            leader.followers.borrow_mut().push(stepper.clone());
        }
    }

    /// Takes effect at its place in the move queue.
    fn set_pressure_advance(self: &Rc<Self>, printer: &Rc<Printer>, advance_s: f64, smooth_time_s: f64) {
        let Some(stepper) = self.stepper.clone() else { return };
        if stepper.changes_window(advance_s, smooth_time_s) {
            // A new window changes what around a moment counts: nothing may be under way.
            printer.toolhead().flush_step_generation();
            for (_, extruder) in printer.lookup_all::<Extruder>() {
                extruder.trapq.borrow_mut().settle();
            }
            let print_time = printer.toolhead().generated_to();
            stepper.set_pressure_advance(print_time, advance_s, smooth_time_s);
        } else {
            printer.toolhead().register_lookahead_callback(move |print_time| {
                stepper.set_pressure_advance(print_time, advance_s, smooth_time_s)
            });
        }
        self.pressure_advance_s.set(advance_s);
        self.smooth_time_s.set(smooth_time_s);
    }
}

fn named(printer: &Printer, name: Option<&str>) -> Result<Rc<Extruder>, CommandError> {
    match name {
        None => {
            printer.toolhead().extruder().ok_or_else(|| CommandError::new("Active extruder does not have a stepper"))
        }
        Some(name) => printer
            .lookup::<Extruder>(name)
            .ok_or_else(|| CommandError::new(format!("The value '{name}' is not valid for EXTRUDER"))),
    }
}

fn register(printer: &Rc<Printer>) {
    let gcode = &printer.gcode;
    gcode.register("SET_PRESSURE_ADVANCE", "Set pressure advance parameters", |printer, command| {
        let extruder = named(printer, command.get("EXTRUDER"))?;
        let advance = command.float("ADVANCE").min(0.0).or(extruder.pressure_advance_s.get())?;
        let smooth = command.float("SMOOTH_TIME").min(0.0).max(SMOOTH_TIME_MAX_S).or(extruder.smooth_time_s.get())?;
        extruder.set_pressure_advance(printer, advance, smooth);
        let message = format!("pressure_advance: {advance:.6}\npressure_advance_smooth_time: {smooth:.6}");
        printer.log(message.replace('\n', " "));
        printer.gcode.respond_info(&message);
        Ok(())
    });
    gcode.register("SET_EXTRUDER_ROTATION_DISTANCE", "Set extruder rotation distance", |printer, command| {
        let extruder = named(printer, command.get("EXTRUDER"))?;
        let Some(stepper) = extruder.stepper() else {
            return Err(CommandError::new(format!("Extruder {} has no motor", extruder.name())));
        };
        if let Some(distance) = command.float("DISTANCE").optional()? {
            if distance == 0.0 {
                return Err(CommandError::new("Rotation distance can not be zero"));
            }
            printer.toolhead().flush_step_generation();
            stepper.set_rotation_distance(distance.abs());
        }
        printer.gcode.respond_info(&format!(
            "Extruder '{}' rotation distance set to {:.6}",
            extruder.name(),
            stepper.rotation_distance()
        ));
        Ok(())
    });
    for (_, extruder) in printer.lookup_all::<Extruder>() {
        let name = extruder.name().to_string();
        let follower = extruder.clone();
        let help = "Set which extruder's moves the motor of this extruder follows";
        gcode.register_mux("SYNC_EXTRUDER_MOTION", "EXTRUDER", Some(&name), help, move |printer, command| {
            let queue = command.text("MOTION_QUEUE").required()?;
            if follower.stepper.is_none() {
                return Err(CommandError::new(format!("Extruder {} has no motor", follower.name())));
            }
            let leader = match queue {
                "" => None,
                name => Some(
                    printer
                        .lookup::<Extruder>(name)
                        .ok_or_else(|| CommandError::new(format!("'{name}' is not a valid extruder.")))?,
                ),
            };
            follower.follow(printer, leader.as_ref());
            let now = match queue {
                "" => "stands still".to_string(),
                name => format!("follows '{name}'"),
            };
            printer.gcode.respond_info(&format!("Extruder '{}' now {now}", follower.name()));
            Ok(())
        });
        gcode.register_mux(
            "ACTIVATE_EXTRUDER",
            "EXTRUDER",
            Some(&name),
            "Change the active extruder",
            move |printer, _| {
                let toolhead = printer.toolhead();
                if toolhead.extruder().is_some_and(|active| active.name() == extruder.name()) {
                    printer.gcode.respond_info(&format!("Extruder {} already active", extruder.name()));
                    return Ok(());
                }
                printer.gcode.respond_info(&format!("Activating extruder {}", extruder.name()));
                toolhead.flush_step_generation();
                toolhead.set_extruder(extruder.clone());
                printer.gcode_move().reset_last_position(printer);
                Ok(())
            },
        );
    }
}
