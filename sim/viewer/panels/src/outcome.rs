//! What a change of settings does: a piece of the run before and after, in figures and curves.

use drydock_view_model::{Channel, ColourBy, Document, Settings};
use std::ops::Range;

/// A piece of the run, as it was and with other settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TuningResult {
    /// What was simulated, such as "0.4 s around 12.345 s".
    pub what: String,
    /// The settings of `after`.
    pub settings: Settings,
    pub before: Outcome,
    pub after: Outcome,
    /// Wall time that the simulation took.
    pub wall_s: f64,
}

/// What a piece of the run looked like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The same ones before and after; less is better.
    pub figures: Vec<Figure>,
    /// Those that have the same name before and after are drawn over each other.
    pub curves: Vec<Curve>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    /// With its unit, such as "Peak off the wall, µm".
    pub name: String,
    pub value: f64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    pub name: String,
    pub unit: String,
    /// Of what it is drawn over: s or mm, from the beginning of the piece.
    pub over: &'static str,
    pub points: Vec<[f64; 2]>,
}

/// More points than a plot has columns say nothing more.
const MOST_POINTS: usize = 4000;

impl Outcome {
    /// Of moves: lines `first` to `last` of the recording's own numbers.
    pub fn of_moves(doc: &mut Document, first: u32, last: u32) -> Outcome {
        let range = lines(doc, first, last);
        let mut outcome = Outcome::default();
        let deviation = deviation(doc, &range);
        let peak_um = deviation.iter().map(|p| p[1].abs()).fold(0.0, f64::max);
        let mean = deviation.iter().map(|p| p[1] * p[1]).sum::<f64>() / deviation.len().max(1) as f64;
        outcome.figure("Peak off the wall, µm", peak_um);
        outcome.figure("RMS off the wall, µm", mean.sqrt());
        outcome.figure("Time, s", (range.end - range.start) as f64 * 1e-9);
        outcome.curves.push(Curve { name: "Off the wall".into(), unit: "µm".into(), over: "mm", points: deviation });
        let [x, y] = [0, 1].map(|axis| doc.series(Channel::TrueVelocity(axis), range.clone(), MOST_POINTS));
        // Both axes have their samples at the same times unless points were left out.
        let speed = x.iter().map(|p| [p[0], p[1].hypot(crate::plots::value_at(&y, p[0]).unwrap_or(0.0))]).collect();
        outcome.over_time("Speed", "mm/s", speed);
        let pressure = doc.series(Channel::Pressure, range, MOST_POINTS);
        outcome.over_time("Melt pressure", "MPa", pressure);
        outcome
    }

    /// Of one heater from cold to its target.
    pub fn of_heat_up(doc: &mut Document, heater: &str, target_c: f64) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(index) = doc.header().heaters.iter().position(|name| name == heater) else { return outcome };
        let heater = u8::try_from(index).unwrap_or(u8::MAX);
        let range = doc.span_ns();
        let temperature = doc.series(Channel::Temperature(heater), range.clone(), MOST_POINTS);
        let start_s = range.start as f64 * 1e-9;
        let reached = temperature.iter().find(|p| p[1] >= target_c - 1.0).map_or(f64::NAN, |p| p[0] - start_s);
        let highest = temperature.iter().map(|p| p[1]).fold(f64::NEG_INFINITY, f64::max);
        outcome.figure("Overshoot, °C", (highest - target_c).max(0.0));
        outcome.figure("Within 1 °C after, s", reached);
        outcome.over_time("Temperature", "°C", temperature);
        outcome.over_time("Duty", "%", doc.series(Channel::Duty(heater), range, MOST_POINTS));
        outcome
    }

    fn figure(&mut self, name: &str, value: f64) {
        self.figures.push(Figure { name: name.into(), value });
    }

    fn over_time(&mut self, name: &str, unit: &str, mut points: Vec<[f64; 2]>) {
        let Some(start_s) = points.first().map(|p| p[0]) else { return };
        points.iter_mut().for_each(|p| p[0] -= start_s);
        self.curves.push(Curve { name: name.into(), unit: unit.into(), over: "s", points });
    }
}

/// From the begin of the first line to the end of the last; lines that are not there leave out nothing.
fn lines(doc: &Document, first: u32, last: u32) -> Range<u64> {
    let timeline = doc.timeline();
    let span_ns = doc.span_ns();
    let begin = |number: u32| {
        let line = (0..timeline.line_count()).find_map(|i| timeline.line(i).filter(|l| l.line_no >= number));
        line.map(|l| l.at_ns)
    };
    let start = begin(first).unwrap_or(span_ns.start);
    start..begin(last.saturating_add(1)).unwrap_or(span_ns.end).max(start)
}

/// Deviation over the way along the beads.
fn deviation(doc: &mut Document, range: &Range<u64>) -> Vec<[f64; 2]> {
    let values = doc.values(ColourBy::Deviation).to_vec();
    let part = doc.part();
    let beads = part.first_from(range.start).min(values.len())..part.first_from(range.end).min(values.len());
    let mut way_mm = 0.0;
    let mut points = Vec::new();
    for (bead, value) in beads.clone().zip(&values[beads]) {
        let length_mm = f64::from(part.bead(bead).length_mm());
        if value.is_finite() {
            points.push([way_mm + length_mm / 2.0, f64::from(*value)]);
        }
        way_mm += length_mm;
    }
    points
}
