//! From the command line to the end of a route: what is refused, what a dry run prints, what the other routes leave on a
//! card, a drive or a disk. Texts are in `snapshots/`.

#[path = "sim/mod.rs"]
mod sim;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use clap::Parser;
use drydock_deploy::job::{Args, Device, Job};
use drydock_deploy::plan;
use drydock_deploy::progress::Progress;
use drydock_deploy::route::Done;
use drydock_deploy::stop::{Kind, Stop};
use drydock_firmware::{BoardFacts, SOURCE_HASH, VERSION};
use drydock_recording::ledger::{self, Passed};
use jiff::civil::{DateTime, date};
use probe_rs::probe::list::Lister;

use sim::chip::SimChip;
use sim::{Plugged, lock};

const TIME: DateTime = date(2026, 1, 31).at(15, 42, 10, 0);

/// A folder of one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("drydock-deploy-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    /// Where the ledger of a run that passed is.
    fn tested(&self) -> String {
        let path = self.0.join("tested.jsonl");
        let passed = |scenario: &str| Passed {
            source_hash: SOURCE_HASH.into(),
            scenario: scenario.into(),
            fingerprint: "00".into(),
            drydock: "0.1.0".into(),
        };
        ledger::append(&path, &[passed("first-print"), passed("heat-and-hold")]).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const LEAST: usize = 20_000;

/// Firmware as a board's build leaves it: code, then the dictionary, compressed.
fn firmware(mcu: &str, length: usize) -> Vec<u8> {
    let facts = BoardFacts { mcu: mcu.into(), clock_freq_hz: 168_000_000, ..BoardFacts::default() };
    let json = drydock_firmware::dictionary(&facts).to_json();
    let mut bytes: Vec<u8> = (0..5000_usize).map(|i| (i * 7 + i / 256) as u8).collect();
    bytes.extend(miniz_oxide::deflate::compress_to_vec_zlib(json.as_bytes(), 10));
    // Texts name lengths, and the dictionary's changes with every message.
    assert!(bytes.len() < LEAST);
    bytes.resize(length.max(LEAST), 0x11);
    bytes
}

/// The least ELF that loads these bytes there.
fn elf(address: u32, bytes: &[u8]) -> Vec<u8> {
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |file: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|v| file.extend(v.to_le_bytes()));
    let word = |file: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|v| file.extend(v.to_le_bytes()));
    half(&mut file, &[2, 40]);
    word(&mut file, &[1, address, 52, 0, 0]);
    half(&mut file, &[52, 32, 1, 40, 0, 0]);
    let length = bytes.len() as u32;
    word(&mut file, &[1, 84, address, address, length, length, 5, 4]);
    file.extend(bytes);
    file
}

fn job(args: &[&str]) -> Result<Job, Stop> {
    Job::gather(&Args::parse_from([&["drydock deploy"], args].concat()))
}

fn deploy(args: &[&str], plugged: Plugged) -> Result<Done, Stop> {
    let lister = Lister::with_lister(Box::new(plugged));
    let device = Device { lister: &lister, selector: None, progress: &Progress::new(true) };
    job(args)?.run(&device, &TIME)
}

/// What is refused of a job, with the folder's name taken out.
fn refused(folder: &Folder, args: &[&str]) -> String {
    let stop = deploy(args, Plugged::default()).expect_err("it must be refused");
    without(folder, &format!("exit {}\nerror: {stop}", stop.kind as u8))
}

fn without(folder: &Folder, text: &str) -> String {
    text.replace(&folder.0.display().to_string(), "FOLDER").replace(SOURCE_HASH, "0123456789ab")
}

fn program(args: &[&str], folder: &Folder) -> Output {
    Command::new(env!("CARGO_BIN_EXE_drydock-deploy")).args(args).current_dir(&folder.0).output().unwrap()
}

#[test]
fn a_dry_run_without_image_and_probe_teaches_everything() {
    let plan = |chip: &str| plan::text(&job(&["--chip", chip, "--ledger", "none.jsonl"]).unwrap(), None, &TIME);
    insta::assert_snapshot!("newcomer_stm32f407", plan("STM32F407VG"));
    insta::assert_snapshot!("newcomer_rp2040", plan("RP2040"));
    let folder = Folder::new("newcomer");
    let output = program(&["--dry-run", "--chip", "STM32F407VG"], &folder);
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(String::from_utf8(output.stdout).unwrap().contains("What would happen:"));
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0, "it leaves nothing");
}

#[test]
fn without_a_probe_the_program_says_so_in_one_line() {
    let folder = Folder::new("no-probe");
    // Whatever is plugged in where this test runs, it is not this one.
    let output = program(&["--chip", "STM32F407VG", "--probe", "dead:beef:none"], &folder);
    assert_eq!(output.status.code(), Some(Kind::NoDevice as i32));
    assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
}

#[test]
fn a_dry_run_with_an_image_names_every_step() {
    let folder = Folder::new("whole");
    let image = folder.file("firmware.elf", elf(0x0800_8000, &firmware("stm32f407xx", 60_000)));
    let ledger = folder.tested();
    let tuned = folder.file("tuned.cfg", "[printer]\n");
    let place = folder.file("printer.cfg", "[printer]\nold: 1\n");
    let args = [
        "--dry-run",
        "--firmware",
        &image,
        "--ledger",
        &ledger,
        "--config",
        &tuned,
        "--install-config",
        &place,
        "--serial",
        "/dev/ttyACM0",
    ];
    let job = job(&args).unwrap();
    insta::assert_snapshot!(without(&folder, &plan::text(&job, Some("0483:374b:A1 (Simulated probe)"), &TIME)));
    let json = plan::to_json(&job, &TIME);
    assert_eq!(json["image"]["version"], VERSION);
    assert_eq!(json["refusals"].as_array().map(Vec::len), Some(0));
    assert_eq!(json["tested"].as_array().map(Vec::len), Some(2));
}

#[test]
fn tested_firmware_goes_to_the_chip_and_the_config_to_its_place() {
    let folder = Folder::new("all");
    let bytes = firmware("stm32f407xx", 30_000);
    let image = folder.file("firmware.elf", elf(0x0800_0000, &bytes));
    let ledger = folder.tested();
    let tuned = folder.file("tuned.cfg", "[printer]\nnew: 1\n");
    let place = folder.file("printer.cfg", "[printer]\nold: 1\n");
    let chip = Arc::new(Mutex::new(SimChip::new("STM32F407VE", 0x1007_6413)));
    let args = ["--firmware", &image, "--ledger", &ledger, "--config", &tuned, "--install-config", &place];
    let done = deploy(&args, Plugged::one(&chip)).unwrap();
    assert_eq!(lock(&chip).flash[..bytes.len()], bytes[..]);
    assert!(lock(&chip).runs());
    assert_eq!(fs::read_to_string(&place).unwrap(), "[printer]\nnew: 1\n");
    insta::assert_snapshot!(without(&folder, &done.join("\n")));
}

#[test]
fn a_config_stays_where_flashing_fails() {
    let folder = Folder::new("stays");
    let image = folder.file("firmware.elf", elf(0x0800_0000, &firmware("stm32f407xx", 0)));
    let tuned = folder.file("tuned.cfg", "[printer]\nnew: 1\n");
    let place = folder.file("printer.cfg", "[printer]\nold: 1\n");
    let args = ["--firmware", &image, "--untested", "--config", &tuned, "--install-config", &place];
    let breaks: [fn(&mut SimChip); 2] = [|chip| chip.refuses = Some(1), |chip| chip.protect(0x55)];
    for break_it in breaks {
        let chip = Arc::new(Mutex::new(SimChip::new("STM32F407VE", 0x1007_6413)));
        break_it(&mut lock(&chip));
        deploy(&args, Plugged::one(&chip)).unwrap_err();
        assert_eq!(fs::read_to_string(&place).unwrap(), "[printer]\nold: 1\n");
    }
}

#[test]
fn only_tested_firmware_is_flashed_unless_it_is_said() {
    let folder = Folder::new("untested");
    let image = folder.file("firmware.elf", elf(0x0800_0000, &firmware("stm32f407xx", 0)));
    let none = folder.0.join("none.jsonl").display().to_string();
    insta::assert_snapshot!(refused(&folder, &["--firmware", &image, "--ledger", &none]));
    let foreign = folder.file("foreign.bin", [0x11; 3000]);
    let at = ["--at", "0x08000000", "--chip", "STM32F407VG"];
    let args = [&["--firmware", &foreign, "--ledger", &none], &at[..]].concat();
    insta::assert_snapshot!("foreign_firmware", refused(&folder, &args));
    let chip = Arc::new(Mutex::new(SimChip::new("STM32F407VG", 0x1007_6413)));
    deploy(&["--firmware", &image, "--ledger", &none, "--untested"], Plugged::one(&chip)).unwrap();
}

#[test]
fn an_image_that_does_not_fit_the_chip_is_refused() {
    let folder = Folder::new("misfit");
    let ledger = folder.tested();
    let file = |name: &str, at: u32, mcu: &str, length: usize| folder.file(name, elf(at, &firmware(mcu, length)));
    let big = file("big.elf", 0x0800_0000, "stm32f401xc", 300_000);
    insta::assert_snapshot!("too_big", refused(&folder, &["--firmware", &big, "--ledger", &ledger]));
    let outside = file("outside.elf", 0x1000_0000, "stm32f407xx", 0);
    insta::assert_snapshot!("outside_flash", refused(&folder, &["--firmware", &outside, "--ledger", &ledger]));
    let other = file("other.elf", 0x0800_0000, "stm32f446xx", 0);
    let args = ["--firmware", &other, "--ledger", &ledger, "--chip", "STM32F407VG"];
    insta::assert_snapshot!("other_chip", refused(&folder, &args));
}

#[test]
fn chips_are_named_or_asked_for() {
    let folder = Folder::new("chips");
    let mut said = String::new();
    for name in ["STM32F446", "STM32F407VH", "STM32F47VG", "RP2O40", "PDP11"] {
        said += &refused(&folder, &["--chip", name]);
        said.push('\n');
    }
    said += &refused(&folder, &[]);
    insta::assert_snapshot!(said);
    let config = folder.file("printer.cfg", "[mcu]\nserial: /dev/serial/by-id/usb-Klipper_stm32f446xx_1A-if00\n");
    let job = job(&["--config", &config]).unwrap();
    assert_eq!(without(&folder, &job.chip.source), "FOLDER/printer.cfg:2");
    assert!(job.chip.name().starts_with("STM32F446"));
}

#[test]
fn a_build_folder_gives_image_and_address_of_a_bin() {
    let folder = Folder::new("build");
    folder.file("firmware.bin", firmware("stm32f407xx", 0));
    let json = r#"{"board": "stm32f4", "chip": "stm32f407", "serial": "usb", "offset": 32768, "version": "any",
        "source_hash": "not trusted", "flash_base": 134250496, "files": {"bin": "firmware.bin"}, "sizes": {}}"#;
    folder.file("firmware.json", json);
    let image = job(&["--firmware", &folder.0.display().to_string()]).unwrap().image.unwrap();
    assert_eq!((image.address, image.identity.hash.as_deref()), (0x0800_8000, Some(SOURCE_HASH)));
    folder.file("firmware.json", json.replace("\"sizes\"", "\"emulator\": \"netduinoplus2\", \"sizes\""));
    let args = ["--firmware", &folder.0.display().to_string(), "--untested"];
    insta::assert_snapshot!("for_an_emulator", refused(&folder, &args));
}

#[test]
fn a_card_gets_the_file_that_its_board_wants() {
    let folder = Folder::new("card");
    let ledger = folder.tested();
    let image = folder.file("firmware.elf", elf(0x0800_8000, &firmware("stm32f446xx", 0)));
    let base = ["--route", "sdcard", "--firmware", &image, "--ledger", &ledger];
    let with = |more: &[&str]| refused(&folder, &[&base[..], more].concat());
    insta::assert_snapshot!("no_board", with(&[]));
    insta::assert_snapshot!("no_card", with(&["--board", "btt-octopus", "--mount", "/not/there"]));
    let not_mounted = with(&["--board", "btt-octopus", "--sd-mount", &folder.0.display().to_string()]);
    insta::assert_snapshot!("not_a_card", not_mounted);
    insta::assert_snapshot!("other_offset", with(&["--board", "creality-ender3-s1", "--mount", "/"]));
    insta::assert_snapshot!("other_board", with(&["--board", "btt-skr-pro", "--mount", "/"]));

    let board = drydock_deploy::boards::find("creality-ender5-s1").unwrap();
    let image = job(&base).unwrap().image.unwrap();
    let card = folder.0.join("card");
    let path = drydock_deploy::route::sdcard::target(board, Some(&image), &card);
    assert_eq!(path, card.join(format!("STM32F4_UPDATE/drydock-{SOURCE_HASH}.bin")));
    drydock_deploy::route::sdcard::write(&path, &image).unwrap();
    assert_eq!(fs::read(&path).unwrap(), image.bytes);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left over");
}

#[test]
fn the_boot_roms_drive_gets_a_uf2() {
    let folder = Folder::new("uf2");
    let ledger = folder.tested();
    let bytes = firmware("rp2040", 0);
    let image = folder.file("firmware.elf", elf(0x1000_0000, &bytes));
    let drive = folder.0.join("drive");
    fs::create_dir_all(&drive).unwrap();
    let mount = drive.display().to_string();
    let args = ["--route", "uf2", "--firmware", &image, "--ledger", &ledger, "--mount", &mount];
    insta::assert_snapshot!("no_boot_drive", refused(&folder, &args));
    folder.file("drive/INFO_UF2.TXT", "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n");
    deploy(&args, Plugged::default()).unwrap();
    let blocks = drydock_deploy::uf2::read(&fs::read(drive.join("drydock.uf2")).unwrap()).unwrap();
    let flat: Vec<u8> = blocks.into_iter().flat_map(|b| b.1).collect();
    assert_eq!(flat[..bytes.len()], bytes[..]);
    // The same file back as an image is the same firmware.
    let again = job(&["--firmware", &drive.join("drydock.uf2").display().to_string()]).unwrap().image.unwrap();
    assert_eq!((again.address, again.identity.hash.as_deref()), (0x1000_0000, Some(SOURCE_HASH)));
    let f4 = folder.file("f4.elf", elf(0x0800_0000, &firmware("stm32f407xx", 0)));
    insta::assert_snapshot!(
        "uf2_for_stm32",
        refused(&folder, &["--route", "uf2", "--firmware", &f4, "--ledger", &ledger])
    );
}

#[test]
fn routes_of_other_programs_name_the_exact_command() {
    let folder = Folder::new("named");
    let ledger = folder.tested();
    let image = folder.file("firmware.elf", elf(0x0800_8000, &firmware("stm32f407xx", 0)));
    let mut said = String::new();
    for route in ["dfu", "serial"] {
        let args = ["--route", route, "--firmware", &image, "--ledger", &ledger, "--serial", "/dev/ttyUSB0"];
        said += &format!("{route}\n{}\n", deploy(&args, Plugged::default()).unwrap().join("\n"));
    }
    insta::assert_snapshot!(without(&folder, &said));
    let bin = fs::read(Path::new(&image).with_extension("deploy.bin")).unwrap();
    assert_eq!(bin, firmware("stm32f407xx", 0));
}

#[test]
fn broken_files_are_an_error_and_no_panic() {
    let folder = Folder::new("broken");
    let mut said = String::new();
    for (name, bytes) in [
        ("empty.elf", &b""[..]),
        ("cut.elf", &elf(0x0800_0000, &[1; 100])[..150]),
        ("no.uf2", &[0; 700]),
        ("lonely.bin", &[1, 2, 3]),
        ("firmware.json", b"{\"files\": 3}"),
    ] {
        let path = folder.file(&format!("{name}.d/{name}"), bytes);
        said += &refused(&folder, &["--firmware", &path, "--chip", "STM32F407VG"]);
        said.push('\n');
    }
    insta::assert_snapshot!(said);
}
