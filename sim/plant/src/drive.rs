//! A stepper motor and its driver.
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
    /// Mass that moves with the rail, as this motor sees it, kg.
    pub moving_mass_kg: f64,
    /// Coulomb friction of the rail, N.
    pub coulomb_friction_n: f64,
    /// Viscous friction of the rail, N s/mm.
    pub viscous_n_s_mm: f64,
    /// Damping ratio of the rotor on its magnetic spring.
    pub damping: f64,
    /// Error of the electrical angle by its harmonics 1, 2 and 4 (50, 100, 200 a turn), degrees of the motor shaft.
    pub ripple_deg: [f64; 3],
    /// Force along the rail that pulls when the motor is off (the weight of a Z carriage), N.
    #[serde(default)]
    pub weight_n: f64,
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
        p.within(field("moving_mass_kg"), self.moving_mass_kg, 0.0, 100.0);
        p.within(field("coulomb_friction_n"), self.coulomb_friction_n, 0.0, 1e4);
        p.within(field("viscous_n_s_mm"), self.viscous_n_s_mm, 0.0, 1.0);
        p.within(field("damping"), self.damping, 0.0, 0.99);
    }
}
