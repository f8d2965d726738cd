//! The tuners on the bundled printers, with plants whose answer is known.

use std::path::{Path, PathBuf};

use drydock_tune::session::Session;
use drydock_tune::{Change, Printer, Work, advance, pid, report, shaper};

fn printer(name: &str) -> Printer {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/printers").join(name).join("printer.cfg");
    Printer::load(&path, None, 1).unwrap()
}

/// Planted time constants come back within 5 %, whatever the nozzle and the smoothing.
#[test]
fn planted_pressure_time_constants_are_recovered() {
    let config = std::fs::read_to_string(config_of("corexy-250")).unwrap().replace("[include", "#[include");
    for (ms, nozzle_mm, smooth_s) in [(5.0, 0.6, 0.1), (23.0, 0.4, 0.04), (71.0, 0.25, 0.02)] {
        let config =
            format!("{config}\n[extruder]\nnozzle_diameter: {nozzle_mm}\npressure_advance_smooth_time: {smooth_s}\n");
        let mut printer = Printer::of_text(&config, None, 1).unwrap();
        let extruder = &mut printer.machine.extruders[0];
        extruder.power_index = 1.0;
        extruder.stiffness_n_mm = extruder.force_n / (extruder.reference_mm_s * ms * 1e-3);
        let answer = advance::tune(&printer, &advance::Options::default(), &Work::quiet(2)).unwrap().unwrap();
        let off = answer.advance_s * 1e3 / ms - 1.0;
        assert!(off.abs() < 0.05, "{ms} ms planted, {} found", answer.advance_s * 1e3);
        assert!(answer.power_index > 0.95, "{}", answer.power_index);
    }
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
