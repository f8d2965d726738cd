//! A G-code program against the configuration: does it call what is there, and stay where the machine can go?
//!
//! This is dead reckoning, not a simulation: the position is followed through G0/G1/G92/G28 and forgotten where a macro
//! takes over, so what it says is certain and what it does not know it does not say. Each kind of mistake is told at
//! its first line, with the number of lines that have it.

use std::collections::BTreeMap;

use super::heaters::{heater_help, heater_names};
use super::templates::{Commands, Lookup, literal_text, macro_name};
use super::{Findings, Severity, Severity::Error, Severity::Warning, View};
use crate::gcode::Command;

/// A mistake that may come up on many lines.
struct Seen {
    severity: Severity,
    line: u32,
    message: String,
    help: String,
    count: u32,
}

/// What the text of a macro tells about the state it leaves behind.
#[derive(Clone, Copy, Default)]
struct Effects {
    heats: bool,
    homes: bool,
    absolute_xyz: Option<bool>,
    absolute_e: Option<bool>,
}

struct Checker<'c> {
    commands: Commands<'c>,
    macros: BTreeMap<String, Effects>,
    ranges: [Option<(f64, f64)>; 3],
    radius: Option<f64>,
    min_extrude_temp: f64,
    max_extrude_only: f64,
    max_cross_section: f64,
    filament_area: f64,
    /// Each heater, and what it may be set to at most.
    heaters: Vec<(String, Option<f64>)>,
    position: [Option<f64>; 4],
    absolute_xyz: bool,
    absolute_e: bool,
    target: f64,
    maybe_hot: bool,
    maybe_homed: bool,
    seen: BTreeMap<(&'static str, String), Seen>,
    line: u32,
}

pub(super) fn check(view: &View<'_>, lines: &mut dyn Iterator<Item = &str>, out: &mut Findings) {
    let mut checker = Checker::new(view);
    let mut empty = true;
    for (number, line) in (1u32..).zip(lines) {
        checker.line = number;
        if let Some(command) = Command::parse(line) {
            empty = false;
            checker.command(&command);
        }
    }
    if empty {
        checker.line = 1;
        let message = "the program has no command".to_string();
        checker.report(Error, "program-empty", "", message, "was it sliced and copied to its end?".into());
    }
    for ((code, _), seen) in checker.seen {
        let times = if seen.count > 1 { format!(" (and on {} more lines)", seen.count - 1) } else { String::new() };
        out.program(seen.severity, code, seen.line, seen.message + &times, seen.help);
    }
}

fn effects(view: &View<'_>) -> BTreeMap<String, Effects> {
    let mut map: BTreeMap<String, Effects> = BTreeMap::new();
    let texts: Vec<(String, String)> = view
        .with_prefix("gcode_macro ")
        .map(|s| (macro_name(s), s.option("gcode").map_or(String::new(), |o| literal_text(&o.value))))
        .collect();
    // Twice as deep as macros are nested in practice.
    for _ in 0..6 {
        for (name, text) in &texts {
            let mut effect = Effects::default();
            let mut saved = false;
            for command in text.split('\n').filter_map(Command::parse) {
                match command.name() {
                    "M104" | "M109" | "SET_HEATER_TEMPERATURE" => effect.heats = true,
                    "G28" => effect.homes = true,
                    "G90" => effect.absolute_xyz = Some(true),
                    "G91" => effect.absolute_xyz = Some(false),
                    "M82" => effect.absolute_e = Some(true),
                    "M83" => effect.absolute_e = Some(false),
                    "SAVE_GCODE_STATE" => saved = true,
                    "RESTORE_GCODE_STATE" if saved => (effect.absolute_xyz, effect.absolute_e) = (None, None),
                    other => {
                        let inner = map.get(other).copied().unwrap_or_default();
                        effect.heats |= inner.heats;
                        effect.homes |= inner.homes;
                        effect.absolute_xyz = inner.absolute_xyz.or(effect.absolute_xyz);
                        effect.absolute_e = inner.absolute_e.or(effect.absolute_e);
                    }
                }
                // An expression at the start of a line may call anything.
                effect.heats |= command.name().contains('\u{1}');
                effect.homes |= command.name().contains('\u{1}');
            }
            map.insert(name.clone(), effect);
        }
    }
    map
}

impl<'c> Checker<'c> {
    fn new(view: &'c View<'c>) -> Self {
        let kinematics = view.text("printer", "kinematics").unwrap_or("");
        let straight = ["cartesian", "corexy", "corexz", "hybrid_corexy", "hybrid_corexz"].contains(&kinematics);
        let range = |axis: &str| {
            let max = view.float(axis, "position_max")?;
            Some((view.float(axis, "position_min").unwrap_or(0.0), max)).filter(|_| straight)
        };
        let nozzle = view.float("extruder", "nozzle_diameter").unwrap_or(0.4);
        let filament = view.float("extruder", "filament_diameter").unwrap_or(1.75);
        let radius = view.float("printer", "print_radius").or_else(|| view.float("printer", "delta_radius"));
        let heater = |name: String| {
            let max =
                view.float(&name, "max_temp").or_else(|| view.float(&format!("heater_generic {name}"), "max_temp"));
            (name, max)
        };
        Checker {
            commands: Commands::new(view),
            heaters: heater_names(view).into_iter().map(heater).collect(),
            macros: effects(view),
            ranges: [range("stepper_x"), range("stepper_y"), range("stepper_z")],
            radius: radius.filter(|_| kinematics == "delta"),
            min_extrude_temp: view.float("extruder", "min_extrude_temp").unwrap_or(170.0),
            max_extrude_only: view.float("extruder", "max_extrude_only_distance").unwrap_or(50.0),
            max_cross_section: view.float("extruder", "max_extrude_cross_section").unwrap_or(4.0 * nozzle * nozzle),
            filament_area: std::f64::consts::PI * (filament / 2.0) * (filament / 2.0),
            position: [None; 4],
            absolute_xyz: true,
            absolute_e: true,
            target: 0.0,
            maybe_hot: !view.has("extruder"),
            maybe_homed: false,
            seen: BTreeMap::new(),
            line: 0,
        }
    }

    fn report(&mut self, severity: Severity, code: &'static str, key: &str, message: String, help: String) {
        let line = self.line;
        let entry = self.seen.entry((code, key.to_string()));
        entry.or_insert(Seen { severity, line, message, help, count: 0 }).count += 1;
    }

    /// Counts a mistake that has been told; a suggestion for each line of a long program would take minutes.
    fn is_told(&mut self, code: &'static str, key: &str) -> bool {
        let seen = self.seen.get_mut(&(code, key.to_string()));
        seen.map(|seen| seen.count += 1).is_some()
    }

    fn command(&mut self, command: &Command<'_>) {
        let name = command.name();
        if command.well_formed().is_err() && matches!(self.commands.lookup(name), Lookup::Known) {
            let message = format!("Malformed command '{}'", command.raw().trim());
            let help = "parameters are KEY=value, with quotes around values that hold blanks".to_string();
            return self.report(Error, "program-malformed", name, message, help);
        }
        if self.commands.is_macro(name) {
            return self.run_macro(name);
        }
        self.check_heater(command);
        match name {
            "G0" | "G1" => return self.travel(command),
            "G28" => self.home(command),
            "G90" => self.absolute_xyz = true,
            "G91" => self.absolute_xyz = false,
            "M82" => self.absolute_e = true,
            "M83" => self.absolute_e = false,
            "G92" => self.set_position(command),
            "M104" | "M109" => self.target = command.float("S").or(0.0).unwrap_or(0.0),
            "SET_HEATER_TEMPERATURE" if command.get("HEATER") == Some("extruder") => {
                self.target = command.float("TARGET").or(0.0).unwrap_or(0.0);
            }
            "G2" | "G3" | "RESTORE_GCODE_STATE" | "T0" | "T1" => {
                self.position = [None; 4];
                if name.starts_with('G') && command.has("R") {
                    let message = format!("{name} does not support R moves");
                    let help = "let the slicer write arcs with their centre, I and J, or no arcs".to_string();
                    self.report(Error, "program-arc-radius", name, message, help);
                }
            }
            _ => {}
        }
        match self.commands.lookup(name) {
            Lookup::Known => {}
            Lookup::Needs(sections) => {
                let message = format!("Unknown command:\"{name}\": it needs a section that is not there");
                // Without its arcs a part is another part; the other commands are of less harm.
                let severity = if matches!(name, "G2" | "G3") { Error } else { Warning };
                self.report(
                    severity,
                    "program-command-without-section",
                    name,
                    message,
                    format!("add [{}]", sections[0]),
                );
            }
            Lookup::Unknown if self.is_told("program-command-unknown", name) => {}
            Lookup::Unknown => {
                let message = format!("the program calls {name}, which is no command and no macro");
                let help = self.commands.suggestion(name);
                // Klipper answers with a message and goes on. A firmware's setting that it lacks is of no harm; a
                // macro that is not there leaves the printer cold, and then only this finding tells why.
                let macro_meant = command.is_extended();
                self.maybe_hot |= macro_meant;
                self.maybe_homed |= macro_meant;
                let severity = if macro_meant { Error } else { Warning };
                self.report(severity, "program-command-unknown", name, message, help);
            }
        }
    }

    fn run_macro(&mut self, name: &str) {
        let effects = self.macros.get(name).copied().unwrap_or_default();
        self.maybe_hot |= effects.heats;
        self.maybe_homed |= effects.homes;
        self.absolute_xyz = effects.absolute_xyz.unwrap_or(self.absolute_xyz);
        self.absolute_e = effects.absolute_e.unwrap_or(self.absolute_e);
        self.position = [None; 4];
    }

    fn home(&mut self, command: &Command<'_>) {
        self.maybe_homed = true;
        let all = !["X", "Y", "Z"].iter().any(|a| command.has(a));
        for (axis, letter) in ["X", "Y", "Z"].into_iter().enumerate() {
            if all || command.has(letter) {
                self.position[axis] = None;
            }
        }
    }

    fn set_position(&mut self, command: &Command<'_>) {
        for (axis, letter) in ["X", "Y", "Z", "E"].into_iter().enumerate() {
            // An offset on X, Y or Z hides the true position; on E it does not matter.
            match command.float(letter).optional() {
                Ok(Some(value)) if axis == 3 => self.position[3] = Some(value),
                Ok(Some(_)) => self.ranges[axis] = None,
                _ => {}
            }
        }
        if command.letters().next().is_none() {
            self.ranges = [None; 3];
        }
    }

    fn check_heater(&mut self, command: &Command<'_>) {
        let (heater, key) = match command.name() {
            "M104" | "M109" => ("extruder", "S"),
            "M140" | "M190" => ("heater_bed", "S"),
            "SET_HEATER_TEMPERATURE" => (command.get("HEATER").unwrap_or_default(), "TARGET"),
            _ => return,
        };
        let Some((_, max)) = self.heaters.iter().find(|(name, _)| name == heater) else {
            if key == "TARGET" {
                let names: Vec<String> = self.heaters.iter().map(|(name, _)| name.clone()).collect();
                let message = format!("The value '{heater}' is not valid for HEATER");
                self.report(Error, "program-heater-unknown", heater, message, heater_help(heater, &names));
            }
            return;
        };
        if let (Some(max), Ok(Some(target))) = (*max, command.float(key).optional())
            && target > max
        {
            let message = format!("{} sets {heater} to {target}, and its max_temp is {max}", command.name());
            let help = "is the program sliced for this printer? else raise max_temp, if the hot end can bear it";
            self.report(Error, "program-too-hot", heater, message, help.into());
        }
    }

    fn travel(&mut self, command: &Command<'_>) {
        let mut target = self.position;
        let mut moved = [false; 4];
        for (axis, letter) in [b'X', b'Y', b'Z', b'E'].into_iter().enumerate() {
            let Some(text) = command.letter(letter) else { continue };
            let Some(value) = text.parse::<f64>().ok().filter(|v| v.is_finite()) else {
                let message = format!("Unable to parse move '{}'", command.raw().trim());
                return self.report(Error, "program-move-unparsable", "", message, "a coordinate is no number".into());
            };
            target[axis] = if self.is_absolute(axis) { Some(value) } else { self.position[axis].map(|p| p + value) };
            moved[axis] = true;
        }
        if let Some(speed) = command.letter(b'F').and_then(|text| text.parse::<f64>().ok()).filter(|f| *f <= 0.0) {
            let message = format!("Invalid speed in '{}'", command.raw().trim());
            self.report(Error, "program-speed", "", message, format!("F is {speed} and must be above 0"));
        }
        let extruded = self.extruded(command, &target);
        self.check_range(&target, moved);
        if let Some(length) = extruded.filter(|e| *e > 0.0) {
            self.check_extrusion(length, &target, moved);
        } else if let Some(length) = extruded.filter(|e| -*e > self.max_extrude_only && !moved[0] && !moved[1]) {
            self.too_long(length);
        }
        self.position = target;
    }

    /// Filament that a move takes, where it is known.
    fn extruded(&self, command: &Command<'_>, target: &[Option<f64>; 4]) -> Option<f64> {
        let value: f64 = command.letter(b'E')?.parse().ok()?;
        if self.is_absolute(3) { Some(target[3]? - self.position[3]?) } else { Some(value) }
    }

    /// G91 makes the extruder relative too, whatever M82 says.
    fn is_absolute(&self, axis: usize) -> bool {
        self.absolute_xyz && (axis != 3 || self.absolute_e)
    }

    fn check_range(&mut self, target: &[Option<f64>; 4], moved: [bool; 4]) {
        if !self.maybe_homed && moved[..3].contains(&true) {
            let message = "Must home axis first: the program moves before any G28".to_string();
            self.report(Error, "program-not-homed", "", message, "put G28 at its start".into());
        }
        for (axis, letter) in ["X", "Y", "Z"].into_iter().enumerate() {
            let (Some(at), Some((low, high)), true) = (target[axis], self.ranges[axis], moved[axis]) else { continue };
            if at < low - 1e-6 || at > high + 1e-6 {
                let message = format!("Move out of range: {letter}{at:.3}, and the axis goes from {low} to {high}");
                let help = "is the program sliced for this printer's bed?".to_string();
                self.report(Error, "program-out-of-range", letter, message, help);
            }
        }
        if let (Some(x), Some(y), Some(radius)) = (target[0], target[1], self.radius)
            && x * x + y * y > radius * radius * 1.000_001
        {
            let message = format!("Move out of range: X{x:.3} Y{y:.3} is outside the radius of {radius} mm");
            self.report(
                Error,
                "program-out-of-range",
                "R",
                message,
                "the bed of a delta has its zero in the middle".into(),
            );
        }
    }

    fn check_extrusion(&mut self, length: f64, target: &[Option<f64>; 4], moved: [bool; 4]) {
        if !self.maybe_hot && self.target < self.min_extrude_temp {
            let message = format!(
                "Extrude below minimum temp: the hot end is set to {} and min_extrude_temp is {}",
                self.target, self.min_extrude_temp
            );
            self.report(Error, "program-extrude-cold", "", message, "set M104 or M109 S... before".into());
        }
        let distance = match (self.position[0], self.position[1], target[0], target[1]) {
            (Some(x), Some(y), Some(to_x), Some(to_y)) => libm::sqrt((to_x - x) * (to_x - x) + (to_y - y) * (to_y - y)),
            _ if !moved[0] && !moved[1] => 0.0,
            _ => return,
        };
        if distance < 1e-9 {
            if length > self.max_extrude_only {
                self.too_long(length);
            }
            return;
        }
        let area = length * self.filament_area / distance;
        // Klipper lets small blobs pass: a short move may take as much as a line as wide as the nozzle would.
        if area > self.max_cross_section && length > 0.05 {
            let message =
                format!("Move exceeds maximum extrusion ({area:.3}mm^2 vs {:.3}mm^2)", self.max_cross_section);
            let help =
                "check filament_diameter and nozzle_diameter here and in the slicer, and M82 against M83".to_string();
            self.report(Error, "program-extrude-thick", "", message, help);
        }
    }

    fn too_long(&mut self, length: f64) {
        let message = format!("Extrude only move too long ({length:.3}mm vs {:.3}mm)", self.max_extrude_only);
        let help = "raise max_extrude_only_distance, or check M82 against M83 and for a missing G92 E0".to_string();
        self.report(Error, "program-extrude-long", "", message, help);
    }
}
