//! Two extruders: which motor follows which queue.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use drydock_host::config::{Config, MapSource};
use drydock_host::extruder::Extruder;
use drydock_host::files::MemoryFiles;
use drydock_host::host::Host;
use drydock_host::mcu::{QueuedStep, StepSink};
use drydock_host::printer::{Offline, Options};

struct Ignore;

impl StepSink for Ignore {
    fn queue_step(&mut self, _oid: u8, _step: &QueuedStep) {}
    fn set_dir(&mut self, _oid: u8, _dir: bool) {}
    fn reset_step_clock(&mut self, _oid: u8, _clock: u64) {}
}

fn config() -> String {
    let mut text = "[mcu]\nserial: /dev/null\n[force_move]\nenable_force_move: True\n[printer]\nkinematics: cartesian\nmax_velocity: 300\nmax_accel: 3000\n".to_string();
    for (axis, pins) in [("x", ["PA0", "PA1", "PA2"]), ("y", ["PA3", "PA4", "PA5"]), ("z", ["PA6", "PA7", "PA8"])] {
        text.push_str(&format!(
            "[stepper_{axis}]\nstep_pin: {}\ndir_pin: {}\nendstop_pin: {}\nrotation_distance: 40\nmicrosteps: 16\n\
             position_endstop: 0\nposition_max: 300\nhoming_speed: 50\n",
            pins[0], pins[1], pins[2]
        ));
    }
    for (name, step, dir, heater, sensor) in
        [("extruder", "PE2", "PE3", "PC6", "PC0"), ("extruder1", "PE4", "PE5", "PC7", "PC1")]
    {
        text.push_str(&format!(
            "[{name}]\nstep_pin: {step}\ndir_pin: {dir}\nrotation_distance: 32\nmicrosteps: 16\nnozzle_diameter: 0.4\n\
             filament_diameter: 1.75\nheater_pin: {heater}\nsensor_type: EPCOS 100K B57560G104F\nsensor_pin: {sensor}\n\
             control: watermark\nmin_temp: 0\nmax_temp: 250\npressure_advance: 0.05\n"
        ));
    }
    text
}

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
        let host = Host::new(config, options, Rc::new(MemoryFiles::default())).expect("a host");
        host.start();
        host.run(0.0);
        Self { host, now_s: 0.0 }
    }

    fn run(&mut self, lines: &[&str]) {
        for line in lines {
            let pending = self.host.console(line);
            loop {
                self.host.run(self.now_s);
                if pending.is_done() {
                    break;
                }
                self.now_s = self.host.next_wake().expect("something to wait for");
            }
        }
    }

    /// Microsteps of each extruder's motor.
    fn steps(&self) -> BTreeMap<String, i64> {
        self.host.printer().toolhead().batch_turn();
        self.host.printer().toolhead().flush_step_generation();
        let extruders = self.host.printer().lookup_all::<Extruder>();
        extruders.iter().filter_map(|(name, e)| Some((name.clone(), e.stepper()?.mcu_position()))).collect()
    }
}

/// 32 mm of filament a turn of 200 · 16 microsteps.
const STEPS_A_MM: i64 = 100;

#[test]
fn a_motor_follows_the_queue_that_it_was_told_to_and_no_other() {
    let mut rig = Rig::new();
    let mut expected = BTreeMap::from([("extruder".to_string(), 0), ("extruder1".to_string(), 0)]);
    let mut moved = |rig: &mut Rig, lines: &[&str], mm: [i64; 2]| {
        rig.run(lines);
        for (steps, mm) in expected.values_mut().zip(mm) {
            *steps += mm * STEPS_A_MM;
        }
        assert_eq!(rig.steps(), expected, "after {lines:?}");
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
    let mut rig = Rig::new();
    rig.run(&["M83", "G1 E5 F300", "G1 X20 E2 F3000", "G1 E-1 F300"]);
    assert_eq!(rig.steps()["extruder"], 400);
}
