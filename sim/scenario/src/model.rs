//! The scenario file: what machine, what happens, what breaks, what is expected. RON; unknown fields are errors.

use drydock_plant::Fault;
use drydock_plant::frame::Mode;
use drydock_plant::thermistor::Curve;
use serde::{Deserialize, Serialize};

/// One scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One line for people.
    pub title: String,
    /// The printer.cfg, relative to this file.
    pub config: String,
    /// Text put behind the printer.cfg, to change or add options without a file of its own.
    #[serde(default)]
    pub config_append: String,
    /// What of the machine differs from the one that the printer.cfg describes.
    #[serde(default)]
    pub machine: MachineChanges,
    /// Seed of every random stream.
    pub seed: u64,
    /// What the user does, in order.
    pub story: Vec<Act>,
    /// What breaks, and when.
    #[serde(default)]
    pub faults: Vec<TimedFault>,
    /// The wires.
    #[serde(default)]
    pub line: Line,
    /// The oscillators; a micro-controller that is not named has a perfect one.
    #[serde(default)]
    pub clocks: Vec<Clock>,
    pub expect: Vec<Expectation>,
    /// The run is over at this simulated time at the latest, s.
    pub end_s: f64,
    /// Samples of position for the recording, per simulated second.
    #[serde(default = "default_sample_hz")]
    pub sample_hz: f64,
}

fn default_sample_hz() -> f64 {
    500.0
}

/// Changes to the machine that is read off the printer.cfg.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MachineChanges {
    /// A whole machine file (RON), relative to the scenario, in place of the one from the printer.cfg.
    pub file: Option<String>,
    /// Vibration modes in place of the machine's own.
    pub modes: Option<Vec<Mode>>,
    /// Where the head stands when the power comes on, mm.
    pub start_mm: Option<[f64; 3]>,
    /// Air around the printer, degrees C.
    pub ambient_c: Option<f64>,
    /// Share of the holding torque that drives really have, by motor name.
    pub torque_share: Vec<(String, f64)>,
    /// Hot ends as one lumped body without lag: (heater, J/K, K/W, W).
    pub simple_heaters: Vec<SimpleHeater>,
    /// Curves of sensors that are not what `sensor_type` says, by the name of the heater or sensor.
    pub sensors: Vec<(String, Curve)>,
    /// Motors follow their pulses exactly: no inertia, no slip, no ripple.
    pub ideal_drives: bool,
    /// The bed is a perfect plane.
    pub flat_bed: bool,
}

/// One lumped body: C dT/dt = P - (T - T_ambient)/R.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimpleHeater {
    pub heater: String,
    pub capacity_j_k: f64,
    pub resistance_k_w: f64,
    pub power_w: f64,
}

/// Something the user does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Act {
    /// Lines typed at the terminal, each after the one before has finished.
    Gcode(Vec<String>),
    /// A file printed from the virtual SD card, relative to the scenario.
    Print(String),
    /// Time passes, s.
    Wait(f64),
}

/// Something that breaks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimedFault {
    pub at_s: f64,
    pub fault: Fault,
}

/// Faults of the serial line, each way, per byte or per chunk.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Line {
    /// Chance that a byte arrives with a wrong bit.
    pub corrupt_per_byte: f64,
    /// Chance that a byte does not arrive.
    pub lose_per_byte: f64,
    /// Chance that a chunk arrives late, and by how much at most, ms.
    pub delay_per_chunk: f64,
    pub delay_max_ms: f64,
    /// Latency of the adapter, us.
    pub latency_us: Option<f64>,
}

/// One micro-controller's oscillator.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    pub mcu: String,
    /// How much faster than it says.
    #[serde(default)]
    pub drift_ppm: f64,
    /// What its counter reads when the run begins.
    #[serde(default)]
    pub offset_ticks: u64,
}

/// Something that can be measured at any time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Quantity {
    /// True temperature of a heater, degrees C.
    TrueTemperature(String),
    /// What the host believes of it, degrees C.
    MeasuredTemperature(String),
    /// Power to a heater, 0 to 1.
    HeaterDuty(String),
    /// True nozzle position, mm.
    NozzleX,
    NozzleY,
    NozzleZ,
    /// Distance of the nozzle from where the motors put it, um.
    RingingUm,
    /// The most of that while plastic came out, um.
    PeakRingingUm,
    /// Full steps that all motors lost.
    LostSteps,
    /// Full steps that one motor lost.
    LostStepsOf(String),
    /// Blocks that were sent again on all lines.
    RetransmittedBytes,
    /// Simulated time of the print so far, s.
    PrintTime,
    /// How much too late a command for now reaches a micro-controller, by the host's idea of its clock, us.
    ClockErrorUs(String),
    /// 1 while the host is ready, 0 otherwise.
    HostReady,
}

/// A quantity within bounds, or a text seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Condition {
    /// Not below.
    AtLeast(Quantity, f64),
    /// Not above.
    AtMost(Quantity, f64),
    /// Within a tolerance of a value.
    Near(Quantity, f64, f64),
    /// The terminal showed a line with this text.
    Console(String),
    /// The host or a micro-controller shut down with a message that has this text.
    Shutdown(String),
    /// The virtual SD card finished its file.
    PrintDone,
}

/// What must be so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Expectation {
    /// At every sample.
    Always(Condition),
    /// At every sample from a time on, s.
    AlwaysAfter(f64, Condition),
    /// At some sample before a time, s.
    Within(f64, Condition),
    /// When the run is over.
    AtEnd(Condition),
    /// At no sample.
    Never(Condition),
}
