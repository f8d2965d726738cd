//! When a batch run's moves start, and where they stop: the laws of `toolhead/batch.rs`, with the print times that the
//! peer gives for the same programs.

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

const COMMON: &str = "[mcu]\nserial: /dev/null\n[force_move]\nenable_force_move: True\n[fan]\npin: PC8\n\
    [extruder]\nstep_pin: PE2\ndir_pin: PE3\nrotation_distance: 32\nmicrosteps: 16\nnozzle_diameter: 0.4\n\
    filament_diameter: 1.75\nheater_pin: PC6\nsensor_type: EPCOS 100K B57560G104F\nsensor_pin: PC0\n\
    control: watermark\nmin_temp: 0\nmax_temp: 250\npressure_advance: 0.05\n";

fn cartesian() -> String {
    let mut text = format!("{COMMON}[printer]\nkinematics: cartesian\nmax_velocity: 300\nmax_accel: 3000\n");
    for (axis, pins) in [("x", ["PA0", "PA1", "PA2"]), ("y", ["PA3", "PA4", "PA5"]), ("z", ["PA6", "PA7", "PA8"])] {
        text.push_str(&format!(
            "[stepper_{axis}]\nstep_pin: {}\ndir_pin: {}\nendstop_pin: {}\nrotation_distance: 40\nmicrosteps: 16\n\
             position_endstop: 0\nposition_max: 300\nhoming_speed: 50\n",
            pins[0], pins[1], pins[2]
        ));
    }
    text
}

/// Start, end and end speed of each planned move.
type Moves = Rc<RefCell<Vec<(f64, f64, f64)>>>;

fn start(text: &str) -> (Host, Moves) {
    let config = Config::parse(&MapSource::new([("printer.cfg", text)]), "printer.cfg").unwrap();
    let offline = Offline { clock_freq_hz: 168e6, sink: Rc::new(RefCell::new(NoSteps)) };
    let options = Options { offline: Some(offline), ..Options::default() };
    let host = Host::new(config, options, Rc::new(MemoryFiles::default())).unwrap();
    host.start();
    host.run(0.0);
    let moves: Moves = Rc::default();
    let seen = moves.clone();
    host.printer().toolhead().observe(move |t, m| seen.borrow_mut().push((t, t + m.total_t(), m.end_v)));
    (host, moves)
}

fn run(host: &Host, lines: &[&str]) {
    let mut now = 0.0;
    for line in lines {
        let pending = host.console(line);
        loop {
            host.run(now);
            if pending.is_done() {
                break;
            }
            now = host.next_wake().expect("something to wait for");
        }
    }
}

fn end(host: &Host) {
    host.printer().toolhead().batch_turn();
    host.printer().toolhead().flush_step_generation();
}

fn gaps(moves: &Moves) -> Vec<f64> {
    let moves = moves.borrow();
    let gap = |w: &[(f64, f64, f64)]| ((w[1].0 - w[0].1) * 1e6).round() / 1e6;
    moves.windows(2).map(gap).collect()
}

const AT: &str = "SET_KINEMATIC_POSITION X=10 Y=10 Z=10";

/// Moves of 10 ms each along X at constant speed.
fn crawl(host: &Host, from: usize, to: usize) {
    for i in from..to {
        run(host, &[&format!("G1 X{:.1} F1200", 10.0 + 0.2 * (i + 1) as f64)]);
    }
}

#[test]
fn a_queue_that_runs_dry_between_blocks_stops_and_starts_again_a_quarter_second_beyond_its_end() {
    let (host, moves) = start(&cartesian());
    run(&host, &[AT]);
    crawl(&host, 0, 103);
    let planned = moves.borrow().last().unwrap().1;
    host.printer().toolhead().batch_turn();
    assert!(moves.borrow().last().unwrap().2 == 0.0, "planned to a stop");
    let stops = moves.borrow().len();
    crawl(&host, 103, 106);
    end(&host);
    // Half the smooth time reaches beyond both.
    let reach = 0.020;
    let next = moves.borrow()[stops].0;
    assert!((next - (planned + reach + 0.25 + reach)).abs() < 1e-9, "{next} after {planned}");
}

#[test]
fn a_plan_more_than_one_and_a_half_seconds_ahead_goes_on_without_a_stop() {
    let (host, moves) = start(&cartesian());
    run(&host, &[AT]);
    crawl(&host, 0, 160);
    host.printer().toolhead().batch_turn();
    crawl(&host, 160, 200);
    end(&host);
    assert_eq!(moves.borrow().len(), 200);
    assert!(gaps(&moves).iter().all(|g| *g == 0.0));
    assert!(moves.borrow()[..199].iter().all(|m| m.2 > 0.0));
}

#[test]
fn steps_are_made_by_quarter_seconds_and_a_plan_that_grew_by_less_is_dry() {
    let (host, moves) = start(&cartesian());
    run(&host, &[AT]);
    crawl(&host, 0, 140);
    host.printer().toolhead().batch_turn();
    assert_eq!(host.printer().toolhead().generated_to(), 0.25);
    crawl(&host, 140, 150);
    host.printer().toolhead().batch_turn();
    assert!(moves.borrow().last().unwrap().2 == 0.0, "it grew by a tenth of a second");
}

#[test]
fn first_moves_that_plan_less_than_a_second_stop_after_what_is_queued() {
    let (host, moves) = start(&cartesian());
    // 0.5 s, then 1.1 s at right angles: the first is planned as soon as the second is queued.
    run(&host, &["SET_KINEMATIC_POSITION X=150 Y=150 Z=10", "G1 X175 F3000", "G1 Y205", "G1 X120", "G1 Y150"]);
    end(&host);
    let end_v: Vec<f64> = moves.borrow().iter().map(|m| m.2).collect();
    assert!(end_v[0] > 4.9 && end_v[1] == 0.0 && end_v[2] > 4.9, "{end_v:?}");
    assert!(gaps(&moves).iter().all(|g| *g == 0.0));
}

#[test]
fn a_change_of_window_leaves_room_for_the_old_and_the_new_one() {
    let (host, moves) = start(&cartesian());
    run(
        &host,
        &[AT, "G1 X20 F3000", "SET_PRESSURE_ADVANCE SMOOTH_TIME=0.1", "G1 X30", "SET_PRESSURE_ADVANCE ADVANCE=0"],
    );
    run(&host, &["G1 X40", "SET_PRESSURE_ADVANCE ADVANCE=0.02 SMOOTH_TIME=0.04", "G1 X50"]);
    run(&host, &["SET_PRESSURE_ADVANCE ADVANCE=0.05", "G1 X60", "SET_PRESSURE_ADVANCE ADVANCE=0"]);
    assert_eq!(gaps(&moves), [0.07, 0.051, 0.021, 0.0]);
}

#[test]
fn homing_leaves_the_peer_s_gaps() {
    let (host, moves) = start(&cartesian().replace("pressure_advance: 0.05\n", ""));
    run(&host, &["G28 X", "G1 X1 F3000"]);
    end(&host);
    assert!((moves.borrow()[0].0 - 0.252).abs() < 1e-9);
    assert_eq!(gaps(&moves), [0.002, 0.004, 0.252]);
}

#[test]
fn a_fan_s_kick_counts_as_something_still_to_be_done() {
    let (host, moves) = start(&cartesian().replace("pressure_advance: 0.05\n", ""));
    run(&host, &[AT, "G1 X20 F3000", "M106 S100", AT, "G1 X30"]);
    host.run(0.01);
    end(&host);
    assert_eq!(gaps(&moves), [0.351]);
}

#[test]
fn a_pause_in_the_program_delays_the_next_move_and_nothing_else() {
    let (host, moves) = start(&cartesian());
    run(&host, &[AT, "G1 X20 F3000", "G4 P50", "G1 X30", "M400", "G1 X40", "G4 P1700", "G1 X50", "M400"]);
    assert_eq!(gaps(&moves), [0.05, 0.0, 1.7]);
}

#[test]
fn a_delta_homes_from_one_and_a_half_times_the_fall_of_its_arms() {
    let mut text = format!(
        "{COMMON}[printer]\nkinematics: delta\nmax_velocity: 300\nmax_accel: 3000\nmax_z_velocity: 150\ndelta_radius: 174.75\n"
    );
    for (tower, pins) in [("a", ["PA0", "PA1", "PA2"]), ("b", ["PA3", "PA4", "PA5"]), ("c", ["PA6", "PA7", "PA8"])] {
        text.push_str(&format!(
            "[stepper_{tower}]\nstep_pin: {}\ndir_pin: {}\nendstop_pin: {}\nrotation_distance: 40\nmicrosteps: 16\n\
             position_endstop: 297.05\narm_length: 333\nhoming_speed: 50\n",
            pins[0], pins[1], pins[2]
        ));
    }
    let (host, _) = start(&text);
    let from: Rc<RefCell<Option<[f64; 4]>>> = Rc::default();
    let seen = from.clone();
    host.printer().toolhead().observe(move |_, m| {
        seen.borrow_mut().get_or_insert(m.mv.start_pos);
    });
    run(&host, &["G28"]);
    let z = from.borrow().unwrap()[2];
    assert!((z + 440.414_691_570_510_46).abs() < 1e-9, "{z}");
}
