//! A heated block for the tests of this folder: one thermal node, soft PWM, and a report each 300 ms.

use super::core::{HeaterCore, Limits, PowerAt};
use super::law::ControlLaw;

const AMBIENT_CELSIUS: f64 = 25.0;
const PWM_CYCLE_S: f64 = 0.1;
const STEP_S: f64 = 0.001;

/// C dT/dt = P u - (T - T_ambient) / R
pub struct Plant {
    heat_capacity_j_per_k: f64,
    resistance_k_per_w: f64,
    power_w: f64,
    pub celsius: f64,
}

impl Plant {
    pub fn new(heat_capacity_j_per_k: f64, resistance_k_per_w: f64, power_w: f64) -> Plant {
        Plant { heat_capacity_j_per_k, resistance_k_per_w, power_w, celsius: AMBIENT_CELSIUS }
    }

    /// One millisecond.
    pub fn step(&mut self, on: bool) {
        let heat_w = if on { self.power_w } else { 0.0 };
        let loss_w = (self.celsius - AMBIENT_CELSIUS) / self.resistance_k_per_w;
        self.celsius += STEP_S * (heat_w - loss_w) / self.heat_capacity_j_per_k;
    }
}

/// A heater and its plant.
pub struct Loop {
    pub core: HeaterCore,
    pub plant: Plant,
    pub time_s: f64,
    /// What the host reads when the block has a temperature.
    pub sensor: Box<dyn Fn(f64) -> f64>,
    millis: u64,
    duty: f64,
    next: Option<PowerAt>,
}

impl Loop {
    pub fn new(plant: Plant, law: Box<dyn ControlLaw>) -> Loop {
        let limits = Limits { min_celsius: 0.0, max_celsius: 300.0, max_power: 1.0, smooth_time_s: 1.0 };
        Loop {
            core: HeaterCore::new(limits, law),
            plant,
            time_s: 0.0,
            sensor: Box::new(|celsius| celsius),
            millis: 0,
            duty: 0.0,
            next: None,
        }
    }

    /// Up to the next report of the ADC, and the heater's answer to it.
    pub fn report(&mut self) {
        for _ in 0..300 {
            if let Some(next) = self.next.filter(|n| n.time_s <= self.time_s + 1e-9) {
                self.duty = next.power;
                self.next = None;
            }
            let phase = (self.millis % 100) as f64 * STEP_S;
            self.plant.step(phase < self.duty * PWM_CYCLE_S);
            self.millis += 1;
            self.time_s = self.millis as f64 * STEP_S;
        }
        if let Some(power) = self.core.reading(self.time_s, (self.sensor)(self.plant.celsius)) {
            self.next = Some(power);
        }
    }
}
