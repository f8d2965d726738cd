//! Heat.

mod divider;
mod rtd;
mod table;
mod thermistor;
mod thermocouple;

/// 0 °C in kelvin.
pub const KELVIN: f64 = 273.15;

/// Temperature from an ADC reading, and back.
pub trait Converter {
    /// Temperature [°C] of a reading (0 to 1 of the ADC's full scale).
    fn celsius(&self, ratio: f64) -> f64;
    /// The reading that a temperature gives.
    fn ratio(&self, celsius: f64) -> f64;
}
