//! The `drydock-deploy` program, which `drydock deploy` runs.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use drydock_deploy::image::Image;
use drydock_deploy::job::{Args, Device, Job};
use drydock_deploy::progress::Progress;
use drydock_deploy::route::{Route, probe};
use drydock_deploy::stop::Stop;
use drydock_deploy::{boards, plan, running};
use probe_rs::probe::list::Lister;
use serde_json::json;

fn main() -> ExitCode {
    match deploy(&Args::parse()) {
        Ok(text) => {
            // A reader that has had enough (`| head`) is no failure.
            let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(stop) => {
            eprintln!("error: {stop}");
            ExitCode::from(stop.kind as u8)
        }
    }
}

fn deploy(args: &Args) -> Result<String, Stop> {
    if args.board.as_deref() == Some("list") {
        let rows = boards::BOARDS.iter().map(|b| {
            format!("{:20} {} ({}), {} behind {} KiB", b.name, b.title, b.chips.join(" or "), b.file, b.offset >> 10)
        });
        return Ok(rows.collect::<Vec<_>>().join("\n"));
    }
    let lister = Lister::new();
    let time = jiff::Zoned::now().datetime();
    if args.dry_run {
        let job = Job::gather(args)?;
        if args.json {
            return Ok(plan::to_json(&job, &time).to_string());
        }
        let found = lister.list_all_with_access();
        let probes = (!found.is_empty()).then(|| probe::listed(&found));
        return Ok(plan::text(&job, probes.as_deref(), &time));
    }
    if let (true, Some(port), Some(path)) = (args.check, &args.serial, &args.firmware) {
        let said = running::check(port, &Image::load(path, args.at)?, None)?;
        return Ok(if args.json { json!({"done": [said]}).to_string() } else { said });
    }
    if args.route == Route::Probe {
        // First of all: without a probe nothing else matters.
        probe::choose(&lister, args.probe.as_deref())?;
    }
    let job = Job::gather(args)?;
    let progress = Progress::new(args.quiet || args.json);
    let device = Device { lister: &lister, selector: args.probe.as_deref(), progress: &progress };
    let done = job.run(&device, &time)?;
    Ok(if args.json { json!({"done": done}).to_string() } else { done.join("\n") })
}
