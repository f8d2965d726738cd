//! A cartesian printer with one extruder, and a session with it.

use std::cell::RefCell;
use std::rc::Rc;

use drydock_host::config::{Config, MapSource};
use drydock_host::files::MemoryFiles;
use drydock_host::host::Host;
use drydock_host::mcu::{QueuedStep, StepSink};
use drydock_host::printer::{Offline, Options};

struct NoSteps;

impl StepSink for NoSteps {
    fn queue_step(&mut self, _oid: u8, _step: &QueuedStep) {}
    fn set_dir(&mut self, _oid: u8, _dir: bool) {}
    fn reset_step_clock(&mut self, _oid: u8, _clock: u64) {}
}

/// The section of an extruder with its pins: step, direction, heater, sensor.
pub fn extruder(name: &str, [step, dir, heater, sensor]: [&str; 4]) -> String {
    format!(
        "[{name}]\nstep_pin: {step}\ndir_pin: {dir}\nrotation_distance: 32\nmicrosteps: 16\nnozzle_diameter: 0.4\n\
         filament_diameter: 1.75\nheater_pin: {heater}\nsensor_type: EPCOS 100K B57560G104F\nsensor_pin: {sensor}\n\
         control: watermark\nmin_temp: 0\nmax_temp: 250\npressure_advance: 0.05\n"
    )
}

fn config(more: &str) -> String {
    let mut text = "[mcu]\nserial: /dev/null\n[force_move]\nenable_force_move: True\n\
                    [printer]\nkinematics: cartesian\nmax_velocity: 300\nmax_accel: 3000\n"
        .to_string();
    for (axis, pins) in [("x", ["PA0", "PA1", "PA2"]), ("y", ["PA3", "PA4", "PA5"]), ("z", ["PA6", "PA7", "PA8"])] {
        text.push_str(&format!(
            "[stepper_{axis}]\nstep_pin: {}\ndir_pin: {}\nendstop_pin: {}\nrotation_distance: 40\nmicrosteps: 16\n\
             position_endstop: 0\nposition_max: 300\nhoming_speed: 50\n",
            pins[0], pins[1], pins[2]
        ));
    }
    text + &extruder("extruder", ["PE2", "PE3", "PC6", "PC0"]) + more
}

pub struct Session {
    pub host: Host,
    now_s: f64,
}

impl Session {
    /// With `more` sections, and these files.
    pub fn new(more: &str, files: MemoryFiles) -> Self {
        let config = Config::parse(&MapSource::new([("printer.cfg", config(more).as_str())]), "printer.cfg")
            .expect("a configuration");
        let offline = Offline { clock_freq_hz: 168e6, sink: Rc::new(RefCell::new(NoSteps)) };
        let options = Options { offline: Some(offline), ..Options::default() };
        let host = Host::new(config, options, Rc::new(files)).expect("a host");
        host.start();
        host.run(0.0);
        Self { host, now_s: 0.0 }
    }

    pub fn run(&mut self, lines: &[&str]) {
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
}
