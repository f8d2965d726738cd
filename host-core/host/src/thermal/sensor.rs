//! `sensor_type`: from a section of printer.cfg to temperatures that come in.
//!
//! [`attach`] is the one place where a sensor is made. Sensors on an ADC are a [`Converter`] each; to add one, write
//! its curve and give it a line in [`built_in`]. `[thermistor NAME]` and `[adc_temperature NAME]` add types of the
//! user's own.

use std::rc::Rc;

use super::adc_sensor;
use super::divider::Divider;
use super::host_temperature;
use super::mcu_temperature;
use super::rtd::{Platinum, pt100_board_celsius, pt100_board_volt};
use super::table::{Table, TableError};
use super::thermistor::{self, Curve, Points, Thermistor};
use super::thermocouple::{AMPLIFIERS, Amplifier};
use super::{Converter, KELVIN};
use crate::config::{Config, ConfigError, Section, nearest};
use crate::printer::Printer;

/// What a sensor may read before the micro-controller shuts down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    pub min_celsius: f64,
    pub max_celsius: f64,
}

/// Called with the print time of the measurement and the temperature.
pub type OnReading = Rc<dyn Fn(f64, f64)>;

/// Types of Klipper's that need a chip this host does not speak to yet.
const NOT_YET: &[&str] = &[
    "MAX6675",
    "MAX31855",
    "MAX31856",
    "MAX31865",
    "BME280",
    "AHT10",
    "AHT20_F",
    "HTU21D",
    "SI7013",
    "SI7020",
    "SI7021",
    "SHT21",
    "SHT3X",
    "LM75",
    "DS18B20",
    "temperature_combined",
];
const MCU: &str = "temperature_mcu";
const HOST: &str = "temperature_host";

type Result<T> = std::result::Result<T, ConfigError>;

/// Makes the sensor that `section` names.
pub fn attach(printer: &Rc<Printer>, section: &Section, range: Range, on_reading: OnReading) -> Result<()> {
    let kind = section.text("sensor_type").required()?;
    match kind.as_str() {
        MCU => mcu_temperature::attach(printer, section, range, on_reading),
        HOST => host_temperature::attach(printer, section, range, on_reading),
        _ => {
            let converter = converter(section, &kind)?;
            adc_sensor::attach(printer, section, range, converter, on_reading)
        }
    }
}

/// The converter of an ADC sensor type.
pub fn converter(section: &Section, kind: &str) -> Result<Box<dyn Converter>> {
    let config = section.config();
    if let Some(custom) = config.section(&format!("thermistor {kind}")) {
        let curve = custom_curve(&custom)?;
        return Ok(Box::new(Thermistor { curve, divider: divider(section)? }));
    }
    if let Some(custom) = config.section(&format!("adc_temperature {kind}")) {
        return custom_table(&custom)?.on(section);
    }
    match built_in(kind) {
        Some(BuiltIn::Thermistor(points)) => {
            let curve = Curve::new(points).ok_or_else(|| section.error("sensor_type", "no such curve"))?;
            Ok(Box::new(Thermistor { curve, divider: divider(section)? }))
        }
        Some(BuiltIn::Pt1000) => Ok(Box::new(Platinum { r0_ohm: 1000.0, divider: divider(section)? })),
        Some(BuiltIn::Volt(source)) => Ok(Box::new(Volts { source, scale: volt_scale(section)? })),
        None => Err(unknown_type(section, config, kind)),
    }
}

/// The ADC sensor types that need no section of their own.
enum BuiltIn {
    Thermistor(Points),
    Pt1000,
    Volt(Source),
}

fn built_in(kind: &str) -> Option<BuiltIn> {
    let thermistor = thermistor::NAMED.iter().find(|(name, _)| *name == kind).map(|(_, p)| BuiltIn::Thermistor(*p));
    let amplifier = || AMPLIFIERS.iter().find(|(name, _)| *name == kind).map(|(_, a)| Source::Amplifier(*a));
    match kind {
        "PT1000" => Some(BuiltIn::Pt1000),
        "PT100 INA826" => Some(BuiltIn::Volt(Source::Pt100Board)),
        _ => thermistor.or_else(|| amplifier().map(BuiltIn::Volt)),
    }
}

/// Names of all ADC sensor types that need no section of their own.
pub fn built_in_names() -> Vec<&'static str> {
    let thermistors = thermistor::NAMED.iter().map(|(name, _)| *name);
    let amplifiers = AMPLIFIERS.iter().map(|(name, _)| *name);
    thermistors.chain(amplifiers).chain(["PT1000", "PT100 INA826"]).collect()
}

fn unknown_type(section: &Section, config: &Config, kind: &str) -> ConfigError {
    if NOT_YET.contains(&kind) {
        let error = section.error("sensor_type", format!("sensor_type {kind} is not supported yet"));
        return error
            .help("thermistors, PT1000, PT100 INA826, the AD595 family, temperature_mcu and temperature_host are");
    }
    let custom = config.names().filter_map(|n| n.strip_prefix("thermistor ").or(n.strip_prefix("adc_temperature ")));
    let known = built_in_names().into_iter().chain([MCU, HOST]).chain(custom);
    let error = section.error("sensor_type", format!("Unknown temperature sensor '{kind}'"));
    match nearest(kind, known) {
        Some(near) => error.help(format!("did you mean '{near}'?")),
        None => error.help("define it in a [thermistor ...] section, or name one of Klipper's types"),
    }
}

fn divider(section: &Section) -> Result<Divider> {
    Ok(Divider {
        pullup_ohm: section.float("pullup_resistor").above(0.0).or(4700.0)?,
        inline_ohm: section.float("inline_resistor").min(0.0).or(0.0)?,
    })
}

// ---- voltages

/// Reference of the ADC, and what lies on the sensor's output at all temperatures.
#[derive(Clone, Copy)]
struct VoltScale {
    full_volt: f64,
    offset_volt: f64,
}

fn volt_scale(section: &Section) -> Result<VoltScale> {
    Ok(VoltScale {
        full_volt: section.float("adc_voltage").above(0.0).or(5.0)?,
        offset_volt: section.float("voltage_offset").or(0.0)?,
    })
}

enum Source {
    Pt100Board,
    Amplifier(Amplifier),
    Table(Table),
}

struct Volts {
    source: Source,
    scale: VoltScale,
}

impl Converter for Volts {
    fn celsius(&self, ratio: f64) -> f64 {
        let volt = ratio * self.scale.full_volt - self.scale.offset_volt;
        match &self.source {
            Source::Pt100Board => pt100_board_celsius(volt),
            Source::Amplifier(amplifier) => amplifier.celsius(volt),
            Source::Table(table) => table.celsius(volt),
        }
    }
    fn ratio(&self, celsius: f64) -> f64 {
        let volt = match &self.source {
            Source::Pt100Board => pt100_board_volt(celsius),
            Source::Amplifier(amplifier) => amplifier.volt(celsius),
            Source::Table(table) => table.value(celsius),
        };
        (volt + self.scale.offset_volt) / self.scale.full_volt
    }
}

// ---- the user's own types

struct ResistanceTable {
    table: Table,
    divider: Divider,
}

impl Converter for ResistanceTable {
    fn celsius(&self, ratio: f64) -> f64 {
        self.table.celsius(self.divider.resistance(ratio))
    }
    fn ratio(&self, celsius: f64) -> f64 {
        self.divider.ratio(self.table.value(celsius).max(0.0))
    }
}

enum CustomTable {
    Volt(Table),
    Ohm(Table),
}

impl CustomTable {
    fn on(self, section: &Section) -> Result<Box<dyn Converter>> {
        Ok(match self {
            CustomTable::Volt(table) => Box::new(Volts { source: Source::Table(table), scale: volt_scale(section)? }),
            CustomTable::Ohm(table) => Box::new(ResistanceTable { table, divider: divider(section)? }),
        })
    }
}

/// `[thermistor NAME]`: three points, or one and a beta.
fn custom_curve(custom: &Section) -> Result<Curve> {
    let point = |n: u32| -> Result<(f64, f64)> {
        let celsius = custom.float(&format!("temperature{n}")).min(-KELVIN).required()?;
        Ok((celsius, custom.float(&format!("resistance{n}")).above(0.0).required()?))
    };
    let (celsius, ohm) = point(1)?;
    let points = match custom.float("beta").above(0.0).optional()? {
        Some(beta_k) => Points::Beta { celsius, ohm, beta_k },
        None => Points::Three([(celsius, ohm), point(2)?, point(3)?]),
    };
    Curve::new(points).ok_or_else(|| {
        let error = custom.section_error(format!("Invalid thermistor values in section '{}'", custom.name()));
        error.help("three different temperatures are needed, and the resistance must fall as they rise")
    })
}

/// `[adc_temperature NAME]`: temperature1, voltage1, ... or temperature1, resistance1, ...
fn custom_table(custom: &Section) -> Result<CustomTable> {
    let in_volt = custom.has("voltage1");
    let value = if in_volt { "voltage" } else { "resistance" };
    let mut pairs = Vec::new();
    for n in 1..=custom.prefix_options("temperature").len().max(2) {
        let (temperature, value) = (format!("temperature{n}"), format!("{value}{n}"));
        if n > 2 && !custom.has(&temperature) {
            break;
        }
        pairs.push((custom.float(&temperature).required()?, custom.float(&value).required()?));
    }
    let table = Table::new(pairs).map_err(|error| match error {
        TableError::TooFew => custom.section_error("adc_temperature needs at least two points"),
        TableError::NotMonotone => custom
            .section_error(format!("adc_temperature points with the same {value} or a temperature that turns round"))
            .help("order the points by temperature; each needs a value of its own, rising or falling all along"),
    })?;
    Ok(if in_volt { CustomTable::Volt(table) } else { CustomTable::Ohm(table) })
}

/// Loader of `[thermistor NAME]`: checks it even if no sensor uses it.
pub fn load_thermistor(_printer: &Rc<Printer>, section: &Section) -> Result<()> {
    custom_curve(section).map(|_| ())
}

/// Loader of `[adc_temperature NAME]`.
pub fn load_adc_temperature(_printer: &Rc<Printer>, section: &Section) -> Result<()> {
    custom_table(section).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MapSource;

    fn config(text: &str) -> Config {
        Config::parse(&MapSource::new([("printer.cfg", text)]), "printer.cfg").expect("the text parses")
    }

    fn convert(text: &str, kind: &str) -> Result<Box<dyn Converter>> {
        let config = config(text);
        converter(&config.section_or_empty("extruder"), kind)
    }

    /// The contract of every sensor type.
    #[test]
    fn every_built_in_type_is_monotone_finite_and_its_own_inverse() {
        for name in built_in_names() {
            let sensor = convert("", name).unwrap();
            let rises = sensor.ratio(250.0) > sensor.ratio(25.0);
            let mut last = None;
            for celsius in (10..=280).step_by(10).map(f64::from) {
                let ratio = sensor.ratio(celsius);
                assert!((0.0..1.0).contains(&ratio), "{name} at {celsius}: {ratio}");
                let back = sensor.celsius(ratio);
                assert!((back - celsius).abs() < 1e-3, "{name}: {celsius} -> {back}");
                assert!(last.is_none_or(|l| (ratio > l) == rises), "{name} turns round at {celsius}");
                last = Some(ratio);
            }
            for ratio in [0.0, 1.0] {
                assert!(!sensor.celsius(ratio).is_nan(), "{name} at {ratio}");
            }
        }
    }

    #[test]
    fn a_thermistor_of_the_users_own_reads_its_points() {
        let text = "[thermistor mine]\ntemperature1: 25\nresistance1: 103180\ntemperature2: 150\nresistance2: 1366.2\n\
                    temperature3: 250\nresistance3: 168.6\n[extruder]\npullup_resistor: 2200\ninline_resistor: 10\n";
        let sensor = convert(text, "mine").unwrap();
        let ratio = (1366.2 + 10.0) / (1366.2 + 10.0 + 2200.0);
        assert!((sensor.celsius(ratio) - 150.0).abs() < 1e-6);
        let text = "[thermistor b]\ntemperature1: 25\nresistance1: 10000\nbeta: 3435\n";
        assert!((convert(text, "b").unwrap().celsius(10_000.0 / 14_700.0) - 25.0).abs() < 1e-9);
    }

    #[test]
    fn tables_of_the_users_own_read_in_volts_or_ohms() {
        let text = "[adc_temperature lm35]\ntemperature1: 0\nvoltage1: 0\ntemperature2: 100\nvoltage2: 1.0\n\
                    [extruder]\nadc_voltage: 3.3\nvoltage_offset: 0.1\n";
        assert!((convert(text, "lm35").unwrap().celsius(0.6 / 3.3) - 50.0).abs() < 1e-9);
        let text = "[adc_temperature kty]\ntemperature1: 0\nresistance1: 800\ntemperature2: 100\nresistance2: 1600\n\
                    temperature3: 200\nresistance3: 2600\n";
        assert!((convert(text, "kty").unwrap().celsius(2100.0 / 6800.0) - 150.0).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_a_sensor_is_refused_with_place_and_mend() {
        let message = |text: &str, kind: &str| convert(text, kind).err().expect("an error").to_string();
        let misspelt = message("[extruder]\nsensor_type: Generic 3590\n", "Generic 3590");
        assert_eq!(misspelt, "printer.cfg:2: Unknown temperature sensor 'Generic 3590' (did you mean 'Generic 3950'?)");
        assert!(message("", "MAX31865").contains("not supported yet"));
        let rising = "[thermistor x]\ntemperature1: 25\nresistance1: 1\ntemperature2: 50\nresistance2: 2\n\
                      temperature3: 99\nresistance3: 3\n";
        assert!(
            message(rising, "x").starts_with("printer.cfg:1: Invalid thermistor values"),
            "{}",
            message(rising, "x")
        );
        let twice = "[adc_temperature y]\ntemperature1: 25\nvoltage1: 1\ntemperature2: 50\nvoltage2: 1\n";
        assert!(message(twice, "y").contains("same voltage"));
        let missing = "[adc_temperature z]\ntemperature1: 25\nvoltage1: 1\n";
        assert!(message(missing, "z").contains("temperature2"));
    }
}
