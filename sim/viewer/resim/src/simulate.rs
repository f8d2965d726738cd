//! One stretch through host, firmware and plant, into a recording in memory.

use std::path::Path;

use drydock_recording::Header;
use drydock_scenario::memory::{self, Overlay, Simulated};
use drydock_scenario::model::{Act, MachineChanges, Scenario};
use drydock_view_model::Settings;

use crate::Failure;
use crate::config::{CONFIG, printer_cfg};
use crate::neighbourhood::Neighbourhood;

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

/// PID gains take effect at start-up only.
fn with_gains(header: &Header, settings: &Settings) -> String {
    let text = printer_cfg(header);
    let gains = settings
        .heaters
        .iter()
        .flat_map(|h| [format!("[{}]\n", h.name), format!("pid_kp: {}\npid_ki: {}\npid_kd: {}\n", h.kp, h.ki, h.kd)]);
    text + &gains.collect::<String>()
}
