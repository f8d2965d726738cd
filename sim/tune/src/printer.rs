//! A printer on the bench: its printer.cfg, its machine file, and runs of both in memory.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use drydock_host::config::{Config, MapSource, RawSection, SaveConfig};
use drydock_plant::Machine;
use drydock_recording::Reader;
use drydock_scenario::disk::{DiskSource, replace_kept};
use drydock_scenario::machine_file;
use drydock_scenario::memory::{Overlay, simulate};
use drydock_scenario::model::{Act, MachineChanges, Scenario};
use drydock_scenario::session::Outcome;
use drydock_scenario::setup::{RunOptions, prepare};
use drydock_scenario::text;

use crate::{Failure, Work};

const MACHINE: &str = "machine.ron";
/// The name of the print file in every run.
pub const PRINT: &str = "part.gcode";
/// So that a run can begin anywhere without homing first.
const ANYWHERE: &str = "[force_move]\nenable_force_move: True\n";
/// A run that is not over by then is stuck.
const END_S: f64 = 6.0 * 3600.0;

/// What is tuned.
#[derive(Clone)]
pub struct Printer {
    files: Sources,
    /// Options of printer.cfg by section.
    options: BTreeMap<String, BTreeMap<String, String>>,
    pub machine: Machine,
    pub seed: u64,
}

/// Path and text of printer.cfg and of what it includes; the first is the main one.
type Sources = Vec<(String, String)>;

/// What a run does, and on which variant of the printer.
#[derive(Clone)]
pub struct Job {
    /// The machine in place of the printer's own.
    pub machine: Option<Machine>,
    /// Put behind printer.cfg.
    pub append: String,
    /// Where the head stands, and knows that it stands; None: not homed.
    pub start_mm: Option<[f64; 3]>,
    pub story: Vec<Act>,
    /// The text that `Act::Print` prints.
    pub print: String,
    pub seed: Option<u64>,
    pub sample_hz: f64,
    /// Whether a recording is wanted.
    pub record: bool,
    /// The print is stopped after so many simulated seconds.
    pub end_s: f64,
}

impl Default for Job {
    fn default() -> Job {
        Job {
            machine: None,
            append: String::new(),
            start_mm: None,
            story: Vec::new(),
            print: String::new(),
            seed: None,
            sample_hz: 500.0,
            record: false,
            end_s: END_S,
        }
    }
}

impl Job {
    /// Prints a G-code text.
    pub fn print(gcode: &str) -> Job {
        Job { story: vec![Act::Print(PRINT.into())], print: gcode.to_string(), ..Job::default() }
    }

    /// Types lines at the terminal.
    pub fn lines<T: Into<String>>(lines: impl IntoIterator<Item = T>) -> Job {
        Job { story: vec![Act::Gcode(lines.into_iter().map(Into::into).collect())], ..Job::default() }
    }

    /// Types lines before everything else.
    pub fn before<T: Into<String>>(mut self, lines: impl IntoIterator<Item = T>) -> Job {
        self.story.insert(0, Act::Gcode(lines.into_iter().map(Into::into).collect()));
        self
    }
}

/// What came of a job.
pub struct Run {
    pub outcome: Outcome,
    recording: Vec<u8>,
}

impl Run {
    /// The recording; an error where none was wanted.
    pub fn reader(&self) -> Result<Reader<Cursor<&[u8]>>, Failure> {
        Ok(Reader::new(Cursor::new(&self.recording[..]))?)
    }

    /// The first line of the terminal that has a text.
    pub fn said(&self, text: &str) -> Option<&str> {
        self.outcome.terminal.iter().map(|(_, line)| line.as_str()).find(|line| line.contains(text))
    }

    /// A file that the host wrote whose name begins so.
    pub fn file(&self, begins: &str) -> Option<&[u8]> {
        let name = |path: &str| Path::new(path).file_name().is_some_and(|n| n.to_string_lossy().starts_with(begins));
        self.outcome.files.iter().find(|(path, _)| name(path)).map(|(_, content)| content.as_slice())
    }
}

impl Printer {
    /// Reads a printer.cfg, and a machine file; without one the machine is read off the printer.cfg.
    pub fn load(config: &Path, machine: Option<&Path>, seed: u64) -> Result<Printer, Failure> {
        let path = config.display().to_string();
        let parsed = Config::parse(&DiskSource, &path).map_err(|errors| Failure::of_all(&errors))?;
        let machine = match machine {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|e| Failure(format!("{}: {}", path.display(), text::io_cause(&e))))?;
                Some(machine_file::parse(path, &text).map_err(|e| Failure(e.to_string()))?)
            }
            None => None,
        };
        Printer::of(parsed, machine, seed)
    }

    /// From texts, for a caller that has no files.
    pub fn of_text(config: &str, machine: Option<Machine>, seed: u64) -> Result<Printer, Failure> {
        let source = MapSource::new([("printer.cfg", config)]);
        let parsed = Config::parse(&source, "printer.cfg").map_err(|errors| Failure::of_all(&errors))?;
        Printer::of(parsed, machine, seed)
    }

    fn of(config: Config, machine: Option<Machine>, seed: u64) -> Result<Printer, Failure> {
        let files: Sources = config.files().iter().map(|f| (f.path.to_string(), f.text.clone())).collect();
        let machine = match machine {
            Some(machine) => {
                machine.validate().map_err(|errors| Failure::of_all(&errors))?;
                machine
            }
            None => {
                let scenario = Scenario::plain(&files[0].0, "");
                let scenario = Scenario { story: Vec::new(), ..scenario };
                let session = prepare(&scenario, Path::new(""), &overlay(&files), &RunOptions::default());
                session.map_err(|e| Failure(e.to_string()))?.twin.bench.plant.machine().clone()
            }
        };
        Ok(Printer { options: options(&config), files, machine, seed })
    }

    /// A number of printer.cfg.
    pub fn number(&self, section: &str, option: &str) -> Option<f64> {
        self.text(section, option)?.trim().parse().ok()
    }

    pub fn text(&self, section: &str, option: &str) -> Option<&str> {
        self.options.get(section)?.get(option).map(String::as_str)
    }

    /// Every value of printer.cfg.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.options.values().flat_map(|options| options.values().map(String::as_str))
    }

    pub fn has(&self, section: &str) -> bool {
        self.options.contains_key(section)
    }

    /// Runs a job. None: the user wants to end.
    pub fn run(&self, job: &Job, work: &Work) -> Result<Option<Run>, Failure> {
        let (scenario, files) = self.bench(job)?;
        let run = simulate(&scenario, Path::new(""), &files, job.record, || !work.stopped());
        let Some(run) = run.map_err(|e| Failure(e.to_string()))? else { return Ok(None) };
        let outcome = run.outcome;
        if let Some(why) = outcome.shutdown.as_ref().or(outcome.errors.iter().find(|e| !is_cut_short(e))) {
            return Err(Failure(format!("the printer stopped: {}", why.lines().next().unwrap_or_default())));
        }
        Ok(Some(Run { outcome, recording: run.recording.unwrap_or_default() }))
    }

    /// A job as others run it: its scenario, and the files that it reads.
    pub fn bench(&self, job: &Job) -> Result<(Scenario, Overlay), Failure> {
        let machine = job.machine.as_ref().unwrap_or(&self.machine);
        let machine = machine_file::write(machine).map_err(|e| Failure(format!("the machine: {e}")))?;
        let files = overlay(&self.files).with(MACHINE, machine).with(PRINT, job.print.as_str());
        Ok((self.scenario(job), files))
    }

    fn scenario(&self, job: &Job) -> Scenario {
        let mut story = job.story.clone();
        if let Some([x, y, z]) = job.start_mm {
            story.insert(0, Act::Gcode(vec![format!("SET_KINEMATIC_POSITION X={x} Y={y} Z={z}")]));
        }
        Scenario {
            machine: MachineChanges { file: Some(MACHINE.into()), start_mm: job.start_mm, ..MachineChanges::default() },
            config_append: format!("{ANYWHERE}{}", job.append),
            seed: job.seed.unwrap_or(self.seed),
            story,
            end_s: job.end_s,
            sample_hz: job.sample_hz,
            ..Scenario::plain(&self.files[0].0, "")
        }
    }

    /// The printer.cfg with changed options in its SAVE_CONFIG block, as SAVE_CONFIG would write it.
    pub fn save_config(&self, changes: &[Change]) -> Result<String, Failure> {
        let mut save = SaveConfig::new();
        changes.iter().for_each(|c| save.set(&c.section, &c.option, &c.value));
        save.new_text(&parse(&self.files)?).map_err(|e| Failure(e.to_string()))
    }

    /// Writes the changes into the printer.cfg as SAVE_CONFIG does; the old file is kept, under the name that comes back.
    pub fn write_config(&self, changes: &[Change]) -> Result<PathBuf, Failure> {
        let path = Path::new(&self.files[0].0);
        let text = self.save_config(changes)?;
        replace_kept(path, text.as_bytes()).map_err(|e| Failure(format!("{}: {e}", path.display())))
    }

    /// The printer with the changes in place, for what is tuned after them.
    pub fn with(&self, changes: &[Change]) -> Result<Printer, Failure> {
        // One file without a SAVE_CONFIG block, whose values would win over what stands before it.
        let mut text = parse(&self.files)?.flat_text();
        changes.iter().for_each(|c| text += &format!("\n[{}]\n{}: {}\n", c.section, c.option, c.value));
        let files = vec![(self.files[0].0.clone(), text)];
        Ok(Printer { options: options(&parse(&files)?), files, ..self.clone() })
    }

    /// Lowest and highest place of the nozzle that the motion limits allow, with a margin, mm.
    pub fn reach_mm(&self) -> [[f64; 2]; 2] {
        if let Some(radius) = self.number("printer", "delta_radius") {
            // A square inside the round bed.
            let half = self.number("printer", "print_radius").unwrap_or(radius) * 0.6;
            return [[-half, -half], [half, half]];
        }
        let axis = |name: &str, option: &str, default: f64| self.number(name, option).unwrap_or(default);
        let low = ["stepper_x", "stepper_y"].map(|s| axis(s, "position_min", 0.0).max(0.0) + 10.0);
        let high = ["stepper_x", "stepper_y"].map(|s| axis(s, "position_max", 200.0) - 10.0);
        [low, high]
    }

    pub fn middle_mm(&self) -> [f64; 2] {
        let [low, high] = self.reach_mm();
        [0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1])]
    }
}

/// A new value of an option of printer.cfg.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub section: String,
    pub option: String,
    pub value: String,
}

impl Change {
    pub fn new(section: &str, option: &str, value: String) -> Change {
        Change { section: section.into(), option: option.into(), value }
    }
}

/// What stopped a print that was to be stopped.
fn is_cut_short(error: &str) -> bool {
    error.contains("did not come to its end, it is 'printing'")
}

fn parse(files: &Sources) -> Result<Config, Failure> {
    let source = MapSource::new(files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    Config::parse(&source, &files[0].0).map_err(|errors| Failure::of_all(&errors))
}

fn options(config: &Config) -> BTreeMap<String, BTreeMap<String, String>> {
    let of = |section: &RawSection| section.options.iter().map(|o| (o.name.clone(), o.value.clone())).collect();
    config.raw_sections().iter().map(|section| (section.name.clone(), of(section))).collect()
}

fn overlay(files: &Sources) -> Overlay {
    files.iter().fold(Overlay::alone(), |overlay, (path, text)| overlay.with(path, text.as_str()))
}
