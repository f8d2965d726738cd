//! The rotor on its magnetic spring, one tick at a time.
//!
//! Near its place the spring is straight: the tick is the exact free motion of a damped mass about a rest place, and what the
//! spring lacks to a sine is a force held over the tick, taken at its middle. Far from it, and above the speed at which the
//! supply limits the current, six leapfrog steps on the sine itself. Equations: see the parent.

use super::torque::{torque_constant, torque_current_a};
use super::{Motor, Rotor};
use crate::trig::{part_of_turn, sin_turns};
use alloc::vec::Vec;

/// Up to this load angle (rad) the spring is straight plus a force held over the tick; beyond, it is stepped finely.
const STRAIGHT_RAD: f64 = 1.1;
/// Up to this angle sine and arc sine are their first terms: 2e-5 of the pull-out force.
const SMALL_RAD: f64 = 0.4;
/// Steps of the nonlinear branch in a tick.
const FINE: usize = 6;
const PULL_OUT_POINTS: usize = 48;
const RIPPLE_POINTS: usize = 256;

/// What a rotor needs each tick, made once.
#[derive(Clone, Debug)]
pub(super) struct RotorLaw {
    /// Electrical turns per mm.
    pub(super) turns_mm: f64,
    pub(super) period_mm: f64,
    pub(super) inertia_kg: f64,
    /// Pull-out force at rest, N.
    pub(super) force_n: f64,
    pub(super) per_force: f64,
    /// Acceleration per force, mm/s^2/N, and the reciprocal of the square of the small-angle frequency, s^2.
    pub(super) per_inertia: f64,
    per_stiffness_s2: f64,
    pub(super) damping_s: f64,
    /// (e, v) after a tick of free motion.
    pub(super) tick: [[f64; 2]; 2],
    pub(super) tick_s: f64,
    pub(super) per_tick_s: f64,
    /// Error of the command over one electrical turn, mm, its last point the first; empty for a motor without.
    ripple_mm: Vec<f64>,
    pub(super) coulomb_n: f64,
    pub(super) viscous_n_s_mm: f64,
    pub(super) weight_n: f64,
    /// Speed up to which the pull-out force is flat, mm/s.
    pub(super) flat_mm_s: f64,
    /// Pull-out force at even speeds up to `top_mm_s`, N.
    pub(super) pull_out_n: [f64; PULL_OUT_POINTS],
    pub(super) top_mm_s: f64,
}

impl RotorLaw {
    pub(super) fn new(motor: &Motor, rotor: &Rotor, tick_s: f64) -> RotorLaw {
        let full_steps = f64::from(motor.full_steps_per_rotation);
        let travel_mm = motor.rotation_distance_mm / motor.gear_ratio;
        let arm_m = travel_mm * 1e-3 / core::f64::consts::TAU;
        let period_mm = travel_mm * 4.0 / full_steps;
        let pole_pairs = full_steps / 4.0;
        let per_ampere_n = torque_constant(rotor) * rotor.torque_efficiency / arm_m;
        let force = |mm_s: f64| per_ampere_n * torque_current_a(rotor, pole_pairs, mm_s * 1e-3 / arm_m);
        let force_n = force(0.0);
        // The speed up to which the peak current flows, by halving; the table goes on to four times that.
        let (mut flat_mm_s, mut step_mm_s) = (0.0, 4096.0);
        while step_mm_s > 1e-3 {
            if force(flat_mm_s + step_mm_s) >= force_n {
                flat_mm_s += step_mm_s;
            }
            step_mm_s *= 0.5;
        }
        let top_mm_s = 4.0 * flat_mm_s.max(1.0);
        let pull_out_n = core::array::from_fn(|i| force(top_mm_s * i as f64 / (PULL_OUT_POINTS - 1) as f64));
        let inertia_kg = rotor.rotor_inertia_kg_m2 / (arm_m * arm_m);
        // N/mm over kg is 1000/s^2.
        let stiffness_s2 = force_n * core::f64::consts::TAU / period_mm / inertia_kg * 1e3;
        let w = libm::sqrt(stiffness_s2);
        RotorLaw {
            turns_mm: 1.0 / period_mm,
            period_mm,
            inertia_kg,
            force_n,
            per_force: 1.0 / force_n,
            per_inertia: 1e3 / inertia_kg,
            per_stiffness_s2: 1.0 / stiffness_s2,
            damping_s: 2.0 * rotor.damping * w,
            tick: crate::frame::free_motion(w, rotor.damping, tick_s),
            tick_s,
            per_tick_s: 1.0 / tick_s,
            ripple_mm: ripple_table(rotor.ripple_deg.map(|deg| deg / 360.0 * travel_mm)),
            coulomb_n: rotor.coulomb_friction_n,
            viscous_n_s_mm: rotor.viscous_n_s_mm,
            weight_n: rotor.weight_n,
            flat_mm_s,
            pull_out_n,
            top_mm_s,
        }
    }

    /// Between the points of the table it is straight: 1e-3 of the ripple, nanometres.
    #[inline]
    pub(super) fn ripple_at(&self, command_mm: f64) -> f64 {
        let Some(last) = self.ripple_mm.len().checked_sub(1) else { return 0.0 };
        let at = part_of_turn(command_mm * self.turns_mm) * last as f64;
        let i = (at as usize).min(last - 1);
        self.ripple_mm[i] + (self.ripple_mm[i + 1] - self.ripple_mm[i]) * (at - i as f64)
    }

    /// Pull-out force when the field turns with a speed, N.
    pub(super) fn pull_out_at(&self, mm_s: f64) -> f64 {
        let x = (mm_s.abs() / self.top_mm_s) * (PULL_OUT_POINTS - 1) as f64;
        let i = x as usize;
        if i + 1 >= PULL_OUT_POINTS {
            // Far up the current falls with the reactance.
            return self.pull_out_n[PULL_OUT_POINTS - 1] * self.top_mm_s / mm_s.abs();
        }
        self.pull_out_n[i] + (self.pull_out_n[i + 1] - self.pull_out_n[i]) * (x - i as f64)
    }
}

/// The sum of the electrical harmonics 1, 2 and 4 over a turn that begins half a turn before the step pattern does.
fn ripple_table(size_mm: [f64; 3]) -> Vec<f64> {
    if size_mm == [0.0; 3] {
        return Vec::new();
    }
    let at = |i: usize| {
        let turns = i as f64 / RIPPLE_POINTS as f64 - 0.5;
        size_mm.iter().zip([1.0, 2.0, 4.0]).map(|(mm, harmonic)| mm * sin_turns(harmonic * turns)).sum()
    };
    (0..=RIPPLE_POINTS).map(at).collect()
}

/// The rotor during one tick: its lag behind the command (negative when behind) and its speed.
#[derive(Default)]
pub(super) struct Moving {
    pub(super) lag_mm: f64,
    pub(super) speed_mm_s: f64,
    pub(super) rate_mm_s: f64,
    /// The same without ripple: the speed of the field.
    pub(super) asked_mm_s: f64,
    pub(super) load_n: f64,
    pub(super) balance_rad: f64,
    pub(super) push_n: f64,
    /// While it slips: mass that moves with it, kg, and the part of the load by that, N.
    pub(super) carried_kg: f64,
    pub(super) carried_n: f64,
    /// Friction held it for the whole of the tick.
    pub(super) stuck: bool,
}

impl Moving {
    /// Whether it is near its place.
    #[inline]
    pub(super) fn follow(&mut self, law: &RotorLaw) -> bool {
        let k = core::f64::consts::TAU * law.turns_mm;
        let angle = -self.lag_mm * k;
        let near = angle.abs() + self.balance_rad.abs() < STRAIGHT_RAD && self.carried_kg == 0.0;
        if near && self.asked_mm_s.abs() <= law.flat_mm_s {
            self.follow_straight(law, angle);
            true
        } else {
            let mut stood = true;
            for _ in 0..FINE {
                stood &= self.speed_mm_s == 0.0;
                self.follow_fine(law, k, law.tick_s / FINE as f64);
            }
            self.stuck = stood && self.speed_mm_s == 0.0;
            false
        }
    }

    /// The spring is straight and what it lacks to the sine is a constant force: exact but for that.
    #[inline]
    fn follow_straight(&mut self, law: &RotorLaw, angle: f64) {
        // What the spring lacks to the sine is taken at the middle of the tick: second order in the tick.
        let k = core::f64::consts::TAU * law.turns_mm;
        let middle = angle - k * (self.speed_mm_s - self.rate_mm_s) * (0.5 * law.tick_s);
        let field_n = law.force_n * sine(middle + self.balance_rad) - self.load_n;
        let Some(friction_n) = self.friction(law, field_n + self.push_n + self.field_drag(law)) else { return };
        let bend_n = field_n - law.force_n * middle;
        let forcing = (bend_n + friction_n + self.push_n) * law.per_inertia;
        let rest_mm = forcing * law.per_stiffness_s2;
        let (u, w) = (self.lag_mm - rest_mm, self.speed_mm_s - self.rate_mm_s);
        let sign = self.speed_mm_s;
        self.lag_mm = rest_mm + law.tick[0][0] * u + law.tick[0][1] * w;
        self.speed_mm_s = self.rate_mm_s + law.tick[1][0] * u + law.tick[1][1] * w;
        if self.speed_mm_s * sign < 0.0 && law.coulomb_n > 0.0 {
            self.speed_mm_s = 0.0;
        }
    }

    /// What the field's damping pulls at a rotor that stands, N.
    fn field_drag(&self, law: &RotorLaw) -> f64 {
        law.damping_s * self.rate_mm_s * law.inertia_kg * 1e-3
    }

    /// Friction now, N; `None` if the rotor sticks for this tick, which is then done.
    #[inline]
    fn friction(&mut self, law: &RotorLaw, drive_n: f64) -> Option<f64> {
        if self.speed_mm_s == 0.0 && law.coulomb_n > 0.0 {
            if drive_n.abs() <= law.coulomb_n {
                self.lag_mm -= self.rate_mm_s * law.tick_s;
                self.stuck = true;
                return None;
            }
            return Some(-law.coulomb_n.copysign(drive_n));
        }
        let coulomb = if self.speed_mm_s == 0.0 { 0.0 } else { law.coulomb_n.copysign(self.speed_mm_s) };
        Some(-coulomb - law.viscous_n_s_mm * self.speed_mm_s)
    }

    /// One leapfrog step on the sine, with the pull-out force of the speed.
    pub(super) fn follow_fine(&mut self, law: &RotorLaw, k: f64, h: f64) {
        let turns_per_rad = 1.0 / core::f64::consts::TAU;
        // The supply limits the current by the speed of the field, whatever the rotor does.
        let force_n = law.pull_out_at(self.asked_mm_s);
        let per_inertia = 1e3 / (law.inertia_kg + self.carried_kg);
        let load_n = self.load_n - self.carried_n;
        let accelerate = |lag_mm: f64, speed: f64, rate: f64| -> f64 {
            let turns = (self.balance_rad - lag_mm * k) * turns_per_rad;
            let drag_n = law.damping_s * (speed - rate) * law.inertia_kg * 1e-3;
            let drive_n = force_n * sin_turns(turns) - load_n + self.push_n - drag_n;
            let friction_n = if speed == 0.0 {
                -drive_n.clamp(-law.coulomb_n, law.coulomb_n)
            } else {
                -law.coulomb_n.copysign(speed) - law.viscous_n_s_mm * speed
            };
            (drive_n + friction_n) * per_inertia
        };
        let old = self.speed_mm_s;
        let half = old + 0.5 * h * accelerate(self.lag_mm, old, self.rate_mm_s);
        self.lag_mm += (half - self.rate_mm_s) * h;
        self.speed_mm_s = half + 0.5 * h * accelerate(self.lag_mm, half, self.rate_mm_s);
        if self.speed_mm_s * old < 0.0 && law.coulomb_n > 0.0 {
            self.speed_mm_s = 0.0;
        }
    }

    /// The driver is off: friction, weight and contact only.
    pub(super) fn coast(&mut self, law: &RotorLaw) {
        let drive_n = law.weight_n + self.push_n;
        let Some(friction_n) = self.friction(law, drive_n) else { return };
        let mass_kg = law.inertia_kg + law.weight_n.abs() / 9.80665;
        let old = self.speed_mm_s;
        self.speed_mm_s += (drive_n + friction_n) / mass_kg * 1e3 * law.tick_s;
        if self.speed_mm_s * old < 0.0 {
            self.speed_mm_s = 0.0;
        }
        self.lag_mm += (self.speed_mm_s - self.rate_mm_s) * law.tick_s;
    }
}

/// Arc sine; half a turn's quarter beyond 1: a load that nothing balances.
#[inline]
pub(super) fn arc_sine(x: f64) -> f64 {
    if x.abs() < SMALL_RAD {
        let x2 = x * x;
        return x * (1.0 + x2 * (1.0 / 6.0 + x2 * (3.0 / 40.0 + x2 * (15.0 / 336.0))));
    }
    libm::asin(x.clamp(-1.0, 1.0))
}

/// Sine of an angle in radians.
#[inline]
fn sine(x: f64) -> f64 {
    if x.abs() < SMALL_RAD {
        let x2 = x * x;
        return x * (1.0 + x2 * (-1.0 / 6.0 + x2 * (1.0 / 120.0)));
    }
    sin_turns(x * (1.0 / core::f64::consts::TAU))
}
