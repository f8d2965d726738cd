//! Names and plain values: what is not known, what is missing, what cannot be read.

use super::{Findings, Severity::Error, Severity::Warning, View};
use crate::config::known::{self, KnownSection, known_section};
use crate::config::parse::{RawOption, RawSection, shorten};
use crate::printer::sections::is_supported;

pub(super) fn sections_and_options(view: &View<'_>, out: &mut Findings) {
    for section in view.sections() {
        let name = &section.name;
        let Some(kind) = known_section(name) else {
            let message = format!("Section '{name}' is not a valid config section");
            out.section(Error, "section-unknown", section, message, known::section_help(name));
            continue;
        };
        for option in section.options.iter().filter(|o| !kind.has_option(&o.name)) {
            unknown_option(kind, section, option, out);
        }
    }
}

fn unknown_option(kind: &KnownSection, section: &RawSection, option: &RawOption, out: &mut Findings) {
    let message = format!("Option '{}' is not valid in section '{}'", option.name, section.name);
    if let Some(help) = known::removed_option(&section.name, &option.name) {
        return out.option(Error, "option-removed", section, option, message, help);
    }
    match kind.nearest_option(&option.name) {
        Some(near) => {
            let help = format!("did you mean '{near}'?");
            out.option(Error, "option-misspelt", section, option, message, help);
        }
        None => {
            let other = known::SECTIONS.iter().find(|k| k.options().any(|o| o == option.name));
            let help = match other {
                Some(other) => format!("it is an option of [{}]; is a section header missing?", other.name),
                None => "remove it, or check its name".to_string(),
            };
            out.option(Error, "option-unknown", section, option, message, help);
        }
    }
}

/// What Klipper has and this host does not: it refuses such a section by name.
pub(super) fn unsupported_sections(view: &View<'_>, out: &mut Findings) {
    for section in view.sections().filter(|s| known_section(&s.name).is_some()) {
        if !is_supported(&section.name) {
            let message = format!("Section '{}' is not supported yet", section.name);
            let help = "Drydock knows it as Klipper's but has not built it; take it out for the simulation";
            out.section(Warning, "section-unsupported", section, message, help);
        }
    }
}

pub(super) fn required_options(view: &View<'_>, out: &mut Findings) {
    let is_rotary = matches!(view.text("printer", "kinematics"), Some("polar" | "rotary_delta" | "winch"));
    for section in view.sections() {
        let Some(kind) = known_section(&section.name) else { continue };
        for option in kind.required.split_whitespace() {
            let spared = match option {
                // The drives of the second Z motors and the like have their range from the first.
                "kinematics" => false,
                "max_velocity" | "max_accel" => view.text("printer", "kinematics") == Some("none"),
                // An extruder that shares a heater, or a motor set up as [extruder_stepper].
                "step_pin" | "dir_pin" | "microsteps" => !has_motor(section),
                // What turns has an angle in place of a distance.
                "rotation_distance" => !has_motor(section) || (is_rotary && section.option("gear_ratio").is_some()),
                _ => false,
            };
            if !spared && section.option(option).is_none() {
                let code = match option {
                    "dir_pin" => "dir-pin-missing",
                    "kinematics" => "kinematics-missing",
                    "sense_resistor" => "sense-resistor-missing",
                    _ => "option-missing",
                };
                let message = format!("Option '{option}' in section '{}' must be specified", section.name);
                out.section(Error, code, section, message, missing_help(kind, section, option));
            }
        }
        if let Some(control) = section.option("control").filter(|o| o.value == "pid") {
            for gain in ["pid_kp", "pid_ki", "pid_kd"].into_iter().filter(|g| section.option(g).is_none()) {
                let message = format!("Option '{gain}' in section '{}' must be specified", section.name);
                let help = "run PID_CALIBRATE, or start with control: watermark";
                out.option(Error, "pid-gains-missing", section, control, message, help);
            }
        }
    }
}

fn has_motor(section: &RawSection) -> bool {
    ["step_pin", "dir_pin", "enable_pin", "rotation_distance"].iter().any(|o| section.option(o).is_some())
}

fn missing_help(kind: &KnownSection, section: &RawSection, option: &str) -> String {
    let strangers = section.options.iter().filter(|o| !kind.has_option(&o.name)).map(|o| o.name.as_str());
    match super::super::suggest::nearest(option, strangers) {
        Some(near) => format!("'{near}' may be meant for it"),
        None => format!("add '{option}: ...' to [{}]", section.name),
    }
}

/// Ends of the names of options whose value is one number.
const NUMBERS: &[&str] = &[
    "_distance",
    "_velocity",
    "_accel",
    "_temp",
    "_speed",
    "_current",
    "_resistor",
    "_diameter",
    "_position_min",
    "position_min",
    "position_max",
    "position_endstop",
    "_offset",
    "pid_kp",
    "pid_ki",
    "pid_kd",
    "microsteps",
    "_ratio_x",
    "_ratio_y",
    "shaper_freq_x",
    "shaper_freq_y",
    "max_power",
    "cycle_time",
    "z_hop",
    "samples",
    "uart_address",
    "baud",
    "_timeout",
    "timeout",
    "full_steps_per_rotation",
    "smooth_time",
    "square_corner_velocity",
    "minimum_cruise_ratio",
];

/// Ends of the names of options that are true or false.
const BOOLEANS: &[&str] =
    &["hardware_pwm", "interpolate", "enable_force_move", "stow_on_each_sample", "pause_on_runout"];

pub(super) fn values(view: &View<'_>, out: &mut Findings) {
    for section in view.sections().filter(|s| known_section(&s.name).is_some()) {
        for option in section.options.iter().filter(|o| !o.value.contains('\n')) {
            let name = option.name.as_str();
            if name.starts_with("variable_") || section.name.starts_with("gcode_macro") {
                continue;
            }
            let message = format!("Unable to parse option '{name}' in section '{}'", section.name);
            let value = shorten(&option.value);
            let number = NUMBERS.iter().any(|end| name.ends_with(end)) && name != "move_check_distance";
            if number && super::float(option).is_none() {
                let help = match option.value.replace(',', ".").trim().parse::<f64>() {
                    Ok(_) => format!("'{value}' needs a point, not a comma"),
                    Err(_) => format!("'{value}' is not a number"),
                };
                out.option(Error, "value-unparsable", section, option, message, help);
            } else if BOOLEANS.contains(&name) && !is_boolean(&option.value) {
                out.option(
                    Error,
                    "value-unparsable",
                    section,
                    option,
                    message,
                    format!("'{value}' is not True or False"),
                );
            }
        }
    }
}

fn is_boolean(value: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off", "1", "0"].contains(&value.to_lowercase().as_str())
}

/// An option that is indented by accident becomes part of the value above it.
pub(super) fn indentation(view: &View<'_>, out: &mut Findings) {
    for section in view.sections() {
        let Some(kind) = known_section(&section.name) else { continue };
        for option in &section.options {
            for (i, line) in option.value.split('\n').enumerate().skip(1) {
                let Some((name, _)) = line.split_once([':', '=']) else {
                    if line.starts_with('[') && line.ends_with(']') && known_section(&line[1..line.len() - 1]).is_some()
                    {
                        report_indented(section, option, i, line, out);
                    }
                    continue;
                };
                let name = name.trim().to_lowercase();
                let swallowed = kind.options().any(|o| o == name) && !name.contains(' ');
                if swallowed {
                    report_indented(section, option, i, line, out);
                }
            }
        }
    }
}

fn report_indented(section: &RawSection, option: &RawOption, line: usize, text: &str, out: &mut Findings) {
    let message = format!("The indented line '{}' is read as part of option '{}'", shorten(text), option.name);
    let mut moved = option.clone();
    moved.value_place = option.value_place.lines_below(line as u32);
    out.option(Error, "indentation", section, &moved, message, "remove the blanks at its start");
}

/// Values that are overridden: by the SAVE_CONFIG block, or by a second entry.
pub(super) fn duplicates(view: &View<'_>, out: &mut Findings) {
    for section in view.sections() {
        for option in &section.options {
            for old in option.overrides.iter().filter(|old| old.value.trim() != option.value.trim()) {
                let shown = (shorten(old.value.trim()), shorten(option.value.trim()));
                let mut at = option.clone();
                at.value_place = old.name_place.clone();
                if option.autosave && !old.autosave {
                    let message = format!(
                        "'{}: {}' in [{}] is overridden by the SAVE_CONFIG block, which has '{}'",
                        option.name, shown.0, section.name, shown.1
                    );
                    let help = "comment this line out, or remove the option from the block at the end of the file";
                    out.option(Warning, "saved-duplicate", section, &at, message, help);
                } else if old.name_place.file == option.name_place.file {
                    // A value of another file is overridden on purpose: a base, and what differs from it.
                    let message = format!(
                        "'{}: {}' in [{}] is overridden at {} by '{}'",
                        option.name, shown.0, section.name, option.name_place, shown.1
                    );
                    out.option(Warning, "option-duplicate", section, &at, message, "keep one of the two");
                }
            }
        }
    }
}
