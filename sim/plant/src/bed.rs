//! The heated bed.
use crate::heater::Element;
use crate::machine::Problems;
use serde::{Deserialize, Serialize};

/// A heated bed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bed {
    /// Heating element.
    pub element: Element,
    /// Heat capacity of the heater mat or PCB with what is bonded to it, J/K.
    pub heater_j_k: f64,
    /// Heat capacity of the plate, J/K.
    pub plate_j_k: f64,
    /// Conductance from heater to plate, W/K.
    pub heater_to_plate_w_k: f64,
    /// Loss of the plate to the air, W/K.
    pub loss_w_k: f64,
    /// Loss of the heater side to the air, W/K.
    pub underside_loss_w_k: f64,
    /// Rate at which the sensor follows the heater side, 1/s.
    pub sensor_rate_s: f64,
}

impl Bed {
    pub(crate) fn validate(&self, place: &str, p: &mut Problems) {
        self.element.validate(&alloc::format!("{place}.element"), p);
        p.positive(alloc::format!("{place}.heater_j_k"), self.heater_j_k);
        p.positive(alloc::format!("{place}.plate_j_k"), self.plate_j_k);
        p.positive(alloc::format!("{place}.heater_to_plate_w_k"), self.heater_to_plate_w_k);
        p.within(alloc::format!("{place}.loss_w_k"), self.loss_w_k, 0.0, 1000.0);
        p.within(alloc::format!("{place}.underside_loss_w_k"), self.underside_loss_w_k, 0.0, 1000.0);
        p.positive(alloc::format!("{place}.sensor_rate_s"), self.sensor_rate_s);
    }
}
