//! The firmware on virtual silicon: a board whose time is simulated, with pins, analog inputs, SPI and UART devices, an
//! oscillator of its own, and a serial line with faults.
//!
//! [`VirtualMcu`] is one micro-controller. What its pins are soldered to is for the world around it to say, through
//! [`Wires`]; the chips whose inner life is digital (accelerometer, stepper drivers) are modelled here. All times that
//! cross this crate's border are nanoseconds of simulated time.
#![no_std]
extern crate alloc;

mod board;
pub mod devices;
mod mcu;
mod oscillator;
mod pins;
mod random;
mod serial;
mod silicon;
mod wires;

pub use devices::adxl345::Adxl345Config;
pub use devices::tmc::TmcKind;
pub use drydock_firmware::{Pin, Shutdown};
pub use drydock_protocol::Dictionary;
pub use mcu::{McuConfig, TmcHandle, VirtualMcu};
pub use oscillator::Oscillator;
pub use random::Stream;
pub use serial::{SerialConfig, SerialLine};
pub use wires::Wires;
