pub mod config;
pub mod gcode;
pub mod macros;
pub mod mcu;
pub mod reactor;
