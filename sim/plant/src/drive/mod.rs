//! A stepper motor and its driver: a rotor on a magnetic spring that follows its pulses, and slips when it cannot.
//!
//! # Equation
//! J y'' = F sin(k (c - y) + p) - L - R(y') - 2 z w J (y' - c') + X, with sin p = L/F, all seen through the gear as motion
//! of the rail; k = 2 pi/(4 full steps); w^2 = F k/J. Past half a turn of the load angle it slips, and the rigidly carried mass m
//! with it: J + m in the place of J, L less what m is of it, speed from the momentum of both; until it turns round within a
//! quarter turn. Pull-out force F = e K_m I g with the largest torque current I that peak current and supply voltage allow at the
//! speed of the field:
//! i_d^2 + i_q^2 <= I_p^2, |(R + j w_e L) i + j K_m W| <= V. R(y') = C sign y' + B y', or up to C while it sticks.
//! Command c: each pulse asks for one microstep; the driver spreads it over the time since the pulse before (256-fold
//! interpolation), then c += ripple: sum of e_h sin(h theta), h = 1, 2, 4 electrical harmonics.
//!
//! # Symbols
//! y (mm) rotor seen at the rail · c (mm) command · J (kg) inertia seen at the rail, rotor/g^2 · g (mm/rad) · L (N) load that
//! the frame feeds back · m (kg) mass that no mode carries, by virtual work on this rail · X (N) hard contact · C (N),
//! B (N s/mm) friction · z, w (rad/s) damping and frequency of the magnetic spring · R (ohm), L (H), V (V), K_m (N m/A), I_p (A) · W, w_e (rad/s) shaft and electrical speed ·
//! e: torque efficiency of the chopper
//!
//! # Source
//! facts/physics.md 1.2 (reduced model, voltage ellipse, slip by whole electrical periods, ripple harmonics from a 5 kHz
//! encoder); TMC2209 data sheet (interpolation to 256 microsteps, standstill after 2^20 clocks)
//!
//! # Valid for
//! current-regulated drivers far above the mechanics' frequencies; loads that are slow against w
//!
//! # Caveats
//! The load angle p that balances the frame's load is taken out of y: the modes of the frame are measured on the whole
//! machine, with the motor's give inside, and must not feel it twice. So a motor is thrown off by its rotor's inertia: too little
//! force for more than 5 to 15 ms, where a rigid carriage on the same field swings, is thrown off by steps of acceleration 5 to
//! 30 % earlier, and outlives longer shortages. Friction is the rotor's: turning round under full acceleration it is a step of 2 C.
//! No mid-band instability, no chopper ripple, no stealthChop lag.
//!
//! # Checked by
//! laws::torque_limit_is_the_largest_that_both_circles_allow, laws::pull_out_force_matches_closed_form, laws::slips_by_whole_electrical_periods, laws::natural_frequency_is_the_
//! closed_form, laws::integrator_order_is_two, laws::linear_and_nonlinear_branches_agree,
//! laws::interpolated_command_is_straight_at_constant_speed, laws::energy_in_equals_stored_plus_lost,
//! laws::a_carriage_that_slips_gains_no_energy; tests/onset.rs: onset over masses, speeds, motors and shapers, and the steps
//! that a rigid body loses
//!
//! # Cost
//! 3 ns a pulse; about 12 ns a tick and moving motor in the linear branch, 100 ns in the nonlinear one, 1 ns at rest

mod motor;
mod rotor;
mod torque;

pub(crate) use motor::MotorState;
pub use torque::{torque_constant, torque_current_a};

use crate::machine::{Machine, Problems};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// What a motor moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Moves {
    /// One of the three rails of the kinematics. Several motors may share a rail (two Z screws): the rail is their mean.
    Rail(usize),
    /// The filament of an extruder.
    Extruder(usize),
}

/// One motor with its driver and gears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Motor {
    /// Name in events and reports: `stepper_x`.
    #[serde(default)]
    pub name: String,
    /// What it moves.
    pub moves: Moves,
    /// Travel of the rail per turn of the last gear, mm.
    pub rotation_distance_mm: f64,
    /// Turns of the motor per turn of the last gear.
    #[serde(default = "one")]
    pub gear_ratio: f64,
    /// Full steps per turn of the motor: 200 or 400.
    #[serde(default = "two_hundred")]
    pub full_steps_per_rotation: u32,
    /// Step pulses per full step.
    #[serde(default = "sixteen")]
    pub microsteps: u32,
    /// How the shaft follows its pulses.
    #[serde(default)]
    pub model: Drive,
}

/// How a shaft follows its pulses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Drive {
    /// Exactly: no inertia, no slip. For tests and for machines of which only the frame matters.
    #[default]
    Ideal,
    /// A rotor on its magnetic spring.
    Rotor(Rotor),
}

/// Electrical and mechanical data of one stepper drive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotor {
    /// Holding torque with both phases at rated current, N m.
    pub holding_torque_n_m: f64,
    /// Rated phase current, A.
    pub rated_current_a: f64,
    /// Peak phase current that the driver is set to, A (1.414 times its RMS setting).
    pub peak_current_a: f64,
    /// Phase resistance, ohm.
    pub resistance_ohm: f64,
    /// Phase inductance, H.
    pub inductance_h: f64,
    /// Supply, V.
    pub supply_v: f64,
    /// Share of the ideal torque that the chopper reaches, 0.4 to 1.
    pub torque_efficiency: f64,
    /// Rotor inertia, kg m^2.
    pub rotor_inertia_kg_m2: f64,
    /// Coulomb friction of the rail, N.
    pub coulomb_friction_n: f64,
    /// Viscous friction of the rail, N s/mm.
    pub viscous_n_s_mm: f64,
    /// Damping ratio of the rotor on its magnetic spring.
    pub damping: f64,
    /// Error of the electrical angle by its harmonics 1, 2 and 4 (50, 100, 200 a turn), degrees of the motor shaft.
    pub ripple_deg: [f64; 3],
    /// Weight that pulls along the rail, signed, N: moves a Z carriage whose motor is off when friction does not hold it.
    #[serde(default)]
    pub weight_n: f64,
}

impl Default for Rotor {
    /// LDO 42STH40-1684AC (resistance, inductance, torque: data/stepper_motor_constants.json; inertia 54 g cm^2:
    /// facts/physics.md 1.2) at 0.8 A rms and 24 V. Damping and ripple: VzBot's encoder (same place), the ripple divided by
    /// the rotor's own response. Friction: the low end of 2 to 8 N. Efficiency 0.9: assumed.
    fn default() -> Self {
        Rotor {
            holding_torque_n_m: 0.45,
            rated_current_a: 1.68,
            peak_current_a: 1.13,
            resistance_ohm: 1.65,
            inductance_h: 3.6e-3,
            supply_v: 24.0,
            torque_efficiency: 0.9,
            rotor_inertia_kg_m2: 5.4e-6,
            coulomb_friction_n: 2.0,
            viscous_n_s_mm: 0.002,
            damping: 0.04,
            ripple_deg: [0.010, 0.015, 0.0145],
            weight_n: 0.0,
        }
    }
}

fn one() -> f64 {
    1.0
}
fn two_hundred() -> u32 {
    200
}
fn sixteen() -> u32 {
    16
}

impl Motor {
    /// Rail travel of one step pulse, mm.
    pub fn step_mm(&self) -> f64 {
        self.rotation_distance_mm
            / (self.gear_ratio * f64::from(self.full_steps_per_rotation) * f64::from(self.microsteps))
    }

    pub(crate) fn validate(&self, place: &str, machine: &Machine, p: &mut Problems) {
        let field = |name: &str| -> String { alloc::format!("{place}.{name}") };
        p.positive(field("rotation_distance_mm"), self.rotation_distance_mm);
        p.positive(field("gear_ratio"), self.gear_ratio);
        p.positive(field("full_steps_per_rotation"), f64::from(self.full_steps_per_rotation));
        p.positive(field("microsteps"), f64::from(self.microsteps));
        match self.moves {
            Moves::Rail(rail) => p.index(field("moves"), rail, 3, "the rails"),
            Moves::Extruder(e) => p.index(field("moves"), e, machine.extruders.len(), "extruders"),
        }
        if let Drive::Rotor(rotor) = &self.model {
            rotor.validate(&field("model"), p);
        }
    }
}

impl Rotor {
    fn validate(&self, place: &str, p: &mut Problems) {
        let field = |name: &str| -> String { alloc::format!("{place}.{name}") };
        p.positive(field("holding_torque_n_m"), self.holding_torque_n_m);
        p.positive(field("rated_current_a"), self.rated_current_a);
        p.positive(field("peak_current_a"), self.peak_current_a);
        p.positive(field("resistance_ohm"), self.resistance_ohm);
        p.positive(field("inductance_h"), self.inductance_h);
        p.positive(field("supply_v"), self.supply_v);
        p.within(field("torque_efficiency"), self.torque_efficiency, 0.05, 1.0);
        p.positive(field("rotor_inertia_kg_m2"), self.rotor_inertia_kg_m2);
        p.within(field("coulomb_friction_n"), self.coulomb_friction_n, 0.0, 1e4);
        p.within(field("viscous_n_s_mm"), self.viscous_n_s_mm, 0.0, 1.0);
        p.within(field("damping"), self.damping, 0.0, 0.99);
    }
}

#[cfg(test)]
mod laws;
