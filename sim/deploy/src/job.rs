//! What is to be done, put together from the command line and checked before anything is touched.

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use drydock_recording::ledger::{self, Passed};
use jiff::civil::DateTime;
use probe_rs::config::Registry;
use probe_rs::probe::list::Lister;

use crate::boards::{self, Board};
use crate::chip::{Chip, family_in};
use crate::image::Image;
use crate::install::Install;
use crate::progress::Progress;
use crate::route::{Done, Route, dfu, probe, sdcard, serial, uf2};
use crate::running;
use crate::stop::{BoardState, Kind, Stop, io};

/// Put the firmware that was tested on a board, and the tuned printer.cfg beside it.
///
/// Without a board: `drydock deploy --dry-run --chip STM32F407VG` prints every step and touches nothing.
///
/// Where the route ends before the board runs (a card, another program's command), `--check` asks it afterwards.
///
/// Exit codes: 0 done; 1 failed, the board's state is told; 2 the command or a file is wrong; 3 nothing to flash with;
/// 4 refused before anything was touched.
#[derive(Debug, Parser)]
#[command(name = "drydock deploy", bin_name = "drydock deploy", version, max_term_width = 110)]
pub struct Args {
    /// The firmware: an .elf, .bin or .uf2, or the folder that `drydock firmware build` has left.
    #[arg(long, value_name = "FILE")]
    pub firmware: Option<PathBuf>,
    /// Where a .bin goes that no firmware.json speaks of, for instance 0x08008000.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub at: Option<u64>,
    /// The chip, for instance STM32F407VG (default: what the firmware was built for, else what --config gives away).
    #[arg(long, value_name = "NAME")]
    pub chip: Option<String>,
    /// How the firmware gets to the board.
    #[arg(long, value_enum, default_value_t = Route::Probe)]
    pub route: Route,
    /// Which probe, where there are several: VID:PID or VID:PID:SERIAL.
    #[arg(long, value_name = "SELECTOR")]
    pub probe: Option<String>,
    /// The board, for the SD card route: the name of its file and its bootloader's room. `list` lists them.
    #[arg(long, value_name = "NAME")]
    pub board: Option<String>,
    /// Where the SD card, or the RP2040's drive, is mounted.
    #[arg(long, value_name = "DIR", visible_alias = "sd-mount")]
    pub mount: Option<PathBuf>,
    /// The board's serial port: for the serial route, and to ask the firmware for its version afterwards.
    #[arg(long, value_name = "PORT")]
    pub serial: Option<String>,
    /// The tuned printer.cfg.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The printer.cfg whose place it takes; the old one is kept beside it.
    #[arg(long, value_name = "FILE", requires = "config")]
    pub install_config: Option<PathBuf>,
    /// Flash firmware that has passed no run here.
    #[arg(long)]
    pub untested: bool,
    /// Where `drydock test` and `drydock run` note what passed (default: tested.jsonl in the user's data folder).
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Flash nothing: ask the board at --serial whether it runs this firmware.
    #[arg(long, requires = "serial", requires = "firmware", conflicts_with = "dry_run")]
    pub check: bool,
    /// Print every step and touch nothing; needs neither a probe nor an image.
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// No progress bars.
    #[arg(long, short)]
    pub quiet: bool,
}

fn address(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(&hex.replace('_', ""), 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "give an address such as 0x08008000".to_string())
}

/// Where `drydock firmware build` leaves what it builds.
const BUILD_FOLDER: &str = "out/firmware";
/// The chips of its board `stm32f4`.
const STM32F4: [&str; 4] = ["stm32f401", "stm32f405", "stm32f407", "stm32f446"];

pub struct Job {
    pub route: Route,
    pub chip: Chip,
    pub image: Option<Image>,
    pub board: Option<&'static Board>,
    pub mount: Option<PathBuf>,
    pub serial: Option<String>,
    pub install: Option<Install>,
    pub untested: bool,
    pub ledger: Option<PathBuf>,
    /// Runs that this firmware has passed.
    pub passed: Vec<Passed>,
}

impl Job {
    pub fn gather(args: &Args) -> Result<Job, Stop> {
        let registry = Registry::from_builtin_families();
        let image = args.firmware.as_deref().map(|path| Image::load(path, args.at)).transpose()?;
        let chip = name_chip(&registry, args, image.as_ref())?;
        let board = args.board.as_deref().map(|name| {
            boards::find(name)
                .ok_or_else(|| Stop::usage(format!("no board {name}"), format!("there are {}", boards::names())))
        });
        let install = match (&args.config, &args.install_config) {
            (Some(tuned), Some(place)) => Some(Install { tuned: tuned.clone(), place: place.clone() }),
            _ => None,
        };
        let ledger = args.ledger.clone().or_else(ledger::default_path);
        let hash = image.as_ref().and_then(|i| i.identity.hash.clone());
        let mut passed = match &ledger {
            Some(path) => ledger::read(path).map_err(|e| Stop::usage(io(path, &e), "give another --ledger"))?,
            None => Vec::new(),
        };
        passed.retain(|run| Some(&run.source_hash) == hash.as_ref());
        Ok(Job {
            route: args.route,
            chip,
            image,
            board: board.transpose()?,
            mount: args.mount.clone(),
            serial: args.serial.clone(),
            install,
            untested: args.untested,
            ledger,
            passed,
        })
    }

    /// Everything that stands against it as far as can be told without touching anything.
    pub fn refusals(&self) -> Vec<Stop> {
        let mut all = Vec::new();
        match &self.image {
            None => {
                all.push(Stop::usage("no firmware given", format!("{}, then give it with --firmware", self.build())))
            }
            Some(image) => {
                all.extend(self.wrong_chip(image));
                all.extend(self.outside_flash(image));
                all.extend(self.wrong_for_route(image));
                all.extend(self.not_tested(image));
            }
        }
        match self.route {
            Route::Sdcard if self.board.is_none() => all.push(Stop::usage(
                "the SD card route needs to know the board",
                format!("give --board with one of {}", boards::names()),
            )),
            Route::Sdcard => all.extend(match &self.mount {
                Some(mount) => sdcard::check(mount).err(),
                None => {
                    Some(Stop::new(Kind::NoDevice, "no card given", "give the folder where it is mounted with --mount"))
                }
            }),
            Route::Uf2 => all.extend(uf2::drive(self.mount.as_deref()).err()),
            Route::Probe | Route::Dfu | Route::Serial => {}
        }
        all.extend(self.install.as_ref().and_then(|install| install.check().err()));
        all
    }

    /// What builds firmware for the chip.
    pub fn build(&self) -> String {
        match self.build_command() {
            Some(command) => format!("`{command}` builds it"),
            None => format!("Drydock has no firmware for {} yet", self.chip.shown()),
        }
    }

    fn build_command(&self) -> Option<String> {
        let chip = self.chip.name().to_lowercase();
        let offset = self.board.map(|board| format!(" --offset {}k", board.offset >> 10)).unwrap_or_default();
        if chip.starts_with("rp2040") {
            return Some("drydock firmware build --board rp2040".into());
        }
        let family = STM32F4.iter().find(|family| chip.starts_with(*family))?;
        Some(format!("drydock firmware build --board stm32f4 --chip {family}{offset}"))
    }

    /// The commands from the sources to the board, for who starts from nothing.
    pub fn recipe(&self) -> Vec<String> {
        let route = match self.route {
            Route::Probe => String::new(),
            other => {
                format!(" --route {}", other.to_possible_value().map(|v| v.get_name().to_string()).unwrap_or_default())
            }
        };
        let board = self.board.map(|board| format!(" --board {}", board.name)).unwrap_or_default();
        let Some(build) = self.build_command() else { return vec![self.build()] };
        let deploy = format!("{BUILD_FOLDER}{route}{board}");
        [
            ("drydock test".into(), "this firmware passes in the twin, and that is noted"),
            (build, "the image"),
            (format!("drydock deploy --dry-run --firmware {deploy}"), "these steps with that image"),
            (format!("drydock deploy --firmware {deploy}"), "and for good"),
        ]
        .map(|(command, why)| format!("{command:64} # {why}"))
        .to_vec()
    }

    /// Bytes that the image leaves to a bootloader.
    pub fn offset(&self, image: &Image) -> u64 {
        image.address.saturating_sub(self.chip.flash().start)
    }

    fn wrong_chip(&self, image: &Image) -> Option<Stop> {
        if let Some(emulator) = image.built.as_ref().and_then(|built| built.emulator.as_ref()) {
            let what = format!("the image was built for the emulator {emulator}: no chip runs it");
            return Some(Stop::refused(what, "build it without --qemu"));
        }
        let mcu = image.identity.mcu.as_deref()?;
        (!self.chip.runs(mcu)).then(|| {
            Stop::refused(
                format!("the image was built for {mcu}, not for {}", self.chip.shown()),
                format!("leave --chip out, or build for this chip: {}", self.build()),
            )
        })
    }

    fn outside_flash(&self, image: &Image) -> Option<Stop> {
        let (flash, range) = (self.chip.flash(), image.range());
        if !flash.contains(&range.start) {
            return Some(Stop::refused(
                format!(
                    "the image begins at {:#010x}, outside the flash of {} ({:#010x} to {:#010x})",
                    range.start,
                    self.chip.shown(),
                    flash.start,
                    flash.end
                ),
                "it was linked for another chip; build it again",
            ));
        }
        (range.end > flash.end).then(|| {
            Stop::refused(
                format!(
                    "the image is too big: it ends {} bytes behind the {} KiB of flash of {}",
                    range.end - flash.end,
                    (flash.end - flash.start) >> 10,
                    self.chip.shown()
                ),
                "build it for this chip, or give the chip that is on the board",
            )
        })
    }

    fn wrong_for_route(&self, image: &Image) -> Option<Stop> {
        let kib = |bytes: u64| bytes >> 10;
        let offset = self.offset(image);
        match (self.route, self.board) {
            (Route::Sdcard, Some(board)) if offset != board.offset => Some(Stop::refused(
                format!(
                    "the image is linked for an offset of {} KiB, the bootloader of {} expects {} KiB",
                    kib(offset),
                    board.title,
                    kib(board.offset)
                ),
                format!("build it with --offset {}k", kib(board.offset)),
            )),
            (Route::Sdcard, Some(board)) => {
                let fits = board.chips.iter().any(|mcu| self.chip.runs(mcu));
                (!fits).then(|| {
                    Stop::refused(
                        format!("{} has no {} but {}", board.title, self.chip.shown(), board.chips.join(" or ")),
                        "give the board that it is for",
                    )
                })
            }
            (Route::Uf2, _) if !self.chip.name().starts_with("RP2040") => Some(Stop::refused(
                format!("{} has no boot ROM that takes UF2", self.chip.shown()),
                "take another --route; probe, dfu, serial and sdcard are for the STM32",
            )),
            (Route::Uf2, _) if offset != 0 => Some(Stop::refused(
                format!("the image is linked for an offset of {} KiB, the RP2040's boot ROM starts at 0", kib(offset)),
                "build it without --offset",
            )),
            (Route::Dfu, _) if !self.chip.name().starts_with("STM32") => {
                Some(Stop::refused(format!("{} has no DFU boot ROM of ST's", self.chip.shown()), "take --route uf2"))
            }
            _ => None,
        }
    }

    fn not_tested(&self, image: &Image) -> Option<Stop> {
        if self.untested || !self.passed.is_empty() {
            return None;
        }
        let what = match (&image.identity.hash, &image.identity.version) {
            (Some(hash), _) => format!("firmware {hash} has passed no run here"),
            (None, Some(version)) => format!("firmware {version} carries no hash of Drydock's sources"),
            (None, None) => "the image carries no data dictionary: it is no firmware of Klipper's kind".into(),
        };
        Some(Stop::refused(what, "run `drydock test` with the drydock it was built from, or say --untested"))
    }

    /// Does it. Whatever a route does not do itself is told as a thing to do.
    pub fn run(&self, device: &Device, time: &DateTime) -> Result<Done, Stop> {
        if let Some(stop) = self.refusals().into_iter().next() {
            return Err(stop);
        }
        let Some(image) = &self.image else { return Err(Stop::usage("no firmware given", self.build())) };
        let mut done = match self.route {
            Route::Probe => {
                let item = probe::choose(device.lister, device.selector)?;
                probe::flash(device.lister, &item, &self.chip, image, device.progress)?
            }
            Route::Sdcard => match (self.board, &self.mount) {
                (Some(board), Some(mount)) => sdcard::write(&sdcard::target(board, Some(image), mount), image)?,
                _ => return Err(Stop::usage("no board or no card given", "give --board and --mount")),
            },
            Route::Uf2 => uf2::write(&uf2::drive(self.mount.as_deref())?, image)?,
            Route::Dfu | Route::Serial => self.named(image)?,
        };
        if let (Some(port), Route::Probe | Route::Uf2) = (&self.serial, self.route) {
            let state = if self.route == Route::Probe { BoardState::Running } else { BoardState::NotVerified };
            done.push(running::check(port, image, Some(state))?);
        }
        if let Some(install) = &self.install {
            done.extend(install.run(time)?);
        }
        Ok(done)
    }

    /// Routes whose last step is somebody else's program: the file for it is written, the command is told.
    fn named(&self, image: &Image) -> Result<Done, Stop> {
        let file = bin_path(image);
        std::fs::write(&file, &image.bytes)
            .map_err(|e| Stop::new(Kind::Failed, io(&file, &e), "the image's folder must be writable"))?;
        let mut done = vec![format!("wrote {} ({} bytes)", file.display(), image.bytes.len())];
        done.extend(self.commands(&file, image.address));
        Ok(done)
    }

    pub fn commands(&self, file: &Path, address: u64) -> Vec<String> {
        match self.route {
            Route::Dfu => dfu::steps(file, address),
            Route::Serial => {
                serial::steps(file, address, self.chip.name().starts_with("STM32"), self.serial.as_deref())
            }
            _ => Vec::new(),
        }
    }
}

/// What a run works with beside the job itself.
pub struct Device<'a> {
    pub lister: &'a Lister,
    pub selector: Option<&'a str>,
    pub progress: &'a Progress,
}

/// The plain binary for programs that want one, beside the image.
pub fn bin_path(image: &Image) -> PathBuf {
    image.path.with_extension("deploy.bin")
}

fn name_chip(registry: &Registry, args: &Args, image: Option<&Image>) -> Result<Chip, Stop> {
    if let Some(name) = &args.chip {
        return Chip::by_name(registry, name, "--chip");
    }
    if let Some(mcu) = image.and_then(|i| i.identity.mcu.as_deref()) {
        let unknown = || Stop::usage(format!("probe-rs knows no chip {mcu}, which the image is for"), "give --chip");
        return Chip::of_family(registry, mcu, "the image").ok_or_else(unknown);
    }
    if let Some(name) = image.and_then(|i| i.built.as_ref()).map(|b| &b.chip).filter(|name| !name.is_empty()) {
        return Chip::of_family(registry, name, "firmware.json")
            .ok_or_else(|| Stop::usage(format!("probe-rs knows no chip {name} of firmware.json"), "give --chip"));
    }
    if let Some(path) = &args.config {
        let text = std::fs::read_to_string(path).map_err(|e| Stop::usage(io(path, &e), "give the printer.cfg"))?;
        if let Some((family, line)) = family_in(&text) {
            let source = format!("{}:{line}", path.display());
            if let Some(chip) = Chip::of_family(registry, &family, &source) {
                return Ok(chip);
            }
        }
    }
    Err(Stop::usage(
        "nothing names the chip",
        "give --chip, or --firmware, or a --config whose serial path names it; likely are STM32F407VG, STM32F405RG, \
         STM32F446ZE, STM32F446RE, STM32F401RC, RP2040",
    ))
}
