//! What the wall will look like: a print's own planned moves through a machine's modes, in closed form.
//!
//! # Equation
//! path(t) = sum A_i p(t - T_i + mean delay) for each shaped axis, cut into ticks in which it runs straight; each tick is a
//! jump of a mode's velocity, q' -= e.dV, and its exact free motion (sim/plant/src/frame.rs); nozzle = path + sum s q
//!
//! # Symbols
//! p (mm) planned position before shaping · A, T (s) pulses of the shaper · q (mm) mode, e, s its directions (see the
//! machine file) · V (mm/s) of the path
//!
//! # Valid for
//! machines whose motors follow their steps; what motors add is for the twin to say
//!
//! # Caveats
//! a mode loses (pi f h)^2/3 of its amplitude to the straight pieces: 5e-4 at 50 Hz
//!
//! # Checked by
//! tests::a_step_rings_as_its_closed_form_says, tests::a_shaper_at_its_frequency_leaves_nothing
//!
//! # Cost
//! about 0.1 us a tick: a minute of printing in 25 ms

use std::io::{Read, Seek};

use drydock_analysis::study::rings;
use drydock_analysis::wall::{Tracer, WallPoint};
use drydock_motion::shapers::Pulses;
use drydock_plant::frame::{Mode, free_motion};
use drydock_recording::{Bead, Move, Reader, State};

use crate::Failure;

const TICK_S: f64 = 0.25e-3;
/// The wall is looked at each so many ticks: 2000 times a second.
const LOOK: u64 = 2;
/// After so long at rest nothing swings any more.
const REST_S: f64 = 1.0;
const SETTLE_S: f64 = 0.010;
/// A line that begins brings plastic only after so long: what its travel left is not laid.
const LAYS_AFTER_S: f64 = 0.03;

/// The planned moves of a print, and what is laid when.
pub struct Path {
    pieces: Vec<Piece>,
    /// From when on which feature is laid.
    features: Vec<(f64, u8)>,
}

#[derive(Clone, Debug)]
struct Piece {
    from_s: f64,
    to_s: f64,
    start_mm: [f64; 3],
    along: [f64; 3],
    speed_mm_s: f64,
    accel_mm_s2: f64,
    lays: bool,
}

impl Piece {
    fn at(&self, t_s: f64, axis: usize) -> f64 {
        let t = (t_s - self.from_s).clamp(0.0, self.to_s - self.from_s);
        self.start_mm[axis] + self.along[axis] * (self.speed_mm_s + 0.5 * self.accel_mm_s2 * t) * t
    }
}

/// How a wall rings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ringing {
    pub peak_um: f64,
    pub rms_um: f64,
    /// The most that the nozzle was from where the motors put it while it laid plastic.
    pub off_um: f64,
}

impl Ringing {
    /// Root of the mean square of each figure.
    pub fn mean(seen: impl Iterator<Item = Ringing>) -> Ringing {
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for r in seen {
            count += 1.0;
            for (sum, v) in sum.iter_mut().zip([r.peak_um, r.rms_um, r.off_um]) {
                *sum += v * v;
            }
        }
        let [peak_um, rms_um, off_um] = sum.map(|s| (s / f64::max(count, 1.0)).sqrt());
        Ringing { peak_um, rms_um, off_um }
    }
}

impl Path {
    /// The moves that a recording holds from the first bead on.
    pub fn of<S: Read + Seek>(reader: &mut Reader<S>) -> Result<Path, Failure> {
        let mut features: Vec<(f64, u8)> = Vec::new();
        for bead in reader.all::<Bead>() {
            let bead = bead?;
            if features.last().is_none_or(|(_, f)| *f != bead.feature) {
                features.push((bead.at_ns as f64 * 1e-9, bead.feature));
            }
        }
        let mut pieces = Vec::new();
        for row in reader.all::<Move>() {
            let row = row?;
            let way: [f64; 3] = std::array::from_fn(|i| row.end_mm[i] - row.start_mm[i]);
            let long = way.iter().map(|w| w * w).sum::<f64>().sqrt();
            if long < 1e-9 {
                continue;
            }
            let from_s = row.at_ns as f64 * 1e-9;
            pieces.push(Piece {
                from_s,
                to_s: from_s + row.duration_ns as f64 * 1e-9,
                start_mm: row.start_mm,
                along: way.map(|w| w / long),
                speed_mm_s: row.start_v_mm_s,
                accel_mm_s2: row.accel_mm_s2,
                lays: row.e_mm > 0.0 && way[0].hypot(way[1]) > 0.0,
            });
        }
        if !pieces.iter().any(|p| p.lays) {
            return Err(Failure("nothing is extruded in this print, so there is no wall to look at".into()));
        }
        Ok(Path { pieces, features })
    }

    /// Length of the print from its first line laid to its last, s.
    pub fn print_s(&self) -> f64 {
        let mut laid = self.pieces.iter().filter(|p| p.lays);
        let first = laid.next().map_or(0.0, |p| p.from_s);
        laid.next_back().map_or(0.0, |p| p.to_s) - first
    }

    /// The walls as they will be, and how they ring. None: an axis that is not shaped.
    pub fn walls(
        &self,
        modes: &[Mode],
        shapers: &[Option<Pulses>; 2],
        on_point: &mut dyn FnMut(&WallPoint),
    ) -> Ringing {
        let mut frame: Vec<Swing> = modes.iter().map(Swing::new).collect();
        let none = Pulses { a: vec![1.0], t_s: vec![0.0] };
        let mut axes: Vec<Shaped> =
            shapers.iter().enumerate().map(|(axis, p)| Shaped::new(axis, p.as_ref().unwrap_or(&none))).collect();
        let (mut tracer, mut points) = (Tracer::default(), Vec::new());
        let mut sum = Sum::default();
        let mut look = |points: &mut Vec<WallPoint>| {
            points.drain(..).for_each(|p| {
                sum.add(&p);
                on_point(&p);
            });
        };
        let first = self.pieces.iter().position(|p| p.lays).unwrap_or(0).saturating_sub(4);
        let end_s = self.pieces.iter().rfind(|p| p.lays).map_or(0.0, |p| p.to_s);
        let mut at_s = self.pieces.get(first).map_or(0.0, |p| p.from_s);
        let (mut piece, mut feature, mut tick) = (first, 0, 0_u64);
        let mut before = [0, 1].map(|i| axes[i].at(&self.pieces, at_s));
        let mut speed = [0.0; 2];
        let (mut off_mm, mut laid_s) = (0.0_f64, 0.0);
        while at_s < end_s {
            at_s += TICK_S;
            tick += 1;
            let now = [0, 1].map(|i| axes[i].at(&self.pieces, at_s));
            let next = [0, 1].map(|i| (now[i] - before[i]) / TICK_S);
            let jump = [next[0] - speed[0], next[1] - speed[1]];
            (before, speed) = (now, next);
            let mut nozzle = now;
            for swing in &mut frame {
                swing.tick(jump);
                nozzle[0] += swing.shape[0] * swing.q_mm;
                nozzle[1] += swing.shape[1] * swing.q_mm;
            }
            while self.pieces.get(piece + 1).is_some_and(|p| p.from_s <= at_s) {
                piece += 1;
            }
            let p = &self.pieces[piece];
            if at_s > p.to_s + REST_S && self.pieces.get(piece + 1).is_some_and(|n| n.from_s > at_s + REST_S) {
                // A pause: all comes to rest.
                at_s = self.pieces[piece + 1].from_s - TICK_S;
                frame.iter_mut().for_each(|s| (s.q_mm, s.v_mm_s) = (0.0, 0.0));
                before = [0, 1].map(|i| axes[i].at(&self.pieces, at_s));
                speed = [0.0; 2];
                continue;
            }
            let lays = p.lays && at_s <= p.to_s;
            laid_s = if lays { laid_s + TICK_S } else { 0.0 };
            if laid_s > LAYS_AFTER_S {
                off_mm = off_mm.max((nozzle[0] - now[0]).hypot(nozzle[1] - now[1]));
            }
            if tick.is_multiple_of(LOOK) {
                while self.features.get(feature + 1).is_some_and(|(from_s, _)| *from_s <= at_s) {
                    feature += 1;
                }
                let laid = self.features.get(feature).map_or(Bead::FEATURE_UNKNOWN, |(_, f)| *f);
                let z = p.at(at_s, 2);
                let state = State {
                    at_ns: (at_s * 1e9) as u64,
                    drive_mm: [now[0], now[1], z],
                    nozzle_mm: [nozzle[0], nozzle[1], z],
                    e_mm: 0.0,
                };
                tracer.push(&state, lays.then_some(laid), &mut points);
                look(&mut points);
            }
        }
        tracer.end(&mut points);
        look(&mut points);
        sum.ringing(off_mm * 1e3)
    }

    pub fn ringing(&self, modes: &[Mode], shapers: &[Option<Pulses>; 2]) -> Ringing {
        self.walls(modes, shapers, &mut |_| {})
    }
}

/// Gathers what rings: on outer walls where there are any.
#[derive(Default)]
struct Sum {
    outer: (f64, f64, u64),
    all: (f64, f64, u64),
}

impl Sum {
    fn add(&mut self, point: &WallPoint) {
        if !point.straight || !rings(point, SETTLE_S) {
            return;
        }
        let put = |to: &mut (f64, f64, u64)| {
            *to = (to.0.max(point.deviation_um.abs()), to.1 + point.deviation_um * point.deviation_um, to.2 + 1);
        };
        put(&mut self.all);
        if point.feature == Bead::FEATURE_OUTER_WALL {
            put(&mut self.outer);
        }
    }

    fn ringing(&self, off_um: f64) -> Ringing {
        let (peak_um, squares, count) = if self.outer.2 > 0 { self.outer } else { self.all };
        Ringing { peak_um, rms_um: (squares / count.max(1) as f64).sqrt(), off_um }
    }
}

/// One axis through its shaper: each pulse goes along the path on its own.
struct Shaped {
    axis: usize,
    /// Amplitude, lag behind the middle, and the piece it is on.
    pulses: Vec<(f64, f64, usize)>,
}

impl Shaped {
    fn new(axis: usize, pulses: &Pulses) -> Shaped {
        let mean_s = pulses.mean_delay_s();
        Shaped { axis, pulses: pulses.a.iter().zip(&pulses.t_s).map(|(a, t)| (*a, t - mean_s, 0)).collect() }
    }

    fn at(&mut self, pieces: &[Piece], t_s: f64) -> f64 {
        let mut sum = 0.0;
        for (amplitude, lag_s, piece) in &mut self.pulses {
            let t = t_s - *lag_s;
            while pieces.get(*piece + 1).is_some_and(|p| p.from_s <= t) {
                *piece += 1;
            }
            sum += *amplitude * pieces[*piece].at(t, self.axis);
        }
        sum
    }
}

/// One mode at work.
struct Swing {
    q_mm: f64,
    v_mm_s: f64,
    free: [[f64; 2]; 2],
    excited_by: [f64; 3],
    shape: [f64; 3],
}

impl Swing {
    fn new(mode: &Mode) -> Swing {
        let free = free_motion(std::f64::consts::TAU * mode.freq_hz, mode.damping, TICK_S);
        Swing { q_mm: 0.0, v_mm_s: 0.0, free, excited_by: mode.excited_by, shape: mode.shape }
    }

    fn tick(&mut self, jump: [f64; 2]) {
        let v = self.v_mm_s - self.excited_by[0] * jump[0] - self.excited_by[1] * jump[1];
        let q = self.q_mm;
        self.q_mm = self.free[0][0] * q + self.free[0][1] * v;
        self.v_mm_s = self.free[1][0] * q + self.free[1][1] * v;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty times to and fro along X at a corner of 90 degrees.
    fn corner(accel_mm_s2: f64) -> Path {
        let piece = |from_s: f64, to_s: f64, start_mm, along, speed_mm_s, accel_mm_s2| Piece {
            from_s,
            to_s,
            start_mm,
            along,
            speed_mm_s,
            accel_mm_s2,
            lays: true,
        };
        let (v, a) = (100.0, accel_mm_s2);
        let ramp_s = v / a;
        let long = 0.5 * v * ramp_s;
        Path {
            pieces: vec![
                piece(0.0, ramp_s, [0.0; 3], [1.0, 0.0, 0.0], 0.0, a),
                piece(ramp_s, 1.0, [long, 0.0, 0.0], [1.0, 0.0, 0.0], v, 0.0),
                piece(1.0, 1.0 + ramp_s, [long + v * (1.0 - ramp_s), 0.0, 0.0], [1.0, 0.0, 0.0], v, -a),
                piece(
                    1.0 + ramp_s,
                    1.0 + 2.0 * ramp_s,
                    [2.0 * long + v * (1.0 - ramp_s), 0.0, 0.0],
                    [0.0, 1.0, 0.0],
                    0.0,
                    a,
                ),
                piece(1.0 + 2.0 * ramp_s, 2.0, [2.0 * long + v * (1.0 - ramp_s), long, 0.0], [0.0, 1.0, 0.0], v, 0.0),
            ],
            features: vec![(0.0, Bead::FEATURE_OUTER_WALL)],
        }
    }

    /// Each end of a ramp leaves a/w^2 of ringing: they cancel if it lasts a whole wave, and add if it lasts one and a half.
    /// Braking begins 40.5 waves after the ramp up did, so the two ramps add as well.
    #[test]
    fn a_step_rings_as_its_closed_form_says() {
        let (hz, speed) = (40.5, 100.0);
        let w = std::f64::consts::TAU * hz;
        let ringing = |waves: f64| corner(speed * hz / waves).ringing(&[Mode::along(0, hz, 0.0, 1.0)], &[None, None]);
        let (whole, adds) = (ringing(1.0), ringing(1.5));
        let expected_um = 4.0 * (speed * hz / 1.5) / (w * w) * 1e3;
        assert!(whole.peak_um < 0.01 * expected_um, "{whole:?}");
        assert!((adds.peak_um / expected_um - 1.0).abs() < 0.01, "{adds:?} {expected_um}");
        assert!((adds.rms_um / adds.peak_um * std::f64::consts::SQRT_2 - 1.0).abs() < 0.1, "{adds:?}: a sine");
    }

    #[test]
    fn a_shaper_at_its_frequency_leaves_nothing() {
        use drydock_motion::shapers::AnyShaper;
        let modes = [Mode::along(0, 40.0, 0.05, 1.0)];
        let path = corner(3000.0);
        let free = path.ringing(&modes, &[None, None]);
        let zv = AnyShaper::parse("zv").unwrap().pulses(40.0, 0.05).unwrap();
        let shaped = path.ringing(&modes, &[Some(zv), None]);
        assert!(shaped.peak_um < 0.01 * free.peak_um, "{shaped:?} of {free:?}");
    }
}
