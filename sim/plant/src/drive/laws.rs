//! What checks the drives.

use super::rotor::{Moving, RotorLaw, arc_sine};
use super::*;
use alloc::string::String;
use alloc::vec::Vec;

use crate::machine::TICK_NS;
const TICK_S: f64 = TICK_NS as f64 * 1e-9;
const TAU: f64 = core::f64::consts::TAU;

/// A belt drive without friction and ripple.
fn clean() -> Rotor {
    Rotor { coulomb_friction_n: 0.0, viscous_n_s_mm: 0.0, ripple_deg: [0.0; 3], ..Rotor::default() }
}

fn belt(rotor: Rotor) -> Motor {
    Motor {
        name: String::new(),
        moves: Moves::Rail(0),
        rotation_distance_mm: 40.0,
        gear_ratio: 1.0,
        full_steps_per_rotation: 200,
        microsteps: 16,
        model: Drive::Rotor(rotor),
    }
}

/// Runs a motor at pulse times `ns(k)`, for `ticks`; `each` sees it after every tick.
fn run(state: &mut MotorState, ns: impl Fn(u64) -> u64, ticks: u64, mut each: impl FnMut(u64, &mut MotorState)) {
    let mut k = 0;
    for tick in 1..=ticks {
        while ns(k) < tick * TICK_NS {
            state.pulse(ns(k), true);
            k += 1;
        }
        state.tick(tick * TICK_NS, TICK_S);
        each(tick, state);
    }
}

fn at_rest(lag_mm: f64) -> Moving {
    Moving { lag_mm, ..Moving::default() }
}

fn on(motor: &Motor) -> MotorState {
    let mut state = MotorState::new(motor, 0.0, TICK_S);
    state.enable(true);
    state
}

#[test]
fn interpolated_command_is_straight_at_constant_speed() {
    let mut state = on(&Motor { model: Drive::Ideal, ..belt(clean()) });
    let mut worst = 0.0f64;
    let mut last = 0.0;
    // 1234 pulses a second: 0.0125 mm each.
    run(
        &mut state,
        |k| k * 810_373,
        5000,
        |tick, s| {
            let speed = (s.at_mm - last) / TICK_S;
            last = s.at_mm;
            if tick > 100 {
                worst = worst.max((speed / (0.0125 / 810_373e-9) - 1.0).abs());
            }
        },
    );
    assert!(worst < 1e-8, "relative speed ripple {worst}");
}

#[test]
fn natural_frequency_is_the_closed_form() {
    let motor = belt(clean());
    let rotor = clean();
    let mut state = on(&motor);
    // One pulse after standstill is a jump of one microstep: count crossings of the rest place.
    let mut crossings = Vec::new();
    let mut last = 0.0;
    run(
        &mut state,
        |k| if k == 0 { 90_000_000 } else { u64::MAX },
        1500,
        |tick, s| {
            let off = s.at_mm - 0.0125;
            if last * off < 0.0 {
                crossings.push(tick as f64 - off / (off - last));
            }
            last = off;
        },
    );
    let half_waves = (crossings.len() - 1) as f64;
    let hz = half_waves / 2.0 / ((crossings[crossings.len() - 1] - crossings[0]) * TICK_S);
    let torque = torque_constant(&rotor) * rotor.peak_current_a * rotor.torque_efficiency;
    let expected =
        (50.0 * torque / rotor.rotor_inertia_kg_m2).sqrt() / TAU * (1.0 - rotor.damping * rotor.damping).sqrt();
    std::println!("ladder: rotor at {hz:.2} Hz, closed form {expected:.2} Hz");
    assert!((hz / expected - 1.0).abs() < 2e-3, "{hz} and {expected} Hz");
}

/// Against all currents tried one by one. (The table in facts/physics.md 1.2 for this motor, LDO 42STH48-2004AC at 24 V,
/// reads 41.7, 41.7, 41.5, 31.5, 23.6, 19.1 N cm: within 1.7 % of what both limits allow.)
#[test]
fn torque_limit_is_the_largest_that_both_circles_allow() {
    let rotor = Rotor {
        holding_torque_n_m: 0.59,
        rated_current_a: 2.0,
        peak_current_a: 2.0,
        resistance_ohm: 1.6,
        inductance_h: 3.0e-3,
        ..clean()
    };
    let k_m = torque_constant(&rotor);
    for (rpm, table_n_cm) in [(0.0, 41.7), (300.0, 41.7), (600.0, 41.5), (900.0, 31.5), (1200.0, 23.6), (1500.0, 19.1)]
    {
        let w = rpm / 60.0 * TAU;
        let x = 50.0 * w * rotor.inductance_h;
        let mut most = 0.0f64;
        for size in 0..=400 {
            for turn in 0..=1000 {
                let i = rotor.peak_current_a * f64::from(size) / 400.0;
                let (q, d) = (f64::from(turn) / 2000.0 * TAU).sin_cos();
                let (d, q) = (i * d, i * q);
                let (v_d, v_q) = (rotor.resistance_ohm * d - x * q, rotor.resistance_ohm * q + x * d + k_m * w);
                if v_d * v_d + v_q * v_q <= rotor.supply_v * rotor.supply_v {
                    most = most.max(q);
                }
            }
        }
        let closed = torque_current_a(&rotor, 50.0, w);
        assert!(closed >= most - 1e-9 && closed < most + 0.006, "{closed} and {most} A at {rpm} rpm");
        assert!((closed * k_m * 100.0 / table_n_cm - 1.0).abs() < 0.018, "{} N cm at {rpm} rpm", closed * k_m * 100.0);
    }
}

/// A slowly growing load throws the rotor off at the pull-out force of its speed.
#[test]
fn pull_out_force_matches_closed_form() {
    let motor = belt(clean());
    let arm_m = 0.04 / TAU;
    for mm_s in [0.0, 100.0, 400.0, 800.0] {
        let mut state = on(&motor);
        let per_pulse_ns = if mm_s > 0.0 { (0.0125 / mm_s * 1e9) as u64 } else { u64::MAX / 4 };
        let expected = torque_constant(&clean())
            * clean().torque_efficiency
            * torque_current_a(&clean(), 50.0, mm_s * 1e-3 / arm_m)
            / arm_m;
        // Up to speed over 0.5 s, then the load grows by 1 N in 0.1 s.
        let ramp_ns = 500_000_000.0;
        let pulses_in_ramp = mm_s * 0.25 / 0.0125;
        let ns = |k: u64| {
            let k = k as f64 + 0.5;
            if mm_s == 0.0 {
                u64::MAX
            } else if k < pulses_in_ramp {
                (ramp_ns * (k / pulses_in_ramp).sqrt()) as u64
            } else {
                (ramp_ns + (k - pulses_in_ramp) * per_pulse_ns as f64) as u64
            }
        };
        let mut thrown_at = None;
        run(&mut state, ns, 60_000, |tick, s| {
            s.set_load((tick as f64 * TICK_S - 0.7).max(0.0) * 10.0);
            s.resting = false;
            if s.lost_full_steps() != 0 && thrown_at.is_none() {
                thrown_at = Some(s.load_n);
            }
        });
        let thrown_at = thrown_at.unwrap_or(0.0);
        std::println!("ladder: pulled out at {mm_s} mm/s by {thrown_at:.2} N, closed form {expected:.2} N");
        assert!((thrown_at / expected - 1.0).abs() < 0.02, "{mm_s} mm/s: {thrown_at} N, closed form {expected} N");
    }
}

#[test]
fn slips_by_whole_electrical_periods() {
    let motor = belt(Rotor { coulomb_friction_n: 2.0, ..clean() });
    let mut state = on(&motor);
    // 500 mm/s from standstill: no rotor follows that.
    run(&mut state, |k| if k < 4000 { k * 25_000 } else { u64::MAX }, 20_000, |_, _| {});
    let lost = state.lost_full_steps();
    assert!(lost < 0 && lost % 4 == 0, "{lost}");
    let off_mm = state.at_mm - state.commanded_mm();
    // Whole periods of 0.8 mm, but for what friction holds back.
    assert!((off_mm - 0.2 * lost as f64).abs() < 0.01, "{off_mm} mm, {lost} full steps");
}

/// Without damping and friction the pendulum on the sine has a slope of two.
#[test]
fn integrator_order_is_two() {
    let motor = belt(Rotor { damping: 0.0, ..clean() });
    let Drive::Rotor(rotor) = &motor.model else { panic!("a rotor") };
    let law = RotorLaw::new(&motor, rotor, TICK_S);
    let k = TAU * law.turns_mm;
    let at_end = |steps: u32| {
        let mut m = at_rest(-0.3);
        for _ in 0..steps {
            m.follow_fine(&law, k, 3e-3 / f64::from(steps));
        }
        m.lag_mm
    };
    let exact = at_end(100_000);
    let slope = ((at_end(150) - exact) / (at_end(300) - exact)).abs().log2();
    std::println!("ladder: order of the rotor's integrator {slope:.3}");
    assert!((slope - 2.0).abs() < 0.05, "order {slope}");
}

#[test]
fn linear_and_nonlinear_branches_agree() {
    let motor = belt(clean());
    let Drive::Rotor(rotor) = &motor.model else { panic!("a rotor") };
    let law = RotorLaw::new(&motor, rotor, TICK_S);
    let k = TAU * law.turns_mm;
    // A light load and a heavy one (0.65 of the pull-out force), with the rotor swinging round its place.
    for (load_n, allowed_mm) in [(3.0, 1e-4), (20.0, 1.5e-3)] {
        let balance_rad = arc_sine(load_n / law.force_n);
        let start = || Moving { speed_mm_s: 20.0, rate_mm_s: 30.0, load_n, balance_rad, ..at_rest(-0.03) };
        let (mut one, mut fine) = (start(), start());
        let mut worst = 0.0f64;
        for _ in 0..100 {
            one.follow(&law);
            for _ in 0..200 {
                fine.follow_fine(&law, k, TICK_S / 200.0);
            }
            worst = worst.max((one.lag_mm - fine.lag_mm).abs());
        }
        assert!(worst < allowed_mm, "{worst} mm apart at {load_n} N");
    }
}

/// A rotor let go beside its rest place: what it had is in friction and damping in the end.
#[test]
fn energy_in_equals_stored_plus_lost() {
    let motor = belt(Rotor { coulomb_friction_n: 1.0, ..clean() });
    let Drive::Rotor(rotor) = &motor.model else { panic!("a rotor") };
    let law = RotorLaw::new(&motor, rotor, TICK_S);
    let k = TAU * law.turns_mm;
    // Energies in N mm; kg mm^2/s^2 is 1e-3 N mm.
    let energy = |m: &Moving| {
        law.force_n / k * (1.0 - (m.lag_mm * k).cos()) + 0.5e-3 * law.inertia_kg * m.speed_mm_s * m.speed_mm_s
    };
    let mut m = at_rest(-0.3);
    let first = energy(&m);
    let mut lost = 0.0;
    let h = 2e-6;
    let mut worst = 0.0f64;
    for _ in 0..10_000 {
        let before = m.speed_mm_s;
        m.follow_fine(&law, k, h);
        let v = 0.5 * (before + m.speed_mm_s);
        lost += h * (law.damping_s * law.inertia_kg * 1e-3 * v * v + law.coulomb_n * v.abs());
        worst = worst.max((first - energy(&m) - lost).abs() / first);
    }
    std::println!("ladder: energy audit of a rotor with friction {worst:.1e}");
    assert!(worst < 2e-3, "relative energy error {worst}");
}

/// What a rotor and its carriage have at rest in their field: pulled out, sliding over its teeth and swinging about the last of
/// them, they only ever lose.
#[test]
fn a_carriage_that_slips_gains_no_energy() {
    let motor = belt(clean());
    let Drive::Rotor(rotor) = &motor.model else { panic!("a rotor") };
    let law = RotorLaw::new(&motor, rotor, TICK_S);
    let k = TAU * law.turns_mm;
    let mut state = on(&motor);
    let carried_kg = 0.6;
    let (mut before, mut first, mut worst, mut teeth) = (f64::INFINITY, 0.0, 0.0f64, 0);
    // Dragged off from standstill at 400 mm/s for 40 ms, and let go.
    let pulses = 1280;
    run(
        &mut state,
        |i| if i < pulses { i * 31_250 } else { u64::MAX },
        4000,
        |tick, s| {
            if s.slips() {
                s.carry(carried_kg, 0.0);
            }
            if tick * TICK_NS < 45_000_000 {
                return;
            }
            let kg = law.inertia_kg + if s.slips() { carried_kg } else { 0.0 };
            let (at_mm, mm_s) = s.truly();
            // N mm; kg mm^2/s^2 is 1e-3 N mm.
            let now = law.force_n / k * (1.0 - (k * at_mm).cos()) + 0.5e-3 * kg * mm_s * mm_s;
            if before == f64::INFINITY {
                first = now;
                assert!(s.slips(), "not on its way");
            }
            worst = worst.max((now - before) / first);
            teeth = teeth.max(s.lost_full_steps().abs());
            before = now;
        },
    );
    std::println!("ladder: a slipping carriage gains at most {worst:.1e} of its energy a tick");
    assert!(teeth > 8 && before < 1e-3 * first, "{teeth} full steps, {before} of {first} N mm left");
    assert!(worst < 2e-3, "gained {worst} of its energy");
}

#[test]
fn steps_sum_to_distance() {
    let motor = belt(clean());
    let mut state = on(&motor);
    run(&mut state, |k| if k < 8000 { 1_000_000 + k * 200_000 } else { u64::MAX }, 30_000, |_, _| {});
    assert_eq!(state.commanded_mm(), 100.0);
    assert!((state.at_mm - 100.0).abs() < 1e-6 && state.resting, "{} mm", state.at_mm);
}

#[test]
fn motor_that_is_off_falls_when_its_friction_is_weak() {
    let mut heavy = MotorState::new(&belt(Rotor { weight_n: -15.0, coulomb_friction_n: 5.0, ..clean() }), 0.0, TICK_S);
    let mut held = MotorState::new(&belt(Rotor { weight_n: -15.0, coulomb_friction_n: 25.0, ..clean() }), 0.0, TICK_S);
    for state in [&mut heavy, &mut held] {
        state.enable(false);
        for tick in 1..1000 {
            state.tick(tick * TICK_NS, TICK_S);
        }
    }
    // 10 N on the rotor's and the carriage's mass.
    let fall_s = 999.0 * TICK_S;
    let mass = 5.4e-6 / (0.04 / TAU * 0.04 / TAU) + 15.0 / 9.80665;
    let expected = -0.5 * 10.0 / mass * 1e3 * fall_s * fall_s;
    assert!((heavy.at_mm / expected - 1.0).abs() < 0.01, "{} and {expected}", heavy.at_mm);
    assert_eq!(held.at_mm, 0.0);
}
