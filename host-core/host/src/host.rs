//! The host as its shell sees it: bytes and time in, bytes and output out.
//!
//! ```text
//! shell: handle_bytes(mcu, now, bytes) · run(now) · poll_transmit(mcu, now, out) · next_wake() · take_output()
//! ```
//! The shell is the twin (simulated time), or `drydock host` (a wall clock and a serial port).

use std::rc::Rc;

use crate::config::{Config, ConfigError};
use crate::files::Files;
use crate::gcode_move::GCodeMove;
use crate::klippy_log;
use crate::mcu::Mcu;
use crate::objects::{stepper_enable, tuning_tower};
use crate::printer::{Event, Options, Output, Printer, State, dispatch};
use crate::reactor::{EventTime, Reactor};
use crate::toolhead::ToolHead;
use crate::{extruder, homing};

pub struct Host {
    printer: Rc<Printer>,
    mcus: Vec<Mcu>,
}

impl Host {
    /// Builds all objects that the configuration asks for. Every problem is told, not just the first.
    pub fn new(config: Config, options: Options, files: Rc<dyn Files>) -> Result<Host, Vec<ConfigError>> {
        let printer = Printer::new(Reactor::new(), config, options, files);
        let mut errors = Vec::new();
        if let Err(error) = build(&printer, &mut errors) {
            errors.push(error);
        }
        errors.extend(printer.config.take_errors());
        if errors.is_empty() {
            errors.extend(printer.config.unused());
        }
        if !errors.is_empty() {
            printer.teardown();
            return Err(errors);
        }
        let mcus = printer.mcus();
        Ok(Host { printer, mcus })
    }

    pub fn printer(&self) -> &Rc<Printer> {
        &self.printer
    }

    /// Names of the micro-controllers; the numbers used below are places in this list.
    pub fn mcu_names(&self) -> Vec<String> {
        self.mcus.iter().map(|m| m.name().to_string()).collect()
    }

    /// Begins the session: connect to the micro-controllers, then get ready.
    pub fn start(&self) {
        let printer = self.printer.clone();
        printer.clone().reactor.spawn("connect", async move { connect(&printer).await });
    }

    pub fn handle_bytes(&self, mcu: usize, now: EventTime, bytes: &[u8]) {
        if let Some(mcu) = self.mcus.get(mcu) {
            mcu.handle_bytes(now, bytes);
        }
    }

    /// Runs everything that is due.
    pub fn run(&self, now: EventTime) {
        self.printer.reactor.run(now);
    }

    /// Bytes to send to a micro-controller now.
    pub fn poll_transmit(&self, mcu: usize, now: EventTime, out: &mut Vec<u8>) {
        if let Some(mcu) = self.mcus.get(mcu) {
            mcu.poll_transmit(now, out);
        }
    }

    /// When to call [`Host::run`] and [`Host::poll_transmit`] next, if no bytes come before.
    pub fn next_wake(&self) -> Option<EventTime> {
        let wakes = self.mcus.iter().filter_map(Mcu::next_wake).chain(self.printer.reactor.next_wake());
        wakes.reduce(f64::min)
    }

    /// A line from the terminal; it waits for its turn.
    pub fn console(&self, line: &str) {
        let (printer, line) = (self.printer.clone(), line.to_string());
        self.printer.reactor.spawn("console", async move {
            let gcode = &printer.gcode;
            gcode.run_console_line(&printer, &line).await;
        });
    }

    pub fn take_output(&self) -> Vec<Output> {
        self.printer.take_output()
    }

    pub fn state(&self) -> State {
        self.printer.state()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.printer.teardown();
    }
}

fn build(printer: &Rc<Printer>, errors: &mut Vec<ConfigError>) -> Result<(), ConfigError> {
    dispatch::register_basics(printer);
    GCodeMove::load(printer);
    load_mcus(printer)?;
    let names: Vec<String> = printer.config.names().map(str::to_string).collect();
    for name in names {
        let Some(section) = printer.config.section(&name) else { continue };
        if let Err(error) = printer.load_section(&section) {
            errors.push(error);
        }
    }
    ToolHead::load(printer)?;
    extruder::load_all(printer)?;
    homing::register(printer);
    tuning_tower::load(printer);
    stepper_enable::load(printer);
    klippy_log::load(printer);
    Ok(())
}

/// `[mcu]` is the clock of print time; the others follow it.
fn load_mcus(printer: &Rc<Printer>) -> Result<(), ConfigError> {
    let section = printer.config.require_section("mcu")?;
    let mut sections = vec![("mcu".to_string(), section)];
    for section in printer.config.sections_with_prefix("mcu ") {
        sections.push((section.name()["mcu ".len()..].trim().to_string(), section));
    }
    for (name, section) in sections {
        // Where the port is, and how to restart the board, is the shell's business.
        let known = ["serial", "baud", "canbus_uuid", "canbus_interface", "restart_method"];
        known.iter().for_each(|option| drop(section.text(option).optional()));
        if !section.has("serial") && !section.has("canbus_uuid") {
            return Err(section.missing("serial"));
        }
        let main = printer.mcus().first().cloned();
        let mcu = match &printer.options.offline {
            Some(offline) => Mcu::offline(printer.reactor.clone(), &name, offline.clock_freq_hz, offline.sink.clone()),
            None => Mcu::new(printer.reactor.clone(), &name, main.as_ref()),
        };
        printer.add_mcu(mcu);
    }
    Ok(())
}

async fn connect(printer: &Rc<Printer>) {
    klippy_log::session_header(printer);
    printer.send(Event::Connect);
    for mcu in printer.mcus() {
        let weak = Rc::downgrade(printer);
        let name = mcu.name().to_string();
        mcu.on_shutdown(move |message| {
            if let Some(printer) = weak.upgrade() {
                printer.invoke_shutdown(&format!("MCU '{name}' shutdown: {message}"));
            }
        });
        if let Err(error) = mcu.connect().await {
            let message = format!("mcu '{}': {error}", mcu.name());
            printer.log(message.clone());
            printer.set_state(State::Error(message.clone()));
            printer.gcode.respond_error(&message);
            return;
        }
        klippy_log::mcu_header(printer, &mcu);
    }
    if printer.is_shutdown() {
        return;
    }
    printer.set_state(State::Ready);
    printer.send(Event::Ready);
}
