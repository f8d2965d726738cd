//! Z probes.
use crate::machine::Problems;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// A switch-like Z probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Name of its noise stream and in reports.
    #[serde(default)]
    pub name: String,
    /// Probe relative to the nozzle, mm. At `z_mm` the nozzle is that high over the surface when the probe triggers.
    pub offset_mm: [f64; 3],
    /// Scatter from touch to touch, mm.
    pub scatter_mm: f64,
    /// How far it must go up to release, mm.
    #[serde(default = "hysteresis")]
    pub hysteresis_mm: f64,
    /// A pin that must be deployed (BLTouch); a fixed probe is always deployed.
    #[serde(default)]
    pub retracts: bool,
}

fn hysteresis() -> f64 {
    0.05
}

impl Probe {
    pub(crate) fn validate(&self, place: &str, p: &mut Problems) {
        for axis in 0..3 {
            p.within(alloc::format!("{place}.offset_mm[{axis}]"), self.offset_mm[axis], -200.0, 200.0);
        }
        p.within(alloc::format!("{place}.scatter_mm"), self.scatter_mm, 0.0, 1.0);
        p.within(alloc::format!("{place}.hysteresis_mm"), self.hysteresis_mm, 0.0, 10.0);
    }
}
