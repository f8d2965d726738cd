//! MANUAL_PROBE: the user finds the bed with the nozzle, by TESTZ and a piece of paper.
//!
//! While it goes on, ACCEPT, ABORT and TESTZ are commands. Whoever started it is told where the nozzle touched.

use std::cell::RefCell;
use std::rc::Rc;

use crate::gcode::{Command, CommandError};
use crate::printer::dispatch::CommandResult;
use crate::printer::{Event, Object, Printer, Value};
use crate::reactor::EventTime;

/// The nozzle comes down on each height from this far above it, so that backlash is always taken up the same way.
const BOB_MM: f64 = 0.5;
/// How far `TESTZ Z=+` and `Z=-` go where no tested height limits them.
const BISECT_MAX_MM: f64 = 0.200;
const COMMANDS: [&str; 4] = ["ACCEPT", "NEXT", "ABORT", "TESTZ"];

type Finish = Box<dyn FnOnce(&Rc<Printer>, Option<[f64; 3]>)>;

struct Session {
    speed_mm_s: f64,
    start: [f64; 3],
    /// Heights that were tried, rising.
    tried_mm: Vec<f64>,
    z_mm: f64,
    finish: Finish,
}

#[derive(Default)]
pub struct ManualProbe {
    session: RefCell<Option<Session>>,
}

impl Object for ManualProbe {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let session = self.session.borrow();
        let around = session.as_ref().map(|s| neighbours(&s.tried_mm, s.z_mm));
        Some(minijinja::context! {
            is_active => session.is_some(),
            z_position => session.as_ref().map(|s| s.z_mm),
            z_position_lower => around.and_then(|a| a.0),
            z_position_upper => around.and_then(|a| a.1),
        })
    }
}

/// The tried heights next below and above.
fn neighbours(tried_mm: &[f64], z_mm: f64) -> (Option<f64>, Option<f64>) {
    let below = tried_mm.iter().copied().rfind(|t| *t < z_mm - 1e-9);
    let above = tried_mm.iter().copied().find(|t| *t > z_mm + 1e-9);
    (below, above)
}

/// Where TESTZ goes from `z_mm`: a distance, or halfway (`+`, `-`) or all the way (`++`, `--`) to a tried height.
fn next_height(request: &str, tried_mm: &[f64], z_mm: f64) -> Option<f64> {
    let (below, above) = neighbours(tried_mm, z_mm);
    let down = below.unwrap_or(z_mm - BISECT_MAX_MM).max(z_mm - 2.0 * BISECT_MAX_MM);
    let up = above.unwrap_or(z_mm + BISECT_MAX_MM).min(z_mm + 2.0 * BISECT_MAX_MM);
    Some(match request {
        "++" => above.unwrap_or(up),
        "--" => below.unwrap_or(down),
        "+" => (z_mm + up) / 2.0,
        "-" => (z_mm + down) / 2.0,
        number => z_mm + number.parse::<f64>().ok().filter(|v| v.is_finite())?,
    })
}

pub fn load(printer: &Rc<Printer>) -> Result<(), crate::config::ConfigError> {
    printer.add_object("manual_probe", Rc::new(ManualProbe::default()));
    let gcode = &printer.gcode;
    gcode.register("MANUAL_PROBE", "Start manual probe helper script", |printer, command| {
        start(printer, speed(command)?, |printer, found| {
            if let Some(found) = found {
                printer.gcode.respond_info(&format!("Z position is {:.3}", found[2]));
            }
        })
    });
    let weak = Rc::downgrade(printer);
    printer.on(Event::Shutdown, move || {
        if let Some(printer) = weak.upgrade() {
            let _ = end(&printer);
        }
    });
    let Some(z) = printer.config.section("stepper_z").filter(|z| z.has("position_endstop")) else { return Ok(()) };
    let position_endstop_mm = z.float("position_endstop").required()?;
    gcode.register("Z_ENDSTOP_CALIBRATE", "Calibrate a Z endstop", move |printer, command| {
        start(printer, speed(command)?, move |printer, found| {
            if let Some(found) = found {
                save_endstop(printer, position_endstop_mm - found[2]);
            }
        })
    });
    gcode.register("Z_OFFSET_APPLY_ENDSTOP", "Adjust the z endstop_position", move |printer, _| {
        let offset = printer.gcode_move().homing_origin()[2];
        match offset == 0.0 {
            true => printer.gcode.respond_info("Nothing to do: Z Offset is 0"),
            false => save_endstop(printer, position_endstop_mm - offset),
        }
        Ok(())
    });
    Ok(())
}

fn speed(command: &Command<'_>) -> Result<f64, CommandError> {
    command.float("SPEED").above(0.0).or(5.0)
}

fn save_endstop(printer: &Printer, position_mm: f64) {
    printer.gcode.respond_info(&format!(
        "stepper_z: position_endstop: {position_mm:.3}\nThe SAVE_CONFIG command will update the printer config file\nwith the above and restart the printer."
    ));
    printer.set_pending("stepper_z", "position_endstop", &format!("{position_mm:.3}"));
}

fn of(printer: &Printer) -> Result<Rc<ManualProbe>, CommandError> {
    printer.lookup("manual_probe").ok_or_else(|| CommandError::new("no manual probe"))
}

/// One at a time.
pub fn refuse_second(printer: &Printer) -> CommandResult {
    match of(printer)?.session.borrow().is_some() {
        true => Err(CommandError::new("Already in a manual Z probe. Use ABORT to abort it.")),
        false => Ok(()),
    }
}

/// Begins; `finish` is called with the nozzle's place at ACCEPT, with `None` at ABORT.
pub fn start(
    printer: &Rc<Printer>,
    speed_mm_s: f64,
    finish: impl FnOnce(&Rc<Printer>, Option<[f64; 3]>) + 'static,
) -> CommandResult {
    refuse_second(printer)?;
    let toolhead = printer.toolhead();
    if toolhead.machine.homed() != [true; 3] {
        return Err(CommandError::new("Must home before manual probe"));
    }
    let [x, y, z, _] = toolhead.position();
    let session = Session { speed_mm_s, start: [x, y, z], tried_mm: Vec::new(), z_mm: z, finish: Box::new(finish) };
    *of(printer)?.session.borrow_mut() = Some(session);
    register_commands(printer);
    printer
        .gcode
        .respond_info("Starting manual Z probe. Use TESTZ to adjust position.\nFinish with ACCEPT or ABORT command.");
    report(printer)
}

fn register_commands(printer: &Rc<Printer>) {
    let gcode = &printer.gcode;
    for name in ["ACCEPT", "NEXT"] {
        gcode.register(name, "Accept the current Z position", |printer, _| accept(printer));
    }
    gcode.register("ABORT", "Abort manual Z probing tool", |printer, _| {
        if let Some(session) = end(printer)? {
            (session.finish)(printer, None);
        }
        Ok(())
    });
    gcode.register("TESTZ", "Move to new Z height", test_z);
}

fn end(printer: &Rc<Printer>) -> Result<Option<Session>, CommandError> {
    let session = of(printer)?.session.borrow_mut().take();
    if session.is_some() {
        COMMANDS.iter().for_each(|name| printer.gcode.unregister(name));
    }
    Ok(session)
}

fn accept(printer: &Rc<Printer>) -> CommandResult {
    let [x, y, z, _] = printer.toolhead().position();
    let Some(session) = end(printer)? else { return Ok(()) };
    let moved = (x - session.start[0]).abs() > 1e-6 || (y - session.start[1]).abs() > 1e-6;
    if moved || z >= session.start[2] {
        printer
            .gcode
            .respond_info("Manual probe failed! Use TESTZ commands to position the\nnozzle prior to running ACCEPT.");
        (session.finish)(printer, None);
        return Ok(());
    }
    (session.finish)(printer, Some([x, y, z]));
    Ok(())
}

fn test_z(printer: &Rc<Printer>, command: &Command<'_>) -> CommandResult {
    let probe = of(printer)?;
    let toolhead = printer.toolhead();
    let here = toolhead.position()[2];
    let request = command.text("Z").required()?;
    let (target, speed) = {
        let mut session = probe.session.borrow_mut();
        let Some(session) = session.as_mut() else { return Ok(()) };
        let target = next_height(request, &session.tried_mm, here);
        let target =
            target.ok_or_else(|| command.error(format!("Error on '{}': unable to parse {request}", command.raw())))?;
        if !session.tried_mm.iter().any(|t| (t - here).abs() < 1e-9) {
            session.tried_mm.push(here);
            session.tried_mm.sort_by(f64::total_cmp);
        }
        (target, session.speed_mm_s)
    };
    if here < target + BOB_MM {
        toolhead.manual_move([None, None, Some(target + BOB_MM), None], speed)?;
    }
    toolhead.manual_move([None, None, Some(target), None], speed)?;
    report(printer)
}

/// `Z position: 0.200 --> 0.100 <-- 0.300`: below, here, above.
fn report(printer: &Rc<Printer>) -> CommandResult {
    let probe = of(printer)?;
    let z = printer.toolhead().position()[2];
    let mut session = probe.session.borrow_mut();
    let Some(session) = session.as_mut() else { return Ok(()) };
    session.z_mm = z;
    let word = |height: Option<f64>| height.map_or("??????".to_string(), |z| format!("{z:.3}"));
    let (below, above) = neighbours(&session.tried_mm, z);
    printer.gcode.respond_info(&format!("Z position: {} --> {z:.3} <-- {}", word(below), word(above)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn testz_halves_the_interval_between_tried_heights() {
        let tried = [0.0, 0.3];
        assert_eq!(next_height("+", &tried, 0.1), Some(0.2));
        assert_eq!(next_height("-", &tried, 0.1), Some(0.05));
        assert_eq!(next_height("++", &tried, 0.1), Some(0.3));
        assert_eq!(next_height("--", &tried, 0.1), Some(0.0));
        assert_eq!(next_height("-.05", &tried, 0.1), Some(0.05));
        assert_eq!(next_height("abc", &tried, 0.1), None);
    }

    #[test]
    fn without_tried_heights_the_steps_are_small() {
        assert_eq!(next_height("-", &[], 5.0), Some(4.9));
        assert_eq!(next_height("--", &[], 5.0), Some(4.8));
    }
}
