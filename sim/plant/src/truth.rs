//! What is true, whatever the sensors say.

use alloc::vec::Vec;

/// One motor as it truly is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MotorTruth {
    /// Where its pulses say it is, mm of rail.
    pub commanded_mm: f64,
    /// Where it is, mm of rail.
    pub position_mm: f64,
    /// Electrical angle between command and rotor, rad, within half a turn.
    pub load_angle_rad: f64,
    /// Full steps lost since the start, signed.
    pub lost_full_steps: i64,
    /// Whether the driver is on.
    pub enabled: bool,
}

/// One heater as it truly is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeaterTruth {
    /// The heated body (block, plate), degrees C.
    pub body_c: f64,
    /// The sensor's place, degrees C.
    pub sensor_c: f64,
    /// Power that goes in, W.
    pub power_w: f64,
}

/// The printer as it truly is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// When, ns.
    pub at_ns: u64,
    /// Nozzle relative to the bed with all vibration, mm.
    pub nozzle_mm: [f64; 3],
    /// Nozzle where the motors hold it, without vibration of the frame, mm.
    pub drive_mm: [f64; 3],
    /// Velocity of `drive_mm`, mm/s.
    pub drive_mm_s: [f64; 3],
    /// Every motor.
    pub motors: Vec<MotorTruth>,
    /// Every heater.
    pub heaters: Vec<HeaterTruth>,
    /// Every fan, 0 to 1.
    pub fans: Vec<f64>,
    /// Force on the filament of every extruder, N.
    pub pressure_n: Vec<f64>,
    /// Flow out of every nozzle, mm^3/s.
    pub flow_mm3_s: Vec<f64>,
    /// How far the part on the bed has moved since it broke loose, mm.
    pub part_moved_mm: [f64; 3],
}
