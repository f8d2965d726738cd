//! `drydock mcu`: the virtual printer behind pseudo-terminals, in real time, for any host that speaks Klipper's protocol.

pub mod shell;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args};
use drydock_plant::Truth;
use drydock_port::{Pty, Tally};
use drydock_scenario::model::Scenario;
use drydock_scenario::setup::{RunOptions, prepare_bench};
use drydock_twin::bench::Bench;
use drydock_twin::recorder::describe;
use serde_json::json;

use crate::run::{CliResult, scenario_path};
use crate::term::{self, command_line, say};
use crate::wall::WallClock;
use drydock_scenario::disk::RealDisk;
use shell::{End, Note, Shell};

const EXAMPLES: &str = "\
Examples:
  drydock mcu --pty /tmp/printer --config printer.cfg
      then `serial: /tmp/printer` in [mcu] of the same printer.cfg, and start Klipper
  drydock mcu --pty /tmp/printer --scenario scenarios/heater-stuck
      a machine on which something breaks at its time
  drydock host --serial /tmp/printer --config printer.cfg
      Drydock's own host at the other end
  drydock mcu --pty /tmp/printer --config printer.cfg --recording live.drydock & drydock view live.drydock
      the machine in 3D while it prints";

#[derive(Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("printer").required(true).args(["config", "scenario"]))]
pub struct McuArgs {
    /// Where the pseudo-terminal appears; a second micro-controller NAME is at PATH-NAME.
    #[arg(long, value_name = "PATH")]
    pty: PathBuf,
    /// The printer.cfg whose printer this is: its pins, motors, heaters and sensors.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A machine file (RON) in place of the machine read off the printer.cfg; the wires stay those of the printer.cfg.
    #[arg(long, value_name = "FILE", requires = "config")]
    machine: Option<PathBuf>,
    /// A scenario for its machine, clocks, line and faults; its story is the host's to tell.
    #[arg(long, value_name = "DIR")]
    scenario: Option<PathBuf>,
    /// Simulated seconds a second. The host sees a board whose clock runs so much faster than it says; its own
    /// time-outs stay as they are. Below 1 for a machine that cannot keep up.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Seed of every random stream.
    #[arg(long)]
    seed: Option<u64>,
    /// Keep what happens: `drydock view FILE` looks on while it goes on.
    #[arg(long, value_name = "FILE")]
    recording: Option<PathBuf>,
    /// Print one JSON object at the end.
    #[arg(long)]
    json: bool,
    /// No status line and no notes.
    #[arg(long, short)]
    quiet: bool,
}

/// Answers that come so much too late are worth a warning, and how often at most.
const LATE_NS: u64 = 50_000_000;
const WARN_EVERY_S: f64 = 5.0;
const STATUS_EVERY_S: f64 = 0.5;
/// The shortest and the longest sleep: a USB frame, and what Ctrl-C may wait.
const SLEEP_NS: std::ops::RangeInclusive<u64> = 1_000_000..=20_000_000;

pub fn mcu(args: McuArgs) -> CliResult {
    if !(0.01..=100.0).contains(&args.speed) {
        return Err(format!("--speed {}: give a factor from 0.01 to 100", args.speed).into());
    }
    let (scenario, folder) = scenario_of(&args)?;
    let options = RunOptions {
        seed: args.seed,
        recording: args.recording.clone(),
        command: command_line(),
        ..RunOptions::default()
    };
    let (bench, recorder) = prepare_bench(&scenario, &folder, &RealDisk, &options)?;
    let stop = term::stop_on_ctrl_c()?;
    let ends = ends(&bench, &args.pty)?;
    let mut shell = Shell::new(bench, recorder, ends, scenario.faults);
    if !args.json {
        say!("{}", printer_cfg_lines(&shell));
    }
    let clock = WallClock::start(args.speed);
    let mut report =
        Report { args: &args, truth: Truth::default(), late_max_ns: 0, late_ns: 0, warned_s: 0.0, status_s: 0.0 };
    while !stop.is_set() {
        let now_ns = clock.now_ns();
        shell.turn(now_ns)?;
        report.look(&mut shell, clock.now_ns(), clock.wall_s())?;
        if shell.is_behind(clock.now_ns()) {
            continue;
        }
        let sleep_ns = shell.next_ns().saturating_sub(clock.now_ns()).clamp(*SLEEP_NS.start(), *SLEEP_NS.end());
        let fds: Vec<BorrowedFd<'_>> = shell.ends.iter().filter(|e| e.has_client).map(|e| e.pty.as_fd()).collect();
        drydock_port::wait(&fds, Duration::from_nanos(clock.wall_ns_of(sleep_ns)));
    }
    if let Some(recorder) = shell.recorder.take() {
        let end = drydock_recording::End {
            fingerprint: shell.bench.fingerprint(),
            end_ns: shell.bench.now_ns(),
            ..drydock_recording::End::default()
        };
        recorder.finish(&mut shell.bench, &end)?;
    }
    report.end(&mut shell, clock.wall_s());
    Ok(ExitCode::SUCCESS)
}

fn scenario_of(args: &McuArgs) -> Result<(Scenario, PathBuf), Box<dyn std::error::Error>> {
    if let Some(path) = &args.scenario {
        let path = scenario_path(path);
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        return Ok((Scenario::load(&path)?, folder));
    }
    let config = args.config.as_deref().unwrap_or(Path::new(""));
    let mut scenario = Scenario::plain(&config.display().to_string(), "");
    scenario.story.clear();
    scenario.machine.file = args.machine.as_ref().map(|m| m.display().to_string());
    Ok((scenario, PathBuf::new()))
}

/// One pseudo-terminal for each micro-controller.
fn ends(bench: &Bench, path: &Path) -> Result<Vec<End>, Box<dyn std::error::Error>> {
    let mut ends = Vec::new();
    for (i, name) in bench.mcu_names().enumerate() {
        let mut at = path.as_os_str().to_owned();
        if i > 0 {
            at.push(format!("-{name}"));
        }
        ends.push(End::new(name, Pty::create(Path::new(&at))?, Tally::new(bench.dictionary(i))));
    }
    Ok(ends)
}

/// What the printer.cfg has to say to find this printer.
fn printer_cfg_lines(shell: &Shell) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string();
    let section = |(i, end): (usize, &End)| {
        let name = if i == 0 { "mcu".to_string() } else { format!("mcu {}", end.name) };
        format!("[{name}]\nserial: {}\n", absolute(end.pty.path()))
    };
    shell.ends.iter().enumerate().map(section).collect::<Vec<_>>().join("\n")
}

/// What people see of it while it runs, and at the end.
struct Report<'a> {
    args: &'a McuArgs,
    truth: Truth,
    late_max_ns: u64,
    /// The most since the last status line.
    late_ns: u64,
    warned_s: f64,
    status_s: f64,
}

impl Report<'_> {
    fn look(&mut self, shell: &mut Shell, now_ns: u64, wall_s: f64) -> Result<(), drydock_recording::Error> {
        self.late_ns = self.late_ns.max(shell.late_ns);
        self.late_max_ns = self.late_max_ns.max(shell.late_ns);
        let notes = shell.take_notes();
        if !self.args.quiet {
            notes.iter().for_each(|note| self.note(shell, note));
        }
        if shell.late_ns > LATE_NS && wall_s >= self.warned_s {
            self.warned_s = wall_s + WARN_EVERY_S;
            self.clear_line();
            eprintln!(
                "warning: {:.0} ms behind real time: answers come that late; end other programs, or use --speed below {}",
                shell.late_ns as f64 * 1e-6,
                self.args.speed
            );
        }
        if wall_s >= self.status_s {
            self.status_s = wall_s + STATUS_EVERY_S;
            if !self.args.quiet && std::io::stderr().is_terminal() {
                let line = self.status(shell, now_ns);
                eprint!("\r{line:<110}");
                let _ = std::io::stderr().flush();
            }
            self.late_ns = 0;
            if let Some(recorder) = &mut shell.recorder {
                recorder.flush()?;
            }
        }
        Ok(())
    }

    fn clear_line(&self) {
        if !self.args.quiet && std::io::stderr().is_terminal() {
            eprint!("\r{:<110}\r", "");
        }
    }

    fn note(&self, shell: &Shell, note: &Note) {
        self.clear_line();
        let at_s = shell.bench.now_ns() as f64 * 1e-9;
        match note {
            Note::Client { mcu, here: true } => {
                eprintln!("{at_s:10.3}  {}: a client opened the port", shell.ends[*mcu].name)
            }
            Note::Client { mcu, here: false } => {
                eprintln!("{at_s:10.3}  {}: the client closed the port", shell.ends[*mcu].name)
            }
            Note::Restarted { mcu } => eprintln!("{at_s:10.3}  {}: restarted", shell.ends[*mcu].name),
            Note::Configured { mcu } => eprintln!("{at_s:10.3}  {}: configured", shell.ends[*mcu].name),
            Note::Shutdown { mcu, reason } => eprintln!("{at_s:10.3}  {}: shutdown: {reason}", shell.ends[*mcu].name),
            Note::Plant(event) => eprintln!("{:10.3}  {}", event.at_ns as f64 * 1e-9, describe(&event.kind).1),
        }
    }

    fn status(&mut self, shell: &Shell, now_ns: u64) -> String {
        shell.bench.plant.truth_into(&mut self.truth);
        let heaters = shell.bench.heater_names.iter().zip(&self.truth.heaters);
        let heaters: Vec<String> = heaters.map(|(name, heater)| format!("{name} {:.1}", heater.body_c)).collect();
        let [x, y, z] = self.truth.drive_mm;
        format!(
            "{} lag {:.1} ms | {} | X {x:.3} Y {y:.3} Z {z:.3}",
            term::clock(now_ns as f64 * 1e-9),
            self.late_ns as f64 * 1e-6,
            heaters.join(" "),
        )
    }

    fn end(mut self, shell: &mut Shell, wall_s: f64) {
        self.clear_line();
        let bench = &mut shell.bench;
        bench.plant.advance(bench.now_ns());
        bench.plant.truth_into(&mut self.truth);
        let motors: BTreeMap<String, serde_json::Value> = bench
            .plant
            .machine()
            .motors
            .iter()
            .zip(self.truth.motors.iter().zip(&bench.loom.drivers))
            .map(|(motor, (truth, driver))| {
                let value = json!({
                    "position_steps": driver.position, "steps": driver.steps,
                    "commanded_mm": truth.commanded_mm, "position_mm": truth.position_mm,
                    "lost_full_steps": truth.lost_full_steps,
                });
                (motor.name.clone(), value)
            })
            .collect();
        if !self.args.json {
            let steps: u64 = bench.loom.drivers.iter().map(|d| d.steps).sum();
            let lost: i64 = self.truth.motors.iter().map(|m| m.lost_full_steps.abs()).sum();
            let late = self.late_max_ns as f64 * 1e-6;
            let sim_s = bench.now_ns() as f64 * 1e-9;
            say!(
                "{sim_s:.1} s simulated, {steps} steps, {lost} full steps lost, at most {late:.1} ms behind real time"
            );
            return;
        }
        let heaters = bench.heater_names.iter().zip(&self.truth.heaters);
        let heaters: BTreeMap<&String, f64> = heaters.map(|(name, heater)| (name, heater.body_c)).collect();
        let mcus: Vec<serde_json::Value> = (shell.ends.iter().enumerate())
            .map(|(i, end)| {
                json!({
                    "name": end.name, "pty": end.pty.path().display().to_string(), "restarts": bench.restarts(i),
                    "bytes_in": end.bytes_in, "bytes_out": end.bytes_out, "bytes_unheard": end.bytes_unheard,
                    "shutdown": bench.shutdown_of(i),
                    "commands": end.tally.commands, "responses": end.tally.responses,
                })
            })
            .collect();
        say!(
            "{}",
            json!({
                "sim_s": bench.now_ns() as f64 * 1e-9, "wall_s": wall_s, "speed": self.args.speed,
                "late_max_ms": self.late_max_ns as f64 * 1e-6, "mcus": mcus, "motors": motors, "heaters": heaters,
                "nozzle_mm": self.truth.nozzle_mm, "fingerprint": bench.fingerprint(),
            })
        );
    }
}
