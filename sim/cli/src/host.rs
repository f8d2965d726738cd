//! `drydock host`: our host on a wall clock, real ports and a console.

mod console;
mod files;
pub mod session;

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use drydock_host::config::Config;
use drydock_host::host::{Host, MotorCount, Pending};
use drydock_host::printer::{Options, Output, State};
use drydock_port::{Port, PortError};
use drydock_scenario::setup::{PrepareError, can_print, config_for_print, print_name};
use drydock_sweep::Stop;
use serde_json::json;

use crate::run::CliResult;
use crate::term::{self, say};
use crate::wall::WallClock;
use console::Console;
use drydock_scenario::disk::{DiskSource, replace_kept};
use files::LiveFiles;
use session::{Line, Session};

const EXAMPLES: &str = "\
Examples:
  drydock host --config printer.cfg
      the ports are those of printer.cfg; type G-code, Ctrl-C ends
  drydock host --config printer.cfg --serial /tmp/printer --gcode part.gcode
      prints a file and exits: 0 when it is complete, 1 otherwise
  drydock host --config printer.cfg --serial tcp:10.0.0.7:8888 --serial toolhead=/dev/ttyACM1
      the main board over the network, the one called toolhead over USB
  echo G28 | drydock host --config printer.cfg
      runs what comes and ends with it";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct HostArgs {
    /// The printer.cfg.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Port of the main micro-controller, or NAME=PORT of another, in place of printer.cfg's: a device, tcp:HOST:PORT
    /// or unix:PATH.
    #[arg(long, value_name = "PORT")]
    serial: Vec<String>,
    /// Rate of serial lines in place of printer.cfg's.
    #[arg(long)]
    baud: Option<u32>,
    /// Print this file, then exit.
    #[arg(long, value_name = "FILE")]
    gcode: Option<PathBuf>,
    /// Where klippy.log goes; it is appended to.
    #[arg(long, value_name = "FILE", default_value = "klippy.log")]
    log: PathBuf,
    /// Print one JSON object at the end; responses go to standard error then.
    #[arg(long)]
    json: bool,
}

/// Klipper's own, for UART boards; USB ones take any.
const DEFAULT_BAUD: u32 = 250_000;
/// A board that was reset, or whose cable was pulled, is waited for.
const PORT_RETRY_S: f64 = 0.5;
const RESET_WAIT_S: f64 = 10.0;
/// The longest sleep: what Ctrl-C may wait.
const SLEEP_MAX_S: f64 = 0.05;
/// Time for the last commands of a session: off with heaters and motors, resets, counts.
const FAREWELL_S: f64 = 3.0;
/// The words of an error after which the board needs a reset, and nothing else.
const OTHER_CONFIG: &str = "MCU CRC does not match config";

pub fn host(args: HostArgs) -> CliResult {
    if let Some(path) = &args.gcode {
        can_print(path).map_err(|why| format!("{}: {why}", path.display()))?;
    }
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&args.log);
    let log = log.map_err(|e| format!("{}: {e}", args.log.display()))?;
    let mut shell = Shell {
        stop: term::stop_on_ctrl_c()?,
        clock: WallClock::start(1.0),
        console: Console::new(args.gcode.is_none()),
        log: std::io::BufWriter::new(log),
        errors: Vec::new(),
        state: State::Startup,
        restart: false,
        was_reset: false,
        counts: Vec::new(),
        args,
    };
    let mut session = shell.connect(None)?;
    let end = shell.run(&mut session)?;
    shell.farewell(&mut session, end);
    Ok(shell.report(&session, end))
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// The file is printed, or the console is closed and idle.
    Done,
    /// The print or the session failed.
    Failed,
    /// Ctrl-C while nothing was going on.
    Stopped,
    /// Ctrl-C in the middle of something.
    Interrupted,
}

struct Shell {
    args: HostArgs,
    stop: Stop,
    clock: WallClock,
    console: Console,
    log: std::io::BufWriter<std::fs::File>,
    errors: Vec<String>,
    state: State,
    /// The host asked to be started again.
    restart: bool,
    /// The boards were reset because they held another configuration; once is enough.
    was_reset: bool,
    counts: Vec<MotorCount>,
}

impl Shell {
    // ---- sessions

    /// Reads printer.cfg, opens the ports and starts a host. With `patience_s` ports may be away for a while.
    fn connect(&mut self, patience_s: Option<f64>) -> Result<Session, Box<dyn std::error::Error>> {
        let path = self.args.config.display().to_string();
        let config = match &self.args.gcode {
            Some(_) => config_for_print(&DiskSource, &path)?,
            None => Config::parse(&DiskSource, &path).map_err(PrepareError::Config)?,
        };
        let names = mcu_names(&config);
        let mut lines = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let (port, baud) = self.port_of(&config, i, name)?;
            lines.push(Line::new(name, self.open(&port, baud, patience_s)?));
        }
        let prints = self.args.gcode.iter().map(|path| (print_name(&path.display().to_string()), path.clone()));
        let files = LiveFiles::new(prints.collect(), &config);
        let host = Host::new(config, Options::default(), Rc::new(files)).map_err(PrepareError::Config)?;
        self.state = State::Startup;
        Ok(Session::new(host, lines))
    }

    /// Where a micro-controller is: as the command line says, or as printer.cfg does.
    fn port_of(&self, config: &Config, index: usize, name: &str) -> Result<(String, u32), String> {
        let section = if index == 0 { "mcu".to_string() } else { format!("mcu {name}") };
        let raw = |option: &str| config.section(&section).and_then(|s| s.raw(option).map(|v| v.trim().to_string()));
        let given = self.args.serial.iter().find_map(|given| match given.split_once('=') {
            Some((of, port)) => (of == name).then(|| port.to_string()),
            None => (index == 0).then(|| given.clone()),
        });
        let port = given.or_else(|| raw("serial")).ok_or_else(|| {
            format!("[{section}] has no `serial`; boards on CAN need a bridge that offers a serial port")
        })?;
        let baud = match (self.args.baud, raw("baud")) {
            (Some(baud), _) => baud,
            (None, None) => DEFAULT_BAUD,
            (None, Some(text)) => text.parse().map_err(|_| format!("[{section}] baud: '{text}' is not a number"))?,
        };
        Ok((port, baud))
    }

    fn open(&self, name: &str, baud: u32, patience_s: Option<f64>) -> Result<Port, PortError> {
        let give_up_s = self.clock.wall_s() + patience_s.unwrap_or(0.0);
        loop {
            match Port::open(name, baud) {
                Err(
                    PortError::NoSuchPort { .. }
                    | PortError::Busy { .. }
                    | PortError::NotAPort { .. }
                    | PortError::Permission { .. },
                ) if self.clock.wall_s() < give_up_s && !self.stop.is_set() => {
                    std::thread::sleep(Duration::from_secs_f64(PORT_RETRY_S));
                }
                other => return other,
            }
        }
    }

    /// Ends a session and begins the next: the boards are reset where that is still possible.
    fn reconnect(
        &mut self,
        session: &mut Session,
        resets: bool,
        patience_s: f64,
    ) -> Result<(), Box<dyn std::error::Error>> {
        if resets {
            let pending = session.host.restart_firmware();
            self.wait_for(session, FAREWELL_S, |_| pending.is_done());
        }
        // The ports must be free before they are opened again.
        session.lines.clear();
        *session = self.connect(Some(patience_s))?;
        Ok(())
    }

    // ---- the loop

    fn run(&mut self, session: &mut Session) -> Result<End, Box<dyn std::error::Error>> {
        let mut print: Option<Pending> = None;
        loop {
            if self.stop.is_set() {
                return Ok(if session.host.is_busy() { End::Interrupted } else { End::Stopped });
            }
            if let Err(error) = self.turn(session) {
                session.host.shut_down(&error.to_string());
                self.drain(session)?;
                if self.args.gcode.is_some() || self.console.is_closed() {
                    return Ok(End::Failed);
                }
                self.say("// waiting for the port to come back");
                match self.reconnect(session, false, f64::INFINITY) {
                    Err(_) if self.stop.is_set() => return Ok(End::Stopped),
                    other => other?,
                }
                continue;
            }
            if std::mem::take(&mut self.restart) || self.holds_another_config() {
                if let Err(error) = self.reconnect(session, true, RESET_WAIT_S) {
                    if self.args.gcode.is_some() || self.console.is_closed() {
                        return Err(error);
                    }
                    // Klipper too stays up with a printer.cfg that it cannot read, so that it can be mended.
                    self.say(&format!("!! {error}"));
                    self.await_restart_line();
                    self.restart = true;
                }
                continue;
            }
            let is_over = matches!(self.state, State::Shutdown(_) | State::Error(_));
            if let Some(path) = &self.args.gcode {
                match (&print, self.state == State::Ready) {
                    _ if is_over => return Ok(End::Failed),
                    (None, true) => {
                        let name = print_name(&path.display().to_string());
                        print = Some(session.host.console(&format!("SDCARD_PRINT_FILE FILENAME=\"{name}\"")));
                    }
                    (Some(started), _) if started.is_done() && !session.host.is_printing() => {
                        return Ok(if session.host.print_state() == "complete" { End::Done } else { End::Failed });
                    }
                    _ => {}
                }
            } else {
                for line in self.console.take_lines(self.state != State::Startup) {
                    self.type_line(session, &line);
                }
                if self.console.is_closed() && self.console.is_idle() && (is_over || !session.host.is_busy()) {
                    return Ok(if is_over || !self.errors.is_empty() { End::Failed } else { End::Done });
                }
            }
        }
    }

    /// One line typed: an emergency stop does not wait for its turn.
    fn type_line(&mut self, session: &mut Session, line: &str) {
        if line.trim().eq_ignore_ascii_case("M112") {
            session.host.shut_down("Shutdown due to M112 command");
        } else {
            self.console.typed(session.host.console(line));
        }
    }

    /// Runs the session up to now, hands out what it says, and sleeps until there is something to do.
    fn turn(&mut self, session: &mut Session) -> Result<(), Box<dyn std::error::Error>> {
        session.turn(self.clock.wall_s())?;
        self.drain(session)?;
        let sleep_s = (session.next_wake() - self.clock.wall_s()).clamp(0.0, SLEEP_MAX_S);
        let mut fds: Vec<_> = session.fds().collect();
        let stdin = std::io::stdin();
        if self.console.listens() {
            fds.push(stdin.as_fd());
        }
        let ready = drydock_port::wait(&fds, Duration::from_secs_f64(sleep_s));
        if self.console.listens() && ready.last() == Some(&true) {
            self.console.read();
        }
        Ok(())
    }

    /// Takes turns until `is_done`, for at most so long.
    fn wait_for(&mut self, session: &mut Session, at_most_s: f64, mut is_done: impl FnMut(&mut Session) -> bool) {
        let end_s = self.clock.wall_s() + at_most_s;
        while !is_done(session) && self.clock.wall_s() < end_s {
            if self.turn(session).is_err() {
                return;
            }
        }
    }

    /// A board that another session configured otherwise.
    fn holds_another_config(&mut self) -> bool {
        let does = matches!(&self.state, State::Error(why) if why.contains(OTHER_CONFIG));
        does && !std::mem::replace(&mut self.was_reset, true)
    }

    fn await_restart_line(&mut self) {
        while !self.stop.is_set() && !self.console.is_closed() {
            let ready = drydock_port::wait(&[std::io::stdin().as_fd()], Duration::from_secs_f64(SLEEP_MAX_S));
            if ready == [true] {
                self.console.read();
            }
            let lines = self.console.take_lines(true);
            if lines.iter().any(|line| line.trim().to_ascii_uppercase().ends_with("RESTART")) {
                return;
            }
        }
    }

    /// Hands out what the host said.
    fn drain(&mut self, session: &mut Session) -> std::io::Result<()> {
        for output in session.host.take_output() {
            match output {
                Output::Log(line) => writeln!(self.log, "{line}")?,
                Output::Console(line) => {
                    if line.starts_with("!!") {
                        self.errors.push(line.clone());
                    }
                    self.say(&line);
                }
                Output::File { path, content } => self.save(&path, &content)?,
                Output::Restart { .. } => self.restart = true,
                Output::State(state) => self.enter(state),
                Output::Line { .. } => {}
            }
        }
        self.log.flush()
    }

    /// A response of the printer's.
    fn say(&self, line: &str) {
        if self.args.json { eprintln!("{line}") } else { say!("{line}") }
    }

    fn enter(&mut self, state: State) {
        if state == State::Ready {
            self.say("// Printer is ready");
        }
        self.state = state;
    }

    /// Files keep the paths that the host gives them; a printer.cfg that is replaced is kept beside it.
    fn save(&mut self, path: &str, content: &[u8]) -> std::io::Result<()> {
        let path = Path::new(path);
        if path == self.args.config {
            return replace_kept(path, content).map(drop);
        }
        std::fs::write(path, content)
    }

    // ---- the end

    /// Leaves the machine safe: heaters and motors off, and after an interruption the boards reset.
    fn farewell(&mut self, session: &mut Session, end: End) {
        if end == End::Interrupted {
            session.host.shut_down("Stopped by Ctrl-C");
            self.wait_for(session, 0.1, |_| false);
            let pending = session.host.restart_firmware();
            self.wait_for(session, FAREWELL_S, |_| pending.is_done());
            return;
        }
        if self.state != State::Ready {
            return;
        }
        let counts = session.host.motor_counts();
        let mut found = None;
        self.wait_for(session, FAREWELL_S, |_| {
            found = counts.take();
            found.is_some()
        });
        self.counts = found.unwrap_or_default();
        let known = |line: &&str| session.host.printer().gcode.has_command(line);
        let lines: Vec<&str> = ["TURN_OFF_HEATERS", "M84"].into_iter().filter(known).collect();
        for line in lines {
            let pending = session.host.console(line);
            self.wait_for(session, FAREWELL_S, |_| pending.is_done());
        }
        // The commands are on their way a tenth of a second before their time.
        self.wait_for(session, 0.5, |_| false);
    }

    fn report(&mut self, session: &Session, end: End) -> ExitCode {
        let wrong: Vec<&MotorCount> =
            self.counts.iter().filter(|c| c.mcu_steps.is_some_and(|n| n != c.host_steps)).collect();
        for count in &wrong {
            eprintln!(
                "error: {} is at {} microsteps by the host's count and at {} by its micro-controller's",
                count.motor,
                count.host_steps,
                count.mcu_steps.unwrap_or_default()
            );
        }
        let shutdown = match &self.state {
            State::Shutdown(why) | State::Error(why) => Some(why.clone()),
            _ => None,
        };
        if self.args.json {
            let mcus: BTreeMap<String, serde_json::Value> = (session.host.printer().mcus().iter().zip(&session.lines))
                .map(|(mcu, line)| {
                    let s = mcu.stats().serial;
                    let value = json!({
                        "port": line.port.name(), "version": mcu.version().0, "freq_hz": mcu.stats().freq_hz,
                        "bytes_write": s.bytes_write, "bytes_read": s.bytes_read, "bytes_invalid": s.bytes_invalid,
                        "bytes_retransmit": s.bytes_retransmit, "srtt_s": s.srtt_s,
                    });
                    (line.mcu.clone(), value)
                })
                .collect();
            let motors: BTreeMap<&String, serde_json::Value> = (self.counts.iter())
                .map(|c| (&c.motor, json!({"host_steps": c.host_steps, "mcu_steps": c.mcu_steps})))
                .collect();
            say!(
                "{}",
                json!({
                    "end": format!("{end:?}").to_lowercase(), "print_state": session.host.print_state(),
                    "wall_s": self.clock.wall_s(), "shutdown": shutdown, "errors": self.errors, "mcus": mcus,
                    "motors": motors, "log": self.args.log.display().to_string(),
                })
            );
        }
        match end {
            End::Done | End::Stopped if wrong.is_empty() => ExitCode::SUCCESS,
            End::Interrupted => ExitCode::from(130),
            _ => ExitCode::from(1),
        }
    }
}

/// `mcu` and those with a name, in the order in which the host counts them.
fn mcu_names(config: &Config) -> Vec<String> {
    let others = config.sections_with_prefix("mcu ");
    let others = others.iter().map(|section| section.name()["mcu ".len()..].trim().to_string());
    std::iter::once("mcu".to_string()).chain(others).collect()
}
