//! Rungs of the verification ladder that need the whole plant; the others stand in the models' own files. See
//! docs/ladder.md.
#![allow(clippy::disallowed_methods)] // closed forms, compared to a tolerance

mod common;

use common::{Trapezoid, cartesian, edges, enabled, machine, play};
use drydock_plant::accelerometer::Accelerometer;
use drydock_plant::drive::{Drive, Rotor};
use drydock_plant::frame::Mode;
use drydock_plant::heater::{Body, Heater};
use drydock_plant::hotend::Hotend;
use drydock_plant::kinematics::Delta;
use drydock_plant::thermistor::Curve;
use drydock_plant::{EventKind, Machine, Plant, Shape};

const TAU: f64 = std::f64::consts::TAU;

fn shapes() -> [Shape; 3] {
    [Shape::Cartesian { bed_slinger: true }, Shape::CoreXy, Shape::Delta(Delta::default())]
}

#[test]
fn cold_printer_at_rest_stays_at_ambient_and_in_place() {
    for shape in shapes() {
        let m = Machine { ambient_c: 25.0, ..machine(shape) };
        let mut plant = enabled(&m, 3);
        plant.advance(600_000_000_000);
        let truth = plant.truth();
        assert_eq!(truth.nozzle_mm, m.start_mm);
        assert!(truth.heaters.iter().all(|h| h.body_c == m.ambient_c && h.sensor_c == m.ambient_c));
        let mut events = Vec::new();
        plant.take_events(&mut events);
        assert_eq!(events, []);
        // 100 kohm at 25 degrees C over 4.7 kohm.
        let code =
            (0..64).map(|i| f64::from(plant.sensor_code(0, 600_000_000_000 + i * 1_000_000))).sum::<f64>() / 64.0;
        assert!((code - 4095.0 * 100.0 / 104.7).abs() < 0.5, "{code}");
    }
}

/// Pulses of a trapezoid move the nozzle by their sum, on every kind of machine.
#[test]
fn trapezoid_distance_is_the_sum_of_its_steps() {
    for shape in shapes() {
        let mut m = machine(shape);
        for motor in &mut m.motors {
            let clean =
                Rotor { coulomb_friction_n: 0.0, viscous_n_s_mm: 0.0, ripple_deg: [0.0; 3], ..Rotor::default() };
            motor.model = Drive::Rotor(clean);
        }
        m.motors[2].model = Drive::Ideal;
        let maps = m.kinematics.ready();
        let line = Trapezoid { mm: 60.0, mm_s: 120.0, mm_s2: 3000.0 };
        let along = |s: f64| [m.start_mm[0] + 0.8 * s, m.start_mm[1] - 0.6 * s, m.start_mm[2] + 0.05 * s];
        let mut all = Vec::new();
        for motor in 0..3 {
            let step = m.motors[motor].step_mm();
            let rail = |s: f64| maps.inverse(along(s)).expect("in reach")[motor];
            let origin = rail(0.0);
            edges(|t| (rail(line.at(t)) - origin) / step, 0.0, line.duration_s() + 1e-3, motor, &mut all);
        }
        let mut plant = enabled(&m, 0);
        play(&mut plant, all, 5.0);
        let truth = plant.truth();
        let end = along(60.0);
        println!("ladder: trapezoid ends {:?} off", [0, 1, 2].map(|i| truth.drive_mm[i] - end[i]));
        for axis in 0..3 {
            // Half a step of each rail is all that pulses can leave; a delta's rails share it out.
            assert!((truth.drive_mm[axis] - end[axis]).abs() < 0.0125, "{:?}, not {end:?}", truth.drive_mm);
        }
        for (motor, step) in truth.motors.iter().zip(&m.motors).take(3) {
            assert!((motor.position_mm - motor.commanded_mm).abs() < 1e-6, "{} um", step.step_mm());
            assert_eq!(motor.lost_full_steps, 0);
        }
    }
}

/// The frame's two modes of the issue, ideal drives with steps too fine to matter.
fn planted(drive: Drive, microsteps: u32) -> Machine {
    let mut m = cartesian();
    m.modes = vec![Mode::along(0, 48.0, 0.06, 1.0), Mode::along(1, 37.0, 0.06, 1.0)];
    for motor in &mut m.motors[..2] {
        motor.model = drive.clone();
        motor.microsteps = microsteps;
    }
    m.accelerometers = vec![Accelerometer { noise_mm_s2: [0.0; 3], ..Accelerometer::default() }];
    m
}

/// Largest vibration along X after the motion has ended, mm.
fn residue(m: &Machine, path: impl Fn(f64) -> f64, end_s: f64) -> f64 {
    let mut all = Vec::new();
    edges(|t| path(t) / m.motors[0].step_mm(), 0.0, end_s + 1e-3, 0, &mut all);
    let mut plant = enabled(m, 0);
    play(&mut plant, all, end_s + 1e-3);
    let mut worst = 0.0f64;
    for n in 0..300 {
        plant.advance(((end_s + 1e-3) * 1e9) as u64 + n * m.tick_ns);
        let truth = plant.truth();
        worst = worst.max((truth.nozzle_mm[0] - truth.drive_mm[0]).abs());
    }
    worst
}

/// ZV at the mode's own frequency and damping leaves nothing behind a trapezoid; without it a/w^2 (1 + ...) rings on.
#[test]
fn zv_leaves_no_residual_at_design_frequency() {
    let m = planted(Drive::Ideal, 4096);
    let line = Trapezoid { mm: 30.0, mm_s: 100.0, mm_s2: 3000.0 };
    let (hz, z) = (48.0, 0.06f64);
    let wd = TAU * hz * (1.0 - z * z).sqrt();
    let k = (-z * std::f64::consts::PI / (1.0 - z * z).sqrt()).exp();
    let (a1, a2, half) = (1.0 / (1.0 + k), k / (1.0 + k), std::f64::consts::PI / wd);
    let bare = residue(&m, |t| line.at(t), line.duration_s());
    let shaped = residue(&m, |t| a1 * line.at(t) + a2 * line.at(t - half), line.duration_s() + half);
    println!("ladder: ZV residue {:.5} of {:.2} um", shaped / bare, bare * 1e3);
    assert!(bare > 5e-3, "{bare}");
    assert!(shaped / bare < 2e-3, "residue {} of {bare} mm", shaped / bare);
}

/// A sweep through pulses, rotor, friction and chip: the transfer from drive to chip has the planted poles.
#[test]
fn planted_modes_come_back_through_steps_and_chip() {
    for (axis, hz) in [(0usize, 48.0), (1, 37.0)] {
        let m = planted(Drive::Rotor(Rotor::default()), 16);
        let step = m.motors[axis].step_mm();
        let mut all = Vec::new();
        // a = 60 f sin(phase), 4 Hz/s from 20 to 80 Hz: phase = 2 pi (20 t + 2 t^2). The position by the fast-phase
        // approximation -a/w^2, which the chip's record of the drive need not share: the input is taken from the pulses.
        let freq = |t: f64| 20.0 + 4.0 * t;
        let phase = |t: f64| TAU * (20.0 * t + 2.0 * t * t);
        let path = |t: f64| -60.0 * freq(t) * phase(t).sin() / (TAU * freq(t)).powi(2);
        let end_s = 15.0;
        edges(|t| path(t) / step, 0.0, end_s, axis, &mut all);
        let mut plant = enabled(&m, 0);
        let mut next = 0;
        let rate = 3200.0;
        let (mut out, mut drive) = (Vec::new(), Vec::new());
        for n in 0..(end_s * rate) as u64 {
            let at_ns = (n as f64 / rate * 1e9) as u64;
            while next < all.len() && all[next].0 <= at_ns {
                plant.step(all[next].1, all[next].0, all[next].2);
                next += 1;
            }
            let lsb = plant.acceleration_lsb(0, at_ns)[axis];
            out.push(f64::from(lsb) * m.accelerometers[0].lsb_mm_s2[axis]);
            drive.push(plant.truth().drive_mm[axis] - m.start_mm[axis]);
        }
        let transfer = |hz: f64| {
            let dft = |x: &[f64]| {
                let (mut re, mut im) = (0.0, 0.0);
                for (n, v) in x.iter().enumerate() {
                    let (s, c) = (TAU * hz * n as f64 / rate).sin_cos();
                    re += v * c;
                    im -= v * s;
                }
                (re, im)
            };
            let ((a, b), (c, d)) = (dft(&out), dft(&drive));
            // Acceleration of the drive is -w^2 times its position.
            let w2 = (TAU * hz).powi(2);
            ((a * a + b * b) / (c * c + d * d)).sqrt() / w2
        };
        let gain = |f: f64| {
            let (r, z) = (f / hz, 0.06);
            let zr = 2.0 * z * r;
            ((1.0 + zr * zr) / ((1.0 - r * r).powi(2) + zr * zr)).sqrt()
        };
        let peak = |g: &dyn Fn(f64) -> f64| {
            let at = |i: i32| hz - 3.0 + f64::from(i) * 0.02;
            (0..300).max_by(|a, b| g(at(*a)).total_cmp(&g(at(*b)))).map(at).unwrap_or(0.0)
        };
        // Least squares of the measured gain against the closed form over frequency: the planted value comes back.
        let measured: Vec<f64> = (0..60).map(|i| transfer(hz * (0.85 + 0.005 * f64::from(i)))).collect();
        let cost = |f0: f64, z: f64| {
            measured
                .iter()
                .enumerate()
                .map(|(i, m)| {
                    let f = hz * (0.85 + 0.005 * i as f64);
                    let (r, zr) = (f / f0, 2.0 * z * f / f0);
                    let g = ((1.0 + zr * zr) / ((1.0 - r * r).powi(2) + zr * zr)).sqrt();
                    (m.ln() - g.ln()).powi(2)
                })
                .sum::<f64>()
        };
        let (mut best, mut at) = (f64::INFINITY, (0.0, 0.0));
        for i in -50..=50 {
            for j in -20..=20 {
                let candidate = (hz + 0.01 * f64::from(i), 0.06 + 0.0005 * f64::from(j));
                let c = cost(candidate.0, candidate.1);
                if c < best {
                    (best, at) = (c, candidate);
                }
            }
        }
        let (found, expected) = (peak(&|f| transfer(f)), peak(&gain));
        println!(
            "ladder: mode {hz} Hz comes back as {:.2} Hz, damping {:.4}; peak {found:.2}, closed form {expected:.2}",
            at.0, at.1
        );
        assert!((at.0 - hz).abs() < 0.1, "{} Hz", at.0);
        assert!((at.1 - 0.06).abs() < 0.003, "damping {}", at.1);
        assert!((found - expected).abs() < 0.1, "peak {found} Hz, closed form {expected} Hz");
    }
}

/// C = 8 J/K, R = 7 K/W, P = 40 W under a relay of 5 K with 0.3 s reports that act 0.3 s later. Over a cycle the swing up
/// and down at the slopes (P - L)/C and L/C, L the loss, must take the cycle's time.
#[test]
fn relay_cycle_matches_closed_form() {
    let mut m = cartesian();
    m.heaters[0] = Heater { name: "extruder".into(), body: Body::Hotend(Hotend::single_node(40.0, 8.0, 7.0)) };
    m.sensors[0].noise_lsb = 0.0;
    let mut plant = Plant::new(&m, 0).expect("valid");
    let mut on = true;
    let (mut peaks, mut extreme) = (Vec::new(), (f64::NEG_INFINITY, 0.0));
    for n in 0..2000u64 {
        let at_ns = n * 300_000_000;
        let t = {
            let _ = plant.sensor_code(0, at_ns);
            plant.truth().heaters[0].sensor_c
        };
        // What the last report decided acts from this one on.
        plant.set_heater(0, at_ns, f64::from(u8::from(on)));
        if on && t >= 200.0 || !on && t <= 195.0 {
            on = !on;
            peaks.push(extreme);
            extreme = (t, at_ns as f64 * 1e-9);
        }
        // Heat goes on rising after the switch: a peak is the farthest value before the next one.
        if (on && t <= extreme.0) || (!on && t >= extreme.0) {
            extreme = (t, at_ns as f64 * 1e-9);
        }
        if peaks.len() >= 14 {
            break;
        }
    }
    let swing = (peaks[10].0 - peaks[9].0).abs();
    let tu = peaks[11].1 - peaks[9].1;
    let loss_w = (0.5 * (peaks[10].0 + peaks[9].0) - 22.0) / 7.0;
    let expected = swing * (8.0 / (40.0 - loss_w) + 8.0 / loss_w);
    println!("ladder: relay swing {swing:.2} K takes {tu:.2} s, closed form {expected:.2} s");
    // Peaks are seen at reports, 0.3 s apart.
    assert!((tu - expected).abs() < 0.3, "{tu} s, closed form {expected} s");
}

/// ADC code to temperature through the table that a host would use.
#[test]
fn thermistor_reads_back_the_temperature_of_the_body() {
    let mut m = cartesian();
    m.heaters[0].body = Body::Hotend(Hotend::single_node(40.0, 8.0, 7.0));
    m.sensors[0].curve = Curve::Beta { ohm: 100_000.0, at_c: 25.0, beta_k: 4267.0 };
    let mut plant = Plant::new(&m, 5).expect("valid");
    plant.set_heater(0, 0, 0.7);
    let mut worst = 0.0f64;
    for n in 1..100u64 {
        let at_ns = n * 3_000_000_000;
        let sum: f64 = (0..8).map(|i| f64::from(plant.sensor_code(0, at_ns + i * 1_000_000))).sum();
        let ratio = sum / 8.0 / 4095.0;
        let r: f64 = 4700.0 * ratio / (1.0 - ratio);
        let t = 1.0 / (1.0 / 298.15 + (r / 100_000.0).ln() / 4267.0) - 273.15;
        let truth = plant.truth().heaters[0].sensor_c;
        worst = worst.max((t - truth).abs());
    }
    println!("ladder: thermistor reads within {worst:.2} K of the body, 8 samples of 1 LSB noise");
    assert!(worst < 0.25, "{worst} K");
}

/// Too fast for the motor: steps are lost and the event says so; at a sane pace none are.
#[test]
fn steps_are_lost_only_beyond_the_motor() {
    let lost = |mm_s2: f64, mm_s: f64| {
        let m = cartesian();
        let line = Trapezoid { mm: 120.0, mm_s, mm_s2 };
        let mut all = Vec::new();
        edges(|t| line.at(t) / m.motors[0].step_mm(), 0.0, line.duration_s() + 1e-3, 0, &mut all);
        let mut plant = enabled(&m, 0);
        play(&mut plant, all, 3.0);
        let mut events = Vec::new();
        plant.take_events(&mut events);
        let told = events.iter().any(|e| matches!(e.kind, EventKind::LostSteps { motor: 0, .. }));
        let truth = plant.truth();
        assert_eq!(told, truth.motors[0].lost_full_steps != 0);
        let off = truth.drive_mm[0] - m.start_mm[0] - 120.0;
        assert!((off - 0.2 * truth.motors[0].lost_full_steps as f64).abs() < 0.03, "{off} mm");
        truth.motors[0].lost_full_steps
    };
    assert_eq!(lost(3000.0, 200.0), 0);
    assert_eq!(lost(10_000.0, 300.0), 0);
    assert_ne!(lost(200_000.0, 700.0), 0);
    assert_ne!(lost(60_000.0, 2000.0), 0, "the supply cannot push the current in at 2000 mm/s");
}
