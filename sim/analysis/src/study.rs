//! Everything the report shows, gathered from one or two recordings.
//!
//! A recording is walked twice: once for figures and curves of the whole run, once for the picture of one layer. What is
//! kept does not grow with the run: curves are kept a pair of extremes a pixel, the layer at the picture's resolution.

use crate::series::Envelope;
use crate::wall::{STILL_NS, Tracer, WallPoint};
use drydock_recording::{Bead, Command, End, Error, Event, Extrusion, Header, Load, Reader, State, Thermal};
use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::ops::Range;

/// What to look at.
#[derive(Clone, Debug)]
pub struct Options {
    /// The layer to show; the one that rings most where it is not given.
    pub z_mm: Option<f64>,
    /// Ringing is what is left this long after a corner, and not before the motors follow the wall.
    pub settle_s: f64,
    /// Pairs of extremes in a curve.
    pub columns: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { z_mm: None, settle_s: 0.010, columns: 800 }
    }
}

/// One or two runs, looked at in the same way.
#[derive(Clone, Debug)]
pub struct Study {
    pub runs: Vec<RunStudy>,
    /// Height of the layer that is shown.
    pub z_mm: f64,
    /// End of the colour scale: a round number not below the first run's peak.
    pub scale_um: f64,
    /// The corner after which the first run rings most.
    pub corner: Option<Corner>,
}

/// A corner of a wall, and the wall that leaves it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corner {
    pub at_mm: [f64; 2],
    pub z_mm: f64,
    pub along: [f64; 2],
    pub at_ns: u64,
}

/// What one recording shows.
#[derive(Clone, Debug)]
pub struct RunStudy {
    /// What tells this run from the other, such as "shaper off".
    pub label: String,
    pub header: Header,
    pub end: Option<End>,
    /// Set where the recording is cut off: how much of it could be read.
    pub cut_off: Option<String>,
    pub span_s: (f64, f64),
    pub ringing: Ringing,
    pub layers: usize,
    pub heaters: Vec<HeaterCurves>,
    pub velocity_mm_s: Envelope,
    pub flow_mm3_s: Envelope,
    pub pressure_mpa: Envelope,
    pub motors: Vec<MotorCurve>,
    pub events: Vec<Event>,
    pub events_left_out: u64,
    /// The layer seen from above.
    pub view: Vec<ViewPoint>,
    /// Deviation along the wall that leaves the corner.
    pub profile: Vec<ProfilePoint>,
    /// What the motors and the melt do around the corner.
    pub around: Option<Around>,
}

/// A short time around the passing of the corner, in seconds from it.
#[derive(Clone, Debug)]
pub struct Around {
    pub corner_s: f64,
    pub velocity_mm_s: Envelope,
    pub flow_mm3_s: Envelope,
    pub pressure_mpa: Envelope,
}

/// How much the walls ring.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ringing {
    /// Greatest deviation after a corner.
    pub peak_um: f64,
    /// Root of the mean square over the 50 ms after every corner.
    pub rms_um: f64,
    pub samples: u64,
    /// Only outer walls were looked at; false where the recording does not tell them apart.
    pub outer_walls: bool,
    /// There was no corner: the figures are those of curved walls.
    pub curves_only: bool,
}

#[derive(Clone, Debug)]
pub struct HeaterCurves {
    pub name: String,
    pub measured_c: Envelope,
    pub true_c: Envelope,
    pub target_c: Envelope,
    pub duty: Envelope,
}

#[derive(Clone, Debug)]
pub struct MotorCurve {
    pub name: String,
    pub load_angle_deg: Envelope,
    pub lost_steps: i32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ViewPoint {
    pub nozzle_mm: [f64; 2],
    pub ideal_mm: [f64; 2],
    pub right: [f64; 2],
    pub deviation_um: f64,
    pub chain: u32,
    pub wall: u32,
    /// Not infill: coloured by deviation.
    pub coloured: bool,
    pub corner_mm: Option<[f64; 2]>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProfilePoint {
    pub from_corner_mm: f64,
    pub deviation_um: f64,
    pub at_ns: u64,
}

/// Points of the picture of a layer: at 1 point a pixel more cannot be seen.
const VIEW_POINTS: f64 = 1500.0;
const AROUND_NS: u64 = 200_000_000;
const RINGING_WINDOW_S: f64 = 0.05;
const MOST_EVENTS: usize = 200;
/// Closer to the corner than this the bead itself is round.
const NEAREST_MM: f64 = 0.3;

impl Study {
    /// Looks at the recordings; the first one decides which layer and which corner are shown.
    pub fn of<S: Read + Seek>(runs: &mut [(&str, &mut Reader<S>)], options: &Options) -> Result<Study, Error> {
        let mut surveys = Vec::new();
        for (label, reader) in runs.iter_mut() {
            surveys.push(survey(label, reader, options)?);
        }
        let tally = surveys.first().map(|(_, layers)| layers.tally()).unwrap_or_default();
        let worst = tally.worst;
        let shown = surveys.first().and_then(|(_, layers)| layers.key(options.z_mm, worst));
        let z_mm = options.z_mm.or(worst.map(|p| p.z_mm)).unwrap_or(0.0);
        let in_layer = |p: &WallPoint| surveys.first().is_some_and(|(_, layers)| Some(layers.key_of(p)) == shown);
        let corner = worst.filter(in_layer).and_then(|p| {
            let along = [-p.right[1], p.right[0]];
            Some(Corner { at_mm: p.corner_mm?, z_mm: p.z_mm, along, at_ns: p.at_ns })
        });
        let mut study = Study { runs: Vec::new(), z_mm, scale_um: round_up(tally.peak_um), corner };
        for ((_, reader), (mut run, layers)) in runs.iter_mut().zip(surveys) {
            if let Some(layer) = shown.and_then(|key| layers.layers.get(&key)) {
                let is_in = |p: &WallPoint| Some(layers.key_of(p)) == shown;
                look_at_layer(reader, layer, is_in, corner, run.ringing.outer_walls, &mut run)?;
                if let Some(first) = run.profile.first() {
                    run.around = Some(around(reader, first.at_ns, options.columns)?);
                }
            }
            study.runs.push(run);
        }
        Ok(study)
    }
}

/// The least of 1, 2, 5 times a power of ten that is not below the value.
pub(crate) fn round_up(value: f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|s| s * power).find(|v| *v >= value * 0.999_999).unwrap_or(10.0 * power)
}

/// Whether a line says, as slicers do in comments, that a layer begins.
pub fn begins_layer(line: &str) -> bool {
    let Some(comment) = line.strip_prefix(';') else { return false };
    let comment = comment.trim();
    comment == "LAYER_CHANGE"
        || comment == "CHANGE_LAYER"
        || comment.strip_prefix("LAYER:").is_some_and(|n| n.parse::<i64>().is_ok())
        || comment.starts_with("layer ") && comment.contains("Z =")
}

#[derive(Clone, Debug)]
struct Layer {
    /// Where it begins; a mesh bends it.
    z_mm: f64,
    first_ns: u64,
    last_ns: u64,
    low: [f64; 2],
    high: [f64; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    peak_um: f64,
    sum_squares: f64,
    samples: u64,
    worst: Option<WallPoint>,
}

impl Tally {
    fn add(&mut self, point: &WallPoint) {
        self.samples += 1;
        self.sum_squares += point.deviation_um * point.deviation_um;
        if point.deviation_um.abs() > self.peak_um {
            self.peak_um = point.deviation_um.abs();
            self.worst = Some(*point);
        }
    }
}

/// What the first walk finds about walls. Outer walls and corners count where there are any.
#[derive(Default)]
struct Layers {
    /// When the layers begin that the slicer names.
    starts_ns: Vec<u64>,
    layers: BTreeMap<i64, Layer>,
    outer_corners: Tally,
    outer_curves: Tally,
    corners: Tally,
    curves: Tally,
}

impl Layers {
    /// The layer of a point: the slicer's; by height, 0.02 mm apart, where the program does not name its layers. Both are
    /// bounded by the height of the machine, also where z rises all the time.
    fn key_of(&self, point: &WallPoint) -> i64 {
        match self.starts_ns.is_empty() {
            true => (point.z_mm * 50.0).round() as i64,
            false => self.starts_ns.partition_point(|from_ns| *from_ns <= point.at_ns) as i64,
        }
    }

    /// The layer to show: the one at a height, or the worst point's.
    fn key(&self, z_mm: Option<f64>, worst: Option<WallPoint>) -> Option<i64> {
        let Some(z_mm) = z_mm else { return worst.map(|p| self.key_of(&p)) };
        let off_mm = |layer: &Layer| (layer.z_mm - z_mm).abs();
        let nearest = self.layers.iter().min_by(|a, b| off_mm(a.1).total_cmp(&off_mm(b.1)))?;
        Some(*nearest.0)
    }

    fn add(&mut self, point: &WallPoint, settle_s: f64) {
        let p = point.nozzle_mm;
        let fresh = || Layer { z_mm: point.z_mm, first_ns: point.at_ns, last_ns: point.at_ns, low: p, high: p };
        let layer = self.layers.entry(self.key_of(point)).or_insert_with(fresh);
        layer.last_ns = point.at_ns;
        layer.low = [layer.low[0].min(p[0]), layer.low[1].min(p[1])];
        layer.high = [layer.high[0].max(p[0]), layer.high[1].max(p[1])];
        let outer = point.feature == Bead::FEATURE_OUTER_WALL;
        if !point.straight {
            self.curves.add(point);
            if outer {
                self.outer_curves.add(point);
            }
        } else if rings(point, settle_s) {
            self.corners.add(point);
            if outer {
                self.outer_corners.add(point);
            }
        }
    }

    fn tally(&self) -> Tally {
        let by_worth = [self.outer_corners, self.outer_curves, self.corners, self.curves];
        by_worth.into_iter().find(|t| t.samples > 0).unwrap_or_default()
    }

    fn ringing(&self) -> Ringing {
        let tally = self.tally();
        let outer_walls = self.outer_corners.samples + self.outer_curves.samples > 0;
        let corners = if outer_walls { self.outer_corners } else { self.corners };
        Ringing {
            peak_um: tally.peak_um,
            rms_um: if tally.samples > 0 { (tally.sum_squares / tally.samples as f64).sqrt() } else { 0.0 },
            samples: tally.samples,
            outer_walls,
            curves_only: corners.samples == 0,
        }
    }
}

/// Whether what is seen here is ringing: after the corner has been rounded, before the next one.
pub fn rings(point: &WallPoint, settle_s: f64) -> bool {
    point.settled
        && (settle_s..settle_s + RINGING_WINDOW_S).contains(&point.since_corner_s)
        && point.until_corner_s >= settle_s
        && point.from_corner_mm >= NEAREST_MM
}

/// The first walk.
fn survey<S: Read + Seek>(label: &str, reader: &mut Reader<S>, options: &Options) -> Result<(RunStudy, Layers), Error> {
    let (first_ns, last_ns) = reader.span_ns().unwrap_or((0, 1));
    let span_s = (first_ns as f64 * 1e-9, last_ns.max(first_ns + 1) as f64 * 1e-9);
    let curve = || Envelope::new(span_s.0, span_s.1, options.columns);
    let mut layers = Layers::default();
    for command in reader.rows::<Command>(0..u64::MAX) {
        let command = command?;
        if begins_layer(&command.text) {
            layers.starts_ns.push(command.at_ns);
        }
    }
    let mut velocity_mm_s = curve();
    let mut before: Option<State> = None;
    walk(
        reader,
        0..u64::MAX,
        |point| layers.add(point, options.settle_s),
        |state| {
            if let Some(before) = &before {
                speed(before, state, 0.0, &mut velocity_mm_s);
            }
            before = Some(state.clone());
        },
    )?;
    let mut run = RunStudy {
        label: label.to_owned(),
        header: reader.header().clone(),
        end: reader.end().cloned(),
        cut_off: reader.recovery().map(|r| format!("{} of {} bytes: {}", r.good_bytes, r.file_bytes, r.cause)),
        span_s,
        ringing: layers.ringing(),
        layers: layers.layers.len(),
        heaters: Vec::new(),
        velocity_mm_s,
        flow_mm3_s: curve(),
        pressure_mpa: curve(),
        motors: Vec::new(),
        events: Vec::new(),
        events_left_out: 0,
        view: Vec::new(),
        profile: Vec::new(),
        around: None,
    };
    heaters(reader, &curve, &mut run)?;
    motors(reader, &curve, &mut run)?;
    for row in reader.all::<Extrusion>() {
        let row = row?;
        run.flow_mm3_s.push(row.at_ns as f64 * 1e-9, row.flow_mm3_s);
        run.pressure_mpa.push(row.at_ns as f64 * 1e-9, row.pressure_mpa);
    }
    for row in reader.all::<Event>() {
        let row = row?;
        if run.events.len() < MOST_EVENTS {
            run.events.push(row);
        } else {
            run.events_left_out += 1;
        }
    }
    Ok((run, layers))
}

fn speed(before: &State, state: &State, zero_s: f64, curve: &mut Envelope) {
    let (from_s, to_s) = (before.at_ns as f64 * 1e-9 - zero_s, state.at_ns as f64 * 1e-9 - zero_s);
    let gap_ns = state.at_ns.saturating_sub(before.at_ns);
    if gap_ns == 0 {
        return;
    }
    if gap_ns > STILL_NS {
        curve.push(from_s, 0.0);
        curve.push(to_s, 0.0);
        return;
    }
    let squares = before.drive_mm.iter().zip(&state.drive_mm).map(|(a, b)| (b - a) * (b - a));
    curve.push(to_s, squares.sum::<f64>().sqrt() / (to_s - from_s));
}

fn heaters<S: Read + Seek>(
    reader: &mut Reader<S>,
    curve: &impl Fn() -> Envelope,
    run: &mut RunStudy,
) -> Result<(), Error> {
    let names = run.header.heaters.clone();
    for row in reader.all::<Thermal>() {
        let row = row?;
        let at_s = row.at_ns as f64 * 1e-9;
        let heater = usize::from(row.heater);
        while run.heaters.len() <= heater {
            let i = run.heaters.len();
            let name = names.get(i).cloned().unwrap_or_else(|| format!("heater {i}"));
            let (measured_c, true_c, target_c, duty) = (curve(), curve(), curve(), curve());
            run.heaters.push(HeaterCurves { name, measured_c, true_c, target_c, duty });
        }
        let curves = &mut run.heaters[heater];
        curves.measured_c.push(at_s, row.measured_c);
        curves.true_c.push(at_s, row.true_c);
        curves.target_c.push(at_s, row.target_c);
        curves.duty.push(at_s, row.duty);
    }
    Ok(())
}

fn motors<S: Read + Seek>(
    reader: &mut Reader<S>,
    curve: &impl Fn() -> Envelope,
    run: &mut RunStudy,
) -> Result<(), Error> {
    let names = run.header.motors.clone();
    for row in reader.all::<Load>() {
        let row = row?;
        let motor = usize::from(row.motor);
        while run.motors.len() <= motor {
            let i = run.motors.len();
            let name = names.get(i).cloned().unwrap_or_else(|| format!("motor {i}"));
            run.motors.push(MotorCurve { name, load_angle_deg: curve(), lost_steps: 0 });
        }
        let motor = &mut run.motors[motor];
        motor.load_angle_deg.push(row.at_ns as f64 * 1e-9, row.load_angle_deg);
        motor.lost_steps = row.lost_steps;
    }
    Ok(())
}

/// The second walk.
fn look_at_layer<S: Read + Seek>(
    reader: &mut Reader<S>,
    layer: &Layer,
    is_in: impl Fn(&WallPoint) -> bool,
    corner: Option<Corner>,
    outer_walls: bool,
    run: &mut RunStudy,
) -> Result<(), Error> {
    let (wide, high) = (layer.high[0] - layer.low[0], layer.high[1] - layer.low[1]);
    let spacing = wide.hypot(high) / VIEW_POINTS;
    let range = layer.first_ns.saturating_sub(1_000_000_000)..layer.last_ns.saturating_add(1_000_000_000);
    let (view, profile) = (&mut run.view, &mut run.profile);
    let mut profile_chain = None;
    let mut last: Option<ViewPoint> = None;
    walk(
        reader,
        range,
        |p| {
            if !is_in(p) {
                return;
            }
            if let Some(corner) = corner.filter(|c| leaves(p, c)) {
                // A layer may pass the corner more than once, as inner and outer walls do: the nearest pass counts first.
                if *profile_chain.get_or_insert(p.chain) == p.chain {
                    let from_corner_mm = dot(sub(p.nozzle_mm, corner.at_mm), corner.along);
                    profile.push(ProfilePoint { from_corner_mm, deviation_um: p.deviation_um, at_ns: p.at_ns });
                }
            }
            let coloured = !outer_walls || p.feature == Bead::FEATURE_OUTER_WALL;
            let point = ViewPoint {
                nozzle_mm: p.nozzle_mm,
                ideal_mm: p.ideal_mm,
                right: p.right,
                deviation_um: p.deviation_um,
                chain: p.chain,
                wall: p.wall,
                coloured,
                corner_mm: p.corner_mm,
            };
            let near = |l: &ViewPoint| {
                l.chain == p.chain && l.wall == p.wall && l.coloured == coloured && {
                    let d = sub(p.nozzle_mm, l.nozzle_mm);
                    d[0].hypot(d[1]) < spacing
                }
            };
            if !last.as_ref().is_some_and(near) {
                view.push(point);
                last = Some(point);
            }
        },
        |_| {},
    )
}

/// Looks closely at the time around a corner.
fn around<S: Read + Seek>(reader: &mut Reader<S>, corner_ns: u64, columns: usize) -> Result<Around, Error> {
    let range = corner_ns.saturating_sub(AROUND_NS)..corner_ns.saturating_add(AROUND_NS);
    let corner_s = corner_ns as f64 * 1e-9;
    let half_s = AROUND_NS as f64 * 1e-9;
    let curve = || Envelope::new(-half_s, half_s, columns / 2);
    let mut seen = Around { corner_s, velocity_mm_s: curve(), flow_mm3_s: curve(), pressure_mpa: curve() };
    let mut before: Option<State> = None;
    for state in reader.rows::<State>(range.clone()) {
        let state = state?;
        if let Some(before) = &before {
            speed(before, &state, corner_s, &mut seen.velocity_mm_s);
        }
        before = Some(state);
    }
    for row in reader.rows::<Extrusion>(range) {
        let row = row?;
        let at_s = row.at_ns as f64 * 1e-9 - corner_s;
        seen.flow_mm3_s.push(at_s, row.flow_mm3_s);
        seen.pressure_mpa.push(at_s, row.pressure_mpa);
    }
    Ok(seen)
}

/// Whether a point is on the wall that leaves the corner.
fn leaves(point: &WallPoint, corner: &Corner) -> bool {
    let along = [-point.right[1], point.right[0]];
    let same_corner = |at: [f64; 2]| {
        let d = sub(at, corner.at_mm);
        d[0].hypot(d[1]) < 0.1
    };
    point.corner_mm.is_some_and(same_corner) && dot(along, corner.along) > 0.999
}

/// Walks over the states of a range of time; hands on every state, and every point of a wall, some states later.
fn walk<S: Read + Seek>(
    reader: &mut Reader<S>,
    range: Range<u64>,
    mut on_point: impl FnMut(&WallPoint),
    mut on_state: impl FnMut(&State),
) -> Result<(), Error> {
    let mut states = reader.cursor::<State>(range.clone());
    let mut beads = reader.cursor::<Bead>(range);
    let has_beads = reader.row_count::<Bead>() > 0;
    let mut bead = beads.next(reader)?;
    let mut before: Option<State> = None;
    let (mut tracer, mut points) = (Tracer::default(), Vec::new());
    while let Some(state) = states.next(reader)? {
        on_state(&state);
        while bead.as_ref().is_some_and(|b| b.end_ns() <= state.at_ns) {
            bead = beads.next(reader)?;
        }
        let under = bead.as_ref().filter(|b| b.at_ns <= state.at_ns);
        let pushes = || before.as_ref().is_some_and(|b| state.e_mm > b.e_mm);
        let extruding = if has_beads { under.is_some() } else { pushes() };
        let feature = extruding.then(|| under.map_or(Bead::FEATURE_UNKNOWN, |b| b.feature));
        tracer.push(&state, feature, &mut points);
        points.drain(..).for_each(|p| on_point(&p));
        before = Some(state);
    }
    tracer.end(&mut points);
    points.iter().for_each(on_point);
    Ok(())
}

fn sub(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] - b[0], a[1] - b[1]]
}

fn dot(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slicers_name_their_layers_each_in_its_way() {
        for line in [";LAYER_CHANGE", "; CHANGE_LAYER", ";LAYER:12", ";LAYER:-2", "; layer 3, Z = 0.600"] {
            assert!(begins_layer(line), "{line}");
        }
        for line in ["G1 Z0.2", ";LAYER_COUNT:40", ";LAYER:x", "; layer_height = 0.2", ";TYPE:Skirt", "LAYER:1"] {
            assert!(!begins_layer(line), "{line}");
        }
    }

    #[test]
    fn scales_end_on_round_numbers() {
        assert_eq!(round_up(61.3), 80.0);
        assert_eq!(round_up(20.0), 20.0);
        assert_eq!(round_up(0.034), 0.04);
        assert_eq!(round_up(0.0), 1.0);
        assert_eq!(round_up(f64::NAN), 1.0);
    }
}
