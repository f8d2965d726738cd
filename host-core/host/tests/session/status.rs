//! What templates and API clients see of a printer: the status of each object, as the host itself gives it.

use std::rc::Rc;

use drydock_host::files::MemoryFiles;
use drydock_host::macros::StatusSource;
use minijinja::value::ValueKind;

use crate::printer::Session;

const SECTIONS: &str = "[exclude_object]\n[virtual_sdcard]\npath: /prints\n[fan]\npin: PB0\n\
                        [gcode_macro PARK]\nvariable_x_mm: 12.5\ngcode:\n";

/// 12 mm of filament, half of them at a flow of 200 %.
const PART: &str = "M83\nG92 E7\nG1 X100 E6 F3000\nM221 S200\nG1 X200 E6\nM221 S100\nG92 E0\n";

fn session() -> Session {
    let prints = [("part.gcode".to_string(), Rc::from(PART.as_bytes()))].into();
    Session::new(SECTIONS, MemoryFiles { prints, ..MemoryFiles::default() })
}

fn field(session: &Session, object: &str, field: &str) -> minijinja::Value {
    let status = session.host.printer().status(object).unwrap_or_else(|| panic!("{object} has a status"));
    status.get_attr(field).expect("a mapping")
}

#[test]
fn the_status_of_every_object_is_a_mapping() {
    let rig = session();
    let printer = rig.host.printer();
    for name in printer.status_source().names() {
        let status = printer.status(&name).unwrap_or_else(|| panic!("{name} has a status"));
        assert_eq!(status.kind(), ValueKind::Map, "{name}: {status}");
    }
}

#[test]
fn what_every_printer_has_is_there_without_a_section() {
    let mut rig = session();
    rig.run(&["G4 P10"]);
    assert_eq!(field(&rig, "webhooks", "state").to_string(), "ready");
    assert_eq!(field(&rig, "system_stats", "cputime"), minijinja::Value::from(0.0));
    assert_eq!(field(&rig, "query_endstops", "last_query").kind(), ValueKind::Map);
    assert_eq!(field(&rig, "mcu", "mcu_constants").kind(), ValueKind::Map);
    assert_eq!(field(&rig, "motion_report", "live_velocity"), minijinja::Value::from(0.0));
    let commands = field(&rig, "gcode", "commands");
    assert!(!commands.get_attr("G28").expect("a mapping").is_undefined(), "{commands}");
}

#[test]
fn macros_see_the_extruder_their_variables_and_the_objects_of_the_print() {
    let mut rig = session();
    assert_eq!(field(&rig, "extruder", "target"), minijinja::Value::from(0.0));
    assert_eq!(field(&rig, "extruder", "pressure_advance"), minijinja::Value::from(0.05));
    assert_eq!(field(&rig, "gcode_macro PARK", "x_mm"), minijinja::Value::from(12.5));
    rig.run(&["EXCLUDE_OBJECT_DEFINE NAME=cube CENTER=10,20"]);
    let objects = field(&rig, "exclude_object", "objects");
    let first = objects.get_item_by_index(0).expect("an object");
    assert_eq!(first.get_attr("name").expect("a mapping").to_string(), "CUBE");
}

#[test]
fn a_print_counts_its_filament_as_the_file_has_it() {
    let mut rig = session();
    rig.run(&["SET_KINEMATIC_POSITION X=0 Y=0 Z=0"]);
    rig.run(&["G1 E3 F300"]);
    rig.run(&["SDCARD_PRINT_FILE FILENAME=part.gcode"]);
    while field(&rig, "print_stats", "state").to_string() == "printing" {
        rig.run(&["G4 P1"]);
    }
    let message = field(&rig, "print_stats", "message");
    assert_eq!(field(&rig, "print_stats", "state").to_string(), "complete", "{message}");
    assert_eq!(field(&rig, "print_stats", "filament_used"), minijinja::Value::from(12.0));
    rig.run(&["G1 E3 F300"]);
    assert_eq!(field(&rig, "print_stats", "filament_used"), minijinja::Value::from(12.0), "the print is over");
}
