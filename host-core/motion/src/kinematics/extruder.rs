//! The extruder's own limits. Its motor is `ActuatorMap::Linear([1, 0, 0])` on a trapezoid queue of its own.

use super::MoveError;
use crate::lookahead::{E, Move};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExtruderLimits {
    /// Filament speed limit on retraction and extrude-only moves.
    pub max_e_velocity_mm_s: f64,
    pub max_e_accel_mm_s2: f64,
    /// Longest extrude-only move.
    pub max_e_distance_mm: f64,
    /// mm of filament per mm of travel.
    pub max_extrude_ratio: f64,
    pub filament_area_mm2: f64,
    pub nozzle_diameter_mm: f64,
    /// Jump of filament speed allowed at a junction.
    pub instant_corner_v_mm_s: f64,
}

impl ExtruderLimits {
    /// With klippy's defaults for what printer.cfg leaves out.
    pub fn defaults(nozzle_mm: f64, filament_mm: f64, max_velocity_mm_s: f64, max_accel_mm_s2: f64) -> Self {
        let filament_area_mm2 = core::f64::consts::PI * (filament_mm * 0.5) * (filament_mm * 0.5);
        let default_ratio = 4.0 * nozzle_mm * nozzle_mm / filament_area_mm2;
        Self {
            max_e_velocity_mm_s: max_velocity_mm_s * default_ratio,
            max_e_accel_mm_s2: max_accel_mm_s2 * default_ratio,
            max_e_distance_mm: 50.0,
            max_extrude_ratio: default_ratio,
            filament_area_mm2,
            nozzle_diameter_mm: nozzle_mm,
            instant_corner_v_mm_s: 1.0,
        }
    }

    /// Refuse or slow down a move with E in it. The caller checks temperature first.
    pub fn check_move<P>(&self, mv: &mut Move<P>) -> Result<(), MoveError> {
        let ratio = mv.axes_r[E];
        if ratio == 0.0 {
            return Ok(());
        }
        let moves_xy = mv.axes_d[0] != 0.0 || mv.axes_d[1] != 0.0;
        if !moves_xy || ratio < 0.0 {
            if mv.axes_d[E].abs() > self.max_e_distance_mm {
                return Err(MoveError::ExtrudeTooLong { distance_mm: mv.axes_d[E], max_mm: self.max_e_distance_mm });
            }
            let inv_ratio = 1.0 / ratio.abs();
            mv.limit_speed(self.max_e_velocity_mm_s * inv_ratio, self.max_e_accel_mm_s2 * inv_ratio);
        } else if ratio > self.max_extrude_ratio && mv.axes_d[E] > self.nozzle_diameter_mm * self.max_extrude_ratio {
            // A tiny blob is harmless however short its move.
            return Err(MoveError::ExtrudeTooMuch {
                area_mm2: ratio * self.filament_area_mm2,
                max_mm2: self.max_extrude_ratio * self.filament_area_mm2,
            });
        }
        Ok(())
    }
}
