//! The extruder.
use crate::machine::{Machine, Problems};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// An extruder: drive gear, filament path, melt and nozzle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extruder {
    /// Name in reports.
    #[serde(default)]
    pub name: String,
    /// The heater that melts, by its place in `heaters`; `None`: always hot.
    #[serde(default)]
    pub heater: Option<usize>,
    /// Filament diameter, mm.
    pub filament_mm: f64,
    /// Nozzle bore, mm.
    pub nozzle_mm: f64,
    /// Stiffness of filament and tube between gear and melt, N/mm.
    pub stiffness_n_mm: f64,
    /// Force to push filament at `reference_mm_s`, N.
    pub force_n: f64,
    /// Filament speed at which `force_n` was told, mm/s.
    pub reference_mm_s: f64,
    /// Power-law index of the melt, 1 for a Newtonian one.
    pub power_index: f64,
    /// Fall of viscosity per kelvin, 1/K.
    pub thinning_per_k: f64,
    /// Melt temperature at which `force_n` was told, degrees C.
    pub reference_c: f64,
    /// Below this the filament does not melt, degrees C.
    pub min_flow_c: f64,
    /// Force at which the gear begins to slip, N.
    pub grip_n: f64,
    /// Heat to warm and melt the filament, J/(mm^3 K).
    pub heat_j_mm3_k: f64,
    /// Leak of a hot idle nozzle, mm^3/s.
    pub ooze_mm3_s: f64,
}

impl Extruder {
    /// Time constant of the melt pressure at the reference speed, s: what pressure advance has to be set to.
    pub fn time_constant_s(&self) -> f64 {
        self.power_index * self.force_n / (self.reference_mm_s * self.stiffness_n_mm)
    }

    pub(crate) fn validate(&self, place: &str, machine: &Machine, p: &mut Problems) {
        let field = |name: &str| -> String { alloc::format!("{place}.{name}") };
        if let Some(heater) = self.heater {
            p.index(field("heater"), heater, machine.heaters.len(), "heaters");
        }
        p.positive(field("filament_mm"), self.filament_mm);
        p.positive(field("nozzle_mm"), self.nozzle_mm);
        p.positive(field("stiffness_n_mm"), self.stiffness_n_mm);
        p.positive(field("force_n"), self.force_n);
        p.positive(field("reference_mm_s"), self.reference_mm_s);
        p.within(field("power_index"), self.power_index, 0.1, 1.0);
        p.within(field("thinning_per_k"), self.thinning_per_k, 0.0, 0.1);
        p.within(field("reference_c"), self.reference_c, 0.0, 500.0);
        p.within(field("min_flow_c"), self.min_flow_c, -300.0, 500.0);
        p.positive(field("grip_n"), self.grip_n);
        p.within(field("heat_j_mm3_k"), self.heat_j_mm3_k, 0.0, 0.1);
        p.within(field("ooze_mm3_s"), self.ooze_mm3_s, 0.0, 10.0);
    }
}
