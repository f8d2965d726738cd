//! TUNING_TOWER: changes a parameter with the height of the part, by running a command at each new layer.

use std::cell::RefCell;
use std::rc::Rc;

use crate::gcode::{Command, CommandError};
use crate::gcode_move::{MoveTransform, Position};
use crate::printer::Printer;
use crate::printer::dispatch::CommandResult;

/// Going down by more than this ends the test.
const Z_DROP_END_MM: f64 = 2.0;

#[derive(Clone)]
enum Law {
    /// start + factor * z, where z is the middle of its band if bands are used.
    Slope { factor: f64, band_mm: f64 },
    /// start + delta for each whole step of height.
    Steps { delta: f64, height_mm: f64 },
}

struct Test {
    command: String,
    extended: bool,
    parameter: String,
    start: f64,
    law: Law,
    skip_mm: f64,
    last_z: f64,
    last_command_value: Option<f64>,
    next: Option<Rc<dyn MoveTransform>>,
    last_position: Position,
}

pub struct TuningTower {
    test: RefCell<Option<Test>>,
    printer: std::rc::Weak<Printer>,
}

impl Test {
    fn value(&self, z: f64) -> f64 {
        let z = z - self.skip_mm;
        if z < 0.0 {
            return self.start;
        }
        match self.law {
            Law::Steps { delta, height_mm } => self.start + delta * (z / height_mm).floor(),
            Law::Slope { factor, band_mm } if band_mm > 0.0 => {
                self.start + ((z / band_mm).floor() + 0.5) * band_mm * factor
            }
            Law::Slope { factor, .. } => self.start + factor * z,
        }
    }
}

impl MoveTransform for TuningTower {
    fn position(&self) -> Position {
        let printer = self.printer.upgrade().expect("the printer outlives its objects");
        let position = match self.test.borrow().as_ref().and_then(|t| t.next.clone()) {
            Some(next) => next.position(),
            None => printer.toolhead().position(),
        };
        if let Some(test) = self.test.borrow_mut().as_mut() {
            test.last_position = position;
        }
        position
    }

    fn move_to(&self, to: Position, speed: f64) -> CommandResult {
        let printer = self.printer.upgrade().expect("the printer outlives its objects");
        let mut script = None;
        let next = {
            let mut slot = self.test.borrow_mut();
            let mut over = false;
            let mut next = None;
            if let Some(test) = slot.as_mut() {
                next = test.next.clone();
                let last = std::mem::replace(&mut test.last_position, to);
                let extruding = to[3] > last[3] && (to[0] != last[0] || to[1] != last[1]) && to[2] == last[2];
                let z = printer.gcode_move().gcode_position()[2];
                if extruding && z != test.last_z {
                    if z < test.last_z - Z_DROP_END_MM {
                        over = true;
                    } else {
                        test.last_z = z;
                        let value = test.value(z);
                        if test.last_command_value != Some(value) {
                            test.last_command_value = Some(value);
                            let join = if test.extended { "=" } else { "" };
                            script = Some(format!("{} {}{join}{value:.9}", test.command, test.parameter));
                        }
                    }
                }
            }
            if over {
                *slot = None;
                printer.gcode.respond_info("Ending tuning test mode");
            }
            next
        };
        if let Some(script) = script
            && !printer.gcode.run_line_sync(&printer, &script)?
        {
            return Err(CommandError::new(format!(
                "TUNING_TOWER can not run '{script}': the command takes printer time"
            )));
        }
        match next {
            Some(next) => next.move_to(to, speed),
            None => printer.toolhead().move_to(to, speed),
        }
    }
}

/// Every printer has it; no section.
pub fn load(printer: &Rc<Printer>) {
    let this = Rc::new(TuningTower { test: RefCell::new(None), printer: Rc::downgrade(printer) });
    let installed = std::cell::Cell::new(false);
    printer.gcode.register("TUNING_TOWER", "Tool to adjust a parameter at each Z height", move |printer, command| {
        let mut test = read(command)?;
        let frame = printer.gcode_move();
        let old_next = this.test.borrow_mut().take().and_then(|t| t.next);
        test.next = match installed.replace(true) {
            false => frame.set_transform(this.clone()),
            true => old_next,
        };
        let message = match test.law {
            Law::Slope { factor, band_mm } if band_mm > 0.0 => {
                format!("start={:.6} factor={factor:.6} band={band_mm:.6}", test.start)
            }
            Law::Slope { factor, .. } => format!("start={:.6} factor={factor:.6}", test.start),
            Law::Steps { delta, height_mm } => {
                format!("start={:.6} step_delta={delta:.6} step_height={height_mm:.6}", test.start)
            }
        };
        *this.test.borrow_mut() = Some(test);
        frame.reset_last_position(printer);
        printer.gcode.respond_info(&format!("Starting tuning test ({message})"));
        Ok(())
    });
}

fn read(command: &Command<'_>) -> Result<Test, CommandError> {
    let name = command.text("COMMAND").required()?.to_string();
    let factor = command.float("FACTOR").optional()?;
    let step_delta = command.float("STEP_DELTA").optional()?;
    let law = match (factor, step_delta) {
        (Some(_), Some(_)) => return Err(CommandError::new("Cannot specify both FACTOR and STEP_DELTA")),
        (factor, None) => {
            Law::Slope { factor: factor.unwrap_or(0.0), band_mm: command.float("BAND").min(0.0).or(0.0)? }
        }
        (None, Some(delta)) => Law::Steps { delta, height_mm: command.float("STEP_HEIGHT").above(0.0).required()? },
    };
    let traditional = name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name[1..].bytes().all(|b| b.is_ascii_digit() || b == b'.');
    Ok(Test {
        extended: !traditional,
        command: name,
        parameter: command.text("PARAMETER").required()?.to_string(),
        start: command.float("START").or(0.0)?,
        law,
        skip_mm: command.float("SKIP").min(0.0).or(0.0)?,
        last_z: -99_999_999.9,
        last_command_value: None,
        next: None,
        last_position: [0.0; 4],
    })
}
