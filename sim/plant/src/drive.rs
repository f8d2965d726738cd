//! A stepper motor and its driver: a rotor on a magnetic spring that follows its pulses, and slips when it cannot.
//!
//! # Equation
//! J y'' = F sin(k (c - y) + p) - L - R(y') - 2 z w J (y' - c') + X, with sin p = L/F, all seen through the gear as motion
//! of the rail; k = 2 pi/(4 full steps); w^2 = F k/J. Pull-out force F = e K_m I g with the largest torque current I that
//! peak current and supply voltage allow at this speed:
//! i_d^2 + i_q^2 <= I_p^2, |(R + j w_e L) i + j K_m W| <= V. R(y') = C sign y' + B y', or up to C while it sticks.
//! Command c: each pulse asks for one microstep; the driver spreads it over the time since the pulse before (256-fold
//! interpolation), then c += ripple: sum of e_h sin(h theta), h = 1, 2, 4 electrical harmonics.
//!
//! # Symbols
//! y (mm) rotor seen at the rail · c (mm) command · J (kg) inertia seen at the rail, rotor/g^2 · g (mm/rad) · L (N) load that
//! the frame feeds back · X (N) hard contact · C (N), B (N s/mm) friction · z, w (rad/s) damping and frequency of the
//! magnetic spring · R (ohm), L (H), V (V), K_m (N m/A), I_p (A) · W, w_e (rad/s) shaft and electrical speed ·
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
//! machine, with the motor's give inside, and must not feel it twice. No mid-band instability, no chopper ripple, no
//! stealthChop lag.
//!
//! # Checked by
//! tests::torque_limit_is_the_largest_that_both_circles_allow, tests::pull_out_force_matches_closed_form, tests::slips_by_whole_electrical_periods, tests::natural_frequency_is_the_
//! closed_form, tests::integrator_order_is_two, tests::linear_and_nonlinear_branches_agree,
//! tests::interpolated_command_is_straight_at_constant_speed, tests::energy_in_equals_stored_plus_lost
//!
//! # Cost
//! 3 ns a pulse; about 12 ns a tick and moving motor in the linear branch, 100 ns in the nonlinear one, 1 ns at rest

use crate::machine::{Machine, Problems};
use crate::trig::{sin_cos_turns, sin_turns};
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

/// The driver takes a motor for standing after 2^20 clocks of its 12 MHz oscillator: no interpolation of the next pulse.
const STANDSTILL_NS: u64 = 87_381_333;
/// Up to this load angle (rad) the spring is straight plus a force held over the tick; beyond, it is stepped finely.
const STRAIGHT_RAD: f64 = 1.1;
/// Up to this angle sine and arc sine are their first terms: 2e-5 of the pull-out force.
const SMALL_RAD: f64 = 0.4;
/// Steps of the nonlinear branch in a tick.
const FINE: usize = 5;
const PULL_OUT_POINTS: usize = 48;
/// Below these a free rotor counts as standing.
const STILL_MM_S: f64 = 1e-4;
const STILL_MM: f64 = 1e-7;

/// Pulses in, and the smoothed command that the driver makes of them.
#[derive(Clone, Debug)]
struct Pulses {
    count: i64,
    last_ns: u64,
    interval_ns: u64,
    direction: f64,
    step_mm: f64,
    origin_mm: f64,
}

impl Pulses {
    #[inline]
    fn pulse(&mut self, at_ns: u64, forward: bool) {
        let since = at_ns.saturating_sub(self.last_ns);
        self.interval_ns = if since < STANDSTILL_NS { since } else { 0 };
        self.last_ns = at_ns;
        let d = if forward { 1 } else { -1 };
        self.count += d;
        self.direction = d as f64;
    }

    /// The interpolated command at `at_ns`, mm.
    #[inline]
    fn command_mm(&self, at_ns: u64) -> f64 {
        let since = at_ns.saturating_sub(self.last_ns);
        let whole = self.count as f64;
        let steps = if since >= self.interval_ns {
            whole
        } else {
            whole - self.direction * (1.0 - since as f64 / self.interval_ns as f64)
        };
        self.origin_mm + steps * self.step_mm
    }

    fn is_done(&self, at_ns: u64) -> bool {
        at_ns.saturating_sub(self.last_ns) >= self.interval_ns
    }
}

/// What a rotor needs each tick, made once.
#[derive(Clone, Debug)]
struct RotorLaw {
    /// Electrical turns per mm.
    turns_mm: f64,
    period_mm: f64,
    inertia_kg: f64,
    /// Pull-out force at rest, N.
    force_n: f64,
    per_force: f64,
    /// Acceleration per force, mm/s^2/N, and the reciprocal of the square of the small-angle frequency, s^2.
    per_inertia: f64,
    per_stiffness_s2: f64,
    damping_s: f64,
    /// (e, v) after a tick of free motion.
    tick: [[f64; 2]; 2],
    tick_s: f64,
    ripple_mm: [f64; 3],
    ripples: bool,
    coulomb_n: f64,
    viscous_n_s_mm: f64,
    weight_n: f64,
    /// Speed up to which the pull-out force is flat, mm/s.
    flat_mm_s: f64,
    /// Pull-out force at even speeds up to `top_mm_s`, N.
    pull_out_n: [f64; PULL_OUT_POINTS],
    top_mm_s: f64,
}

/// The largest torque current that the peak current and the supply allow at a shaft speed.
///
/// Both limits are circles in the (i_d, i_q) plane: |i| <= I_p and |i + jE/Z| <= V/|Z| with Z = R + j w_e L, E = K_m W.
pub fn torque_current_a(rotor: &Rotor, pole_pairs: f64, shaft_rad_s: f64) -> f64 {
    let k_m = torque_constant(rotor);
    let (r, x, e) = (rotor.resistance_ohm, pole_pairs * shaft_rad_s * rotor.inductance_h, k_m * shaft_rad_s);
    let z2 = r * r + x * x;
    let (d0, q0) = (-x * e / z2, -r * e / z2);
    let reach2 = rotor.supply_v * rotor.supply_v / z2;
    let i_p = rotor.peak_current_a;
    let inside_voltage = |d: f64, q: f64| (d - d0) * (d - d0) + (q - q0) * (q - q0) <= reach2;
    if inside_voltage(0.0, i_p) {
        return i_p;
    }
    let top = q0 + libm::sqrt(reach2);
    if d0 * d0 + top * top <= i_p * i_p {
        return top.max(0.0);
    }
    // The circles' crossing with the larger i_q; centre distance c, along the line from the origin to (d0, q0).
    let c2 = d0 * d0 + q0 * q0;
    let c = libm::sqrt(c2);
    let along = (c2 + i_p * i_p - reach2) / (2.0 * c);
    let across2 = i_p * i_p - along * along;
    if across2 < 0.0 {
        return 0.0;
    }
    let across = libm::sqrt(across2);
    let q = |sign: f64| (along * q0 - sign * across * d0) / c;
    q(1.0).max(q(-1.0)).max(0.0)
}

/// Torque per ampere of torque current, N m/A.
pub fn torque_constant(rotor: &Rotor) -> f64 {
    rotor.holding_torque_n_m / (core::f64::consts::SQRT_2 * rotor.rated_current_a)
}

impl RotorLaw {
    fn new(motor: &Motor, rotor: &Rotor, tick_s: f64) -> RotorLaw {
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
            ripple_mm: rotor.ripple_deg.map(|deg| deg / 360.0 * travel_mm),
            ripples: rotor.ripple_deg != [0.0; 3],
            coulomb_n: rotor.coulomb_friction_n,
            viscous_n_s_mm: rotor.viscous_n_s_mm,
            weight_n: rotor.weight_n,
            flat_mm_s,
            pull_out_n,
            top_mm_s,
        }
    }

    fn ripple_at(&self, command_mm: f64) -> f64 {
        if !self.ripples {
            return 0.0;
        }
        let (s1, c1) = sin_cos_turns(command_mm * self.turns_mm);
        let (s2, c2) = (2.0 * s1 * c1, 1.0 - 2.0 * s1 * s1);
        self.ripple_mm[0] * s1 + self.ripple_mm[1] * s2 + self.ripple_mm[2] * (2.0 * s2 * c2)
    }

    fn pull_out_at(&self, mm_s: f64) -> f64 {
        let x = (mm_s.abs() / self.top_mm_s) * (PULL_OUT_POINTS - 1) as f64;
        let i = x as usize;
        if i + 1 >= PULL_OUT_POINTS {
            // Far up the current falls with the reactance.
            return self.pull_out_n[PULL_OUT_POINTS - 1] * self.top_mm_s / mm_s.abs();
        }
        self.pull_out_n[i] + (self.pull_out_n[i + 1] - self.pull_out_n[i]) * (x - i as f64)
    }
}

/// A motor at work.
#[derive(Clone, Debug)]
pub(crate) struct MotorState {
    pulses: Pulses,
    law: Option<RotorLaw>,
    pub(crate) enabled: bool,
    /// Held fast by a fault.
    pub(crate) stalled: bool,
    /// Nothing happens until the next pulse or push.
    pub(crate) resting: bool,
    /// Command at the last tick, ripple included, mm.
    command_mm: f64,
    /// Position at the last tick, mm.
    pub(crate) at_mm: f64,
    speed_mm_s: f64,
    /// Electrical periods that the rotor is ahead of its command.
    periods: i64,
    /// Where the carriage is on the belt, against the rotor, mm: jumped teeth.
    pub(crate) belt_mm: f64,
    /// Load of the frame or of the filament, N, and the load angle that balances it, rad.
    load_n: f64,
    balance_rad: f64,
    /// Hard contact, N.
    pub(crate) push_n: f64,
}

impl MotorState {
    pub(crate) fn new(motor: &Motor, origin_mm: f64, tick_s: f64) -> MotorState {
        let law = match &motor.model {
            Drive::Ideal => None,
            Drive::Rotor(rotor) => Some(RotorLaw::new(motor, rotor, tick_s)),
        };
        MotorState {
            pulses: Pulses {
                count: 0,
                last_ns: 0,
                interval_ns: 0,
                direction: 1.0,
                step_mm: motor.step_mm(),
                origin_mm,
            },
            law,
            enabled: false,
            stalled: false,
            resting: true,
            command_mm: origin_mm,
            at_mm: origin_mm,
            speed_mm_s: 0.0,
            periods: 0,
            belt_mm: 0.0,
            load_n: 0.0,
            balance_rad: 0.0,
            push_n: 0.0,
        }
    }

    /// Tells the load that frame or filament puts on the motor, N.
    #[inline]
    pub(crate) fn set_load(&mut self, load_n: f64) {
        if let Some(law) = &self.law {
            self.load_n = load_n;
            self.balance_rad = arc_sine(load_n * law.per_force);
        }
    }

    /// One step pulse.
    #[inline]
    pub(crate) fn pulse(&mut self, at_ns: u64, forward: bool) {
        self.pulses.pulse(at_ns, forward);
        self.resting = false;
    }

    /// Position of the rail, mm: rotor and belt.
    #[inline]
    pub(crate) fn rail_mm(&self) -> f64 {
        self.at_mm + self.belt_mm
    }

    /// Where the pulses say that it is, mm.
    pub(crate) fn commanded_mm(&self) -> f64 {
        self.pulses.origin_mm + self.pulses.count as f64 * self.pulses.step_mm
    }

    pub(crate) fn lost_full_steps(&self) -> i64 {
        4 * self.periods
    }

    /// Electrical angle between command and rotor with the share that balances the load, rad.
    pub(crate) fn load_angle_rad(&self) -> f64 {
        let Some(law) = &self.law else { return 0.0 };
        if !self.enabled {
            return 0.0;
        }
        let lag_mm = self.command_mm - self.at_mm + self.periods as f64 * law.period_mm;
        core::f64::consts::TAU * law.turns_mm * lag_mm + self.balance_rad
    }

    pub(crate) fn enable(&mut self, on: bool) {
        if on && !self.enabled {
            if let Some(law) = &self.law {
                // The rotor snaps to the nearest of the places where its field can hold it.
                self.periods = libm::round((self.at_mm - self.command_mm) / law.period_mm) as i64;
            } else {
                self.at_mm = self.command_mm;
            }
        }
        self.enabled = on;
        self.resting = false;
    }

    /// One tick, which ends at `end_ns` and lasts `tick_s`.
    #[inline]
    pub(crate) fn tick(&mut self, end_ns: u64, tick_s: f64) {
        let mut command_mm = self.pulses.command_mm(end_ns);
        let Some(law) = &self.law else {
            if self.enabled && !self.stalled {
                self.speed_mm_s = (command_mm - self.command_mm) / tick_s;
                self.at_mm += command_mm - self.command_mm;
            }
            self.resting = self.pulses.is_done(end_ns);
            self.command_mm = command_mm;
            return;
        };
        command_mm += law.ripple_at(command_mm);
        let before_mm = self.command_mm;
        self.command_mm = command_mm;
        let rate_mm_s = (command_mm - before_mm) / tick_s;
        let mut rotor = Moving {
            lag_mm: self.at_mm - before_mm - self.periods as f64 * law.period_mm,
            speed_mm_s: self.speed_mm_s,
            rate_mm_s,
            load_n: self.load_n,
            balance_rad: self.balance_rad,
            push_n: self.push_n,
            stuck: false,
        };
        if self.stalled {
            rotor.lag_mm -= rate_mm_s * tick_s;
            rotor.speed_mm_s = 0.0;
            rotor.stuck = true;
        } else if !self.enabled {
            rotor.coast(law);
        } else {
            rotor.follow(law);
        }
        self.speed_mm_s = rotor.speed_mm_s;
        if self.enabled {
            // The load angle is the lag and the part that balances the load: at half a turn the rotor slips.
            let half = 0.5 * law.period_mm;
            let bias = self.balance_rad * (law.period_mm / core::f64::consts::TAU);
            while rotor.lag_mm - bias > half {
                rotor.lag_mm -= law.period_mm;
                self.periods += 1;
            }
            while rotor.lag_mm - bias < -half {
                rotor.lag_mm += law.period_mm;
                self.periods -= 1;
            }
        }
        self.at_mm = command_mm + self.periods as f64 * law.period_mm + rotor.lag_mm;
        let still = rotor.stuck || (rotor.speed_mm_s.abs() < STILL_MM_S && rotor.lag_mm.abs() < STILL_MM);
        // Near its place it stays there whatever the load does; far off, it may be the load that holds it.
        let near = rotor.lag_mm.abs() * law.turns_mm + self.balance_rad.abs() * (1.0 / core::f64::consts::TAU) < 0.2;
        if still && (near || !self.enabled) && rate_mm_s == 0.0 && self.push_n == 0.0 && self.pulses.is_done(end_ns) {
            self.resting = true;
            self.speed_mm_s = 0.0;
        }
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        f(self.pulses.count as u64);
        f(self.pulses.last_ns);
        f(self.pulses.interval_ns);
        f(self.periods as u64);
        f(u64::from(self.enabled) | u64::from(self.stalled) << 1 | u64::from(self.resting) << 2);
        for x in [
            self.pulses.direction,
            self.command_mm,
            self.at_mm,
            self.speed_mm_s,
            self.belt_mm,
            self.load_n,
            self.push_n,
        ] {
            f(x.to_bits());
        }
    }
}

/// Arc sine; half a turn's quarter beyond 1: a load that nothing balances.
#[inline]
fn arc_sine(x: f64) -> f64 {
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

/// The rotor during one tick: its lag behind the command (negative when behind) and its speed.
struct Moving {
    lag_mm: f64,
    speed_mm_s: f64,
    rate_mm_s: f64,
    load_n: f64,
    balance_rad: f64,
    push_n: f64,
    /// Friction held it for the whole of the tick.
    stuck: bool,
}

impl Moving {
    #[inline]
    fn follow(&mut self, law: &RotorLaw) {
        let k = core::f64::consts::TAU * law.turns_mm;
        let angle = -self.lag_mm * k;
        let straight = angle.abs() + self.balance_rad.abs() < STRAIGHT_RAD && self.speed_mm_s.abs() <= law.flat_mm_s;
        if straight && self.rate_mm_s.abs() <= law.flat_mm_s {
            self.follow_straight(law, angle);
        } else {
            let mut stood = true;
            for _ in 0..FINE {
                stood &= self.speed_mm_s == 0.0;
                self.follow_fine(law, k, law.tick_s / FINE as f64);
            }
            self.stuck = stood && self.speed_mm_s == 0.0;
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
    fn follow_fine(&mut self, law: &RotorLaw, k: f64, h: f64) {
        let turns_per_rad = 1.0 / core::f64::consts::TAU;
        let accelerate = |lag_mm: f64, speed: f64, rate: f64| -> f64 {
            let force_n = law.pull_out_at(speed);
            // The balance angle is that of the force which is there now: less force, more angle, none left at the end.
            let balance_rad = if force_n < law.force_n { arc_sine(self.load_n / force_n) } else { self.balance_rad };
            let turns = (balance_rad - lag_mm * k) * turns_per_rad;
            let drag_n = law.damping_s * (speed - rate) * law.inertia_kg * 1e-3;
            let drive_n = force_n * sin_turns(turns) - self.load_n + self.push_n - drag_n;
            let friction_n = if speed == 0.0 {
                -drive_n.clamp(-law.coulomb_n, law.coulomb_n)
            } else {
                -law.coulomb_n.copysign(speed) - law.viscous_n_s_mm * speed
            };
            (drive_n + friction_n) * law.per_inertia
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
    fn coast(&mut self, law: &RotorLaw) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const TICK_NS: u64 = 100_000;
    const TICK_S: f64 = 1e-4;
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
        Moving { lag_mm, speed_mm_s: 0.0, rate_mm_s: 0.0, load_n: 0.0, balance_rad: 0.0, push_n: 0.0, stuck: false }
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
        for (rpm, table_n_cm) in
            [(0.0, 41.7), (300.0, 41.7), (600.0, 41.5), (900.0, 31.5), (1200.0, 23.6), (1500.0, 19.1)]
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
            assert!(
                (closed * k_m * 100.0 / table_n_cm - 1.0).abs() < 0.018,
                "{} N cm at {rpm} rpm",
                closed * k_m * 100.0
            );
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
        let Drive::Rotor(rotor) = &motor.model else { return };
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
        assert!((slope - 2.0).abs() < 0.05, "order {slope}");
    }

    #[test]
    fn linear_and_nonlinear_branches_agree() {
        let motor = belt(clean());
        let Drive::Rotor(rotor) = &motor.model else { return };
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
        let Drive::Rotor(rotor) = &motor.model else { return };
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
        assert!(worst < 2e-3, "relative energy error {worst}");
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
        let mut heavy =
            MotorState::new(&belt(Rotor { weight_n: -15.0, coulomb_friction_n: 5.0, ..clean() }), 0.0, TICK_S);
        let mut held =
            MotorState::new(&belt(Rotor { weight_n: -15.0, coulomb_friction_n: 25.0, ..clean() }), 0.0, TICK_S);
        for state in [&mut heavy, &mut held] {
            state.enable(false);
            for tick in 1..1000 {
                state.tick(tick * TICK_NS, TICK_S);
            }
        }
        // 10 N on the rotor's and the carriage's mass for 0.1 s.
        let mass = 5.4e-6 / (0.04 / TAU * 0.04 / TAU) + 15.0 / 9.80665;
        let expected = -0.5 * 10.0 / mass * 1e3 * 0.0999 * 0.0999;
        assert!((heavy.at_mm / expected - 1.0).abs() < 0.01, "{} and {expected}", heavy.at_mm);
        assert_eq!(held.at_mm, 0.0);
    }
}
