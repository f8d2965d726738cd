//! Cartesian: one motor an axis.

use super::{ActuatorMap, Kinematics, MoveError};
use crate::lookahead::Move;
use alloc::{vec, vec::Vec};

/// Travel and Z limits, shared with the other box-shaped kinematics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxLimits {
    /// `position_min`, `position_max` of X, Y, Z.
    pub range_mm: [(f64, f64); 3],
    pub max_z_velocity_mm_s: f64,
    pub max_z_accel_mm_s2: f64,
}

impl BoxLimits {
    pub(super) fn example() -> Self {
        Self { range_mm: [(-100.0, 300.0); 3], max_z_velocity_mm_s: 25.0, max_z_accel_mm_s2: 30.0 }
    }

    /// The check of a machine whose travel is a box.
    ///
    /// X and Y end points must lie in the range of a homed axis. A move with Z in it is held to the Z motor's limits.
    pub fn check_move<P>(&self, homed: [bool; 3], mv: &mut Move<P>) -> Result<(), MoveError> {
        for (axis, &(min, max)) in self.range_mm.iter().enumerate() {
            if mv.axes_d[axis] == 0.0 {
                continue;
            }
            if !homed[axis] {
                return Err(MoveError::MustHomeFirst { axis });
            }
            if !(min..=max).contains(&mv.end_pos[axis]) {
                return Err(MoveError::OutOfRange { end_pos: mv.end_pos });
            }
        }
        if mv.axes_d[2] != 0.0 {
            let ratio = mv.move_d / mv.axes_d[2].abs();
            mv.limit_speed(self.max_z_velocity_mm_s * ratio, self.max_z_accel_mm_s2 * ratio);
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cartesian {
    pub limits: BoxLimits,
    homed: [bool; 3],
}

impl Cartesian {
    pub fn new(limits: BoxLimits) -> Self {
        Self { limits, homed: [false; 3] }
    }

    pub(super) fn example() -> Self {
        Self::new(BoxLimits::example())
    }
}

impl Kinematics for Cartesian {
    fn name(&self) -> &'static str {
        "cartesian"
    }

    fn stepper_names(&self) -> &'static [&'static str] {
        &["stepper_x", "stepper_y", "stepper_z"]
    }

    fn actuators(&self) -> Vec<ActuatorMap> {
        vec![
            ActuatorMap::Linear([1.0, 0.0, 0.0]),
            ActuatorMap::Linear([0.0, 1.0, 0.0]),
            ActuatorMap::Linear([0.0, 0.0, 1.0]),
        ]
    }

    fn calc_position(&self, motors_mm: &[f64]) -> [f64; 3] {
        [motors_mm[0], motors_mm[1], motors_mm[2]]
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
