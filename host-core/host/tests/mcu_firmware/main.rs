//! The MCU client against the firmware on virtual silicon, over lines that lose and corrupt bytes.

mod devices;
mod homing;
mod motion;
mod rig;
