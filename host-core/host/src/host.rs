//! The host as its shell sees it: bytes and time in, bytes and output out.
//!
//! ```text
//! shell: handle_bytes(mcu, now, bytes) · run(now) · poll_transmit(mcu, now, out) · next_wake() · take_output()
//! ```
//! The shell is the twin (simulated time), or `drydock host` (a wall clock and a serial port).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::config::{Config, ConfigError};
use crate::files::Files;
use crate::gcode_move::GCodeMove;
use crate::klippy_log;
use crate::mcu::Mcu;
use crate::objects::print_stats::PrintStats;
use crate::objects::virtual_sdcard::VirtualSdcard;
use crate::objects::{configfile, force_move, manual_probe, session_status, stepper_enable, tuning_tower};
use crate::printer::{Event, Options, Output, Printer, State, dispatch};
use crate::reactor::{EventTime, Reactor};
use crate::thermal::heaters::Heaters;
use crate::toolhead::ToolHead;
use crate::{extruder, homing};

/// Whether a line given to [`Host::console`] is done.
pub struct Pending(Rc<Cell<bool>>);

impl Pending {
    pub fn is_done(&self) -> bool {
        self.0.get()
    }
}

/// A motor's count of microsteps as the host has it and as its micro-controller has it, which answered or did not.
#[derive(Debug, Clone, PartialEq)]
pub struct MotorCount {
    pub motor: String,
    pub host_steps: i64,
    pub mcu_steps: Option<i64>,
}

/// An answer that takes time.
pub struct Awaited<T>(Rc<RefCell<Option<T>>>);

impl<T> Awaited<T> {
    pub fn take(&self) -> Option<T> {
        self.0.borrow_mut().take()
    }
}

/// What the host believes of a heater.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HeaterView {
    pub measured_c: f64,
    pub target_c: f64,
    /// 0 to 1.
    pub duty: f64,
}

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

    /// A line from the terminal; it waits for its turn. The answer says when it is done.
    pub fn console(&self, line: &str) -> Pending {
        let (printer, line) = (self.printer.clone(), line.to_string());
        let pending = Pending(Rc::default());
        let done = pending.0.clone();
        self.printer.reactor.spawn("console", async move {
            printer.gcode.run_console_line(&printer, &line).await;
            done.set(true);
        });
        pending
    }

    /// Every motor's count, here and in its micro-controller. They agree when nothing moves.
    pub fn motor_counts(&self) -> Awaited<Vec<MotorCount>> {
        let answer = Awaited(Rc::default());
        let (printer, counts) = (self.printer.clone(), answer.0.clone());
        self.printer.reactor.spawn("motor counts", async move {
            let steppers = if printer.has_toolhead() { stepper_enable::all(&printer) } else { Vec::new() };
            let mut all = Vec::new();
            for stepper in steppers {
                let mcu_steps = stepper.mcu_stepper().query_position_steps().await.ok();
                all.push(MotorCount { motor: stepper.name().into(), host_steps: stepper.mcu_position(), mcu_steps });
            }
            counts.replace(Some(all));
        });
        answer
    }

    /// Restarts the firmware of every micro-controller that has been identified. This session is over then.
    pub fn restart_firmware(&self) -> Pending {
        let pending = Pending(Rc::default());
        let (printer, done) = (self.printer.clone(), pending.0.clone());
        self.printer.reactor.spawn("firmware restart", async move {
            for mcu in printer.mcus() {
                if let Err(error) = mcu.firmware_restart().await {
                    printer.log(error.to_string());
                }
            }
            done.set(true);
        });
        pending
    }

    /// Stops everything at once, out of turn: M112, a port that is gone.
    pub fn shut_down(&self, message: &str) {
        self.printer.invoke_shutdown(message);
    }

    /// Is a line from the terminal, a macro or a print file in progress?
    pub fn is_busy(&self) -> bool {
        self.printer.gcode.is_busy() || self.is_printing()
    }

    /// What the host believes of a heater, by its section's name.
    pub fn heater(&self, name: &str) -> Option<HeaterView> {
        let heater = self.printer.lookup::<Heaters>("heaters")?.heater(name)?;
        let (measured_c, target_c, duty) = heater.status_values(self.printer.reactor.now());
        Some(HeaterView { measured_c, target_c, duty })
    }

    /// Part of the print file that is done, while one prints.
    pub fn print_progress(&self) -> Option<f64> {
        let sd: Rc<VirtualSdcard> = self.printer.lookup("virtual_sdcard")?;
        sd.is_active().then(|| sd.progress())
    }

    /// Is a print under way, the last moves in the queue included?
    pub fn is_printing(&self) -> bool {
        self.print_state() == "printing"
    }

    /// standby, printing, paused, complete, cancelled or error.
    pub fn print_state(&self) -> &'static str {
        self.printer.lookup::<PrintStats>("print_stats").map_or("standby", |stats| stats.state())
    }

    /// Bytes that were sent again, over all lines.
    pub fn retransmitted_bytes(&self) -> u64 {
        self.mcus.iter().map(|m| m.stats().serial.bytes_retransmit).sum()
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
    // Sections may put their own homing in the place of G28, so it comes before them.
    homing::register(printer);
    configfile::load(printer);
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
    manual_probe::load(printer)?;
    tuning_tower::load(printer);
    session_status::load(printer);
    stepper_enable::load(printer);
    force_move::register_buzz(printer);
    let idle = printer.config.section_or_empty("idle_timeout");
    printer.load_section(&idle)?;
    klippy_log::load(printer);
    for late in printer.take_after_load() {
        if let Err(error) = late(printer) {
            errors.push(error);
        }
    }
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
            Some(offline) => Mcu::offline(&printer.reactor, &name, offline.clock_freq_hz, Some(offline.sink.clone())),
            None => Mcu::new(&printer.reactor, &name, main.as_ref()),
        };
        printer.add_mcu(mcu);
    }
    Ok(())
}

/// The session does not come to be ready.
fn refuse(printer: &Rc<Printer>, why: String) {
    printer.log(why.clone());
    printer.set_state(State::Error(why.clone()));
    printer.gcode.respond_error(&why);
}

async fn connect(printer: &Rc<Printer>) {
    klippy_log::session_header(printer);
    printer.send(Event::Connect);
    for mcu in printer.mcus() {
        let weak = Rc::downgrade(printer);
        let (name, logger) = (mcu.name().to_string(), weak.clone());
        mcu.on_event(move |event| {
            let Some(printer) = weak.upgrade() else { return };
            // The client is in the middle of its bytes: the stop waits for its turn.
            let message = event.message(&name);
            let stop = printer.clone();
            printer.reactor.spawn("shutdown", async move { stop.invoke_shutdown(&message) });
        });
        mcu.set_log(move |line| {
            if let Some(printer) = logger.upgrade() {
                printer.log(line);
            }
        });
        if let Err(error) = mcu.connect().await {
            return refuse(printer, error.to_string());
        }
    }
    for stepper in stepper_enable::all(printer) {
        // A micro-controller that was configured before knows where its motors are.
        if let Err(error) = stepper.mcu_stepper().sync_position().await {
            printer.set_state(State::Error(error.to_string()));
            return;
        }
    }
    for connector in printer.take_after_connect() {
        if let Err(error) = connector(printer.clone()).await {
            return refuse(printer, error.to_string());
        }
    }
    if printer.is_shutdown() {
        return;
    }
    printer.set_state(State::Ready);
    printer.send(Event::Ready);
}
