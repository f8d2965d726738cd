//! `drydock plan` and `drydock steps`: what the host would do with a file, with no machine behind it.
//!
//! As in a batch run of the peer: nothing answers, waits return at once, homing ends at the end of its move.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use clap::Args;
use drydock_host::config::{Config, ConfigError};
use drydock_host::host::Host;
use drydock_host::mcu::{QueuedStep, StepSink};
use drydock_host::objects::stepper_enable;
use drydock_host::printer::{Offline, Options, Output, State};
use drydock_host::toolhead::BATCH_BLOCK_BYTES;
use drydock_scenario::setup::can_print;
use drydock_scenario::text::io_cause;
use serde_json::json;

use crate::run::CliResult;
use crate::term::say;
use drydock_scenario::disk::{DiskFiles, DiskSource};

/// Clock of the micro-controller where nobody says another.
const CLOCK_HZ: f64 = 168e6;

#[derive(Args)]
pub struct Input {
    /// The printer.cfg.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The G-code file.
    #[arg(long, value_name = "FILE")]
    gcode: PathBuf,
    /// Where the rows go (default: standard output).
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object with counts instead of rows; with --output, after the rows are written.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct PlanArgs {
    #[command(flatten)]
    input: Input,
}

#[derive(Args)]
pub struct StepsArgs {
    #[command(flatten)]
    input: Input,
    /// Clock of the micro-controller, Hz.
    #[arg(long, value_name = "HZ", default_value_t = CLOCK_HZ)]
    clock_freq: f64,
    /// The solver's own step times.
    #[arg(long, conflicts_with = "compressed")]
    exact: bool,
    /// Step times after compression: what the micro-controller does (default).
    #[arg(long)]
    compressed: bool,
    /// Make and count the steps, write none.
    #[arg(long)]
    null: bool,
}

/// Rows go here; a null sink only counts.
type Rows = Rc<RefCell<Option<Box<dyn Write>>>>;

fn open_rows(input: &Input, null: bool) -> Result<Rows, String> {
    let to: Option<Box<dyn Write>> = match &input.output {
        _ if null => None,
        Some(path) => {
            let file = std::fs::File::create(path).map_err(|e| format!("{}: {e}", path.display()))?;
            Some(Box::new(BufWriter::with_capacity(1 << 18, file)))
        }
        None if input.json => None,
        None => Some(Box::new(BufWriter::with_capacity(1 << 18, std::io::stdout().lock()))),
    };
    Ok(Rc::new(RefCell::new(to)))
}

/// So long, on a clock that nobody waits for, tasks other than the file's have their turn.
const TURN_S: f64 = 0.001;

/// Runs a file to its end. Answers the errors that the terminal would show.
fn run_file(host: &Host, gcode: &Path) -> Result<Vec<String>, String> {
    let name = gcode.display().to_string();
    can_print(gcode).map_err(|why| format!("{name}: {why}"))?;
    let file = std::fs::File::open(gcode).map_err(|e| format!("{name}: {}", io_cause(&e)))?;
    let printer = host.printer().clone();
    let result: Rc<RefCell<Option<Result<(), String>>>> = Rc::default();
    let done = result.clone();
    host.start();
    host.run(0.0);
    if let State::Error(message) | State::Shutdown(message) = host.state() {
        return Err(message);
    }
    printer.clone().reactor.spawn("file", async move {
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut bytes = Vec::new();
        let (mut line_number, mut read, mut block) = (0_u64, 0_u64, 1_u64);
        let outcome = loop {
            bytes.clear();
            match reader.read_until(b'\n', &mut bytes) {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error.to_string()),
            }
            line_number += 1;
            read += bytes.len() as u64;
            while read > block * BATCH_BLOCK_BYTES {
                // Whatever else waits (the end of a fan's kick) has its turn, too.
                printer.reactor.sleep(TURN_S).await;
                printer.toolhead().batch_turn();
                block += 1;
            }
            let line = String::from_utf8_lossy(&bytes);
            let sync = printer.gcode.run_line_sync(&printer, &line);
            let run = match sync {
                Ok(true) => Ok(()),
                Ok(false) => printer.gcode.run_line(&printer, &line).await,
                Err(error) => Err(error),
            };
            if let Err(error) = run {
                break Err(format!("{name}:{line_number}: {error}"));
            }
        };
        printer.reactor.sleep(TURN_S).await;
        printer.toolhead().batch_turn();
        printer.toolhead().flush_step_generation();
        *done.borrow_mut() = Some(outcome);
    });
    let mut now = 0.0;
    loop {
        host.run(now);
        if let Some(outcome) = result.borrow_mut().take() {
            let shown = host.take_output().into_iter().filter_map(|o| match o {
                Output::Console(line) if line.starts_with("!!") => Some(line),
                _ => None,
            });
            return outcome.map(|()| shown.collect());
        }
        // Whatever sleeps is woken when it asked for: nothing here takes real time.
        now = host.next_wake().ok_or("the file waits for something that never comes without a machine")?;
    }
}

/// What the terminal would have shown as errors. A printer goes on after such a line, and so did this.
fn tell(errors: &[String]) {
    errors.iter().for_each(|error| eprintln!("{error}"));
}

fn build(input: &Input, clock_freq_hz: f64, exact: bool, sink: Rc<RefCell<dyn StepSink>>) -> Result<Host, String> {
    let options = Options {
        offline: Some(Offline { clock_freq_hz, sink }),
        compression_error_s: exact.then_some(0.0),
        ..Options::default()
    };
    let config = Config::parse(&DiskSource, &input.config.display().to_string());
    config
        .and_then(|config| Host::new(config, options, Rc::new(DiskFiles::new([]))))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// What the host itself refuses in a configuration whose text can be read.
pub fn refused(config: Config) -> Vec<ConfigError> {
    let offline = Offline { clock_freq_hz: CLOCK_HZ, sink: Rc::new(RefCell::new(NoSteps)) };
    let options = Options { offline: Some(offline), ..Options::default() };
    Host::new(config, options, Rc::new(DiskFiles::new([]))).err().unwrap_or_default()
}

/// Nobody wants the steps.
struct NoSteps;

impl StepSink for NoSteps {
    fn queue_step(&mut self, _oid: u8, _step: &QueuedStep) {}
    fn set_dir(&mut self, _oid: u8, _dir: bool) {}
    fn reset_step_clock(&mut self, _oid: u8, _clock: u64) {}
}

pub fn plan(args: PlanArgs) -> CliResult {
    let input = &args.input;
    let start = Instant::now();
    let host = build(input, CLOCK_HZ, false, Rc::new(RefCell::new(NoSteps)))?;
    let rows = open_rows(input, false)?;
    if let Some(to) = &mut *rows.borrow_mut() {
        writeln!(
            to,
            "queue,print_time,accel_t,cruise_t,decel_t,start_x,start_y,start_z,ratio_x,ratio_y,ratio_z,start_v,cruise_v,accel"
        )?;
    }
    let (count, end_s, failed) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(0.0)), Rc::new(RefCell::new(None)));
    let (counter, end, failure, to) = (count.clone(), end_s.clone(), failed.clone(), rows.clone());
    host.printer().toolhead().observe(move |print_time, mv| {
        counter.set(counter.get() + 1);
        end.set(print_time + mv.total_t());
        let Some(to) = &mut *to.borrow_mut() else { return };
        let mut write = |queue: u8, m: drydock_motion::trapq::TrapMove| {
            let (p, r) = (m.start_pos, m.axes_r);
            let result = writeln!(
                to,
                "{queue},{},{},{},{},{},{},{},{},{},{},{},{},{}",
                m.print_time,
                m.accel_t,
                m.cruise_t,
                m.decel_t,
                p[0],
                p[1],
                p[2],
                r[0],
                r[1],
                r[2],
                m.start_v,
                m.cruise_v,
                m.accel
            );
            if let Err(error) = result {
                failure.borrow_mut().get_or_insert(error);
            }
        };
        if mv.mv.is_kinematic {
            write(1, mv.trap_move(print_time));
        }
        if mv.mv.axes_d[3] != 0.0 {
            write(2, mv.extruder_trap_move(print_time));
        }
    });
    let errors = run_file(&host, &input.gcode)?;
    tell(&errors);
    if let Some(error) = failed.borrow_mut().take() {
        return Err(error.into());
    }
    if let Some(to) = &mut *rows.borrow_mut() {
        to.flush()?;
    }
    if input.json {
        say!(
            "{}",
            json!({"moves": count.get(), "print_time_s": end_s.get(), "wall_s": start.elapsed().as_secs_f64(), "errors": errors})
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Expands commands to steps, row by row.
struct StepRows {
    to: Option<Box<dyn Write>>,
    steppers: Vec<StepperRows>,
    failed: Option<std::io::Error>,
    line: Vec<u8>,
    total: u64,
    commands: u64,
    /// A digest of all clocks, so that a null sink still shows what was made.
    digest: drydock_twin::digest::Digest,
}

#[derive(Default)]
struct StepperRows {
    name: String,
    dir: bool,
    index: u64,
    position: i64,
}

impl StepSink for StepRows {
    fn queue_step(&mut self, oid: u8, step: &QueuedStep) {
        let Some(stepper) = self.steppers.get_mut(usize::from(oid)) else { return };
        self.commands += 1;
        self.total += u64::from(step.count);
        self.digest.word(step.first_clock);
        self.digest.word(step.last_clock ^ u64::from(oid) << 56);
        let one = if stepper.dir { 1 } else { -1 };
        let Some(to) = &mut self.to else {
            stepper.index += u64::from(step.count);
            stepper.position += one * i64::from(step.count);
            return;
        };
        let (mut clock, mut interval) = (step.first_clock, i64::from(step.interval));
        self.line.clear();
        for k in 0..step.count {
            if k > 0 {
                interval += i64::from(step.add);
                clock = clock.wrapping_add_signed(interval);
            }
            stepper.index += 1;
            stepper.position += one;
            self.line.extend_from_slice(stepper.name.as_bytes());
            self.line.extend_from_slice(if stepper.dir { b",1," } else { b",0," });
            push_number(&mut self.line, stepper.index as i64);
            self.line.push(b',');
            push_number(&mut self.line, stepper.position);
            self.line.push(b',');
            push_number(&mut self.line, clock as i64);
            self.line.push(b'\n');
        }
        if let Err(error) = to.write_all(&self.line) {
            self.failed.get_or_insert(error);
            self.to = None;
        }
    }

    fn set_dir(&mut self, oid: u8, dir: bool) {
        if let Some(stepper) = self.steppers.get_mut(usize::from(oid)) {
            stepper.dir = dir;
        }
    }

    fn reset_step_clock(&mut self, _oid: u8, _clock: u64) {}
}

/// Decimal digits, several times faster than the formatting machinery.
fn push_number(to: &mut Vec<u8>, value: i64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        to.push(b'-');
    }
    to.extend_from_slice(&digits[at..]);
}

pub fn steps(args: StepsArgs) -> CliResult {
    let input = &args.input;
    let start = Instant::now();
    let rows = open_rows(input, args.null)?.borrow_mut().take();
    let sink = Rc::new(RefCell::new(StepRows {
        to: rows,
        steppers: Vec::new(),
        failed: None,
        line: Vec::new(),
        total: 0,
        commands: 0,
        digest: drydock_twin::digest::Digest::default(),
    }));
    let host = build(input, args.clock_freq, args.exact, sink.clone())?;
    {
        let mut sink = sink.borrow_mut();
        for stepper in stepper_enable::all(host.printer()) {
            let oid = usize::from(stepper.mcu_stepper().oid());
            if sink.steppers.len() <= oid {
                sink.steppers.resize_with(oid + 1, StepperRows::default);
            }
            sink.steppers[oid] = StepperRows { name: stepper.name().to_string(), dir: true, ..StepperRows::default() };
        }
        if let Some(to) = &mut sink.to {
            to.write_all(b"stepper,dir,step_index,position_steps,clock\n")?;
        }
    }
    let errors = run_file(&host, &input.gcode)?;
    tell(&errors);
    let mut sink = sink.borrow_mut();
    if let Some(error) = sink.failed.take() {
        // A reader that had enough (`| head`) is no failure.
        return if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(ExitCode::SUCCESS) } else { Err(error.into()) };
    }
    if let Some(to) = &mut sink.to {
        to.flush()?;
    }
    if input.json || args.null {
        let per: std::collections::BTreeMap<&str, u64> =
            sink.steppers.iter().filter(|s| !s.name.is_empty()).map(|s| (s.name.as_str(), s.index)).collect();
        say!(
            "{}",
            json!({"steps": sink.total, "commands": sink.commands, "by_stepper": per, "fingerprint": sink.digest.hex(),
                   "wall_s": start.elapsed().as_secs_f64(), "errors": errors})
        );
    }
    Ok(ExitCode::SUCCESS)
}
