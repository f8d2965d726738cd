//! The machine file: every number that makes one printer differ from another, with its unit in its name.
//!
//! Read and written as RON by the crates above; an unknown field is an error. Parameters of a model stand in that
//! model's file, with where their default comes from.

use crate::accelerometer::Accelerometer;
use crate::bead::BeadShape;
use crate::bed_surface::BedSurface;
use crate::contact::Contact;
use crate::drive::Motor;
use crate::endstop::Endstop;
use crate::extruder::Extruder;
use crate::frame::Mode;
use crate::heater::{Fan, Heater};
use crate::kinematics::Kinematics;
use crate::origin::Origin;
use crate::probe::Probe;
use crate::thermistor::Sensor;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// One printer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// What the owner calls it.
    #[serde(default)]
    pub name: String,
    /// Integration tick, ns. Default 100,000 (10 kHz): a 150 Hz rotor mode gets 67 ticks a wave.
    #[serde(default = "default_tick_ns")]
    pub tick_ns: u64,
    /// Air around the printer, degrees C.
    #[serde(default = "default_ambient_c")]
    pub ambient_c: f64,
    /// Where the nozzle stands when the power comes on, mm.
    pub start_mm: [f64; 3],
    /// Lowest reachable nozzle position per axis before the frame itself stops the motion, mm.
    pub travel_min_mm: [f64; 3],
    /// Highest reachable nozzle position per axis, mm.
    pub travel_max_mm: [f64; 3],
    /// Which rails make which motion.
    pub kinematics: Kinematics,
    /// The motors; faults, steps and truths name them by their place in this list.
    pub motors: Vec<Motor>,
    /// Mass that each axis moves: X the head, Y the head and beam or the bed, Z the carriage, kg. It loads the motors.
    pub moving_mass_kg: [f64; 3],
    /// Vibration modes of frame, gantry, head and bed.
    #[serde(default)]
    pub modes: Vec<Mode>,
    /// Hot ends, beds, other heated bodies.
    #[serde(default)]
    pub heaters: Vec<Heater>,
    /// Fans.
    #[serde(default)]
    pub fans: Vec<Fan>,
    /// Temperature sensors on ADC inputs.
    #[serde(default)]
    pub sensors: Vec<Sensor>,
    /// Extruders.
    #[serde(default)]
    pub extruders: Vec<Extruder>,
    /// Endstop switches.
    #[serde(default)]
    pub endstops: Vec<Endstop>,
    /// Z probes.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// Accelerometer chips.
    #[serde(default)]
    pub accelerometers: Vec<Accelerometer>,
    /// Shape of the bed.
    #[serde(default)]
    pub bed_surface: BedSurface,
    /// Stiffness of what the nozzle can hit, and what holds the part.
    #[serde(default)]
    pub contact: Contact,
    /// How the laid bead is sampled.
    #[serde(default)]
    pub bead: BeadShape,
    /// Where the numbers come from, by path of a field or of a group of fields (`motors[0]`, `modes[1].freq_hz`); the
    /// longest path that covers a field counts, and what none covers is assumed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, Origin>,
}

/// Tick of the mechanics where a machine does not say: a twentieth of the period of a rotor on its spring (200 Hz) and an
/// eightieth of that of a frame mode (50 Hz).
pub const TICK_NS: u64 = 250_000;

fn default_tick_ns() -> u64 {
    TICK_NS
}

fn default_ambient_c() -> f64 {
    22.0
}

/// A number or a reference in the machine file that no plant can be built from.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineError {
    /// Path of the field, as in the RON file: `motors[1].rotation_distance_mm`.
    pub place: String,
    /// What is wrong with it.
    pub cause: String,
    /// What to write instead.
    pub mend: String,
}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.cause, self.mend)
    }
}

impl core::error::Error for MachineError {}

/// Collects what is wrong, so that all problems are told at once.
#[derive(Default)]
pub(crate) struct Problems(pub(crate) Vec<MachineError>);

impl Problems {
    pub(crate) fn add(&mut self, place: String, cause: impl Into<String>, mend: impl Into<String>) {
        self.0.push(MachineError { place, cause: cause.into(), mend: mend.into() });
    }

    /// `value` must be a finite number above 0.
    pub(crate) fn positive(&mut self, place: String, value: f64) {
        if !(value.is_finite() && value > 0.0) {
            self.add(place, alloc::format!("{value} is not a number above 0"), "write a number above 0");
        }
    }

    /// `value` must be a finite number from `low` to `high`.
    pub(crate) fn within(&mut self, place: String, value: f64, low: f64, high: f64) {
        if !(value >= low && value <= high) {
            let cause = alloc::format!("{value} is not between {low} and {high}");
            self.add(place, cause, alloc::format!("write a number from {low} to {high}"));
        }
    }

    /// `index` must name one of `count` things.
    pub(crate) fn index(&mut self, place: String, index: usize, count: usize, of: &str) {
        if index >= count {
            let cause = alloc::format!("{index} names no entry of {of}, which has {count}");
            self.add(place, cause, alloc::format!("name an entry of {of} by its place, counted from 0"));
        }
    }
}

impl Machine {
    /// Where the number at a path comes from; `None` is assumed.
    pub fn source(&self, path: &str) -> Option<&Origin> {
        let covers =
            |of: &str| path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        self.sources.iter().filter(|(of, _)| covers(of)).max_by_key(|(of, _)| of.len()).map(|(_, origin)| origin)
    }

    /// Every problem of this machine; `Ok` means that [`crate::Plant::new`] accepts it.
    pub fn validate(&self) -> Result<(), Vec<MachineError>> {
        let mut p = Problems::default();
        self.validate_whole(&mut p);
        for (i, motor) in self.motors.iter().enumerate() {
            motor.validate(&alloc::format!("motors[{i}]"), self, &mut p);
        }
        for (i, mode) in self.modes.iter().enumerate() {
            mode.validate(&alloc::format!("modes[{i}]"), self, &mut p);
        }
        for (i, heater) in self.heaters.iter().enumerate() {
            heater.validate(&alloc::format!("heaters[{i}]"), self, &mut p);
        }
        for (i, fan) in self.fans.iter().enumerate() {
            fan.validate(&alloc::format!("fans[{i}]"), self, &mut p);
        }
        for (i, sensor) in self.sensors.iter().enumerate() {
            sensor.validate(&alloc::format!("sensors[{i}]"), self, &mut p);
        }
        for (i, extruder) in self.extruders.iter().enumerate() {
            extruder.validate(&alloc::format!("extruders[{i}]"), self, &mut p);
        }
        for (i, endstop) in self.endstops.iter().enumerate() {
            endstop.validate(&alloc::format!("endstops[{i}]"), self, &mut p);
        }
        for (i, probe) in self.probes.iter().enumerate() {
            probe.validate(&alloc::format!("probes[{i}]"), &mut p);
        }
        for (i, chip) in self.accelerometers.iter().enumerate() {
            chip.validate(&alloc::format!("accelerometers[{i}]"), &mut p);
        }
        self.bed_surface.validate("bed_surface", &mut p);
        self.contact.validate("contact", &mut p);
        self.bead.validate("bead", &mut p);
        if p.0.is_empty() { Ok(()) } else { Err(p.0) }
    }

    fn validate_whole(&self, p: &mut Problems) {
        if !(10_000..=1_000_000).contains(&self.tick_ns) {
            let cause = alloc::format!("{} ns is outside 10000..1000000", self.tick_ns);
            p.add("tick_ns".into(), cause, "leave it out for 250000, or write 50000 for finer drives");
        }
        p.within("ambient_c".into(), self.ambient_c, -50.0, 100.0);
        if let Some(problem) = self.kinematics.problem() {
            p.add("kinematics".into(), problem, "correct the geometry");
        }
        for axis in 0..3 {
            p.within(alloc::format!("moving_mass_kg[{axis}]"), self.moving_mass_kg[axis], 0.0, 100.0);
            let (low, high) = (self.travel_min_mm[axis], self.travel_max_mm[axis]);
            let sane = low.is_finite() && high.is_finite() && low < high;
            if !sane {
                let place = alloc::format!("travel_max_mm[{axis}]");
                p.add(place, alloc::format!("{high} is not above travel_min_mm {low}"), "swap or correct the two");
            }
            p.within(alloc::format!("start_mm[{axis}]"), self.start_mm[axis], low, high);
        }
        if self.kinematics.ready().inverse(self.start_mm).is_none() {
            p.add("start_mm".into(), "is out of reach of the kinematics", "start at a point inside the reach");
        }
    }
}
