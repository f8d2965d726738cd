//! Two extruders: which motor follows which queue.

use std::collections::BTreeMap;

use drydock_host::extruder::Extruder;
use drydock_host::files::MemoryFiles;

use crate::printer::{Session, extruder};

fn two_extruders() -> Session {
    Session::new(&extruder("extruder1", ["PE4", "PE5", "PC7", "PC1"]), MemoryFiles::default())
}

/// Microsteps of each extruder's motor.
fn steps(session: &Session) -> BTreeMap<String, i64> {
    let printer = session.host.printer();
    printer.toolhead().batch_turn();
    printer.toolhead().flush_step_generation();
    let extruders = printer.lookup_all::<Extruder>();
    extruders.iter().filter_map(|(name, e)| Some((name.clone(), e.stepper()?.mcu_position()))).collect()
}

/// 32 mm of filament a turn of 200 · 16 microsteps.
const STEPS_A_MM: i64 = 100;

#[test]
fn a_motor_follows_the_queue_that_it_was_told_to_and_no_other() {
    let mut rig = two_extruders();
    let mut expected = BTreeMap::from([("extruder".to_string(), 0), ("extruder1".to_string(), 0)]);
    let mut moved = |rig: &mut Session, lines: &[&str], mm: [i64; 2]| {
        rig.run(lines);
        for (steps, mm) in expected.values_mut().zip(mm) {
            *steps += mm * STEPS_A_MM;
        }
        assert_eq!(steps(rig), expected, "after {lines:?}");
    };
    moved(&mut rig, &["M83", "G1 E5 F300"], [5, 0]);
    moved(&mut rig, &["SYNC_EXTRUDER_MOTION EXTRUDER=extruder1 MOTION_QUEUE=extruder", "G1 E3 F300"], [3, 3]);
    moved(&mut rig, &["SET_KINEMATIC_POSITION X=0 Y=0 Z=0", "G1 X20 E2 F3000", "G1 E-1 F300"], [1, 1]);
    moved(&mut rig, &["SYNC_EXTRUDER_MOTION EXTRUDER=extruder MOTION_QUEUE=", "G1 E4 F300"], [0, 4]);
    moved(&mut rig, &["SYNC_EXTRUDER_MOTION EXTRUDER=extruder MOTION_QUEUE=extruder", "G1 E1 F300"], [1, 1]);
    moved(&mut rig, &["SYNC_EXTRUDER_MOTION EXTRUDER=extruder1 MOTION_QUEUE=extruder1", "G1 E2 F300"], [2, 0]);
    moved(&mut rig, &["ACTIVATE_EXTRUDER EXTRUDER=extruder1", "G1 E6 F300"], [0, 6]);
    moved(&mut rig, &["SYNC_EXTRUDER_MOTION EXTRUDER=extruder MOTION_QUEUE=nobody", "G1 E1 F300"], [0, 1]);
}

#[test]
fn a_refused_move_leaves_the_next_one_where_it_was() {
    let mut rig = two_extruders();
    rig.run(&["M83", "G1 E5 F300", "G1 X20 E2 F3000", "G1 E-1 F300"]);
    assert_eq!(steps(&rig)["extruder"], 400);
}
