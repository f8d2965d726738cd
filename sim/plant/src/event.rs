//! What breaks the printer (faults, told to the plant) and what it does of note (events, told by the plant).

use serde::{Deserialize, Serialize};

/// Something broken, slipped or knocked on purpose. Indices are places in the machine's lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Fault {
    /// The sensor's wire is off: it reads as infinitely cold (NTC).
    ThermistorOpen {
        /// Which of `sensors`.
        sensor: usize,
    },
    /// The sensor's wires touch: it reads as infinitely hot (NTC).
    ThermistorShort {
        /// Which of `sensors`.
        sensor: usize,
    },
    /// The sensor works again.
    ThermistorMended {
        /// Which of `sensors`.
        sensor: usize,
    },
    /// The heater's switch is welded: full power whatever the output says.
    HeaterStuckOn {
        /// Which of `heaters`.
        heater: usize,
    },
    /// The heater's wire is off: no power.
    HeaterStuckOff {
        /// Which of `heaters`.
        heater: usize,
    },
    /// The heater works again.
    HeaterMended {
        /// Which of `heaters`.
        heater: usize,
    },
    /// The motor's shaft is held fast.
    AxisStalled {
        /// Which of `motors`.
        motor: usize,
    },
    /// The shaft turns again.
    AxisFreed {
        /// Which of `motors`.
        motor: usize,
    },
    /// The fan does not turn.
    FanDead {
        /// Which of `fans`.
        fan: usize,
    },
    /// The fan turns again.
    FanMended {
        /// Which of `fans`.
        fan: usize,
    },
    /// The belt jumps teeth on the motor's pulley.
    BeltSlip {
        /// Which of `motors`.
        motor: usize,
        /// How many teeth, towards positive positions.
        teeth: i32,
        /// Pitch, mm (2 for a GT2 belt).
        pitch_mm: f64,
    },
    /// A blow to the part on the bed.
    KnockPart {
        /// Impulse, N s.
        impulse_n_s: [f64; 3],
    },
    /// The nozzle clogs: the share of its flow that still gets through, 0 to 1.
    NozzleClogged {
        /// Which of `extruders`.
        extruder: usize,
        /// 1: clear, 0: closed.
        open: f64,
    },
}

impl Fault {
    /// What the fault is done to: the machine's list and the place in it; `None` for one that has no index.
    pub fn target(&self) -> Option<(&'static str, usize)> {
        match *self {
            Fault::ThermistorOpen { sensor }
            | Fault::ThermistorShort { sensor }
            | Fault::ThermistorMended { sensor } => Some(("sensor", sensor)),
            Fault::HeaterStuckOn { heater } | Fault::HeaterStuckOff { heater } | Fault::HeaterMended { heater } => {
                Some(("heater", heater))
            }
            Fault::AxisStalled { motor } | Fault::AxisFreed { motor } | Fault::BeltSlip { motor, .. } => {
                Some(("motor", motor))
            }
            Fault::FanDead { fan } | Fault::FanMended { fan } => Some(("fan", fan)),
            Fault::NozzleClogged { extruder, .. } => Some(("extruder", extruder)),
            Fault::KnockPart { .. } => None,
        }
    }
}

/// Something of note that the printer did.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, ns.
    pub at_ns: u64,
    /// What.
    pub kind: EventKind,
}

/// Kinds of [`Event`].
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// A rotor slipped whole electrical periods; `full_steps` is the sum lost since the start, signed.
    LostSteps {
        /// Which of `motors`.
        motor: usize,
        /// Full steps lost since the start.
        full_steps: i64,
    },
    /// The nozzle touched the bed.
    NozzleHitBed {
        /// How far it would be inside the bed, mm.
        depth_mm: f64,
        /// Force on the nozzle, N.
        force_n: f64,
    },
    /// An axis ran into the end of its travel.
    HitEndOfTravel {
        /// 0 X, 1 Y, 2 Z.
        axis: usize,
        /// Force at first touch, N.
        force_n: f64,
    },
    /// The nozzle ran into printed material.
    NozzleHitPart {
        /// Where, mm.
        at_mm: [f64; 3],
        /// Force, N.
        force_n: f64,
    },
    /// The part came off the bed.
    PartKnockedLoose {
        /// Force that did it, N.
        force_n: f64,
    },
    /// The loose part came to rest.
    PartAtRest {
        /// How far its middle has moved, mm.
        moved_mm: [f64; 3],
    },
    /// Filament was pushed while too cold to melt.
    ColdExtrusion {
        /// Which of `extruders`.
        extruder: usize,
        /// Melt temperature, degrees C.
        melt_c: f64,
    },
    /// The gear slips on the filament.
    FilamentSlips {
        /// Which of `extruders`.
        extruder: usize,
        /// Force at the gear, N.
        force_n: f64,
    },
}
