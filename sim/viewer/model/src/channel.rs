//! The curves of the plots.

use crate::document::Document;
use drydock_recording::Header;

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
}
