//! Trinamic drivers: current, sense resistor, addresses, sensorless homing.

use std::collections::BTreeMap;

use super::{Findings, Severity::Error, Severity::Warning, View, float, float_in};
use crate::config::parse::RawSection;
use crate::config::suggest::nearest;

/// Driver, and the highest RMS current in A that its boards carry.
const DRIVERS: [(&str, f64); 6] =
    [("tmc2130", 1.5), ("tmc2208", 1.6), ("tmc2209", 2.0), ("tmc2240", 2.5), ("tmc2660", 3.0), ("tmc5160", 4.0)];

fn all<'c>(view: &View<'c>) -> impl Iterator<Item = (&'static str, f64, &'c RawSection, &'c str)> {
    view.sections().filter_map(|section| {
        let (driver, stepper) = section.name.split_once(' ')?;
        let (name, limit) = DRIVERS.into_iter().find(|(name, _)| *name == driver)?;
        Some((name, limit, section, stepper.trim()))
    })
}

pub(super) fn drivers(view: &View<'_>, out: &mut Findings) {
    for (driver, limit, section, stepper) in all(view) {
        if !view.has(stepper) {
            let motors =
                view.sections().map(|s| s.name.as_str()).filter(|n| n.contains("stepper") || n.contains("extruder"));
            let help = nearest(stepper, motors.filter(|n| !n.starts_with("tmc")));
            let help = help
                .map_or("add the stepper's section, or correct the name".into(), |n| format!("did you mean '{n}'?"));
            let message = format!("Could not find config section '[{stepper}]' required by {driver} driver");
            out.section(Error, "driver-without-stepper", section, message, help);
        }
        if let Some((option, current)) = section.option("run_current").and_then(|o| Some((o, float(o)?))) {
            if current > limit {
                let message = format!("run_current {current} A is more than a {} carries", driver.to_uppercase());
                let help = format!("at most {limit} A RMS; 0.7 times the motor's rated current is a good start");
                out.option(Warning, "run-current", section, option, message, help);
            } else if current < 0.1 {
                let message = format!("run_current {current} A does not turn a motor");
                out.option(Warning, "run-current", section, option, message, "most motors take 0.4 to 1.2 A");
            }
        }
        match section.option("sense_resistor").and_then(|o| Some((o, float(o)?))) {
            Some((option, ohm)) if !(0.02..=1.0).contains(&ohm) => {
                let message = format!("sense_resistor {ohm} Ohm is on no board");
                let help = "0.110 for TMC2208/2209, 0.075 for most TMC5160, in Ohm";
                out.option(Warning, "sense-resistor", section, option, message, help);
            }
            None if driver == "tmc5160" && section.option("sense_resistor").is_none() => {
                let message = format!("[{}] has no sense_resistor: 0.075 Ohm is taken", section.name);
                let help = "look it up for your board (0.033, 0.050 and 0.075 are in use): the current depends on it";
                out.section(Warning, "sense-resistor-missing", section, message, help);
            }
            _ => {}
        }
        sensorless(view, driver, section, stepper, out);
    }
}

fn sensorless(view: &View<'_>, driver: &str, section: &RawSection, stepper: &str, out: &mut Findings) {
    let chip = format!("{driver}_{stepper}:virtual_endstop");
    let Some(motor) = view.section(stepper) else { return };
    let Some(endstop) = motor.option("endstop_pin").filter(|o| o.value.contains(&chip)) else { return };
    if ["diag_pin", "diag0_pin", "diag1_pin"].iter().all(|p| section.option(p).is_none()) {
        let message = format!("tmc virtual endstop requires diag pin config: [{}] has none", section.name);
        let pin = if driver == "tmc2209" { "diag_pin" } else { "diag1_pin" };
        out.option(Error, "diag-pin-missing", motor, endstop, message, format!("add {pin} to [{}]", section.name));
    }
    if float_in(motor, "homing_retract_dist").unwrap_or(5.0) != 0.0 {
        let message = format!("[{stepper}] homes without a switch and would touch twice");
        out.option(Warning, "sensorless-retract", motor, endstop, message, "set homing_retract_dist: 0");
    }
}

pub(super) fn addresses(view: &View<'_>, out: &mut Findings) {
    let mut seen: BTreeMap<(String, String, i64), &RawSection> = BTreeMap::new();
    for (driver, _, section, _) in all(view).filter(|(_, _, s, _)| s.option("uart_pin").is_some()) {
        let option = section.option("uart_address");
        let address = option.and_then(|o| o.value.parse::<i64>().ok()).unwrap_or(0);
        let highest = if driver == "tmc2209" { 3 } else { 0 };
        if let Some(option) = option
            && driver != "tmc2240"
            && !(0..=highest).contains(&address)
        {
            let message = format!("uart_address {address} of [{}] is out of range: 0 to {highest}", section.name);
            out.option(Error, "uart-address", section, option, message, "see how the board wires MS1 and MS2");
        }
        let pin = section.option("uart_pin").map_or("", |o| o.value.as_str());
        let select = section.option("select_pins").map_or("", |o| o.value.as_str());
        let key = (pin.trim_start_matches(['^', '!']).to_string(), select.to_string(), address);
        let Some(other) = seen.insert(key, section) else { continue };
        let message = format!("[{}] and [{}] share uart_pin {pin} and address {address}", other.name, section.name);
        let help = "drivers on one line need addresses of their own: 0, 1, 2, 3";
        match option {
            Some(option) => out.option(Error, "uart-address-duplicate", section, option, message, help),
            None => out.section(Error, "uart-address-duplicate", section, message, help),
        }
    }
}
