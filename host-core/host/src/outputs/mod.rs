//! Pins that the host switches or dims: fans, output pins.
//!
//! A change is asked for with the print time at which it is to happen (M106 between two moves takes effect between
//! them). [`pin_queue`] keeps changes in order and apart, [`pin`] hides how a pin makes a duty.

pub mod controller_fan;
pub mod fan;
pub mod fan_drive;
pub mod fan_generic;
pub mod heater_fan;
pub mod output_pin;
mod pin;
mod pin_queue;
#[cfg(test)]
mod session_tests;
pub mod static_digital_output;
mod tachometer;
