//! The micro-controller firmware, one source for the virtual MCU and for real chips.
//!
//! Important terms, Klipper's own where it has one:
//! - *oid*: number of a configured object (a stepper, an endstop); the host gives them out.
//! - *clock*: the 32-bit tick counter; it wraps, so times compare by signed difference.
//! - *timer*: a moment at which an object wants to be called; what a chip's timer interrupt runs.
//! - *task*: work that may take its time and that may send; what a chip's main loop runs.
//! - *move queue*: the pool of slots that waiting steps and output changes share.
//!
//! [`Firmware`] is the state of one micro-controller; each of its entry points is lent a [`Board`], the few things
//! that silicon must do. [`Mcu`] ties one of each together for who owns its board. [`Link`] is the main loop's side: it
//! borrows the firmware through a [`Lock`]. Nothing here is static, reads a
//! clock by itself, allocates after `finalize_config`, or panics on what the wire brings.
#![no_std]
extern crate alloc;

pub mod board;
mod commands;
mod dictionary;
mod firmware;
mod link;
mod objects;
mod responses;
mod shutdown;
mod signature;
mod timers;

pub use board::{AdcSample, Board, Pin, Pull, SpiBus, SpiMode};
pub use dictionary::{BoardFacts, SOURCE_HASH, VERSION, dictionary};
pub use firmware::{Firmware, Mcu};
pub use link::{Link, Lock};
pub use objects::moves::MOVE_SLOT_BYTES;
pub use objects::spi::bit_bang as spi_bit_bang;
pub use shutdown::Shutdown;
