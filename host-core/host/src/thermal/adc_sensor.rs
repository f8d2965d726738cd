//! A temperature sensor on an analog pin of a micro-controller.

use std::rc::Rc;

use super::query_adc::QueryAdc;
use super::sensor::{OnReading, Range};
use super::{Converter, REPORT_TIME_S};
use crate::config::{ConfigError, Section};
use crate::mcu::{AdcIn, AdcSetup, Mcu};
use crate::printer::Printer;
use crate::printer::pins::PinFlags;

const SAMPLE_TIME_S: f64 = 0.001;
const SAMPLE_COUNT: u8 = 8;
/// Bad reports in a row before the micro-controller shuts down.
const RANGE_CHECK_COUNT: u8 = 4;

pub fn attach(
    printer: &Rc<Printer>,
    section: &Section,
    range: Range,
    converter: Box<dyn Converter>,
    on_reading: OnReading,
) -> Result<(), ConfigError> {
    let pin = printer.pins.take(printer, section, "sensor_pin", PinFlags::PLAIN, None)?;
    let adc = sample(&pin.mcu, &pin.name, &*converter, range);
    adc.on_sample(move |time_s, ratio| on_reading(time_s + sampling_s(), converter.celsius(ratio)));
    QueryAdc::of(printer).add(section.name(), adc);
    Ok(())
}

/// From the first sample of a report to its last.
pub fn sampling_s() -> f64 {
    f64::from(SAMPLE_COUNT) * SAMPLE_TIME_S
}

/// An input whose micro-controller shuts down when the temperature leaves the range.
pub fn sample(mcu: &Mcu, pin: &str, converter: &dyn Converter, range: Range) -> AdcIn {
    let (min_value, max_value) = allowed(converter, range);
    let setup = AdcSetup {
        sample_time_s: SAMPLE_TIME_S,
        sample_count: SAMPLE_COUNT,
        report_time_s: REPORT_TIME_S,
        min_value,
        max_value,
        range_check_count: RANGE_CHECK_COUNT,
    };
    AdcIn::new(mcu, pin, setup)
}

/// The readings of a range of temperatures. A limit that the sensor cannot tell from its rails does not limit.
pub fn allowed(converter: &dyn Converter, range: Range) -> (f64, f64) {
    let ends = [range.min_celsius, range.max_celsius].map(|celsius| converter.ratio(celsius));
    let [a, b] = ends.map(|ratio| if ratio.is_nan() { 0.0 } else { ratio.clamp(0.0, 1.0) });
    (a.min(b), a.max(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thermal::divider::Divider;
    use crate::thermal::thermistor::{Curve, NAMED, Thermistor};

    #[test]
    fn an_open_and_a_shorted_thermistor_are_outside_the_allowed_readings() {
        let curve = Curve::new(NAMED[0].1).unwrap();
        let thermistor = Thermistor { curve, divider: Divider { pullup_ohm: 4700.0, inline_ohm: 0.0 } };
        let (min, max) = allowed(&thermistor, Range { min_celsius: 0.0, max_celsius: 270.0 });
        assert!(min > 0.02 && max < 0.995 && min < max, "{min} {max}");
        let (min, max) = allowed(&thermistor, Range { min_celsius: -273.15, max_celsius: 1e8 });
        assert!((0.0..=1.0).contains(&min) && (0.0..=1.0).contains(&max) && min < max, "{min} {max}");
    }
}
