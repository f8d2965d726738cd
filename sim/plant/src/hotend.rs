//! The hot end: cartridge, block, sensor.
//!
//! # Equation
//! C_h dT_h/dt = P(u, T_h) - g (T_h - T_b);
//! C_b dT_b/dt = g (T_h - T_b) - h(fan) (T_b - T_amb) - q Q (T_b - T_amb);
//! dT_s/dt = r (T_b - T_s); surroundings, where there are any: C_a dT_a/dt = g_a (T_b - T_a) - l_a (T_a - T_amb); h(fan) = (loss + fan speed (loss_fan - loss)) (1 + k (T_b - T_amb))
//!
//! # Symbols
//! T_h, T_b, T_s \[degrees C\] cartridge, block, sensor · C_h, C_b \[J/K\] · P \[W\] at duty u · g \[W/K\] cartridge to block ·
//! h \[W/K\] loss to the air, k \[1/K\] its growth · q \[J/(mm^3 K)\] heat of the filament · Q \[mm^3/s\] flow · r \[1/s\] sensor rate
//!
//! # Source
//! facts/physics.md 1.4: the two-node model of Marlin's and Kalico's MPC, with a cartridge node; its table of constants
//!
//! # Valid for
//! 20 to 300 degrees C, lumped bodies; radiation is inside the loss and its growth
//!
//! # Caveats
//! no heat-break node: creep up the cold side is not modelled; filament cooling is held over 0.1 s
//!
//! # Checked by
//! heater::tests::cold_printer_stays_at_ambient, heater::tests::heater_step_response_matches_closed_form,
//! heater::tests::steady_state_power_is_loss
//!
//! # Cost
//! about 0.1 us an output edge

use crate::heater::Element;
use crate::machine::Problems;
use crate::thermal::{APART, Matrix, Surroundings};
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
    /// Growth of the loss with the temperature over the air's, 1/K: convection and radiation carry more where it is hot.
    /// The losses are those of a block just above the air.
    #[serde(default)]
    pub loss_growth_per_k: f64,
    /// The cartridge as a body of its own: heat capacity, J/K, and conductance to the block, W/K.
    #[serde(default)]
    pub cartridge: Option<Cartridge>,
    /// Rate at which the sensor follows the block, 1/s; `None`: the sensor is the block.
    #[serde(default)]
    pub sensor_rate_s: Option<f64>,
    /// What the block warms slowly: a silicone sock, the heat break.
    #[serde(default)]
    pub surroundings: Option<Surroundings>,
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
            loss_growth_per_k: 0.0,
            cartridge: None,
            sensor_rate_s: None,
            surroundings: None,
        }
    }

    /// Exchange rates of (block, sensor, cartridge) with the fan at `fan` of full speed.
    pub(crate) fn rates(&self, fan: f64) -> Matrix {
        let loss = self.loss(fan);
        let mut a = APART;
        a[0][0] = -loss / self.block_j_k;
        if let Some(rate) = self.sensor_rate_s {
            (a[1][0], a[1][1]) = (rate, -rate);
        }
        if let Some(c) = &self.cartridge {
            a[0][0] -= c.to_block_w_k / self.block_j_k;
            a[0][2] = c.to_block_w_k / self.block_j_k;
            (a[2][0], a[2][2]) = (c.to_block_w_k / c.heat_j_k, -c.to_block_w_k / c.heat_j_k);
        }
        if let Some(s) = &self.surroundings {
            s.couple(&mut a, self.block_j_k);
        }
        a
    }

    /// Loss just above the air's temperature, W/K.
    pub(crate) fn loss(&self, fan: f64) -> f64 {
        self.loss_w_k + fan * (self.loss_fan_w_k - self.loss_w_k)
    }

    pub(crate) fn validate(&self, place: &str, p: &mut Problems) {
        self.element.validate(&alloc::format!("{place}.element"), p);
        p.positive(alloc::format!("{place}.block_j_k"), self.block_j_k);
        p.within(alloc::format!("{place}.loss_w_k"), self.loss_w_k, 0.0, 100.0);
        p.within(alloc::format!("{place}.loss_fan_w_k"), self.loss_fan_w_k, self.loss_w_k, 100.0);
        p.within(alloc::format!("{place}.loss_growth_per_k"), self.loss_growth_per_k, 0.0, 0.1);
        if let Some(cartridge) = &self.cartridge {
            p.positive(alloc::format!("{place}.cartridge.heat_j_k"), cartridge.heat_j_k);
            p.positive(alloc::format!("{place}.cartridge.to_block_w_k"), cartridge.to_block_w_k);
        }
        if let Some(surroundings) = &self.surroundings {
            surroundings.validate(&alloc::format!("{place}.surroundings"), p);
        }
        if let Some(rate) = self.sensor_rate_s {
            p.positive(alloc::format!("{place}.sensor_rate_s"), rate);
        }
    }
}
