//! G-code templates: do they compile, and is what they call and ask for there?

use std::collections::{BTreeMap, BTreeSet};

use super::heaters::{heater_help, heater_names};
use super::{Findings, Severity::Error, Severity::Warning, View};
use crate::config::known::COMMANDS;
use crate::config::parse::{RawOption, RawSection};
use crate::config::suggest::nearest;
use crate::gcode::Command;
use crate::macros::Template;

/// Options whose value is a G-code template.
fn is_template(option: &RawOption) -> bool {
    option.name == "gcode" || option.name.ends_with("_gcode")
}

fn all<'c>(view: &View<'c>) -> impl Iterator<Item = (&'c RawSection, &'c RawOption)> {
    view.sections().flat_map(|s| s.options.iter().filter(|o| is_template(o)).map(move |o| (s, o)))
}

pub(super) fn syntax(view: &View<'_>, out: &mut Findings) {
    for (section, option) in all(view) {
        let name = format!("{}:{}", section.name, option.name);
        if let Err(error) = Template::from_source(&name, &option.value, option.value_place.clone()) {
            out.add(Error, "template-syntax", error);
        }
    }
}

/// Commands that exist only with a section, by the start of the command's name.
const NEEDS: &[(&str, &[&str])] = &[
    ("BED_MESH_", &["bed_mesh"]),
    ("QUAD_GANTRY_LEVEL", &["quad_gantry_level"]),
    ("Z_TILT_ADJUST", &["z_tilt"]),
    ("SCREWS_TILT_CALCULATE", &["screws_tilt_adjust"]),
    ("BED_SCREWS_ADJUST", &["bed_screws"]),
    ("SET_PIN", &["output_pin", "pwm_tool", "pwm_cycle_time"]),
    ("SET_FAN_SPEED", &["fan_generic"]),
    ("SET_SERVO", &["servo"]),
    ("SET_LED", &["led", "neopixel", "dotstar", "pca9533", "pca9632"]),
    ("RESPOND", &["respond"]),
    ("M118", &["respond"]),
    ("ECHO", &["respond"]),
    ("M117", &["display_status", "display"]),
    ("M73", &["display_status", "display"]),
    ("PAUSE", &["pause_resume"]),
    ("RESUME", &["pause_resume"]),
    ("CLEAR_PAUSE", &["pause_resume"]),
    ("CANCEL_PRINT", &["pause_resume"]),
    ("EXCLUDE_OBJECT", &["exclude_object"]),
    ("FORCE_MOVE", &["force_move"]),
    ("SET_KINEMATIC_POSITION", &["force_move"]),
    ("PROBE", &["probe", "bltouch", "smart_effector", "probe_eddy_current", "load_cell_probe"]),
    ("QUERY_PROBE", &["probe", "bltouch", "smart_effector", "probe_eddy_current", "load_cell_probe"]),
    ("BLTOUCH_", &["bltouch"]),
    ("SAVE_VARIABLE", &["save_variables"]),
    ("SDCARD_LOOP", &["sdcard_loop"]),
    ("SDCARD_", &["virtual_sdcard"]),
    ("SHAPER_CALIBRATE", &["resonance_tester"]),
    ("TEST_RESONANCES", &["resonance_tester"]),
    ("MEASURE_AXES_NOISE", &["resonance_tester"]),
    ("ACCELEROMETER_", &["adxl345", "lis2dw", "lis3dh", "mpu9250", "bmi160", "icm20948"]),
    ("SET_INPUT_SHAPER", &["input_shaper"]),
    ("SET_SKEW", &["skew_correction"]),
    ("SKEW_PROFILE", &["skew_correction"]),
    ("SET_RETRACTION", &["firmware_retraction"]),
    ("GET_RETRACTION", &["firmware_retraction"]),
    ("DUMP_TMC", &["tmc2130", "tmc2208", "tmc2209", "tmc2240", "tmc2660", "tmc5160"]),
    ("SET_TMC_", &["tmc2130", "tmc2208", "tmc2209", "tmc2240", "tmc2660", "tmc5160"]),
    ("DELTA_", &["delta_calibrate"]),
    ("SET_DUAL_CARRIAGE", &["dual_carriage"]),
    ("MANUAL_STEPPER", &["manual_stepper"]),
    ("UPDATE_DELAYED_GCODE", &["delayed_gcode"]),
    ("QUERY_FILAMENT_SENSOR", &["filament_switch_sensor", "filament_motion_sensor"]),
    ("SET_FILAMENT_SENSOR", &["filament_switch_sensor", "filament_motion_sensor"]),
    ("SET_TEMPERATURE_FAN_TARGET", &["temperature_fan"]),
];

/// Short names that start no other command's.
const NEEDS_EXACT: &[(&str, &[&str])] = &[
    ("G2", &["gcode_arcs"]),
    ("G3", &["gcode_arcs"]),
    ("G10", &["firmware_retraction"]),
    ("G11", &["firmware_retraction"]),
    ("M106", &["fan"]),
    ("M107", &["fan"]),
    ("M140", &["heater_bed"]),
    ("M190", &["heater_bed"]),
];

/// What became of a command's name.
pub(super) enum Lookup {
    Known,
    /// It would be there with one of these sections.
    Needs(&'static [&'static str]),
    Unknown,
}

/// The commands that a configuration gives.
pub(super) struct Commands<'c> {
    view: &'c View<'c>,
    macros: BTreeSet<String>,
    renamed: BTreeSet<String>,
}

impl<'c> Commands<'c> {
    pub fn new(view: &'c View<'c>) -> Self {
        let macros = view.with_prefix("gcode_macro ").map(macro_name).collect();
        let renamed = view.with_prefix("gcode_macro ").filter_map(|s| s.option("rename_existing"));
        Commands { view, macros, renamed: renamed.map(|o| o.value.to_uppercase()).collect() }
    }

    /// The state of a command without macros of its name.
    pub fn builtin(&self, name: &str) -> Lookup {
        if !COMMANDS.split_whitespace().any(|c| c == name) {
            return Lookup::Unknown;
        }
        let exact = NEEDS_EXACT.iter().find(|(n, _)| *n == name);
        match exact.or_else(|| NEEDS.iter().find(|(start, _)| name.starts_with(start))) {
            Some((_, sections)) if !self.has_any(sections) => Lookup::Needs(sections),
            _ => Lookup::Known,
        }
    }

    fn has_any(&self, sections: &[&str]) -> bool {
        self.view.sections().any(|s| sections.contains(&s.name.split(' ').next().unwrap_or_default()))
    }

    pub fn lookup(&self, name: &str) -> Lookup {
        match self.macros.contains(name) || self.renamed.contains(name) {
            true => Lookup::Known,
            false => self.builtin(name),
        }
    }

    pub fn is_macro(&self, name: &str) -> bool {
        self.macros.contains(name)
    }

    pub fn suggestion(&self, name: &str) -> String {
        if is_traditional(name) {
            return format!("it has no effect; remove it, or define it with [gcode_macro {name}]");
        }
        let names = self.macros.iter().map(String::as_str).chain(COMMANDS.split_whitespace());
        match nearest(name, names) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("define it with [gcode_macro {name}], or remove it"),
        }
    }
}

pub(super) fn macro_name(section: &RawSection) -> String {
    section.name.strip_prefix("gcode_macro ").unwrap_or_default().trim().to_uppercase()
}

/// The template's literal text: statements taken out, expressions replaced by a mark, lines kept.
pub(super) fn literal_text(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (close, mark) = match rest.as_bytes().get(1) {
            Some(b'%') => ("%}", ""),
            Some(b'#') => ("#}", ""),
            _ => ("}", "\u{1}"),
        };
        let end = rest.find(close).map_or(rest.len(), |e| e + close.len());
        out.push_str(mark);
        out.extend(rest[..end].chars().filter(|c| *c == '\n'));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

pub(super) fn commands(view: &View<'_>, out: &mut Findings) {
    let commands = Commands::new(view);
    for (section, option) in all(view) {
        for (i, line) in literal_text(&option.value).split('\n').enumerate() {
            let Some(command) = Command::parse(line) else { continue };
            let name = command.name();
            if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.') {
                continue;
            }
            let mut at = option.clone();
            at.value_place = option.value_place.lines_below(i as u32);
            match commands.lookup(name) {
                Lookup::Known => {}
                Lookup::Needs(sections) => {
                    let message = format!("Unknown command:\"{name}\": it needs a section that is not there");
                    let help = format!("add [{}]", sections[0]);
                    out.option(Warning, "command-without-section", section, &at, message, help);
                }
                Lookup::Unknown => {
                    let message = format!("Unknown command:\"{name}\"");
                    out.option(Error, "command-unknown", section, &at, message, commands.suggestion(name));
                }
            }
            let own = section.name.starts_with("gcode_macro ") && macro_name(section) == name;
            if own && section.option("rename_existing").is_none() {
                let message = format!("Macro {name} called recursively");
                let help = "to extend a command, give rename_existing and call the new name";
                out.option(Error, "macro-recursive", section, &at, message, help);
            }
        }
        heaters_named(view, section, option, out);
    }
}

/// `HEATER=` in commands that want one.
fn heaters_named(view: &View<'_>, section: &RawSection, option: &RawOption, out: &mut Findings) {
    let heaters = heater_names(view);
    for (i, line) in literal_text(&option.value).split('\n').enumerate() {
        let Some(command) = Command::parse(line) else { continue };
        if !["SET_HEATER_TEMPERATURE", "PID_CALIBRATE"].contains(&command.name()) {
            continue;
        }
        let Some(heater) = command.get("HEATER").filter(|h| !h.contains('\u{1}')) else { continue };
        if !heaters.iter().any(|h| h == heater) {
            let mut at = option.clone();
            at.value_place = option.value_place.lines_below(i as u32);
            let message = format!("The value '{heater}' is not valid for HEATER");
            out.option(Error, "heater-unknown", section, &at, message, heater_help(heater, &heaters));
        }
    }
}

/// Fields of the status objects that macros ask for most.
const FIELDS: &[(&str, &str)] = &[
    (
        "toolhead",
        "position homed_axes axis_minimum axis_maximum cone_start_z print_time estimated_print_time extruder stalls \
         max_velocity max_accel minimum_cruise_ratio square_corner_velocity",
    ),
    (
        "gcode_move",
        "gcode_position position speed speed_factor extrude_factor absolute_coordinates absolute_extrude homing_origin",
    ),
    ("extruder", "temperature target power can_extrude pressure_advance smooth_time motion_queue"),
    ("heater_bed", "temperature target power"),
    ("heater_generic", "temperature target power"),
    ("fan", "speed rpm"),
    ("idle_timeout", "state printing_time"),
    ("print_stats", "filename total_duration print_duration filament_used state message info"),
    ("virtual_sdcard", "file_path progress is_active file_position file_size"),
    ("pause_resume", "is_paused"),
    ("display_status", "message progress"),
    ("configfile", "config settings warnings save_config_pending save_config_pending_items"),
    ("bed_mesh", "profile_name mesh_min mesh_max probed_matrix mesh_matrix profiles"),
    ("exclude_object", "objects excluded_objects current_object"),
    ("quad_gantry_level", "applied"),
    ("z_tilt", "applied"),
    ("stepper_enable", "steppers"),
    ("query_endstops", "last_query"),
    ("system_stats", "sysload cputime memavail"),
    ("webhooks", "state state_message"),
    ("motion_report", "live_position live_velocity live_extruder_velocity steppers trapq"),
    ("heaters", "available_heaters available_sensors available_monitors"),
    ("firmware_retraction", "retract_length retract_speed unretract_extra_length unretract_speed"),
    ("temperature_sensor", "temperature measured_min_temp measured_max_temp"),
    ("filament_switch_sensor", "enabled filament_detected"),
    ("output_pin", "value"),
    ("save_variables", "variables"),
];

/// Status objects that are there without a section.
const ALWAYS: &[&str] = &[
    "toolhead",
    "gcode_move",
    "configfile",
    "webhooks",
    "print_stats",
    "idle_timeout",
    "motion_report",
    "mcu",
    "gcode",
    "system_stats",
    "query_endstops",
    "stepper_enable",
    "heaters",
    "manual_probe",
    "probe",
    "display_status",
    "pause_resume",
    "virtual_sdcard",
];

/// Methods of a dictionary rather than fields.
const METHODS: &[&str] = &["get", "items", "keys", "values"];

pub(super) fn status(view: &View<'_>, out: &mut Findings) {
    let variables: BTreeMap<&str, Vec<&str>> = view
        .with_prefix("gcode_macro ")
        .map(|s| (s.name.as_str(), s.options.iter().filter_map(|o| o.name.strip_prefix("variable_")).collect()))
        .collect();
    for (section, option) in all(view) {
        let guarded = guarded_names(&option.value);
        for (i, line) in option.value.split('\n').enumerate() {
            for path in status_paths(line) {
                if guarded.contains(&path.object) || path.guarded {
                    continue;
                }
                let Some((message, help)) = missing(view, &variables, &path) else { continue };
                let mut at = option.clone();
                at.value_place = option.value_place.lines_below(i as u32);
                out.option(Error, "status-unknown", section, &at, message, help);
            }
        }
    }
}

fn missing(view: &View<'_>, variables: &BTreeMap<&str, Vec<&str>>, path: &StatusPath) -> Option<(String, String)> {
    let object = path.object.as_str();
    if !view.has(object) && !ALWAYS.contains(&object) {
        let names = view.sections().map(|s| s.name.as_str()).chain(ALWAYS.iter().copied());
        let help = match nearest(object, names) {
            Some(near) => format!("did you mean printer[\"{near}\"]?"),
            None => "there is no such section in the configuration".to_string(),
        };
        return Some((format!("the template asks for printer[\"{object}\"], which does not exist"), help));
    }
    let field = path.field.as_deref().filter(|f| !METHODS.contains(f))?;
    let fields: Vec<&str> = match variables.get(object) {
        Some(variables) => variables.clone(),
        None => {
            let first = object.split(' ').next().unwrap_or_default();
            FIELDS.iter().find(|(name, _)| *name == first)?.1.split_whitespace().collect()
        }
    };
    if fields.iter().any(|f| f.eq_ignore_ascii_case(field)) {
        return None;
    }
    let help = match (nearest(field, fields.iter().copied()), variables.contains_key(object)) {
        (Some(near), _) => format!("did you mean '{near}'?"),
        (None, true) => format!("add 'variable_{field}: ...' to [{object}]"),
        (None, false) => format!("it has: {}", fields.join(", ")),
    };
    Some((format!("printer[\"{object}\"] has no '{field}'"), help))
}

struct StatusPath {
    object: String,
    field: Option<String>,
    /// What follows deals with its absence.
    guarded: bool,
}

/// `printer.NAME.field` and `printer["NAME"].field` in a line of a template.
fn status_paths(line: &str) -> Vec<StatusPath> {
    let mut paths = Vec::new();
    let mut from = 0;
    while let Some(at) = line[from..].find("printer").map(|i| i + from) {
        from = at + "printer".len();
        let before = line[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || "_.'\"".contains(c)) {
            continue;
        }
        let Some((object, rest)) = path_part(&line[from..]) else { continue };
        if METHODS.contains(&object.as_str()) {
            continue;
        }
        let (field, rest) = path_part(rest).map_or((None, rest), |(f, r)| (Some(f), r));
        let behind = rest.trim_start();
        let guarded = ["is defined", "is not defined", "|default", "| default", "is not none", "is none"];
        let guarded = guarded.iter().any(|g| behind.starts_with(g));
        paths.push(StatusPath { object, field, guarded });
    }
    paths
}

/// A `.name` or `["name"]` at the start of the text, and what follows it.
fn path_part(text: &str) -> Option<(String, &str)> {
    if let Some(tail) = text.strip_prefix('.') {
        let end = tail.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(tail.len());
        return (end > 0).then(|| (tail[..end].to_string(), &tail[end..]));
    }
    let tail = text.strip_prefix('[')?;
    let quote = tail.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (name, rest) = tail[1..].split_once(quote)?;
    // What is put together at run time is not known here.
    let rest = rest.strip_prefix(']')?;
    Some((name.to_string(), rest))
}

/// Names that the template looks for before it uses them: `'NAME' in printer`, `printer.NAME is defined`.
fn guarded_names(source: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in source.match_indices("in printer") {
        let before = source[..at].trim_end().trim_end_matches("not").trim_end();
        let Some(quote) = before.chars().next_back().filter(|c| matches!(c, '"' | '\'')) else { continue };
        let inner = &before[..before.len() - 1];
        names.extend(inner.rsplit_once(quote).map(|(_, name)| name.to_string()));
    }
    for line in source.split('\n') {
        names.extend(status_paths(line).into_iter().filter(|p| p.guarded && p.field.is_none()).map(|p| p.object));
    }
    names
}

pub(super) fn renames(view: &View<'_>, out: &mut Findings) {
    let commands = Commands::new(view);
    let mut seen: BTreeMap<String, &RawSection> = BTreeMap::new();
    for section in view.with_prefix("gcode_macro ") {
        let name = macro_name(section);
        let builtin = matches!(commands.builtin(&name), Lookup::Known);
        match section.option("rename_existing") {
            None if builtin => {
                let message = format!("gcode command {name} already registered");
                let help = format!("to replace it, add rename_existing: {}", new_name(&name));
                out.section(Error, "rename-missing", section, message, help);
            }
            Some(option) if !builtin => {
                let message = format!("Existing command '{name}' not found in gcode_macro rename");
                let help = match commands.builtin(&name) {
                    Lookup::Needs(sections) => format!("it needs [{}]", sections[0]),
                    _ => "remove rename_existing: there is nothing to rename".to_string(),
                };
                out.option(Error, "rename-unknown", section, option, message, help);
            }
            Some(option) if is_traditional(&name) != is_traditional(&option.value.to_uppercase()) => {
                let message = format!("G-Code macro rename of different types ('{name}' vs '{}')", option.value);
                out.option(Error, "rename-kind", section, option, message, format!("such as {}", new_name(&name)));
            }
            _ => {}
        }
        if let Some(other) = seen.insert(name.clone(), section) {
            let message = format!("[{}] and [{}] are the same command", other.name, section.name);
            out.section(Error, "macro-duplicate", section, message, "names of macros are the same in either case");
        }
    }
}

fn is_traditional(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_uppercase()) && bytes.next().is_some_and(|b| b.is_ascii_digit())
}

fn new_name(name: &str) -> String {
    if is_traditional(name) { format!("{name}.1") } else { format!("BASE_{name}") }
}
