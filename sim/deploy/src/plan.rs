//! What a run would do, in words: what `--dry-run` prints.

use std::fmt::Write;
use std::ops::Range;

use drydock_recording::ledger::Passed;
use jiff::civil::DateTime;
use serde_json::{Value, json};

use crate::chip::{Chip, Sector};
use crate::image::Image;
use crate::job::{Job, bin_path};
use crate::route::{Route, probe, sdcard, uf2};
use crate::silicon;
use crate::stop::Stop;

/// No micro-controller has more flash of its own.
const BUILT_IN_MAX: u64 = 16 << 20;
/// Scenarios are named up to this many.
const SHOWN: usize = 6;

/// The whole plan. `probes` is what is plugged in, where the route needs any.
pub fn text(job: &Job, probes: Option<&str>, time: &DateTime) -> String {
    let mut out = String::from("Dry run: nothing is touched.\n\n");
    // Writing to a String cannot fail.
    let mut row = |name: &str, text: String| {
        let _ = writeln!(out, "  {name:9} {text}");
    };
    row("chip", format!("{} (from {})", job.chip.shown(), job.chip.source));
    if job.chip.family.is_some() {
        row("", format!("flashed as {}, which has the least flash of them; all begin alike", job.chip.name()));
    }
    for (name, text) in chip_facts(&job.chip) {
        row(name, text);
    }
    match &job.image {
        Some(image) => {
            row("image", format!("{}", image.path.display()));
            row("", image_facts(job, image));
            row("firmware", image.identity.version.clone().unwrap_or_else(|| "carries no data dictionary".into()));
        }
        None => row("image", format!("none given; {}", job.build())),
    }
    row("tested", tested(job));
    row(
        "probe",
        match (job.route, probes) {
            (Route::Probe, Some(probes)) => probes.to_string(),
            (Route::Probe, None) => "none plugged in now".into(),
            _ => "not needed on this route".into(),
        },
    );
    let _ = writeln!(out, "\nWhat would happen:");
    for (number, step) in steps(job, time).iter().enumerate() {
        let _ = writeln!(out, "{:3}. {step}", number + 1);
    }
    if job.image.is_none() {
        let _ = writeln!(out, "\nTo do it:");
        for line in job.recipe() {
            let _ = writeln!(out, "  {line}");
        }
    }
    let no_probe = (job.route == Route::Probe && probes.is_none()).then(probe::no_probe);
    let refusals: Vec<Stop> = no_probe.into_iter().chain(job.refusals()).collect();
    if !refusals.is_empty() {
        let _ = writeln!(out, "\nAs things stand it would stop before the first step:");
        for stop in refusals {
            let _ = writeln!(out, "  - {stop}");
        }
    }
    out
}

pub fn to_json(job: &Job, time: &DateTime) -> Value {
    let flash = job.chip.flash();
    let image = job.image.as_ref().map(|image| {
        json!({"file": image.path.display().to_string(), "start": image.address, "bytes": image.bytes.len(),
               "offset": job.offset(image), "version": image.identity.version, "source_hash": image.identity.hash,
               "mcu": image.identity.mcu,
               "sectors": job.chip.sectors(&image.range()).iter().map(|s| s.address).collect::<Vec<_>>()})
    });
    json!({
        "dry_run": true,
        "chip": {"name": job.chip.name(), "from": job.chip.source, "flash": [flash.start, flash.end],
                 "ram": job.chip.ram().map(|(name, r)| json!([name, r.start, r.end])).collect::<Vec<_>>()},
        "image": image,
        "tested": job.passed.iter().map(|run| &run.scenario).collect::<Vec<_>>(),
        "steps": steps(job, time),
        "refusals": job.refusals().iter().map(|stop| stop.to_string()).collect::<Vec<_>>(),
    })
}

fn chip_facts(chip: &Chip) -> Vec<(&'static str, String)> {
    let flash = chip.flash();
    let mut facts = vec![("flash", format!("{}: {}", span(&flash), sector_map(&chip.sectors(&flash))))];
    if flash.end - flash.start > BUILT_IN_MAX {
        facts.push(("", "a window on flash outside the chip; how much is behind it, the board decides".into()));
    }
    if let Some(algorithm) = chip.algorithm(flash.start) {
        let page = algorithm.flash_properties.page_size;
        facts.push(("", format!("written {} at a time by probe-rs's {}", size(page.into()), algorithm.name)));
    }
    for (number, (name, range)) in chip.ram().enumerate() {
        facts.push((if number == 0 { "ram" } else { "" }, format!("{}: {name}", span(&range))));
    }
    let check = match silicon::of(chip.name()) {
        Some(silicon) => {
            let ids: Vec<String> = silicon.device_ids.iter().map(|id| format!("{id:#05x}")).collect();
            format!("identity {:#010x} must say {}; read protection off", silicon.idcode, ids.join(" or "))
        }
        None => {
            "that a chip answers at this one's debug address; it has no identity register that Drydock knows".into()
        }
    };
    facts.push(("checked", check));
    facts
}

fn image_facts(job: &Job, image: &Image) -> String {
    let range = image.range();
    let room = match job.offset(image) {
        0 => "no bootloader kept".to_string(),
        offset => format!("the first {} are the bootloader's and stay", size(offset)),
    };
    format!("{:#010x} to {:#010x}, {} bytes; {room}", range.start, range.end, image.bytes.len())
}

fn tested(job: &Job) -> String {
    let ledger = job.ledger.as_ref().map_or("no ledger".into(), |path| path.display().to_string());
    let hash = job.image.as_ref().and_then(|i| i.identity.hash.as_deref());
    match (hash, job.passed.len()) {
        (None, _) if job.image.is_none() => {
            format!("only firmware whose source hash a run has passed with is flashed ({ledger}), or with --untested")
        }
        (None, _) => "no hash of Drydock's in it".into(),
        (Some(hash), 0) => format!("{hash} has passed no run yet ({ledger})"),
        (Some(hash), runs) => format!("{hash} has passed {}: {}", many(runs, "run"), scenarios(&job.passed)),
    }
}

fn scenarios(passed: &[Passed]) -> String {
    let mut names: Vec<&str> = passed.iter().map(|run| run.scenario.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
}

/// Each step as it will be, or as it would be with an image.
pub fn steps(job: &Job, time: &DateTime) -> Vec<String> {
    let mut steps = match job.route {
        Route::Probe => over_probe(job),
        Route::Sdcard => over_card(job),
        Route::Uf2 => {
            let drive =
                uf2::drive(job.mount.as_deref()).map_or("the drive RPI-RP2".into(), |d| d.display().to_string());
            vec![
                format!("copy the image as drydock.uf2 to {drive} (hold BOOTSEL while plugging the board in)"),
                "the boot ROM writes it and restarts the board by itself".into(),
            ]
        }
        Route::Dfu | Route::Serial => {
            let file = job.image.as_ref().map_or("firmware.bin".into(), bin_path);
            let address = job.image.as_ref().map_or(job.chip.flash().start, |i| i.address);
            let mut steps = vec![format!("write the plain binary to {}", file.display())];
            steps.extend(job.commands(&file, address));
            steps
        }
    };
    if let (Some(port), Route::Probe | Route::Uf2) = (&job.serial, job.route) {
        steps.push(format!("connect to {port} and check that the dictionary's version is the flashed one"));
    }
    if let Some(install) = &job.install {
        if install.place.exists() {
            steps.push(format!("keep {} as {}", install.place.display(), install.backup(time).display()));
        }
        steps.push(format!("install {} as {}", install.tuned.display(), install.place.display()));
    }
    steps
}

fn over_probe(job: &Job) -> Vec<String> {
    let chip = job.chip.shown();
    let mut steps = vec![
        format!("open the probe and attach to {chip} over SWD; it goes on as it is"),
        match silicon::of(job.chip.name()) {
            Some(_) => "read the chip's identity and its read protection; stop if it is another chip, or locked".into(),
            None => "stop if another chip answers".into(),
        },
    ];
    if job.image.as_ref().is_some_and(|image| job.offset(image) > 0) {
        steps.push("look for a bootloader in the flash below the image; stop if there is none to start it".into());
    }
    steps.push("reset and halt the chip: from here on all its pins are inputs, heaters and motors off".into());
    match &job.image {
        Some(image) => {
            let sectors = job.chip.sectors(&image.range());
            steps.push(format!("erase {}: {}", many(sectors.len(), "sector"), sector_list(&sectors)));
            steps.push(format!("program {} from {:#010x}", size(image.bytes.len() as u64), image.address));
            steps.push(format!("read {} bytes back and compare each", image.bytes.len()));
        }
        None => {
            let first = job.chip.sectors(&(job.chip.flash().start..job.chip.flash().start + 1));
            steps.push(format!("erase the sectors that the image covers, from {} on; no others", sector_list(&first)));
            steps.push("program the image".into());
            steps.push("read every byte back and compare it".into());
        }
    }
    steps.push("reset the chip: the new firmware runs".into());
    steps
}

fn over_card(job: &Job) -> Vec<String> {
    let Some(board) = job.board else { return vec!["copy the image to the card under the board's own name".into()] };
    let mount = job.mount.clone().unwrap_or_else(|| "CARD".into());
    let path = sdcard::target(board, job.image.as_ref(), &mount);
    vec![
        format!("write {}, flush it to the card, read it back", path.display()),
        format!(
            "in the board ({}), at power-up, its bootloader copies it behind its own {} ({} of Klipper's config/)",
            board.title,
            size(board.offset),
            board.source
        ),
    ]
}

/// `4 x 16 KiB, 1 x 64 KiB`.
fn sector_map(sectors: &[Sector]) -> String {
    let groups = sectors.chunk_by(|a, b| a.size == b.size);
    groups.map(|g| format!("{} x {}", g.len(), size(g[0].size))).collect::<Vec<_>>().join(", ")
}

fn sector_list(sectors: &[Sector]) -> String {
    if sectors.len() > SHOWN {
        let end = sectors.last().map_or(0, |s| s.address + s.size);
        return format!("{:#010x} to {end:#010x} ({})", sectors[0].address, sector_map(sectors));
    }
    sectors.iter().map(|s| format!("{:#010x} ({})", s.address, size(s.size))).collect::<Vec<_>>().join(", ")
}

fn span(range: &Range<u64>) -> String {
    format!("{:#010x} to {:#010x} ({})", range.start, range.end, size(range.end - range.start))
}

fn size(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 20 && b.is_multiple_of(1 << 20) => format!("{} MiB", b >> 20),
        b if b.is_multiple_of(1 << 10) => format!("{} KiB", b >> 10),
        b => format!("{b} bytes"),
    }
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
