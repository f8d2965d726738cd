//! Heaters and temperature sensors.
//!
//! An ADC reading becomes a temperature by a [`Converter`], the temperature a power by a
//! [`ControlLaw`](law::ControlLaw), and the power a PWM message 0.3 s later; [`verify`] watches that the temperature follows.
//! Curves, laws and checks are plain values, tested without a printer; the objects around them hold no arithmetic.

mod adc_sensor;
pub mod autotune;
pub mod control;
pub mod core;
mod divider;
pub mod heater;
pub mod heaters;
pub mod host_temperature;
pub mod law;
mod mcu_temperature;
pub mod pid;
mod pid_calibrate;
#[cfg(test)]
pub(crate) mod plant;
pub mod query_adc;
mod rtd;
pub mod sensor;
#[cfg(test)]
mod session_tests;
mod table;
pub mod temperature_sensor;
mod thermistor;
mod thermocouple;
pub mod verify;
pub mod verify_heater;
pub mod watermark;

/// 0 °C in kelvin.
pub const KELVIN: f64 = 273.15;

/// A sensor reports a temperature this often.
pub const REPORT_TIME_S: f64 = 0.300;

/// Temperature from an ADC reading, and back.
pub trait Converter {
    /// Temperature [°C] of a reading (0 to 1 of the ADC's full scale).
    fn celsius(&self, ratio: f64) -> f64;
    /// The reading that a temperature gives.
    fn ratio(&self, celsius: f64) -> f64;
}
