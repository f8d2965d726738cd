//! A whole machine from what a printer.cfg tells: sensible values for all the rest.
//!
//! What a config does not know (masses, friction, modes, stiffness) takes the medians of facts/physics.md or is marked
//! assumed where the value is set.

use crate::accelerometer::Accelerometer;
use crate::bead::BeadShape;
use crate::bed::Bed;
use crate::bed_surface::BedSurface;
use crate::contact::Contact;
use crate::drive::{Drive, Motor, Moves, Rotor};
use crate::extruder::Extruder;
use crate::frame::Mode;
use crate::heater::{Body, Element, Fan, Heater};
use crate::hotend::Hotend;
use crate::kinematics::{Cartesian, CoreXy, Delta, Kinematics};
use crate::machine::{Machine, TICK_NS};
use crate::thermistor::{Curve, Feels, Sensor};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// Which kind of machine, with the geometry that the config tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Cartesian; `bed_slinger`: Y moves the bed.
    Cartesian {
        /// Y moves the bed.
        bed_slinger: bool,
    },
    /// CoreXY.
    CoreXy,
    /// Linear delta.
    Delta(Delta),
}

/// A motor as the config tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct MotorBasics {
    /// Section name: `stepper_x`, `extruder`.
    pub name: String,
    /// What it moves.
    pub moves: Moves,
    /// `rotation_distance`, mm.
    pub rotation_distance_mm: f64,
    /// `gear_ratio` multiplied out.
    pub gear_ratio: f64,
    /// `full_steps_per_rotation`.
    pub full_steps_per_rotation: u32,
    /// `microsteps`.
    pub microsteps: u32,
}

/// A heater as the config tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaterBasics {
    /// Section name.
    pub name: String,
    /// What it is.
    pub kind: HeaterKind,
    /// `sensor_type`, by Klipper's name; an unknown one is taken for an EPCOS 100K.
    pub sensor_type: String,
    /// `pullup_resistor`, ohm.
    pub pullup_ohm: f64,
}

/// Hot end or bed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaterKind {
    /// A hot end.
    Hotend,
    /// A bed.
    Bed,
}

/// What a config tells of a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineBasics {
    /// Name of the machine.
    pub name: String,
    /// Kind and geometry.
    pub shape: Shape,
    /// `position_min` of X, Y, Z, mm.
    pub axis_min_mm: [f64; 3],
    /// `position_max` of X, Y, Z, mm.
    pub axis_max_mm: [f64; 3],
    /// Where the nozzle stands when the power comes on, mm; `None`: in the middle, 20 mm up.
    pub start_mm: Option<[f64; 3]>,
    /// Motors, in the order in which the twin will number them.
    pub motors: Vec<MotorBasics>,
    /// Heaters, each with its sensor: heater i has sensor i.
    pub heaters: Vec<HeaterBasics>,
    /// Nozzle bore of each extruder, mm.
    pub nozzle_mm: Vec<f64>,
    /// Filament diameter, mm.
    pub filament_mm: f64,
    /// Names of the fans; the first one blows at the part.
    pub fans: Vec<String>,
}

impl Machine {
    /// A cartesian machine.
    pub fn cartesian(basics: &MachineBasics, bed_slinger: bool) -> Machine {
        Machine::from_basics(&MachineBasics { shape: Shape::Cartesian { bed_slinger }, ..basics.clone() })
    }

    /// A CoreXY machine.
    pub fn corexy(basics: &MachineBasics) -> Machine {
        Machine::from_basics(&MachineBasics { shape: Shape::CoreXy, ..basics.clone() })
    }

    /// A linear delta.
    pub fn delta(basics: &MachineBasics, delta: Delta) -> Machine {
        Machine::from_basics(&MachineBasics { shape: Shape::Delta(delta), ..basics.clone() })
    }

    /// A machine of the kind that `basics.shape` says. Endstops and probes are the caller's to add: their places follow
    /// from homing options that only the caller knows.
    pub fn from_basics(basics: &MachineBasics) -> Machine {
        let kinematics = match &basics.shape {
            Shape::Cartesian { bed_slinger } => Kinematics::Cartesian(Cartesian { bed_slinger: *bed_slinger }),
            Shape::CoreXy => Kinematics::CoreXy(CoreXy {}),
            Shape::Delta(delta) => Kinematics::Delta(delta.clone()),
        };
        // The frame stops an axis some way past the configured range (assumed 5 mm).
        let travel_min_mm = basics.axis_min_mm.map(|v| v - 5.0);
        let travel_max_mm = basics.axis_max_mm.map(|v| v + 5.0);
        let start_mm = basics.start_mm.unwrap_or_else(|| {
            let middle = |i: usize| 0.5 * (basics.axis_min_mm[i] + basics.axis_max_mm[i]);
            [middle(0), middle(1), (basics.axis_min_mm[2] + 20.0).min(basics.axis_max_mm[2])]
        });
        let motors: Vec<Motor> = basics.motors.iter().map(|m| motor(m, basics)).collect();
        let heaters: Vec<Heater> = basics.heaters.iter().map(heater).collect();
        let sensors = basics
            .heaters
            .iter()
            .enumerate()
            .map(|(i, h)| Sensor::of_type(&h.name, &h.sensor_type, h.pullup_ohm, Feels::Heater(i)))
            .collect();
        let hotends: Vec<usize> =
            (0..basics.heaters.len()).filter(|i| basics.heaters[*i].kind == HeaterKind::Hotend).collect();
        let extruder_count = basics
            .motors
            .iter()
            .filter_map(|m| if let Moves::Extruder(e) = m.moves { Some(e + 1) } else { None })
            .max()
            .unwrap_or(0);
        let extruders = (0..extruder_count)
            .map(|e| Extruder {
                name: alloc::format!("extruder{}", if e == 0 { String::new() } else { alloc::format!("{e}") }),
                heater: hotends.get(e).or(hotends.first()).copied(),
                filament_mm: basics.filament_mm,
                nozzle_mm: basics.nozzle_mm.get(e).copied().unwrap_or(0.4),
                stiffness_n_mm: stiffness_n_mm(e, basics),
                ..Extruder::default()
            })
            .collect();
        let fans = basics
            .fans
            .iter()
            .enumerate()
            .map(|(i, name)| Fan {
                name: name.clone(),
                spin_s: 0.4,
                cools: if i == 0 { hotends.clone() } else { Vec::new() },
            })
            .collect();
        Machine {
            name: basics.name.clone(),
            tick_ns: TICK_NS,
            ambient_c: 22.0,
            start_mm,
            travel_min_mm,
            travel_max_mm,
            kinematics,
            motors,
            moving_mass_kg: masses(&basics.shape),
            modes: modes(&basics.shape),
            heaters,
            fans,
            sensors,
            extruders,
            endstops: Vec::new(),
            probes: Vec::new(),
            accelerometers: alloc::vec![Accelerometer::default()],
            bed_surface: BedSurface::default(),
            contact: Contact::default(),
            bead: BeadShape::default(),
            sources: BTreeMap::new(),
        }
    }
}

/// A gear before the filament is what a tool head carries; one that pushes with the motor's own shaft stands on the frame,
/// behind a Bowden tube (assumed: so it is on most printers).
fn is_geared(motor: &MotorBasics) -> bool {
    motor.rotation_distance_mm / motor.gear_ratio < 15.0
}

/// Filament in half a metre of tube (facts/physics.md 1.6: 12 to 18 N/mm).
const BOWDEN_N_MM: f64 = 14.0;

fn stiffness_n_mm(extruder: usize, basics: &MachineBasics) -> f64 {
    let motor = basics.motors.iter().find(|m| m.moves == Moves::Extruder(extruder));
    if motor.is_some_and(|m| !is_geared(m)) { BOWDEN_N_MM } else { Extruder::default().stiffness_n_mm }
}

fn motor(basics: &MotorBasics, machine: &MachineBasics) -> Motor {
    let geared = is_geared(basics);
    let rotor = match (basics.moves, &machine.shape) {
        (Moves::Rail(0 | 1), _) | (Moves::Rail(_), Shape::Delta(_)) => Rotor::default(),
        // A screw: its friction holds the carriage, which weighs 1.5 kg (assumed).
        (Moves::Rail(_), _) => Rotor { coulomb_friction_n: 25.0, weight_n: -15.0, ..Rotor::default() },
        // A geared extruder has a pancake motor: LDO 36STH20-1004AHG, 10 g cm^2.
        (Moves::Extruder(_), _) if geared => Rotor {
            holding_torque_n_m: 0.10,
            rated_current_a: 1.0,
            peak_current_a: 0.85,
            resistance_ohm: 2.1,
            inductance_h: 1.6e-3,
            rotor_inertia_kg_m2: 1.0e-6,
            coulomb_friction_n: 2.0,
            ripple_deg: [0.0; 3],
            ..Rotor::default()
        },
        // A gear on the shaft itself needs the current: 1 A rms.
        (Moves::Extruder(_), _) => Rotor { peak_current_a: 1.41, ripple_deg: [0.0; 3], ..Rotor::default() },
    };
    Motor {
        name: basics.name.clone(),
        moves: basics.moves,
        rotation_distance_mm: basics.rotation_distance_mm,
        gear_ratio: basics.gear_ratio,
        full_steps_per_rotation: basics.full_steps_per_rotation,
        microsteps: basics.microsteps,
        model: Drive::Rotor(rotor),
    }
}

fn heater(basics: &HeaterBasics) -> Heater {
    let body = match basics.kind {
        // E3D V6, Marlin's constants (facts/physics.md 1.4), as measured without a cartridge node.
        HeaterKind::Hotend => Body::Hotend(Hotend {
            element: Element::Plain { power_w: 40.0 },
            block_j_k: 16.7,
            loss_w_k: 0.068,
            loss_fan_w_k: 0.097,
            loss_growth_per_k: 0.0,
            cartridge: None,
            sensor_rate_s: Some(0.22),
            surroundings: None,
        }),
        HeaterKind::Bed => Body::Bed(Bed::of_600_w()),
    };
    Heater { name: basics.name.clone(), body }
}

impl Sensor {
    /// A sensor of a type that printer.cfg names; an unknown one is taken for an EPCOS 100K.
    pub fn of_type(name: &str, sensor_type: &str, pullup_ohm: f64, feels: Feels) -> Sensor {
        let curve = Curve::named(sensor_type)
            .or_else(|| Curve::named("EPCOS 100K B57560G104F"))
            .unwrap_or(Curve::Beta { ohm: 100_000.0, at_c: 25.0, beta_k: 4267.0 });
        Sensor { name: String::from(name), feels, curve, pullup_ohm, inline_ohm: 0.0, noise_lsb: 1.0 }
    }
}

/// Head 0.35 kg, CoreXY beam 0.5 kg, bed 0.8 kg, Z carriage 1.5 kg (ranges of facts/physics.md 1.1).
fn masses(shape: &Shape) -> [f64; 3] {
    match shape {
        Shape::Cartesian { bed_slinger: true } => [0.35, 0.8, 1.5],
        Shape::Cartesian { bed_slinger: false } | Shape::CoreXy => [0.35, 0.85, 1.5],
        Shape::Delta(_) => [0.25, 0.25, 0.25],
    }
}

/// Population medians (facts/physics.md 2.3 and 1.1): X 62 Hz, Y 42 Hz, damping 0.053 and 0.060, with 2 % of the motion
/// leaking into the other axis and a weaker second mode above.
fn modes(shape: &Shape) -> Vec<Mode> {
    let mode = |excited_by: [f64; 3], freq_hz, damping, shape: [f64; 3], on_bed| Mode {
        freq_hz,
        damping,
        excited_by,
        shape,
        on_bed,
    };
    let half = core::f64::consts::FRAC_1_SQRT_2;
    let x = |hz| mode([1.0, 0.0, 0.0], hz, 0.053, [0.85, 0.02, 0.01], false);
    let y = |hz, on_bed| mode([0.0, 1.0, 0.0], hz, 0.060, [0.02, 0.85, 0.01], on_bed);
    match shape {
        Shape::CoreXy => alloc::vec![
            x(62.0),
            y(42.0, false),
            mode([half, half, 0.0], 118.0, 0.05, [0.15 * half, 0.15 * half, 0.0], false),
            mode([half, -half, 0.0], 126.0, 0.05, [0.15 * half, -0.15 * half, 0.0], false),
            mode([0.0, 0.0, 1.0], 90.0, 0.08, [0.0, 0.0, 0.9], false),
        ],
        Shape::Cartesian { bed_slinger } => alloc::vec![
            x(48.0),
            y(if *bed_slinger { 36.0 } else { 42.0 }, *bed_slinger),
            mode([1.0, 0.0, 0.0], 105.0, 0.06, [0.12, 0.0, 0.01], false),
            mode([0.0, 0.0, 1.0], 80.0, 0.08, [0.0, 0.0, 0.9], false),
        ],
        Shape::Delta(_) => {
            alloc::vec![x(46.0), y(46.0, false), mode([0.0, 0.0, 1.0], 95.0, 0.08, [0.0, 0.0, 0.9], false),]
        }
    }
}
