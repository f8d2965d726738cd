//! How far the nozzle was from the wall it should have drawn.
//!
//! The reference is the straight line that the motors follow: samples of the drive path are cut into straight pieces,
//! a line is fitted to the middle of each piece, and two lines that follow each other meet in a corner. So the rounding
//! that a shaper gives a corner counts as deviation just as ringing does, and what is left after a corner can be
//! compared with and without the shaper. Where the path is curved there is no such line: there the reference is the
//! drive path itself.
//!
//! A deviation is positive to the right of the direction of travel: outwards on an outer wall that runs counter-clockwise,
//! as slicers draw them.

use drydock_recording::State;
use std::collections::VecDeque;

/// The toolhead while it extrudes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    pub at_ns: u64,
    pub drive_mm: [f64; 2],
    pub nozzle_mm: [f64; 2],
    pub z_mm: f64,
    pub feature: u8,
}

/// A sample with its place on the wall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WallPoint {
    pub at_ns: u64,
    pub nozzle_mm: [f64; 2],
    pub z_mm: f64,
    /// Where the nozzle should have been.
    pub ideal_mm: [f64; 2],
    /// Unit vector to the right of the direction of travel.
    pub right: [f64; 2],
    pub deviation_um: f64,
    /// Number of the wall, from 0 in the order of time.
    pub wall: u32,
    /// Number of the unbroken extrusion.
    pub chain: u32,
    /// Along the wall from the corner before it; infinite where there is none.
    pub from_corner_mm: f64,
    pub since_corner_s: f64,
    pub until_corner_s: f64,
    /// The motors have come onto the line of the wall since the corner, and have not left it for what follows: what deviates
    /// is not the rounding of a corner.
    pub settled: bool,
    /// The corner before it.
    pub corner_mm: Option<[f64; 2]>,
    /// False on a curve.
    pub straight: bool,
    pub feature: u8,
}

/// Feeds a recording's states to [`Walls`]: knows where an extrusion begins and ends.
#[derive(Default)]
pub struct Tracer {
    walls: Walls,
    before: Option<(u64, f64)>,
    open: bool,
}

/// A recording does not sample a machine that stands still.
pub const STILL_NS: u64 = 50_000_000;
/// A step of the height this large begins another extrusion, mm.
const STEP_MM: f64 = 0.05;

impl Tracer {
    /// Takes the next state; `feature` is what is being laid, if anything.
    pub fn push(&mut self, state: &State, feature: Option<u8>, out: &mut Vec<WallPoint>) {
        let (d, n) = (state.drive_mm, state.nozzle_mm);
        let jumps = self
            .before
            .is_some_and(|(at_ns, z_mm)| state.at_ns.saturating_sub(at_ns) > STILL_NS || (d[2] - z_mm).abs() > STEP_MM);
        self.before = Some((state.at_ns, d[2]));
        if self.open && (jumps || feature.is_none()) {
            self.end(out);
        }
        if let Some(feature) = feature {
            let (drive_mm, nozzle_mm) = ([d[0], d[1]], [n[0], n[1]]);
            self.walls.push(Sample { at_ns: state.at_ns, drive_mm, nozzle_mm, z_mm: d[2], feature }, out);
            self.open = true;
        }
    }

    /// Nothing more comes.
    pub fn end(&mut self, out: &mut Vec<WallPoint>) {
        self.walls.end(out);
        self.open = false;
    }
}

/// A piece is straight while the drive path is within this of it.
const TOLERANCE_MM: f64 = 0.05;
/// Shorter pieces are bends or curves.
const SHORTEST_WALL_MM: f64 = 4.0;
/// A piece that sags by more than this in its middle is a part of a curve.
const SAG_MM: f64 = 0.005;
/// How much of a path may be bent between two walls that meet in a corner.
const LONGEST_BEND_MM: f64 = 3.0;
/// The ends of a piece, where the motors still settle, do not count for its line.
const TRIM: f64 = 0.2;
/// So close to the line of the wall the motors have arrived on it.
const SETTLED_MM: f64 = 0.002;
/// Bounds the memory for a piece: at 10 kHz, ten seconds.
const MOST_SAMPLES: usize = 100_000;

/// Turns samples into wall points, some pieces later.
#[derive(Default)]
pub struct Walls {
    run: Run,
    /// The last wall, until it is known how it ends.
    open: Option<Wall>,
    bends: VecDeque<Vec<Sample>>,
    wall: u32,
    chain: u32,
}

impl Walls {
    /// Takes the next sample; points of finished walls go to `out`.
    pub fn push(&mut self, sample: Sample, out: &mut Vec<WallPoint>) {
        if self.run.extend(sample) {
            return;
        }
        let last = self.run.samples.last().copied();
        let piece = std::mem::take(&mut self.run).samples;
        self.piece(piece, out);
        // Pieces share their ends, so that no path is lost between them.
        for sample in last.into_iter().chain([sample]) {
            self.run.extend(sample);
        }
    }

    /// The extrusion ends here.
    pub fn end(&mut self, out: &mut Vec<WallPoint>) {
        let piece = std::mem::take(&mut self.run).samples;
        if piece.len() > 1 {
            self.piece(piece, out);
        }
        self.close(None, out);
        self.flush_bends(out);
        self.chain += 1;
    }

    fn piece(&mut self, samples: Vec<Sample>, out: &mut Vec<WallPoint>) {
        let Some(line) = Line::of_wall(&samples) else {
            self.bends.push_back(samples);
            let bent: f64 = self.bends.iter().map(|b| length(b)).sum();
            if bent > LONGEST_BEND_MM {
                self.close(None, out);
                self.flush_bends(out);
            }
            return;
        };
        let corner = self.open.as_ref().and_then(|before| before.line.meet(&line, &samples, &before.samples));
        let mut next = Wall { line, samples: Vec::new(), start: corner };
        match (corner, self.open.as_mut()) {
            (Some(corner), Some(before)) => {
                // The bisector of the corner says which wall a sample of the bend belongs to.
                let along = [before.line.along[0] + line.along[0], before.line.along[1] + line.along[1]];
                for sample in self.bends.drain(..).flat_map(skip_first) {
                    let from = [sample.drive_mm[0] - corner[0], sample.drive_mm[1] - corner[1]];
                    if dot(from, along) < 0.0 && next.samples.is_empty() {
                        before.samples.push(sample);
                    } else {
                        next.samples.push(sample);
                    }
                }
                next.samples.extend(skip_first(samples));
            }
            (None, before) => {
                let joined = before.is_some() || !self.bends.is_empty();
                next.samples = if joined { skip_first(samples).collect() } else { samples };
            }
            (Some(_), None) => next.samples = samples,
        }
        self.close(corner, out);
        self.flush_bends(out);
        self.open = Some(next);
    }

    /// Emits the open wall, which ends in `corner`.
    fn close(&mut self, corner: Option<[f64; 2]>, out: &mut Vec<WallPoint>) {
        let Some(wall) = self.open.take() else { return };
        wall.emit(corner, self.wall, self.chain, out);
        self.wall += 1;
    }

    /// Emits what is not straight.
    fn flush_bends(&mut self, out: &mut Vec<WallPoint>) {
        let curve: Vec<Sample> = self.bends.drain(..).flat_map(skip_first).collect();
        for (i, sample) in curve.iter().enumerate() {
            let (a, b) = (&curve[i.saturating_sub(2)], &curve[(i + 2).min(curve.len() - 1)]);
            let Some(along) = unit([b.drive_mm[0] - a.drive_mm[0], b.drive_mm[1] - a.drive_mm[1]]) else { continue };
            let right = [along[1], -along[0]];
            let off = [sample.nozzle_mm[0] - sample.drive_mm[0], sample.nozzle_mm[1] - sample.drive_mm[1]];
            out.push(WallPoint {
                at_ns: sample.at_ns,
                nozzle_mm: sample.nozzle_mm,
                z_mm: sample.z_mm,
                ideal_mm: sample.drive_mm,
                right,
                deviation_um: dot(off, right) * 1e3,
                wall: self.wall,
                chain: self.chain,
                from_corner_mm: f64::INFINITY,
                since_corner_s: f64::INFINITY,
                until_corner_s: f64::INFINITY,
                settled: true,
                corner_mm: None,
                straight: false,
                feature: sample.feature,
            });
        }
        if !curve.is_empty() {
            self.wall += 1;
        }
    }
}

fn skip_first(samples: Vec<Sample>) -> impl Iterator<Item = Sample> {
    samples.into_iter().skip(1)
}

/// Samples that so far lie on one straight piece.
#[derive(Default)]
struct Run {
    samples: Vec<Sample>,
    /// Direction of the first sample that is far enough from the start, and the angles to it that are still possible.
    cone: Option<([f64; 2], f64, f64)>,
    farthest_mm: f64,
}

impl Run {
    /// Takes a sample if it lies on the piece.
    fn extend(&mut self, sample: Sample) -> bool {
        let Some(first) = self.samples.first() else {
            self.samples.push(sample);
            return true;
        };
        if self.samples.len() >= MOST_SAMPLES {
            return false;
        }
        let from = [sample.drive_mm[0] - first.drive_mm[0], sample.drive_mm[1] - first.drive_mm[1]];
        let far = from[0].hypot(from[1]);
        if far < self.farthest_mm - TOLERANCE_MM {
            return false;
        }
        self.farthest_mm = self.farthest_mm.max(far);
        if far > 2.0 * TOLERANCE_MM {
            let spread = (TOLERANCE_MM / far).asin();
            let (axis, low, high) = self.cone.unwrap_or(([from[0] / far, from[1] / far], -spread, spread));
            let angle = cross(axis, from).atan2(dot(axis, from));
            if !(low..=high).contains(&angle) {
                return false;
            }
            self.cone = Some((axis, low.max(angle - spread), high.min(angle + spread)));
        }
        self.samples.push(sample);
        true
    }
}

#[derive(Clone, Copy)]
struct Line {
    through: [f64; 2],
    along: [f64; 2],
}

impl Line {
    /// The line of a piece that is long and straight enough to be a wall.
    fn of_wall(samples: &[Sample]) -> Option<Line> {
        let (first, last) = (samples.first()?.drive_mm, samples.last()?.drive_mm);
        let chord = [last[0] - first[0], last[1] - first[1]];
        let long = chord[0].hypot(chord[1]);
        if long < SHORTEST_WALL_MM {
            return None;
        }
        let chord = unit(chord)?;
        let part = |s: &Sample| dot([s.drive_mm[0] - first[0], s.drive_mm[1] - first[1]], chord) / long;
        let middle: Vec<&Sample> = samples.iter().filter(|s| (TRIM..=1.0 - TRIM).contains(&part(s))).collect();
        if middle.len() < 5 {
            return Some(Line { through: first, along: chord });
        }
        let n = middle.len() as f64;
        let mean = |axis: usize| middle.iter().map(|s| s.drive_mm[axis]).sum::<f64>() / n;
        let through = [mean(0), mean(1)];
        // Least squares of the offset across the chord: the angle to the chord is small.
        let (mut uu, mut uv) = (0.0, 0.0);
        for sample in &middle {
            let from = [sample.drive_mm[0] - through[0], sample.drive_mm[1] - through[1]];
            let u = dot(from, chord);
            uu += u * u;
            uv += u * cross(chord, from);
        }
        let slope = uv / uu;
        let along = unit([chord[0] - slope * chord[1], chord[1] + slope * chord[0]])?;
        let line = Line { through, along };
        let sag = |from: f64, to: f64| {
            let of = middle.iter().filter(|s| (from..to).contains(&part(s))).map(|s| line.across(s.drive_mm));
            let (count, sum) = of.fold((0.0, 0.0), |(count, sum), v| (count + 1.0, sum + v));
            if count > 0.0 { sum / count } else { 0.0 }
        };
        let third = (1.0 - 2.0 * TRIM) / 3.0;
        let ends = (sag(TRIM, TRIM + third) + sag(1.0 - TRIM - third, 1.0 - TRIM + 1e-9)) / 2.0;
        let bow = sag(TRIM + third, 1.0 - TRIM - third) - ends;
        (bow.abs() <= SAG_MM).then_some(line)
    }

    /// Signed distance to the right of the line.
    fn across(&self, point: [f64; 2]) -> f64 {
        -cross(self.along, [point[0] - self.through[0], point[1] - self.through[1]])
    }

    fn part(&self, point: [f64; 2]) -> f64 {
        dot(self.along, [point[0] - self.through[0], point[1] - self.through[1]])
    }

    fn at(&self, part: f64) -> [f64; 2] {
        [self.through[0] + part * self.along[0], self.through[1] + part * self.along[1]]
    }

    /// The corner in which two walls meet, if they do so near their ends.
    fn meet(&self, next: &Line, next_samples: &[Sample], samples: &[Sample]) -> Option<[f64; 2]> {
        let turn = cross(self.along, next.along);
        if turn.abs() < 0.02 {
            return None;
        }
        let between = [next.through[0] - self.through[0], next.through[1] - self.through[1]];
        let corner = self.at(cross(between, next.along) / turn);
        let near = |s: &Sample| (s.drive_mm[0] - corner[0]).hypot(s.drive_mm[1] - corner[1]) <= LONGEST_BEND_MM;
        (samples.last().is_some_and(near) && next_samples.first().is_some_and(near)).then_some(corner)
    }
}

struct Wall {
    line: Line,
    samples: Vec<Sample>,
    start: Option<[f64; 2]>,
}

impl Wall {
    fn emit(self, end: Option<[f64; 2]>, wall: u32, chain: u32, out: &mut Vec<WallPoint>) {
        let line = self.line;
        let right = [line.along[1], -line.along[0]];
        let start_part = self.start.map(|c| line.part(c));
        let end_part = end.map(|c| line.part(c));
        // The corner is passed when the motors are past it along this wall.
        let passed = |part: f64| {
            let after = |s: &&Sample| line.part(s.drive_mm) >= part;
            self.samples.iter().find(after).or(self.samples.last()).map_or(0, |s| s.at_ns)
        };
        let (started, ended) = (start_part.map(passed), end_part.map(passed));
        let seconds = |a: u64, b: u64| (a as f64 - b as f64) * 1e-9;
        let mut settling = Settling { settled: start_part.is_none(), side: None };
        // The same seen from the end: before that the motors are on the line.
        let mut leaving = Settling { settled: false, side: None };
        let mut leaves = self.samples.len();
        while leaves > 0 && !leaving.settled {
            leaves -= 1;
            leaving.look_at(line.across(self.samples[leaves].drive_mm));
        }
        for (i, sample) in self.samples.iter().enumerate() {
            if started.is_some_and(|t| sample.at_ns >= t) {
                settling.look_at(line.across(sample.drive_mm));
            }
            let part = line.part(sample.nozzle_mm);
            out.push(WallPoint {
                at_ns: sample.at_ns,
                nozzle_mm: sample.nozzle_mm,
                z_mm: sample.z_mm,
                ideal_mm: line.at(part),
                right,
                deviation_um: line.across(sample.nozzle_mm) * 1e3,
                wall,
                chain,
                from_corner_mm: start_part.map_or(f64::INFINITY, |start| part - start),
                since_corner_s: started.map_or(f64::INFINITY, |t| seconds(sample.at_ns, t)),
                until_corner_s: ended.map_or(f64::INFINITY, |t| seconds(t, sample.at_ns)),
                settled: settling.settled && leaving.settled && i <= leaves,
                corner_mm: self.start,
                straight: true,
                feature: sample.feature,
            });
        }
    }
}

/// Watches the motors come onto the line of a wall: near it, or over to its other side.
struct Settling {
    settled: bool,
    side: Option<bool>,
}

impl Settling {
    fn look_at(&mut self, across_mm: f64) {
        let side = across_mm > 0.0;
        self.settled |= across_mm.abs() <= SETTLED_MM || self.side.is_some_and(|before| before != side);
        self.side = Some(side);
    }
}

fn length(samples: &[Sample]) -> f64 {
    let step = |p: &[Sample]| (p[1].drive_mm[0] - p[0].drive_mm[0]).hypot(p[1].drive_mm[1] - p[0].drive_mm[1]);
    samples.windows(2).map(step).sum()
}

fn dot(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

fn cross(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}

fn unit(v: [f64; 2]) -> Option<[f64; 2]> {
    let long = v[0].hypot(v[1]);
    (long > 1e-9).then(|| [v[0] / long, v[1] / long])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples at 1 kHz of a path, at constant speed.
    fn drive(path: impl Fn(f64) -> [f64; 2], long: f64, off: impl Fn(f64, [f64; 2]) -> [f64; 2]) -> Vec<WallPoint> {
        let (mut walls, mut out) = (Walls::default(), Vec::new());
        let mut s = 0.0;
        while s < long {
            let drive_mm = path(s);
            let by = off(s, drive_mm);
            let nozzle_mm = [drive_mm[0] + by[0], drive_mm[1] + by[1]];
            let at_ns = (s * 1e7).round() as u64;
            walls.push(Sample { at_ns, drive_mm, nozzle_mm, z_mm: 0.2, feature: 1 }, &mut out);
            s += 0.1;
        }
        walls.end(&mut out);
        out
    }

    fn square(s: f64) -> [f64; 2] {
        match s % 80.0 {
            s if s < 20.0 => [s, 0.0],
            s if s < 40.0 => [20.0, s - 20.0],
            s if s < 60.0 => [60.0 - s, 20.0],
            s => [0.0, 80.0 - s],
        }
    }

    #[test]
    fn a_square_has_four_walls_and_its_corners() {
        let points = drive(square, 79.95, |_, _| [0.0, 0.0]);
        assert_eq!(points.iter().map(|p| p.wall).max(), Some(3));
        assert!(points.iter().all(|p| p.deviation_um.abs() < 1e-6 && p.straight));
        let corners: Vec<_> = (1..4).map(|w| points.iter().find(|p| p.wall == w).unwrap().corner_mm.unwrap()).collect();
        for (corner, expected) in corners.iter().zip([[20.0, 0.0], [20.0, 20.0], [0.0, 20.0]]) {
            assert!((corner[0] - expected[0]).hypot(corner[1] - expected[1]) < 1e-6, "{corner:?}");
        }
    }

    #[test]
    fn every_sample_is_on_one_wall_in_the_order_of_time() {
        let points = drive(square, 79.95, |_, _| [0.0, 0.0]);
        assert_eq!(points.len(), 800);
        assert!(points.windows(2).all(|p| p[1].at_ns > p[0].at_ns));
    }

    #[test]
    fn deviation_is_positive_to_the_right() {
        // Counter-clockwise: the right is outwards.
        let points = drive(square, 79.95, |_, p| [(p[0] - 10.0) * 0.001, (p[1] - 10.0) * 0.001]);
        for wall in 0..4 {
            let middle = points.iter().filter(|p| p.wall == wall).nth(100).unwrap();
            assert!((middle.deviation_um - 10.0).abs() < 1e-6, "{middle:?}");
        }
    }

    #[test]
    fn what_is_settled_is_no_part_of_a_rounding() {
        // A long wall that ends in a bend of 2 mm radius, and nothing straight behind it: no corner to count from.
        let (r, bend) = (2.0, 2.0 * 0.6);
        let path = |s: f64| match s {
            s if s < 20.0 => [s, 0.0],
            s => [20.0 + r * ((s - 20.0) / r).sin(), r * (1.0 - ((s - 20.0) / r).cos())],
        };
        let points = drive(path, 20.0 + bend, |_, _| [0.0, 0.0]);
        let off = |p: &&WallPoint| p.straight && p.deviation_um.abs() > 1e3 * SETTLED_MM;
        assert!(points.iter().any(|p| off(&p)), "the end of the wall is rounded");
        assert!(points.iter().filter(off).all(|p| !p.settled));
        assert!(points.iter().filter(|p| p.settled).count() > 150);
    }

    #[test]
    fn a_rounded_corner_counts_as_deviation() {
        // Corner at (20, 0) rounded with a radius of 0.5 mm: the arc is 0.5 * (sqrt(2) - 1) mm from the corner.
        let r = 0.5;
        let quarter = r * std::f64::consts::FRAC_PI_2;
        let path = move |s: f64| {
            let straight = 20.0 - r;
            if s < straight {
                [s, 0.0]
            } else if s < straight + quarter {
                let a = (s - straight) / r;
                [straight + r * a.sin(), r - r * a.cos()]
            } else {
                [20.0, r + s - straight - quarter]
            }
        };
        let points = drive(path, 39.0, |_, _| [0.0, 0.0]);
        assert!(points.iter().all(|p| p.straight));
        assert_eq!(points.iter().map(|p| p.wall).max(), Some(1));
        let worst = points.iter().map(|p| -p.deviation_um).fold(0.0, f64::max);
        // At the bisector the arc is 0.146 mm from either wall.
        assert!((worst - r * (1.0 - 0.5f64.sqrt()) * 1e3).abs() < 15.0, "{worst}");
        let far = points.iter().filter(|p| p.from_corner_mm.is_finite() && p.from_corner_mm > 1.0);
        assert!(far.map(|p| p.deviation_um.abs()).fold(0.0, f64::max) < 0.5);
    }

    #[test]
    fn a_circle_has_no_walls_and_no_scallops() {
        for r in [3.0, 20.0, 90.0] {
            let path = move |s: f64| [r * (s / r).cos(), r * (s / r).sin()];
            let points = drive(path, 6.0 * r, |_, p| [p[0] / r * 0.02, p[1] / r * 0.02]);
            assert!(points.iter().all(|p| !p.straight), "radius {r}");
            assert!(points.iter().all(|p| (p.deviation_um - 20.0).abs() < 0.5), "radius {r}");
        }
    }
}
