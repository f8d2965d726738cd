//! The printer's physics. Driven by step edges and switched outputs, read by sensors; it knows no protocol, no firmware
//! and no host.
//!
//! [`Machine`] holds every number of a printer and [`Plant`] is that printer at work. Time comes in as nanoseconds and
//! never goes back. Inside, the mechanics move on a fixed tick (0.1 ms by default) that is skipped while nothing moves;
//! heat moves by exact exponentials between events. Each model is one file, whose head tells its equation, its source
//! and how far it may be believed; `docs/ladder.md` lists what checks it.
#![no_std]
#![warn(missing_docs)]
// Tests compare with closed forms to a tolerance: there the last bits of the platform do not matter.
#![cfg_attr(test, allow(clippy::disallowed_methods))]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod accelerometer;
pub mod basics;
pub mod bead;
pub mod bed;
pub mod bed_surface;
pub mod contact;
pub mod drive;
pub mod endstop;
pub mod event;
pub mod extruder;
pub mod frame;
pub mod heater;
mod height_map;
pub mod hotend;
pub mod kinematics;
pub mod machine;
mod mechanics;
pub mod noise;
pub mod origin;
pub mod plant;
pub mod probe;
pub mod thermal;
pub mod thermistor;
mod trig;
pub mod truth;

pub use basics::{HeaterBasics, HeaterKind, MachineBasics, MotorBasics, Shape};
pub use bead::Bead;
pub use event::{Event, EventKind, Fault};
pub use machine::{Machine, MachineError};
pub use origin::Origin;
pub use plant::Plant;
pub use truth::{HeaterTruth, MotorTruth, Truth};
