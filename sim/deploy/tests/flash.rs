//! The probe route from end to end on a simulated probe, and each way in which it can go wrong. What it says then is in
//! `snapshots/`; `cargo insta review`, or INSTA_UPDATE=always, takes over what it says now.

mod sim;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use drydock_deploy::chip::Chip;
use drydock_deploy::image::{Identity, Image};
use drydock_deploy::progress::Progress;
use drydock_deploy::route::{Done, probe};
use drydock_deploy::stop::{Kind, Stop};
use probe_rs::config::Registry;
use probe_rs::probe::list::Lister;

use sim::chip::{Pull, SimChip};
use sim::{Plugged, Shared, lock};

const BASE: u64 = 0x0800_0000;
const F407: u32 = 0x1007_6413;

fn chip() -> Shared {
    Arc::new(Mutex::new(SimChip::new("STM32F407VG", F407)))
}

/// Noise of that length; the sizes that matter are those that end within a page and within a sector.
fn image(offset: u64, length: usize) -> Image {
    let bytes = (0..length).map(|i| (i * i + i / 251) as u8).collect();
    Image {
        path: PathBuf::from("firmware.elf"),
        address: BASE + offset,
        bytes,
        identity: Identity::default(),
        built: None,
    }
}

fn deploy(plugged: Plugged, selector: Option<&str>, image: &Image) -> Result<Done, Stop> {
    deploy_to("STM32F407VG", plugged, selector, image)
}

fn deploy_to(chip: &str, plugged: Plugged, selector: Option<&str>, image: &Image) -> Result<Done, Stop> {
    let lister = Lister::with_lister(Box::new(plugged));
    let item = probe::choose(&lister, selector)?;
    let chip = Chip::by_name(&Registry::from_builtin_families(), chip, "--chip")?;
    probe::flash(&lister, &item, &chip, image, &Progress::new(true))
}

/// Refused: its flash is not touched, it has not been reset, and the firmware on it goes on looking after the heaters.
fn is_as_it_was(chip: &Shared) -> bool {
    let chip = lock(chip);
    chip.erased.is_empty() && chip.programmed.is_empty() && chip.started == 0 && chip.runs()
}

/// What is said of a deployment that must not succeed.
fn failure(plugged: Plugged, selector: Option<&str>, image: &Image) -> String {
    let stop = deploy(plugged, selector, image).expect_err("it must not succeed");
    format!("exit {}\nerror: {stop}", stop.kind as u8)
}

#[test]
fn what_is_flashed_is_the_image_and_nothing_else_is_touched() {
    for (offset, length) in [(0, 1), (0, 16 * 1024), (0x8000, 40_001), (0, 200_003)] {
        let (chip, image) = (chip(), image(offset, length));
        let before = lock(&chip).flash.clone();
        let done = deploy(Plugged::one(&chip), None, &image).unwrap();
        let after = lock(&chip);
        let (from, to) = (offset as usize, offset as usize + length);
        assert_eq!(after.flash[from..to], image.bytes[..], "offset {offset}, {length} bytes");
        assert_eq!(after.flash[..from], before[..from], "a bootloader below the image stays");
        let registry = Registry::from_builtin_families();
        let sectors = Chip::by_name(&registry, "STM32F407VG", "").unwrap().sectors(&image.range());
        let planned: Vec<u32> = sectors.iter().map(|s| s.address as u32).collect();
        assert_eq!(after.erased, planned, "the plan names the sectors that are erased");
        let end = sectors.last().map(|s| s.address + s.size - BASE).unwrap() as usize;
        assert_eq!(after.flash[end..], before[end..], "what lies behind the last sector stays");
        assert!(after.started == 1 && after.runs(), "the firmware was started once, at the end, and runs");
        assert_eq!(done.len(), 4, "{done:?}");
    }
}

#[test]
fn an_rp2040_behind_its_three_debug_ports_is_flashed_too() {
    let chip = Arc::new(Mutex::new(SimChip::new("RP2040", 0)));
    let image = Image { address: 0x1000_0000, ..image(0, 70_000) };
    let done = deploy_to("RP2040", Plugged::one(&chip), None, &image).unwrap();
    let after = lock(&chip);
    assert_eq!(after.flash[..70_000], image.bytes[..]);
    assert_eq!((after.erased.len(), after.started), (18, 1), "sectors of 4 KiB; started once");
    insta::assert_snapshot!("rp2040_all_is_well", done.join("\n"));
}

#[test]
fn another_chip_where_an_rp2040_should_be_is_refused_untouched() {
    let chip = chip();
    lock(&chip).silent = true;
    let image = Image { address: 0x1000_0000, ..image(0, 100) };
    insta::assert_snapshot!(deploy_to("RP2040", Plugged::one(&chip), None, &image).unwrap_err().to_string());
}

#[test]
fn what_it_says_when_all_is_well() {
    insta::assert_snapshot!(deploy(Plugged::one(&chip()), None, &image(0x8000, 40_001)).unwrap().join("\n"));
}

#[test]
fn no_probe_is_one_line_and_its_own_exit_code() {
    let said = failure(Plugged::default(), None, &image(0, 100));
    assert_eq!(said.lines().count(), 2, "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn several_probes_are_listed_and_one_can_be_chosen() {
    let (one, two) = (chip(), chip());
    let both = || Plugged { probes: vec![("A1".into(), one.clone()), ("B2".into(), two.clone())], forbidden: false };
    insta::assert_snapshot!(failure(both(), None, &image(0, 100)));
    insta::assert_snapshot!("no_such_probe", failure(both(), Some("0483:374b:C3"), &image(0, 100)));
    insta::assert_snapshot!("no_selector", failure(both(), Some("B2"), &image(0, 100)));
    deploy(both(), Some("0483:374b:B2"), &image(0, 100)).unwrap();
    assert_eq!((lock(&one).programmed.len(), lock(&two).programmed.len()), (0, 1));
}

#[test]
fn a_probe_that_may_not_be_opened_says_so() {
    insta::assert_snapshot!(failure(Plugged { forbidden: true, ..Plugged::one(&chip()) }, None, &image(0, 100)));
}

#[test]
fn another_chip_is_refused_untouched() {
    let chip = Arc::new(Mutex::new(SimChip::new("STM32F407VG", 0x1000_6421)));
    insta::assert_snapshot!(failure(Plugged::one(&chip), None, &image(0, 100)));
    assert!(is_as_it_was(&chip));
}

#[test]
fn a_locked_chip_is_refused_untouched() {
    for (rdp, name) in [(0x55, "locked_level_1"), (0xcc, "locked_level_2")] {
        let chip = chip();
        lock(&chip).protect(rdp);
        insta::assert_snapshot!(name, failure(Plugged::one(&chip), None, &image(0, 100)));
        assert!(is_as_it_was(&chip));
    }
}

#[test]
fn an_image_that_nothing_would_start_is_refused() {
    let chip = chip();
    lock(&chip).flash[..16 * 1024].fill(0xff);
    insta::assert_snapshot!(failure(Plugged::one(&chip), None, &image(0x8000, 100)));
    assert!(is_as_it_was(&chip));
}

#[test]
fn a_chip_that_does_not_answer_says_what_to_look_at() {
    let chip = chip();
    lock(&chip).silent = true;
    insta::assert_snapshot!(failure(Plugged::one(&chip), None, &image(0, 100)));
}

#[test]
fn a_pulled_plug_tells_what_is_left_in_flash() {
    let moments = [
        (Pull::Erase(0), "pulled_at_erase"),
        (Pull::Program(3), "pulled_at_program"),
        (Pull::ReadBack, "pulled_at_read_back"),
    ];
    for (pull, name) in moments {
        let chip = chip();
        lock(&chip).pull = Some(pull);
        insta::assert_snapshot!(name, failure(Plugged::one(&chip), None, &image(0, 20_000)));
        assert_eq!(lock(&chip).started, 0);
    }
}

#[test]
fn after_a_pulled_plug_a_second_run_succeeds() {
    let (chip, image) = (chip(), image(0, 20_000));
    lock(&chip).pull = Some(Pull::Program(3));
    deploy(Plugged::one(&chip), None, &image).unwrap_err();
    lock(&chip).pull = None;
    lock(&chip).plugged = true;
    deploy(Plugged::one(&chip), None, &image).unwrap();
    assert_eq!(lock(&chip).flash[..20_000], image.bytes[..]);
}

#[test]
fn one_bit_that_does_not_hold_is_found() {
    let chip = chip();
    lock(&chip).worn = Some(0x0800_0123);
    insta::assert_snapshot!(failure(Plugged::one(&chip), None, &image(0, 20_000)));
    assert_eq!(lock(&chip).started, 0, "firmware that differs is not started");
}

#[test]
fn flash_that_does_not_take_the_program_tells_what_is_left() {
    let chip = chip();
    lock(&chip).refuses = Some(1);
    insta::assert_snapshot!(failure(Plugged::one(&chip), None, &image(0, 100)));
}

#[test]
fn only_kinds_before_the_first_erase_say_untouched() {
    let stop = deploy(Plugged::default(), None, &image(0, 1)).unwrap_err();
    assert_eq!((stop.kind, stop.board), (Kind::NoDevice, None));
}
