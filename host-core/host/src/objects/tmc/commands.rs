//! DUMP_TMC, INIT_TMC, SET_TMC_CURRENT and SET_TMC_FIELD.

use std::rc::Rc;

use super::TmcDriver;
use super::tstep;
use crate::gcode::{Command, CommandError, OwnedCommand};
use crate::printer::Printer;
use crate::printer::dispatch::CommandResult;

pub fn register(printer: &Rc<Printer>, driver: &Rc<TmcDriver>) {
    let gcode = &printer.gcode;
    let name = Some(driver.motor());
    let me = driver.clone();
    gcode.register_mux_async(
        "DUMP_TMC",
        "STEPPER",
        name,
        "Read and display TMC stepper driver registers",
        move |printer, command| {
            let me = me.clone();
            async move { dump(&printer, &me, &command).await }
        },
    );
    let me = driver.clone();
    gcode.register_mux_async(
        "INIT_TMC",
        "STEPPER",
        name,
        "Initialize TMC stepper driver registers",
        move |printer, _| {
            let me = me.clone();
            async move {
                printer.log(format!("INIT_TMC {}", me.motor()));
                after_moves(&printer).await;
                me.set_up().await
            }
        },
    );
    let me = driver.clone();
    gcode.register_mux_async(
        "SET_TMC_CURRENT",
        "STEPPER",
        name,
        "Set the current of a TMC driver",
        move |printer, command| {
            let me = me.clone();
            async move { set_current(&printer, &me, &command).await }
        },
    );
    let me = driver.clone();
    gcode.register_mux_async(
        "SET_TMC_FIELD",
        "STEPPER",
        name,
        "Set a register field of a TMC driver",
        move |printer, command| {
            let me = me.clone();
            async move { set_field(&printer, &me, &command).await }
        },
    );
}

/// What is changed takes effect between moves, not in the middle of those that are queued.
async fn after_moves(printer: &Rc<Printer>) {
    printer.toolhead().clone().wait_moves().await;
}

async fn dump(printer: &Rc<Printer>, driver: &TmcDriver, command: &Command<'_>) -> CommandResult {
    let model = driver.model();
    if let Some(name) = command.get("REGISTER") {
        let name = name.to_uppercase();
        let address = model.register(&name);
        let address = address.ok_or_else(|| CommandError::new(format!("Unknown register name '{name}'")))?;
        let wanted = driver.wanted_register(address);
        let value = match wanted {
            Some(value) if !model.queried.contains(&name.as_str()) => value,
            _ => driver.read(address).await?,
        };
        printer.gcode.respond_info(&model.describe(address, value));
        return Ok(());
    }
    let mut lines = vec!["========== Write-only registers ==========".to_string()];
    lines.extend(driver.wanted().iter().map(|(address, value)| model.describe(*address, *value)));
    lines.push("========== Queried registers ==========".to_string());
    for name in model.queried {
        let Some(address) = model.register(name) else { continue };
        lines.push(model.describe(address, driver.read(address).await?));
    }
    printer.gcode.respond_info(&lines.join("\n"));
    Ok(())
}

async fn set_current(printer: &Rc<Printer>, driver: &TmcDriver, command: &OwnedCommand) -> CommandResult {
    let max = driver.max_current_a();
    let run = command.float("CURRENT").min(0.0).max(max).optional()?;
    let hold = command.float("HOLDCURRENT").above(0.0).max(max).optional()?;
    if run.is_some() || hold.is_some() {
        after_moves(printer).await;
        driver.set_current(run, hold).await?;
    }
    let (run, hold) = driver.current_a();
    printer.gcode.respond_info(&format!("Run Current: {run:.2}A Hold Current: {hold:.2}A"));
    Ok(())
}

async fn set_field(printer: &Rc<Printer>, driver: &TmcDriver, command: &OwnedCommand) -> CommandResult {
    let name = command.text("FIELD").required()?.to_lowercase();
    let field = driver.model().field(&name).ok_or_else(|| CommandError::new(format!("Unknown field name '{name}'")))?;
    let value = command.int("VALUE").optional()?;
    let velocity = command.float("VELOCITY").min(0.0).optional()?;
    let value = match (value, velocity) {
        (Some(value), None) => value,
        (None, Some(velocity)) => tstep(driver.microstep_256_mm(printer), velocity),
        _ => return Err(CommandError::new("Specify either VALUE or VELOCITY")),
    };
    let (min, max) = field.range();
    if !(min..=max).contains(&value) {
        return Err(CommandError::new(format!("{name} takes {min} to {max}, not {value}")));
    }
    after_moves(printer).await;
    driver.set_field(field, value).await
}
