//! `[bltouch]`: a probe whose pin a servo signal puts out and pulls in.
//!
//! The width of the control pulses is the command. Each is repeated for as long as the pin takes to move; then the
//! signal rests, because some of the devices take its noise for commands.

use std::cell::Cell;
use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::homing::{Endstop, McuEndstop, Sampling};
use crate::mcu::{PwmSetup, SoftPwm};
use crate::objects::probe::{Probe, ProbeSensor};
use crate::printer::dispatch::CommandResult;
use crate::printer::pins::PinFlags;
use crate::printer::{Event, Printer};
use crate::reactor::{Completion, LocalFuture};
use crate::stepper::Stepper;

const PERIOD_S: f64 = 0.020;
/// A command is sent for at least so many periods.
const COMMAND_S: f64 = 5.0 * PERIOD_S;
const TRIES: usize = 3;

/// Command and pulse width in s, as the makers' documents have them.
const COMMANDS: [(&str, f64); 9] = [
    ("pin_down", 0.000_650),
    ("touch_mode", 0.001_165),
    ("pin_up", 0.001_475),
    ("self_test", 0.001_780),
    ("reset", 0.002_190),
    ("set_5V_output_mode", 0.001_988),
    ("set_OD_output_mode", 0.002_091),
    ("output_mode_store", 0.001_884),
    ("off", 0.0),
];

pub struct BlTouch {
    input: Rc<McuEndstop>,
    control: SoftPwm,
    move_time_s: f64,
    touch_mode: bool,
    each_sample: bool,
    /// A raised pin that reads as not triggered can be told from one that is stuck.
    raised_is_open: bool,
    output_mode: Option<&'static str>,
    in_session: Cell<bool>,
    is_down: Cell<bool>,
}

pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let control = printer.pins.take(printer, section, "control_pin", PinFlags::OUTPUT, None)?;
    let sensor = printer.pins.take(printer, section, "sensor_pin", PinFlags::INPUT, None)?;
    let setup = PwmSetup { cycle_time_s: PERIOD_S, start_value: 0.0, shutdown_value: 0.0, max_duration_s: 0.0 };
    // Old clones need it; ours judges a raised pin by its resting level alone.
    section.boolean("pin_up_touch_mode_reports_triggered").or(true)?;
    let bltouch = Rc::new(BlTouch {
        input: McuEndstop::new(printer, "probe", sensor),
        control: SoftPwm::new(&control.mcu, &control.name, control.invert, setup),
        move_time_s: section.float("pin_move_time").above(0.0).or(0.680)?,
        touch_mode: section.boolean("probe_with_touch_mode").or(false)?,
        each_sample: section.boolean("stow_on_each_sample").or(true)?,
        raised_is_open: section.boolean("pin_up_reports_not_triggered").or(true)?,
        output_mode: section
            .choice_of("set_output_mode", &[("5V", "set_5V_output_mode"), ("OD", "set_OD_output_mode")])
            .optional()?,
        in_session: Cell::new(false),
        is_down: Cell::new(false),
    });
    Probe::load(printer, section, Rc::new(BlTouchSensor(bltouch.clone())))?;
    register(printer, &bltouch);
    let weak = Rc::downgrade(printer);
    printer.on(Event::Ready, move || {
        let (Some(printer), bltouch) = (weak.upgrade(), bltouch.clone()) else { return };
        if printer.is_offline() {
            return;
        }
        let reactor = printer.reactor.clone();
        reactor.spawn("bltouch", async move {
            let _turn = printer.gcode.take_turn().await;
            if let Err(error) = bltouch.start(&printer).await {
                printer.gcode.respond_error(&error.message);
            }
        });
    });
    Ok(())
}

fn register(printer: &Rc<Printer>, bltouch: &Rc<BlTouch>) {
    let gcode = &printer.gcode;
    let me = bltouch.clone();
    gcode.register("BLTOUCH_DEBUG", "Send a command to the bltouch for debugging", move |printer, command| {
        let wanted = command.text("COMMAND").optional().unwrap_or("");
        match COMMANDS.iter().find(|(name, _)| *name == wanted) {
            Some((name, _)) => me.send(printer, name, COMMAND_S),
            None => {
                let mut names: Vec<&str> = COMMANDS.iter().map(|(name, _)| *name).collect();
                names.sort_unstable();
                printer.gcode.respond_info(&format!("BLTouch commands: {}", names.join(" ")));
            }
        }
        Ok(())
    });
    let me = bltouch.clone();
    gcode.register("BLTOUCH_STORE", "Store an output mode in the BLTouch EEPROM", move |printer, command| {
        let mode = match command.text("MODE").required()?.to_uppercase().as_str() {
            "5V" => "set_5V_output_mode",
            "OD" => "set_OD_output_mode",
            _ => {
                printer.gcode.respond_info("BLTouch output modes: 5V OD");
                return Ok(());
            }
        };
        for step in [mode, "output_mode_store", mode, "pin_up"] {
            me.send(printer, step, COMMAND_S);
        }
        Ok(())
    });
}

impl BlTouch {
    /// Sends a command behind the moves that are queued, for `duration_s`, and waits for nothing.
    fn send(&self, printer: &Printer, command: &str, duration_s: f64) {
        let width = COMMANDS.iter().find(|(name, _)| *name == command).map_or(0.0, |(_, width)| *width);
        let toolhead = printer.toolhead();
        let start = toolhead.last_move_time();
        self.control.set_pwm(start, width / PERIOD_S);
        toolhead.dwell(duration_s.max(COMMAND_S));
        self.control.set_pwm(toolhead.last_move_time(), 0.0);
        toolhead.dwell(PERIOD_S);
    }

    async fn start(&self, printer: &Rc<Printer>) -> CommandResult {
        if let Some(mode) = self.output_mode {
            self.send(printer, mode, COMMAND_S);
        }
        self.raise(printer).await
    }

    /// Pin in, and seen to be in.
    async fn raise(&self, printer: &Rc<Printer>) -> CommandResult {
        for _ in 0..TRIES {
            self.send(printer, "pin_up", self.move_time_s);
            self.is_down.set(false);
            if !self.raised_is_open || !self.input.query(printer.toolhead().last_move_time()).await? {
                return Ok(());
            }
            printer.gcode.respond_info("Failed to verify BLTouch probe is raised; retrying.");
            self.send(printer, "reset", self.move_time_s);
        }
        Err(CommandError::new("BLTouch failed to raise probe"))
    }

    /// Pin out. A device in alarm answers "triggered", and is reset.
    async fn lower(&self, printer: &Rc<Printer>) -> CommandResult {
        for _ in 0..TRIES {
            self.send(printer, "pin_down", self.move_time_s);
            self.is_down.set(true);
            if !self.input.query(printer.toolhead().last_move_time()).await? {
                if self.touch_mode {
                    self.send(printer, "touch_mode", COMMAND_S);
                }
                return Ok(());
            }
            printer.gcode.respond_info("BLTouch failed to verify sensor state; retrying.");
            self.send(printer, "reset", self.move_time_s);
        }
        Err(CommandError::new("BLTouch failed to deploy"))
    }
}

/// The device as the probe sees it; its futures own it.
struct BlTouchSensor(Rc<BlTouch>);

impl ProbeSensor for BlTouchSensor {
    fn begin_session(&self, _printer: Rc<Printer>) -> LocalFuture<CommandResult> {
        self.0.in_session.set(!self.0.each_sample);
        Box::pin(async { Ok(()) })
    }

    fn end_session(&self, printer: Rc<Printer>) -> LocalFuture<CommandResult> {
        let device = self.0.clone();
        let must_raise = device.in_session.replace(false) && device.is_down.get();
        Box::pin(async move { if must_raise { device.raise(&printer).await } else { Ok(()) } })
    }
}

impl Endstop for BlTouchSensor {
    fn name(&self) -> String {
        self.0.input.name()
    }
    fn add_stepper(&self, stepper: Rc<Stepper>) {
        self.0.input.add_stepper(stepper);
    }
    fn steppers(&self) -> Vec<Rc<Stepper>> {
        self.0.input.steppers()
    }
    fn prepare(&self, printer: Rc<Printer>) -> LocalFuture<CommandResult> {
        let device = self.0.clone();
        Box::pin(async move {
            // In touch mode the pin stays out between the touches of a session.
            match device.touch_mode && device.in_session.get() && device.is_down.get() {
                true => Ok(()),
                false => device.lower(&printer).await,
            }
        })
    }
    fn finish(&self, printer: Rc<Printer>) -> LocalFuture<CommandResult> {
        let device = self.0.clone();
        Box::pin(async move { if device.in_session.get() { Ok(()) } else { device.raise(&printer).await } })
    }
    fn home_start(&self, print_time: f64, sample: Sampling, triggered: bool) -> Completion<()> {
        self.0.input.home_start(print_time, sample, triggered)
    }
    fn home_wait(&self, end: f64) -> LocalFuture<Result<Option<f64>, CommandError>> {
        self.0.input.home_wait(end)
    }
    fn query(&self, print_time: f64) -> LocalFuture<Result<bool, CommandError>> {
        self.0.input.query(print_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_a_pulse_that_a_servo_signal_can_carry() {
        for (name, width) in COMMANDS {
            assert!(name == "off" || (0.0005..=0.0025).contains(&width), "{name}");
            assert_eq!(COMMANDS.iter().filter(|(_, w)| *w == width).count(), 1, "{name}");
        }
    }
}
