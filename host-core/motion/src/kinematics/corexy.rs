//! CoreXY: two motors share X and Y. `stepper_x` turns with x + y, `stepper_y` with x − y.

use super::cartesian::BoxLimits;
use super::{ActuatorMap, Kinematics, MoveError};
use crate::lookahead::Move;
use alloc::{vec, vec::Vec};

#[derive(Debug, Clone, PartialEq)]
pub struct CoreXy {
    pub limits: BoxLimits,
    homed: [bool; 3],
}

impl CoreXy {
    pub fn new(limits: BoxLimits) -> Self {
        Self { limits, homed: [false; 3] }
    }

    pub(super) fn example() -> Self {
        Self::new(BoxLimits::example())
    }
}

impl Kinematics for CoreXy {
    fn name(&self) -> &'static str {
        "corexy"
    }

    fn stepper_names(&self) -> &'static [&'static str] {
        &["stepper_x", "stepper_y", "stepper_z"]
    }

    fn actuators(&self) -> Vec<ActuatorMap> {
        vec![
            ActuatorMap::Linear([1.0, 1.0, 0.0]),
            ActuatorMap::Linear([1.0, -1.0, 0.0]),
            ActuatorMap::Linear([0.0, 0.0, 1.0]),
        ]
    }

    fn calc_position(&self, motors_mm: &[f64]) -> [f64; 3] {
        [0.5 * (motors_mm[0] + motors_mm[1]), 0.5 * (motors_mm[0] - motors_mm[1]), motors_mm[2]]
    }

    fn check_move<P>(&mut self, mv: &mut Move<P>) -> Result<(), MoveError> {
        self.limits.check_move(self.homed, mv)
    }

    fn set_homed(&mut self, axes: [bool; 3]) {
        (0..3).filter(|&i| axes[i]).for_each(|i| self.homed[i] = true);
    }

    fn clear_homed(&mut self, axes: [bool; 3]) {
        (0..3).filter(|&i| axes[i]).for_each(|i| self.homed[i] = false);
    }

    fn homed(&self) -> [bool; 3] {
        self.homed
    }
}
