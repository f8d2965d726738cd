//! Where everything is at one time, and the way it came.

use crate::document::Document;
use crate::shake::{BEFORE_NS, Swings};
use drydock_analysis::wall::STILL_NS;
use drydock_recording::{Move, State};
use std::ops::Range;

/// The machine at one time. Positions in print coordinates, mm: the nozzle relative to the bed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pose {
    pub at_ns: u64,
    /// Where the plan wants the nozzle, before shaping.
    pub commanded_mm: [f64; 3],
    /// Where the steps put it.
    pub drive_mm: [f64; 3],
    /// Where it truly is.
    pub nozzle_mm: [f64; 3],
    /// Filament pushed.
    pub e_mm: f64,
    pub heaters: Vec<HeaterPose>,
    /// Index into the timeline's lines.
    pub line: Option<usize>,
    /// Index into the timeline's layers.
    pub layer: Option<usize>,
}

/// A heater at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaterPose {
    pub name: String,
    /// What the host believes.
    pub measured_c: f64,
    pub true_c: f64,
    /// 0 where it is off.
    pub target_c: f64,
    /// 0 to 1.
    pub duty: f64,
}

impl Pose {
    /// The nozzle with its displacement enlarged: `drive + gain * (nozzle - drive)`; the truth at 1.
    pub fn exaggerated(&self, gain: f64) -> [f64; 3] {
        enlarge(self.drive_mm, self.nozzle_mm, gain)
    }

    /// Nozzle against drive, mm.
    pub fn displacement_mm(&self) -> [f64; 3] {
        std::array::from_fn(|i| self.nozzle_mm[i] - self.drive_mm[i])
    }
}

fn enlarge(drive_mm: [f64; 3], nozzle_mm: [f64; 3], gain: f64) -> [f64; 3] {
    std::array::from_fn(|i| drive_mm[i] + gain * (nozzle_mm[i] - drive_mm[i]))
}

/// A piece of the way, at the same times in all lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trail {
    pub at_ns: Vec<u64>,
    /// The plan, before shaping.
    pub commanded: Vec<[f64; 3]>,
    pub drive: Vec<[f64; 3]>,
    /// Where the nozzle truly was.
    pub truth: Vec<[f64; 3]>,
    /// How high the modes swung, um: greatest where something shook them, then ringing down.
    pub swing_um: Vec<f64>,
}

impl Trail {
    /// The true way with its displacement enlarged.
    pub fn exaggerated(&self, gain: f64) -> impl Iterator<Item = [f64; 3]> + '_ {
        self.drive.iter().zip(&self.truth).map(move |(drive, truth)| enlarge(*drive, *truth, gain))
    }
}

impl Document {
    /// Where everything is. Reads a few blocks, wherever in the recording that is.
    pub fn pose(&mut self, at_ns: u64) -> Pose {
        let state = self.state(at_ns).unwrap_or_default();
        let commanded_mm = self.commanded(at_ns).unwrap_or(state.drive_mm);
        let heaters = (0..self.header().heaters.len()).map(|heater| self.heater(heater, at_ns)).collect();
        Pose {
            at_ns,
            commanded_mm,
            drive_mm: state.drive_mm,
            nozzle_mm: state.nozzle_mm,
            e_mm: state.e_mm,
            heaters,
            line: self.timeline().line_at(at_ns),
            layer: self.timeline().layer_at(at_ns),
        }
    }

    /// The state at a time, on a straight line between samples.
    pub(crate) fn state(&mut self, at_ns: u64) -> Option<State> {
        match self.streams.states.around(&mut self.reader, at_ns, |_| true) {
            (Some(a), Some(b)) if b.at_ns - a.at_ns <= STILL_NS => Some(between(&a, &b, at_ns)),
            (Some(a), _) => Some(State { at_ns, ..a }),
            (None, b) => b,
        }
    }

    fn commanded(&mut self, at_ns: u64) -> Option<[f64; 3]> {
        match self.streams.moves.around(&mut self.reader, at_ns, |_| true) {
            (Some(planned), _) => Some(planned_at(&planned, at_ns)),
            (None, next) => next.map(|planned| planned.start_mm),
        }
    }

    fn heater(&mut self, heater: usize, at_ns: u64) -> HeaterPose {
        let name = self.header().heaters.get(heater).cloned().unwrap_or_default();
        let (before, after) =
            self.streams.thermals.around(&mut self.reader, at_ns, |t| usize::from(t.heater) == heater);
        let Some(row) = before.or(after) else { return HeaterPose { name, ..HeaterPose::default() } };
        let (measured_c, true_c, target_c, duty) = (row.measured_c, row.true_c, row.target_c, row.duty);
        HeaterPose { name, measured_c, true_c, target_c, duty }
    }

    /// The way in a range of time, in at most so many points; the first and the last are always there.
    pub fn trail(&mut self, range: Range<u64>, max_points: usize) -> Trail {
        let mut states = Vec::new();
        let mut swings = Swings::of(&self.machine().modes);
        let earlier = range.start.saturating_sub(BEFORE_NS)..range.end;
        self.streams.states.for_each(&mut self.reader, earlier, |state| {
            swings.follow(state);
            if state.at_ns >= range.start {
                states.push((state.clone(), swings.amplitude_um()));
            }
        });
        let mut moves = Vec::new();
        let before = self.streams.moves.around(&mut self.reader, range.start, |_| true).0;
        moves.extend(before);
        let after_start = range.start.saturating_add(1)..range.end;
        self.streams.moves.for_each(&mut self.reader, after_start, |m| moves.push(m.clone()));
        let stride = states.len().div_ceil(max_points.max(2)).max(1);
        let last = states.len().saturating_sub(1);
        let mut trail = Trail::default();
        let thinned = states.iter().enumerate().filter(|(i, _)| i % stride == 0 || *i == last);
        for (state, swing_um) in thinned.map(|(_, s)| s) {
            let begun = moves.partition_point(|m| m.at_ns <= state.at_ns);
            let planned = begun.checked_sub(1).map(|i| planned_at(&moves[i], state.at_ns));
            trail.at_ns.push(state.at_ns);
            trail.commanded.push(planned.unwrap_or(state.drive_mm));
            trail.drive.push(state.drive_mm);
            trail.truth.push(state.nozzle_mm);
            trail.swing_um.push(*swing_um);
        }
        trail
    }
}

fn between(a: &State, b: &State, at_ns: u64) -> State {
    let part = (at_ns - a.at_ns) as f64 / (b.at_ns - a.at_ns).max(1) as f64;
    let mix = |a: f64, b: f64| a + part * (b - a);
    State {
        at_ns,
        drive_mm: std::array::from_fn(|i| mix(a.drive_mm[i], b.drive_mm[i])),
        nozzle_mm: std::array::from_fn(|i| mix(a.nozzle_mm[i], b.nozzle_mm[i])),
        e_mm: mix(a.e_mm, b.e_mm),
    }
}

/// Where a planned move is at a time; its end once it is over.
pub(crate) fn planned_at(planned: &Move, at_ns: u64) -> [f64; 3] {
    let t = at_ns.saturating_sub(planned.at_ns).min(planned.duration_ns) as f64 * 1e-9;
    let way: [f64; 3] = std::array::from_fn(|i| planned.end_mm[i] - planned.start_mm[i]);
    let long = way.iter().map(|v| v * v).sum::<f64>().sqrt();
    if long <= 0.0 {
        return planned.end_mm;
    }
    let part = ((planned.start_v_mm_s + 0.5 * planned.accel_mm_s2 * t) * t / long).clamp(0.0, 1.0);
    std::array::from_fn(|i| planned.start_mm[i] + part * way[i])
}
