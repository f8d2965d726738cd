//! The plant as its user sees it: sensors, faults, events, beads, determinism.
#![allow(clippy::disallowed_methods)] // closed forms, compared to a tolerance

mod common;

use common::{Trapezoid, cartesian, edges, enabled, machine, play};
use drydock_plant::accelerometer::Accelerometer;
use drydock_plant::bed_surface::BedSurface;
use drydock_plant::drive::{Drive, Rotor};
use drydock_plant::endstop::{Endstop, Side, Watches};
use drydock_plant::frame::Mode;
use drydock_plant::kinematics::Delta;
use drydock_plant::probe::Probe;
use drydock_plant::{Bead, Event, EventKind, Fault, Machine, Plant, Shape};

fn events(plant: &mut Plant) -> Vec<EventKind> {
    let mut out: Vec<Event> = Vec::new();
    plant.take_events(&mut out);
    assert!(out.windows(2).all(|w| w[0].at_ns <= w[1].at_ns));
    out.into_iter().map(|e| e.kind).collect()
}

fn digest(plant: &Plant) -> u64 {
    let mut hash = 0u64;
    plant.fold_state(&mut |x| hash = (hash ^ x).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31));
    hash
}

/// A square of 20 mm with filament, two layers, on a hot machine; heaters are on from the start.
fn square(m: &Machine, from_s: f64) -> (Vec<(u64, usize, bool)>, f64) {
    let side = Trapezoid { mm: 20.0, mm_s: 80.0, mm_s2: 3000.0 };
    let per_mm = |motor: usize| 1.0 / m.motors[motor].step_mm();
    let mut out = Vec::new();
    let drop = Trapezoid { mm: m.start_mm[2] - 0.2, mm_s: 20.0, mm_s2: 100.0 };
    edges(|t| -drop.at(t - from_s) * per_mm(2), from_s, from_s + drop.duration_s() + 1e-3, 2, &mut out);
    let mut t0 = from_s + drop.duration_s() + 1e-3;
    let mut filament = 0.0;
    for layer in 0..2 {
        for (motor, sign) in [(0, 1.0), (1, 1.0), (0, -1.0), (1, -1.0)] {
            let d = side.duration_s();
            let start = if sign > 0.0 { 0.0 } else { 20.0 };
            edges(|t| (start + sign * side.at(t - t0)) * per_mm(motor), t0, t0 + d, motor, &mut out);
            let e0 = filament;
            edges(|t| (e0 + 0.035 * side.at(t - t0)) * per_mm(3), t0, t0 + d, 3, &mut out);
            filament += 0.035 * 20.0;
            t0 += d;
        }
        if layer == 0 {
            let up = Trapezoid { mm: 0.2, mm_s: 5.0, mm_s2: 100.0 };
            let z0 = -drop.mm * per_mm(2);
            edges(|t| z0 + up.at(t - t0) * per_mm(2), t0, t0 + up.duration_s() + 1e-3, 2, &mut out);
            t0 += up.duration_s() + 2e-3;
        }
    }
    out.sort_by_key(|e| (e.0, e.1));
    (out, t0)
}

fn hot(m: &Machine, seed: u64) -> Plant {
    let mut plant = enabled(m, seed);
    plant.set_heater(0, 0, 1.0);
    plant.set_heater(1, 0, 1.0);
    plant.set_heater(1, 60_000_000_000, 0.35);
    plant.set_heater(0, 90_000_000_000, 0.3);
    plant
}

#[test]
fn same_input_gives_the_same_bits_however_often_time_is_asked() {
    for shape in [Shape::Cartesian { bed_slinger: false }, Shape::CoreXy, Shape::Delta(Delta::default())] {
        let m = machine(shape);
        let (all, end_s) = square(&m, 100.0);
        let end_ns = (end_s * 1e9) as u64 + 1_000_000_000;
        let run = |often: bool, seed: u64| {
            let mut plant = hot(&m, seed);
            for (at_ns, motor, forward) in &all {
                if often {
                    plant.advance(at_ns - 1);
                    let _ = plant.truth();
                }
                plant.step(*motor, *at_ns, *forward);
            }
            plant.advance(end_ns);
            let mut beads = Vec::new();
            plant.take_beads(&mut beads);
            (digest(&plant), beads)
        };
        assert_eq!(run(false, 1), run(true, 1));
        assert_ne!(run(false, 1).0, run(false, 2).0, "the bed's shape must follow the seed");
    }
}

#[test]
fn another_sensor_does_not_move_the_noise_of_the_first() {
    let m = cartesian();
    let mut more = m.clone();
    let mut extra = m.sensors[0].clone();
    extra.name = "chamber".into();
    more.sensors.insert(0, extra);
    let (mut a, mut b) = (Plant::new(&m, 9).expect("valid"), Plant::new(&more, 9).expect("valid"));
    for n in 0..100 {
        assert_eq!(a.sensor_code(0, n * 1_000_000), b.sensor_code(1, n * 1_000_000));
        let _ = b.sensor_code(0, n * 1_000_000);
    }
}

#[test]
fn machine_survives_ron_and_refuses_unknown_fields() {
    for shape in [Shape::Cartesian { bed_slinger: true }, Shape::CoreXy, Shape::Delta(Delta::default())] {
        let m = machine(shape);
        let text = ron::ser::to_string_pretty(&m, ron::ser::PrettyConfig::default()).expect("serialises");
        assert_eq!(ron::from_str::<Machine>(&text).expect("reads back"), m);
        let wrong = text.replace("ambient_c", "ambient_k");
        assert!(ron::from_str::<Machine>(&wrong).expect_err("unknown field").to_string().contains("ambient_k"));
    }
}

#[test]
fn validation_names_every_problem_at_once() {
    let mut m = cartesian();
    m.motors[0].rotation_distance_mm = 0.0;
    m.sensors[1].feels = drydock_plant::thermistor::Feels::Heater(7);
    m.modes[0].freq_hz = f64::NAN;
    m.travel_max_mm[1] = m.travel_min_mm[1];
    let problems = m.validate().expect_err("four problems");
    for place in ["motors[0].rotation_distance_mm", "sensors[1].feels", "modes[0].freq_hz", "travel_max_mm[1]"] {
        assert!(problems.iter().any(|p| p.place == place), "{place} is missing in {problems:?}");
    }
    assert!(Plant::new(&m, 0).is_err());
}

#[test]
fn endstop_closes_where_the_axis_arrives() {
    let mut m = cartesian();
    m.endstops = vec![Endstop {
        name: "x".into(),
        watches: Watches::Axis(0),
        at_mm: 0.0,
        side: Side::Below,
        scatter_mm: 0.0,
        hysteresis_mm: 0.05,
    }];
    let step = m.motors[0].step_mm();
    let mut plant = enabled(&m, 0);
    // 50 mm/s towards 0; polled every 60 us.
    let mut pulse_ns = 1_000_000u64;
    let mut at_ns = 0;
    while !plant.endstop(0, at_ns) {
        while pulse_ns <= at_ns {
            plant.step(0, pulse_ns, false);
            pulse_ns += 250_000;
        }
        at_ns += 60_000;
        assert!(at_ns < 10_000_000_000, "never closed");
    }
    let at_mm = plant.truth().motors[0].commanded_mm;
    // The step that is due half a step early, the lag of the rotor under friction, one poll at 50 mm/s.
    assert!(at_mm.abs() < 0.03, "closed at {at_mm} mm ({step} mm a step)");
}

#[test]
fn probe_finds_the_surface_under_it() {
    let mut m = cartesian();
    m.start_mm = [150.0, 100.0, 5.0];
    m.bed_surface = BedSurface { tilt: [1e-3, 2e-3], height_mm: 0.1, ..BedSurface::flat() };
    m.probes = vec![Probe {
        name: "bltouch".into(),
        offset_mm: [-30.0, 10.0, 1.5],
        scatter_mm: 0.0,
        hysteresis_mm: 0.05,
        retracts: true,
    }];
    let mut plant = enabled(&m, 0);
    assert!(!plant.probe(0, 1_000_000), "the pin is in");
    plant.set_probe_deployed(0, 2_000_000, true);
    let expected = plant.bed_height_mm(120.0, 110.0) + 1.5;
    let mut at_ns = 3_000_000u64;
    // 2 mm/s down: a step of 2.5 um every 1.25 ms.
    while !plant.probe(0, at_ns) {
        plant.step(2, at_ns, false);
        at_ns += 1_250_000;
        assert!(at_ns < 10_000_000_000, "never triggered");
    }
    let z = plant.truth().nozzle_mm[2];
    // One step, and the give of the rotor against the screw's friction.
    assert!((z - expected).abs() < 0.006, "triggered at {z} mm, surface {expected} mm");
}

#[test]
fn sensor_faults_reach_the_ends_of_the_converter() {
    let mut plant = Plant::new(&cartesian(), 0).expect("valid");
    plant.inject(1, &Fault::ThermistorOpen { sensor: 0 });
    assert!(plant.sensor_code(0, 2) > 4085);
    plant.inject(3, &Fault::ThermistorShort { sensor: 0 });
    assert!(plant.sensor_code(0, 4) < 10);
    plant.inject(5, &Fault::ThermistorMended { sensor: 0 });
    assert!((3900..4000).contains(&plant.sensor_code(0, 6)));
}

#[test]
fn stuck_heater_ignores_its_output() {
    let mut plant = Plant::new(&cartesian(), 0).expect("valid");
    plant.inject(0, &Fault::HeaterStuckOn { heater: 0 });
    plant.set_heater(0, 1, 0.0);
    plant.advance(60_000_000_000);
    assert!(plant.truth().heaters[0].body_c > 120.0);
    plant.inject(60_000_000_000, &Fault::HeaterStuckOff { heater: 0 });
    plant.set_heater(0, 60_000_000_001, 1.0);
    let before = plant.truth().heaters[0].body_c;
    plant.advance(120_000_000_000);
    assert!(plant.truth().heaters[0].body_c < before);
}

#[test]
fn fan_cools_and_a_dead_fan_does_not() {
    let end_c = |dead: bool| {
        let mut plant = Plant::new(&cartesian(), 0).expect("valid");
        plant.set_heater(0, 0, 0.3);
        plant.set_fan(0, 0, 1.0);
        if dead {
            plant.inject(0, &Fault::FanDead { fan: 0 });
        }
        plant.advance(3_000_000_000_000);
        plant.truth().heaters[0].body_c
    };
    assert!((end_c(false) - 22.0 - 12.0 / 0.097).abs() < 0.1);
    assert!((end_c(true) - 22.0 - 12.0 / 0.068).abs() < 0.1);
}

#[test]
fn stalled_axis_loses_whole_periods_and_stays() {
    let m = cartesian();
    let line = Trapezoid { mm: 40.0, mm_s: 100.0, mm_s2: 2000.0 };
    let mut all = Vec::new();
    edges(|t| line.at(t) / m.motors[0].step_mm(), 0.0, line.duration_s() + 1e-3, 0, &mut all);
    let mut plant = enabled(&m, 0);
    plant.inject(0, &Fault::AxisStalled { motor: 0 });
    play(&mut plant, all, 2.0);
    let truth = plant.truth();
    assert!((truth.drive_mm[0] - m.start_mm[0]).abs() < 1e-9, "{:?}", truth.drive_mm);
    assert_eq!(truth.motors[0].lost_full_steps, -200);
    assert!(events(&mut plant).contains(&EventKind::LostSteps { motor: 0, full_steps: -200 }));
}

#[test]
fn belt_slip_shifts_the_axis() {
    let m = cartesian();
    let mut plant = enabled(&m, 0);
    plant.inject(1_000_000, &Fault::BeltSlip { motor: 1, teeth: -2, pitch_mm: 2.0 });
    plant.advance(3_000_000_000);
    let truth = plant.truth();
    assert!((truth.nozzle_mm[1] - m.start_mm[1] + 4.0).abs() < 1e-6, "{:?}", truth.nozzle_mm);
}

#[test]
fn axis_stops_at_the_end_of_its_travel() {
    let m = cartesian();
    let line = Trapezoid { mm: 200.0, mm_s: 50.0, mm_s2: 1000.0 };
    let mut all = Vec::new();
    edges(|t| line.at(t) / m.motors[0].step_mm(), 0.0, line.duration_s() + 1e-3, 0, &mut all);
    let mut plant = enabled(&m, 0);
    play(&mut plant, all, 6.0);
    let truth = plant.truth();
    assert!(truth.drive_mm[0] < m.travel_max_mm[0] + 1.0, "{:?}", truth.drive_mm);
    assert!(truth.motors[0].lost_full_steps < -150, "{}", truth.motors[0].lost_full_steps);
    assert!(events(&mut plant).iter().any(|e| matches!(e, EventKind::HitEndOfTravel { axis: 0, .. })));
}

#[test]
fn nozzle_that_runs_into_the_bed_is_told_and_pressed_back() {
    let mut m = cartesian();
    m.start_mm[2] = 1.0;
    m.bed_surface = BedSurface::flat();
    let down = Trapezoid { mm: 1.4, mm_s: 5.0, mm_s2: 50.0 };
    let mut all = Vec::new();
    edges(|t| -down.at(t) / m.motors[2].step_mm(), 0.0, down.duration_s() + 1e-3, 2, &mut all);
    let mut plant = enabled(&m, 0);
    play(&mut plant, all, 2.0);
    let told = events(&mut plant);
    let force =
        told.iter().filter_map(|e| if let EventKind::NozzleHitBed { force_n, .. } = e { Some(*force_n) } else { None });
    assert!(force.fold(0.0f64, f64::max) > 20.0, "{told:?}");
    // 0.4 mm of 120 N/mm against a screw that holds 150 N: pressed, not stalled.
    assert_eq!(plant.truth().motors[2].lost_full_steps, 0);
}

#[test]
fn square_is_laid_as_asked_and_its_volume_is_what_was_pushed() {
    let mut m = cartesian();
    m.bed_surface = BedSurface::flat();
    // A direct drive: a Bowden tube would keep a millimetre of filament back.
    m.extruders[0].stiffness_n_mm = 90.0;
    let (all, end_s) = square(&m, 100.0);
    let mut plant = hot(&m, 1);
    play(&mut plant, all, end_s + 0.05);
    plant.finish_bead();
    let mut beads: Vec<Bead> = Vec::new();
    plant.take_beads(&mut beads);
    let volume: f64 = beads.iter().map(|b| b.volume_mm3).sum();
    let pushed = 8.0 * 20.0 * 0.035 * std::f64::consts::FRAC_PI_4 * 1.75 * 1.75;
    // What is still squeezed in the filament at the end (about 0.1 mm) has not come out.
    assert!(volume > pushed * 0.93 && volume < pushed, "{volume} of {pushed} mm^3");
    // Where the pressure is still building up the strand is thinner than the gap, and round.
    let lines = beads.iter().filter(|b| b.width_mm > 1.01 * b.height_mm && b.width_mm < 1.0);
    assert!(lines.clone().all(|b| (b.height_mm - 0.2).abs() < 0.01), "layers of 0.2 mm");
    assert!(lines.count() * 4 > beads.len() * 3);
    assert!(beads.iter().all(|b| b.width_mm < 1.6), "a blob spreads as a disc");
    let middle = beads.iter().filter(|b| b.width_mm > 0.40 && b.width_mm < 0.50).count();
    assert!(middle * 2 > beads.len(), "{middle} of {} beads near 0.45 mm", beads.len());
    assert!(plant.peak_ringing_um() > 5.0 && plant.peak_ringing_um() < 200.0, "{} um", plant.peak_ringing_um());
    let told = events(&mut plant);
    assert!(
        !told.iter().any(|e| matches!(e, EventKind::LostSteps { .. } | EventKind::NozzleHitPart { .. })),
        "{told:?}"
    );
}

/// After a corner the wall rings with the mode's wavelength v/f and amplitude about a/w^2.
#[test]
fn ringing_is_in_the_beads() {
    let mut m = cartesian();
    m.bed_surface = BedSurface::flat();
    m.modes = vec![Mode::along(0, 45.0, 0.06, 1.0)];
    for motor in &mut m.motors {
        motor.model = Drive::Ideal;
    }
    m.start_mm = [50.0, 50.0, 0.2];
    m.extruders[0].heater = None;
    let (v, a) = (100.0, 3000.0);
    let mut all = Vec::new();
    // X comes to a stop at once with the start of Y at full speed: a corner as sharp as the planner makes them.
    let ramp = v / a;
    let x = |t: f64| if t < ramp { v * t - 0.5 * a * t * t } else { 0.5 * v * ramp };
    edges(|t| x(t) / m.motors[0].step_mm(), 0.0, 0.4, 0, &mut all);
    edges(|t| v * (t - ramp).max(0.0) / m.motors[1].step_mm(), 0.0, 0.4, 1, &mut all);
    edges(|t| 0.035 * v * t / m.motors[3].step_mm(), 0.0, 0.4, 3, &mut all);
    let mut plant = enabled(&m, 0);
    // X moves before time 0 in the story: let it start from speed by playing the ramp only.
    play(&mut plant, all, 0.4);
    plant.finish_bead();
    let mut beads = Vec::new();
    plant.take_beads(&mut beads);
    let wall: Vec<&Bead> = beads.iter().filter(|b| b.start_mm[1] > 52.0).collect();
    let rest = wall.last().map_or(0.0, |b| b.end_mm[0]);
    let swing = wall.iter().map(|b| (b.end_mm[0] - rest).abs()).fold(0.0, f64::max);
    let expected = a / (std::f64::consts::TAU * 45.0f64).powi(2);
    assert!(swing > 0.3 * expected && swing < 8.0 * expected, "{swing} mm, a/w^2 {expected} mm");
    assert!(wall.len() > 40, "{} beads hold the wave", wall.len());
}

#[test]
fn cold_extrusion_is_told() {
    let m = cartesian();
    let push = Trapezoid { mm: 3.0, mm_s: 3.0, mm_s2: 100.0 };
    let mut all = Vec::new();
    edges(|t| push.at(t) / m.motors[3].step_mm(), 0.0, push.duration_s(), 3, &mut all);
    let mut plant = enabled(&m, 0);
    play(&mut plant, all, 3.0);
    let told = events(&mut plant);
    assert!(told.iter().any(|e| matches!(e, EventKind::ColdExtrusion { extruder: 0, .. })), "{told:?}");
    assert_eq!(plant.truth().flow_mm3_s[0], 0.0);
}

#[test]
fn knocked_part_comes_loose_only_under_a_hard_blow() {
    let mut m = cartesian();
    m.bed_surface = BedSurface::flat();
    let (all, end_s) = square(&m, 100.0);
    let mut plant = hot(&m, 1);
    play(&mut plant, all, end_s + 1.0);
    let at_ns = (end_s * 1e9) as u64 + 1_100_000_000;
    plant.inject(at_ns, &Fault::KnockPart { impulse_n_s: [1e-4, 0.0, 0.0] });
    plant.advance(at_ns + 1_000_000_000);
    assert!(!events(&mut plant).iter().any(|e| matches!(e, EventKind::PartKnockedLoose { .. })));
    plant.inject(at_ns + 1_000_000_000, &Fault::KnockPart { impulse_n_s: [0.5, 0.0, 0.0] });
    plant.advance(at_ns + 20_000_000_000);
    let told = events(&mut plant);
    assert!(told.iter().any(|e| matches!(e, EventKind::PartKnockedLoose { .. })), "{told:?}");
    assert!(told.iter().any(|e| matches!(e, EventKind::PartAtRest { .. })), "{told:?}");
    assert!(plant.truth().part_moved_mm[0] > 5.0);
}

/// On a bed slinger the head does not feel Y, and a chip on the bed does not feel X.
#[test]
fn bed_slinger_feels_y_on_the_bed() {
    let mut m = machine(Shape::Cartesian { bed_slinger: true });
    let chip = Accelerometer { noise_mm_s2: [0.0; 3], ..Accelerometer::default() };
    m.accelerometers = vec![chip.clone(), Accelerometer { mount: drydock_plant::accelerometer::Mount::Bed, ..chip }];
    for mode in &mut m.modes {
        mode.shape[2] = 0.0;
        if mode.on_bed {
            mode.shape[0] = 0.0;
        }
    }
    let line = Trapezoid { mm: 10.0, mm_s: 60.0, mm_s2: 3000.0 };
    let mut all = Vec::new();
    edges(|t| line.at(t) / m.motors[1].step_mm(), 0.0, line.duration_s(), 1, &mut all);
    let mut plant = enabled(&m, 0);
    let (mut head, mut bed) = (0, 0);
    let mut next = 0;
    for n in 0..900u64 {
        let at_ns = n * 312_500;
        while next < all.len() && all[next].0 <= at_ns {
            plant.step(all[next].1, all[next].0, all[next].2);
            next += 1;
        }
        head = head.max(plant.acceleration_lsb(0, at_ns)[1].abs());
        bed = bed.max(plant.acceleration_lsb(1, at_ns)[1].abs());
    }
    assert_eq!(head, 0);
    assert!(bed > 60, "{bed} LSB");
}

/// Widths along a line with a speed change: right with pressure advance, wrong without.
#[test]
fn pressure_advance_evens_the_width() {
    let mut m = cartesian();
    m.bed_surface = BedSurface::flat();
    m.modes.clear();
    for motor in &mut m.motors {
        motor.model = Drive::Ideal;
    }
    m.start_mm = [20.0, 50.0, 0.2];
    m.extruders[0].heater = None;
    m.extruders[0].power_index = 1.0;
    m.extruders[0].thinning_per_k = 0.0;
    let tau = m.extruders[0].time_constant_s();
    let spread = |advance_s: f64| {
        // 20 mm/s for a second, 100 mm/s for a second, 20 mm/s for a second; ramps of 3000 mm/s^2.
        let speed = |t: f64| {
            let r = 80.0 / 3000.0;
            let up = ((t - 1.0) / r).clamp(0.0, 1.0);
            let down = ((t - 2.0) / r).clamp(0.0, 1.0);
            20.0 + 80.0 * (up - down)
        };
        let x = |t: f64| {
            let r = 80.0 / 3000.0;
            let ramp = |t: f64| {
                if t < 0.0 {
                    0.0
                } else if t < r {
                    0.5 * t * t / r
                } else {
                    t - 0.5 * r
                }
            };
            20.0 * t + 80.0 * (ramp(t - 1.0) - ramp(t - 2.0))
        };
        let mut all = Vec::new();
        edges(|t| x(t) / m.motors[0].step_mm(), 0.0, 3.0, 0, &mut all);
        edges(|t| 0.035 * (x(t) + advance_s * (speed(t) - 20.0)) / m.motors[3].step_mm(), 0.0, 3.0, 3, &mut all);
        let mut plant = enabled(&m, 0);
        play(&mut plant, all, 3.0);
        let mut beads = Vec::new();
        plant.take_beads(&mut beads);
        let widths = beads.iter().filter(|b| b.start_ns > 800_000_000 && b.end_ns < 2_900_000_000).map(|b| b.width_mm);
        widths.clone().fold(0.0, f64::max) - widths.fold(f64::INFINITY, f64::min)
    };
    let (without, with) = (spread(0.0), spread(tau));
    assert!(without > 0.15, "{without} mm");
    assert!(with < 0.2 * without, "{with} mm with, {without} mm without");
}

#[test]
fn an_index_that_names_nothing_is_ignored() {
    let mut plant = Plant::new(&cartesian(), 0).expect("valid");
    plant.step(99, 1, true);
    plant.enable_motor(99, 2, true);
    plant.set_heater(99, 3, 1.0);
    plant.set_fan(99, 4, f64::NAN);
    assert_eq!(plant.sensor_code(99, 5), 0);
    assert!(!plant.endstop(99, 6) && !plant.probe(99, 7));
    assert_eq!(plant.acceleration_lsb(99, 8), [0; 3]);
    plant.inject(9, &Fault::AxisStalled { motor: 99 });
}

#[test]
fn ripple_has_its_published_size() {
    // facts/physics.md 1.2: at 200 full steps/s (40 mm/s) the rotor shows 0.016-0.018 degrees at 100 a turn.
    let mut m = cartesian();
    m.motors[0].model = Drive::Rotor(Rotor::default());
    let step = m.motors[0].step_mm();
    let mut all = Vec::new();
    edges(|t| 40.0 * t / step, 0.0, 3.0, 0, &mut all);
    let mut plant = enabled(&m, 0);
    let mut next = 0;
    let (mut re, mut im, mut count) = (0.0f64, 0.0f64, 0.0f64);
    for n in 0..30_000u64 {
        let at_ns = n * 100_000;
        while next < all.len() && all[next].0 < at_ns {
            plant.step(all[next].1, all[next].0, all[next].2);
            next += 1;
        }
        plant.advance(at_ns);
        if n >= 10_000 {
            let t = n as f64 * 1e-4;
            let off_deg = (plant.truth().motors[0].position_mm - m.start_mm[0] - 40.0 * t) / 40.0 * 360.0;
            let (s, c) = (std::f64::consts::TAU * 100.0 * t).sin_cos();
            re += off_deg * c;
            im += off_deg * s;
            count += 1.0;
        }
    }
    let amplitude = 2.0 * (re * re + im * im).sqrt() / count;
    assert!((0.012..0.025).contains(&amplitude), "{amplitude} degrees");
}
