//! Look-ahead: how fast each queued move may start, cruise and end.
//!
//! A [`Move`] knows its geometry and its own limits. [`LookAhead`] holds moves until their speeds can no longer be
//! changed by a later move, then hands them out as trapezoids: accelerate, cruise, decelerate, all with the same
//! acceleration.
//!
//! # Important terms
//!
//! - `v2` is a speed squared, mm²/s². Over a distance d with acceleration a, v² changes by `delta_v2` = 2·a·d.
//! - *junction*: the point where one move ends and the next starts; `max_start_v2` is what cornering allows there.
//! - *mcr* (minimum cruise ratio): a second, slower look-ahead. A sequence that speeds up and then slows down may
//!   not peak faster than it would with `mcr_accel` = max_accel·(1 − ratio); short zig-zags get calmer by it.
//!
//! Toolhead loop of the host:
//!
//! ```text
//! let mut mv = Move::new(&limits, start, end, speed_mm_s, payload)   // None: nothing moves
//! kinematics.check_move(&mut mv, ..)?; extruder_limits.check_move(&mut mv)?;
//! if look_ahead.add_move(mv, instant_corner_v) { look_ahead.flush(true, &mut planned) }   // lazy
//! for p in planned.drain(..) { trapq.append(&p.trap_move(t)); t += p.total_t() }
//! ```

use alloc::vec::Vec;
use libm::sqrt;

/// Index of the extruder in a position or direction.
pub const E: usize = 3;

/// Moves shorter than this in X, Y and Z only extrude.
const MIN_KINEMATIC_DISTANCE_MM: f64 = 1e-9;
/// Acceleration of an extrude-only move before the extruder's own limit is applied.
const UNLIMITED_ACCEL_MM_S2: f64 = 99_999_999.9;
const UNLIMITED_V2: f64 = 999_999_999.9;

/// The toolhead's limits at the moment a move is queued (`SET_VELOCITY_LIMIT` changes them for later moves).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VelocityLimits {
    pub max_velocity_mm_s: f64,
    pub max_accel_mm_s2: f64,
    /// Speed at which a 90° corner is taken without slowing down further.
    pub square_corner_velocity_mm_s: f64,
    /// 0 ≤ ratio < 1.
    pub minimum_cruise_ratio: f64,
}

impl VelocityLimits {
    /// Junction deviation, mm: scv²·(√2 − 1)/max_accel.
    pub fn junction_deviation_mm(&self) -> f64 {
        let scv2 = self.square_corner_velocity_mm_s * self.square_corner_velocity_mm_s;
        scv2 * (sqrt(2.0) - 1.0) / self.max_accel_mm_s2
    }

    /// The acceleration of the second look-ahead, mm/s².
    pub fn mcr_accel_mm_s2(&self) -> f64 {
        self.max_accel_mm_s2 * (1.0 - self.minimum_cruise_ratio)
    }
}

/// One straight move of the toolhead (X, Y, Z in mm) with its extruder (E, mm of filament).
///
/// `P` is the caller's own: a line number, timing callbacks. It comes back with the planned move.
#[derive(Debug, Clone, PartialEq)]
pub struct Move<P = ()> {
    pub start_pos: [f64; 4],
    pub end_pos: [f64; 4],
    /// `end_pos − start_pos`; X, Y, Z are exactly zero on an extrude-only move.
    pub axes_d: [f64; 4],
    /// `axes_d / move_d`.
    pub axes_r: [f64; 4],
    /// Length over X, Y, Z; over E on an extrude-only move.
    pub move_d: f64,
    /// False on an extrude-only move: such a move starts and ends at rest.
    pub is_kinematic: bool,
    pub accel: f64,
    /// The time that the move takes at its requested speed.
    pub min_move_t: f64,
    pub max_cruise_v2: f64,
    /// What cornering and the moves before it allow at its start; set by [`LookAhead::add_move`].
    pub max_start_v2: f64,
    pub payload: P,
    junction_deviation: f64,
    next_junction_v2: f64,
    delta_v2: f64,
    max_mcr_start_v2: f64,
    mcr_delta_v2: f64,
}

impl<P> Move<P> {
    /// A move at `speed_mm_s` (G-code F/60, not yet limited). `None` where nothing moves at all.
    pub fn new(
        limits: &VelocityLimits,
        start_pos: [f64; 4],
        end_pos: [f64; 4],
        speed_mm_s: f64,
        payload: P,
    ) -> Option<Self> {
        let mut end_pos = end_pos;
        let mut axes_d = [0.0; 4];
        for i in 0..4 {
            axes_d[i] = end_pos[i] - start_pos[i];
        }
        let mut move_d = sqrt(axes_d[0] * axes_d[0] + axes_d[1] * axes_d[1] + axes_d[2] * axes_d[2]);
        let mut velocity = speed_mm_s.min(limits.max_velocity_mm_s);
        let mut accel = limits.max_accel_mm_s2;
        let is_kinematic = move_d >= MIN_KINEMATIC_DISTANCE_MM;
        if !is_kinematic {
            end_pos[..3].copy_from_slice(&start_pos[..3]);
            axes_d[..3].fill(0.0);
            move_d = axes_d[E].abs();
            if move_d == 0.0 {
                return None;
            }
            accel = UNLIMITED_ACCEL_MM_S2;
            velocity = speed_mm_s;
        }
        let inv_move_d = 1.0 / move_d;
        Some(Self {
            start_pos,
            end_pos,
            axes_d,
            axes_r: axes_d.map(|d| d * inv_move_d),
            move_d,
            is_kinematic,
            accel,
            min_move_t: move_d / velocity,
            max_cruise_v2: velocity * velocity,
            max_start_v2: 0.0,
            payload,
            junction_deviation: limits.junction_deviation_mm(),
            next_junction_v2: UNLIMITED_V2,
            delta_v2: 2.0 * move_d * accel,
            max_mcr_start_v2: 0.0,
            mcr_delta_v2: 2.0 * move_d * limits.mcr_accel_mm_s2(),
        })
    }

    /// Lower the cruise speed and the acceleration; never raises either.
    pub fn limit_speed(&mut self, speed_mm_s: f64, accel_mm_s2: f64) {
        let v2 = speed_mm_s * speed_mm_s;
        if v2 < self.max_cruise_v2 {
            self.max_cruise_v2 = v2;
            self.min_move_t = self.move_d / speed_mm_s;
        }
        self.accel = self.accel.min(accel_mm_s2);
        self.delta_v2 = 2.0 * self.move_d * self.accel;
        self.mcr_delta_v2 = self.mcr_delta_v2.min(self.delta_v2);
    }

    /// The junction after this move may not be faster than this.
    pub fn limit_next_junction_speed(&mut self, speed_mm_s: f64) {
        self.next_junction_v2 = self.next_junction_v2.min(speed_mm_s * speed_mm_s);
    }

    /// Fastest cornering from `prev` into this move.
    fn set_junction_limit(&mut self, prev: &Self, instant_corner_v_mm_s: f64) {
        if !self.is_kinematic || !prev.is_kinematic {
            return;
        }
        let v2 = self
            .extruder_junction_v2(prev, instant_corner_v_mm_s)
            .min(self.max_cruise_v2)
            .min(prev.max_cruise_v2)
            .min(prev.next_junction_v2)
            .min(prev.max_start_v2 + prev.delta_v2)
            .min(self.corner_v2(prev));
        self.max_start_v2 = v2;
        self.max_mcr_start_v2 = v2.min(prev.max_mcr_start_v2 + prev.mcr_delta_v2);
    }

    /// The extruder changes speed in no time at a junction; `instant_corner_v` bounds that jump.
    fn extruder_junction_v2(&self, prev: &Self, instant_corner_v_mm_s: f64) -> f64 {
        let ratio_jump = self.axes_r[E] - prev.axes_r[E];
        if ratio_jump == 0.0 {
            return self.max_cruise_v2;
        }
        let v = instant_corner_v_mm_s / ratio_jump.abs();
        v * v
    }

    /// The corner is taken as if on an arc that stays within the junction deviation of the corner point, and that
    /// is no longer than half of either move.
    fn corner_v2(&self, prev: &Self) -> f64 {
        let (a, b) = (&self.axes_r, &prev.axes_r);
        let cos_theta = -(a[0] * b[0] + a[1] * b[1] + a[2] * b[2]);
        let sin_half = sqrt((0.5 * (1.0 - cos_theta)).max(0.0));
        let cos_half = sqrt((0.5 * (1.0 + cos_theta)).max(0.0));
        let one_minus_sin = 1.0 - sin_half;
        if one_minus_sin <= 0.0 || cos_half <= 0.0 {
            return UNLIMITED_V2;
        }
        let radius_per_deviation = sin_half / one_minus_sin;
        let quarter_tan = 0.25 * sin_half / cos_half;
        let arc_v2 = |m: &Self| radius_per_deviation * m.junction_deviation * m.accel;
        let centripetal_v2 = |m: &Self| m.delta_v2 * quarter_tan;
        arc_v2(self).min(arc_v2(prev)).min(centripetal_v2(self)).min(centripetal_v2(prev))
    }
}

/// A move with its final speeds and times.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedMove<P = ()> {
    pub mv: Move<P>,
    pub start_v: f64,
    pub cruise_v: f64,
    pub end_v: f64,
    pub accel_t: f64,
    pub cruise_t: f64,
    pub decel_t: f64,
}

impl<P> PlannedMove<P> {
    fn new(mv: Move<P>, start_v2: f64, cruise_v2: f64, end_v2: f64) -> Self {
        let half_inv_accel = 0.5 / mv.accel;
        let accel_d = (cruise_v2 - start_v2) * half_inv_accel;
        let decel_d = (cruise_v2 - end_v2) * half_inv_accel;
        let cruise_d = mv.move_d - accel_d - decel_d;
        let (start_v, cruise_v, end_v) = (sqrt(start_v2), sqrt(cruise_v2), sqrt(end_v2));
        Self {
            accel_t: accel_d / ((start_v + cruise_v) * 0.5),
            cruise_t: cruise_d / cruise_v,
            decel_t: decel_d / ((end_v + cruise_v) * 0.5),
            mv,
            start_v,
            cruise_v,
            end_v,
        }
    }

    pub fn total_t(&self) -> f64 {
        self.accel_t + self.cruise_t + self.decel_t
    }
}

/// What the backward pass finds for one move: its speeds if the machine stops after the last queued move.
#[derive(Debug, Clone, Copy)]
struct Bound {
    start_v2: f64,
    end_v2: f64,
    /// None: the move only slows down; its cruise speed is that of the moves before it.
    cruise_v2: Option<f64>,
}

/// The queue of moves whose speeds are not final yet.
#[derive(Debug, Clone)]
pub struct LookAhead<P = ()> {
    queue: Vec<Move<P>>,
    bounds: Vec<Bound>,
    flush_time_s: f64,
    until_flush_s: f64,
}

impl<P> LookAhead<P> {
    /// `flush_time_s`: how much motion (at requested speed) gathers before [`add_move`](Self::add_move) asks for a
    /// lazy flush; klippy uses 0.25 s in steady state and 0.15 s after a stop.
    pub fn new(flush_time_s: f64) -> Self {
        Self { queue: Vec::new(), bounds: Vec::new(), flush_time_s, until_flush_s: flush_time_s }
    }

    /// Change the amount of motion that later flushes wait for.
    pub fn set_flush_time(&mut self, flush_time_s: f64) {
        self.flush_time_s = flush_time_s;
        self.until_flush_s = flush_time_s;
    }

    /// Drop everything (a shutdown, a homing trigger).
    pub fn reset(&mut self) {
        self.queue.clear();
        self.until_flush_s = self.flush_time_s;
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// The newest move, for callbacks that belong to "the end of what is queued so far".
    pub fn last_mut(&mut self) -> Option<&mut Move<P>> {
        self.queue.last_mut()
    }

    /// Queue a move. True when it is time for `flush(true, ..)`.
    ///
    /// `instant_corner_v_mm_s`: of the active extruder; infinite where there is none.
    pub fn add_move(&mut self, mut mv: Move<P>, instant_corner_v_mm_s: f64) -> bool {
        let Some(prev) = self.queue.last() else {
            self.queue.push(mv);
            return false;
        };
        mv.set_junction_limit(prev, instant_corner_v_mm_s);
        self.until_flush_s -= mv.min_move_t;
        self.queue.push(mv);
        self.until_flush_s <= 0.0
    }

    /// Hand out planned moves, oldest first, appended to `planned`.
    ///
    /// `lazy`: only those that no later move can change. Otherwise all, ending at rest.
    pub fn flush(&mut self, lazy: bool, planned: &mut Vec<PlannedMove<P>>) {
        self.until_flush_s = self.flush_time_s;
        let settled = self.backward_pass();
        let count = if lazy { settled } else { self.queue.len() };
        let mut cruise_before_v2 = 0.0;
        for (mv, b) in self.queue.drain(..count).zip(&self.bounds) {
            let cruise_v2 = b.cruise_v2.unwrap_or_else(|| b.start_v2.min(cruise_before_v2));
            cruise_before_v2 = cruise_v2;
            planned.push(PlannedMove::new(mv, b.start_v2.min(cruise_v2), cruise_v2, b.end_v2.min(cruise_v2)));
        }
    }

    /// Fill `bounds` from the last move to the first, as if the machine stopped after the last one. Returns how many
    /// of the oldest moves are settled: those before the second-last speed peak, because whatever is appended later
    /// can only lift the speeds behind that peak.
    fn backward_pass(&mut self) -> usize {
        let nothing = Bound { start_v2: 0.0, end_v2: 0.0, cruise_v2: None };
        self.bounds.clear();
        self.bounds.resize(self.queue.len(), nothing);
        let mut settled = 0;
        let mut open_peak = true;
        let (mut next_v2, mut next_mcr_v2, mut peak_v2) = (0.0, 0.0, 0.0);
        let mut slowing_moves = 0;
        for (i, mv) in self.queue.iter().enumerate().rev() {
            let reachable_v2 = next_v2 + mv.delta_v2;
            let start_v2 = mv.max_start_v2.min(reachable_v2);
            let mcr_reachable_v2 = next_mcr_v2 + mv.mcr_delta_v2;
            let mcr_start_v2 = mv.max_mcr_start_v2.min(mcr_reachable_v2);
            slowing_moves += 1;
            let mut cruise_v2 = None;
            if mcr_start_v2 < mcr_reachable_v2 {
                // This move can speed up. It holds a peak if it can also slow down, or if the moves after it do.
                if mcr_start_v2 + mv.mcr_delta_v2 > next_mcr_v2 || slowing_moves > 1 {
                    if open_peak && peak_v2 != 0.0 {
                        settled = i + slowing_moves;
                        open_peak = false;
                    }
                    peak_v2 = (mcr_start_v2 + mcr_reachable_v2) * 0.5;
                }
                cruise_v2 = Some(((start_v2 + reachable_v2) * 0.5).min(mv.max_cruise_v2).min(peak_v2));
                slowing_moves = 0;
            }
            self.bounds[i] = Bound { start_v2, end_v2: next_v2, cruise_v2 };
            next_v2 = start_v2;
            next_mcr_v2 = mcr_start_v2;
        }
        settled
    }
}
