//! From a scenario file, or from a printer.cfg and a G-code file, to a [`Session`] ready to run.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use drydock_host::config::{Config, ConfigError, FileSource, MapSource};
use drydock_host::files::Files;
use drydock_host::printer::Options;
use drydock_plant::Machine;
use drydock_plant::bed_surface::BedSurface;
use drydock_plant::drive::Drive;
use drydock_plant::heater::Body;
use drydock_plant::hotend::Hotend;
use drydock_recording::{Chip, Header, Stepper};
use drydock_twin::recorder::Recorder;
use drydock_twin::wiring::{self, Device, Wiring};
use drydock_twin::world::{SetupError, Twin, TwinSetup};
use drydock_virtual_mcu::{McuConfig, SerialConfig};

use crate::model::{Act, Line, MachineChanges, Scenario};
use crate::session::Session;

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
    fn source(&self) -> &dyn FileSource;
    /// Print files by name.
    fn prints(&self, files: Vec<(String, PathBuf)>) -> Rc<dyn Files>;
}

impl Scenario {
    pub fn parse(path: &Path, text: &str) -> Result<Scenario, PrepareError> {
        read_ron(path, text)
    }

    pub fn load(path: &Path) -> Result<Scenario, PrepareError> {
        Scenario::parse(path, &read(path)?)
    }

    /// A plain run: home, print the file, report. Errors of the host fail it.
    pub fn plain(config: &str, gcode: &str) -> Scenario {
        Scenario {
            title: format!("{gcode} on {config}"),
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
        }
    }
}

fn read(path: &Path) -> Result<String, PrepareError> {
    std::fs::read_to_string(path).map_err(|e| PrepareError::File { path: path.to_path_buf(), why: e.to_string() })
}

fn read_ron<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, PrepareError> {
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    options.from_str(text).map_err(|e| PrepareError::Ron {
        path: path.to_path_buf(),
        line: e.span.start.line,
        column: e.span.start.col,
        why: e.code.to_string(),
    })
}

/// Builds the session of a scenario; paths in it are relative to `folder`.
pub fn prepare(
    scenario: &Scenario,
    folder: &Path,
    disk: &dyn Disk,
    options: &RunOptions,
) -> Result<Session, PrepareError> {
    let config_path = folder.join(&scenario.config);
    let config_path = config_path.to_string_lossy();
    let source = Appended { inner: disk.source(), path: &config_path, text: &scenario.config_append };
    let mut config = Config::parse(&source, &config_path).map_err(PrepareError::Config)?;
    let prints_a_file = scenario.story.iter().any(|act| matches!(act, Act::Print(_)));
    if prints_a_file && !config.has_section("virtual_sdcard") {
        let text = format!("{}\n{SD_CARD}", scenario.config_append);
        let source = Appended { inner: disk.source(), path: &config_path, text: &text };
        config = Config::parse(&source, &config_path).map_err(PrepareError::Config)?;
    }
    let mut wiring = wiring::from_config(&config).map_err(|e| PrepareError::Setup(e.to_string()))?;
    change_machine(&mut wiring, &scenario.machine, folder)?;
    let prints = scenario.story.iter().filter_map(|act| match act {
        Act::Print(file) => Some((print_name(file), folder.join(file))),
        _ => None,
    });
    let prints: Vec<(String, PathBuf)> = prints.collect();
    for (_, path) in &prints {
        std::fs::metadata(path).map_err(|e| PrepareError::File { path: path.clone(), why: e.to_string() })?;
    }
    let seed = options.seed.unwrap_or(scenario.seed);
    let mcus: Vec<McuConfig> = wiring.mcus.iter().map(|name| mcu_config(name, scenario)).collect();
    let header = header(scenario, &config, &wiring, &mcus, seed, options);
    let machine = wiring.machine.clone();
    let config_files = MapSource::new(config.files().iter().map(|f| (&*f.path, f.text.as_str())));
    let twin = Twin::new(TwinSetup {
        config,
        wiring,
        files: disk.prints(prints),
        seed,
        options: Options { trace_lines: options.recording.is_some(), ..Options::default() },
        mcus,
        line: line_config(&scenario.line),
        sample_ns: (1e9 / scenario.sample_hz.clamp(1.0, 100_000.0)) as u64,
    });
    let twin = twin.map_err(|e| match e {
        SetupError::Config(errors) => PrepareError::Config(errors),
        other => PrepareError::Setup(other.to_string()),
    })?;
    let recorder = match &options.recording {
        Some(path) => {
            let to = Box::new(std::io::BufWriter::new(create(path)?));
            let failed = |e: drydock_recording::Error| PrepareError::File { path: path.clone(), why: e.to_string() };
            Some(Recorder::new(to, header, &machine).map_err(failed)?)
        }
        None => None,
    };
    let log: Option<Box<dyn std::io::Write>> = match &options.klippy_log {
        Some(path) => Some(Box::new(std::io::BufWriter::new(create(path)?))),
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
        config_path: config_path.into_owned(),
        log,
    })
}

/// What the virtual SD card calls a file: its name without folders.
pub fn print_name(file: &str) -> String {
    Path::new(file).file_name().map_or_else(|| file.to_string(), |name| name.to_string_lossy().into_owned())
}

fn create(path: &Path) -> Result<std::fs::File, PrepareError> {
    std::fs::File::create(path).map_err(|e| PrepareError::File { path: path.to_path_buf(), why: e.to_string() })
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
            let at = text.find("#*# <").unwrap_or(bytes.len());
            bytes.splice(at..at, format!("\n{}\n", self.text).into_bytes());
        }
        Ok(bytes)
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        self.inner.glob(pattern)
    }
}

fn change_machine(wiring: &mut Wiring, changes: &MachineChanges, folder: &Path) -> Result<(), PrepareError> {
    if let Some(file) = &changes.file {
        let path = folder.join(file);
        let machine: Machine = read_ron(&path, &read(&path)?)?;
        wiring.machine = machine;
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
    for (name, share) in &changes.torque_share {
        let motor = machine.motors.iter_mut().find(|m| m.name == *name);
        let motor =
            motor.ok_or_else(|| PrepareError::Setup(format!("torque_share: the machine has no motor '{name}'")))?;
        if let Drive::Rotor(rotor) = &mut motor.model {
            rotor.torque_efficiency *= share;
        }
    }
    for (name, curve) in &changes.sensors {
        let sensor = machine.sensors.iter_mut().find(|s| s.name == *name);
        let sensor =
            sensor.ok_or_else(|| PrepareError::Setup(format!("sensors: the machine has no sensor '{name}'")))?;
        sensor.curve.clone_from(curve);
    }
    for simple in &changes.simple_heaters {
        let index = wiring.heaters.iter().position(|n| *n == simple.heater);
        let index = index.ok_or_else(|| {
            PrepareError::Setup(format!("simple_heaters: the machine has no heater '{}'", simple.heater))
        })?;
        machine.heaters[index].body =
            Body::Hotend(Hotend::single_node(simple.power_w, simple.capacity_j_k, simple.resistance_k_w));
    }
    machine
        .validate()
        .map_err(|errors| PrepareError::Setup(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
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

fn header(
    scenario: &Scenario,
    config: &Config,
    wiring: &Wiring,
    mcus: &[McuConfig],
    seed: u64,
    options: &RunOptions,
) -> Header {
    let pretty = ron::ser::PrettyConfig::default();
    let text = |files: &[drydock_host::config::SourceText]| {
        files.iter().map(|f| f.text.to_string()).collect::<Vec<_>>().join("\n")
    };
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
        seed,
        scenario_ron: ron::ser::to_string_pretty(scenario, pretty.clone()).unwrap_or_default(),
        printer_cfg: text(config.files()),
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
