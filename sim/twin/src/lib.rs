//! The twin: host, micro-controllers and plant in one deterministic world.
//!
//! [`wiring`] reads a machine off a printer.cfg, [`bench`] runs it, [`world`] adds the host, [`wires`] joins pins and
//! plant, [`recorder`] and [`step_log`] keep what happened, [`digest`] boils it down to a fingerprint.

pub mod bench;
pub mod digest;
pub mod recorder;
pub mod step_log;
pub mod wires;
pub mod wiring;
pub mod world;
