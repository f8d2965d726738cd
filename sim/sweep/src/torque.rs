//! Torque that a print asks of its motors against what they can give, in closed form, move by move.
//!
//! # Equation
//! use = |L + J a + C sign v + B v| / F(v), F(v) = e K_m I(v) 2 pi g/s; L: the masses' inertia on the rail, by virtual work
//!
//! # Symbols
//! v (mm/s), a (mm/s^2) of the rail · J (kg) rotor seen at the rail · C (N), B (N s/mm) friction · F (N) pull-out force ·
//! I (A) torque current that driver and supply allow at this speed · K_m (N m/A) · e chopper's efficiency · g gear ratio ·
//! s (mm) rotation distance
//!
//! # Source
//! facts/physics.md 1.2: the same law by which the plant's rotor slips, here without its swing
//!
//! # Valid for
//! planned moves before shaping: shapers only lower accelerations. 1 is where a slowly growing load throws the rotor off
//!
//! # Caveats
//! A step of acceleration makes the rotor swing about its new place: the twin has that, this has not (docs/sweep.md).
//! Weight and cables are not in it.
//!
//! # Checked by
//! tests/limits.rs: onset against the twin and against the closed form of one axis

use drydock_plant::Machine;
use drydock_plant::drive::{Drive, Motor, Moves, Rotor, torque_constant, torque_current_a};
use drydock_plant::kinematics::Maps;
use drydock_recording::Move;

/// Step of the path over which rails are differentiated, mm.
const STEP_MM: f64 = 0.05;

/// The largest share of its torque that a motor is asked for, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct TorqueUse {
    /// 1: pull-out.
    pub share: f64,
    /// Its name.
    pub motor: String,
    pub at_ns: u64,
    pub at_mm: [f64; 3],
    pub line_no: u32,
    /// Of the nozzle.
    pub speed_mm_s: f64,
    pub accel_mm_s2: f64,
}

/// The force at which a motor is pulled out of step at a speed of its rail, N; None for one that follows exactly.
pub fn pull_out_n(motor: &Motor, rail_mm_s: f64) -> Option<f64> {
    let rotor = rotor(motor)?;
    let arm_m = arm_m(motor);
    let current_a =
        torque_current_a(rotor, f64::from(motor.full_steps_per_rotation) / 4.0, rail_mm_s.abs() * 1e-3 / arm_m);
    Some(torque_constant(rotor) * rotor.torque_efficiency * current_a / arm_m)
}

fn rotor(motor: &Motor) -> Option<&Rotor> {
    match &motor.model {
        Drive::Ideal => None,
        Drive::Rotor(rotor) => Some(rotor),
    }
}

fn arm_m(motor: &Motor) -> f64 {
    motor.rotation_distance_mm / motor.gear_ratio * 1e-3 / std::f64::consts::TAU
}

/// The worst of every motor over planned moves that go along the bed; None for a motor that they do not use.
pub fn along(machine: &Machine, moves: impl Iterator<Item = Move>) -> Vec<Option<TorqueUse>> {
    let maps = machine.kinematics.ready();
    let mut worst: Vec<Option<TorqueUse>> = vec![None; machine.motors.len()];
    for phase in moves {
        let way: [f64; 3] = std::array::from_fn(|i| phase.end_mm[i] - phase.start_mm[i]);
        let length = (way[0] * way[0] + way[1] * way[1] + way[2] * way[2]).sqrt();
        // Z has its own limits of speed and acceleration.
        if length < 1e-9 || way[2].abs() > 0.7 * length {
            continue;
        }
        let dir = way.map(|w| w / length);
        let end_v = phase.start_v_mm_s + phase.accel_mm_s2 * phase.duration_ns as f64 * 1e-9;
        for (at_mm, v) in [(phase.start_mm, phase.start_v_mm_s), (phase.end_mm, end_v)] {
            for (motor, share) in shares(machine, &*maps, at_mm, dir, v, phase.accel_mm_s2) {
                if worst[motor].as_ref().is_none_or(|w| w.share < share) {
                    worst[motor] = Some(TorqueUse {
                        share,
                        motor: machine.motors[motor].name.clone(),
                        at_ns: phase.at_ns,
                        at_mm,
                        line_no: phase.line_no,
                        speed_mm_s: v,
                        accel_mm_s2: phase.accel_mm_s2,
                    });
                }
            }
        }
    }
    worst
}

/// Of each motor on a rail, at one point of a straight path.
fn shares(
    machine: &Machine,
    maps: &dyn Maps,
    at_mm: [f64; 3],
    dir: [f64; 3],
    speed_mm_s: f64,
    accel_mm_s2: f64,
) -> Vec<(usize, f64)> {
    let rails_at = |s: f64| maps.inverse(std::array::from_fn(|i| at_mm[i] + dir[i] * s));
    let (Some(here), Some(before), Some(behind)) = (rails_at(0.0), rails_at(-STEP_MM), rails_at(STEP_MM)) else {
        return Vec::new();
    };
    let pull: [f64; 3] = std::array::from_fn(|i| machine.moving_mass_kg[i] * dir[i] * accel_mm_s2 * 1e-3);
    let loads = maps.rail_forces(here, at_mm, pull);
    let mut all = Vec::new();
    for (m, motor) in machine.motors.iter().enumerate() {
        let (Moves::Rail(rail), Some(rotor)) = (motor.moves, rotor(motor)) else { continue };
        let on_rail = machine.motors.iter().filter(|other| other.moves == motor.moves).count() as f64;
        let slope = (behind[rail] - before[rail]) / (2.0 * STEP_MM);
        let bend = (behind[rail] - 2.0 * here[rail] + before[rail]) / (STEP_MM * STEP_MM);
        let v = slope * speed_mm_s;
        let a = slope * accel_mm_s2 + bend * speed_mm_s * speed_mm_s;
        // A phase goes forward along its direction; from rest friction works against where it is going.
        let sign = if slope.abs() < 1e-6 { 0.0 } else { slope.signum() };
        let inertia_kg = rotor.rotor_inertia_kg_m2 / (arm_m(motor) * arm_m(motor));
        let force_n =
            loads[rail] / on_rail + inertia_kg * a * 1e-3 + rotor.coulomb_friction_n * sign + rotor.viscous_n_s_mm * v;
        if let Some(limit_n) = pull_out_n(motor, v) {
            all.push((m, if limit_n > 0.0 { force_n.abs() / limit_n } else { f64::INFINITY }));
        }
    }
    all
}
