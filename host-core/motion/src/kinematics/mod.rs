//! Kinematics: how the toolhead's X, Y, Z relate to the motors, and what each machine forbids.
//!
//! One file and one line in the list below make a kinematics; [`AnyKinematics`] is the list as an enum, and the
//! contract tests run over every example.

use crate::lookahead::Move;
use alloc::vec::Vec;

pub mod cartesian;
pub mod corexy;
pub mod delta;
pub mod extruder;

/// How one motor's position (mm of belt, screw or filament) follows from the toolhead's X, Y, Z.
///
/// A closed set, because the step generator solves each kind in its own closed form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ActuatorMap {
    /// Dot product with the position.
    Linear([f64; 3]),
    /// A delta tower: `√(arm² − (x − tower_x)² − (y − tower_y)²) + z`.
    Arm { arm2_mm2: f64, tower_mm: [f64; 2] },
}

impl ActuatorMap {
    /// The motor's position, mm.
    pub fn position(&self, p: [f64; 3]) -> f64 {
        match *self {
            Self::Linear(c) => c[0] * p[0] + c[1] * p[1] + c[2] * p[2],
            Self::Arm { arm2_mm2, tower_mm } => {
                let (dx, dy) = (p[0] - tower_mm[0], p[1] - tower_mm[1]);
                libm::sqrt((arm2_mm2 - dx * dx - dy * dy).max(0.0)) + p[2]
            }
        }
    }

    /// Which of X, Y, Z move this motor.
    pub fn axes(&self) -> [bool; 3] {
        match *self {
            Self::Linear(c) => c.map(|c| c != 0.0),
            Self::Arm { .. } => [true; 3],
        }
    }
}

/// Why a move is refused. The host words it; positions are those of the move's end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MoveError {
    MustHomeFirst {
        axis: usize,
    },
    OutOfRange {
        end_pos: [f64; 4],
    },
    /// An extrude-only move longer than allowed.
    ExtrudeTooLong {
        distance_mm: f64,
        max_mm: f64,
    },
    /// More filament per mm of travel than the cross-section limit allows.
    ExtrudeTooMuch {
        area_mm2: f64,
        max_mm2: f64,
    },
}

/// What every kinematics answers.
pub trait Kinematics {
    /// The name in printer.cfg.
    fn name(&self) -> &'static str;
    /// Section names of the motors, in the order of [`actuators`](Self::actuators).
    fn stepper_names(&self) -> &'static [&'static str];
    /// How each motor follows the toolhead.
    fn actuators(&self) -> Vec<ActuatorMap>;
    /// X, Y, Z from the motors' positions (same order); the inverse of `actuators`.
    fn calc_position(&self, motors_mm: &[f64]) -> [f64; 3];
    /// Refuse or slow down a move.
    fn check_move<P>(&mut self, mv: &mut Move<P>) -> Result<(), MoveError>;
    /// These axes are homed (or set): moves on them are allowed from here on.
    fn set_homed(&mut self, axes: [bool; 3]);
    /// Forget homing of these axes.
    fn clear_homed(&mut self, axes: [bool; 3]);
    fn homed(&self) -> [bool; 3];
}

macro_rules! kinematics {
    ($($variant:ident => $file:ident :: $ty:ident),* $(,)?) => {
        /// Every kinematics. There is one a machine, so its size does not matter.
        #[allow(clippy::large_enum_variant)]
        #[derive(Debug, Clone, PartialEq)]
        pub enum AnyKinematics { $($variant($file::$ty)),* }

        impl AnyKinematics {
            /// One of each, for tests and benchmarks.
            pub fn examples() -> Vec<Self> {
                alloc::vec![$(Self::$variant($file::$ty::example())),*]
            }
        }

        impl Kinematics for AnyKinematics {
            fn name(&self) -> &'static str {
                match self { $(Self::$variant(k) => k.name()),* }
            }
            fn stepper_names(&self) -> &'static [&'static str] {
                match self { $(Self::$variant(k) => k.stepper_names()),* }
            }
            fn actuators(&self) -> Vec<ActuatorMap> {
                match self { $(Self::$variant(k) => k.actuators()),* }
            }
            fn calc_position(&self, motors_mm: &[f64]) -> [f64; 3] {
                match self { $(Self::$variant(k) => k.calc_position(motors_mm)),* }
            }
            fn check_move<P>(&mut self, mv: &mut Move<P>) -> Result<(), MoveError> {
                match self { $(Self::$variant(k) => k.check_move(mv)),* }
            }
            fn set_homed(&mut self, axes: [bool; 3]) {
                match self { $(Self::$variant(k) => k.set_homed(axes)),* }
            }
            fn clear_homed(&mut self, axes: [bool; 3]) {
                match self { $(Self::$variant(k) => k.clear_homed(axes)),* }
            }
            fn homed(&self) -> [bool; 3] {
                match self { $(Self::$variant(k) => k.homed()),* }
            }
        }
    };
}

kinematics! {
    Cartesian => cartesian::Cartesian,
    CoreXy => corexy::CoreXy,
    Delta => delta::Delta,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookahead::VelocityLimits;

    const LIMITS: VelocityLimits = VelocityLimits {
        max_velocity_mm_s: 300.0,
        max_accel_mm_s2: 3000.0,
        square_corner_velocity_mm_s: 5.0,
        minimum_cruise_ratio: 0.5,
    };

    fn probe_points() -> impl Iterator<Item = [f64; 3]> {
        (0..1000).map(|i| {
            let f = |k: f64| libm::sin(f64::from(i) * k) * 60.0;
            [f(0.37), f(0.71), 30.0 + 0.4 * f(0.13)]
        })
    }

    #[test]
    fn calc_position_inverts_the_actuators() {
        for k in AnyKinematics::examples() {
            assert_eq!(k.actuators().len(), k.stepper_names().len());
            for p in probe_points() {
                let motors: Vec<f64> = k.actuators().iter().map(|a| a.position(p)).collect();
                let back = k.calc_position(&motors);
                for i in 0..3 {
                    assert!((back[i] - p[i]).abs() < 1e-9, "{}: {p:?} came back as {back:?}", k.name());
                }
            }
        }
    }

    #[test]
    fn unhomed_machines_refuse_to_move_in_z() {
        for mut k in AnyKinematics::examples() {
            let mut mv = Move::new(&LIMITS, [0.0, 0.0, 10.0, 0.0], [0.0, 0.0, 11.0, 0.0], 100.0, ()).unwrap();
            assert!(matches!(k.check_move(&mut mv), Err(MoveError::MustHomeFirst { .. })), "{}", k.name());
            k.set_homed([true; 3]);
            assert_eq!(k.check_move(&mut mv), Ok(()), "{}", k.name());
            k.clear_homed([true; 3]);
            assert_eq!(k.homed(), [false; 3]);
        }
    }

    #[test]
    fn moves_out_of_range_are_refused_and_z_is_slowed() {
        for mut k in AnyKinematics::examples() {
            k.set_homed([true; 3]);
            let start = [0.0, 0.0, 10.0, 0.0];
            let mut far = Move::new(&LIMITS, start, [0.0, 1000.0, 10.0, 0.0], 100.0, ()).unwrap();
            assert!(matches!(k.check_move(&mut far), Err(MoveError::OutOfRange { .. })), "{}", k.name());
            let mut up = Move::new(&LIMITS, start, [0.0, 0.0, 20.0, 0.0], 100.0, ()).unwrap();
            k.check_move(&mut up).unwrap();
            assert_eq!((libm::sqrt(up.max_cruise_v2), up.accel), (25.0, 30.0), "{}", k.name());
        }
    }
}
