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

    /// The state at a time. Between samples the drive goes straight on, as it does between steps, and the displacement
    /// bends as it does over four samples, so that a swing in slow motion has no corners.
    pub(crate) fn state(&mut self, at_ns: u64) -> Option<State> {
        let Document { streams, reader, .. } = self;
        match streams.states.around(reader, at_ns, |_| true) {
            (Some(a), Some(b)) if near(&a, &b) => {
                let before = a.at_ns.checked_sub(1).and_then(|ns| streams.states.around(reader, ns, |_| true).0);
                let after = streams.states.around(reader, b.at_ns, |_| true).1;
                Some(between([before.as_ref(), Some(&a), Some(&b), after.as_ref()], at_ns))
            }
            (Some(a), _) => Some(State { at_ns, ..a }),
            (None, b) => b,
        }
    }

    /// Nozzle against drive at many times, mm: zero where nothing is known. Reads each block that it needs once.
    pub fn displacements(&mut self, at_ns: &[u64]) -> Vec<[f32; 3]> {
        let first_ns = at_ns.iter().min().map_or(0, |ns| ns.saturating_sub(STILL_NS));
        let last_ns = at_ns.iter().max().map_or(0, |ns| ns.saturating_add(STILL_NS));
        let mut known: Vec<(u64, [f32; 3])> = Vec::new();
        let blocks = self.streams.states.blocks_in(&(first_ns..last_ns));
        for nth in blocks {
            let states = self.streams.states.read(&mut self.reader, nth);
            known.extend(states.iter().map(|s| (s.at_ns, displacement_mm(s).map(|v| v as f32))));
        }
        let at = |at_ns: &u64| {
            let next = known.partition_point(|(ns, _)| ns <= at_ns);
            let Some(a) = next.checked_sub(1).map(|i| known[i]) else { return [0.0; 3] };
            match known.get(next).filter(|b| (a.0 + 1..=a.0.saturating_add(STILL_NS)).contains(&b.0)) {
                Some(b) => {
                    let share = at_ns.saturating_sub(a.0) as f32 / (b.0 - a.0) as f32;
                    std::array::from_fn(|i| a.1[i] + share * (b.1[i] - a.1[i]))
                }
                None => a.1,
            }
        };
        at_ns.iter().map(at).collect()
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

fn displacement_mm(state: &State) -> [f64; 3] {
    std::array::from_fn(|i| state.nozzle_mm[i] - state.drive_mm[i])
}

/// Whether one follows the other in time with no pause between.
fn near(from: &State, to: &State) -> bool {
    to.at_ns.checked_sub(from.at_ns).is_some_and(|gap_ns| gap_ns <= STILL_NS)
}

/// Between the second and the third of four samples that follow each other.
fn between(samples: [Option<&State>; 4], at_ns: u64) -> State {
    let [before, Some(a), Some(b), after] = samples else { return State::default() };
    let before = before.filter(|s| near(s, a)).unwrap_or(a);
    let after = after.filter(|s| near(b, s)).unwrap_or(b);
    let gap = |from: &State, to: &State| to.at_ns.saturating_sub(from.at_ns).max(1) as f64;
    let long = gap(a, b);
    let t = at_ns.saturating_sub(a.at_ns) as f64 / long;
    let mix = |a: f64, b: f64| a + t * (b - a);
    let drive_mm: [f64; 3] = std::array::from_fn(|i| mix(a.drive_mm[i], b.drive_mm[i]));
    let (pa, pb, pc, pd) = (displacement_mm(before), displacement_mm(a), displacement_mm(b), displacement_mm(after));
    // A cubic with the slopes that the neighbours give (Catmull, Rom).
    let slope = |p: f64, q: f64, from: &State, to: &State| (q - p) * long / gap(from, to);
    let bent = |i: usize| {
        let (m0, m1) = (slope(pa[i], pc[i], before, b), slope(pb[i], pd[i], a, after));
        let (t2, t3) = (t * t, t * t * t);
        (2.0 * t3 - 3.0 * t2 + 1.0) * pb[i] + (t3 - 2.0 * t2 + t) * m0 + (3.0 * t2 - 2.0 * t3) * pc[i] + (t3 - t2) * m1
    };
    let nozzle_mm = if t == 0.0 { a.nozzle_mm } else { std::array::from_fn(|i| drive_mm[i] + bent(i)) };
    State { at_ns, drive_mm, nozzle_mm, e_mm: mix(a.e_mm, b.e_mm) }
}

/// Where a planned move is at a time; its end once it is over.
pub(crate) fn planned_at(planned: &Move, at_ns: u64) -> [f64; 3] {
    let long = length_mm(planned);
    let part = if long > 0.0 { way_mm(planned, at_ns) / long } else { 1.0 };
    std::array::from_fn(|i| planned.start_mm[i] + part * (planned.end_mm[i] - planned.start_mm[i]))
}

/// How far a planned move has come at a time.
pub(crate) fn way_mm(planned: &Move, at_ns: u64) -> f64 {
    let t = at_ns.saturating_sub(planned.at_ns).min(planned.duration_ns) as f64 * 1e-9;
    ((planned.start_v_mm_s + 0.5 * planned.accel_mm_s2 * t) * t).min(length_mm(planned)).max(0.0)
}

fn length_mm(planned: &Move) -> f64 {
    (0..3).map(|i| (planned.end_mm[i] - planned.start_mm[i]).powi(2)).sum::<f64>().sqrt()
}
