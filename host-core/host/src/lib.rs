//! The printer host: printer.cfg, G-code, macros, motion, heaters, homing, and the micro-controller client.
//!
//! No input or output of its own and no clock: [`host::Host`] takes bytes and time, and gives bytes and a time to be
//! called again. The same host runs in the twin and on a real port.

pub mod config;
pub mod extruder;
pub mod files;
pub mod gcode;
pub mod gcode_move;
pub mod homing;
pub mod host;
pub mod idle_timeout;
pub mod kinematics;
pub mod klippy_log;
pub mod macros;
pub mod mcu;
pub mod objects;
pub mod outputs;
pub mod printer;
pub mod reactor;
pub mod shaper_calibrate;
pub mod stepper;
pub mod template;
pub mod thermal;
pub mod toolhead;
