//! What printer.cfg says of a heater's control: its limits, and by which law it follows its target.

use super::KELVIN;
use super::core::{HeaterCore, Limits};
use super::law::ControlLaw;
use super::pid::{Gains, Pid};
use super::watermark::Watermark;
use crate::config::{ConfigError, Section};

/// What a law takes for the reading before the first one.
const AMBIENT_CELSIUS: f64 = 25.0;

/// Limits and law, from which controllers are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Control {
    pub limits: Limits,
    pub law: Law,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Law {
    Pid(Gains),
    Watermark { max_delta_k: f64 },
}

impl Control {
    /// Reads `min_temp`, `max_temp`, `max_power`, `smooth_time`, `control` and the options of that law.
    pub fn load(section: &Section) -> Result<Control, ConfigError> {
        let min_celsius = section.float("min_temp").min(-KELVIN).required()?;
        let max_celsius = section.float("max_temp").above(min_celsius).required()?;
        let limits = Limits {
            min_celsius,
            max_celsius,
            max_power: section.float("max_power").above(0.0).max(1.0).or(1.0)?,
            smooth_time_s: section.float("smooth_time").above(0.0).or(1.0)?,
        };
        let law = match section.choice("control", &["pid", "watermark"]).required()? {
            "pid" => Law::Pid(Gains {
                kp: section.float("pid_Kp").required()?,
                ki: section.float("pid_Ki").required()?,
                kd: section.float("pid_Kd").required()?,
            }),
            _ => Law::Watermark { max_delta_k: section.float("max_delta").above(0.0).or(2.0)? },
        };
        Ok(Control { limits, law })
    }

    /// A controller that has read nothing yet.
    pub fn core(&self) -> HeaterCore {
        let Limits { max_power, smooth_time_s, .. } = self.limits;
        let law: Box<dyn ControlLaw> = match self.law {
            Law::Pid(gains) => Box::new(Pid::new(gains, max_power, smooth_time_s, AMBIENT_CELSIUS)),
            Law::Watermark { max_delta_k } => Box::new(Watermark::new(max_delta_k, max_power)),
        };
        HeaterCore::new(self.limits, law)
    }
}
