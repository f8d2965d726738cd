//! The one list of what printer.cfg may hold: section name, and the loader that makes the object.

use std::rc::Rc;

use super::Printer;
use crate::config::{ConfigError, Section};
use crate::objects::adxl345::Adxl345;
use crate::objects::display_status::DisplayStatus;
use crate::objects::exclude_object::ExcludeObject;
use crate::objects::firmware_retraction::FirmwareRetraction;
use crate::objects::gcode_macro::GcodeMacro;
use crate::objects::input_shaper::InputShaper;
use crate::objects::pause_resume::PauseResume;
use crate::objects::resonance_tester::ResonanceTester;
use crate::objects::save_variables::SaveVariables;
use crate::objects::virtual_sdcard::VirtualSdcard;
use crate::{objects, outputs, thermal};

type Loader = fn(&Rc<Printer>, &Section) -> Result<(), ConfigError>;

/// How a section's name is matched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// The whole name: `[fan]`.
    Only(&'static str),
    /// A first word with a name behind it: `[heater_generic chamber]`.
    Named(&'static str),
    /// Both: `[verify_heater extruder]`... or a bare `[adxl345]`.
    Either(&'static str),
}

impl Name {
    fn matches(self, section: &str) -> bool {
        let (first, rest) = section.split_once(' ').map_or((section, None), |(f, r)| (f, Some(r)));
        match self {
            Name::Only(name) => first == name && rest.is_none(),
            Name::Named(name) => first == name && rest.is_some(),
            Name::Either(name) => first == name,
        }
    }
}

/// Sections that are read elsewhere: by the tool head, its kinematics, or the host itself.
const READ_ELSEWHERE: &[&str] = &["printer", "mcu", "stepper_", "duplicate_pin_override"];

pub const SECTIONS: &[(Name, Loader)] = &[
    (Name::Either("adxl345"), Adxl345::load),
    (Name::Only("bed_mesh"), objects::bed_mesh::load),
    (Name::Named("bed_mesh"), objects::bed_mesh::load_saved),
    (Name::Only("bltouch"), objects::bltouch::load),
    (Name::Named("adc_temperature"), thermal::sensor::load_adc_temperature),
    (Name::Only("controller_fan"), outputs::controller_fan::load),
    (Name::Named("controller_fan"), outputs::controller_fan::load),
    (Name::Named("delayed_gcode"), objects::delayed_gcode::load),
    (Name::Only("display_status"), DisplayStatus::load),
    (Name::Only("exclude_object"), ExcludeObject::load),
    (Name::Only("fan"), outputs::fan::load),
    (Name::Named("fan_generic"), outputs::fan_generic::load),
    (Name::Only("firmware_retraction"), FirmwareRetraction::load),
    (Name::Only("force_move"), objects::force_move::load),
    (Name::Only("gcode_arcs"), objects::gcode_arcs::load),
    (Name::Named("gcode_macro"), GcodeMacro::load),
    (Name::Only("heater_bed"), thermal::heaters::load_bed),
    (Name::Named("heater_fan"), outputs::heater_fan::load),
    (Name::Named("heater_generic"), thermal::heaters::load_generic),
    (Name::Only("homing_override"), objects::homing_override::load),
    (Name::Only("idle_timeout"), crate::idle_timeout::load),
    (Name::Only("input_shaper"), InputShaper::load),
    (Name::Named("output_pin"), outputs::output_pin::load),
    (Name::Only("pause_resume"), PauseResume::load),
    (Name::Only("resonance_tester"), ResonanceTester::load),
    (Name::Only("probe"), objects::probe::load),
    (Name::Only("respond"), objects::respond::load),
    (Name::Only("safe_z_home"), objects::safe_z_home::load),
    (Name::Only("save_variables"), SaveVariables::load),
    (Name::Named("static_digital_output"), outputs::static_digital_output::load),
    (Name::Named("temperature_sensor"), thermal::temperature_sensor::load),
    (Name::Named("tmc2130"), objects::tmc::load),
    (Name::Named("tmc2208"), objects::tmc::load),
    (Name::Named("tmc2209"), objects::tmc::load),
    (Name::Named("tmc5160"), objects::tmc::load),
    (Name::Named("thermistor"), thermal::sensor::load_thermistor),
    (Name::Named("verify_heater"), thermal::verify_heater::load),
    (Name::Only("virtual_sdcard"), VirtualSdcard::load),
];

/// Makes the object of one section.
pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let name = section.name().to_string();
    match loader(&name) {
        Some(loader) => loader(printer, section),
        None if is_read_elsewhere(&name) => Ok(()),
        None => Err(section.section_error(format!("section '{name}' is not supported yet"))),
    }
}

/// Whether this host builds a section, or reads it for another's sake.
pub fn is_supported(section: &str) -> bool {
    loader(section).is_some() || is_read_elsewhere(section)
}

fn loader(section: &str) -> Option<Loader> {
    SECTIONS.iter().find(|(name, _)| name.matches(section)).map(|(_, loader)| *loader)
}

fn is_read_elsewhere(section: &str) -> bool {
    let first = section.split(' ').next().unwrap_or_default();
    let is_extruder = first.strip_prefix("extruder").is_some_and(|number| number.bytes().all(|c| c.is_ascii_digit()));
    is_extruder
        || READ_ELSEWHERE.iter().any(|known| first == *known || (known.ends_with('_') && first.starts_with(known)))
}
