//! `[verify_heater NAME]`: watches a heater once a second and shuts the printer down if it does not do its work.

use std::rc::{Rc, Weak};

use super::heater::Heater;
use super::heaters::TemperatureSource;
use super::verify::{Verdict, Verify, VerifyLimits, fault_message};
use crate::config::{ConfigError, Section};
use crate::printer::{Event, Printer};

const CHECK_EACH_S: f64 = 1.0;

/// Every heater is watched, with or without a section of its own.
pub(super) fn load_for(printer: &Rc<Printer>, heater: &Rc<Heater>) -> Result<(), ConfigError> {
    let name = heater.short_name();
    let section = printer.config.section_or_empty(&format!("verify_heater {name}"));
    let limits = VerifyLimits {
        hysteresis_k: section.float("hysteresis").min(0.0).or(5.0)?,
        max_error_k_s: section.float("max_error").min(0.0).or(120.0)?,
        heating_gain_k: section.float("heating_gain").above(0.0).or(2.0)?,
        check_gain_time_s: section.float("check_gain_time").min(1.0).or(if name == "heater_bed" {
            60.0
        } else {
            20.0
        })?,
    };
    if printer.is_offline() {
        return Ok(());
    }
    let (weak, heater) = (Rc::downgrade(printer), Rc::downgrade(heater));
    printer.on(Event::Connect, move || {
        if let Some(printer) = weak.upgrade() {
            printer.reactor.spawn("verify_heater", watch(weak.clone(), heater.clone(), Verify::new(limits)));
        }
    });
    Ok(())
}

/// Loader of the section: the heater that it names reads it.
pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let name = section.identifier();
    let known = printer.config.names().any(|n| n == name || n.strip_prefix("heater_generic ") == Some(name));
    if known {
        return Ok(());
    }
    let error = section.section_error(format!("Unknown heater '{name}'"));
    Err(error.help("name the section of a heater: extruder, heater_bed, or the name behind heater_generic"))
}

async fn watch(printer: Weak<Printer>, heater: Weak<Heater>, mut verify: Verify) {
    loop {
        let (Some(printer), Some(heater)) = (printer.upgrade(), heater.upgrade()) else { return };
        if printer.is_shutdown() {
            return;
        }
        let now = printer.reactor.now();
        let (celsius, target) = heater.temperature(now);
        let name = heater.short_name();
        match verify.check(now, celsius, target) {
            Verdict::Fine => {}
            Verdict::StartedToApproach => printer.log(format!("Heater {name} approaching new target of {target:.3}")),
            Verdict::ReachedTarget => printer.log(format!("Heater {name} within range of {target:.3}")),
            Verdict::NoLongerApproaching => {
                printer.log(format!("Heater {name} no longer approaching target {target:.3}"))
            }
            Verdict::Fault => return printer.invoke_shutdown(&fault_message(name)),
        }
        let sleep = printer.reactor.sleep(CHECK_EACH_S);
        drop((printer, heater));
        sleep.await;
    }
}
