//! `drydock sweep`: one scenario at many points of its parameters; shards of it, and how they become one table.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use drydock_sweep::Sweep;
use drydock_sweep::design::{Axis, Method, Shard, parse_seeds};
use drydock_sweep::table::{Cell, Table};
use drydock_twin::digest::Digest;
use serde_json::json;

use crate::crew::Crew;
use crate::run::{CliResult, What};
use crate::term::{self, say};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SweepArgs {
    #[command(subcommand)]
    command: Option<SweepCommand>,
    #[command(flatten)]
    what: What,
    /// A parameter and its values: NAME=a,b,c or NAME=lo..hi:n. NAME is config.SECTION.OPTION, machine.FIELD or a field of
    /// the scenario, as in config.printer.max_accel, machine.modes[0].freq_hz, line.corrupt_per_byte.
    #[arg(long, value_name = "NAME=VALUES")]
    over: Vec<String>,
    /// Every combination, or a Latin hypercube of so many samples.
    #[arg(long, value_enum, default_value = "grid")]
    method: MethodName,
    /// Points of a Latin hypercube.
    #[arg(long, value_name = "N", required_if_eq("method", "lhs"))]
    samples: Option<usize>,
    /// Which Latin hypercube: the same number is the same points.
    #[arg(long, value_name = "N", default_value_t = 1)]
    design_seed: u64,
    /// Every point with each of these seeds: 1..10 or 1,5,9 (default: the scenario's own).
    #[arg(long)]
    seeds: Option<String>,
    /// Run one part of the whole: the i-th of n.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// The table: FILE.csv, FILE.parquet, or a folder for both.
    #[arg(long, short, value_name = "PATH", default_value = "sweep")]
    output: PathBuf,
    #[command(flatten)]
    crew: Crew,
}

#[derive(Clone, Copy, ValueEnum)]
enum MethodName {
    Grid,
    Lhs,
}

#[derive(Subcommand)]
enum SweepCommand {
    /// Put the tables of shards together: the same file as one run of the whole.
    Merge(MergeArgs),
}

#[derive(Args)]
struct MergeArgs {
    /// Tables of shards, or the folders that hold them.
    #[arg(required = true)]
    shards: Vec<PathBuf>,
    /// The table: FILE.csv, FILE.parquet, or a folder for both.
    #[arg(long, short, value_name = "PATH")]
    output: PathBuf,
    /// Also where runs are missing.
    #[arg(long)]
    partial: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub fn sweep(args: SweepArgs) -> CliResult {
    match args.command {
        Some(SweepCommand::Merge(args)) => merge(&args),
        None => run(&args),
    }
}

fn run(args: &SweepArgs) -> CliResult {
    let (scenario, folder) = args.what.load()?;
    let axes = args.over.iter().map(|text| Axis::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let seeds = args.seeds.as_deref().map(parse_seeds).transpose()?.unwrap_or_default();
    let method = match (args.method, args.samples) {
        (MethodName::Lhs, Some(samples)) if samples > 0 => Method::LatinHypercube { samples, seed: args.design_seed },
        (MethodName::Lhs, _) => return Err("--method lhs needs --samples N, above 0".into()),
        (MethodName::Grid, _) => Method::Grid,
    };
    let sweep = Sweep::new(scenario, &folder, axes, method, &seeds)?;
    let points = sweep.shard(args.shard.unwrap_or(Shard::WHOLE));
    let pool = args.crew.pool()?;
    let bar = term::count_bar("sweeping", points.len(), args.crew.is_quiet());
    let table = sweep.run(&pool, &points, |point, _| {
        bar.inc(1);
        bar.set_message(format!("run {}", point.run));
    });
    bar.finish_and_clear();
    let files = table.write(&args.output)?;
    let (ok, not_ok) = verdicts(&table);
    let missing = points.len() - table.rows.len();
    let list: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    if args.crew.json {
        let object = json!({"sweep": sweep.id(), "runs": sweep.points().len(), "done": table.rows.len(), "ok": ok,
            "not_ok": not_ok, "missing": missing, "fingerprint": fingerprint(&table), "files": list});
        say!("{object}");
    } else {
        let of = match args.shard {
            Some(shard) => format!("shard {}/{} of {} runs", shard.index, shard.of, sweep.points().len()),
            None => format!("{} runs", sweep.points().len()),
        };
        say!("sweep {}: {of}; {ok} as expected, {not_ok} not, {missing} not run", sweep.id());
        say!("  fingerprint    {}", fingerprint(&table));
        list.iter().for_each(|file| say!("  table          {file}"));
    }
    // A run that misses its expectation is a result here; a sweep that did not come to its end is none.
    Ok(if missing > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn merge(args: &MergeArgs) -> CliResult {
    let shards = args.shards.iter().map(|path| Table::read(path)).collect::<Result<Vec<_>, _>>()?;
    let table = Table::merge(shards, args.partial)?;
    let files = table.write(&args.output)?;
    let list: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    let (ok, not_ok) = verdicts(&table);
    if args.json {
        say!(
            "{}",
            json!({"done": table.rows.len(), "ok": ok, "not_ok": not_ok, "fingerprint": fingerprint(&table), "files": list})
        );
    } else {
        say!("{} runs of {} tables; {ok} as expected, {not_ok} not", table.rows.len(), args.shards.len());
        say!("  fingerprint    {}", fingerprint(&table));
        list.iter().for_each(|file| say!("  table          {file}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn verdicts(table: &Table) -> (usize, usize) {
    let ok = table.column("ok").map_or(0, |c| table.rows.iter().filter(|row| row[c] == Cell::Bool(true)).count());
    (ok, table.rows.len() - ok)
}

/// Of everything in the table, so that two of them are compared at a glance.
fn fingerprint(table: &Table) -> String {
    let mut digest = Digest::default();
    table.rows.iter().flatten().for_each(|cell| digest.bytes(format!("{cell:?}").as_bytes()));
    digest.hex()
}
