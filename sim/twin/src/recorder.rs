//! Turns what happens in the twin into rows of the recording.
//!
//! Position is sampled at the twin's sample rate while something moves and not at all while nothing does; temperatures a few
//! times a second; beads, events, lines and pin changes as they come.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Write;
use std::rc::Rc;

use drydock_host::host::Host;
use drydock_host::printer::{Output, State as HostState};
use drydock_host::toolhead::PlannedMove;
use drydock_plant::drive::Moves;
use drydock_plant::{Event as PlantEvent, EventKind, Machine, Truth};
use drydock_recording::{
    Accel, Bead, Command, Console, End, Error, Event, Extrusion, Fan, Header, Load, Move, Pin, Queue, State, Thermal,
    Writer,
};

use crate::bench::Bench;
use crate::world::Twin;

/// Distance of the samples of temperature, fans and loads.
const SLOW_NS: u64 = 250_000_000;
/// Nothing has moved if no coordinate changed by more than this, mm.
const STILL_MM: f64 = 1e-6;

pub struct Recorder {
    writer: Writer<Box<dyn Write>>,
    next_slow_ns: u64,
    last: [f64; 7],
    was_still: bool,
    last_fans: Vec<f64>,
    beads: Vec<drydock_plant::Bead>,
    events: Vec<PlantEvent>,
    feature: u8,
    /// What is printed from a time on, where it is known already.
    features: VecDeque<(u64, u8)>,
    /// When the last line begins to move something.
    line_ns: u64,
    /// What the host has planned since the last sample.
    moves: Rc<RefCell<Vec<Move>>>,
    /// Lines whose moves have not come yet: when they begin, number.
    lines: VecDeque<(u64, u32)>,
    line_no: u32,
    truth: Truth,
    extruder_motor: Option<usize>,
    filament_mm2: f64,
}

impl Recorder {
    pub fn new(to: Box<dyn Write>, header: Header, machine: &Machine) -> Result<Recorder, Error> {
        let filament_mm = machine.extruders.first().map_or(1.75, |e| e.filament_mm);
        Ok(Recorder {
            extruder_motor: machine.motors.iter().position(|m| m.moves == Moves::Extruder(0)),
            filament_mm2: std::f64::consts::PI * filament_mm * filament_mm / 4.0,
            writer: Writer::new(to, header)?,
            next_slow_ns: 0,
            last: [f64::NAN; 7],
            was_still: false,
            last_fans: Vec::new(),
            beads: Vec::new(),
            events: Vec::new(),
            feature: Bead::FEATURE_UNKNOWN,
            features: VecDeque::new(),
            line_ns: 0,
            moves: Rc::default(),
            lines: VecDeque::new(),
            line_no: 0,
            truth: Truth::default(),
        })
    }

    /// Listens to the moves that the twin's host plans; to be called anew when another host has taken its place.
    pub fn watch(&mut self, twin: &Twin) {
        let (moves, clock) = (self.moves.clone(), twin.host.printer().main_mcu().downgrade());
        twin.host.printer().toolhead().observe(move |print_time, planned| {
            if let Some(clock) = clock.upgrade() {
                phases(planned, clock.print_time_to_eventtime(print_time), &mut moves.borrow_mut());
            }
        });
    }

    /// A sample at the bench's present time, with what the host believes where there is a host.
    pub fn sample(&mut self, bench: &mut Bench, host: Option<&Host>) -> Result<(), Error> {
        let at_ns = bench.now_ns();
        bench.plant.truth_into(&mut self.truth);
        let truth = &self.truth;
        let e_mm = self.extruder_motor.and_then(|i| truth.motors.get(i)).map_or(0.0, |m| m.commanded_mm);
        let (d, n) = (truth.drive_mm, truth.nozzle_mm);
        let now = [d[0], d[1], d[2], n[0], n[1], n[2], e_mm];
        let still = now.iter().zip(&self.last).all(|(a, b)| (a - b).abs() <= STILL_MM);
        if !still || !self.was_still {
            self.writer.push(State { at_ns, drive_mm: d, nozzle_mm: n, e_mm })?;
            self.writer.push(Extrusion {
                at_ns,
                pressure_mpa: truth.pressure_n.first().copied().unwrap_or(0.0) / self.filament_mm2,
                flow_mm3_s: truth.flow_mm3_s.first().copied().unwrap_or(0.0),
            })?;
        }
        self.was_still = still;
        self.last = now;
        self.drain(bench)?;
        if at_ns >= self.next_slow_ns {
            self.next_slow_ns = at_ns - at_ns % SLOW_NS + SLOW_NS;
            self.slow_sample(bench, host, at_ns)?;
            self.steps(bench)?;
        }
        Ok(())
    }

    fn slow_sample(&mut self, bench: &Bench, host: Option<&Host>, at_ns: u64) -> Result<(), Error> {
        for (i, name) in bench.heater_names.iter().enumerate() {
            let believed = host.and_then(|host| host.heater(name)).unwrap_or_default();
            self.writer.push(Thermal {
                at_ns,
                heater: i as u8,
                measured_c: believed.measured_c,
                true_c: self.truth.heaters.get(i).map_or(0.0, |h| h.body_c),
                target_c: believed.target_c,
                duty: believed.duty,
            })?;
        }
        for (motor, m) in self.truth.motors.iter().enumerate() {
            let load_angle_deg = m.load_angle_rad.to_degrees();
            self.writer.push(Load {
                at_ns,
                motor: motor as u8,
                load_angle_deg,
                lost_steps: m.lost_full_steps as i32,
            })?;
        }
        for mcu in 0..bench.mcu_names().count() {
            self.writer.push(Queue { at_ns, mcu: mcu as u8, depth: u32::from(bench.moves_waiting(mcu)) })?;
        }
        for (fan, speed) in bench.loom.fan_duty.iter().enumerate() {
            if self.last_fans.get(fan) != Some(speed) {
                self.writer.push(Fan { at_ns, fan: fan as u8, speed: *speed })?;
            }
        }
        self.last_fans.clone_from(&bench.loom.fan_duty);
        Ok(())
    }

    /// Runs of steps end here, so that those of all motors come in the order of time.
    fn steps(&mut self, bench: &mut Bench) -> Result<(), Error> {
        let Some(log) = &mut bench.loom.step_log else { return Ok(()) };
        log.take().try_for_each(|run| self.writer.push(run))
    }

    /// Takes what has gathered since the last time.
    fn drain(&mut self, bench: &mut Bench) -> Result<(), Error> {
        self.beads.clear();
        bench.plant.take_beads(&mut self.beads);
        for bead in &self.beads {
            while let Some((_, feature)) = self.features.pop_front_if(|(from_ns, _)| *from_ns <= bead.start_ns) {
                self.feature = feature;
            }
            self.writer.push(Bead {
                at_ns: bead.start_ns,
                duration_ns: bead.end_ns.saturating_sub(bead.start_ns),
                from_mm: bead.start_mm,
                to_mm: bead.end_mm,
                width_mm: bead.width_mm,
                height_mm: bead.height_mm,
                temperature_c: bead.melt_c,
                feature: self.feature,
            })?;
        }
        for planned in self.moves.take() {
            while let Some((_, number)) = self.lines.pop_front_if(|(from_ns, _)| *from_ns <= planned.at_ns) {
                self.line_no = number;
            }
            self.writer.push(Move { line_no: self.line_no, ..planned })?;
        }
        self.events.clear();
        bench.plant.take_events(&mut self.events);
        for event in &self.events {
            let (severity, text) = describe(&event.kind);
            self.writer.push(Event { at_ns: event.at_ns, severity, source: "plant".into(), text })?;
        }
        for (at_ns, mcu, pin, value) in bench.loom.pin_log.drain(..) {
            self.writer.push(Pin { at_ns, pin: pin | (mcu as u16) << 12, value })?;
        }
        for (at_ns, chip, raw) in bench.loom.accel_log.drain(..) {
            self.writer.push(Accel { at_ns, chip, raw })?;
        }
        Ok(())
    }

    /// What the host said.
    pub fn output(&mut self, at_ns: u64, output: &Output) -> Result<(), Error> {
        match output {
            Output::Console(text) => self.writer.push(Console { at_ns, text: text.clone() }),
            Output::Line { begins_s, offset, number, text } => {
                self.line_ns = self.line_ns.max((begins_s * 1e9) as u64);
                self.lines.push_back((self.line_ns, *number));
                if let Some(feature) = feature_of(text) {
                    self.features.push_back((self.line_ns, feature));
                }
                self.writer.push(Command { at_ns: self.line_ns, line_no: *number, offset: *offset, text: text.clone() })
            }
            Output::State(HostState::Shutdown(message) | HostState::Error(message)) => {
                let text = message.lines().next().unwrap_or_default().to_string();
                self.writer.push(Event { at_ns, severity: Event::ERROR, source: "host".into(), text })
            }
            _ => Ok(()),
        }
    }

    /// What the plant did since the sample before the last.
    pub fn events(&self) -> &[PlantEvent] {
        &self.events
    }

    /// Puts what is kept so far where somebody who reads the file meanwhile finds it.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.writer.flush()
    }

    pub fn finish(mut self, bench: &mut Bench, end: &End) -> Result<(), Error> {
        self.drain(bench)?;
        self.steps(bench)?;
        self.writer.finish(end).map(drop)
    }
}

/// The phases of a move that begins at `at_s`: speed up, cruise, slow down.
fn phases<P>(planned: &PlannedMove<P>, at_s: f64, out: &mut Vec<Move>) {
    let (from, ratio) = (planned.mv.start_pos, planned.mv.axes_r);
    let (mut at_s, mut way_mm) = (at_s, 0.0);
    let accel = planned.mv.accel;
    for (seconds, start_v_mm_s, accel_mm_s2) in [
        (planned.accel_t, planned.start_v, accel),
        (planned.cruise_t, planned.cruise_v, 0.0),
        (planned.decel_t, planned.cruise_v, -accel),
    ] {
        let length_mm = (start_v_mm_s + 0.5 * accel_mm_s2 * seconds) * seconds;
        let place = |way_mm: f64| std::array::from_fn(|i| from[i] + ratio[i] * way_mm);
        if seconds > 0.0 {
            out.push(Move {
                at_ns: (at_s * 1e9) as u64,
                duration_ns: (seconds * 1e9) as u64,
                start_mm: place(way_mm),
                end_mm: place(way_mm + length_mm),
                start_v_mm_s,
                accel_mm_s2,
                e_mm: ratio[3] * length_mm,
                line_no: 0,
            });
        }
        at_s += seconds;
        way_mm += length_mm;
    }
}

/// The features that slicers name in comments.
fn feature_of(line: &str) -> Option<u8> {
    let comment = line.strip_prefix(';')?.trim();
    let name = comment.strip_prefix("TYPE:").or_else(|| comment.strip_prefix("FEATURE:"))?.trim().to_lowercase();
    const NAMES: [(&str, u8); 21] = [
        ("external perimeter", Bead::FEATURE_OUTER_WALL),
        ("overhang perimeter", Bead::FEATURE_OUTER_WALL),
        ("wall-outer", Bead::FEATURE_OUTER_WALL),
        ("outer wall", Bead::FEATURE_OUTER_WALL),
        ("perimeter", Bead::FEATURE_INNER_WALL),
        ("internal perimeter", Bead::FEATURE_INNER_WALL),
        ("wall-inner", Bead::FEATURE_INNER_WALL),
        ("inner wall", Bead::FEATURE_INNER_WALL),
        ("internal infill", Bead::FEATURE_INFILL),
        ("fill", Bead::FEATURE_INFILL),
        ("sparse infill", Bead::FEATURE_INFILL),
        ("solid infill", Bead::FEATURE_SOLID),
        ("skin", Bead::FEATURE_SOLID),
        ("internal solid infill", Bead::FEATURE_SOLID),
        ("top solid infill", Bead::FEATURE_TOP),
        ("top surface", Bead::FEATURE_TOP),
        ("bridge infill", Bead::FEATURE_BRIDGE),
        ("bridge", Bead::FEATURE_BRIDGE),
        ("skirt", Bead::FEATURE_SKIRT),
        ("skirt/brim", Bead::FEATURE_SKIRT),
        ("support material", Bead::FEATURE_SUPPORT),
    ];
    Some(NAMES.iter().find(|(n, _)| *n == name).map_or(Bead::FEATURE_UNKNOWN, |(_, f)| *f))
}

/// An event of the plant in words, and how bad it is.
pub fn describe(kind: &EventKind) -> (u8, String) {
    match kind {
        EventKind::LostSteps { motor, full_steps } => {
            (Event::ERROR, format!("motor {motor} lost steps: {full_steps} full steps in all"))
        }
        EventKind::NozzleHitBed { depth_mm, force_n } => {
            (Event::ERROR, format!("the nozzle hit the bed: {depth_mm:.3} mm deep, {force_n:.0} N"))
        }
        EventKind::HitEndOfTravel { axis, force_n } => {
            (Event::ERROR, format!("axis {} ran into its end with {force_n:.0} N", ["X", "Y", "Z"][*axis % 3]))
        }
        EventKind::NozzleHitPart { at_mm: p, force_n } => (
            Event::WARNING,
            format!("the nozzle hit the part at {:.1}, {:.1}, {:.2} mm with {force_n:.1} N", p[0], p[1], p[2]),
        ),
        EventKind::PartKnockedLoose { force_n } => (Event::ERROR, format!("the part came loose at {force_n:.1} N")),
        EventKind::PartAtRest { moved_mm: m } => {
            (Event::INFO, format!("the loose part rests, moved by {:.1}, {:.1}, {:.1} mm", m[0], m[1], m[2]))
        }
        EventKind::ColdExtrusion { extruder, melt_c } => {
            (Event::WARNING, format!("extruder {extruder} pushes filament at {melt_c:.0} degrees C: too cold to melt"))
        }
        EventKind::FilamentSlips { extruder, force_n } => {
            (Event::WARNING, format!("the gear of extruder {extruder} slips on the filament at {force_n:.0} N"))
        }
    }
}
