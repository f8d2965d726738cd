//! From a scenario file, or from a printer.cfg and a G-code file, to a [`Session`] ready to run.

use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use drydock_host::config::{Config, ConfigError, FileSource, MapSource, SaveConfig, nearest};
use drydock_host::files::Files;
use drydock_host::printer::Options;
use drydock_plant::Machine;
use drydock_plant::bed_surface::BedSurface;
use drydock_plant::drive::Drive;
use drydock_plant::heater::Body;
use drydock_plant::hotend::Hotend;
use drydock_recording::{Chip, Header, Stepper};
use drydock_twin::bench::{Bench, BenchSetup, SetupError};
use drydock_twin::recorder::Recorder;
use drydock_twin::wiring::{self, Device, Wiring};
use drydock_twin::world::{Twin, TwinSetup};
use drydock_virtual_mcu::{McuConfig, SerialConfig};

use crate::check::condition_of;
use crate::machine_file;
use crate::model::{Act, Condition, Line, MachineChanges, Quantity, Scenario};
use crate::session::Session;
use crate::text::{self, Source, io_cause};

/// Why a session cannot begin.
#[derive(Debug)]
pub enum PrepareError {
    /// A file cannot be read or written.
    File {
        path: PathBuf,
        why: String,
    },
    /// The scenario or machine file is no such RON: place and cause.
    Ron {
        path: PathBuf,
        line: usize,
        column: usize,
        why: String,
    },
    Config(Vec<ConfigError>),
    Setup(String),
}

impl std::fmt::Display for PrepareError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PrepareError::File { path, why } => write!(f, "{}: {why}", path.display()),
            PrepareError::Ron { path, line, column, why } => write!(f, "{}:{line}:{column}: {why}", path.display()),
            PrepareError::Config(errors) => errors
                .iter()
                .enumerate()
                .try_for_each(|(i, e)| if i == 0 { write!(f, "{e}") } else { write!(f, "\n{e}") }),
            PrepareError::Setup(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for PrepareError {}

/// What the command line adds to a scenario.
#[derive(Default)]
pub struct RunOptions {
    pub seed: Option<u64>,
    /// Where the recording goes; nowhere if None.
    pub recording: Option<PathBuf>,
    pub klippy_log: Option<PathBuf>,
    /// The line that repeats the run, for the recording.
    pub command: String,
}

/// How the disk looks to a session; the command line implements it.
pub trait Disk {
    /// The printer.cfg, what it includes, and the machine file.
    fn source(&self) -> &dyn FileSource;
    /// Print files by name.
    fn prints(&self, files: Vec<(String, PathBuf)>) -> Rc<dyn Files>;
    /// Whether a file can be printed, and why not.
    fn can_print(&self, path: &Path) -> Result<(), String> {
        can_print(path)
    }
}

impl Scenario {
    pub fn parse(path: &Path, text: &str) -> Result<Scenario, PrepareError> {
        let mut scenario: Scenario = text::read(path, text)?;
        scenario.source = Source { path: path.to_path_buf(), text: text.to_string() };
        Ok(scenario)
    }

    pub fn load(path: &Path) -> Result<Scenario, PrepareError> {
        Scenario::parse(path, &read(path)?)
    }

    /// A plain run: home, print the file, report. Errors of the host fail it.
    pub fn plain(config: &str, gcode: &str) -> Scenario {
        Scenario {
            title: if gcode.is_empty() { config.to_string() } else { format!("{gcode} on {config}") },
            config: config.to_string(),
            config_append: String::new(),
            machine: MachineChanges::default(),
            seed: 1,
            story: vec![Act::Print(gcode.to_string())],
            faults: Vec::new(),
            line: Line::default(),
            clocks: Vec::new(),
            expect: Vec::new(),
            end_s: 48.0 * 3600.0,
            sample_hz: 500.0,
            source: Source::default(),
        }
    }
}

fn read(path: &Path) -> Result<String, PrepareError> {
    std::fs::read_to_string(path).map_err(|e| PrepareError::File { path: path.to_path_buf(), why: io_cause(&e) })
}

/// Whether a file can be printed: it is there, and it is text.
pub fn can_print(path: &Path) -> Result<(), String> {
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(4096).read_to_end(&mut start));
    read.map_err(|e| io_cause(&e))?;
    match (start.starts_with(b"GCDE"), start.contains(&0)) {
        (true, _) => Err("this is binary G-code; switch \"binary G-code\" off in the slicer".into()),
        (_, true) => Err("this is not a text file; is it the G-code?".into()),
        _ => Ok(()),
    }
}

/// Builds the session of a scenario; paths in it are relative to `folder`.
pub fn prepare(
    scenario: &Scenario,
    folder: &Path,
    disk: &dyn Disk,
    options: &RunOptions,
) -> Result<Session, PrepareError> {
    let recording: Option<Box<dyn Write>> = match &options.recording {
        Some(path) => Some(Box::new(BufWriter::new(create(path)?))),
        None => None,
    };
    prepare_to(scenario, folder, disk, options, recording)
}

/// As [`prepare`], with a recording that goes anywhere.
pub fn prepare_to(
    scenario: &Scenario,
    folder: &Path,
    disk: &dyn Disk,
    options: &RunOptions,
    recording: Option<Box<dyn Write>>,
) -> Result<Session, PrepareError> {
    let Built { config, config_path, mut bench } = build(scenario, folder, disk, options.seed)?;
    let mut prints = Vec::new();
    for act in &scenario.story {
        let Act::Print(file) = act else { continue };
        let path = folder.join(file);
        disk.can_print(&path).map_err(|why| {
            let why = format!("{}: {why}", path.display());
            scenario.source.wrong(&[&format!("\"{file}\"")], why)
        })?;
        prints.push((print_name(file), path));
    }
    let header = header(scenario, &config, &bench, options);
    let machine = bench.wiring.machine.clone();
    bench.record_clocks_hz = recording.as_ref().map(|_| header.steppers.iter().map(|s| s.clock_hz).collect());
    let config_files = MapSource::new(config.files().iter().map(|f| (&*f.path, f.text.as_str())));
    let twin = Twin::new(TwinSetup {
        config,
        bench,
        files: disk.prints(prints),
        options: Options { trace_lines: recording.is_some(), ..Options::default() },
        sample_ns: (1e9 / scenario.sample_hz.clamp(1.0, 100_000.0)) as u64,
    });
    let twin = twin.map_err(setup_error)?;
    let recorder = match recording {
        Some(to) => Some(recorder(to, header, &machine, options.recording.as_deref().unwrap_or(Path::new("")))?),
        None => None,
    };
    let log: Option<Box<dyn Write>> = match &options.klippy_log {
        Some(path) => Some(Box::new(BufWriter::new(create(path)?))),
        None => None,
    };
    Ok(Session {
        twin,
        recorder,
        story: scenario.story.clone(),
        faults: scenario.faults.clone(),
        expect: scenario.expect.clone(),
        end_s: scenario.end_s,
        config_files,
        config_path,
        log,
    })
}

/// Builds the printer of a scenario without a host: for a host elsewhere, which brings its own story.
pub fn prepare_bench(
    scenario: &Scenario,
    folder: &Path,
    disk: &dyn Disk,
    options: &RunOptions,
) -> Result<(Bench, Option<Recorder>), PrepareError> {
    let Built { config, mut bench, .. } = build(scenario, folder, disk, options.seed)?;
    let recorder = match &options.recording {
        Some(path) => {
            let header = header(scenario, &config, &bench, options);
            bench.record_clocks_hz = Some(header.steppers.iter().map(|s| s.clock_hz).collect());
            Some(recorder(Box::new(BufWriter::new(create(path)?)), header, &bench.wiring.machine, path)?)
        }
        None => None,
    };
    Ok((Bench::new(bench).map_err(setup_error)?, recorder))
}

fn recorder(to: Box<dyn Write>, header: Header, machine: &Machine, path: &Path) -> Result<Recorder, PrepareError> {
    Recorder::new(to, header, machine).map_err(|e| PrepareError::File { path: path.to_path_buf(), why: e.to_string() })
}

fn setup_error(error: SetupError) -> PrepareError {
    match error {
        SetupError::Config(errors) => PrepareError::Config(errors),
        other => PrepareError::Setup(other.to_string()),
    }
}

/// Reads a printer.cfg for a session that prints a file, which may lie outside the configuration's own folder for them.
pub fn config_for_print(source: &dyn FileSource, path: &str) -> Result<Config, PrepareError> {
    let config = Config::parse(source, path).map_err(PrepareError::Config)?;
    if config.has_section("virtual_sdcard") {
        return Ok(config);
    }
    Config::parse(&Appended { inner: source, path, text: SD_CARD }, path).map_err(PrepareError::Config)
}

/// A scenario's files, read and checked.
struct Built {
    config: Config,
    config_path: String,
    bench: BenchSetup,
}

fn build(scenario: &Scenario, folder: &Path, disk: &dyn Disk, seed: Option<u64>) -> Result<Built, PrepareError> {
    let config_path = folder.join(&scenario.config);
    let config_path = config_path.to_string_lossy();
    let source = Appended { inner: disk.source(), path: &config_path, text: &scenario.config_append };
    // A path that leads nowhere is the scenario's mistake, and told as such.
    source.read(&config_path).map_err(|why| {
        let written = format!("\"{}\"", scenario.config);
        scenario.source.wrong(&[&written], format!("the printer.cfg {config_path} cannot be read: {why}"))
    })?;
    let mut config = Config::parse(&source, &config_path).map_err(PrepareError::Config)?;
    let prints_a_file = scenario.story.iter().any(|act| matches!(act, Act::Print(_)));
    if prints_a_file && !config.has_section("virtual_sdcard") {
        let text = format!("{}\n{SD_CARD}", scenario.config_append);
        let source = Appended { inner: disk.source(), path: &config_path, text: &text };
        config = Config::parse(&source, &config_path).map_err(PrepareError::Config)?;
    }
    let mut wiring = wiring::from_config(&config).map_err(|e| PrepareError::Config(vec![e]))?;
    change_machine(&mut wiring, scenario, folder, disk.source())?;
    check_names(scenario, &wiring)?;
    let mcus: Vec<McuConfig> = wiring.mcus.iter().map(|name| mcu_config(name, scenario)).collect();
    let bench = BenchSetup {
        wiring,
        seed: seed.unwrap_or(scenario.seed),
        mcus,
        line: line_config(&scenario.line),
        record_clocks_hz: None,
    };
    Ok(Built { config, config_path: config_path.into_owned(), bench })
}

/// What a scenario's files say of its printer, with the scenario's own changes to the machine.
pub struct Printer {
    pub config: Config,
    pub machine: Machine,
    /// Names of the machine's heaters, in its order.
    pub heaters: Vec<String>,
}

/// Reads and checks a scenario's files, and runs nothing.
pub fn printer(scenario: &Scenario, folder: &Path, disk: &dyn Disk) -> Result<Printer, PrepareError> {
    let Built { config, bench, .. } = build(scenario, folder, disk, None)?;
    Ok(Printer { config, machine: bench.wiring.machine, heaters: bench.wiring.heaters })
}

/// What the virtual SD card calls a file: its name without folders.
pub fn print_name(file: &str) -> String {
    Path::new(file).file_name().map_or_else(|| file.to_string(), |name| name.to_string_lossy().into_owned())
}

fn create(path: &Path) -> Result<std::fs::File, PrepareError> {
    std::fs::File::create(path).map_err(|e| PrepareError::File { path: path.to_path_buf(), why: io_cause(&e) })
}

/// Where files to print lie, for a printer.cfg that has no place for them: its user streams files from elsewhere.
const SD_CARD: &str = "[virtual_sdcard]\npath: .\n";

/// A printer.cfg with text put behind it.
struct Appended<'a> {
    inner: &'a dyn FileSource,
    path: &'a str,
    text: &'a str,
}

impl FileSource for Appended<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut bytes = self.inner.read(path)?;
        if path == self.path && !self.text.is_empty() {
            // Before a SAVE_CONFIG block, which must stay at the end.
            let text = String::from_utf8_lossy(&bytes);
            let at = text.len() - SaveConfig::block(&text).len();
            bytes.splice(at..at, format!("\n{}\n", self.text).into_bytes());
        }
        Ok(bytes)
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        self.inner.glob(pattern)
    }
}

/// Names and numbers that are the machine's: they can be checked only once it is known.
fn check_names(scenario: &Scenario, wiring: &Wiring) -> Result<(), PrepareError> {
    let machine = &wiring.machine;
    let named = |names: Vec<&str>| names.iter().enumerate().map(|(i, n)| format!("{i} {n}")).collect::<Vec<_>>();
    for fault in &scenario.faults {
        let Some((what, index)) = fault.fault.target() else { continue };
        let known = match what {
            "sensor" => named(machine.sensors.iter().map(|s| s.name.as_str()).collect()),
            "heater" => named(machine.heaters.iter().map(|h| h.name.as_str()).collect()),
            "motor" => named(machine.motors.iter().map(|m| m.name.as_str()).collect()),
            "fan" => named(machine.fans.iter().map(|f| f.name.as_str()).collect()),
            _ => named(vec![""; machine.extruders.len()]),
        };
        if index >= known.len() {
            let why = format!("the machine has no {what} {index} (known: {})", known.join(", "));
            return Err(scenario.source.wrong(&[&format!("{what}: {index}"), "faults"], why));
        }
    }
    for clock in &scenario.clocks {
        known_name(scenario, "micro-controller", &clock.mcu, &wiring.mcus)?;
    }
    let motors: Vec<String> = machine.motors.iter().map(|m| m.name.clone()).collect();
    for expectation in &scenario.expect {
        let (Condition::AtLeast(quantity, _) | Condition::AtMost(quantity, _) | Condition::Near(quantity, ..)) =
            condition_of(expectation)
        else {
            continue;
        };
        match quantity {
            Quantity::TrueTemperature(name) | Quantity::MeasuredTemperature(name) | Quantity::HeaterDuty(name) => {
                known_name(scenario, "heater", name, &wiring.heaters)?;
            }
            Quantity::ClockErrorUs(name) => {
                known_name(scenario, "micro-controller", name, &wiring.mcus)?;
            }
            Quantity::LostStepsOf(name) => {
                known_name(scenario, "motor", name, &motors)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The place of a name in a list of the machine's.
fn known_name(scenario: &Scenario, what: &str, name: &str, known: &[String]) -> Result<usize, PrepareError> {
    known.iter().position(|k| k == name).ok_or_else(|| {
        let help = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known: {}", known.join(", ")),
        };
        scenario.source.wrong(&[&format!("\"{name}\"")], format!("the machine has no {what} \"{name}\" ({help})"))
    })
}

fn change_machine(
    wiring: &mut Wiring,
    scenario: &Scenario,
    folder: &Path,
    source: &dyn FileSource,
) -> Result<(), PrepareError> {
    let changes = &scenario.machine;
    if let Some(file) = &changes.file {
        let path = folder.join(file);
        let bytes = source.read(&path.to_string_lossy()).map_err(|why| {
            let why = format!("the machine file {} cannot be read: {why}", path.display());
            scenario.source.wrong(&[&format!("\"{file}\"")], why)
        })?;
        let text = String::from_utf8_lossy(&bytes);
        let wired = std::mem::replace(&mut wiring.machine, machine_file::parse(&path, &text)?);
        machine_file::check_parts(&wired, &wiring.machine).map_err(|why| {
            let why = format!("the machine file {} does not fit the printer.cfg: {why}", path.display());
            scenario.source.wrong(&[&format!("\"{file}\"")], why)
        })?;
    }
    let machine = &mut wiring.machine;
    if let Some(modes) = &changes.modes {
        machine.modes.clone_from(modes);
    }
    if let Some(start) = changes.start_mm {
        machine.start_mm = start;
    }
    if let Some(ambient) = changes.ambient_c {
        machine.ambient_c = ambient;
    }
    if changes.ideal_drives {
        machine.motors.iter_mut().for_each(|motor| motor.model = Drive::Ideal);
    }
    if changes.flat_bed {
        machine.bed_surface = BedSurface::flat();
    }
    let motors: Vec<String> = machine.motors.iter().map(|m| m.name.clone()).collect();
    for (name, share) in &changes.torque_share {
        let motor = known_name(scenario, "motor", name, &motors)?;
        if let Drive::Rotor(rotor) = &mut machine.motors[motor].model {
            rotor.torque_efficiency *= share;
        }
    }
    for (name, curve) in &changes.sensors {
        let sensors: Vec<String> = machine.sensors.iter().map(|s| s.name.clone()).collect();
        let sensor = known_name(scenario, "sensor", name, &sensors)?;
        machine.sensors[sensor].curve.clone_from(curve);
    }
    for simple in &changes.simple_heaters {
        let index = known_name(scenario, "heater", &simple.heater, &wiring.heaters)?;
        machine.heaters[index].body =
            Body::Hotend(Hotend::single_node(simple.power_w, simple.capacity_j_k, simple.resistance_k_w));
    }
    machine.validate().map_err(|errors| {
        let list: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let first = errors.first().map_or("", |e| e.place.split(['.', '[']).next().unwrap_or_default());
        scenario.source.wrong(&[first, "machine"], format!("machine: {}", list.join("; ")))
    })
}

fn mcu_config(name: &str, scenario: &Scenario) -> McuConfig {
    let clock = scenario.clocks.iter().find(|c| c.mcu == name);
    McuConfig {
        name: name.to_string(),
        clock_offset_ticks: clock.map_or(0, |c| c.offset_ticks),
        drift_ppm: clock.map_or(0.0, |c| c.drift_ppm),
        ..McuConfig::default()
    }
}

fn line_config(line: &Line) -> SerialConfig {
    let default = SerialConfig::default();
    SerialConfig {
        latency_ns: line.latency_us.map_or(default.latency_ns, |us| (us * 1e3) as u64),
        corruption_per_byte: line.corrupt_per_byte,
        loss_per_byte: line.lose_per_byte,
        delay_per_piece: line.delay_per_chunk,
        delay_max_ns: (line.delay_max_ms * 1e6) as u64,
        ..default
    }
}

fn header(scenario: &Scenario, config: &Config, bench: &BenchSetup, options: &RunOptions) -> Header {
    let (wiring, mcus) = (&bench.wiring, &bench.mcus);
    let pretty = ron::ser::PrettyConfig::default();
    let machine = &wiring.machine;
    let clock_of = |motor: usize| {
        let wire = wiring.wires.iter().find(|w| w.device == Device::Step { motor });
        let mcu = wire.map_or("mcu", |w| w.mcu.as_str()).to_string();
        let hz = wiring
            .mcus
            .iter()
            .position(|n| *n == mcu)
            .and_then(|i| mcus.get(i))
            .map_or(0.0, |c| f64::from(c.clock_freq_hz) * (1.0 + c.drift_ppm * 1e-6));
        (mcu, hz)
    };
    Header {
        program: format!("drydock {}", env!("CARGO_PKG_VERSION")),
        title: scenario.title.clone(),
        command: options.command.clone(),
        seed: bench.seed,
        scenario_ron: ron::ser::to_string_pretty(scenario, pretty.clone()).unwrap_or_default(),
        printer_cfg: config.flat_text(),
        machine_ron: ron::ser::to_string_pretty(machine, pretty).unwrap_or_default(),
        steppers: machine
            .motors
            .iter()
            .enumerate()
            .map(|(i, m)| {
                let (mcu, clock_hz) = clock_of(i);
                Stepper { name: m.name.clone(), mcu, clock_hz, step_distance_mm: m.step_mm() }
            })
            .collect(),
        heaters: wiring.heaters.clone(),
        motors: machine.motors.iter().map(|m| m.name.clone()).collect(),
        fans: machine.fans.iter().map(|f| f.name.clone()).collect(),
        mcus: wiring.mcus.clone(),
        pins: Vec::new(),
        chips: machine.accelerometers.iter().map(|_| Chip::adxl345("adxl345")).collect(),
        streams: Vec::new(),
    }
}
