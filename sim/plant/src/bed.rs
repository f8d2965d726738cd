//! The heated bed: heater side, plate, sensor.
//!
//! # Equation
//! C_h dT_h/dt = P(u, T_h) - g (T_h - T_p) - l_h (T_h - T_amb);
//! C_p dT_p/dt = g (T_h - T_p) - l_p (1 + k (T_p - T_amb)) (T_p - T_amb);
//! dT_s/dt = r (T_h - T_s); surroundings, where there are any: C_a dT_a/dt = g_a (T_p - T_a) - l_a (T_a - T_amb)
//!
//! # Symbols
//! T_h, T_p, T_s \[degrees C\] heater side, plate, sensor · C_h, C_p \[J/K\] · P \[W\] at duty u · g \[W/K\] heater to plate ·
//! l_h, l_p \[W/K\] losses below and above, k \[1/K\] growth · r \[1/s\] sensor rate
//!
//! # Source
//! facts/physics.md 1.4: one node leaves 4 to 5 K rms on measured heat-ups, so plate and heater are two
//!
//! # Valid for
//! 20 to 130 degrees C; the plate has one temperature
//!
//! # Caveats
//! cold edges of large plates are left out
//!
//! # Checked by
//! heater::tests::steady_state_power_is_loss
//!
//! # Cost
//! about 0.1 us an output edge

use crate::heater::Element;
use crate::machine::Problems;
use crate::thermal::{Matrix, Surroundings};
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
    /// Loss of the plate to the air, W/K, just above the air's temperature.
    pub loss_w_k: f64,
    /// Growth of that loss with the temperature over the air's, 1/K.
    #[serde(default)]
    pub loss_growth_per_k: f64,
    /// Loss of the heater side to the air, W/K.
    pub underside_loss_w_k: f64,
    /// Rate at which the sensor follows the heater side, 1/s.
    pub sensor_rate_s: f64,
    /// What the plate warms slowly: the frame, the air of a chamber.
    #[serde(default)]
    pub surroundings: Option<Surroundings>,
}

impl Bed {
    /// 600 W under a plate (bassco, facts/physics.md 1.4): 962 J/K and 4.64 W/K in all, split between mat and plate (assumed).
    pub fn of_600_w() -> Bed {
        Bed {
            element: Element::Plain { power_w: 600.0 },
            heater_j_k: 200.0,
            plate_j_k: 762.0,
            heater_to_plate_w_k: 60.0,
            loss_w_k: 3.9,
            loss_growth_per_k: 0.0,
            underside_loss_w_k: 0.74,
            sensor_rate_s: 0.1,
            surroundings: None,
        }
    }

    /// Exchange rates of (plate, sensor, heater side).
    pub(crate) fn rates(&self) -> Matrix {
        let g = self.heater_to_plate_w_k;
        let mut a = [
            [-(g + self.loss_w_k) / self.plate_j_k, 0.0, g / self.plate_j_k, 0.0],
            [0.0, -self.sensor_rate_s, self.sensor_rate_s, 0.0],
            [g / self.heater_j_k, 0.0, -(g + self.underside_loss_w_k) / self.heater_j_k, 0.0],
            [0.0; 4],
        ];
        if let Some(s) = &self.surroundings {
            s.couple(&mut a, self.plate_j_k);
        }
        a
    }

    pub(crate) fn validate(&self, place: &str, p: &mut Problems) {
        self.element.validate(&alloc::format!("{place}.element"), p);
        p.positive(alloc::format!("{place}.heater_j_k"), self.heater_j_k);
        p.positive(alloc::format!("{place}.plate_j_k"), self.plate_j_k);
        p.positive(alloc::format!("{place}.heater_to_plate_w_k"), self.heater_to_plate_w_k);
        p.within(alloc::format!("{place}.loss_w_k"), self.loss_w_k, 0.0, 1000.0);
        p.within(alloc::format!("{place}.underside_loss_w_k"), self.underside_loss_w_k, 0.0, 1000.0);
        p.within(alloc::format!("{place}.loss_growth_per_k"), self.loss_growth_per_k, 0.0, 0.1);
        if let Some(surroundings) = &self.surroundings {
            surroundings.validate(&alloc::format!("{place}.surroundings"), p);
        }
        p.positive(alloc::format!("{place}.sensor_rate_s"), self.sensor_rate_s);
    }
}
