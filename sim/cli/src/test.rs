//! `drydock test`: scenarios in parallel, each against what it expects.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use drydock_scenario::junit;
use drydock_scenario::model::Scenario;
use drydock_scenario::setup::RunOptions;
use drydock_scenario::text::io_cause;
use drydock_sweep::{Pool, Stop};
use serde_json::json;

use crate::passed;
use crate::run::{CliResult, Shown, execute, scenario_path};
use crate::term::{self, say};

#[derive(Args)]
pub struct TestArgs {
    /// Scenario files or folders; a folder without scenario.ron stands for all below it.
    #[arg(default_value = "scenarios")]
    paths: Vec<PathBuf>,
    /// How many run at once (default: one for each core).
    #[arg(long, short)]
    jobs: Option<usize>,
    /// Write JUnit XML here.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Another seed for all of them.
    #[arg(long)]
    seed: Option<u64>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Where what passes is noted for `drydock deploy` (default: tested.jsonl in the user's data folder).
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

struct Done {
    path: PathBuf,
    fingerprint: String,
    sim_s: f64,
    wall_s: f64,
    failures: Vec<String>,
}

pub fn test(args: TestArgs) -> CliResult {
    let mut paths = Vec::new();
    for path in &args.paths {
        collect(path, &mut paths)?;
    }
    paths.sort();
    if paths.is_empty() {
        return Err("no scenario found".into());
    }
    let pool = Pool { workers: args.jobs.unwrap_or(0), stop: Stop::default() };
    let done = pool.run(
        &paths,
        |path| Some(run_one(path, args.seed)),
        |done| {
            if !args.json {
                tell(done.result);
            }
        },
    );
    let done: Vec<Done> = done.into_iter().flatten().collect();
    if let Some(path) = &args.junit {
        let cases: Vec<junit::Case> = done
            .iter()
            .map(|d| junit::Case { name: name(&d.path), wall_s: d.wall_s, failures: d.failures.clone() })
            .collect();
        std::fs::write(path, junit::write("drydock", &cases))?;
    }
    let passed = done.iter().filter(|d| d.failures.is_empty());
    passed::note(args.ledger.as_deref(), passed.map(|d| (name(&d.path), d.fingerprint.clone())));
    let failed = done.iter().filter(|d| !d.failures.is_empty()).count();
    if args.json {
        let list: Vec<_> = done
            .iter()
            .map(|d| {
                json!({"scenario": name(&d.path), "fingerprint": d.fingerprint, "sim_s": d.sim_s,
                       "wall_s": d.wall_s, "failures": d.failures})
            })
            .collect();
        say!("{}", json!({"passed": done.len() - failed, "failed": failed, "scenarios": list}));
    } else {
        say!("{} passed, {failed} failed", done.len() - failed);
    }
    Ok(if failed > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn name(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name);
    match path.file_name().is_some_and(|f| f == "scenario.ron") {
        true => folder.map(|f| f.to_string_lossy().into_owned()).unwrap_or_default(),
        false => path.file_stem().map(|f| f.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let scenario = scenario_path(path);
    if scenario.is_file() {
        found.push(scenario);
        return Ok(());
    }
    let unreadable = |e: std::io::Error| format!("{}: {}", path.display(), io_cause(&e));
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?.path();
        if entry.is_dir() {
            collect(&entry, found)?;
        }
    }
    Ok(())
}

fn run_one(path: &Path, seed: Option<u64>) -> Done {
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let options = RunOptions { seed, ..RunOptions::default() };
    let result = Scenario::load(path).map_err(|e| e.to_string()).and_then(|s| {
        execute(&s, &folder, None, options, "", Shown { quiet: true, ..Shown::default() }).map_err(|e| e.to_string())
    });
    let repeat = match seed {
        Some(seed) => format!("repeat: drydock run {} --seed {seed}", path.display()),
        None => format!("repeat: drydock run {}", path.display()),
    };
    match result {
        Ok(finished) => {
            let o = finished.outcome;
            let mut failures: Vec<String> = o.failures.iter().map(|f| format!("{f}\n{repeat}")).collect();
            if failures.len() > 1 {
                failures.iter_mut().for_each(|f| *f = f.trim().to_string());
            }
            Done {
                path: path.to_path_buf(),
                fingerprint: o.fingerprint,
                sim_s: o.sim_s,
                wall_s: finished.wall.as_secs_f64(),
                failures,
            }
        }
        Err(error) => Done {
            path: path.to_path_buf(),
            fingerprint: String::new(),
            sim_s: 0.0,
            wall_s: 0.0,
            failures: vec![format!("{error}\n{repeat}")],
        },
    }
}

fn tell(done: &Done) {
    let word = if done.failures.is_empty() { "ok  " } else { "FAIL" };
    let wall = std::time::Duration::from_secs_f64(done.wall_s);
    say!(
        "{word} {:32} {} simulated, {:.0} x, {}",
        name(&done.path),
        term::clock(done.sim_s),
        term::factor(done.sim_s, wall),
        done.fingerprint
    );
    for failure in &done.failures {
        failure.lines().for_each(|line| say!("       {line}"));
    }
}
