//! The machine's rails and motors as printer.cfg describes them, under the kinematics of [`drydock_motion`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use drydock_motion::kinematics::cartesian::{BoxLimits, Cartesian};
use drydock_motion::kinematics::corexy::CoreXy;
use drydock_motion::kinematics::delta::{Delta, DeltaConfig};
use drydock_motion::kinematics::{AnyKinematics, Kinematics};
use drydock_motion::lookahead::{Move, VelocityLimits};
use drydock_motion::trapq::TrapQ;

use crate::config::{ConfigError, Section};
use crate::homing::{Endstop, McuEndstop};
use crate::printer::Printer;
use crate::printer::dispatch::CommandResult;
use crate::printer::pins::EndstopPin;
use crate::stepper::Stepper;
use crate::toolhead::move_error;

/// How an axis (or a delta's tower) finds its zero.
#[derive(Debug, Clone, Copy)]
pub struct HomingSettings {
    pub speed_mm_s: f64,
    pub second_speed_mm_s: f64,
    pub retract_speed_mm_s: f64,
    pub retract_dist_mm: f64,
    pub positive_dir: bool,
    pub position_endstop_mm: f64,
}

/// One axis: its motors, its endstops, its range.
pub struct Rail {
    pub name: String,
    pub steppers: Vec<Rc<Stepper>>,
    pub endstops: Vec<Rc<dyn Endstop>>,
    pub homing: HomingSettings,
    pub range_mm: (f64, f64),
}

pub struct Machine {
    kinematics: RefCell<AnyKinematics>,
    rails: Vec<Rail>,
    steppers: Vec<Rc<Stepper>>,
    /// Some motor is off: the next move may have to switch it on.
    any_off: Cell<bool>,
    window_s: Cell<f64>,
}

/// Section names of the rails, and the kinematics that printer.cfg may name.
const KINEMATICS: [(&str, [&str; 3]); 3] = [
    ("cartesian", ["stepper_x", "stepper_y", "stepper_z"]),
    ("corexy", ["stepper_x", "stepper_y", "stepper_z"]),
    ("delta", ["stepper_a", "stepper_b", "stepper_c"]),
];

/// Klipper's others, so that the refusal can say what is missing.
const NOT_BUILT: [&str; 8] =
    ["corexz", "hybrid_corexy", "hybrid_corexz", "generic_cartesian", "deltesian", "rotary_delta", "polar", "winch"];

impl Machine {
    pub fn load(printer: &Rc<Printer>, section: &Section, limits: &VelocityLimits) -> Result<Machine, ConfigError> {
        let kind = section.text("kinematics").required()?;
        let Some((_, rail_names)) = KINEMATICS.iter().find(|(name, _)| *name == kind) else {
            let built: Vec<&str> = KINEMATICS.iter().map(|(name, _)| *name).collect();
            let why = match NOT_BUILT.contains(&kind.as_str()) {
                true => "is not supported yet",
                false => "is no kinematics",
            };
            return Err(
                section.error("kinematics", format!("kinematics '{kind}' {why}; supported: {}", built.join(", ")))
            );
        };
        let v = limits.max_velocity_mm_s;
        let a = limits.max_accel_mm_s2;
        let max_z_velocity = section.float("max_z_velocity").above(0.0).max(v).or(v)?;
        let (kinematics, rails) = if kind == "delta" {
            load_delta(printer, section, rail_names, limits, max_z_velocity)?
        } else {
            let max_z_accel = section.float("max_z_accel").above(0.0).max(a).or(a)?;
            let mut rails = Vec::new();
            for name in rail_names {
                rails.push(load_rail(printer, name, None)?);
            }
            let range_mm = [rails[0].range_mm, rails[1].range_mm, rails[2].range_mm];
            let limits = BoxLimits { range_mm, max_z_velocity_mm_s: max_z_velocity, max_z_accel_mm_s2: max_z_accel };
            let kinematics = match kind.as_str() {
                "corexy" => AnyKinematics::CoreXy(CoreXy::new(limits)),
                _ => AnyKinematics::Cartesian(Cartesian::new(limits)),
            };
            (kinematics, rails)
        };
        for (rail, map) in rails.iter().zip(kinematics.actuators()) {
            rail.steppers.iter().for_each(|stepper| stepper.set_map(map));
        }
        attach_endstops(&kinematics, &rails);
        let steppers = rails.iter().flat_map(|rail| rail.steppers.clone()).collect();
        Ok(Machine {
            kinematics: RefCell::new(kinematics),
            rails,
            steppers,
            any_off: Cell::new(true),
            window_s: Cell::new(0.0),
        })
    }

    pub fn is_delta(&self) -> bool {
        matches!(*self.kinematics.borrow(), AnyKinematics::Delta(_))
    }

    pub fn rails(&self) -> &[Rail] {
        &self.rails
    }

    pub fn steppers(&self) -> &[Rc<Stepper>] {
        &self.steppers
    }

    pub fn check_move<P>(&self, mv: &mut Move<P>) -> CommandResult {
        self.kinematics.borrow_mut().check_move(mv).map_err(move_error)
    }

    /// X, Y, Z from where the motors are.
    pub fn calc_position(&self) -> [f64; 3] {
        self.calc_position_of(&|stepper| stepper.commanded_position())
    }

    /// X, Y, Z if each rail's (first) motor stood where `position` says.
    pub fn calc_position_of(&self, position: &dyn Fn(&Stepper) -> f64) -> [f64; 3] {
        let motors: Vec<f64> = self.rails.iter().map(|rail| position(&rail.steppers[0])).collect();
        self.kinematics.borrow().calc_position(&motors)
    }

    pub fn set_position(&self, trapq: &TrapQ, print_time: f64, position: [f64; 3], homed: [bool; 3]) {
        self.steppers.iter().for_each(|stepper| stepper.set_position(trapq, print_time, position));
        self.kinematics.borrow_mut().set_homed(homed);
    }

    pub fn clear_homed(&self, axes: [bool; 3]) {
        self.kinematics.borrow_mut().clear_homed(axes);
    }

    pub fn homed(&self) -> [bool; 3] {
        self.kinematics.borrow().homed()
    }

    pub fn homed_axes(&self) -> String {
        "xyz".chars().zip(self.homed()).filter_map(|(c, h)| h.then_some(c)).collect()
    }

    /// Lowest and highest X, Y, Z.
    pub fn range(&self) -> ([f64; 3], [f64; 3]) {
        if let AnyKinematics::Delta(delta) = &*self.kinematics.borrow() {
            let r = delta.config.print_radius_mm.unwrap_or(delta.config.radius_mm);
            return ([-r, -r, delta.config.min_z_mm], [r, r, delta.home_pos()[2]]);
        }
        let of = |pick: fn(&(f64, f64)) -> f64| std::array::from_fn(|i| pick(&self.rails[i].range_mm));
        (of(|r| r.0), of(|r| r.1))
    }

    /// Where a delta's head is when its three towers stand at their endstops, and the fall that homing reckons with.
    pub fn delta_home(&self) -> Option<([f64; 3], f64)> {
        match &*self.kinematics.borrow() {
            AnyKinematics::Delta(delta) => Some((delta.home_pos(), delta.longest_fall_mm())),
            _ => None,
        }
    }

    /// How far around a moment the shapers look.
    pub fn window(&self) -> f64 {
        self.window_s.get()
    }

    pub fn refresh_window(&self) {
        self.window_s.set(self.steppers.iter().map(|s| s.window()).fold(0.0, f64::max));
    }

    pub fn generate(&self, trapq: &TrapQ, until: f64) {
        self.steppers.iter().for_each(|stepper| stepper.generate(trapq, until));
    }

    /// A move is planned: switches on the motors that it needs.
    pub fn note_move(&self, print_time: f64, axes_d: &[f64; 4]) {
        if !self.any_off.get() {
            return;
        }
        let mut off = false;
        for stepper in &self.steppers {
            let uses = stepper.map().axes();
            if (0..3).any(|i| uses[i] && axes_d[i] != 0.0) {
                stepper.enable(print_time - self.window_s.get());
            }
            off |= !stepper.is_enabled();
        }
        self.any_off.set(off);
    }

    pub fn motors_off(&self, print_time: f64) {
        self.steppers.iter().for_each(|stepper| stepper.disable(print_time));
        self.any_off.set(true);
        self.clear_homed([true; 3]);
    }

    pub fn note_motor_switched(&self) {
        self.any_off.set(true);
    }
}

/// An endstop stops every motor that its axis moves; on a CoreXY both belts for X and for Y.
fn attach_endstops(kinematics: &AnyKinematics, rails: &[Rail]) {
    let maps = kinematics.actuators();
    let delta = matches!(kinematics, AnyKinematics::Delta(_));
    for (axis, rail) in rails.iter().enumerate() {
        for (j, other) in rails.iter().enumerate() {
            let moved = if delta { axis == j } else { maps[j].axes()[axis] };
            if !moved {
                continue;
            }
            for stepper in &other.steppers {
                // With an endstop of its own, a second motor of the rail is stopped by that one alone.
                for (k, endstop) in rail.endstops.iter().enumerate() {
                    let own = axis != j || rail.endstops.len() == 1 || rail.owner_of(stepper) == k;
                    if own {
                        endstop.add_stepper(stepper.clone());
                    }
                }
            }
        }
    }
}

impl Rail {
    /// Which endstop stops this motor of the rail.
    fn owner_of(&self, stepper: &Rc<Stepper>) -> usize {
        self.endstops.iter().position(|e| e.name() == stepper.name()).unwrap_or(0)
    }
}

/// `[stepper_x]` with its `[stepper_x1]`, `[stepper_x2]`...
fn load_rail(printer: &Rc<Printer>, name: &str, default_position_endstop: Option<f64>) -> Result<Rail, ConfigError> {
    let section = printer.config.require_section(name)?;
    let mut steppers = vec![Stepper::load(printer, &section)?];
    let mut endstops: Vec<Rc<dyn Endstop>> = vec![load_endstop(printer, &section)?];
    for i in 1..16 {
        let Some(extra) = printer.config.section(&format!("{name}{i}")) else { continue };
        steppers.push(Stepper::load(printer, &extra)?);
        if extra.has("endstop_pin") {
            endstops.push(load_endstop(printer, &extra)?);
        }
    }
    let position_endstop = match endstops[0].position_endstop() {
        Some(position) => position,
        None => match default_position_endstop {
            Some(default) => section.float("position_endstop").or(default)?,
            None => section.float("position_endstop").required()?,
        },
    };
    let delta = default_position_endstop.is_some() || name.ends_with(['a', 'b', 'c']);
    let (min, max) = match delta {
        true => (0.0, position_endstop),
        false => {
            let min = section.float("position_min").or(0.0)?;
            (min, section.float("position_max").above(min).required()?)
        }
    };
    if !(min..=max).contains(&position_endstop) {
        return Err(section.error(
            "position_endstop",
            format!(
                "position_endstop in section '{name}' must be between position_min and position_max ({min} to {max})"
            ),
        ));
    }
    let speed = section.float("homing_speed").above(0.0).or(5.0)?;
    let quarter = (max - min) / 4.0;
    let guess = match position_endstop {
        p if p <= min + quarter => Some(false),
        p if p >= max - quarter => Some(true),
        _ => None,
    };
    let positive_dir = match (section.boolean("homing_positive_dir").optional()?, guess) {
        (Some(given), _) => given,
        (None, Some(guess)) => guess,
        (None, None) => {
            return Err(section.error(
                "position_endstop",
                format!("Unable to infer homing_positive_dir in section '{name}': set homing_positive_dir, as position_endstop is not near either end"),
            ));
        }
    };
    let homing = HomingSettings {
        speed_mm_s: speed,
        second_speed_mm_s: section.float("second_homing_speed").above(0.0).or(speed / 2.0)?,
        retract_speed_mm_s: section.float("homing_retract_speed").above(0.0).or(speed)?,
        retract_dist_mm: section.float("homing_retract_dist").min(0.0).or(5.0)?,
        positive_dir,
        position_endstop_mm: position_endstop,
    };
    if (positive_dir && position_endstop == min) || (!positive_dir && position_endstop == max) {
        return Err(section.error(
            "homing_positive_dir",
            format!(
                "Invalid homing_positive_dir / position_endstop in '{name}': homing would move away from the endstop"
            ),
        ));
    }
    Ok(Rail { name: name.to_string(), steppers, endstops, homing, range_mm: (min, max) })
}

fn load_endstop(printer: &Rc<Printer>, section: &Section) -> Result<Rc<dyn Endstop>, ConfigError> {
    match printer.pins.take_endstop(printer, section, "endstop_pin")? {
        EndstopPin::Mcu(pin) => Ok(McuEndstop::new(printer, section.name(), pin)),
        EndstopPin::Virtual(endstop) => Ok(endstop),
    }
}

fn load_delta(
    printer: &Rc<Printer>,
    section: &Section,
    names: &[&str; 3],
    limits: &VelocityLimits,
    max_z_velocity_mm_s: f64,
) -> Result<(AnyKinematics, Vec<Rail>), ConfigError> {
    let first = load_rail(printer, names[0], None)?;
    let first_endstop = first.homing.position_endstop_mm;
    let mut rails = vec![first];
    for name in &names[1..] {
        rails.push(load_rail(printer, name, Some(first_endstop))?);
    }
    let radius_mm = section.float("delta_radius").above(0.0).required()?;
    let sections: Vec<Section> = names.iter().map(|n| printer.config.section_or_empty(n)).collect();
    let arm_a = sections[0].float("arm_length").above(radius_mm).required()?;
    let arm = |i: usize| sections[i].float("arm_length").above(radius_mm).or(arm_a);
    let angle = |i: usize, default| sections[i].float("angle").or(default);
    let a = limits.max_accel_mm_s2;
    let config = DeltaConfig {
        radius_mm,
        arm_mm: [arm_a, arm(1)?, arm(2)?],
        angle_deg: [angle(0, 210.0)?, angle(1, 330.0)?, angle(2, 90.0)?],
        endstop_mm: std::array::from_fn(|i| rails[i].homing.position_endstop_mm),
        max_velocity_mm_s: limits.max_velocity_mm_s,
        max_accel_mm_s2: a,
        max_z_velocity_mm_s,
        max_z_accel_mm_s2: section.float("max_z_accel").above(0.0).max(a).or(a)?,
        min_z_mm: section.float("minimum_z_position").or(0.0)?,
        print_radius_mm: section.float("print_radius").above(0.0).optional()?,
        min_step_distance_mm: rails.iter().map(|r| r.steppers[0].step_distance()).fold(f64::INFINITY, f64::min),
    };
    for rail in &mut rails {
        rail.homing.positive_dir = true;
    }
    Ok((AnyKinematics::Delta(Delta::new(config)), rails))
}
