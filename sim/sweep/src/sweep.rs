//! One scenario run at many points of its parameters.

use std::path::{Path, PathBuf};

use drydock_host::config::Config;
use drydock_plant::Machine;
use drydock_scenario::disk::RealDisk;
use drydock_scenario::machine_file;
use drydock_scenario::memory::{self, Overlay};
use drydock_scenario::model::{Act, MachineChanges, Scenario};
use drydock_scenario::session::Outcome;
use drydock_scenario::setup::{RunOptions, prepare, printer};
use drydock_twin::digest::Digest;
use serde_json::Value;

use crate::design::{Axis, Method, Point, Shard, points};
use crate::param::{self, Target};
use crate::pool::{Done, Pool};
use crate::table::{Cell, Kind, OF, RUN, SWEEP, Table};

/// What stands in for the printer.cfg and the machine file where a parameter changes them.
const CONFIG: &str = "printer.cfg (swept)";
const MACHINE: &str = "machine.ron (swept)";

/// A sweep that is ready to run: every name in it is known, and every value alone has built a printer.
pub struct Sweep {
    base: Scenario,
    folder: PathBuf,
    axes: Vec<Axis>,
    targets: Vec<Target>,
    points: Vec<Point>,
    heaters: Vec<String>,
    motors: Vec<String>,
    /// Two sweeps with the same id have the same points of the same scenario, printer.cfg and machine.
    id: String,
}

/// A scenario with parameters set, and the files that this takes.
pub struct Job {
    pub scenario: Scenario,
    pub files: Overlay,
}

impl Sweep {
    /// Checks every name and value. `seeds` empty: the scenario's own.
    pub fn new(base: Scenario, folder: &Path, axes: Vec<Axis>, method: Method, seeds: &[u64]) -> Result<Sweep, String> {
        let seeds = if seeds.is_empty() { &[base.seed] } else { seeds };
        if let Some(seed) = seeds.iter().find(|seed| i64::try_from(**seed).is_err()) {
            return Err(format!("the seed {seed} does not fit into a table: give one below 2^63"));
        }
        let built = printer(&base, folder, &RealDisk).map_err(|e| e.to_string())?;
        let mut targets = Vec::new();
        for axis in &axes {
            if axis.name == "seed" {
                return Err("--over seed: give seeds as --seeds 1..10".into());
            }
            if axes.iter().filter(|other| other.name == axis.name).count() > 1 {
                return Err(format!("--over {} is there twice", axis.name));
            }
            let target = Target::parse(&axis.name).and_then(|target| {
                known(&target, &base, &built.config, &built.machine)?;
                Ok(target)
            });
            targets.push(target.map_err(|why| format!("--over {}: {why}", axis.name))?);
        }
        let points = points(&axes, method, seeds)?;
        let mut id = Digest::default();
        let machine = serde_json::to_string(&built.machine).map_err(|e| e.to_string())?;
        let scenario = serde_json::to_string(&base).map_err(|e| e.to_string())?;
        [scenario, built.config.flat_text(), machine].iter().for_each(|text| id.bytes(text.as_bytes()));
        id.bytes(format!("{} {axes:?} {method:?} {seeds:?}", env!("CARGO_PKG_VERSION")).as_bytes());
        for act in &base.story {
            // One that is not there is told of when a printer is built with it.
            if let Act::Print(file) = act
                && let Ok(bytes) = std::fs::read(folder.join(file))
            {
                id.bytes(&bytes);
            }
        }
        let sweep = Sweep {
            folder: folder.to_path_buf(),
            heaters: built.heaters,
            motors: built.machine.motors.iter().map(|m| m.name.clone()).collect(),
            base,
            axes,
            targets,
            points,
            id: id.hex()[..12].to_string(),
        };
        sweep.try_values()?;
        Ok(sweep)
    }

    /// Builds a printer with each value alone.
    fn try_values(&self) -> Result<(), String> {
        for (axis, target) in self.axes.iter().zip(&self.targets) {
            for value in axis.samples() {
                let said = |why: String| format!("--over {}={value}: {why}", axis.name);
                let job = job(&self.base, &self.folder, &Overlay::on_disk(), &[(target, &value)]).map_err(said)?;
                prepare(&job.scenario, &self.folder, &job.files, &RunOptions::default())
                    .map_err(|e| said(e.to_string()))?;
            }
        }
        Ok(())
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn points(&self) -> &[Point] {
        &self.points
    }

    pub fn shard(&self, shard: Shard) -> Vec<Point> {
        self.points.iter().filter(|p| shard.has(p.run)).cloned().collect()
    }

    /// The scenario of a point.
    pub fn job(&self, point: &Point) -> Result<Job, String> {
        let settings: Vec<(&Target, &str)> = self.targets.iter().zip(point.values.iter().map(String::as_str)).collect();
        let mut job = job(&self.base, &self.folder, &Overlay::on_disk(), &settings)?;
        job.scenario.seed = point.seed;
        Ok(job)
    }

    /// Runs points in any order; rows come in the points' order, without those that a stop has left out.
    pub fn run(&self, pool: &Pool, points: &[Point], mut progress: impl FnMut(&Point, Done<'_, Vec<Cell>>)) -> Table {
        let work = |point: &Point| {
            let result = match self.job(point) {
                Ok(job) => memory::simulate(&job.scenario, &self.folder, &job.files, false, || !pool.stop.is_set())
                    .map_err(|e| e.to_string()),
                Err(why) => Err(why),
            };
            match result {
                Ok(None) => None,
                Ok(Some(run)) => Some(self.row(point, Ok(&run.outcome))),
                Err(why) => Some(self.row(point, Err(why))),
            }
        };
        let rows = pool.run(points, work, |done| progress(&points[done.index], done));
        Table { columns: self.columns(), rows: rows.into_iter().flatten().collect() }
    }

    /// What a row says. No wall time: see [`Table`].
    fn columns(&self) -> Vec<(String, Kind)> {
        let is_number = |values: &[String]| values.iter().all(|v| number(v).is_some());
        let parameter =
            |axis: &Axis| (axis.name.clone(), if is_number(&axis.samples()) { Kind::Number } else { Kind::Text });
        let named = |(name, kind): &(&str, Kind)| ((*name).to_string(), *kind);
        let mut columns: Vec<(String, Kind)> = BEFORE.iter().map(named).collect();
        columns.extend(self.axes.iter().map(parameter));
        columns.extend(AFTER.iter().map(named));
        columns.extend(self.motors.iter().map(|m| (format!("{LOST}{m}"), Kind::Int)));
        for heater in &self.heaters {
            columns.extend([(format!("{HIGHEST}{heater}"), Kind::Number), (format!("{LAST}{heater}"), Kind::Number)]);
        }
        columns
    }

    fn row(&self, point: &Point, outcome: Result<&Outcome, String>) -> Vec<Cell> {
        let text = |text: String| if text.is_empty() { Cell::Null } else { Cell::Text(text) };
        let real = |x: f64| if x.is_finite() { Cell::Number(x) } else { Cell::Null };
        let mut row = vec![
            Cell::Text(self.id.clone()),
            Cell::Int(point.run as i64),
            Cell::Int(self.points.len() as i64),
            Cell::Int(point.seed as i64),
        ];
        let columns = self.columns();
        for (value, (_, kind)) in point.values.iter().zip(&columns[BEFORE.len()..]) {
            row.push(match kind {
                Kind::Number => number(value).map_or(Cell::Null, Cell::Number),
                _ => Cell::Text(value.clone()),
            });
        }
        let o = match outcome {
            Ok(outcome) => outcome,
            Err(why) => {
                row.extend([Cell::Null, Cell::Bool(false), Cell::Text(why)]);
                row.resize(columns.len(), Cell::Null);
                return row;
            }
        };
        let failures: Vec<String> = o.failures.iter().map(ToString::to_string).collect();
        row.extend([
            Cell::Text(o.fingerprint.clone()),
            Cell::Bool(o.ok()),
            // The sentence that a user would read first.
            text(o.shutdown.iter().chain(&o.errors).next().map(|s| s.trim().to_string()).unwrap_or_default()),
            real(o.sim_s),
            o.print_time_s.map_or(Cell::Null, real),
            Cell::Int(o.steps as i64),
            real(o.peak_ringing_um),
            Cell::Int(o.lost_steps),
            Cell::Int(failures.len() as i64),
            text(failures.join("\n")),
        ]);
        let lost = |motor: &String| o.lost_by_motor.iter().find(|(name, _)| name == motor).map(|(_, n)| Cell::Int(*n));
        row.extend(self.motors.iter().map(|motor| lost(motor).unwrap_or(Cell::Null)));
        for heater in &self.heaters {
            let found = o.temperatures.iter().find(|(name, ..)| name == heater);
            row.extend(found.map_or([Cell::Null, Cell::Null], |(_, last, highest, _)| [real(*highest), real(*last)]));
        }
        row
    }
}

const BEFORE: &[(&str, Kind)] = &[(SWEEP, Kind::Text), (RUN, Kind::Int), (OF, Kind::Int), ("seed", Kind::Int)];
const AFTER: &[(&str, Kind)] = &[
    ("fingerprint", Kind::Text),
    ("ok", Kind::Bool),
    ("error", Kind::Text),
    ("sim_s", Kind::Number),
    ("print_time_s", Kind::Number),
    ("steps", Kind::Int),
    ("peak_ringing_um", Kind::Number),
    ("lost_steps", Kind::Int),
    ("failed_expectations", Kind::Int),
    ("failures", Kind::Text),
];
const LOST: &str = "lost.";
const HIGHEST: &str = "highest_c.";
const LAST: &str = "last_c.";

/// What a column holds by its name; None: a parameter.
pub(crate) fn kind_of(column: &str) -> Option<Kind> {
    let fixed = BEFORE.iter().chain(AFTER).find(|(name, _)| *name == column).map(|(_, kind)| *kind);
    fixed.or_else(|| match column {
        _ if column.starts_with(LOST) => Some(Kind::Int),
        _ if column.starts_with(HIGHEST) || column.starts_with(LAST) => Some(Kind::Number),
        _ => None,
    })
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|x| x.is_finite())
}

/// Whether a name leads to something.
fn known(target: &Target, base: &Scenario, config: &Config, machine: &Machine) -> Result<(), String> {
    match target {
        Target::Config { section, option } => param::check_option(config, section, option),
        Target::Machine(path) => path.find(&mut json(machine)?, "machine").map(|_| ()),
        Target::Scenario(path) => path.find(&mut json(base)?, "").map(|_| ()),
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|e| e.to_string())
}

/// A scenario with parameters set: first its own fields, since they say which printer.cfg; then the options, since they say
/// which machine; then the machine.
pub fn job(base: &Scenario, folder: &Path, files: &Overlay, settings: &[(&Target, &str)]) -> Result<Job, String> {
    let mut scenario = base.clone();
    let mut files = files.clone();
    let mut changed = json(base)?;
    let mut options = String::new();
    for (target, text) in settings {
        match target {
            Target::Scenario(path) => *path.find(&mut changed, "")? = param::value(text),
            Target::Config { section, option } => options.push_str(&format!("\n[{section}]\n{option}: {text}\n")),
            Target::Machine(_) => {}
        }
    }
    if settings.iter().any(|(target, _)| matches!(target, Target::Scenario(_))) {
        scenario = serde_json::from_value(changed).map_err(|e| e.to_string())?;
        scenario.source = base.source.clone();
    }
    if !options.is_empty() {
        let built = printer(&scenario, folder, &files).map_err(|e| e.to_string())?;
        // One file without a SAVE_CONFIG block, whose values would win over what stands before it.
        files = files.with(folder.join(CONFIG), built.config.flat_text() + &options);
        scenario.config = CONFIG.into();
        scenario.config_append.clear();
    }
    if settings.iter().any(|(target, _)| matches!(target, Target::Machine(_))) {
        let mut machine = json(&printer(&scenario, folder, &files).map_err(|e| e.to_string())?.machine)?;
        for (target, text) in settings {
            if let Target::Machine(path) = target {
                *path.find(&mut machine, "machine")? = param::value(text);
            }
        }
        let machine: Machine = serde_json::from_value(machine).map_err(|e| e.to_string())?;
        files = files.with(folder.join(MACHINE), machine_file::write(&machine)?);
        scenario.machine = MachineChanges { file: Some(MACHINE.into()), ..MachineChanges::default() };
    }
    Ok(Job { scenario, files })
}
