//! The machine as the viewer draws it: read from the recording's machine file and printer.cfg, as far as they go.
//!
//! What is missing or unknown gets a plain value: a recording of a later program is still shown.

use drydock_recording::Header;
use serde::Deserialize;

/// What carries what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Two crossed belts move the head, the bed goes down.
    CoreXy,
    /// The head moves in X and Z, the bed in Y.
    BedSlinger,
    /// Three towers with arms; see [`Machine::delta`].
    Delta,
    /// The head moves in X and Y on axes of their own.
    Cartesian,
}

/// Dimensions and modes. Millimetres in print coordinates: the nozzle relative to the bed.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    pub name: String,
    pub kind: Kind,
    /// The reach of the nozzle.
    pub travel_min_mm: [f64; 3],
    pub travel_max_mm: [f64; 3],
    pub modes: Vec<Mode>,
    /// Names, in the order of `Load::motor`.
    pub motors: Vec<String>,
    pub heaters: Vec<String>,
    pub fans: Vec<String>,
    /// Tick of the mechanics: a step of the playhead.
    pub tick_ns: u64,
    /// Only for `Kind::Delta`.
    pub delta: Option<Delta>,
    pub nozzle_mm: f64,
    pub filament_mm: f64,
}

/// One vibration mode: `nozzle = drive + sum(shape * q)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mode {
    /// The axis that it shakes most: 0, 1, 2.
    pub axis: usize,
    pub frequency_hz: f64,
    /// Damping ratio.
    pub damping: f64,
    /// Direction of drive motion that shakes it.
    pub excited_by: [f64; 3],
    /// Nozzle motion per mm of the mode.
    pub shape: [f64; 3],
    /// The bed swings and not the head.
    pub on_bed: bool,
}

impl Mode {
    /// The frequency with which it swings when it is let go.
    pub fn damped_hz(&self) -> f64 {
        self.frequency_hz * (1.0 - self.damping * self.damping).max(0.0).sqrt()
    }

    /// Time in which its amplitude falls to 1/e, s.
    pub fn decay_s(&self) -> f64 {
        1.0 / (std::f64::consts::TAU * self.frequency_hz * self.damping).max(1e-9)
    }
}

/// Towers and arms of a delta.
#[derive(Clone, Debug, PartialEq)]
pub struct Delta {
    /// From a tower to the middle.
    pub radius_mm: f64,
    pub arm_length_mm: [f64; 3],
    /// Degrees from +X.
    pub tower_angle_deg: [f64; 3],
}

impl Delta {
    /// Where the towers stand.
    pub fn towers_mm(&self) -> [[f64; 2]; 3] {
        self.tower_angle_deg.map(|deg| {
            let (sin, cos) = deg.to_radians().sin_cos();
            [self.radius_mm * cos, self.radius_mm * sin]
        })
    }

    /// Heights of the carriages for a place of the nozzle; `None` out of reach of an arm.
    pub fn carriages_mm(&self, nozzle_mm: [f64; 3]) -> Option<[f64; 3]> {
        let mut heights = [0.0; 3];
        for ((height, tower), arm) in heights.iter_mut().zip(self.towers_mm()).zip(self.arm_length_mm) {
            let (x, y) = (nozzle_mm[0] - tower[0], nozzle_mm[1] - tower[1]);
            let rise = arm * arm - x * x - y * y;
            if rise < 0.0 {
                return None;
            }
            *height = nozzle_mm[2] + rise.sqrt();
        }
        Some(heights)
    }
}

/// Tick where the machine file does not say: the plant's.
const TICK_NS: u64 = 250_000;

impl Machine {
    pub fn of(header: &Header) -> Machine {
        let file: File = lenient().from_str(&header.machine_ron).unwrap_or_default();
        let cfg = Cfg::of(&header.printer_cfg);
        let kind = kind(&header.machine_ron, &cfg);
        let travel = |own: Option<[f64; 3]>, key: &str, usual: [f64; 3]| {
            own.filter(|v| v.iter().all(|v| v.is_finite())).unwrap_or_else(|| {
                let of = |axis: usize| cfg.number(["stepper_x", "stepper_y", "stepper_z"][axis], key);
                std::array::from_fn(|axis| of(axis).unwrap_or(usual[axis]))
            })
        };
        let motors = match file.motors.is_empty() {
            true => header.motors.clone(),
            false => file.motors.iter().map(|m| m.name.clone()).collect(),
        };
        let extruder = file.extruders.first().cloned().unwrap_or_default();
        let usual = |value: f64, key: &str, usual: f64| {
            let found = [Some(value), cfg.number("extruder", key)].into_iter().flatten().find(|v| *v > 0.0);
            found.unwrap_or(usual)
        };
        Machine {
            name: if file.name.is_empty() { header.title.clone() } else { file.name },
            kind,
            travel_min_mm: travel(file.travel_min_mm, "position_min", [0.0; 3]),
            travel_max_mm: travel(file.travel_max_mm, "position_max", [220.0, 220.0, 250.0]),
            modes: file.modes.iter().map(FileMode::mode).collect(),
            motors,
            heaters: header.heaters.clone(),
            fans: header.fans.clone(),
            tick_ns: if file.tick_ns > 0 { file.tick_ns } else { TICK_NS },
            delta: (kind == Kind::Delta).then(|| delta(&header.machine_ron, &cfg)),
            nozzle_mm: usual(extruder.nozzle_mm, "nozzle_diameter", 0.4),
            filament_mm: usual(extruder.filament_mm, "filament_diameter", 1.75),
        }
    }
}

/// The parts of the machine file that are looked at; everything else in it is passed over.
#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    name: String,
    tick_ns: u64,
    travel_min_mm: Option<[f64; 3]>,
    travel_max_mm: Option<[f64; 3]>,
    motors: Vec<Named>,
    modes: Vec<FileMode>,
    extruders: Vec<FileExtruder>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct FileExtruder {
    filament_mm: f64,
    nozzle_mm: f64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FileMode {
    freq_hz: f64,
    damping: f64,
    excited_by: [f64; 3],
    shape: [f64; 3],
    on_bed: bool,
}

impl FileMode {
    fn mode(&self) -> Mode {
        let axis = (0..3).max_by(|a, b| self.shape[*a].abs().total_cmp(&self.shape[*b].abs())).unwrap_or(0);
        Mode {
            axis,
            frequency_hz: self.freq_hz,
            damping: self.damping,
            excited_by: self.excited_by,
            shape: self.shape,
            on_bed: self.on_bed,
        }
    }
}

/// A field may be there or not.
fn lenient() -> ron::Options {
    ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
}

/// The variant that stands behind `kinematics:`, and its inside.
fn kinematics(machine_ron: &str) -> Option<(&str, &str)> {
    let (_, after) = machine_ron.split_once("kinematics:")?;
    let after = after.trim_start();
    let end = after.find(|c: char| !c.is_alphanumeric())?;
    let inside = &after[end..];
    let close = inside.find("))").map_or(inside.len(), |at| at + 1);
    Some((&after[..end], inside.get(1..close).unwrap_or_default()))
}

fn kind(machine_ron: &str, cfg: &Cfg) -> Kind {
    match kinematics(machine_ron) {
        Some(("CoreXy", _)) => Kind::CoreXy,
        Some(("Delta", _)) => Kind::Delta,
        Some(("Cartesian", inside)) if inside.contains("bed_slinger: true") => Kind::BedSlinger,
        Some(("Cartesian", _)) => Kind::Cartesian,
        _ => match cfg.text("printer", "kinematics") {
            Some("corexy") => Kind::CoreXy,
            Some("delta") => Kind::Delta,
            _ => Kind::Cartesian,
        },
    }
}

fn delta(machine_ron: &str, cfg: &Cfg) -> Delta {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct FileDelta {
        radius_mm: Option<f64>,
        arm_length_mm: Option<[f64; 3]>,
        tower_angle_deg: Option<[f64; 3]>,
    }
    let file: FileDelta =
        kinematics(machine_ron).and_then(|(_, inside)| lenient().from_str(inside).ok()).unwrap_or_default();
    let radius_mm = file.radius_mm.or_else(|| cfg.number("printer", "delta_radius")).unwrap_or(175.0);
    let first = cfg.number("stepper_a", "arm_length").unwrap_or(radius_mm * 2.0);
    let arm = |name: &str| cfg.number(name, "arm_length").unwrap_or(first);
    Delta {
        radius_mm,
        arm_length_mm: file.arm_length_mm.unwrap_or_else(|| [first, arm("stepper_b"), arm("stepper_c")]),
        tower_angle_deg: file.tower_angle_deg.unwrap_or([210.0, 330.0, 90.0]),
    }
}

/// `key: value` lines of a printer.cfg, by section.
struct Cfg<'a> {
    lines: Vec<(&'a str, &'a str, &'a str)>,
}

impl<'a> Cfg<'a> {
    fn of(text: &'a str) -> Cfg<'a> {
        let mut section = "";
        let mut lines = Vec::new();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.split(']').next()) {
                section = name.trim();
            } else if let Some((key, value)) = line.split_once([':', '=']) {
                lines.push((section, key.trim(), value.trim()));
            }
        }
        Cfg { lines }
    }

    fn text(&self, section: &str, key: &str) -> Option<&'a str> {
        self.lines.iter().find(|(s, k, _)| *s == section && *k == key).map(|(_, _, value)| *value)
    }

    fn number(&self, section: &str, key: &str) -> Option<f64> {
        self.text(section, key)?.parse().ok().filter(|v: &f64| v.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(machine_ron: &str, printer_cfg: &str) -> Header {
        Header { machine_ron: machine_ron.into(), printer_cfg: printer_cfg.into(), ..Header::default() }
    }

    #[test]
    fn what_the_machine_file_says_is_shown_and_what_it_says_else_is_passed_over() {
        let machine = Machine::of(&header(
            "(name: \"m\", tick_ns: 200000, travel_max_mm: (255.0, 260.0, 235.0), kinematics: CoreXy(()),
              motors: [(name: \"stepper_x\", moves: Rail(0), model: Rotor((a: 1.0)))],
              modes: [(freq_hz: 42.0, damping: 0.06, excited_by: (0.0, 1.0, 0.0), shape: (0.02, 0.85, 0.01))],
              extruders: [(nozzle_mm: 0.6, heater: Some(0))], unheard_of: Some(Thing((x: 1))))",
            "[stepper_z]\nposition_min: -3 # as probed\n",
        ));
        assert_eq!((machine.kind, machine.tick_ns), (Kind::CoreXy, 200_000));
        assert_eq!(machine.travel_max_mm, [255.0, 260.0, 235.0]);
        assert_eq!(machine.travel_min_mm, [0.0, 0.0, -3.0]);
        assert_eq!(machine.motors, ["stepper_x"]);
        assert_eq!((machine.modes[0].axis, machine.modes[0].frequency_hz), (1, 42.0));
        assert_eq!((machine.nozzle_mm, machine.filament_mm), (0.6, 1.75));
    }

    #[test]
    fn kinds_are_told_apart() {
        for (ron, cfg, kind) in [
            ("(kinematics: Cartesian((bed_slinger: true)))", "", Kind::BedSlinger),
            ("(kinematics: Cartesian((\n bed_slinger: false,\n )))", "", Kind::Cartesian),
            ("(kinematics: Delta((radius_mm: 105.0)))", "", Kind::Delta),
            ("not RON at all", "[printer]\nkinematics: corexy", Kind::CoreXy),
            ("", "[printer]\nkinematics = delta", Kind::Delta),
            ("", "", Kind::Cartesian),
        ] {
            assert_eq!(Machine::of(&header(ron, cfg)).kind, kind, "{ron} {cfg}");
        }
    }

    #[test]
    fn arms_of_a_delta_reach_from_carriage_to_nozzle() {
        let ron = "(kinematics: Delta((radius_mm: 105.0, arm_length_mm: (215.0, 215.0, 215.0))), tick_ns: 1)";
        let delta = Machine::of(&header(ron, "")).delta.unwrap();
        let at = [12.0, -30.0, 4.0];
        for ((tower, height), arm) in
            delta.towers_mm().iter().zip(delta.carriages_mm(at).unwrap()).zip(delta.arm_length_mm)
        {
            let way = (at[0] - tower[0]).hypot(at[1] - tower[1]).hypot(height - at[2]);
            assert!((way - arm).abs() < 1e-9);
        }
        assert_eq!(delta.carriages_mm([1000.0, 0.0, 0.0]), None);
    }
}
