//! One stretch through host, firmware and plant, into a recording in memory.

use std::path::{Path, PathBuf};

use drydock_host::config::{Config, MapSource, SaveConfig};
use drydock_recording::Header;
use drydock_scenario::disk::replace_kept;
use drydock_scenario::memory::{self, Overlay, Simulated};
use drydock_scenario::model::{Act, MachineChanges, Scenario};
use drydock_view_model::settings::{Change, DAMPING};
use drydock_view_model::{HeaterGains, Settings, Shaper};

use crate::Failure;
use crate::neighbourhood::{Neighbourhood, printer_cfg};

const CONFIG: &str = "printer.cfg";
const MACHINE: &str = "machine.ron";
const PRINT: &str = "part.gcode";
/// Positions a simulated second: a 100 Hz mode has 20 samples a swing.
const SAMPLE_HZ: f64 = 2000.0;

/// Appended so that the head can be told where it stands.
const ANYWHERE: &str = "\n[force_move]\nenable_force_move: True\n";

/// Prints the stretch with `settings`. `go_on` is asked now and then; its false ends the run, and None comes back.
pub fn simulate(
    header: &Header,
    stretch: &Neighbourhood,
    settings: &Settings,
    mut go_on: impl FnMut() -> bool,
) -> Result<Option<Vec<u8>>, Failure> {
    let [x, y, z] = stretch.start_mm;
    let mut lines = vec![format!("SET_KINEMATIC_POSITION X={x} Y={y} Z={z}")];
    lines.extend(stretch.setup.iter().cloned());
    lines.extend(settings.as_gcode());
    let story = vec![Act::Gcode(lines), Act::Print(PRINT.into())];
    let scenario = Scenario { sample_hz: SAMPLE_HZ, ..scenario(header, Some(stretch.start_mm), story) };
    let gcode = stretch.gcode(settings);
    run(header, &scenario, &with_gains(header, settings), gcode, &mut go_on)
}

/// Heats one heater from cold to its target with `settings`, and holds it: `span_s` in all.
pub fn heat_up(
    header: &Header,
    heater: &str,
    target_c: f64,
    span_s: f64,
    settings: &Settings,
    mut go_on: impl FnMut() -> bool,
) -> Result<Option<Vec<u8>>, Failure> {
    let name = heater.strip_prefix("heater_generic ").unwrap_or(heater);
    let set = format!("SET_HEATER_TEMPERATURE HEATER={name} TARGET={target_c}");
    let scenario = scenario(header, None, vec![Act::Gcode(vec![set]), Act::Wait(span_s)]);
    run(header, &scenario, &with_gains(header, settings), String::new(), &mut go_on)
}

/// A scenario on the recording's machine with its wires and clocks.
fn scenario(header: &Header, start_mm: Option<[f64; 3]>, story: Vec<Act>) -> Scenario {
    let was = Scenario::parse(Path::new("recording"), &header.scenario_ron).ok();
    let plain = Scenario::plain(CONFIG, "");
    Scenario {
        title: header.title.clone(),
        machine: MachineChanges { file: Some(MACHINE.into()), start_mm, ..MachineChanges::default() },
        seed: header.seed,
        story,
        line: was.as_ref().map(|s| s.line.clone()).unwrap_or_default(),
        clocks: was.map(|s| s.clocks).unwrap_or_default(),
        end_s: 3600.0,
        ..plain
    }
}

fn run(
    header: &Header,
    scenario: &Scenario,
    config: &str,
    gcode: String,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Option<Vec<u8>>, Failure> {
    let files = Overlay::alone()
        .with(MACHINE, header.machine_ron.as_str())
        .with(CONFIG, format!("{config}{ANYWHERE}"))
        .with(PRINT, gcode);
    let run = memory::simulate(scenario, Path::new(""), &files, true, go_on).map_err(|e| Failure(e.to_string()))?;
    let Some(Simulated { outcome, recording }) = run else { return Ok(None) };
    match outcome.shutdown.or(outcome.errors.into_iter().next()) {
        Some(why) => Err(Failure(format!("the printer stopped: {}", why.lines().next().unwrap_or_default()))),
        None => Ok(recording),
    }
}

/// What printer.cfg says.
pub fn settings_of(header: &Header) -> Result<Settings, Failure> {
    let config = parse(&printer_cfg(header))?;
    let number =
        |section: &str, option: &str| config.raw_section(section)?.option(option)?.value.trim().parse::<f64>().ok();
    let text = |section: &str, option: &str| Some(config.raw_section(section)?.option(option)?.value.clone());
    let shaper = |axis: char| {
        let freq_hz = number("input_shaper", &format!("shaper_freq_{axis}")).filter(|hz| *hz > 0.0)?;
        let kind = text("input_shaper", &format!("shaper_type_{axis}")).or(text("input_shaper", "shaper_type"));
        let damping = number("input_shaper", &format!("damping_ratio_{axis}")).unwrap_or(DAMPING);
        Some(Shaper { kind: kind.unwrap_or_else(|| "mzv".into()), freq_hz, damping })
    };
    let heaters = config.names().filter(|name| text(name, "control").is_some_and(|c| c.trim() == "pid"));
    let gains = |name: &str| {
        let [kp, ki, kd] = ["pid_kp", "pid_ki", "pid_kd"].map(|option| number(name, option));
        Some(HeaterGains { name: name.to_string(), kp: kp?, ki: ki?, kd: kd? })
    };
    Ok(Settings {
        shaper_x: shaper('x'),
        shaper_y: shaper('y'),
        pressure_advance_s: number("extruder", "pressure_advance").unwrap_or(0.0),
        smooth_time_s: number("extruder", "pressure_advance_smooth_time").unwrap_or(0.04),
        heaters: heaters.filter_map(gains).collect(),
        max_accel_mm_s2: number("printer", "max_accel").unwrap_or(0.0),
        square_corner_velocity_mm_s: number("printer", "square_corner_velocity").unwrap_or(5.0),
    })
}

/// A printer.cfg with changed options in its SAVE_CONFIG block, as SAVE_CONFIG would write it.
pub fn save_config(printer_cfg: &str, changes: &[Change]) -> Result<String, Failure> {
    let config = parse(printer_cfg)?;
    let mut save = SaveConfig::new();
    changes.iter().for_each(|c| save.set(&c.section, c.option, &c.value));
    save.new_text(&config).map_err(|e| Failure(e.to_string()))
}

/// Writes changed options into a printer.cfg as SAVE_CONFIG does; the old file is kept beside it, under the name that
/// comes back.
pub fn write_config(path: &Path, changes: &[Change]) -> Result<PathBuf, Failure> {
    let said = |e: std::io::Error| Failure(format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(said)?;
    let new = save_config(&text, changes)?;
    replace_kept(path, new.as_bytes()).map_err(said)
}

fn parse(text: &str) -> Result<Config, Failure> {
    let (config, errors) = Config::parse_lenient(&MapSource::new([(CONFIG, text)]), CONFIG);
    // An include that is elsewhere leaves its line as it is.
    match errors.into_iter().find(|e| !e.section.starts_with("include ")) {
        Some(error) => Err(Failure(error.to_string())),
        None => Ok(config),
    }
}

/// PID gains take effect at start-up only.
fn with_gains(header: &Header, settings: &Settings) -> String {
    let text = printer_cfg(header);
    let gains = settings
        .heaters
        .iter()
        .flat_map(|h| [format!("[{}]\n", h.name), format!("pid_kp: {}\npid_ki: {}\npid_kd: {}\n", h.kp, h.ki, h.kd)]);
    text + &gains.collect::<String>()
}
