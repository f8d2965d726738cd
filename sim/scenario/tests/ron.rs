//! Scenario files: good ones with damage are read without panic, and what is refused is refused with its place.

use std::path::Path;

use drydock_scenario::model::Scenario;
use proptest::prelude::*;

const GOOD: &str = r#"(
    title: "all that a scenario can have",
    config: "printer.cfg",
    machine: (start_mm: (0, 0, 5), ambient_c: 30, torque_share: [("stepper_x", 0.5)], flat_bed: true),
    seed: 7,
    story: [Gcode(["G28", "G1 X10"]), Print("part.gcode"), Wait(2.5)],
    faults: [(at_s: 10.5, fault: AxisStalled(motor: 0)), (at_s: 12, fault: KnockPart(impulse_n_s: (0, 1, 0)))],
    line: (corrupt_per_byte: 0.01, latency_us: 20.0),
    clocks: [(mcu: "mcu", drift_ppm: -80, offset_ticks: 4200000000)],
    expect: [Never(Shutdown("late")), Within(60, Console("ok")), AlwaysAfter(1, Near(NozzleX, 20.0, 0.05))],
    end_s: 90,
)
"#;

fn read(text: &str) -> Result<Scenario, String> {
    Scenario::parse(Path::new("scenario.ron"), text).map_err(|e| e.to_string())
}

#[test]
fn a_good_scenario_is_read() {
    read(GOOD).unwrap();
}

#[test]
fn numbers_out_of_range_are_refused_where_they_stand() {
    for (good, bad, place) in [
        ("end_s: 90", "end_s: 0", "11:12: must be above 0, not 0"),
        ("at_s: 10.5", "at_s: inf", "7:21: must be 0 or more, not inf"),
        ("drift_ppm: -80", "drift_ppm: 1e7", "9:38: must be a drift from -100000 to 100000 ppm, not 10000000"),
        ("Wait(2.5)", "Wait(-0.5)", "6:65: must be 0 or more, not -0.5"),
        ("corrupt_per_byte: 0.01", "corrupt_per_byte: NaN", "8:30: must be a chance from 0 to 1, not NaN"),
    ] {
        let error = read(&GOOD.replace(good, bad)).unwrap_err();
        assert!(error.starts_with(&format!("scenario.ron:{place}, in `")), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_scenario_is_refused_with_its_place(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..20, "[-()\\[\\]:,\"a-z0-9\\n\\PC]{0,4}"), 1..5)
    ) {
        let mut text: Vec<char> = GOOD.chars().collect();
        for (at, len, put) in &cuts {
            let at = at.index(text.len() + 1);
            let end = (at + len).min(text.len());
            text.splice(at..end, put.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = read(&text) {
            let mut place = error.strip_prefix("scenario.ron:").unwrap().splitn(3, ':');
            let line: usize = place.next().unwrap().parse().unwrap();
            let column: usize = place.next().unwrap().parse().unwrap();
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert!((1..=lines.len()).contains(&line), "{error}");
            prop_assert!((1..=lines[line - 1].chars().count() + 1).contains(&column), "{error}");
        }
    }
}
