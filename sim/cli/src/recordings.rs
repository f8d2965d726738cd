//! `drydock export` and `drydock diff`: what a recording holds, and where two part.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use drydock_recording::{Reader, Recovery, export};
use drydock_scenario::text::io_cause;
use serde_json::json;

use crate::run::CliResult;
use crate::term::say;

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// One CSV file a stream.
    Csv,
    /// Pins over time, for GTKWave and its kin.
    Vcd,
    /// A trace for ui.perfetto.dev.
    Perfetto,
    /// Accelerometer samples in Klipper's raw CSV form.
    Accel,
    /// The beads, for mesh viewers.
    Ply,
}

#[derive(Args)]
pub struct ExportArgs {
    recording: PathBuf,
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    /// File to write; for csv the folder.
    #[arg(long, short, value_name = "PATH")]
    output: PathBuf,
    /// From and to, simulated seconds.
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    from: f64,
    #[arg(long, value_name = "S", default_value_t = f64::INFINITY)]
    to: f64,
    /// Only this stream (csv).
    #[arg(long)]
    stream: Option<String>,
    #[arg(long)]
    json: bool,
}

type OpenFile = Reader<std::io::BufReader<std::fs::File>>;

fn open(path: &PathBuf) -> Result<OpenFile, String> {
    let file = std::fs::File::open(path).map_err(|e| format!("{}: {}", path.display(), io_cause(&e)))?;
    Reader::new(std::io::BufReader::new(file)).map_err(|e| format!("{}: {e}", path.display()))
}

pub fn export(args: ExportArgs) -> CliResult {
    let mut reader = open(&args.recording)?;
    if let Some(Recovery { good_bytes, file_bytes, cause }) = reader.recovery() {
        let path = args.recording.display();
        eprintln!("{path}: {cause}; read up to the last whole block, byte {good_bytes} of {file_bytes}");
    }
    write_all(&mut reader, &args).map_err(|error| match error.is::<drydock_recording::Error>() {
        true => format!("{}: {error}", args.recording.display()).into(),
        false => error,
    })
}

fn write_all(reader: &mut OpenFile, args: &ExportArgs) -> CliResult {
    let range = (args.from.max(0.0) * 1e9) as u64..(args.to * 1e9).min(1.8e19) as u64;
    let mut written: Vec<(String, u64)> = Vec::new();
    let create = |path: &PathBuf| {
        std::fs::File::create(path).map(BufWriter::new).map_err(|e| format!("{}: {e}", path.display()))
    };
    match args.format {
        Format::Csv => {
            std::fs::create_dir_all(&args.output).map_err(|e| format!("{}: {e}", args.output.display()))?;
            let names: Vec<String> = match &args.stream {
                Some(name) => vec![reader.stream(name)?.name.clone()],
                None => reader.streams().iter().filter(|(_, n)| *n > 0).map(|(s, _)| s.name.clone()).collect(),
            };
            for name in &names {
                let mut to = create(&args.output.join(format!("{name}.csv")))?;
                let rows = export::csv::stream(reader, name, range.clone(), &mut to)?;
                to.flush()?;
                written.push((format!("{name}.csv"), rows));
            }
        }
        format => {
            if let Some((stream, why)) = needs(format)
                && reader.streams().iter().all(|(s, rows)| s.name != stream || *rows == 0)
            {
                return Err(format!("{}: {why}", args.recording.display()).into());
            }
            let mut to = create(&args.output)?;
            let rows = match format {
                Format::Vcd => export::vcd::pins(reader, range, &mut to)?,
                Format::Perfetto => export::perfetto::trace(reader, range, 10_000_000, &mut to)?,
                Format::Accel => export::accel_csv::chip(reader, 0, range, &mut to)?,
                Format::Ply | Format::Csv => export::ply::beads(reader, &mut to)?,
            };
            to.flush()?;
            written.push((args.output.display().to_string(), rows));
        }
    }
    if args.json {
        let files: Vec<_> = written.iter().map(|(f, n)| json!({"file": f, "rows": n})).collect();
        say!("{}", json!({"files": files}));
    } else {
        written.iter().for_each(|(file, rows)| say!("{file}: {rows} rows"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The stream that a form is made of, and what to say of a recording without it.
fn needs(format: Format) -> Option<(&'static str, &'static str)> {
    match format {
        Format::Accel => Some((
            "accel",
            "no accelerometer samples are in it; ACCELEROMETER_MEASURE or TEST_RESONANCES in a run makes some",
        )),
        Format::Ply => Some(("bead", "no beads are in it: nothing was printed")),
        Format::Csv | Format::Vcd | Format::Perfetto => None,
    }
}

#[derive(Args)]
pub struct DiffArgs {
    a: PathBuf,
    b: PathBuf,
    #[arg(long)]
    json: bool,
}

/// Exit code 0: the same run; 1: they differ.
pub fn diff(args: DiffArgs) -> CliResult {
    let (mut a, mut b) = (open(&args.a)?, open(&args.b)?);
    let diff = drydock_recording::diff(&mut a, &mut b).map_err(|error| {
        // The comparison reads both side by side; which of them is damaged, each says alone.
        let damaged = if a.verify().is_err() { &args.a } else { &args.b };
        format!("{}: {error}", damaged.display())
    })?;
    if args.json {
        let first = diff.first.as_ref().map(|d| {
            json!({"stream": d.stream, "index": d.index, "at_s": d.at_ns as f64 * 1e-9, "columns": d.columns, "a": d.a, "b": d.b})
        });
        say!(
            "{}",
            json!({"identical": diff.identical(), "rows": diff.rows, "header": diff.header, "first": first, "end": diff.end})
        );
    } else {
        say!("{diff}");
    }
    Ok(if diff.identical() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
