//! `drydock run`: one scenario, or a printer.cfg with a G-code file, through the whole loop.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use drydock_scenario::disk::RealDisk;
use drydock_scenario::model::{Act, Scenario};
use drydock_scenario::session::{Outcome, Progress};
use drydock_scenario::setup::{RunOptions, prepare};
use serde_json::json;

use crate::faces;
use crate::passed;
use crate::term::{self, command_line, say};

pub type CliResult = Result<ExitCode, Box<dyn std::error::Error>>;

/// What is simulated: a scenario, or a printer.cfg with a G-code file.
#[derive(Args)]
pub struct What {
    /// A scenario: its .ron file, or the folder that holds scenario.ron.
    pub scenario: Option<PathBuf>,
    /// The printer.cfg to run, in place of a scenario.
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    pub config: Option<PathBuf>,
    /// The G-code file to print.
    #[arg(long, value_name = "FILE", requires = "config")]
    pub gcode: Option<PathBuf>,
    /// The machine to run on (RON: `drydock identify` writes one, assets/machines has typical ones), in place of the one
    /// that the printer.cfg describes.
    #[arg(long, value_name = "FILE")]
    pub machine: Option<PathBuf>,
    /// Commands to run first, separated by `;` (default with --gcode: none; the file homes by itself).
    #[arg(long, value_name = "LINES")]
    pub before: Option<String>,
}

impl What {
    /// The scenario, and the folder that its paths are relative to.
    pub fn load(&self) -> Result<(Scenario, PathBuf), Box<dyn std::error::Error>> {
        let (mut scenario, folder) = match (&self.scenario, &self.config) {
            (Some(path), _) => {
                let path = scenario_path(path);
                let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
                (Scenario::load(&path)?, folder)
            }
            (None, Some(config)) => {
                let gcode = self.gcode.as_ref().map(|g| g.display().to_string()).unwrap_or_default();
                let mut scenario = Scenario::plain(&config.display().to_string(), &gcode);
                if self.gcode.is_none() {
                    scenario.story.clear();
                }
                (scenario, PathBuf::new())
            }
            (None, None) => return Err("nothing to run: give a scenario, or --config and --gcode".into()),
        };
        if let Some(machine) = &self.machine {
            // Paths in a scenario are the scenario's; this one is the user's.
            let machine = std::path::absolute(machine).map_err(|e| format!("{}: {e}", machine.display()))?;
            scenario.machine.file = Some(machine.display().to_string());
        }
        if let Some(before) = &self.before {
            scenario.story.insert(0, Act::Gcode(before.split(';').map(|l| l.trim().to_string()).collect()));
        }
        Ok((scenario, folder))
    }
}

#[derive(Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub what: What,
    /// Where recording, report and klippy.log go.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write neither recording nor report.
    #[arg(long)]
    pub no_recording: bool,
    /// Look on: the viewer follows the recording while it is written.
    #[arg(long, conflicts_with = "no_recording")]
    pub view: bool,
    /// Seed of every random stream.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Position samples per simulated second.
    #[arg(long, value_name = "HZ")]
    pub sample_hz: Option<f64>,
    /// Stop at this simulated time, s.
    #[arg(long, value_name = "SECONDS")]
    pub end: Option<f64>,
    /// Print one JSON object instead of a summary.
    #[arg(long)]
    pub json: bool,
    /// No progress bar.
    #[arg(long, short)]
    pub quiet: bool,
    /// Where a run that passes is noted for `drydock deploy` (default: tested.jsonl in the user's data folder).
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
}

/// What a finished run leaves on disk.
pub struct Finished {
    pub outcome: Outcome,
    pub wall: Duration,
    pub recording: Option<PathBuf>,
    pub log: Option<PathBuf>,
}

/// What the terminal showed, with the simulated time of each line.
const TERMINAL: &str = "terminal.txt";

/// The scenario that a path names: the file itself, or scenario.ron in the folder.
pub fn scenario_path(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("scenario.ron") } else { path.to_path_buf() }
}

/// What is seen of a run while it goes on.
#[derive(Clone, Copy, Default)]
pub struct Shown {
    /// No progress bar.
    pub quiet: bool,
    /// The viewer opens on the recording.
    pub view: bool,
}

pub fn execute(
    scenario: &Scenario,
    folder: &Path,
    out: Option<&Path>,
    options: RunOptions,
    title: &str,
    shown: Shown,
) -> Result<Finished, Box<dyn std::error::Error>> {
    if let Some(out) = out {
        std::fs::create_dir_all(out).map_err(|e| format!("{}: {e}", out.display()))?;
    }
    let (recording, log) = (options.recording.clone(), options.klippy_log.clone());
    let session = prepare(scenario, folder, &RealDisk, &options)?;
    let start = Instant::now();
    let bar = term::bar(title, shown.quiet);
    let end_s = scenario.end_s;
    let mut to_watch = recording.as_ref().filter(|_| shown.view);
    let outcome = session.run(|progress: Progress| {
        // As soon as there is something to look at. The viewer reads the file on its own: it can lag, never slow the run.
        if let Some(path) = to_watch.take_if(|path| path.metadata().is_ok_and(|m| m.len() > 0))
            && let Err(why) = faces::watch(path)
        {
            bar.println(format!("no viewer: {why}"));
        }
        let part = progress.part.unwrap_or(0.0).max(if end_s < 1e5 { progress.sim_s / end_s } else { 0.0 });
        bar.set_position((part * 1000.0) as u64);
        let factor = term::factor(progress.sim_s, start.elapsed());
        bar.set_message(format!("{} simulated, {factor:.0} x real time", term::clock(progress.sim_s)));
        true
    })?;
    bar.finish_and_clear();
    if let Some(out) = out {
        let lines = outcome.terminal.iter().map(|(at_s, line)| format!("{at_s:11.3}  {line}\n"));
        std::fs::write(out.join(TERMINAL), lines.collect::<String>())?;
    }
    for (path, content) in &outcome.files {
        // Files that the host writes keep their names and go where the run's other files go.
        if let (Some(out), Some(name)) = (out, Path::new(path).file_name()) {
            std::fs::write(out.join(name), content)?;
        }
    }
    Ok(Finished { outcome, wall: start.elapsed(), recording, log })
}

pub fn run(args: RunArgs) -> CliResult {
    let (mut scenario, folder) = args.what.load()?;
    if let Some(hz) = args.sample_hz {
        let known = (1.0..=1e5).contains(&hz);
        known.then_some(()).ok_or(format!("--sample-hz {hz}: give a rate from 1 to 100000 Hz"))?;
        scenario.sample_hz = hz;
    }
    if let Some(end_s) = args.end {
        (end_s > 0.0).then_some(()).ok_or(format!("--end {end_s}: give seconds above 0"))?;
        scenario.end_s = end_s;
    }
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("out"));
    let keep = !args.no_recording;
    let options = RunOptions {
        seed: args.seed,
        recording: keep.then(|| out.join("run.drydock")),
        klippy_log: keep.then(|| out.join("klippy.log")),
        command: command_line(),
    };
    let shown = Shown { quiet: args.quiet || args.json, view: args.view };
    let finished = execute(&scenario, &folder, keep.then_some(out.as_path()), options, "simulating", shown)?;
    // A run that expected nothing and printed nothing has shown nothing.
    if finished.outcome.ok() && (finished.outcome.expects || finished.outcome.print_time_s.is_some()) {
        passed::note(args.ledger.as_deref(), [(scenario.title.clone(), finished.outcome.fingerprint.clone())]);
    }
    let command = command_line();
    let report = match &finished.recording {
        Some(recording) => Some(report(&[("run", recording)], &out, &command)?),
        None => None,
    };
    if args.json {
        say!("{}", to_json(&finished, report.as_ref()));
    } else {
        summary(&scenario.title, &finished, report.as_ref());
    }
    Ok(if finished.outcome.ok() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What was written about one or two runs.
pub struct Report {
    path: PathBuf,
    /// Of each run: what is left once a corner's rounding is over, um; the run's own peak is that of any moment.
    after_corners_um: Vec<f64>,
}

/// One self-contained HTML file over the recordings, beside the first of them, and its picture as a PNG.
fn report(runs: &[(&str, &Path)], out: &Path, command: &str) -> Result<Report, Box<dyn std::error::Error>> {
    let mut readers = Vec::new();
    for (label, path) in runs {
        readers.push((*label, drydock_recording::Reader::open(path)?));
    }
    let mut borrowed: Vec<_> = readers.iter_mut().map(|(label, reader)| (*label, reader)).collect();
    let study = drydock_analysis::Study::of(&mut borrowed, &drydock_analysis::Options::default())?;
    let path = out.join("report.html");
    std::fs::write(&path, drydock_analysis::report::html(&study, command))?;
    drydock_analysis::picture::write_png(&study, &out.join("report.png"))?;
    Ok(Report { path, after_corners_um: study.runs.iter().map(|run| run.ringing.peak_um).collect() })
}

pub fn to_json(finished: &Finished, report: Option<&Report>) -> serde_json::Value {
    let o = &finished.outcome;
    json!({
        "fingerprint": o.fingerprint,
        "print_time_s": o.print_time_s.unwrap_or(o.sim_s),
        "sim_s": o.sim_s,
        "wall_s": finished.wall.as_secs_f64(),
        "realtime_factor": term::factor(o.sim_s, finished.wall),
        "lost_steps": o.lost_steps,
        "lost_by_motor": o.lost_by_motor.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "peak_ringing_um": o.peak_ringing_um,
        "peak_ringing_after_corners_um": report.and_then(|r| r.after_corners_um.first()),
        "steps": o.steps,
        "report": report.map(|r| r.path.display().to_string()),
        "recording": finished.recording.as_ref().map(|p| p.display().to_string()),
        "klippy_log": finished.log.as_ref().map(|p| p.display().to_string()),
        "shutdown": o.shutdown,
        "errors": o.errors,
        "failures": o.failures.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn summary(title: &str, finished: &Finished, report: Option<&Report>) {
    let o = &finished.outcome;
    say!("{title}");
    let time = o.print_time_s.unwrap_or(o.sim_s);
    say!("  print time     {} ({time:.1} s), {} steps", term::clock(time), o.steps);
    say!(
        "  real time      {:.0} x ({:.1} s of wall time)",
        term::factor(o.sim_s, finished.wall),
        finished.wall.as_secs_f64()
    );
    match report.and_then(|r| r.after_corners_um.first()) {
        Some(left) => say!("  peak ringing   {:.1} um in corners, {left:.1} um after them", o.peak_ringing_um),
        None => say!("  peak ringing   {:.1} um", o.peak_ringing_um),
    }
    let lost: Vec<String> = o.lost_by_motor.iter().filter(|(_, n)| *n != 0).map(|(m, n)| format!("{m} {n}")).collect();
    say!("  lost steps     {} {}", o.lost_steps, lost.join(", "));
    for (name, now, highest, target) in &o.temperatures {
        say!("  {name:14} {now:.1} C at the end (target {target:.0}), highest {highest:.1} C");
    }
    say!("  fingerprint    {}", o.fingerprint);
    if let Some(path) = &finished.recording {
        say!("  recording      {}", path.display());
    }
    if let Some(path) = &finished.log {
        say!("  klippy.log     {}", path.display());
        say!("  terminal       {}", path.with_file_name(TERMINAL).display());
    }
    if let Some(Report { path, .. }) = report {
        say!("  report         {}", path.display());
    }
    if let Some(message) = &o.shutdown {
        say!("  SHUTDOWN       {}", message.lines().next().unwrap_or_default());
    }
    for error in o.errors.iter().take(10) {
        say!("  {error}");
    }
    for failure in &o.failures {
        say!("  FAILED {failure}");
    }
}

/// What `cargo run --release` shows: a whole print, without and with input shaping.
pub fn demo() -> CliResult {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bundled = Path::new("scenarios/first-print/scenario.ron");
    let path = if bundled.is_file() { bundled.to_path_buf() } else { root.join(bundled) };
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let out = PathBuf::from("out");
    std::fs::create_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    let command = "cargo run --release";
    let mut recordings = Vec::new();
    let mut failed = false;
    for (name, before) in
        [("shaper off", Some("SET_INPUT_SHAPER SHAPER_FREQ_X=0 SHAPER_FREQ_Y=0")), ("shaper on", None)]
    {
        let mut scenario = Scenario::load(&path)?;
        if let Some(line) = before {
            scenario.story.insert(0, Act::Gcode(vec![line.to_string()]));
            // What the scenario expects, it expects of the shaped print.
            scenario.expect.clear();
        }
        let options = RunOptions {
            seed: None,
            recording: Some(out.join(format!("{}.drydock", name.replace(' ', "-")))),
            klippy_log: Some(out.join("klippy.log")),
            command: command.to_string(),
        };
        let finished = execute(&scenario, &folder, Some(&out), options, name, Shown::default())?;
        summary(&format!("{}, {name}", scenario.title), &finished, None);
        failed |= !finished.outcome.ok();
        recordings.push((name, finished.recording.unwrap_or_default()));
    }
    let runs: Vec<(&str, &Path)> = recordings.iter().map(|(name, path)| (*name, path.as_path())).collect();
    let report = report(&runs, &out, command)?;
    if let [off, on] = report.after_corners_um[..] {
        say!("peak ringing after corners: {off:.0} um without the shaper, {on:.0} um with it");
    }
    say!("report: {}, its picture: {}", report.path.display(), report.path.with_extension("png").display());
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
