//! The `[printer]` section and the motors: speeds, rotation distances, travel.

use super::{Findings, Severity::Error, Severity::Warning, View, float, float_in};
use crate::config::known::{KINEMATICS, known_section};
use crate::config::parse::RawSection;
use crate::config::suggest::nearest;

/// Steppers that each kinematics needs.
fn axes_of(kinematics: &str) -> &'static [&'static str] {
    match kinematics {
        "cartesian" | "corexy" | "corexz" | "hybrid_corexy" | "hybrid_corexz" => {
            &["stepper_x", "stepper_y", "stepper_z"]
        }
        "delta" | "rotary_delta" => &["stepper_a", "stepper_b", "stepper_c"],
        "deltesian" => &["stepper_left", "stepper_right", "stepper_y"],
        "polar" => &["stepper_bed", "stepper_arm", "stepper_z"],
        "winch" => &["stepper_a", "stepper_b", "stepper_c"],
        _ => &[],
    }
}

pub(super) fn printer(view: &View<'_>, out: &mut Findings) {
    if !view.has("mcu") {
        out.whole(view, "section-missing", "Section 'mcu' must be specified", "add an [mcu] section with its serial");
    }
    let Some(printer) = view.section("printer") else {
        let message = "Section 'printer' must be specified";
        return out.whole(view, "kinematics-missing", message, "add a [printer] section with kinematics");
    };
    if let Some(option) = printer.option("kinematics") {
        let kinematics = option.value.as_str();
        if !KINEMATICS.contains(&kinematics) {
            let message = format!("Unknown kinematics '{kinematics}'");
            let help = match nearest(kinematics, KINEMATICS.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("one of: {}", KINEMATICS.join(", ")),
            };
            out.option(Error, "kinematics-unknown", printer, option, message, help);
        }
        for axis in axes_of(kinematics).iter().filter(|axis| !view.has(axis)) {
            let message = format!("Section '{axis}' must be specified for kinematics '{kinematics}'");
            out.option(Error, "stepper-missing", printer, option, message, format!("add a [{axis}] section"));
        }
    }
    for (name, limit, unit) in [
        ("max_velocity", 1500.0, "mm/s"),
        ("max_accel", 100_000.0, "mm/s^2"),
        ("square_corner_velocity", 30.0, "mm/s"),
        ("max_z_velocity", 200.0, "mm/s"),
        ("max_z_accel", 30_000.0, "mm/s^2"),
    ] {
        let Some(option) = printer.option(name) else { continue };
        match float(option) {
            Some(value) if value > limit => {
                let message = format!("{name} of {value} {unit} is beyond any printer");
                out.option(
                    Warning,
                    "speed-absurd",
                    printer,
                    option,
                    message,
                    format!("above {limit} is a slip of the keyboard"),
                );
            }
            Some(value) if value <= 0.0 && name != "square_corner_velocity" => {
                let message = format!("Option '{name}' in section 'printer' must be above 0.0");
                out.option(Error, "speed-absurd", printer, option, message, format!("it is {value}"));
            }
            _ => {}
        }
    }
}

fn gear_ratio(section: &RawSection) -> Option<f64> {
    let Some(option) = section.option("gear_ratio") else { return Some(1.0) };
    option.value.split(',').try_fold(1.0, |ratio, part| {
        let (a, b) = part.split_once(':')?;
        let (a, b): (f64, f64) = (a.trim().parse().ok()?, b.trim().parse().ok()?);
        (a > 0.0 && b > 0.0).then_some(ratio * a / b)
    })
}

/// Which kind of drive a motor most likely has.
#[derive(Clone, Copy, PartialEq)]
enum Drive {
    Belt,
    Screw,
    Extruder,
}

impl Drive {
    fn of(section: &str) -> Option<Drive> {
        Some(match section {
            "stepper_x" | "stepper_y" | "stepper_a" | "stepper_b" | "stepper_c" => Drive::Belt,
            s if s.starts_with("stepper_x") || s.starts_with("stepper_y") => Drive::Belt,
            s if s.starts_with("stepper_z") => Drive::Screw,
            s if s.starts_with("extruder") => Drive::Extruder,
            _ => return None,
        })
    }

    /// Rotation distances that such drives have, in mm; of an extruder, with its gears.
    fn range(self, geared: bool) -> (f64, f64) {
        match self {
            Drive::Belt => (16.0, 75.0),
            Drive::Screw if geared => (1.0, 75.0),
            Drive::Screw => (0.7, 41.0),
            Drive::Extruder => (2.5, 40.0),
        }
    }
}

pub(super) fn rotation_distances(view: &View<'_>, out: &mut Findings) {
    for section in view.sections() {
        let Some(drive) = Drive::of(&section.name) else { continue };
        let Some(option) = section.option("rotation_distance") else { continue };
        let (Some(distance), Some(ratio)) = (float(option), gear_ratio(section)) else { continue };
        let shown = if drive == Drive::Extruder { distance / ratio } else { distance };
        let (low, high) = drive.range(ratio != 1.0);
        if (low..=high).contains(&shown) || distance <= 0.0 {
            continue;
        }
        let full_steps = float_in(section, "full_steps_per_rotation").unwrap_or(200.0);
        let microsteps = float_in(section, "microsteps").unwrap_or(16.0);
        let from_steps = full_steps * microsteps / distance * ratio;
        let from_steps_shown = if drive == Drive::Extruder { from_steps / ratio } else { from_steps };
        let fits = |value: f64| (low..=high).contains(&value);
        let (code, message, help) = if shown > high && fits(from_steps_shown) && likely(drive, from_steps_shown) {
            let message = format!("rotation_distance {distance} in [{}] looks like steps per mm", section.name);
            let tenth = if fits(shown / 10.0) { format!("; or is {} meant?", distance / 10.0) } else { String::new() };
            let help = format!(
                "s steps per mm are a rotation_distance of {full_steps} * {microsteps} / s = {from_steps:.3}, the travel \
                 of one turn{tenth}"
            );
            ("rotation-distance-steps-per-mm", message, help)
        } else {
            let near = if fits(shown * 10.0) && shown < low { distance * 10.0 } else { distance / 10.0 };
            let message = format!(
                "rotation_distance {distance} in [{}] is outside what such drives have ({low} to {high} mm a turn)",
                section.name
            );
            let help = format!("a 20-tooth GT2 pulley has 40, a T8 screw 8; is {near} meant?");
            ("rotation-distance-range", message, help)
        };
        out.option(Warning, code, section, option, message, help);
    }
}

/// Whether a rotation distance is one of those that parts are made with; those of extruders are not round.
fn likely(drive: Drive, distance: f64) -> bool {
    let known: &[f64] = match drive {
        Drive::Belt => &[32.0, 36.0, 40.0, 48.0, 60.0, 64.0, 72.0],
        Drive::Screw => &[1.0, 2.0, 4.0, 5.0, 8.0, 10.0, 12.0, 16.0, 32.0, 40.0],
        Drive::Extruder => return true,
    };
    known.iter().any(|k| (distance / k - 1.0).abs() < 0.02)
}

pub(super) fn steppers(view: &View<'_>, out: &mut Findings) {
    for section in view.sections().filter(|s| s.option("microsteps").is_some()) {
        let is_motor = known_section(&section.name).is_some_and(|k| k.has_option("step_pin"));
        let Some(option) = section.option("microsteps").filter(|_| is_motor) else { continue };
        let valid = ["1", "2", "4", "8", "16", "32", "64", "128", "256"].contains(&option.value.as_str());
        if !valid && float(option).is_some() {
            let message = format!("microsteps {} in [{}] is not a power of two", option.value, section.name);
            let help = "drivers have 1, 2, 4, 8, 16, 32, 64, 128 or 256";
            out.option(Error, "microsteps", section, option, message, help);
        }
        if let Some(option) = section.option("full_steps_per_rotation") {
            let steps = float(option).unwrap_or(200.0);
            if steps < 4.0 || steps % 4.0 != 0.0 {
                let message = format!("full_steps_per_rotation {steps} in [{}] must be a multiple of 4", section.name);
                out.option(Error, "full-steps", section, option, message, "200 for motors of 1.8 degrees, 400 for 0.9");
            } else if ![200.0, 400.0].contains(&steps) {
                let message = format!("full_steps_per_rotation {steps} in [{}] is of no usual motor", section.name);
                let help = "200 for motors of 1.8 degrees, 400 for 0.9";
                out.option(Warning, "full-steps", section, option, message, help);
            }
        }
    }
}

pub(super) fn ranges(view: &View<'_>, out: &mut Findings) {
    for section in view.with_prefix("stepper_").chain(view.with_prefix("carriage ")) {
        let (Some(max), min) = (section.option("position_max"), float_in(section, "position_min").unwrap_or(0.0))
        else {
            continue;
        };
        let Some(top) = float(max) else { continue };
        if top <= min {
            let message = format!("position_max {top} in [{}] must be above position_min {min}", section.name);
            out.option(Error, "position-range", section, max, message, "swap them, or set the travel of the axis");
        }
        if top - min > 2000.0 {
            let message = format!("[{}] travels {} mm", section.name, top - min);
            out.option(Warning, "position-range", section, max, message, "is a point missing in the number?");
        }
        let Some(endstop) = section.option("position_endstop") else { continue };
        let Some(at) = float(endstop) else { continue };
        if top > min && !(min..=top).contains(&at) {
            let message =
                format!("position_endstop in section '{}' must be between position_min and position_max", section.name);
            let help = format!("it is {at}, the range is {min} to {top}");
            out.option(Error, "endstop-position", section, endstop, message, help);
        }
    }
}

/// Steps a second that a board of 2020 cannot make.
const STEP_RATE_MAX_HZ: f64 = 2_000_000.0;

pub(super) fn step_rates(view: &View<'_>, out: &mut Findings) {
    let Some(velocity) = view.float("printer", "max_velocity").filter(|v| *v <= 1500.0) else { return };
    for section in view.sections().filter(|s| Drive::of(&s.name) == Some(Drive::Belt)) {
        let (Some(option), Some(distance)) = (section.option("microsteps"), float_in(section, "rotation_distance"))
        else {
            continue;
        };
        let full_steps = float_in(section, "full_steps_per_rotation").unwrap_or(200.0);
        let (Some(microsteps), Some(ratio)) = (float(option), gear_ratio(section)) else { continue };
        let rate = velocity / distance * full_steps * microsteps * ratio;
        if distance > 0.0 && rate > STEP_RATE_MAX_HZ {
            let message = format!("[{}] needs {rate:.0} steps/s at max_velocity {velocity} mm/s", section.name);
            let help = "lower microsteps (with interpolate: True it stays smooth), or max_velocity";
            out.option(Warning, "step-rate", section, option, message, help);
        }
    }
}
