//! Homing without a switch: the driver's diagnosis pin goes high when its motor stalls.
//!
//! A driver tells of a stall in one chopper mode only, so the mode is changed before such a move and put back after.

use std::rc::Rc;

use super::TmcDriver;
use super::model::Stall;
use crate::config::{ConfigError, PinDesc, Section};
use crate::gcode::CommandError;
use crate::homing::{Endstop, McuEndstop, Sampling};
use crate::printer::Printer;
use crate::printer::dispatch::CommandResult;
use crate::printer::pins::{Pin, PinFlags, VirtualPins};
use crate::reactor::{Completion, LocalFuture};
use crate::stepper::Stepper;

/// "At any speed."
const TSTEP_MAX: i64 = 0xf_ffff;

/// The chip name `tmc2209_stepper_x`, which offers `virtual_endstop`.
pub struct StallPins {
    driver: Rc<TmcDriver>,
    endstop: Option<Rc<dyn Endstop>>,
}

/// Takes the diagnosis pin, if printer.cfg names one, and offers the virtual endstop.
pub fn load(printer: &Rc<Printer>, section: &Section, driver: &Rc<TmcDriver>) -> Result<(), ConfigError> {
    let options: &[&str] = match driver.model().stall {
        Stall::No => &[],
        Stall::StealthOnly => &["diag_pin"],
        Stall::SpreadOnly => &["diag0_pin", "diag1_pin"],
    };
    let mut named: Option<(&str, Pin)> = None;
    for option in options {
        if !section.has(option) {
            continue;
        }
        // The pin belongs to whoever homes with it; a switch on the same pin is the user's own choice.
        let pin = printer.pins.take(printer, section, option, PinFlags::INPUT, Some("endstop"))?;
        named = named.or(Some((option, pin)));
    }
    let endstop = named.map(|(option, pin)| {
        let output = if option == "diag0_pin" { "diag0_stall" } else { "diag1_stall" };
        let input = McuEndstop::new(printer, driver.motor(), pin);
        Rc::new(StallEndstop { driver: driver.clone(), input, output }) as Rc<dyn Endstop>
    });
    let chip = format!("{}_{}", driver.model().name, driver.motor().replace(' ', "_"));
    printer.pins.register_chip(&chip, Rc::new(StallPins { driver: driver.clone(), endstop }));
    Ok(())
}

impl VirtualPins for StallPins {
    fn endstop(&self, pin: &PinDesc) -> Result<Rc<dyn Endstop>, String> {
        if pin.pin != "virtual_endstop" {
            return Err("tmc virtual endstop only useful as endstop".into());
        }
        if pin.invert || pin.pullup != 0 {
            return Err("Can not pullup/invert tmc virtual endstop".into());
        }
        let option = match self.driver.model().stall {
            Stall::No => return Err(format!("a {} cannot tell that its motor stalls", self.driver.model().name)),
            Stall::StealthOnly => "diag_pin",
            Stall::SpreadOnly => "diag1_pin",
        };
        let missing =
            || format!("tmc virtual endstop requires diag pin config: add {option} to [{}]", self.driver.section());
        self.endstop.clone().ok_or_else(missing)
    }
}

struct StallEndstop {
    driver: Rc<TmcDriver>,
    input: Rc<McuEndstop>,
    /// The field that puts a stall on the pin that is watched.
    output: &'static str,
}

impl StallEndstop {
    /// Fields while a stall is watched for, and what they are set back to.
    fn changes(&self) -> Vec<(&'static str, i64)> {
        match self.driver.model().stall {
            Stall::No => Vec::new(),
            Stall::StealthOnly => vec![("tpwmthrs", 0), ("en_spreadcycle", 0), ("tcoolthrs", TSTEP_MAX)],
            Stall::SpreadOnly => vec![("en_pwm_mode", 0), (self.output, 1), ("thigh", 0), ("tcoolthrs", TSTEP_MAX)],
        }
    }
}

impl Endstop for StallEndstop {
    fn name(&self) -> String {
        self.input.name()
    }

    fn add_stepper(&self, stepper: Rc<Stepper>) {
        self.input.add_stepper(stepper);
    }

    fn steppers(&self) -> Vec<Rc<Stepper>> {
        self.input.steppers()
    }

    fn prepare(&self, _printer: Rc<Printer>) -> LocalFuture<CommandResult> {
        let (driver, changes) = (self.driver.clone(), self.changes());
        Box::pin(async move {
            for (field, value) in changes {
                driver.write_over(field, value).await?;
            }
            Ok(())
        })
    }

    fn finish(&self, _printer: Rc<Printer>) -> LocalFuture<CommandResult> {
        let (driver, changes) = (self.driver.clone(), self.changes());
        Box::pin(async move {
            for (field, _) in changes.into_iter().rev() {
                driver.write_back(field).await?;
            }
            Ok(())
        })
    }

    fn home_start(&self, print_time: f64, sample: Sampling, triggered: bool) -> Completion<()> {
        self.input.home_start(print_time, sample, triggered)
    }

    fn home_wait(&self, end: f64) -> LocalFuture<Result<Option<f64>, CommandError>> {
        self.input.home_wait(end)
    }

    fn query(&self, print_time: f64) -> LocalFuture<Result<bool, CommandError>> {
        self.input.query(print_time)
    }
}
