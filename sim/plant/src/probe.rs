//! Z probes: a switch that the bed presses, beside the nozzle.
//!
//! # Equation
//! triggered when z_nozzle - z_offset + n <= surface(x + dx, y + dy), released h above
//!
//! # Symbols
//! (dx, dy, z_offset) (mm) `offset_mm` · n (mm) scatter, Gaussian, drawn anew at each release · h (mm) hysteresis
//!
//! # Source
//! facts/physics.md 1.8: BLTouch 3 to 6 um, micro-switch 0.5 to 3, inductive 1 to 8, nozzle probes 0.3 to 1 um
//!
//! # Valid for
//! switch probes, BLTouch (a pin that must be out), inductive probes with their trigger height as z_offset
//!
//! # Caveats
//! no drift with temperature, no tilt of the head
//!
//! # Checked by
//! tests/plant.rs: probe_finds_the_surface_under_it
//!
//! # Cost
//! about 5 ns a poll while the head stands over one point, 300 ns where it moves

use crate::bed_surface::SurfaceState;
use crate::endstop::Switch;
use crate::machine::Problems;
use crate::noise::Noise;
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

/// A probe at work.
#[derive(Clone, Debug)]
pub(crate) struct ProbeState {
    offset_mm: [f64; 3],
    retracts: bool,
    /// The pin is out.
    pub(crate) deployed: bool,
    switch: Switch,
    asked_at: [f64; 2],
    surface_mm: f64,
}

/// The surface is asked again when the head has moved this far, mm: less than 0.01 um on the steepest bed.
const SAME_PLACE_MM: f64 = 0.005;

impl ProbeState {
    pub(crate) fn new(probe: &Probe, index: usize, seed: u64) -> ProbeState {
        let noise = if probe.name.is_empty() {
            Noise::new(seed, "probe", index)
        } else {
            Noise::new(seed, &alloc::format!("probe.{}", probe.name), 0)
        };
        ProbeState {
            offset_mm: probe.offset_mm,
            retracts: probe.retracts,
            deployed: !probe.retracts,
            switch: Switch::new(probe.scatter_mm, probe.hysteresis_mm, noise),
            asked_at: [f64::NAN; 2],
            surface_mm: 0.0,
        }
    }

    pub(crate) fn deploy(&mut self, out: bool) {
        self.deployed = out || !self.retracts;
    }

    pub(crate) fn poll(&mut self, nozzle_mm: [f64; 3], surface: &SurfaceState) -> bool {
        if !self.deployed {
            return false;
        }
        let at = [nozzle_mm[0] + self.offset_mm[0], nozzle_mm[1] + self.offset_mm[1]];
        let same = (at[0] - self.asked_at[0]).abs() < SAME_PLACE_MM && (at[1] - self.asked_at[1]).abs() < SAME_PLACE_MM;
        if !same {
            self.asked_at = at;
            self.surface_mm = surface.height_mm(at[0], at[1]);
        }
        self.switch.poll(self.surface_mm - (nozzle_mm[2] - self.offset_mm[2]))
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        f(u64::from(self.deployed));
        f(self.asked_at[0].to_bits());
        f(self.asked_at[1].to_bits());
        self.switch.fold(f);
    }
}
