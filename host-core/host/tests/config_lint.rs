//! One good configuration, one mistake at a time: every mistake is named, and good configurations give no finding.

use drydock_host::config::MapSource;
use drydock_host::config::lint::{Finding, check};
use proptest::prelude::*;

const VORON: &str = include_str!("config/voron.cfg");
const MACROS: &str = include_str!("config/voron-macros.cfg");
const ENDER3: &str = include_str!("config/ender3.cfg");
const DELTA: &str = include_str!("config/delta.cfg");

const PROGRAM: &str = "; a small print\nM104 S0\nSTART_PRINT BED=60 EXTRUDER=210\nG90\nM83\nG1 X100 Y100 Z0.2 F6000\n\
    G1 X150 Y100 E2.5 F1800\nG1 E-0.5\nG1 X150 Y150 Z0.4\nM117 half\nG2 X160 Y160 I5 J5 E0.5\nEND_PRINT\n";

fn findings(config: &str, macros: &str, program: Option<&str>) -> Vec<Finding> {
    let source = MapSource::new([("printer.cfg", config), ("voron/macros.cfg", macros)]);
    let found = match program {
        Some(text) => check(&source, "printer.cfg", Some(&mut text.lines())),
        None => check(&source, "printer.cfg", None),
    };
    // What this host has not built is no mistake of the configuration's.
    found.into_iter().filter(|f| f.code != "section-unsupported").collect()
}

#[test]
fn sections_that_are_not_built_are_named() {
    let source =
        MapSource::new([("printer.cfg", "[mcu]\nserial: x\n[printer]\nkinematics: none\n[palette2]\n[respond]\n")]);
    let found = check(&source, "printer.cfg", None);
    assert_eq!(found.len(), 1, "{}", shown(&found));
    assert_eq!((found[0].line, found[0].message.as_str()), (5, "Section 'palette2' is not supported yet"));
}

#[test]
fn buttons_of_one_analog_input_have_ranges_and_share_its_pin() {
    let keypad = "\n[display]\nlcd_type: hd44780\nrs_pin: PI1\ne_pin: PI2\nd4_pin: PI3\nd5_pin: PI4\nd6_pin: PI5\nd7_pin: PI6\n\
                  up_pin: PI7\nanalog_range_up_pin: 9000, 13000\ndown_pin: PI7\nanalog_range_down_pin: 800, 1300\n";
    let found = findings(&format!("{keypad}{VORON}"), MACROS, None);
    assert!(found.is_empty(), "{}", shown(&found));
}

#[test]
fn a_base_file_may_be_overridden_and_g91_makes_the_extruder_relative() {
    let source =
        MapSource::new([("printer.cfg", "[include base.cfg]\n[extruder]\nmax_temp: 280\n"), ("base.cfg", VORON)]);
    let found = check(&source, "printer.cfg", None);
    assert!(!found.iter().any(|f| f.code == "option-duplicate"), "{}", shown(&found));
    let program =
        PROGRAM.replace("M83", "M82\nG92 E500").replace("G1 E-0.5", "G91\nG1 E-3\nG90").replace("E2.5", "E502.5");
    let found = findings(VORON, MACROS, Some(&program.replace("E0.5", "")));
    assert!(found.is_empty(), "{}", shown(&found));
}

fn shown(findings: &[Finding]) -> String {
    let line = |f: &Finding| format!("{:?} {} {}:{}: {} ({})\n", f.severity, f.code, f.file, f.line, f.message, f.help);
    findings.iter().map(line).collect()
}

#[test]
fn good_configurations_and_programs_give_no_finding() {
    for (config, macros, program) in
        [(VORON, MACROS, Some(PROGRAM)), (VORON, MACROS, None), (ENDER3, "", None), (DELTA, "", None)]
    {
        let found = findings(config, macros, program);
        assert!(found.is_empty(), "{}", shown(&found));
    }
}

/// Each row: the kind, what to replace (in configuration, macros or program), and by what.
const MISTAKES: &[(&str, &str, &str)] = &[
    // Names and values.
    ("option-misspelt", "rotation_distance: 40\nmicrosteps: 32\nfull", "rotaton_distance: 40\nmicrosteps: 32\nfull"),
    ("option-unknown", "[respond]", "[respond]\nbananas: 5"),
    ("section-unknown", "[heater_bed]", "[heated_bed]"),
    ("option-removed", "max_accel: 6000", "max_accel: 6000\nmax_accel_to_decel: 3000"),
    ("option-missing", "max_temp: 300", ""),
    ("value-unparsable", "position_max: 260", "position_max: 26o"),
    ("indentation", "position_max: 260", "  position_max: 260"),
    ("line-unparsable", "kick_start_time: 0.5", "kick_start_time 0.5"),
    ("include-missing", "[include voron/*.cfg]", "[include voron/macros.cfg]\n[include fans.cfg]"),
    ("include-recursive", "[include voron/*.cfg]", "[include voron/*.cfg]\n[include printer.cfg]"),
    ("option-duplicate", "[respond]", "[respond]\n[fan]\nkick_start_time: 0.2"),
    ("saved-duplicate", "#*# [bed_mesh default]", "#*# [heater_bed]\n#*# pid_kp = 60.1\n#*#\n#*# [bed_mesh default]"),
    ("saved-block-damaged", "#*# version = 1", "version = 1"),
    // The machine.
    ("kinematics-missing", "kinematics: corexy", ""),
    ("kinematics-unknown", "kinematics: corexy", "kinematics: core_xy"),
    ("stepper-missing", "[stepper_y]", "[stepper_u]"),
    ("section-missing", "[mcu]\nserial:", "[mcu other]\nserial:"),
    ("speed-absurd", "max_velocity: 350", "max_velocity: 5000"),
    ("speed-absurd", "max_accel: 6000", "max_accel: 500000"),
    (
        "rotation-distance-range",
        "rotation_distance: 40\nmicrosteps: 32\nfull",
        "rotation_distance: 4\nmicrosteps: 32\nfull",
    ),
    (
        "rotation-distance-range",
        "rotation_distance: 40\nmicrosteps: 32\nfull",
        "rotation_distance: 450\nmicrosteps: 32\nfull",
    ),
    (
        "rotation-distance-steps-per-mm",
        "rotation_distance: 40\nmicrosteps: 32\nfull_steps_per_rotation: 400\nendstop_pin: ^PG6",
        "rotation_distance: 80\nmicrosteps: 16\nendstop_pin: ^PG6",
    ),
    ("rotation-distance-steps-per-mm", "rotation_distance: 22.6789511\ngear_ratio: 50:10", "rotation_distance: 415"),
    ("microsteps", "microsteps: 32\nfull", "microsteps: 12\nfull"),
    ("full-steps", "full_steps_per_rotation: 400", "full_steps_per_rotation: 40"),
    (
        "step-rate",
        "microsteps: 32\nfull_steps_per_rotation: 400\nendstop_pin: ^PG6",
        "microsteps: 256\nfull_steps_per_rotation: 400\nendstop_pin: ^PG6\ngear_ratio: 3:1",
    ),
    ("dir-pin-missing", "dir_pin: !PF12\n", ""),
    (
        "endstop-position",
        "position_endstop: 300\nposition_max: 300\nhoming_speed: 60\nhoming_retract",
        "position_endstop: 310\nposition_max: 300\nhoming_speed: 60\nhoming_retract",
    ),
    ("position-range", "position_min: -5\nposition_max: 260", "position_min: 260\nposition_max: -5"),
    // Heaters.
    ("sensor-type-unknown", "ATC Semitec 104NT-4-R025H42G", "ATC Semitec 104NT-4"),
    (
        "sensor-type-unlikely",
        "sensor_type: ATC Semitec 104NT-4-R025H42G\nsensor_pin: toolhead:PA3\npullup_resistor: 2200",
        "sensor_type: PT1000\nsensor_pin: toolhead:PA3",
    ),
    ("sensor-type-unlikely", "sensor_type: Generic 3950\nsensor_pin: PF3", "sensor_type: PT1000\nsensor_pin: PF3"),
    ("max-temp", "max_temp: 300", "max_temp: 1000"),
    ("temp-range", "min_temp: 0\nmax_temp: 120", "min_temp: 120\nmax_temp: 0"),
    ("min-temp", "min_temp: 0\nmax_temp: 300", "min_temp: -200\nmax_temp: 300"),
    ("pid-gains", "pid_kp: 26.213", "pid_kp: 2621.3"),
    ("pid-gains-missing", "pid_ki: 2.347\n", ""),
    ("heater-unknown", "heater: heater_bed", "heater: heated_bed"),
    ("stepper-unknown", "stepper: stepper_x, stepper_y", "stepper: stepper_x, steper_y"),
    ("filament-diameter", "filament_diameter: 1.75", "filament_diameter: 2.85"),
    ("nozzle-diameter", "nozzle_diameter: 0.400", "nozzle_diameter: 4"),
    ("pressure-advance", "pressure_advance: 0.04", "pressure_advance: 40"),
    // Probe, mesh, homing.
    ("mesh-beyond-reach", "mesh_max: 260, 260", "mesh_max: 260, 340"),
    ("mesh-beyond-reach", "mesh_min: 40, 40", "mesh_min: 40, 10"),
    ("mesh-points", "probe_count: 5, 5", "probe_count: 2, 5"),
    ("mesh-without-probe", "[probe]\npin", "[gcode_button p]\npress_gcode: M84\npin"),
    ("probe-missing", "[probe]\npin", "[gcode_button p]\npress_gcode: M84\npin"),
    ("probe-offset", "z_offset: 1.25", "z_offset: 125"),
    ("home-position", "home_xy_position: 150, 150", "home_xy_position: 150, 350"),
    ("homing-twice", "[respond]", "[respond]\n[homing_override]\ngcode: G28"),
    ("safe-home-missing", "[safe_z_home]\nhome_xy_position: 150, 150\nspeed: 100\nz_hop: 10", ""),
    // Pins.
    ("pin-used-twice", "heater_pin: PA1", "heater_pin: PD12"),
    ("pin-unknown", "heater_pin: PA1", "heater_pin: PA17"),
    ("pin-unknown", "heater_pin: PA1", "heater_pin: P1.2"),
    ("pin-chip-unknown", "pin: toolhead:PA0", "pin: toolhed:PA0"),
    ("pin-syntax", "heater_pin: PA1", "heater_pin: !^PA1"),
    // Drivers.
    ("uart-address-duplicate", "uart_pin: PD11", "uart_pin: PC4"),
    ("uart-address", "uart_pin: PD11", "uart_pin: PD11\nuart_address: 4"),
    ("run-current", "run_current: 0.5", "run_current: 5"),
    ("sense-resistor", "sense_resistor: 0.110\nstealth", "sense_resistor: 110\nstealth"),
    ("sense-resistor-missing", "[tmc2209 stepper_z]\nuart_pin: PC6", "[tmc5160 stepper_z]\ncs_pin: PC6"),
    ("driver-without-stepper", "[tmc2209 stepper_z]", "[tmc2209 steper_z]"),
    ("diag-pin-missing", "endstop_pin: ^PG6", "endstop_pin: tmc2209_stepper_x:virtual_endstop"),
    ("sensorless-retract", "endstop_pin: ^PG6", "endstop_pin: tmc2209_stepper_x:virtual_endstop"),
    // Macros.
    ("template-syntax", "    {% endif %}\n    {% if chamber > 0 %}", "    {% if chamber > 0 %}"),
    ("template-syntax", "M140 S{bed}", "M140 S{bed"),
    ("command-unknown", "    PURGE_LINE\n", "    PURGELINE\n"),
    ("command-without-section", "[respond]", ""),
    ("status-unknown", "printer.toolhead.axis_maximum.x", "printer.toolhead.axis_max.x"),
    ("status-unknown", "printer.toolhead.homed_axes", "printer.tool_head.homed_axes"),
    ("status-unknown", "printer.pause_resume.is_paused", "printer[\"gcode_macro PAUSE\"].paused"),
    ("macro-recursive", "[gcode_macro M600]\ngcode:\n", "[gcode_macro M600]\ngcode:\n    M600\n"),
    ("macro-duplicate", "[gcode_macro M600]", "[gcode_macro end_print]\ngcode: M84\n[gcode_macro M600]"),
    ("rename-missing", "rename_existing: BASE_PAUSE\n", ""),
    ("rename-unknown", "[gcode_macro M600]\n", "[gcode_macro M600]\nrename_existing: M600.1\n"),
    ("rename-kind", "rename_existing: BASE_PAUSE", "rename_existing: M25.1"),
    ("heater-unknown", "    M190 S{bed}", "    SET_HEATER_TEMPERATURE HEATER=bed TARGET={bed}"),
    // The program.
    ("program-command-unknown", "START_PRINT BED=60", "PRINT_START BED=60"),
    ("program-command-without-section", "[gcode_arcs]\nresolution: 0.1\n", ""),
    ("program-out-of-range", "G1 X150 Y150", "G1 X350 Y150"),
    ("program-extrude-cold", "START_PRINT BED=60 EXTRUDER=210", "G28"),
    ("program-not-homed", "START_PRINT BED=60 EXTRUDER=210", "M109 S210"),
    ("program-extrude-long", "G1 E-0.5", "G1 E150"),
    ("program-extrude-thick", "E2.5", "E250"),
    ("program-move-unparsable", "G1 E-0.5", "G1 X1.2.3"),
    ("program-move-unparsable", "G1 E-0.5", "G1 Xinf"),
    ("program-arc-radius", "G2 X160 Y160 I5 J5", "G2 X160 Y160 R7.1"),
    ("program-speed", "E2.5 F1800", "E2.5 F0"),
    ("program-malformed", "G1 E-0.5", "SET_HEATER_TEMPERATURE HEATER=extruder TARGET"),
    ("program-heater-unknown", "G1 E-0.5", "SET_HEATER_TEMPERATURE HEATER=bed TARGET=60"),
    ("program-too-hot", "M104 S0", "M104 S400"),
];

#[test]
fn every_mistake_is_named_with_its_place_and_a_mend() {
    let mut failures = String::new();
    for (code, from, to) in MISTAKES {
        let at = [VORON, MACROS, PROGRAM].map(|text| text.contains(from));
        assert!(at.contains(&true), "{code}: nothing to replace: {from}");
        let apply = |text: &str, here: bool| if here { text.replacen(from, to, 1) } else { text.to_string() };
        let (config, macros) = (apply(VORON, at[0]), apply(MACROS, !at[0] && at[1]));
        let program = apply(PROGRAM, !at[0] && !at[1]);
        let found = findings(&config, &macros, Some(&program));
        match found.iter().find(|f| f.code == *code) {
            Some(f) if f.line == 0 || f.message.is_empty() || f.help.is_empty() => {
                failures += &format!("{code}: no place or no mend: {f:?}\n");
            }
            Some(_) => {}
            None => failures += &format!("{code} is not named for {to:?}; found:\n{}", shown(&found)),
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn mistakes_are_found_together_in_one_pass() {
    let mut config = VORON.to_string();
    let mut expected = Vec::new();
    for (code, from, to) in MISTAKES {
        let picked = [
            "speed-absurd",
            "pid-gains",
            "microsteps",
            "max-temp",
            "filament-diameter",
            "run-current",
            "mesh-beyond-reach",
            "uart-address",
            "pin-syntax",
            "option-removed",
            "line-unparsable",
            "probe-offset",
        ];
        if picked.contains(code) && config.contains(from) {
            config = config.replacen(from, to, 1);
            expected.push(*code);
        }
    }
    let found = findings(&config, MACROS, Some(PROGRAM));
    for code in expected {
        assert!(found.iter().any(|f| f.code == code), "{code} is not among\n{}", shown(&found));
    }
}

#[test]
fn a_finding_says_file_line_and_suggestion() {
    let config = VORON.replacen("kick_start_time: 0.5", "kick_strat_time: 0.5", 1);
    let line = 1 + config[..config.find("kick_strat").unwrap()].matches('\n').count() as u32;
    let found = findings(&config, MACROS, None);
    assert_eq!(found.len(), 1, "{}", shown(&found));
    let f = &found[0];
    assert_eq!(
        (f.file.as_str(), f.line, f.section.as_str(), f.option.as_str()),
        ("printer.cfg", line, "fan", "kick_strat_time")
    );
    assert_eq!(f.message, "Option 'kick_strat_time' is not valid in section 'fan'");
    assert_eq!(f.help, "did you mean 'kick_start_time'?");

    let macros = MACROS.replacen("    M140 S{bed}", "    M140 S{bad.x}\n    FOO", 1);
    let line = 1 + macros[..macros.find("FOO").unwrap()].matches('\n').count() as u32;
    let found = findings(VORON, &macros, None);
    assert_eq!((found[0].file.as_str(), found[0].line), ("voron/macros.cfg", line), "{}", shown(&found));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Good files with pieces taken out, doubled or overwritten: what is left of them still makes sense to most rules.
    #[test]
    fn a_damaged_configuration_and_program_are_checked_without_panic(
        cuts in prop::collection::vec((0usize..3, any::<prop::sample::Index>(), 0usize..40, "[-\\PC\n]{0,6}"), 1..12)
    ) {
        let mut texts = [VORON, MACROS, PROGRAM].map(|text| text.as_bytes().to_vec());
        for (which, at, len, put) in &cuts {
            let text = &mut texts[*which];
            let at = at.index(text.len() + 1);
            let end = (at + len).min(text.len());
            text.splice(at..end, put.bytes());
        }
        let [config, macros, program] = texts;
        let program = String::from_utf8_lossy(&program).into_owned();
        let files = [("printer.cfg", config), ("voron/macros.cfg", macros)];
        let source = MapSource(files.map(|(name, bytes)| (name.to_string(), bytes)).into());
        for finding in check(&source, "printer.cfg", Some(&mut program.lines())) {
            prop_assert!(finding.line > 0 && !finding.message.is_empty() && !finding.help.is_empty(), "{finding:?}");
        }
    }
}
