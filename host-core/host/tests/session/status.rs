//! What templates and API clients see of a printer: the status of each object, as the host itself gives it.

use std::cell::RefCell;
use std::rc::Rc;

use drydock_host::config::{Config, MapSource};
use drydock_host::files::MemoryFiles;
use drydock_host::host::Host;
use drydock_host::macros::StatusSource;
use drydock_host::mcu::{QueuedStep, StepSink};
use drydock_host::printer::{Offline, Options};
use minijinja::value::ValueKind;

struct Ignore;

impl StepSink for Ignore {
    fn queue_step(&mut self, _oid: u8, _step: &QueuedStep) {}
    fn set_dir(&mut self, _oid: u8, _dir: bool) {}
    fn reset_step_clock(&mut self, _oid: u8, _clock: u64) {}
}

fn config() -> String {
    let mut text = "[mcu]\nserial: /dev/null\n[printer]\nkinematics: cartesian\nmax_velocity: 300\nmax_accel: 3000\n\
                    [exclude_object]\n[virtual_sdcard]\npath: /prints\n[force_move]\nenable_force_move: true\n[fan]\npin: PB0\n[gcode_macro PARK]\nvariable_x_mm: 12.5\ngcode:\n"
        .to_string();
    for (axis, pins) in [("x", ["PA0", "PA1", "PA2"]), ("y", ["PA3", "PA4", "PA5"]), ("z", ["PA6", "PA7", "PA8"])] {
        text.push_str(&format!(
            "[stepper_{axis}]\nstep_pin: {}\ndir_pin: {}\nendstop_pin: {}\nrotation_distance: 40\nmicrosteps: 16\n\
             position_endstop: 0\nposition_max: 300\nhoming_speed: 50\n",
            pins[0], pins[1], pins[2]
        ));
    }
    text.push_str(
        "[extruder]\nstep_pin: PE2\ndir_pin: PE3\nrotation_distance: 32\nmicrosteps: 16\nnozzle_diameter: 0.4\n\
         filament_diameter: 1.75\nheater_pin: PC6\nsensor_type: EPCOS 100K B57560G104F\nsensor_pin: PC0\n\
         control: watermark\nmin_temp: 0\nmax_temp: 250\npressure_advance: 0.05\n",
    );
    text
}

/// 12 mm of filament, half of them at a flow of 200 %.
const PART: &str = "M83\nG92 E7\nG1 X100 E6 F3000\nM221 S200\nG1 X200 E6\nM221 S100\nG92 E0\n";

struct Rig {
    host: Host,
    now_s: f64,
}

impl Rig {
    fn new() -> Self {
        let config = Config::parse(&MapSource::new([("printer.cfg", config().as_str())]), "printer.cfg")
            .expect("a configuration");
        let offline = Offline { clock_freq_hz: 168e6, sink: Rc::new(RefCell::new(Ignore)) };
        let options = Options { offline: Some(offline), ..Options::default() };
        let prints = [("part.gcode".to_string(), Rc::from(PART.as_bytes()))].into();
        let files = MemoryFiles { prints, ..MemoryFiles::default() };
        let host = Host::new(config, options, Rc::new(files)).expect("a host");
        host.start();
        host.run(0.0);
        Self { host, now_s: 0.0 }
    }

    fn run(&mut self, line: &str) {
        let pending = self.host.console(line);
        loop {
            self.host.run(self.now_s);
            if pending.is_done() {
                break;
            }
            self.now_s = self.host.next_wake().expect("something to wait for");
        }
    }

    fn field(&self, object: &str, field: &str) -> minijinja::Value {
        let status = self.host.printer().status(object).unwrap_or_else(|| panic!("{object} has a status"));
        status.get_attr(field).expect("a mapping")
    }
}

#[test]
fn the_status_of_every_object_is_a_mapping() {
    let rig = Rig::new();
    let printer = rig.host.printer();
    for name in printer.status_source().names() {
        let status = printer.status(&name).unwrap_or_else(|| panic!("{name} has a status"));
        assert_eq!(status.kind(), ValueKind::Map, "{name}: {status}");
    }
}

#[test]
fn what_every_printer_has_is_there_without_a_section() {
    let mut rig = Rig::new();
    rig.run("G4 P10");
    assert_eq!(rig.field("webhooks", "state").to_string(), "ready");
    assert_eq!(rig.field("system_stats", "cputime"), minijinja::Value::from(0.0));
    assert_eq!(rig.field("query_endstops", "last_query").kind(), ValueKind::Map);
    assert_eq!(rig.field("mcu", "mcu_constants").kind(), ValueKind::Map);
    assert_eq!(rig.field("motion_report", "live_velocity"), minijinja::Value::from(0.0));
    let commands = rig.field("gcode", "commands");
    assert!(!commands.get_attr("G28").expect("a mapping").is_undefined(), "{commands}");
}

#[test]
fn macros_see_the_extruder_their_variables_and_the_objects_of_the_print() {
    let mut rig = Rig::new();
    assert_eq!(rig.field("extruder", "target"), minijinja::Value::from(0.0));
    assert_eq!(rig.field("extruder", "pressure_advance"), minijinja::Value::from(0.05));
    assert_eq!(rig.field("gcode_macro PARK", "x_mm"), minijinja::Value::from(12.5));
    rig.run("EXCLUDE_OBJECT_DEFINE NAME=cube CENTER=10,20");
    let objects = rig.field("exclude_object", "objects");
    let first = objects.get_item_by_index(0).expect("an object");
    assert_eq!(first.get_attr("name").expect("a mapping").to_string(), "CUBE");
}

#[test]
fn a_print_counts_its_filament_as_the_file_has_it() {
    let mut rig = Rig::new();
    rig.run("SET_KINEMATIC_POSITION X=0 Y=0 Z=0");
    rig.run("G1 E3 F300");
    rig.run("SDCARD_PRINT_FILE FILENAME=part.gcode");
    while rig.field("print_stats", "state").to_string() == "printing" {
        rig.run("G4 P1");
    }
    let message = rig.field("print_stats", "message");
    assert_eq!(rig.field("print_stats", "state").to_string(), "complete", "{message}");
    assert_eq!(rig.field("print_stats", "filament_used"), minijinja::Value::from(12.0));
    rig.run("G1 E3 F300");
    assert_eq!(rig.field("print_stats", "filament_used"), minijinja::Value::from(12.0), "the print is over");
}
