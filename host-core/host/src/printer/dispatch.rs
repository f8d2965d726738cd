//! The G-code dispatcher: which command runs what, one at a time.
//!
//! Handlers come in two kinds. A *sync* handler finishes at once (G1, M106, SET_PIN): it costs a call. An *async* one
//! may take printer time (G28, M109, a macro). Scripts from the terminal, macros' timers and the virtual SD card take
//! turns by one mutex, so that a script is never torn by another; a handler that runs a script of its own
//! ([`GCode::run_script_from_command`]) is inside that turn already.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;

use super::{Event, Output, Printer, State};
use crate::gcode::{Command, CommandError, OwnedCommand};
use crate::reactor::{LocalFuture, Mutual};

pub type CommandResult = Result<(), CommandError>;
type SyncHandler = Rc<dyn Fn(&Rc<Printer>, &Command<'_>) -> CommandResult>;
type AsyncHandler = Rc<dyn Fn(Rc<Printer>, OwnedCommand) -> LocalFuture<CommandResult>>;

#[derive(Clone)]
enum Handler {
    Sync(SyncHandler),
    Async(AsyncHandler),
}

#[derive(Clone)]
struct Entry {
    handler: Handler,
    help: &'static str,
    description: Option<String>,
    /// Runs in startup, shutdown and error state too.
    always: bool,
}

/// One command name shared by several objects, told apart by a parameter (SET_PIN PIN=...).
struct Mux {
    key: &'static str,
    entries: BTreeMap<String, Handler>,
    /// Chosen when the parameter is missing.
    default: Option<Handler>,
}

#[derive(Default)]
pub struct GCode {
    commands: RefCell<BTreeMap<String, Entry>>,
    mux: RefCell<BTreeMap<&'static str, Mux>>,
    console: RefCell<Vec<String>>,
    turn: Mutual,
    errors: Cell<u64>,
    lines: Cell<u64>,
}

impl GCode {
    pub fn new() -> Self {
        Self::default()
    }

    // ---- registration

    /// A command that finishes at once.
    pub fn register(
        &self,
        name: &str,
        help: &'static str,
        handler: impl Fn(&Rc<Printer>, &Command<'_>) -> CommandResult + 'static,
    ) {
        self.insert(name, help, Handler::Sync(Rc::new(handler)), false);
    }

    /// A command that takes printer time.
    pub fn register_async<F>(
        &self,
        name: &str,
        help: &'static str,
        handler: impl Fn(Rc<Printer>, OwnedCommand) -> F + 'static,
    ) where
        F: Future<Output = CommandResult> + 'static,
    {
        self.insert(name, help, Handler::Async(Rc::new(move |p, c| Box::pin(handler(p, c)))), false);
    }

    /// A command that also runs when the printer is not ready.
    pub fn register_always(
        &self,
        name: &str,
        help: &'static str,
        handler: impl Fn(&Rc<Printer>, &Command<'_>) -> CommandResult + 'static,
    ) {
        self.insert(name, help, Handler::Sync(Rc::new(handler)), true);
    }

    fn insert(&self, name: &str, help: &'static str, handler: Handler, always: bool) {
        let entry = Entry { handler, help, description: None, always };
        let old = self.commands.borrow_mut().insert(name.to_string(), entry);
        assert!(old.is_none(), "command {name} registered twice");
    }

    /// Takes a command away that was there for a while (ACCEPT, ABORT).
    pub fn unregister(&self, name: &str) {
        self.commands.borrow_mut().remove(name);
    }

    /// The handler of a command leaves its name (for `rename_existing`); false if there is none.
    pub fn rename(&self, from: &str, to: &str) -> bool {
        let mut commands = self.commands.borrow_mut();
        match commands.remove(from) {
            Some(entry) => commands.insert(to.to_string(), entry).is_none(),
            None => false,
        }
    }

    /// The help text of a macro is known only when printer.cfg is read.
    pub fn describe(&self, name: &str, description: &str) {
        if let Some(entry) = self.commands.borrow_mut().get_mut(name) {
            entry.description = Some(description.to_string());
        }
    }

    /// `name KEY=value` goes to this handler. With `value` None it is the one for a missing parameter.
    pub fn register_mux(
        &self,
        name: &'static str,
        key: &'static str,
        value: Option<&str>,
        help: &'static str,
        handler: impl Fn(&Rc<Printer>, &Command<'_>) -> CommandResult + 'static,
    ) {
        self.insert_mux(name, key, value, help, Handler::Sync(Rc::new(handler)));
    }

    pub fn register_mux_async<F>(
        &self,
        name: &'static str,
        key: &'static str,
        value: Option<&str>,
        help: &'static str,
        handler: impl Fn(Rc<Printer>, OwnedCommand) -> F + 'static,
    ) where
        F: Future<Output = CommandResult> + 'static,
    {
        self.insert_mux(name, key, value, help, Handler::Async(Rc::new(move |p, c| Box::pin(handler(p, c)))));
    }

    fn insert_mux(
        &self,
        name: &'static str,
        key: &'static str,
        value: Option<&str>,
        help: &'static str,
        handler: Handler,
    ) {
        if !self.commands.borrow().contains_key(name) {
            self.insert(
                name,
                help,
                Handler::Async(Rc::new(move |p, c| Box::pin(async move { dispatch_mux(name, p, c).await }))),
                false,
            );
        }
        let mut mux = self.mux.borrow_mut();
        let mux = mux.entry(name).or_insert_with(|| Mux { key, entries: BTreeMap::new(), default: None });
        match value {
            Some(value) => drop(mux.entries.insert(value.to_string(), handler)),
            None => mux.default = Some(handler),
        }
    }

    pub fn has_command(&self, name: &str) -> bool {
        self.commands.borrow().contains_key(name)
    }

    /// Names and help texts, in alphabetical order.
    pub fn help(&self) -> Vec<(String, String)> {
        let text = |e: &Entry| e.description.clone().unwrap_or_else(|| e.help.to_string());
        self.commands.borrow().iter().map(|(name, e)| (name.clone(), text(e))).collect()
    }

    pub(super) fn clear(&self) {
        self.commands.borrow_mut().clear();
        self.mux.borrow_mut().clear();
    }

    // ---- answers

    pub fn respond_raw(&self, line: impl Into<String>) {
        self.console.borrow_mut().push(line.into());
    }

    /// Each line with the prefix of information.
    pub fn respond_info(&self, message: &str) {
        message.trim_end().lines().for_each(|line| self.respond_raw(format!("// {line}")));
    }

    /// The first line with the prefix of errors, the others as information.
    pub fn respond_error(&self, message: &str) {
        self.errors.set(self.errors.get() + 1);
        let mut lines = message.trim().lines();
        let first = lines.next().unwrap_or_default();
        self.respond_raw(format!("!! {first}"));
        lines.for_each(|line| self.respond_raw(format!("// {line}")));
    }

    /// How many commands were run.
    pub fn lines_run(&self) -> u64 {
        self.lines.get()
    }

    /// How many errors were told to the user.
    pub fn error_count(&self) -> u64 {
        self.errors.get()
    }

    pub(super) fn take_console(&self) -> Vec<String> {
        std::mem::take(&mut *self.console.borrow_mut())
    }

    // ---- running

    /// Is a script, or the virtual SD card, having its turn?
    pub fn is_busy(&self) -> bool {
        self.turn.is_locked()
    }

    /// Waits for its turn and runs the lines; stops at the first error.
    pub async fn run_script(&self, printer: &Rc<Printer>, script: &str) -> CommandResult {
        let _turn = self.turn.lock().await;
        self.run_script_from_command(printer, script).await
    }

    /// The same from within a command, which has the turn already.
    pub async fn run_script_from_command(&self, printer: &Rc<Printer>, script: &str) -> CommandResult {
        for line in script.lines() {
            self.run_line(printer, line).await?;
        }
        Ok(())
    }

    /// Takes the turn for a longer while (the virtual SD card, one line at a time).
    pub async fn take_turn(&self) -> crate::reactor::MutualGuard {
        self.turn.lock().await
    }

    /// Runs one line to its end, motion queue back-pressure included.
    pub async fn run_line(&self, printer: &Rc<Printer>, line: &str) -> CommandResult {
        let Some(command) = Command::parse(line) else { return Ok(()) };
        match self.find(printer, &command)? {
            Some(Handler::Sync(handler)) => handler(printer, &command)?,
            Some(Handler::Async(handler)) => handler(printer.clone(), command.into_owned()).await?,
            None => self.unknown(&command),
        }
        if printer.has_toolhead() {
            printer.toolhead().pace().await;
        }
        Ok(())
    }

    /// Runs a line whose handler is sync; `false` if it is not. Saves a print's moves the cost of a future each.
    pub fn run_line_sync(&self, printer: &Rc<Printer>, line: &str) -> Result<bool, CommandError> {
        let Some(command) = Command::parse(line) else { return Ok(true) };
        match self.find(printer, &command)? {
            Some(Handler::Sync(handler)) => handler(printer, &command).map(|()| true),
            Some(Handler::Async(_)) => Ok(false),
            None => {
                self.unknown(&command);
                Ok(true)
            }
        }
    }

    fn find(&self, printer: &Rc<Printer>, command: &Command<'_>) -> Result<Option<Handler>, CommandError> {
        let commands = self.commands.borrow();
        let Some(entry) = commands.get(command.name()) else {
            return match not_ready(printer) {
                Some(message) => Err(CommandError::new(message)),
                None => Ok(None),
            };
        };
        if !entry.always
            && let Some(message) = not_ready(printer)
        {
            return Err(CommandError::new(message));
        }
        command.well_formed()?;
        self.lines.set(self.lines.get() + 1);
        Ok(Some(entry.handler.clone()))
    }

    fn unknown(&self, command: &Command<'_>) {
        // Slicers switch a fan off, or choose tool 0, on machines that have neither.
        let harmless =
            matches!(command.name(), "M107" | "T0") || (command.name() == "M106" && command.get("S") == Some("0"));
        if !harmless {
            self.respond_info(&format!("Unknown command:\"{}\"", command.name()));
        }
    }

    /// Runs a line given at the terminal: an error is answered, never returned.
    pub async fn run_console_line(&self, printer: &Rc<Printer>, line: &str) {
        printer.send(Event::Activity);
        let result = {
            let _turn = self.turn.lock().await;
            self.run_line(printer, line).await
        };
        self.finish(printer, result);
    }

    /// Tells the user of an error, and the listeners.
    pub fn finish(&self, printer: &Rc<Printer>, result: CommandResult) {
        if let Err(error) = result {
            self.respond_error(&error.to_string());
            printer.log(format!("G-code error: {error}"));
            printer.send(Event::CommandError);
        }
    }
}

fn not_ready(printer: &Printer) -> Option<String> {
    match printer.state() {
        State::Ready => None,
        State::Startup => Some("Printer is not ready".to_string()),
        State::Shutdown(message) | State::Error(message) => Some(message),
    }
}

async fn dispatch_mux(name: &'static str, printer: Rc<Printer>, command: OwnedCommand) -> CommandResult {
    let handler = {
        let mux = printer.gcode.mux.borrow();
        let mux = &mux[name];
        match command.get(mux.key) {
            None => mux
                .default
                .clone()
                .or_else(|| (mux.entries.len() == 1).then(|| mux.entries.values().next().cloned()).flatten()),
            Some(value) => Some(mux.entries.get(value).cloned().ok_or_else(|| {
                let known: Vec<&str> = mux.entries.keys().map(String::as_str).collect();
                CommandError::new(format!(
                    "The value '{value}' is not valid for {} (known: {})",
                    mux.key,
                    known.join(", ")
                ))
            })?),
        }
        .ok_or_else(|| CommandError::new(format!("Error on '{}': missing {}", command.raw(), mux.key)))?
    };
    match handler {
        Handler::Sync(handler) => handler(&printer, &command),
        Handler::Async(handler) => handler(printer, command).await,
    }
}

/// The commands of the dispatcher itself.
pub fn register_basics(printer: &Rc<Printer>) {
    let gcode = &printer.gcode;
    gcode.register_always("M110", "Set the line number", |_, _| Ok(()));
    gcode.register_always("M112", "Emergency stop", |printer, _| {
        printer.invoke_shutdown("Shutdown due to M112 command");
        Ok(())
    });
    gcode.register_always("M115", "Firmware version", |printer, _| {
        printer.gcode.respond_raw(format!("FIRMWARE_NAME:Drydock FIRMWARE_VERSION:{}", env!("CARGO_PKG_VERSION")));
        Ok(())
    });
    gcode.register_always("ECHO", "Repeat the line", |printer, command| {
        printer.gcode.respond_info(command.raw());
        Ok(())
    });
    gcode.register_always("STATUS", "Report the printer's state", |printer, _| {
        match printer.state() {
            State::Ready => printer.gcode.respond_info("Klipper state: Ready"),
            other => printer.gcode.respond_info(&format!(
                "Klipper state: Not ready\n{}",
                not_ready(printer).unwrap_or(other.name().into())
            )),
        }
        Ok(())
    });
    gcode.register_always("HELP", "List the commands", |printer, _| {
        let lines: Vec<String> = printer
            .gcode
            .help()
            .into_iter()
            .filter(|(_, help)| !help.is_empty())
            .map(|(name, help)| format!("{name:10}: {help}"))
            .collect();
        printer.gcode.respond_info(&format!("Available extended commands:\n{}", lines.join("\n")));
        Ok(())
    });
    for (name, firmware) in [("RESTART", false), ("FIRMWARE_RESTART", true)] {
        gcode.register_always(name, "Read printer.cfg again and start over", move |printer, _| {
            printer.emit(Output::Restart { firmware });
            Ok(())
        });
    }
}
