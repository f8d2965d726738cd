//! `sensor_type: temperature_mcu`: the diode inside a micro-controller, on its analog input ADC_TEMPERATURE.
//!
//! # Equation
//! T = T0 + (V - V0) / s;  V = ratio V_ref
//!
//! # Symbols
//! T \[°C\] · V diode voltage \[V\] · s slope \[V/K\] · V_ref reference \[V\]
//!
//! # Source
//! typical values of the datasheets: STM32F103 (5.3.19), STM32F405/407 (6.3.22), RP2040 (4.9.5),
//! SAM3X8E (45.8)
//!
//! # Valid for
//! -40 to 125 °C; the part's own spread is up to 10 K unless two points are calibrated
//!
//! # Caveats
//! factory calibration words in flash are not read; chips that rely on them need
//! `sensor_temperature1/2` and `sensor_adc1/2`
//!
//! # Checked by
//! `tests::*`

use std::cell::Cell;
use std::rc::Rc;

use super::Converter;
use super::adc_sensor::{sample, sampling_s};
use super::query_adc::QueryAdc;
use super::sensor::{OnReading, Range};
use crate::config::{ConfigError, Section};
use crate::mcu::Mcu;
use crate::printer::Printer;

/// A straight line: temperature at reading 0, and its rise over the full scale.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    base_celsius: f64,
    slope_celsius: f64,
}

impl Line {
    fn through(a: (f64, f64), b: (f64, f64)) -> Line {
        let slope_celsius = (b.0 - a.0) / (b.1 - a.1);
        Line { base_celsius: a.0 - slope_celsius * a.1, slope_celsius }
    }

    /// From a datasheet: voltage at a temperature, slope, reference.
    const fn typical(celsius: f64, volt: f64, volt_per_k: f64, reference_volt: f64) -> Line {
        Line { base_celsius: celsius - volt / volt_per_k, slope_celsius: reference_volt / volt_per_k }
    }

    fn shifted_to(self, point: (f64, f64)) -> Line {
        Line { base_celsius: point.0 - self.slope_celsius * point.1, ..self }
    }
}

impl Converter for Line {
    fn celsius(&self, ratio: f64) -> f64 {
        self.base_celsius + self.slope_celsius * ratio
    }
    fn ratio(&self, celsius: f64) -> f64 {
        (celsius - self.base_celsius) / self.slope_celsius
    }
}

/// By the start of the chip's name, as the constant MCU has it.
const CHIPS: &[(&str, Line)] = &[
    ("stm32f1", Line::typical(25.0, 1.43, -0.0043, 3.3)),
    ("stm32f2", Line::typical(25.0, 0.76, 0.0025, 3.3)),
    ("stm32f4", Line::typical(25.0, 0.76, 0.0025, 3.3)),
    ("rp2040", Line::typical(27.0, 0.706, -0.001721, 3.3)),
    ("sam3x8", Line::typical(27.0, 0.8, 0.00265, 3.3)),
];

/// For chips without typical values; also the slope of the STM32F4.
const UNKNOWN_CHIP: Line = Line::typical(25.0, 0.76, 0.0025, 3.3);

fn line_of(chip: &str) -> Option<Line> {
    CHIPS.iter().find(|(start, _)| chip.starts_with(start)).map(|(_, line)| *line)
}

pub fn attach(
    printer: &Rc<Printer>,
    section: &Section,
    range: Range,
    on_reading: OnReading,
) -> Result<(), ConfigError> {
    let name = section.text("sensor_mcu").or("mcu")?;
    let mcu = printer.mcu(&name).ok_or_else(|| {
        section.error("sensor_mcu", format!("Unknown mcu '{name}'")).help("name an [mcu ...] section")
    })?;
    let point = |n: u32| -> Result<Option<(f64, f64)>, ConfigError> {
        let Some(celsius) = section.float(&format!("sensor_temperature{n}")).optional()? else { return Ok(None) };
        Ok(Some((celsius, section.float(&format!("sensor_adc{n}")).min(0.0).max(1.0).required()?)))
    };
    let (first, second) = (point(1)?, if section.has("sensor_temperature1") { point(2)? } else { None });
    if let (Some(a), Some(b)) = (first, second)
        && (a.0 == b.0 || a.1 == b.1)
    {
        return Err(section.error("sensor_temperature2", "the two calibration points must differ"));
    }
    // What the chip is, and with that the readings that the limits stand for, is known once it is connected.
    let line = Rc::new(Cell::new(UNKNOWN_CHIP));
    let choose = line.clone();
    mcu.register_config_callback(move |mcu| {
        choose.set(choose_line(mcu, first, second));
        Ok(())
    });
    let everything = Range { min_celsius: f64::NEG_INFINITY, max_celsius: f64::INFINITY };
    let adc = sample(&mcu, "ADC_TEMPERATURE", &UNKNOWN_CHIP, everything);
    let weak = Rc::downgrade(printer);
    adc.on_sample(move |time_s, ratio| {
        let celsius = line.get().celsius(ratio);
        on_reading(time_s + sampling_s(), celsius);
        if !(range.min_celsius..=range.max_celsius).contains(&celsius)
            && let Some(printer) = weak.upgrade()
        {
            printer.invoke_shutdown(&format!(
                "MCU '{name}' temperature {celsius:.1} outside {:.1}:{:.1}",
                range.min_celsius, range.max_celsius
            ));
        }
    });
    QueryAdc::of(printer).add(section.name(), adc);
    Ok(())
}

fn choose_line(mcu: &Mcu, first: Option<(f64, f64)>, second: Option<(f64, f64)>) -> Line {
    let chip = mcu.constant_str("MCU").unwrap_or_default();
    let typical = line_of(&chip).unwrap_or(UNKNOWN_CHIP);
    match (first, second) {
        (Some(a), Some(b)) => Line::through(a, b),
        (Some(a), None) => typical.shifted_to(a),
        _ => typical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chips_read_their_datasheets_point_and_unity_back() {
        for (chip, celsius, volt) in [("stm32f103xe", 25.0, 1.43), ("stm32f407xx", 25.0, 0.76), ("rp2040", 27.0, 0.706)]
        {
            let line = line_of(chip).unwrap();
            assert!((line.celsius(volt / 3.3) - celsius).abs() < 1e-9, "{chip}");
            assert!((line.celsius(line.ratio(60.0)) - 60.0).abs() < 1e-9);
        }
        assert!(line_of("atmega2560").is_none());
    }

    #[test]
    fn calibration_points_move_the_line() {
        let line = UNKNOWN_CHIP.shifted_to((30.0, 0.25));
        assert!((line.celsius(0.25) - 30.0).abs() < 1e-9);
        assert_eq!(line.slope_celsius, UNKNOWN_CHIP.slope_celsius);
        let line = Line::through((20.0, 0.2), (60.0, 0.4));
        assert!((line.celsius(0.3) - 40.0).abs() < 1e-9);
    }
}
