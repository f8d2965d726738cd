//! Curves of the plots from the rows of the recording: exact where few rows are looked at, from an overview where many.
//!
//! An overview keeps of every [`BUCKET`] points of a channel the least and the greatest. It is made for all channels of a
//! stream in one walk, when one of them is first looked at from afar, and goes on from there as the file grows.

use crate::channel::Channel;
use crate::document::Document;
use crate::stream::{AnyReader, Stream, share};
use drydock_analysis::wall::STILL_NS;
use drydock_recording::{Accel, Chip, Extrusion, Load, Move, Queue, Row, State, Thermal};
use std::ops::Range;

/// Points of an overview's bucket.
const BUCKET: u32 = 32;
/// Rows that are read for one curve; where there are more, the overview is taken.
const MOST_ROWS: u64 = 40_000;

/// What the curves of the whole run are drawn from.
#[derive(Default)]
pub(crate) struct Overviews {
    moves: Overview,
    states: Overview,
    thermals: Overview,
    extrusions: Overview,
    loads: Overview,
    accels: Overview,
    queues: Overview,
}

#[derive(Default)]
struct Overview {
    block: usize,
    slopes: Slopes,
    curves: Vec<(Channel, Vec<Bucket>)>,
    /// The curve after the one that had the last point: rows hand on their channels in the same order each time.
    next: usize,
}

impl Overview {
    fn add(&mut self, channel: Channel, point: [f64; 2]) {
        if self.curves.get(self.next).is_none_or(|(c, _)| *c != channel) {
            self.next = self.curves.iter().position(|(c, _)| *c == channel).unwrap_or(self.curves.len());
            if self.next == self.curves.len() {
                self.curves.push((channel, Vec::new()));
            }
        }
        Bucket::add(&mut self.curves[self.next].1, point);
        self.next = (self.next + 1) % self.curves.len();
    }

    fn curve(&self, channel: Channel) -> &[Bucket] {
        self.curves.iter().find(|(c, _)| *c == channel).map(|(_, curve)| curve.as_slice()).unwrap_or_default()
    }
}

/// The least and the greatest of some points, in the order of time.
#[derive(Clone, Copy)]
struct Bucket {
    points: u32,
    ends: [[f64; 2]; 2],
}

impl Bucket {
    fn add(curve: &mut Vec<Bucket>, point: [f64; 2]) {
        let Some(bucket) = curve.last_mut().filter(|b| b.points < BUCKET) else {
            curve.push(Bucket { points: 1, ends: [point; 2] });
            return;
        };
        bucket.points += 1;
        let [a, b] = bucket.ends;
        let (low, high) = if a[1] <= b[1] { (a, b) } else { (b, a) };
        let (low, high) = (if point[1] < low[1] { point } else { low }, if point[1] > high[1] { point } else { high });
        bucket.ends = if low[0] <= high[0] { [low, high] } else { [high, low] };
    }
}

impl Document {
    /// The curve in a range of time as (seconds, value), in [`Channel::unit`]: at most so many points, of which the least
    /// and the greatest are kept wherever points are left out. One point on either side of the range comes with it, so
    /// that a line is drawn to its edge.
    pub fn series(&mut self, channel: Channel, range: Range<u64>, max_points: usize) -> Vec<[f64; 2]> {
        self.series_so_far(channel, range, max_points, usize::MAX).0
    }

    /// As [`Document::series`], but reads so many blocks for the overview at most: as much of the curve as is known, and
    /// the share of the overview that has been read. When that is 1 the curve is whole.
    pub fn series_so_far(
        &mut self,
        channel: Channel,
        range: Range<u64>,
        max_points: usize,
        blocks: usize,
    ) -> (Vec<[f64; 2]>, f32) {
        use Channel::*;
        let chips = self.header().chips.clone();
        let Document { streams, reader, overviews, .. } = self;
        let mut curve = Curve { channel, range, most: blocks, chips: &chips, reader };
        let (points, share) = match channel {
            CommandedPosition(_) | CommandedVelocity(_) | CommandedAcceleration(_) => {
                curve.of(&mut streams.moves, &mut overviews.moves)
            }
            DrivePosition(_) | DriveVelocity(_) | DriveAcceleration(_) | TruePosition(_) | TrueVelocity(_)
            | TrueAcceleration(_) | Displacement(_) => curve.of(&mut streams.states, &mut overviews.states),
            Temperature(_) | TrueTemperature(_) | Target(_) | Duty(_) => {
                curve.of(&mut streams.thermals, &mut overviews.thermals)
            }
            Pressure | Flow => curve.of(&mut streams.extrusions, &mut overviews.extrusions),
            LoadAngle(_) => curve.of(&mut streams.loads, &mut overviews.loads),
            Accelerometer { .. } => curve.of(&mut streams.accels, &mut overviews.accels),
            QueueDepth(_) => curve.of(&mut streams.queues, &mut overviews.queues),
        };
        (thin(curve.cut(points), max_points), share)
    }
}

struct Curve<'a> {
    channel: Channel,
    range: Range<u64>,
    /// Blocks that may be read for an overview.
    most: usize,
    chips: &'a [Chip],
    reader: &'a mut AnyReader,
}

impl Curve<'_> {
    fn of<R: Curves>(&mut self, stream: &mut Stream<R>, overview: &mut Overview) -> (Vec<[f64; 2]>, f32) {
        let blocks = stream.blocks_in(&self.range);
        if stream.rows_of(blocks.clone()) > MOST_ROWS {
            let share = self.overview(stream, overview);
            let buckets = overview.curve(self.channel);
            let ends = buckets.iter().flat_map(|b| if b.points > 1 { &b.ends[..] } else { &b.ends[..1] });
            return (ends.copied().collect(), share);
        }
        // The blocks beside it, for the points on either side of the range.
        let blocks = blocks.start.saturating_sub(1)..(blocks.end + 1).min(stream.blocks());
        let mut points = Vec::new();
        let mut slopes = Slopes::default();
        stream.for_blocks(self.reader, blocks, |row| {
            row.curves(&mut slopes, self.chips, &mut |channel, point| {
                if channel == self.channel {
                    points.push(point);
                }
            });
        });
        (points, 1.0)
    }

    /// Reads on; gives the share that is done.
    fn overview<R: Curves>(&mut self, stream: &mut Stream<R>, overview: &mut Overview) -> f32 {
        let until = overview.block.saturating_add(self.most).min(stream.blocks());
        while overview.block < until {
            let mut slopes = std::mem::take(&mut overview.slopes);
            for row in stream.read(self.reader, overview.block) {
                row.curves(&mut slopes, self.chips, &mut |channel, point| overview.add(channel, point));
            }
            overview.slopes = slopes;
            overview.block += 1;
        }
        share(overview.block, stream.blocks() - overview.block)
    }

    /// The points of the range, and one on either side.
    fn cut(&self, mut points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
        let (start_s, end_s) = (self.range.start as f64 * 1e-9, self.range.end as f64 * 1e-9);
        let first = points.partition_point(|p| p[0] < start_s).saturating_sub(1);
        let last = (points.partition_point(|p| p[0] < end_s) + 1).min(points.len());
        points.truncate(last);
        points.drain(..first.min(points.len()));
        points
    }
}

/// A row that curves are drawn from.
trait Curves: Row {
    /// Hands on the points of all channels that the row has a part in.
    fn curves(&self, slopes: &mut Slopes, chips: &[Chip], emit: &mut impl FnMut(Channel, [f64; 2]));
}

fn point(at_ns: u64, value: f64) -> [f64; 2] {
    [at_ns as f64 * 1e-9, value]
}

impl Curves for Move {
    fn curves(&self, _: &mut Slopes, _: &[Chip], emit: &mut impl FnMut(Channel, [f64; 2])) {
        let way: [f64; 3] = std::array::from_fn(|i| self.end_mm[i] - self.start_mm[i]);
        let long = way.iter().map(|v| v * v).sum::<f64>().sqrt();
        let end_ns = self.at_ns.saturating_add(self.duration_ns);
        let end_v_mm_s = self.start_v_mm_s + self.accel_mm_s2 * self.duration_ns as f64 * 1e-9;
        for axis in 0..3 {
            let i = usize::from(axis);
            let share = if long > 0.0 { way[i] / long } else { 0.0 };
            let ends = [
                (self.at_ns, self.start_mm[i], self.start_v_mm_s * share),
                (end_ns, self.end_mm[i], end_v_mm_s * share),
            ];
            for (at_ns, place, velocity) in ends {
                emit(Channel::CommandedPosition(axis), point(at_ns, place));
                emit(Channel::CommandedVelocity(axis), point(at_ns, velocity));
                emit(Channel::CommandedAcceleration(axis), point(at_ns, self.accel_mm_s2 * share));
            }
        }
    }
}

impl Curves for State {
    fn curves(&self, slopes: &mut Slopes, _: &[Chip], emit: &mut impl FnMut(Channel, [f64; 2])) {
        for axis in 0..3 {
            let i = usize::from(axis);
            let (drive, nozzle) = (self.drive_mm[i], self.nozzle_mm[i]);
            emit(Channel::DrivePosition(axis), point(self.at_ns, drive));
            emit(Channel::TruePosition(axis), point(self.at_ns, nozzle));
            emit(Channel::Displacement(axis), point(self.at_ns, (nozzle - drive) * 1e3));
            type OfAxis = fn(u8) -> Channel;
            let of: [(f64, OfAxis, OfAxis); 2] = [
                (drive, Channel::DriveVelocity, Channel::DriveAcceleration),
                (nozzle, Channel::TrueVelocity, Channel::TrueAcceleration),
            ];
            for (k, (place, velocity, acceleration)) in of.into_iter().enumerate() {
                let [first, second] = &mut slopes.0[i * 2 + k];
                let Some((at_ns, v)) = first.of(self.at_ns, place) else { continue };
                emit(velocity(axis), point(at_ns, v));
                if let Some((at_ns, a)) = second.of(at_ns, v) {
                    emit(acceleration(axis), point(at_ns, a));
                }
            }
        }
    }
}

impl Curves for Thermal {
    fn curves(&self, _: &mut Slopes, _: &[Chip], emit: &mut impl FnMut(Channel, [f64; 2])) {
        let at = |value| point(self.at_ns, value);
        emit(Channel::Temperature(self.heater), at(self.measured_c));
        emit(Channel::TrueTemperature(self.heater), at(self.true_c));
        emit(Channel::Target(self.heater), at(self.target_c));
        emit(Channel::Duty(self.heater), at(self.duty * 100.0));
    }
}

impl Curves for Extrusion {
    fn curves(&self, _: &mut Slopes, _: &[Chip], emit: &mut impl FnMut(Channel, [f64; 2])) {
        emit(Channel::Pressure, point(self.at_ns, self.pressure_mpa));
        emit(Channel::Flow, point(self.at_ns, self.flow_mm3_s));
    }
}

impl Curves for Load {
    fn curves(&self, _: &mut Slopes, _: &[Chip], emit: &mut impl FnMut(Channel, [f64; 2])) {
        emit(Channel::LoadAngle(self.motor), point(self.at_ns, self.load_angle_deg));
    }
}

impl Curves for Accel {
    fn curves(&self, _: &mut Slopes, chips: &[Chip], emit: &mut impl FnMut(Channel, [f64; 2])) {
        let mm_s2 = chips.get(usize::from(self.chip)).cloned().unwrap_or_default().mm_s2(self.raw);
        for (axis, value) in (0..3).zip(mm_s2) {
            emit(Channel::Accelerometer { chip: self.chip, axis }, point(self.at_ns, value));
        }
    }
}

impl Curves for Queue {
    fn curves(&self, _: &mut Slopes, _: &[Chip], emit: &mut impl FnMut(Channel, [f64; 2])) {
        emit(Channel::QueueDepth(self.mcu), point(self.at_ns, f64::from(self.depth)));
    }
}

/// First and second differences: for each axis those of the drive and those of the nozzle.
#[derive(Default)]
struct Slopes([[Slope; 2]; 6]);

/// Differences between samples, in the middle between them; none over a gap.
#[derive(Default)]
struct Slope {
    before: Option<(u64, f64)>,
}

impl Slope {
    fn of(&mut self, at_ns: u64, value: f64) -> Option<(u64, f64)> {
        let (before_ns, before) = self.before.replace((at_ns, value))?;
        let gap_ns = at_ns.checked_sub(before_ns).filter(|gap| (1..=STILL_NS).contains(gap))?;
        Some((before_ns + gap_ns / 2, (value - before) / (gap_ns as f64 * 1e-9)))
    }
}

/// At most `max_points` of the points, at their own times: of each stretch the least and the greatest.
fn thin(points: Vec<[f64; 2]>, max_points: usize) -> Vec<[f64; 2]> {
    let max_points = max_points.max(2);
    if points.len() <= max_points {
        return points;
    }
    let stretch = points.len().div_ceil(max_points / 2);
    let mut thinned = Vec::with_capacity(max_points);
    for piece in points.chunks(stretch) {
        let by_value = |a: &usize, b: &usize| piece[*a][1].total_cmp(&piece[*b][1]);
        let low = (0..piece.len()).min_by(by_value).unwrap_or(0);
        let high = (0..piece.len()).max_by(by_value).unwrap_or(0);
        thinned.push(piece[low.min(high)]);
        if low != high {
            thinned.push(piece[low.max(high)]);
        }
    }
    thinned
}
