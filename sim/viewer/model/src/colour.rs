//! What the part is coloured by: one value a bead.

use crate::deviation::Deviations;
use crate::document::Document;
use crate::legend::{Legend, Map, percentiles};
use crate::part::{BeadRecord, Part};
use crate::stream::{AnyReader, Stream, share};
use drydock_recording::{Bead, Row};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum ColourBy {
    /// Outer wall, infill, ...: numbers of `drydock_recording::Bead::FEATURE_...`.
    Feature,
    /// Of the true nozzle along the bead.
    Speed,
    /// Of the planned move, before shaping; negative where it slows down.
    Acceleration,
    /// Volume of the bead over its time.
    Flow,
    /// Of the melt at the nozzle.
    Pressure,
    /// Of the melt.
    Temperature,
    /// Of the true nozzle from the wall it should have drawn, to the right of its way.
    Deviation,
    /// What is left of the torque of the motor that has least.
    TorqueMargin,
    Tool,
    /// Time that its layer took.
    LayerTime,
}

impl ColourBy {
    pub const ALL: [ColourBy; 10] = [
        ColourBy::Feature,
        ColourBy::Speed,
        ColourBy::Acceleration,
        ColourBy::Flow,
        ColourBy::Pressure,
        ColourBy::Temperature,
        ColourBy::Deviation,
        ColourBy::TorqueMargin,
        ColourBy::Tool,
        ColourBy::LayerTime,
    ];

    pub fn title(self) -> &'static str {
        match self {
            ColourBy::Feature => "Feature",
            ColourBy::Speed => "Speed",
            ColourBy::Acceleration => "Acceleration",
            ColourBy::Flow => "Flow",
            ColourBy::Pressure => "Melt pressure",
            ColourBy::Temperature => "Melt temperature",
            ColourBy::Deviation => "Deviation",
            ColourBy::TorqueMargin => "Torque margin",
            ColourBy::Tool => "Tool",
            ColourBy::LayerTime => "Layer time",
        }
    }

    /// As it is written on a command line and in a link.
    pub fn word(self) -> &'static str {
        match self {
            ColourBy::Feature => "feature",
            ColourBy::Speed => "speed",
            ColourBy::Acceleration => "acceleration",
            ColourBy::Flow => "flow",
            ColourBy::Pressure => "pressure",
            ColourBy::Temperature => "temperature",
            ColourBy::Deviation => "deviation",
            ColourBy::TorqueMargin => "torque-margin",
            ColourBy::Tool => "tool",
            ColourBy::LayerTime => "layer-time",
        }
    }

    pub fn of_word(word: &str) -> Option<ColourBy> {
        ColourBy::ALL.into_iter().find(|by| by.word() == word)
    }

    /// Empty for what is only named.
    pub fn unit(self) -> &'static str {
        match self {
            ColourBy::Feature | ColourBy::Tool => "",
            ColourBy::Speed => "mm/s",
            ColourBy::Acceleration => "mm/s²",
            ColourBy::Flow => "mm³/s",
            ColourBy::Pressure => "MPa",
            ColourBy::Temperature => "°C",
            ColourBy::Deviation => "µm",
            ColourBy::TorqueMargin => "%",
            ColourBy::LayerTime => "s",
        }
    }

    pub fn map(self) -> Map {
        match self {
            ColourBy::Feature | ColourBy::Tool => Map::Categories,
            ColourBy::Deviation | ColourBy::Acceleration => Map::Diverging,
            ColourBy::TorqueMargin => Map::Cividis,
            _ => Map::Viridis,
        }
    }

    /// A legend for these values. `clip` are the shares of all beads, such as `[0.02, 0.98]`, between which the map runs.
    pub fn legend(self, values: &[f32], clip: [f32; 2]) -> Legend {
        let [mut low, mut high] = percentiles(values, clip).unwrap_or([0.0, 1.0]);
        if self.map() == Map::Diverging {
            high = high.abs().max(low.abs());
            low = -high;
        }
        if high <= low {
            (low, high) = (low - 0.5, low + 0.5);
        }
        let mut seen = [false; Bead::FEATURES.len()];
        if self.map() == Map::Categories {
            values.iter().filter(|v| **v >= 0.0).for_each(|v| seen[*v as usize % seen.len()] = true);
        }
        const TOOLS: [&str; 9] = ["T0", "T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8"];
        let names = if self == ColourBy::Tool { TOOLS } else { Bead::FEATURES };
        let categories = (0..).zip(names).zip(seen).filter(|(_, seen)| *seen).map(|(named, _)| named).collect();
        Legend { title: self.title(), unit: self.unit(), map: self.map(), low, high, categories }
    }
}

/// Values that have been worked out.
#[derive(Default)]
pub(crate) struct Colours {
    known: BTreeMap<ColourBy, Vec<f32>>,
    acceleration: Follow,
    pressure: Follow,
    torque: Follow,
    deviations: Deviations,
}

impl Document {
    /// One value a bead, in [`ColourBy::unit`]; not a number where there is none. The first call may have to read a whole
    /// stream; after that, and after a refresh, only what is new is looked at.
    pub fn values(&mut self, by: ColourBy) -> &[f32] {
        self.prepare_values(by, usize::MAX);
        self.colours.known.get(&by).map(Vec::as_slice).unwrap_or_default()
    }

    /// Does a piece of the work for [`Document::values`]: reads so many blocks of the recording at most. Gives the share
    /// that is done; when it is 1 nothing is left to be read.
    pub fn prepare_values(&mut self, by: ColourBy, blocks: usize) -> f32 {
        let mut colours = std::mem::take(&mut self.colours);
        let mut values = colours.known.remove(&by).unwrap_or_default();
        let share = self.bring_up_to_date(by, blocks, &mut colours, &mut values);
        colours.known.insert(by, values);
        self.colours = colours;
        share
    }

    fn bring_up_to_date(&mut self, by: ColourBy, most: usize, colours: &mut Colours, values: &mut Vec<f32>) -> f32 {
        let finished = self.is_finished();
        let (part, timeline, reader, streams) = self.parts();
        let from = values.len();
        match by {
            ColourBy::Feature => values.extend(part.beads()[from..].iter().map(|b| f32::from(b.feature))),
            ColourBy::Temperature => values.extend(part.beads()[from..].iter().map(BeadRecord::temperature_c)),
            ColourBy::Speed => values.extend((from..part.len()).map(|i| speed(part, i))),
            ColourBy::Flow => values.extend((from..part.len()).map(|i| part.bead(i).section_mm2() * speed(part, i))),
            ColourBy::Tool => values.extend((from..part.len()).map(|i| f32::from(timeline.tool_at(part.start_ns(i))))),
            ColourBy::LayerTime => {
                // The newest layer grows, and with it the values of all its beads.
                values.clear();
                for layer in timeline.layers() {
                    let seconds = (layer.span_ns.end - layer.span_ns.start) as f64 * 1e-9;
                    values.resize(layer.beads.end, seconds as f32);
                }
                values.resize(part.len(), f32::NAN);
            }
            ColourBy::Acceleration => {
                let phase = |m: &drydock_recording::Move| m.accel_mm_s2 as f32;
                return colours.acceleration.go_on(most, reader, &mut streams.moves, part, finished, phase, values);
            }
            ColourBy::Pressure => {
                let pressure = |e: &drydock_recording::Extrusion| e.pressure_mpa as f32;
                return colours.pressure.go_on(most, reader, &mut streams.extrusions, part, finished, pressure, values);
            }
            ColourBy::TorqueMargin => {
                return colours.torque.go_on(most, reader, &mut streams.loads, part, finished, torque_margin, values);
            }
            ColourBy::Deviation => {
                return colours.deviations.go_on(most, reader, &mut streams.states, part, finished, values);
            }
        }
        1.0
    }
}

fn speed(part: &Part, bead: usize) -> f32 {
    part.bead(bead).length_mm() / (part.duration_ns(bead).max(1) as f32 * 1e-9)
}

/// A motor's torque goes with the sine of its load angle, and is all used at 90 degrees; percent.
fn torque_margin(load: &drydock_recording::Load) -> f32 {
    let angle = load.load_angle_deg.abs().min(90.0).to_radians();
    (100.0 * (1.0 - angle.sin())) as f32
}

/// Gives each bead the value of a stream in its middle: that of the last row at or before it, the least where several
/// rows have the same time.
#[derive(Default)]
struct Follow {
    block: usize,
    before: Option<(u64, f32)>,
    /// Beads whose value does not change any more.
    settled: usize,
}

impl Follow {
    /// Reads at most so many blocks; gives the share that is done.
    #[expect(clippy::too_many_arguments, reason = "what is read, and what it is held against, come apart")]
    fn go_on<R: Row>(
        &mut self,
        most: usize,
        reader: &mut AnyReader,
        stream: &mut Stream<R>,
        part: &Part,
        finished: bool,
        value: impl Fn(&R) -> f32,
        values: &mut Vec<f32>,
    ) -> f32 {
        values.truncate(self.settled);
        let ready = stream.over_by(self.block, if finished { u64::MAX } else { part.known_ns() });
        for _ in 0..ready.min(most) {
            for row in stream.read(reader, self.block) {
                let (at_ns, value) = (row.at_ns(), value(&row));
                match &mut self.before {
                    Some((before_ns, least)) if *before_ns == at_ns => *least = least.min(value),
                    before => {
                        let until = |i: &usize| part.middle_ns(*i) < at_ns;
                        while values.len() < part.len() && until(&values.len()) {
                            values.push(before.map_or(value, |(_, v)| v));
                        }
                        *before = Some((at_ns, value));
                    }
                }
            }
            self.block += 1;
        }
        self.settled = values.len();
        values.resize(part.len(), self.before.map_or(f32::NAN, |(_, v)| v));
        share(self.block, ready - ready.min(most))
    }
}
