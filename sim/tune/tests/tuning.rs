//! The tuners on the bundled printers, with plants whose answer is known.

use std::path::{Path, PathBuf};

use drydock_plant::frame::Mode;
use drydock_tune::session::Session;
use drydock_tune::{Change, Printer, Work, advance, flow, motion, pid, report, shaper};

fn printer(name: &str) -> Printer {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/printers").join(name).join("printer.cfg");
    Printer::load(&path, None, 1).unwrap()
}

/// Planted time constants come back within 5 %, whatever the nozzle, the smoothing, the gear and the kinematics.
#[test]
fn planted_pressure_time_constants_are_recovered() {
    let cases = [
        ("corexy-250", 5.0, 0.6, 0.1),
        ("corexy-250", 71.0, 0.25, 0.02),
        ("ender3-220", 6.0, 0.5, 0.06),
        ("ender3-220", 80.0, 0.8, 0.03),
        ("delta-180", 5.0, 0.8, 0.02),
        ("delta-180", 14.0, 0.6, 0.05),
    ];
    for (name, ms, nozzle_mm, smooth_s) in cases {
        let mut printer = with_nozzle(name, nozzle_mm, smooth_s);
        let extruder = &mut printer.machine.extruders[0];
        (extruder.power_index, extruder.thinning_per_k) = (1.0, 0.0);
        extruder.stiffness_n_mm = extruder.force_n / (extruder.reference_mm_s * ms * 1e-3);
        let answer = advance::tune(&printer, &advance::Options::default(), &Work::quiet(2)).unwrap().unwrap();
        let off = answer.advance_s * 1e3 / ms - 1.0;
        println!("ladder: {name}, {nozzle_mm} mm: {ms} ms planted, {:.2} found", answer.advance_s * 1e3);
        assert!(off.abs() < 0.05, "{name}: {ms} ms planted, {} found", answer.advance_s * 1e3);
        assert!(answer.power_index > 0.9, "{}", answer.power_index);
    }
}

/// A hot end that delivers little is asked for little.
#[test]
fn lines_stay_below_what_the_hot_end_delivers() {
    let mut printer = with_nozzle("corexy-250", 0.4, 0.04);
    printer.machine.extruders[0].melt_capacity_mm3_s = 12.0;
    let answer = advance::tune(&printer, &advance::Options::default(), &Work::quiet(2)).unwrap().unwrap();
    let limit = answer.flow_limit_mm3_s.unwrap();
    assert!(answer.by_flow.iter().all(|(flow, _)| *flow <= 0.51 * limit), "{:?} of {limit}", answer.by_flow);
}

fn with_nozzle(name: &str, nozzle_mm: f64, smooth_s: f64) -> Printer {
    let config = std::fs::read_to_string(config_of(name)).unwrap().replace("[include", "#[include");
    let own = format!("\n[extruder]\nnozzle_diameter: {nozzle_mm}\npressure_advance_smooth_time: {smooth_s}\n");
    Printer::of_text(&(config + &own), None, 1).unwrap()
}

/// On a machine that moves its bed, what Y shakes is the bed: its one chip sits there for the test of Y.
#[test]
fn the_bed_of_a_bed_slinger_is_measured_on_the_bed() {
    let config = std::fs::read_to_string(config_of("ender3-220")).unwrap();
    let chip = "\n[adxl345]\ncs_pin: PG15\n[resonance_tester]\naccel_chip: adxl345\nprobe_points: 100, 100, 20\n";
    let mut printer = Printer::of_text(&(config + chip), None, 1).unwrap();
    printer.machine.modes =
        vec![Mode::along(0, 55.0, 0.06, 0.8), Mode { on_bed: true, ..Mode::along(1, 38.0, 0.06, 0.8) }];
    let peer = shaper::peer::calibrate(&printer, &Work::quiet(2)).unwrap().unwrap();
    for (axis, planted) in [(0, 55.0), (1, 38.0)] {
        let peak = peer.spectra[axis].iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        assert!((peak.0 - planted).abs() < 1.5, "{peak:?} for {planted} Hz");
    }
}

/// max_accel is the lower of what motors hold and what the shaper is good for, and it goes into the one block.
#[test]
fn max_accel_and_flow_are_in_the_session() {
    let printer = printer("ender3-220");
    let motion = motion::tune(&printer, None, Some(2345.0), &Work::quiet(2)).unwrap();
    let flow = flow::tune(&printer, 210.0, 4.0, &Work::quiet(2)).unwrap();
    let session = Session { motion, flow, ..Session::default() };
    let answer = session.motion.as_ref().unwrap();
    let motors = answer.limit.recommended.unwrap();
    assert_eq!(answer.max_accel_mm_s2(), Some(if motors < 2300.0 { motors } else { 2300.0 }), "{answer:?}");
    let block = session.block(&printer).unwrap();
    assert!(block.contains("#*# [printer]") && block.contains("#*# max_accel = "), "{block}");
    let json = session.to_json(&printer, "drydock tune all");
    assert!(
        json["max_accel"]["motors"][0]["predicted_onset"].is_number() && json["flow"]["trials"].is_array(),
        "{json}"
    );
    let page = report::html(&session, &block, "Tuning", "drydock tune all");
    assert!(page.contains("Torque, and what the twin lost") && page.contains("Force on the filament"));
    let alone =
        report::limits(std::slice::from_ref(&answer.limit), 0.2, "[printer]", "Motors", "drydock tune max-accel");
    assert!(alone.contains("Torque, and what the twin lost") && alone.contains("drydock tune max-accel"));
    let alone = report::flow(session.flow.as_ref().unwrap(), "Flow", "drydock tune flow");
    assert!(alone.contains("Force on the filament") && alone.contains("drydock tune flow"));
}

/// Where an included file has its own value SAVE_CONFIG refuses; what was found is told all the same.
#[test]
fn a_block_that_cannot_be_saved_is_told_as_lines() {
    let printer = printer("corexy-250-toolboard");
    let changes = [Change::new("printer", "max_accel", "4321".into())];
    assert!(printer.save_config(&changes).is_err());
    assert_eq!(printer.with(&changes).unwrap().number("printer", "max_accel"), Some(4321.0));
}

fn config_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/printers").join(name).join("printer.cfg")
}

/// Gains tuned on one plant hold on others, of seeds that the tuner does not use.
#[test]
fn tuned_gains_settle_on_plants_up_to_20_percent_off() {
    let printer = printer("corexy-250");
    let options = pid::Options::of("extruder");
    let answer = pid::tune(&printer, &options, &Work::quiet(2)).unwrap().unwrap();
    let seen = pid::judge(&printer, &options, &answer.choice, 70_001..=70_006, &Work::quiet(2)).unwrap();
    assert!(seen.len() == 6 && seen.iter().all(pid::Manners::is_good), "{seen:?}");
    assert!(answer.hold.is_some_and(|h| h.holds()), "{:?}", answer.hold);
}

/// What printer.cfg has is printed like every candidate, the modes where they are, lower and higher: only so can it be
/// told whether tuning makes the print better.
#[test]
fn what_the_printer_has_is_judged_like_any_candidate() {
    let before = printer("corexy-250");
    let peer = shaper::peer::calibrate(&before, &Work::quiet(2)).unwrap().unwrap();
    let tune = |printer: &Printer| {
        shaper::with_peer(printer, &shaper::Options::default(), &peer, &Work::quiet(2)).unwrap().unwrap()
    };
    let first = tune(&before);
    assert!(first.ranked.iter().any(|r| r.pair == first.before.pair && r.verified == first.before.verified));
    let (was, is) = (first.before.verified.unwrap(), first.choice.verified.unwrap());
    assert_eq!(was.rms_um < is.rms_um, first.explanation().contains("may well stay"), "{}", first.explanation());

    let again = tune(&before.with(&first.changes()).unwrap());
    assert_eq!((&again.before.pair, again.before.verified), (&first.choice.pair, first.choice.verified));
    assert!(again.explanation().contains("printer.cfg has it already"), "{}", again.explanation());
}

/// The choice allows the peer's acceleration, the block keeps it, the page shows it, and workers change nothing.
#[test]
fn a_session_says_in_block_json_and_page_what_it_found() {
    let printer = printer("corexy-250");
    let tune = |workers| {
        let shaper = shaper::tune(&printer, &shaper::Options::default(), &Work::quiet(workers)).unwrap();
        Session { shaper, ..Session::default() }
    };
    let session = tune(2);
    let answer = session.shaper.as_ref().unwrap();
    for axis in 0..2 {
        assert!(answer.choice.max_accel_mm_s2[axis] >= answer.peer.max_accel_mm_s2[axis], "{answer:?}");
    }
    let block = session.block(&printer).unwrap();
    let json = session.to_json(&printer, "drydock tune shaper");
    let page = report::html(&session, &block, "Tuning", "drydock tune shaper");
    let kind = &answer.choice.pair[0].kind;
    assert!(block.contains(&format!("#*# shaper_type_x = {kind}")), "{block}");
    assert_eq!(json["shaper"]["tuned"]["x"]["shaper_type"], kind.as_str());
    assert_eq!(json["fingerprint"], session.fingerprint());
    for part in
        ["For printer.cfg", "drydock tune shaper", "spectrum, and what the shaper leaves", "What is to be had for what"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains(&session.fingerprint()) && page.contains("The walls at Z") && page.contains("Torque margin"));
    assert!(!page.contains("http://") && !page.contains("https://"), "the page needs nothing but itself");
    assert_eq!(tune(1).fingerprint(), session.fingerprint());
}

#[test]
fn a_block_keeps_what_is_there_and_takes_what_is_new() {
    let config = std::fs::read_to_string(config_of("ender3-220")).unwrap();
    let printer = Printer::of_text(&config, None, 1).unwrap();
    let changes = [Change::new("extruder", "pressure_advance", "0.0410".into())];
    let tuned = printer.with(&changes).unwrap();
    assert_eq!(tuned.number("extruder", "pressure_advance"), Some(0.041));
    let again = tuned.with(&[Change::new("extruder", "pid_kp", "20.000".into())]).unwrap();
    assert_eq!(again.number("extruder", "pressure_advance"), Some(0.041));
}

#[test]
fn what_cannot_be_tuned_is_said_in_a_sentence() {
    let printer = printer("corexy-250");
    let Err(failure) = pid::tune(&printer, &pid::Options::of("heater_generic oven"), &Work::quiet(1)) else {
        panic!("there is no such heater")
    };
    assert_eq!(failure.to_string(), "printer.cfg has no section [heater_generic oven]");
    assert!(Printer::of_text("[printer]\nkinematics: corexy\n", None, 1).is_err());
}
