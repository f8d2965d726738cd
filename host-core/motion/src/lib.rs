//! Motion: from moves to the pulses of each stepper.
//!
//! ```text
//! Move ──look-ahead──▶ PlannedMove ──trapq──▶ Segments ──step times──▶ exact clocks ──compress──▶ queue_step
//!        lookahead.rs                trapq.rs      step_times/ + kinematics/ + shapers/    step_compress.rs
//! ```
//!
//! Nothing here knows of G-code, of printer.cfg or of the wire; constructors take plain numbers.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod kinematics;
pub mod lookahead;
pub mod shapers;
pub mod step_compress;
pub mod step_times;
pub mod trapq;
