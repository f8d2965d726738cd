//! Over a debug probe: erase, program, read back every byte, reset.
//!
//! All of it goes through probe-rs, which loads a small program into the chip's RAM that erases and writes its flash.
//! The read-back is ours: the bytes come over the wire again and are compared with the image, whatever probe-rs says.

use std::cell::Cell;
use std::error::Error;
use std::ops::Range;

use probe_rs::flashing::{DownloadOptions, FlashProgress, ProgressEvent, ProgressOperation};
use probe_rs::probe::list::{Accessibility, Lister, ProbeListItem};
use probe_rs::probe::{DebugProbeSelector, Probe};
use probe_rs::{MemoryInterface, Permissions, Session};

use crate::chip::Chip;
use crate::image::Image;
use crate::progress::Progress;
use crate::route::Done;
use crate::silicon::{self, Protection};
use crate::stop::{BoardState, Kind, Stop};

/// Read back in pieces of this size, so that a bar can move.
const READ_BACK: usize = 4096;

/// The one probe that is meant.
pub fn choose(lister: &Lister, selector: Option<&str>) -> Result<ProbeListItem, Stop> {
    let asked = selector
        .map(|text| text.parse::<DebugProbeSelector>())
        .transpose()
        .map_err(|e| Stop::usage(format!("--probe {}: {e}", selector.unwrap_or_default()), "give VID:PID[:SERIAL]"))?;
    let all = lister.list_all_with_access();
    let mut fit: Vec<ProbeListItem> =
        all.iter().filter(|p| asked.as_ref().is_none_or(|s| s.matches_probe(&p.info))).cloned().collect();
    match (fit.len(), asked) {
        (1, _) if fit[0].accessibility == Accessibility::PermissionDenied => Err(Stop::new(
            Kind::NoDevice,
            format!("the probe {} may not be opened by this user", fit[0].info),
            "install probe-rs's udev rules (https://probe.rs/docs/getting-started/probe-setup), then plug it in again",
        )),
        (1, _) => Ok(fit.remove(0)),
        (0, Some(_)) if !all.is_empty() => Err(Stop::new(
            Kind::NoDevice,
            format!("no probe is {}", selector.unwrap_or_default()),
            format!("there is {}", listed(&all)),
        )),
        (0, _) => Err(no_probe()),
        _ => Err(Stop::usage(
            format!("{} probes fit: {}", fit.len(), listed(&fit)),
            "give one with --probe VID:PID:SERIAL",
        )),
    }
}

/// What is said where nothing is plugged in.
pub fn no_probe() -> Stop {
    Stop::new(
        Kind::NoDevice,
        "no debug probe found",
        "plug one in (ST-Link, CMSIS-DAP, J-Link) or take another --route; --dry-run shows every step without one",
    )
}

/// Probes as --probe takes them.
pub fn listed(probes: &[ProbeListItem]) -> String {
    let selector = |p: &ProbeListItem| format!("{} ({})", DebugProbeSelector::from(&p.info), p.info.identifier);
    probes.iter().map(selector).collect::<Vec<_>>().join(", ")
}

/// Puts the image on the chip.
pub fn flash(
    lister: &Lister,
    item: &ProbeListItem,
    chip: &Chip,
    image: &Image,
    progress: &Progress,
) -> Result<Done, Stop> {
    let selector = DebugProbeSelector::from(&item.info);
    let gone = || lister.list(Some(&selector)).is_empty();
    let probe = lister.open(selector.clone()).map_err(|e| {
        Stop::new(
            Kind::NoDevice,
            format!("the probe {} cannot be opened ({})", item.info, chain(&e)),
            "is another program using it? close that, or plug the probe in again",
        )
    })?;
    let mut session =
        attach(probe, chip).map_err(|stop| if gone() { unplugged(BoardState::Untouched) } else { stop })?;
    let state = Cell::new(BoardState::Untouched);
    let result = write(&mut session, chip, image, progress, &state);
    // A driver's error for a probe that went away is as the driver has it; that it is gone is plain from the list.
    result.map_err(|stop| if gone() { unplugged(state.get()) } else { stop })
}

fn unplugged(state: BoardState) -> Stop {
    let stop = Stop::new(Kind::Failed, "the probe went away", "plug it in again, look at its cable, and run again");
    stop.on_board(state)
}

fn attach(probe: Probe, chip: &Chip) -> Result<Session, Stop> {
    probe.attach(chip.target.clone(), Permissions::default()).map_err(|e| {
        Stop::new(
            Kind::Failed,
            format!("no {} answers the probe ({})", chip.shown(), chain(&e)),
            "look at the board's power, SWDIO, SWCLK, ground and reset, and whether --chip is right; a chip whose read \
             protection is at level 2 never answers",
        )
        .on_board(BoardState::Untouched)
    })
}

fn write(
    session: &mut Session,
    chip: &Chip,
    image: &Image,
    progress: &Progress,
    state: &Cell<BoardState>,
) -> Result<Done, Stop> {
    let mut done = Vec::new();
    done.push(check(session, chip)?);
    if image.address > chip.flash().start {
        something_below(session, chip, image)?;
    }
    let mut loader = session.target().flash_loader();
    let failed = |what: &str, e: &dyn Error| {
        Stop::new(
            Kind::Failed,
            format!("{what} ({})", chain(e)),
            "look at the cable and the board's power, then run again",
        )
        .on_board(state.get())
    };
    loader.add_data(image.address, &image.bytes).map_err(|e| failed("the image does not fit", &e))?;
    let mut options = DownloadOptions::new();
    options.progress = FlashProgress::new(|event| watch(&event, progress, state));
    loader.commit(session, options).map_err(|e| failed("flashing failed", &e))?;
    progress.clear();
    state.set(BoardState::NotVerified);
    let sectors = chip.sectors(&image.range());
    done.push(format!("erased {} sectors, programmed {} bytes", sectors.len(), image.bytes.len()));

    let mut core = session.core(0).map_err(|e| failed("the chip cannot be read back", &e))?;
    let differing = read_back(&mut core, image, progress).map_err(|e| failed("the chip cannot be read back", &e))?;
    if let Some(ranges) = differing {
        state.set(BoardState::Differs);
        return Err(Stop::new(
            Kind::Failed,
            format!("read-back differs from the image at {:#010x} ({} bytes in all)", ranges.start, ranges.end),
            "run again; if it stays, the flash is worn or the supply is weak",
        )
        .on_board(BoardState::Differs));
    }
    done.push(format!("read back {} bytes: all as in the image", image.bytes.len()));
    state.set(BoardState::VerifiedNotRunning);
    core.reset().map_err(|e| failed("the chip was not reset", &e))?;
    state.set(BoardState::Running);
    done.push("reset: the firmware runs".into());
    Ok(done)
}

/// Is it the chip, and may its flash be written? Read past the core, which goes on: a printer that was halted here and
/// then left alone would keep its heaters as they are.
fn check(session: &mut Session, chip: &Chip) -> Result<String, Stop> {
    let Some(silicon) = silicon::of(chip.name()) else {
        return Ok(format!("{} answers; it has no identity register that Drydock knows", chip.shown()));
    };
    let unreadable = |e: probe_rs::Error| {
        Stop::new(
            Kind::Failed,
            format!("the chip answers, its identity cannot be read ({})", chain(&e)),
            "it is no STM32F4, or its debug port is locked; look at the marking on it",
        )
        .on_board(BoardState::Untouched)
    };
    let mut core = session.core(0).map_err(unreadable)?;
    let id = (core.read_word_32(silicon.idcode).map_err(unreadable)? & 0xfff) as u16;
    if !silicon.device_ids.contains(&id) {
        return Err(Stop::refused(
            format!("this is no {}: its identity register says {id:#05x}, {}", chip.shown(), silicon::chips_with(id)),
            "give the chip that is on the board, and an image for it",
        )
        .on_board(BoardState::Untouched));
    }
    let locked = |level: &str, mend: &str| {
        Err(Stop::refused(format!("the chip is locked: read protection {level}"), mend).on_board(BoardState::Untouched))
    };
    match silicon::protection(core.read_word_32(silicon.option_control).map_err(unreadable)?) {
        Protection::None => Ok(format!("{} answers: identity {id:#05x}, not locked", chip.shown())),
        Protection::Level1 => locked(
            "level 1",
            "lifting it erases the whole chip, its bootloader too: set option byte RDP to 0xaa, for instance with \
             STM32CubeProgrammer, then run again",
        ),
        Protection::Level2 => locked("level 2", "nothing lifts it; the chip must be replaced"),
    }
}

/// An image behind a bootloader needs one: where the flash below it is blank, nothing would ever start it.
fn something_below(session: &mut Session, chip: &Chip, image: &Image) -> Result<(), Stop> {
    let below = chip.flash().start;
    let mut vectors = [0; 8];
    let read = session.core(0).and_then(|mut core| core.read(below, &mut vectors));
    let refused = |what: String, mend: &str| Err(Stop::refused(what, mend).on_board(BoardState::Untouched));
    match read {
        Ok(()) if vectors != [0xff; 8] => Ok(()),
        Ok(()) => refused(
            format!(
                "the image begins at {:#010x} and the flash below it is blank: nothing would start it",
                image.address
            ),
            "flash the board's bootloader first, or build the firmware without --offset",
        ),
        Err(error) => refused(format!("the flash cannot be read ({})", chain(&error)), "is the chip locked?"),
    }
}

/// Reads the image's range over the wire. None if it is as in the image, else the first address that differs and how many
/// bytes do.
fn read_back(
    core: &mut probe_rs::Core<'_>,
    image: &Image,
    progress: &Progress,
) -> Result<Option<Range<u64>>, probe_rs::Error> {
    let bar = progress.bar("read back", image.bytes.len() as u64);
    let mut buffer = [0; READ_BACK];
    let mut first = None;
    let mut count = 0;
    let mut at = image.address;
    for expected in image.bytes.chunks(READ_BACK) {
        let found = &mut buffer[..expected.len()];
        core.read(at, found)?;
        for (offset, _) in found.iter().zip(expected).enumerate().filter(|(_, (a, b))| a != b) {
            first.get_or_insert(at + offset as u64);
            count += 1;
        }
        at += expected.len() as u64;
        bar.inc(expected.len() as u64);
    }
    bar.finish_and_clear();
    Ok(first.map(|first| first..count))
}

/// Moves the bars, and keeps what the flash holds meanwhile.
fn watch(event: &ProgressEvent, progress: &Progress, state: &Cell<BoardState>) {
    let name = |operation: &ProgressOperation| match operation {
        ProgressOperation::Fill => "fill",
        ProgressOperation::Erase => "erase",
        ProgressOperation::Program => "program",
        ProgressOperation::Verify => "verify",
    };
    match event {
        ProgressEvent::AddProgressBar { operation, total } => progress.add(name(operation), total.unwrap_or_default()),
        ProgressEvent::Started(ProgressOperation::Erase) => state.set(BoardState::ErasedInPart),
        ProgressEvent::Started(ProgressOperation::Program) => state.set(BoardState::ProgrammedInPart),
        ProgressEvent::Progress { operation, size, .. } => progress.advance(name(operation), *size),
        _ => {}
    }
}

/// An error with what caused it, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let text = text.trim_end_matches('.').to_string();
        // Wrappers often repeat what they wrap.
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}
