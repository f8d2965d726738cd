//! A G-code program: the line parser with every way to ask for a parameter, and the program check of `drydock check`.
#![no_main]

use drydock_host::config::lint::lint_program;
use drydock_host::config::{Config, MapSource};
use drydock_host::gcode::Command;
use libfuzzer_sys::fuzz_target;

const PRINTER: &str = "[mcu]\nserial: x\n[printer]\nkinematics: cartesian\nmax_velocity: 300\nmax_accel: 3000\n\
    [stepper_x]\nposition_max: 200\n[stepper_z]\nposition_max: 200\n[extruder]\nnozzle_diameter: 0.4\n\
    [gcode_macro START_PRINT]\ngcode:\n  G28\n  M109 S{params.T}\n  G91\n";

thread_local! {
    static CONFIG: Config =
        Config::parse(&MapSource::new([("printer.cfg", PRINTER)]), "printer.cfg").expect("a good configuration");
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    for command in text.lines().filter_map(Command::parse) {
        let _ = (command.well_formed(), command.line_number(), command.is_extended(), command.raw_params().len());
        for (key, _) in command.params() {
            let _ = (command.get(&key), command.float(&key).min(-1.0).above(0.0).required(), command.int(&key).or(0));
            let _ = command.text(&key).optional();
        }
        let letters: Vec<u8> = command.letters().map(|(letter, _)| letter).collect();
        assert!(letters.iter().all(|l| command.letter(*l).is_some()));
        let name = command.name().to_string();
        assert_eq!(command.into_owned().name(), name);
    }
    CONFIG.with(|config| lint_program(config, &mut text.lines()));
});
