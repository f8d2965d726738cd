//! Endstop switches.
use crate::machine::{Machine, Problems};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// What position closes a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watches {
    /// An axis of the nozzle: 0 X, 1 Y, 2 Z.
    Axis(usize),
    /// A rail: a delta's tower.
    Rail(usize),
}

/// On which side of its position a switch is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// Pressed at and below.
    Below,
    /// Pressed at and above.
    Above,
}

/// An endstop switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endstop {
    /// Name of its noise stream and in reports.
    #[serde(default)]
    pub name: String,
    /// What presses it.
    pub watches: Watches,
    /// Where, mm.
    pub at_mm: f64,
    /// On which side it is pressed.
    pub side: Side,
    /// Scatter of the trigger point from press to press, mm. Default 0.001.
    #[serde(default = "micron")]
    pub scatter_mm: f64,
    /// How far it must go back to open, mm. Default 0.05.
    #[serde(default = "hysteresis")]
    pub hysteresis_mm: f64,
}

fn micron() -> f64 {
    0.001
}
fn hysteresis() -> f64 {
    0.05
}

impl Endstop {
    pub(crate) fn validate(&self, place: &str, _machine: &Machine, p: &mut Problems) {
        let (Watches::Axis(i) | Watches::Rail(i)) = self.watches;
        p.index(alloc::format!("{place}.watches"), i, 3, "the axes or rails");
        p.within(alloc::format!("{place}.at_mm"), self.at_mm, -1e5, 1e5);
        p.within(alloc::format!("{place}.scatter_mm"), self.scatter_mm, 0.0, 1.0);
        p.within(alloc::format!("{place}.hysteresis_mm"), self.hysteresis_mm, 0.0, 10.0);
    }
}
