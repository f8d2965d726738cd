//! The curves of the plots.

use crate::document::Document;
use drydock_analysis::wall::STILL_NS;
use drydock_recording::{Header, State};
use std::ops::Range;

/// One curve. Axes are 0, 1, 2 for x, y, z; heaters, motors, chips and micro-controllers count as in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Of the plan, before shaping.
    CommandedPosition(u8),
    CommandedVelocity(u8),
    CommandedAcceleration(u8),
    /// Where the steps put the toolhead.
    DrivePosition(u8),
    DriveVelocity(u8),
    DriveAcceleration(u8),
    /// Of the nozzle.
    TruePosition(u8),
    TrueVelocity(u8),
    TrueAcceleration(u8),
    /// Nozzle against drive.
    Displacement(u8),
    /// What a chip on the toolhead measures.
    Accelerometer {
        chip: u8,
        axis: u8,
    },
    /// What the host believes.
    Temperature(u8),
    TrueTemperature(u8),
    Target(u8),
    Duty(u8),
    Pressure,
    Flow,
    /// Electrical; pull-out at 90 degrees.
    LoadAngle(u8),
    QueueDepth(u8),
}

impl Channel {
    pub fn unit(self) -> &'static str {
        use Channel::*;
        match self {
            CommandedPosition(_) | DrivePosition(_) | TruePosition(_) => "mm",
            CommandedVelocity(_) | DriveVelocity(_) | TrueVelocity(_) => "mm/s",
            CommandedAcceleration(_) | DriveAcceleration(_) | TrueAcceleration(_) | Accelerometer { .. } => "mm/s²",
            Displacement(_) => "µm",
            Temperature(_) | TrueTemperature(_) | Target(_) => "°C",
            Duty(_) => "%",
            Pressure => "MPa",
            Flow => "mm³/s",
            LoadAngle(_) => "°",
            QueueDepth(_) => "moves",
        }
    }

    pub fn title(self, header: &Header) -> String {
        use Channel::*;
        let axis = |axis: u8| ["x", "y", "z"].get(usize::from(axis)).copied().unwrap_or("?");
        let of = |names: &[String], i: u8, kind: &str| {
            names.get(usize::from(i)).cloned().unwrap_or_else(|| format!("{kind} {i}"))
        };
        match self {
            CommandedPosition(a) => format!("commanded {}", axis(a)),
            CommandedVelocity(a) => format!("commanded velocity {}", axis(a)),
            CommandedAcceleration(a) => format!("commanded acceleration {}", axis(a)),
            DrivePosition(a) => format!("drive {}", axis(a)),
            DriveVelocity(a) => format!("drive velocity {}", axis(a)),
            DriveAcceleration(a) => format!("drive acceleration {}", axis(a)),
            TruePosition(a) => format!("true {}", axis(a)),
            TrueVelocity(a) => format!("true velocity {}", axis(a)),
            TrueAcceleration(a) => format!("true acceleration {}", axis(a)),
            Displacement(a) => format!("displacement {}", axis(a)),
            Accelerometer { chip, axis: a } => {
                let chip = header.chips.get(usize::from(chip)).map_or("accelerometer", |c| c.name.as_str());
                format!("{chip} {}", axis(a))
            }
            Temperature(h) => of(&header.heaters, h, "heater"),
            TrueTemperature(h) => format!("{} (true)", of(&header.heaters, h, "heater")),
            Target(h) => format!("{} target", of(&header.heaters, h, "heater")),
            Duty(h) => format!("{} duty", of(&header.heaters, h, "heater")),
            Pressure => "melt pressure".into(),
            Flow => "flow".into(),
            LoadAngle(m) => format!("{} load angle", of(&header.motors, m, "motor")),
            QueueDepth(m) => format!("{} queue", of(&header.mcus, m, "mcu")),
        }
    }
}

impl Document {
    /// The channels that this recording has rows for.
    pub fn channels(&self) -> Vec<Channel> {
        use Channel::*;
        let (header, streams) = (self.header(), &self.streams);
        let mut all = Vec::new();
        let mut axes = |has: bool, of: &[fn(u8) -> Channel]| {
            if has {
                all.extend(of.iter().flat_map(|channel| (0..3).map(channel)));
            }
        };
        axes(!streams.moves.is_empty(), &[CommandedPosition, CommandedVelocity, CommandedAcceleration]);
        let states: [fn(u8) -> Channel; 7] = [
            DrivePosition,
            DriveVelocity,
            DriveAcceleration,
            TruePosition,
            TrueVelocity,
            TrueAcceleration,
            Displacement,
        ];
        axes(!streams.states.is_empty(), &states);
        let count = |has: bool, names: usize| if has { names as u8 } else { 0 };
        for chip in 0..count(!streams.accels.is_empty(), header.chips.len()) {
            all.extend((0..3).map(|axis| Accelerometer { chip, axis }));
        }
        for heater in 0..count(!streams.thermals.is_empty(), header.heaters.len()) {
            all.extend([Temperature(heater), TrueTemperature(heater), Target(heater), Duty(heater)]);
        }
        if !streams.extrusions.is_empty() {
            all.extend([Pressure, Flow]);
        }
        all.extend((0..count(!streams.loads.is_empty(), header.motors.len())).map(LoadAngle));
        all.extend((0..count(!streams.queues.is_empty(), header.mcus.len())).map(QueueDepth));
        all
    }

    /// The curve in a range of time as (seconds, value): at most so many points, of which the least and the greatest value
    /// are kept wherever points are left out. Values in [`Channel::unit`].
    pub fn series(&mut self, channel: Channel, range: Range<u64>, max_points: usize) -> Vec<[f64; 2]> {
        use Channel::*;
        let mut points = Points { out: Vec::new() };
        let axis = |axis: u8| usize::from(axis.min(2));
        let chips = self.header().chips.clone();
        let (_, _, reader, streams) = self.parts();
        match channel {
            CommandedPosition(a) | CommandedVelocity(a) | CommandedAcceleration(a) => {
                let a = axis(a);
                streams.moves.for_each(reader, range, |m| {
                    let way: [f64; 3] = std::array::from_fn(|i| m.end_mm[i] - m.start_mm[i]);
                    let long = way.iter().map(|v| v * v).sum::<f64>().sqrt();
                    let share = if long > 0.0 { way[a] / long } else { 0.0 };
                    let end_ns = m.at_ns.saturating_add(m.duration_ns);
                    let v = [m.start_v_mm_s, m.start_v_mm_s + m.accel_mm_s2 * m.duration_ns as f64 * 1e-9];
                    let ends = match channel {
                        CommandedPosition(_) => [m.start_mm[a], m.end_mm[a]],
                        CommandedVelocity(_) => v.map(|v| v * share),
                        _ => [m.accel_mm_s2 * share; 2],
                    };
                    points.push(m.at_ns, ends[0]);
                    points.push(end_ns, ends[1]);
                });
            }
            DrivePosition(a) => streams.states.for_each(reader, range, |s| points.push(s.at_ns, s.drive_mm[axis(a)])),
            TruePosition(a) => streams.states.for_each(reader, range, |s| points.push(s.at_ns, s.nozzle_mm[axis(a)])),
            Displacement(a) => {
                let a = axis(a);
                streams
                    .states
                    .for_each(reader, range, |s| points.push(s.at_ns, (s.nozzle_mm[a] - s.drive_mm[a]) * 1e3));
            }
            DriveVelocity(a) | DriveAcceleration(a) | TrueVelocity(a) | TrueAcceleration(a) => {
                let drive = matches!(channel, DriveVelocity(_) | DriveAcceleration(_));
                let place = |s: &State| if drive { s.drive_mm[axis(a)] } else { s.nozzle_mm[axis(a)] };
                let mut slope = Slope::default();
                let mut slope_of_slope = Slope::default();
                let twice = matches!(channel, DriveAcceleration(_) | TrueAcceleration(_));
                streams.states.for_each(reader, range, |s| {
                    let Some((at_ns, velocity)) = slope.of(s.at_ns, place(s)) else { return };
                    match twice {
                        false => points.push(at_ns, velocity),
                        true => points.extend(slope_of_slope.of(at_ns, velocity)),
                    }
                });
            }
            Accelerometer { chip, axis: a } => {
                let chip_info = chips.get(usize::from(chip)).cloned().unwrap_or_default();
                streams.accels.for_each(reader, range, |row| {
                    if row.chip == chip {
                        points.push(row.at_ns, chip_info.mm_s2(row.raw)[axis(a)]);
                    }
                });
            }
            Temperature(h) | TrueTemperature(h) | Target(h) | Duty(h) => {
                streams.thermals.for_each(reader, range, |row| {
                    if row.heater == h {
                        let value = match channel {
                            Temperature(_) => row.measured_c,
                            TrueTemperature(_) => row.true_c,
                            Target(_) => row.target_c,
                            _ => row.duty * 100.0,
                        };
                        points.push(row.at_ns, value);
                    }
                });
            }
            Pressure => streams.extrusions.for_each(reader, range, |e| points.push(e.at_ns, e.pressure_mpa)),
            Flow => streams.extrusions.for_each(reader, range, |e| points.push(e.at_ns, e.flow_mm3_s)),
            LoadAngle(motor) => streams.loads.for_each(reader, range, |row| {
                if row.motor == motor {
                    points.push(row.at_ns, row.load_angle_deg);
                }
            }),
            QueueDepth(mcu) => streams.queues.for_each(reader, range, |row| {
                if row.mcu == mcu {
                    points.push(row.at_ns, f64::from(row.depth));
                }
            }),
        }
        thin(points.out, max_points)
    }
}

struct Points {
    out: Vec<[f64; 2]>,
}

impl Points {
    fn push(&mut self, at_ns: u64, value: f64) {
        self.out.push([at_ns as f64 * 1e-9, value]);
    }

    fn extend(&mut self, point: Option<(u64, f64)>) {
        if let Some((at_ns, value)) = point {
            self.push(at_ns, value);
        }
    }
}

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
    if points.len() <= max_points.max(2) {
        return points;
    }
    let stretch = points.len().div_ceil((max_points / 2).max(1));
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
