//! The hot end.
use crate::heater::Element;
use crate::machine::Problems;
use serde::{Deserialize, Serialize};

/// A hot end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hotend {
    /// Heating element.
    pub element: Element,
    /// Heat capacity of block and nozzle, J/K.
    pub block_j_k: f64,
    /// Loss to the air with the fan off, W/K.
    pub loss_w_k: f64,
    /// Loss with the part fan full on, W/K.
    pub loss_fan_w_k: f64,
    /// The cartridge as a body of its own: heat capacity, J/K, and conductance to the block, W/K.
    #[serde(default)]
    pub cartridge: Option<Cartridge>,
    /// Rate at which the sensor follows the block, 1/s; `None`: the sensor is the block.
    #[serde(default)]
    pub sensor_rate_s: Option<f64>,
}

/// A heater cartridge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cartridge {
    /// Heat capacity, J/K.
    pub heat_j_k: f64,
    /// Conductance to the block, W/K.
    pub to_block_w_k: f64,
}

impl Hotend {
    /// The simple case: one body of heat capacity `c_j_k` that loses through `r_k_w`, sensed without lag.
    pub fn single_node(power_w: f64, c_j_k: f64, r_k_w: f64) -> Hotend {
        Hotend {
            element: Element::Plain { power_w },
            block_j_k: c_j_k,
            loss_w_k: 1.0 / r_k_w,
            loss_fan_w_k: 1.0 / r_k_w,
            cartridge: None,
            sensor_rate_s: None,
        }
    }

    pub(crate) fn validate(&self, place: &str, p: &mut Problems) {
        self.element.validate(&alloc::format!("{place}.element"), p);
        p.positive(alloc::format!("{place}.block_j_k"), self.block_j_k);
        p.within(alloc::format!("{place}.loss_w_k"), self.loss_w_k, 0.0, 100.0);
        p.within(alloc::format!("{place}.loss_fan_w_k"), self.loss_fan_w_k, self.loss_w_k, 100.0);
        if let Some(cartridge) = &self.cartridge {
            p.positive(alloc::format!("{place}.cartridge.heat_j_k"), cartridge.heat_j_k);
            p.positive(alloc::format!("{place}.cartridge.to_block_w_k"), cartridge.to_block_w_k);
        }
        if let Some(rate) = self.sensor_rate_s {
            p.positive(alloc::format!("{place}.sensor_rate_s"), rate);
        }
    }
}
