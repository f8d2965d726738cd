//! The rows of a recording: one struct a stream, times in simulated nanoseconds, units in the names.
//!
//! Indexes (`heater`, `stepper`, `chip`, ...) point into the lists of names in the header.

use crate::column::{Col, Columns};
pub use crate::streams::Row;

/// 10 nm: positions come back within 0.005 um.
const POSITION_PER_MM: f64 = 1e5;

fn point<V: Columns>(v: &mut V, cols: [Col; 3], value: &mut [f64; 3]) {
    for (col, value) in cols.into_iter().zip(value) {
        v.real(col, value);
    }
}

const fn position(name: &'static str) -> Col {
    Col::real(name, POSITION_PER_MM).linear()
}

/// A line of G-code as the host took it up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Command {
    pub at_ns: u64,
    /// Line in the file, from 1; 0 for a command that came from a macro or the console.
    pub line_no: u32,
    /// Byte offset in the file of the first byte after the line.
    pub offset: u64,
    pub text: String,
}

impl Row for Command {
    const ID: u16 = 1;
    const NAME: &'static str = "command";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::time("at_ns"), &mut self.at_ns);
        v.int(Col::int("line_no").linear(), &mut self.line_no);
        v.int(Col::int("offset"), &mut self.offset);
        v.text(Col::text("text"), &mut self.text);
    }
}

/// One phase of a planned move, before shaping: constant acceleration along a straight line.
///
/// Position at t after `at_ns`: `start + (end - start) * (start_v t + accel t^2 / 2) / |end - start|`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Move {
    pub at_ns: u64,
    pub duration_ns: u64,
    pub start_mm: [f64; 3],
    pub end_mm: [f64; 3],
    pub start_v_mm_s: f64,
    pub accel_mm_s2: f64,
    /// Filament moved during this phase.
    pub e_mm: f64,
    pub line_no: u32,
}

impl Row for Move {
    const ID: u16 = 2;
    const NAME: &'static str = "move";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::time("at_ns"), &mut self.at_ns);
        v.int(Col::int("duration_ns"), &mut self.duration_ns);
        let start = |name, column| Col::real(name, POSITION_PER_MM).like_column(column);
        point(v, [start("start_x_mm", 5), start("start_y_mm", 6), start("start_z_mm", 7)], &mut self.start_mm);
        let end = |name| Col::real(name, POSITION_PER_MM);
        point(v, [end("end_x_mm"), end("end_y_mm"), end("end_z_mm")], &mut self.end_mm);
        v.real(Col::real("start_v_mm_s", 1e4), &mut self.start_v_mm_s);
        v.real(Col::real("accel_mm_s2", 1e2), &mut self.accel_mm_s2);
        v.real(Col::real("e_mm", POSITION_PER_MM), &mut self.e_mm);
        v.int(Col::int("line_no"), &mut self.line_no);
    }
}

/// A run of steps of one stepper, as the micro-controller executes it.
///
/// Step `k` (from 0) is `sum over j = 1..=k of (interval_ticks + j * add_ticks)` ticks after `at_ns`: the arguments of
/// `queue_step`, with the first step placed in time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepSegment {
    pub at_ns: u64,
    pub stepper: u8,
    pub interval_ticks: u32,
    pub count: u16,
    pub add_ticks: i16,
    pub forward: bool,
}

impl StepSegment {
    /// Time of step `k` of this run, with the clock rate of the stepper's micro-controller.
    pub fn step_ns(&self, k: u16, clock_hz: f64) -> u64 {
        let k = i64::from(k);
        let ticks = i64::from(self.interval_ticks) * k + i64::from(self.add_ticks) * (k * (k + 1) / 2);
        self.at_ns.saturating_add_signed((ticks as f64 * 1e9 / clock_hz).round() as i64)
    }
}

impl Row for StepSegment {
    const ID: u16 = 3;
    const NAME: &'static str = "step_segment";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::int("at_ns"), &mut self.at_ns);
        v.int(Col::int("stepper"), &mut self.stepper);
        v.int(Col::int("interval_ticks"), &mut self.interval_ticks);
        v.int(Col::int("count"), &mut self.count);
        v.int(Col::int("add_ticks"), &mut self.add_ticks);
        v.int(Col::int("forward"), &mut self.forward);
    }
}

/// Where the machine is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub at_ns: u64,
    /// Where the steps put the toolhead.
    pub drive_mm: [f64; 3],
    /// Where the nozzle truly is.
    pub nozzle_mm: [f64; 3],
    /// Filament pushed by the extruder's steps.
    pub e_mm: f64,
}

impl Row for State {
    const ID: u16 = 4;
    const NAME: &'static str = "state";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    #[inline]
    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::time("at_ns"), &mut self.at_ns);
        point(v, [position("drive_x_mm"), position("drive_y_mm"), position("drive_z_mm")], &mut self.drive_mm);
        point(v, [position("nozzle_x_mm"), position("nozzle_y_mm"), position("nozzle_z_mm")], &mut self.nozzle_mm);
        v.real(position("e_mm"), &mut self.e_mm);
    }
}

/// One heater.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thermal {
    pub at_ns: u64,
    pub heater: u8,
    /// What the host believes.
    pub measured_c: f64,
    /// What is so.
    pub true_c: f64,
    pub target_c: f64,
    /// 0 to 1.
    pub duty: f64,
}

impl Row for Thermal {
    const ID: u16 = 5;
    const NAME: &'static str = "thermal";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::int("at_ns"), &mut self.at_ns);
        v.int(Col::int("heater"), &mut self.heater);
        v.real(Col::real("measured_c", 1e3), &mut self.measured_c);
        v.real(Col::real("true_c", 1e3), &mut self.true_c);
        v.real(Col::real("target_c", 1e3), &mut self.target_c);
        v.real(Col::real("duty", 1e4), &mut self.duty);
    }
}

/// What the melt does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extrusion {
    pub at_ns: u64,
    /// Melt pressure at the nozzle.
    pub pressure_mpa: f64,
    /// Plastic that leaves the nozzle.
    pub flow_mm3_s: f64,
}

impl Row for Extrusion {
    const ID: u16 = 6;
    const NAME: &'static str = "extrusion";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::time("at_ns"), &mut self.at_ns);
        v.real(Col::real("pressure_mpa", 1e4).linear(), &mut self.pressure_mpa);
        v.real(Col::real("flow_mm3_s", 1e4).linear(), &mut self.flow_mm3_s);
    }
}

/// A piece of plastic laid down, where the nozzle truly was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bead {
    /// When the piece began.
    pub at_ns: u64,
    pub duration_ns: u64,
    pub from_mm: [f64; 3],
    pub to_mm: [f64; 3],
    pub width_mm: f64,
    pub height_mm: f64,
    pub temperature_c: f64,
    /// One of the `FEATURE_...` constants.
    pub feature: u8,
}

impl Bead {
    pub const FEATURE_UNKNOWN: u8 = 0;
    pub const FEATURE_OUTER_WALL: u8 = 1;
    pub const FEATURE_INNER_WALL: u8 = 2;
    pub const FEATURE_INFILL: u8 = 3;
    pub const FEATURE_SOLID: u8 = 4;
    pub const FEATURE_TOP: u8 = 5;
    pub const FEATURE_BRIDGE: u8 = 6;
    pub const FEATURE_SKIRT: u8 = 7;
    pub const FEATURE_SUPPORT: u8 = 8;
    /// Names in the order of the constants.
    pub const FEATURES: [&'static str; 9] =
        ["unknown", "outer wall", "inner wall", "infill", "solid infill", "top surface", "bridge", "skirt", "support"];

    pub fn end_ns(&self) -> u64 {
        self.at_ns.saturating_add(self.duration_ns)
    }
}

impl Row for Bead {
    const ID: u16 = 7;
    const NAME: &'static str = "bead";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::time("at_ns"), &mut self.at_ns);
        v.int(Col::int("duration_ns"), &mut self.duration_ns);
        let from = |name, column| Col::real(name, POSITION_PER_MM).like_column(column);
        point(v, [from("from_x_mm", 5), from("from_y_mm", 6), from("from_z_mm", 7)], &mut self.from_mm);
        point(v, [position("to_x_mm"), position("to_y_mm"), position("to_z_mm")], &mut self.to_mm);
        v.real(Col::real("width_mm", 1e4), &mut self.width_mm);
        v.real(Col::real("height_mm", 1e4), &mut self.height_mm);
        v.real(Col::real("temperature_c", 1e1), &mut self.temperature_c);
        v.int(Col::int("feature"), &mut self.feature);
    }
}

/// How hard a motor works.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    pub at_ns: u64,
    pub motor: u8,
    /// Electrical angle by which the rotor lags its field; pull-out is at 90 degrees.
    pub load_angle_deg: f64,
    /// Full steps lost since the run began.
    pub lost_steps: i32,
}

impl Row for Load {
    const ID: u16 = 8;
    const NAME: &'static str = "load";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::int("at_ns"), &mut self.at_ns);
        v.int(Col::int("motor"), &mut self.motor);
        v.real(Col::real("load_angle_deg", 1e3), &mut self.load_angle_deg);
        v.int(Col::int("lost_steps"), &mut self.lost_steps);
    }
}

/// One sample of an accelerometer, in the chip's counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accel {
    pub at_ns: u64,
    pub chip: u8,
    pub raw: [i16; 3],
}

impl Row for Accel {
    const ID: u16 = 9;
    const NAME: &'static str = "accel";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::time("at_ns"), &mut self.at_ns);
        v.int(Col::int("chip"), &mut self.chip);
        v.int(Col::int("raw_x"), &mut self.raw[0]);
        v.int(Col::int("raw_y"), &mut self.raw[1]);
        v.int(Col::int("raw_z"), &mut self.raw[2]);
    }
}

/// How many moves wait in a micro-controller's queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Queue {
    pub at_ns: u64,
    pub mcu: u8,
    pub depth: u32,
}

impl Row for Queue {
    const ID: u16 = 10;
    const NAME: &'static str = "queue";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::time("at_ns"), &mut self.at_ns);
        v.int(Col::int("mcu"), &mut self.mcu);
        v.int(Col::int("depth"), &mut self.depth);
    }
}

/// A fan's speed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fan {
    pub at_ns: u64,
    pub fan: u8,
    /// 0 to 1.
    pub speed: f64,
}

impl Row for Fan {
    const ID: u16 = 11;
    const NAME: &'static str = "fan";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::time("at_ns"), &mut self.at_ns);
        v.int(Col::int("fan"), &mut self.fan);
        v.real(Col::real("speed", 1e4), &mut self.speed);
    }
}

/// A change of a pin that is not a step pulse: enable, heater, endstop, probe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pin {
    pub at_ns: u64,
    pub pin: u16,
    /// 0 or 1; between them for a pulse-width modulated pin.
    pub value: f64,
}

impl Row for Pin {
    const ID: u16 = 12;
    const NAME: &'static str = "pin";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::time("at_ns"), &mut self.at_ns);
        v.int(Col::int("pin"), &mut self.pin);
        v.real(Col::real("value", 1e4), &mut self.value);
    }
}

/// Something worth telling.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    pub at_ns: u64,
    /// One of `INFO`, `WARNING`, `ERROR`.
    pub severity: u8,
    pub source: String,
    pub text: String,
}

impl Event {
    pub const INFO: u8 = 0;
    pub const WARNING: u8 = 1;
    pub const ERROR: u8 = 2;
    /// Names in the order of the constants.
    pub const SEVERITIES: [&'static str; 3] = ["info", "warning", "error"];
}

impl Row for Event {
    const ID: u16 = 13;
    const NAME: &'static str = "event";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::time("at_ns"), &mut self.at_ns);
        v.int(Col::int("severity"), &mut self.severity);
        v.text(Col::text("source"), &mut self.source);
        v.text(Col::text("text"), &mut self.text);
    }
}

/// A line that the host answered with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Console {
    pub at_ns: u64,
    pub text: String,
}

impl Row for Console {
    const ID: u16 = 14;
    const NAME: &'static str = "console";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::time("at_ns"), &mut self.at_ns);
        v.text(Col::text("text"), &mut self.text);
    }
}

/// Bytes on a serial line; kept only where a run is asked to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wire {
    pub at_ns: u64,
    pub mcu: u8,
    /// True from the host to the micro-controller.
    pub to_mcu: bool,
    pub bytes: Vec<u8>,
}

impl Row for Wire {
    const ID: u16 = 15;
    const NAME: &'static str = "wire";

    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::time("at_ns"), &mut self.at_ns);
        v.int(Col::int("mcu"), &mut self.mcu);
        v.int(Col::int("to_mcu"), &mut self.to_mcu);
        v.bytes(Col::bytes("bytes"), &mut self.bytes);
    }
}
