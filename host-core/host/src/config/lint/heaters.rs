//! Heaters and their sensors: types, limits, gains, names, and what the extruder takes.

use super::{Findings, Severity::Error, Severity::Warning, View, float, float_in};
use crate::config::known::SENSOR_TYPES;
use crate::config::parse::RawSection;
use crate::config::suggest::nearest;

pub(super) fn is_extruder(name: &str) -> bool {
    name.strip_prefix("extruder").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
}

fn is_heater(section: &RawSection) -> bool {
    is_extruder(&section.name) || section.name == "heater_bed" || section.name.starts_with("heater_generic ")
}

/// Names as commands and other sections use them.
pub(super) fn heater_names(view: &View<'_>) -> Vec<String> {
    let heaters = view.sections().filter(|s| is_heater(s));
    heaters.map(|s| s.name.strip_prefix("heater_generic ").unwrap_or(&s.name).to_string()).collect()
}

pub(super) fn sensors(view: &View<'_>, out: &mut Findings) {
    let own: Vec<&str> = ["thermistor ", "adc_temperature "]
        .iter()
        .flat_map(|prefix| view.with_prefix(prefix).map(move |s| &s.name[prefix.len()..]))
        .collect();
    for section in view.sections().filter(|s| !s.name.starts_with("probe_") && !s.name.starts_with("load_cell")) {
        let Some(option) = section.option("sensor_type") else { continue };
        let sensor = option.value.as_str();
        if !SENSOR_TYPES.contains(&sensor) && !own.contains(&sensor) {
            let lower = sensor.to_lowercase();
            let names = || SENSOR_TYPES.iter().copied().chain(own.iter().copied());
            let same = names().find(|n| n.to_lowercase() == lower);
            let help = match same.or_else(|| nearest(sensor, names())) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("one of: {}; or define it with [thermistor NAME]", SENSOR_TYPES.join(", ")),
            };
            out.option(
                Error,
                "sensor-type-unknown",
                section,
                option,
                format!("Unknown temperature sensor '{sensor}'"),
                help,
            );
            continue;
        }
        let max = float_in(section, "max_temp").unwrap_or(0.0);
        if section.name == "heater_bed" && (sensor.starts_with("PT100") || sensor.starts_with("MAX")) {
            let message = format!("'{sensor}' is an unlikely sensor for a bed, which mostly has a 100K thermistor");
            out.option(Warning, "sensor-type-unlikely", section, option, message, unlikely_help());
        } else if is_extruder(&section.name) && sensor == "PT1000" && section.option("pullup_resistor").is_none() {
            let message =
                "sensor_type PT1000 with the default pull-up of 4700 Ohm: most boards' inputs expect a thermistor";
            let help = "a thermistor read as PT1000 shows a wrong temperature; if it is a PT1000, set pullup_resistor";
            out.option(Warning, "sensor-type-unlikely", section, option, message, help);
        } else if is_extruder(&section.name) && max > 305.0 && is_common_thermistor(sensor) {
            let message = format!("'{sensor}' is not made for max_temp {max}");
            let help = "lower max_temp to 300, or check the type of the sensor";
            out.option(Warning, "sensor-type-unlikely", section, option, message, help);
        }
    }
}

fn unlikely_help() -> &'static str {
    "compare the temperature with the room's when cold; 'Generic 3950' is common for beds"
}

fn is_common_thermistor(sensor: &str) -> bool {
    let common = ["EPCOS", "Generic 3950", "Honeywell", "NTC 100K", "TDK", "ATC Semitec 104GT"];
    common.iter().any(|c| sensor.starts_with(c))
}

pub(super) fn limits(view: &View<'_>, out: &mut Findings) {
    for section in view.sections().filter(|s| is_heater(s)) {
        let (high, what) = match section.name.as_str() {
            "heater_bed" => (180.0, "a bed"),
            name if is_extruder(name) => (500.0, "a hot end"),
            _ => (300.0, "a heater of this kind"),
        };
        let min = float_in(section, "min_temp");
        if let Some((option, max)) = section.option("max_temp").and_then(|o| Some((o, float(o)?))) {
            if max > high {
                let message =
                    format!("max_temp {max} of [{}] protects nothing: {what} must never get there", section.name);
                let help = "set it to what the weakest part stands, some 20 above the hottest print";
                out.option(Warning, "max-temp", section, option, message, help);
            }
            if min.is_some_and(|min| min >= max) {
                let message = format!("max_temp in section '{}' must be above min_temp", section.name);
                out.option(
                    Error,
                    "temp-range",
                    section,
                    option,
                    message,
                    format!("min_temp is {}", min.unwrap_or(0.0)),
                );
            }
            if let Some(extrude) = section.option("min_extrude_temp")
                && float(extrude).is_some_and(|t| t > max)
            {
                let message = "min_extrude_temp is above max_temp, so nothing can be extruded";
                out.option(Error, "temp-range", section, extrude, message, "170 is the default");
            }
        }
        if let Some((option, min)) = section.option("min_temp").and_then(|o| Some((o, float(o)?)))
            && min < -40.0
        {
            let message = format!("min_temp {min} of [{}] hides a broken or unplugged sensor", section.name);
            out.option(
                Warning,
                "min-temp",
                section,
                option,
                message,
                "0 is usual: an open thermistor reads far below it",
            );
        }
    }
}

pub(super) fn gains(view: &View<'_>, out: &mut Findings) {
    for section in view.sections().filter(|s| is_heater(s)) {
        let kp = if is_extruder(&section.name) { (1.0, 250.0) } else { (2.0, 1500.0) };
        let ranges = [("pid_kp", kp), ("pid_ki", (0.001, 100.0)), ("pid_kd", (0.0, 20_000.0))];
        for (name, (low, high)) in ranges {
            let Some((option, gain)) = section.option(name).and_then(|o| Some((o, float(o)?))) else { continue };
            if !(low..=high).contains(&gain) {
                let message = format!("{name} {gain} of [{}] is far from any heater's ({low} to {high})", section.name);
                out.option(Warning, "pid-gains", section, option, message, "run PID_CALIBRATE and SAVE_CONFIG");
            }
        }
    }
}

/// Heaters and steppers that other sections name.
pub(super) fn names(view: &View<'_>, out: &mut Findings) {
    let heaters = heater_names(view);
    for section in view.sections() {
        if let Some(name) = section.name.strip_prefix("verify_heater ")
            && !heaters.iter().any(|h| h == name)
        {
            let message = format!("Unknown heater '{name}'");
            out.section(Error, "heater-unknown", section, message, heater_help(name, &heaters));
        }
        let wants_heater = ["heater_fan ", "controller_fan "].iter().any(|p| section.name.starts_with(p));
        if let Some(option) = section.option("heater").filter(|_| wants_heater) {
            for name in option.value.split(',').map(str::trim).filter(|n| !n.is_empty()) {
                if !heaters.iter().any(|h| h == name) {
                    let help = heater_help(name, &heaters);
                    out.option(Error, "heater-unknown", section, option, format!("Unknown heater '{name}'"), help);
                }
            }
        } else if section.name.starts_with("heater_fan ") && section.option("heater").is_none() && !view.has("extruder")
        {
            let message = "Unknown heater 'extruder'";
            out.section(Error, "heater-unknown", section, message, heater_help("extruder", &heaters));
        }
        if let Some(option) = section.option("stepper").filter(|_| section.name.starts_with("controller_fan ")) {
            for name in option.value.split(',').map(str::trim).filter(|n| !n.is_empty() && !view.has(n)) {
                let steppers =
                    view.sections().map(|s| s.name.as_str()).filter(|n| n.contains("stepper") || is_extruder(n));
                let help = nearest(name, steppers).map_or("check its name".into(), |n| format!("did you mean '{n}'?"));
                out.option(Error, "stepper-unknown", section, option, format!("Unknown stepper '{name}'"), help);
            }
        }
    }
}

/// What to do about a name that is no heater's.
pub(super) fn heater_help(name: &str, heaters: &[String]) -> String {
    match nearest(name, heaters.iter().map(String::as_str)) {
        Some(near) => format!("did you mean '{near}'?"),
        None if heaters.is_empty() => "the configuration has no heater".to_string(),
        None => format!("the heaters are: {}", heaters.join(", ")),
    }
}

pub(super) fn extrusion(view: &View<'_>, out: &mut Findings) {
    for section in view.sections().filter(|s| is_extruder(&s.name)) {
        if let Some((option, diameter)) = section.option("filament_diameter").and_then(|o| Some((o, float(o)?)))
            && !(1.6..=1.9).contains(&diameter)
        {
            let message = format!("filament_diameter {diameter} is not that of the usual filament, 1.75");
            let help =
                "with the wrong diameter the limits on extrusion are wrong: 2.85 lets through 2.65 times as much";
            out.option(Warning, "filament-diameter", section, option, message, help);
        }
        if let Some((option, nozzle)) = section.option("nozzle_diameter").and_then(|o| Some((o, float(o)?)))
            && !(0.1..=2.0).contains(&nozzle)
        {
            let message = format!("nozzle_diameter {nozzle} mm is of no nozzle");
            out.option(Warning, "nozzle-diameter", section, option, message, "0.4 is usual");
        }
        if let Some((option, advance)) = section.option("pressure_advance").and_then(|o| Some((o, float(o)?)))
            && !(0.0..=2.0).contains(&advance)
        {
            let message = format!("pressure_advance {advance} s is out of the ordinary");
            out.option(
                Warning,
                "pressure-advance",
                section,
                option,
                message,
                "0.02 to 0.1 direct, 0.3 to 1 with a tube",
            );
        }
    }
}
