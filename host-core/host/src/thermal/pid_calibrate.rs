//! PID_CALIBRATE: oscillates a heater about a target and offers the gains for SAVE_CONFIG.

use std::cell::RefCell;
use std::rc::Rc;

use super::autotune::Autotune;
use super::core::PWM_DELAY_S;
use super::heater::Heater;
use super::heaters::set_temperature;
use super::pid::Gains;
use crate::gcode::{Command, CommandError};
use crate::printer::dispatch::CommandResult;
use crate::printer::{Output, Printer};

/// WRITE_FILE's file; the shell decides on the folder.
const TRACE_FILE: &str = "heattest.txt";

/// `HEATER=` is optional where there is one heater only, as for any command that objects share.
pub(super) fn register(printer: &Rc<Printer>, heater: &Rc<Heater>) {
    let me = heater.clone();
    let help = "Run PID calibration test";
    printer.gcode.register_mux_async(
        "PID_CALIBRATE",
        "HEATER",
        Some(heater.short_name()),
        help,
        move |printer, command| {
            let me = me.clone();
            async move { calibrate(&printer, &me, &command).await }
        },
    );
}

async fn calibrate(printer: &Rc<Printer>, heater: &Rc<Heater>, command: &Command<'_>) -> CommandResult {
    let target = command.float("TARGET").required()?;
    let write_file = command.int("WRITE_FILE").or(0)? != 0;
    let test = Rc::new(RefCell::new(Autotune::new(target, heater.max_power(), PWM_DELAY_S)));
    let old = heater.set_law(Box::new(test.clone()));
    let heated = set_temperature(printer, heater, target, true).await;
    heater.set_law(old);
    heated?;
    if write_file {
        let content = test.borrow().write_file().into_bytes();
        printer.emit(Output::File { path: TRACE_FILE.to_string(), content });
    }
    test.borrow_mut().take_messages().into_iter().for_each(|line| printer.log(line));
    let result = (!printer.is_shutdown() && test.borrow().is_done()).then(|| test.borrow().result()).flatten();
    let Gains { kp, ki, kd } = result.ok_or_else(|| CommandError::new("pid_calibrate interrupted"))?.gains;
    printer.log(format!("Autotune: final: Kp={kp:.6} Ki={ki:.6} Kd={kd:.6}"));
    printer.gcode.respond_info(&report(kp, ki, kd));
    let section = heater.name();
    printer.set_pending(section, "control", "pid");
    for (option, value) in [("pid_kp", kp), ("pid_ki", ki), ("pid_kd", kd)] {
        printer.set_pending(section, option, &format!("{value:.3}"));
    }
    Ok(())
}

fn report(kp: f64, ki: f64, kd: f64) -> String {
    format!(
        "PID parameters: pid_Kp={kp:.3} pid_Ki={ki:.3} pid_Kd={kd:.3}\n\
         The SAVE_CONFIG command will update the printer config file\n\
         with these parameters and restart the printer."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_klippers_form() {
        let text = report(59.4321, 16.5086, 53.4889);
        assert!(text.starts_with("PID parameters: pid_Kp=59.432 pid_Ki=16.509 pid_Kd=53.489\n"));
        assert_eq!(text.lines().count(), 3);
    }
}
