//! Delta: three towers, each carriage at the end of an arm.
//!
//! # Equation
//!   carriage_i = √(arm_i² − (x − tx_i)² − (y − ty_i)²) + z
//! # Symbols
//!   arm_i [mm] arm length · (tx_i, ty_i) [mm] tower position = radius·(cos, sin) of its angle · z [mm] nozzle height
//! # Valid for
//!   Points inside all arms' reach. Near a tower's opposite edge the carriage moves much faster than the nozzle;
//!   beyond the radius where it is 3 (6) times as fast, moves are held to a half (a quarter) of the limits, and
//!   beyond 12 times they are refused.
//! # Checked by
//!   kinematics::tests::calc_position_inverts_the_actuators (< 1e-9 mm), tests below

use super::{ActuatorMap, Kinematics, MoveError};
use crate::lookahead::Move;
use alloc::vec::Vec;
use libm::{cos, sin, sqrt};

/// Carriage-to-nozzle speed ratio where the slow zone begins.
const SLOW_RATIO: f64 = 3.0;

/// What printer.cfg says of a delta machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeltaConfig {
    pub radius_mm: f64,
    pub arm_mm: [f64; 3],
    /// Tower angles, degrees; 210, 330, 90 unless calibrated.
    pub angle_deg: [f64; 3],
    /// `position_endstop` of each tower: nozzle height when its endstop triggers with the head in the centre.
    pub endstop_mm: [f64; 3],
    pub max_velocity_mm_s: f64,
    pub max_accel_mm_s2: f64,
    pub max_z_velocity_mm_s: f64,
    pub max_z_accel_mm_s2: f64,
    /// Lowest nozzle height, `minimum_z_position`.
    pub min_z_mm: f64,
    /// Widest print radius; `None`: the machine's radius.
    pub print_radius_mm: Option<f64>,
    /// Smallest of the towers' step distances.
    pub min_step_distance_mm: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Delta {
    pub config: DeltaConfig,
    towers_mm: [[f64; 2]; 3],
    /// Carriage heights at the endstops.
    abs_endstop_mm: [f64; 3],
    home_pos: [f64; 3],
    max_z_mm: f64,
    /// Above this height the reachable disc shrinks.
    full_reach_z_mm: f64,
    max_xy2: f64,
    slow_xy2: f64,
    very_slow_xy2: f64,
    is_homed: bool,
    /// Radius² within which a level move needs no check; negative right after a move that was limited.
    free_xy2: f64,
}

impl Delta {
    pub fn new(config: DeltaConfig) -> Self {
        let radius = config.radius_mm;
        let towers_mm = config.angle_deg.map(|deg| {
            let rad = deg * core::f64::consts::PI / 180.0;
            [cos(rad) * radius, sin(rad) * radius]
        });
        let abs_endstop_mm = core::array::from_fn(|i| {
            let arm = config.arm_mm[i];
            config.endstop_mm[i] + sqrt((arm * arm - radius * radius).max(0.0))
        });
        let min = |v: &[f64; 3]| v[0].min(v[1]).min(v[2]);
        let min_arm = min(&config.arm_mm);
        // Radius at which a carriage moves `ratio` times as fast as the nozzle.
        let half_step = 0.5 * config.min_step_distance_mm;
        let radius_at = |ratio: f64| {
            let arm_xy = sqrt((min_arm * min_arm / (ratio * ratio + 1.0) - half_step * half_step).max(0.0));
            ratio * arm_xy + half_step - radius
        };
        let square = |x: f64| x * x;
        let widest = config.print_radius_mm.unwrap_or(radius).min(min_arm - radius).min(radius_at(4.0 * SLOW_RATIO));
        let mut delta = Self {
            towers_mm,
            abs_endstop_mm,
            home_pos: [0.0; 3],
            max_z_mm: min(&config.endstop_mm),
            full_reach_z_mm: min(&core::array::from_fn(|i| abs_endstop_mm[i] - config.arm_mm[i])),
            max_xy2: square(widest),
            slow_xy2: square(radius_at(SLOW_RATIO)),
            very_slow_xy2: square(radius_at(2.0 * SLOW_RATIO)),
            is_homed: false,
            free_xy2: -1.0,
            config,
        };
        delta.home_pos = delta.calc_position(&delta.abs_endstop_mm);
        delta
    }

    pub(super) fn example() -> Self {
        Self::new(DeltaConfig {
            radius_mm: 174.75,
            arm_mm: [333.0; 3],
            angle_deg: [210.0, 330.0, 90.0],
            endstop_mm: [297.05; 3],
            max_velocity_mm_s: 300.0,
            max_accel_mm_s2: 3000.0,
            max_z_velocity_mm_s: 25.0,
            max_z_accel_mm_s2: 30.0,
            min_z_mm: 0.0,
            print_radius_mm: None,
            min_step_distance_mm: 0.0125,
        })
    }

    /// Nozzle position with all carriages at their endstops.
    pub fn home_pos(&self) -> [f64; 3] {
        self.home_pos
    }

    /// Height of the longest arm when it leans as far as the reachable disc is wide: homing starts from one and a half
    /// times as far below.
    pub fn longest_fall_mm(&self) -> f64 {
        let arm = self.config.arm_mm.iter().copied().fold(0.0, f64::max);
        sqrt((arm * arm - self.max_xy2).max(0.0))
    }

    /// Carriage heights at the endstops (`position_endstop` plus the arm's height in the centre).
    pub fn abs_endstops_mm(&self) -> [f64; 3] {
        self.abs_endstop_mm
    }

    /// Highest nozzle position, and the height up to which the whole print radius can be reached.
    pub fn z_limits_mm(&self) -> (f64, f64) {
        (self.max_z_mm, self.full_reach_z_mm)
    }

    /// Radius² that the arms reach at nozzle height z.
    fn reach_xy2(&self, z: f64) -> f64 {
        if z <= self.full_reach_z_mm {
            return self.max_xy2;
        }
        let min_arm = self.config.arm_mm.iter().copied().fold(f64::INFINITY, f64::min);
        let missing = min_arm - (z - self.full_reach_z_mm);
        let allowed = self.config.radius_mm - sqrt((min_arm * min_arm - missing * missing).max(0.0));
        self.max_xy2.min(allowed * allowed)
    }
}

impl Kinematics for Delta {
    fn name(&self) -> &'static str {
        "delta"
    }

    fn stepper_names(&self) -> &'static [&'static str] {
        &["stepper_a", "stepper_b", "stepper_c"]
    }

    fn actuators(&self) -> Vec<ActuatorMap> {
        let arm = |(&tower_mm, &arm): (&[f64; 2], &f64)| ActuatorMap::Arm { arm2_mm2: arm * arm, tower_mm };
        self.towers_mm.iter().zip(&self.config.arm_mm).map(arm).collect()
    }

    /// The lower of the two points at arm's length from all three carriages.
    fn calc_position(&self, motors_mm: &[f64]) -> [f64; 3] {
        let point = |i: usize| [self.towers_mm[i][0], self.towers_mm[i][1], motors_mm[i]];
        trilaterate([point(0), point(1), point(2)], self.config.arm_mm.map(|a| a * a))
    }

    fn check_move<P>(&mut self, mv: &mut Move<P>) -> Result<(), MoveError> {
        let end_xy2 = mv.end_pos[0] * mv.end_pos[0] + mv.end_pos[1] * mv.end_pos[1];
        let moves_z = mv.axes_d[2] != 0.0;
        if end_xy2 <= self.free_xy2 && !moves_z {
            return Ok(());
        }
        if !self.is_homed {
            return Err(MoveError::MustHomeFirst { axis: 2 });
        }
        let end_z = mv.end_pos[2];
        let mut free_xy2 = self.reach_xy2(end_z);
        if end_xy2 > free_xy2 || end_z > self.max_z_mm || end_z < self.config.min_z_mm {
            let at_home_xy = mv.end_pos[0] == self.home_pos[0] && mv.end_pos[1] == self.home_pos[1];
            if !at_home_xy || end_z < self.config.min_z_mm || end_z > self.home_pos[2] {
                return Err(MoveError::OutOfRange { end_pos: mv.end_pos });
            }
            free_xy2 = -1.0;
        }
        if moves_z {
            let ratio = mv.move_d / mv.axes_d[2].abs();
            mv.limit_speed(self.config.max_z_velocity_mm_s * ratio, self.config.max_z_accel_mm_s2 * ratio);
            free_xy2 = -1.0;
        }
        let start_xy2 = mv.start_pos[0] * mv.start_pos[0] + mv.start_pos[1] * mv.start_pos[1];
        let widest_xy2 = end_xy2.max(start_xy2);
        if widest_xy2 > self.slow_xy2 {
            let share = if widest_xy2 > self.very_slow_xy2 { 0.25 } else { 0.5 };
            mv.limit_speed(self.config.max_velocity_mm_s * share, self.config.max_accel_mm_s2 * share);
            free_xy2 = -1.0;
        }
        self.free_xy2 = free_xy2.min(self.slow_xy2);
        Ok(())
    }

    /// A delta homes as a whole: only all three axes together count.
    fn set_homed(&mut self, axes: [bool; 3]) {
        self.free_xy2 = -1.0;
        self.is_homed |= axes == [true; 3];
    }

    fn clear_homed(&mut self, axes: [bool; 3]) {
        if axes.contains(&true) {
            self.is_homed = false;
            self.free_xy2 = -1.0;
        }
    }

    fn homed(&self) -> [bool; 3] {
        [self.is_homed; 3]
    }
}

/// The lower point at distance² `r2[i]` from each of three centres.
fn trilaterate(c: [[f64; 3]; 3], r2: [f64; 3]) -> [f64; 3] {
    let sub = |a: [f64; 3], b: [f64; 3]| -> [f64; 3] { core::array::from_fn(|i| a[i] - b[i]) };
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let cross =
        |a: [f64; 3], b: [f64; 3]| [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    // An orthonormal frame at the first centre: ex towards the second, ey in the plane of all three.
    let s21 = sub(c[1], c[0]);
    let s31 = sub(c[2], c[0]);
    let d = sqrt(dot(s21, s21));
    let ex = s21.map(|v| v / d);
    let i = dot(ex, s31);
    let across: [f64; 3] = core::array::from_fn(|k| s31[k] - i * ex[k]);
    let j = sqrt(dot(across, across));
    let ey = across.map(|v| v / j);
    let ez = cross(ex, ey);
    let x = (r2[0] - r2[1] + d * d) / (2.0 * d);
    let y = (r2[0] - r2[2] - x * x + (x - i) * (x - i) + j * j) / (2.0 * j);
    let height = sqrt((r2[0] - x * x - y * y).max(0.0));
    // ez points up when the towers go counter-clockwise; the nozzle hangs below them.
    let z = if ez[2] > 0.0 { -height } else { height };
    core::array::from_fn(|k| c[0][k] + ex[k] * x + ey[k] * y + ez[k] * z)
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

    fn homed() -> Delta {
        let mut d = Delta::example();
        d.set_homed([true; 3]);
        d
    }

    fn move_to(d: &mut Delta, x: f64) -> Move {
        let mut mv = Move::new(&LIMITS, [0.0, 0.0, 1.0, 0.0], [x, 0.0, 1.0, 0.0], 300.0, ()).unwrap();
        d.check_move(&mut mv).unwrap();
        mv
    }

    #[test]
    fn home_is_the_centre_at_endstop_height() {
        let d = Delta::example();
        let home = d.home_pos();
        assert!(home[0].abs() < 1e-9 && home[1].abs() < 1e-9 && (home[2] - 297.05).abs() < 1e-9, "{home:?}");
    }

    #[test]
    fn the_slow_zone_begins_where_a_carriage_is_three_times_as_fast() {
        let mut d = homed();
        let slow_mm = sqrt(d.slow_xy2);
        // Farthest from a tower: the direction straight away from it.
        let reach = slow_mm + d.config.radius_mm;
        let ratio = reach / sqrt(333.0 * 333.0 - reach * reach);
        assert!((ratio - SLOW_RATIO).abs() < 1e-3, "{ratio}");
        assert_eq!(move_to(&mut d, slow_mm - 0.1).max_cruise_v2, 90_000.0);
        assert_eq!(move_to(&mut d, slow_mm + 0.1).max_cruise_v2, 22_500.0);
        assert_eq!(move_to(&mut d, slow_mm + 0.1).accel, 1500.0);
    }

    #[test]
    fn a_level_move_after_a_limited_one_is_checked_again() {
        let mut d = homed();
        let slow_mm = sqrt(d.slow_xy2);
        move_to(&mut d, 10.0);
        move_to(&mut d, slow_mm + 0.1);
        let mut back = Move::new(&LIMITS, [slow_mm + 0.1, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0], 300.0, ()).unwrap();
        d.check_move(&mut back).unwrap();
        assert_eq!(back.max_cruise_v2, 22_500.0);
    }
}
