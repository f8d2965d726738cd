//! `drydock deploy`: the firmware that was tested goes to a board, and the tuned printer.cfg beside it.
//!
//! Important terms:
//! - *image*: the firmware file, and what it says of itself ([`image`]).
//! - *ledger*: which firmware has passed what in the twin ([`drydock_recording::ledger`]).
//! - *route*: how the image gets to the board ([`route`]): a debug probe, an SD card, a boot ROM.
//! - *job*: all of it put together and checked before anything is touched ([`job`]); a dry run prints it ([`plan`]).
//! - *stop*: why it ended early, with the mend and the board's state ([`stop`]).
//!
//! It is a crate and a program of its own because nothing else in Drydock needs a debug-probe stack.

pub mod boards;
pub mod chip;
pub mod image;
pub mod install;
pub mod job;
pub mod plan;
pub mod progress;
pub mod route;
pub mod running;
pub mod silicon;
pub mod stop;
pub mod uf2;
