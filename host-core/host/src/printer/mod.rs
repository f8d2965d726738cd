//! The printer: what ties configuration, objects, G-code and micro-controllers together.
//!
//! Every feature is an *object* made by one loader of [`sections::SECTIONS`]. Objects find each other by name and type
//! ([`Printer::lookup`]), talk over [`Event`]s, and offer *status fields* (as in Klipper's status reference) to macros
//! and to the API. No object reads a clock: time comes from [`Reactor`].

pub mod dispatch;
pub mod pins;
pub mod sections;
pub mod spi;

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

pub use minijinja::Value;

use crate::config::{Config, ConfigError, Section};
use crate::files::Files;
use crate::mcu::Mcu;
use crate::reactor::{EventTime, LocalFuture, Reactor};
use crate::stepper::EnableLine;
use dispatch::GCode;
use pins::Pins;

/// What a section of printer.cfg becomes.
pub trait Object: Any {
    /// The fields that macros and the API see as `printer.NAME`; `None` keeps the object out of the list.
    fn status(&self, eventtime: EventTime) -> Option<Value> {
        let _ = eventtime;
        None
    }

    /// What this object adds to the Stats line of klippy.log, and whether it alone keeps the line coming.
    fn stats(&self, eventtime: EventTime) -> Option<(bool, String)> {
        let _ = eventtime;
        None
    }
}

/// Happenings that objects may listen to, in the order of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The configuration is read; micro-controllers connect next.
    Connect,
    Ready,
    Shutdown,
    HomingBegin,
    HomingEnd,
    /// The motors were switched off.
    MotorOff,
    /// A command that works on the printer came in (resets idle timers).
    Activity,
    IdleReady,
    IdlePrinting,
    IdleIdle,
    /// The virtual SD card started over, loaded or dropped a file.
    ResetFile,
    CommandError,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Startup,
    Ready,
    Shutdown(String),
    /// The session could not be brought up.
    Error(String),
}

impl State {
    /// Klipper's word for it.
    pub fn name(&self) -> &'static str {
        match self {
            State::Startup => "startup",
            State::Ready => "ready",
            State::Shutdown(_) => "shutdown",
            State::Error(_) => "error",
        }
    }
}

/// What the host has to tell its shell; drained by [`Host`](crate::host::Host).
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A line for the terminal, with its prefix (`// `, `!! `, `echo: `) if it has one.
    Console(String),
    /// A line for klippy.log.
    Log(String),
    /// A G-code line: when what moved before it has ended, host time in seconds; position in the file, and text.
    Line {
        begins_s: f64,
        offset: u64,
        number: u32,
        text: String,
    },
    /// A file that the host wrote (accelerometer logs, saved configuration): path and content.
    File {
        path: String,
        content: Vec<u8>,
    },
    State(State),
    /// The host wants to be started again with this firmware restart flag.
    Restart {
        firmware: bool,
    },
}

type Listener = Rc<dyn Fn()>;
/// Work with the micro-controllers once they are connected, before the printer is ready.
type Connector = Box<dyn FnOnce(Rc<Printer>) -> LocalFuture<dispatch::CommandResult>>;
type LateLoader = Box<dyn FnOnce(&Rc<Printer>) -> Result<(), ConfigError>>;

/// Choices that the shell makes and no section holds.
#[derive(Clone, Default)]
pub struct Options {
    /// Batch mode: no micro-controller answers, waits return at once, homing ends at the end of its move.
    pub offline: Option<Offline>,
    /// How early a compressed step may be; None: 25 us. 0 sends every step exactly (and many more commands).
    pub compression_error_s: Option<f64>,
    /// Report every executed G-code line as [`Output::Line`].
    pub trace_lines: bool,
}

/// What stands in for the micro-controllers of a batch run.
#[derive(Clone)]
pub struct Offline {
    pub clock_freq_hz: f64,
    pub sink: Rc<RefCell<dyn crate::mcu::StepSink>>,
}

pub struct Printer {
    pub reactor: Reactor,
    pub config: Config,
    pub gcode: GCode,
    pub pins: Pins,
    pub options: Options,
    files: Rc<dyn Files>,
    mcus: RefCell<Vec<Mcu>>,
    objects: RefCell<Vec<(String, Rc<dyn Object>)>>,
    listeners: RefCell<Vec<(Event, Listener)>>,
    state: RefCell<State>,
    output: RefCell<Vec<Output>>,
    loading: RefCell<Vec<String>>,
    toolhead: OnceCell<Rc<crate::toolhead::ToolHead>>,
    gcode_move: OnceCell<Rc<crate::gcode_move::GCodeMove>>,
    shutting_down: Cell<bool>,
    enable_lines: RefCell<BTreeMap<String, Rc<EnableLine>>>,
    after_load: RefCell<Vec<LateLoader>>,
    after_connect: RefCell<Vec<Connector>>,
    /// What SAVE_CONFIG would write: (section, option, value).
    pending: RefCell<Vec<(String, String, String)>>,
    removed_sections: RefCell<Vec<String>>,
}

impl Printer {
    pub fn new(reactor: Reactor, config: Config, options: Options, files: Rc<dyn Files>) -> Rc<Printer> {
        Rc::new(Printer {
            gcode: GCode::new(),
            pins: Pins::default(),
            reactor,
            config,
            options,
            files,
            mcus: RefCell::default(),
            objects: RefCell::default(),
            listeners: RefCell::default(),
            state: RefCell::new(State::Startup),
            output: RefCell::default(),
            loading: RefCell::default(),
            toolhead: OnceCell::new(),
            gcode_move: OnceCell::new(),
            shutting_down: Cell::new(false),
            enable_lines: RefCell::default(),
            after_load: RefCell::default(),
            after_connect: RefCell::default(),
            pending: RefCell::default(),
            removed_sections: RefCell::default(),
        })
    }

    // ---- objects

    pub fn add_object(&self, name: &str, object: Rc<dyn Object>) {
        self.objects.borrow_mut().push((name.to_string(), object));
    }

    /// The object of that name, if it exists and is a `T`.
    pub fn lookup<T: Object>(&self, name: &str) -> Option<Rc<T>> {
        let object: Rc<dyn Any> = self.objects.borrow().iter().find(|(n, _)| n == name)?.1.clone();
        object.downcast().ok()
    }

    pub fn lookup_object(&self, name: &str) -> Option<Rc<dyn Object>> {
        self.objects.borrow().iter().find(|(n, _)| n == name).map(|(_, o)| o.clone())
    }

    /// All objects that are a `T`, with their names, in the order they were made.
    pub fn lookup_all<T: Object>(&self) -> Vec<(String, Rc<T>)> {
        let cast = |o: &Rc<dyn Object>| (o.clone() as Rc<dyn Any>).downcast::<T>().ok();
        self.objects.borrow().iter().filter_map(|(n, o)| Some((n.clone(), cast(o)?))).collect()
    }

    pub fn object_names(&self) -> Vec<String> {
        self.objects.borrow().iter().map(|(n, _)| n.clone()).collect()
    }

    pub fn for_each_object(&self, mut f: impl FnMut(&str, &dyn Object)) {
        let objects: Vec<_> = self.objects.borrow().clone();
        objects.iter().for_each(|(name, object)| f(name, &**object));
    }

    /// Makes the object of `section` with its loader, unless it is there (or on its way) already.
    pub fn load_section(self: &Rc<Self>, section: &Section) -> Result<(), ConfigError> {
        let name = section.name().to_string();
        if self.loading.borrow().contains(&name) {
            return Ok(());
        }
        self.loading.borrow_mut().push(name);
        sections::load(self, section)
    }

    /// Loads what another object needs first, if printer.cfg has it.
    pub fn load_if_present(self: &Rc<Self>, name: &str) -> Result<(), ConfigError> {
        self.config.section(name).map_or(Ok(()), |section| self.load_section(&section))
    }

    /// Runs when all objects are made (a macro that replaces a command needs the command first).
    pub fn after_load(&self, late: impl FnOnce(&Rc<Printer>) -> Result<(), ConfigError> + 'static) {
        self.after_load.borrow_mut().push(Box::new(late));
    }

    pub(crate) fn take_after_load(&self) -> Vec<LateLoader> {
        std::mem::take(&mut *self.after_load.borrow_mut())
    }

    /// Runs when all micro-controllers are connected, before the printer is ready; an error ends the session.
    pub fn after_connect(&self, connector: impl FnOnce(Rc<Printer>) -> LocalFuture<dispatch::CommandResult> + 'static) {
        self.after_connect.borrow_mut().push(Box::new(connector));
    }

    pub(crate) fn take_after_connect(&self) -> Vec<Connector> {
        std::mem::take(&mut *self.after_connect.borrow_mut())
    }

    pub(crate) fn enable_lines(&self) -> &RefCell<BTreeMap<String, Rc<EnableLine>>> {
        &self.enable_lines
    }

    /// A value for SAVE_CONFIG to write.
    pub fn set_pending(&self, section: &str, option: &str, value: &str) {
        let mut pending = self.pending.borrow_mut();
        pending.retain(|(s, o, _)| !(s == section && o == option));
        pending.push((section.to_string(), option.to_string(), value.to_string()));
        self.removed_sections.borrow_mut().retain(|removed| removed != section);
    }

    /// SAVE_CONFIG is to drop this section from its block.
    pub fn remove_pending_section(&self, section: &str) {
        self.pending.borrow_mut().retain(|(s, _, _)| s != section);
        let mut removed = self.removed_sections.borrow_mut();
        if !removed.iter().any(|s| s == section) {
            removed.push(section.to_string());
        }
    }

    /// Sections that SAVE_CONFIG would drop.
    pub fn removed_sections(&self) -> Vec<String> {
        self.removed_sections.borrow().clone()
    }

    /// What SAVE_CONFIG would write, in the order in which it was set.
    pub fn pending(&self) -> Vec<(String, String, String)> {
        self.pending.borrow().clone()
    }

    // ---- the two objects that everything uses

    pub fn set_toolhead(&self, toolhead: Rc<crate::toolhead::ToolHead>) {
        self.add_object("toolhead", toolhead.clone());
        let first = self.toolhead.set(toolhead).is_ok();
        assert!(first, "one tool head");
    }

    pub fn toolhead(&self) -> &Rc<crate::toolhead::ToolHead> {
        self.toolhead.get().expect("the tool head is made before any command runs")
    }

    pub fn has_toolhead(&self) -> bool {
        self.toolhead.get().is_some()
    }

    pub fn set_gcode_move(&self, gcode_move: Rc<crate::gcode_move::GCodeMove>) {
        self.add_object("gcode_move", gcode_move.clone());
        let first = self.gcode_move.set(gcode_move).is_ok();
        assert!(first, "one G-code coordinate frame");
    }

    pub fn gcode_move(&self) -> &Rc<crate::gcode_move::GCodeMove> {
        self.gcode_move.get().expect("made before any command runs")
    }

    pub fn files(&self) -> &dyn Files {
        &*self.files
    }

    pub fn is_offline(&self) -> bool {
        self.options.offline.is_some()
    }

    // ---- micro-controllers

    pub fn add_mcu(&self, mcu: Mcu) {
        self.mcus.borrow_mut().push(mcu);
    }

    /// All micro-controllers; the first is the main one, whose clock is print time.
    pub fn mcus(&self) -> Vec<Mcu> {
        self.mcus.borrow().clone()
    }

    pub fn main_mcu(&self) -> Mcu {
        self.mcus.borrow()[0].clone()
    }

    pub fn mcu(&self, name: &str) -> Option<Mcu> {
        self.mcus.borrow().iter().find(|m| m.name() == name).cloned()
    }

    // ---- events

    pub fn on(&self, event: Event, listener: impl Fn() + 'static) {
        self.listeners.borrow_mut().push((event, Rc::new(listener)));
    }

    pub fn send(&self, event: Event) {
        let due: Vec<_> = self.listeners.borrow().iter().filter(|(e, _)| *e == event).map(|(_, l)| l.clone()).collect();
        due.iter().for_each(|listener| listener());
    }

    // ---- state

    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub fn is_shutdown(&self) -> bool {
        matches!(*self.state.borrow(), State::Shutdown(_) | State::Error(_))
    }

    pub fn set_state(&self, state: State) {
        *self.state.borrow_mut() = state.clone();
        self.emit(Output::State(state));
    }

    /// Stops everything: every micro-controller, every listener, and the G-code in progress fails.
    pub fn invoke_shutdown(&self, message: &str) {
        if self.shutting_down.replace(true) {
            return;
        }
        self.log(format!("Transition to shutdown state: {message}"));
        self.set_state(State::Shutdown(message.to_string()));
        for mcu in self.mcus() {
            mcu.emergency_stop();
        }
        self.send(Event::Shutdown);
        self.gcode.respond_error(message);
    }

    // ---- output

    pub fn emit(&self, output: Output) {
        self.output.borrow_mut().push(output);
    }

    pub fn log(&self, line: impl Into<String>) {
        self.emit(Output::Log(line.into()));
    }

    pub fn take_output(&self) -> Vec<Output> {
        let mut all = std::mem::take(&mut *self.output.borrow_mut());
        all.extend(self.gcode.take_console().into_iter().map(Output::Console));
        all
    }

    /// Breaks the reference cycles between objects, listeners and handlers.
    pub(crate) fn teardown(&self) {
        self.objects.borrow_mut().clear();
        self.listeners.borrow_mut().clear();
        self.gcode.clear();
        self.mcus.borrow_mut().clear();
    }
}
