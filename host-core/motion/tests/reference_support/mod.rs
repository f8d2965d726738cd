//! Reads the reference programs and drives the crate as a toolhead does. The configurations there are few, so they
//! are written down here rather than parsed.
#![allow(dead_code, clippy::disallowed_methods, reason = "each test binary uses its own part, and reads files")]

use drydock_motion::kinematics::extruder::ExtruderLimits;
use drydock_motion::kinematics::{ActuatorMap, AnyKinematics, Kinematics, cartesian, corexy};
use drydock_motion::lookahead::{E, LookAhead, Move, PlannedMove, VelocityLimits};
use drydock_motion::shapers::AnyShaper;
use drydock_motion::step_times::{ClockMap, StepGenerator, StepSink};
use drydock_motion::trapq::{TrapMove, TrapQ};
use std::path::PathBuf;

pub const PROGRAMS: [&str; 6] =
    ["p1_trapezoid", "p2_corner", "p3_arcpoly", "p4_extrude_pa", "p5_shaper", "p6_pa_and_shaper"];
pub const KINEMATICS: [&str; 2] = ["cartesian", "corexy"];
pub const START: [f64; 3] = [50.0, 50.0, 10.0];
pub const CLOCK_HZ: f64 = 168e6;
/// The first move of a program.
pub const FIRST_PRINT_TIME: f64 = 0.25;

const LIMITS: VelocityLimits = VelocityLimits {
    max_velocity_mm_s: 300.0,
    max_accel_mm_s2: 3000.0,
    square_corner_velocity_mm_s: 5.0,
    minimum_cruise_ratio: 0.5,
};

/// `../shared/reference/NAME` next to the workspace; `None` (with a note) where it is absent.
pub fn reference(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: no reference data at {}", path.display());
    None
}

pub fn machine(kinematics: &str) -> AnyKinematics {
    let limits =
        cartesian::BoxLimits { range_mm: [(0.0, 300.0); 3], max_z_velocity_mm_s: 25.0, max_z_accel_mm_s2: 30.0 };
    let mut k = match kinematics {
        "cartesian" => AnyKinematics::Cartesian(cartesian::Cartesian::new(limits)),
        _ => AnyKinematics::CoreXy(corexy::CoreXy::new(limits)),
    };
    k.set_homed([true; 3]);
    k
}

/// Plans a program of G0/G1/M400 with absolute XYZ and relative E. A lazy flush is asked for at each `flush_time_s`.
pub fn plan(program: &str, kinematics: &str, flush_time_s: f64) -> Vec<PlannedMove> {
    let mut machine = machine(kinematics);
    let extruder = ExtruderLimits {
        max_e_distance_mm: 500.0,
        max_extrude_ratio: 50.0 / (core::f64::consts::PI * 0.875 * 0.875),
        ..ExtruderLimits::defaults(0.4, 1.75, 300.0, 3000.0)
    };
    let mut look_ahead = LookAhead::new(flush_time_s);
    let mut planned = Vec::new();
    let mut pos = [START[0], START[1], START[2], 0.0];
    let mut speed_mm_s = 25.0;
    for line in program.lines().map(str::trim).filter(|l| l.starts_with("G1 ") || l.starts_with("G0 ")) {
        let mut end = pos;
        for word in line.split_whitespace().skip(1) {
            let value: f64 = word[1..].parse().unwrap();
            match &word[..1] {
                "X" => end[0] = value,
                "Y" => end[1] = value,
                "Z" => end[2] = value,
                "E" => end[E] = pos[E] + value,
                _ => speed_mm_s = value / 60.0,
            }
        }
        let Some(mut mv) = Move::new(&LIMITS, pos, end, speed_mm_s, ()) else { continue };
        machine.check_move(&mut mv).unwrap();
        extruder.check_move(&mut mv).unwrap();
        pos = mv.end_pos;
        if look_ahead.add_move(mv, extruder.instant_corner_v_mm_s) {
            look_ahead.flush(true, &mut planned);
        }
    }
    look_ahead.flush(false, &mut planned);
    planned
}

/// Rows of a `.trapq.csv`: queue number and move.
pub fn trap_rows(planned: &[PlannedMove]) -> Vec<(u8, TrapMove)> {
    let mut rows = Vec::new();
    let mut print_time = FIRST_PRINT_TIME;
    for p in planned {
        if p.mv.is_kinematic {
            rows.push((1, p.trap_move(print_time)));
        }
        if p.mv.axes_d[E] != 0.0 {
            rows.push((2, p.extruder_trap_move(print_time)));
        }
        print_time += p.total_t();
    }
    rows
}

/// The columns of a trapezoid as in the CSV.
pub fn columns(m: &TrapMove) -> [f64; 13] {
    let (p, r) = (m.start_pos, m.axes_r);
    let head = [m.print_time, m.accel_t, m.cruise_t, m.decel_t];
    [head[0], head[1], head[2], head[3], p[0], p[1], p[2], r[0], r[1], r[2], m.start_v, m.cruise_v, m.accel]
}

pub fn read_trap_csv(text: &str) -> Vec<(u8, TrapMove)> {
    text.lines()
        .skip(1)
        .map(|line| {
            let mut words = line.split(',');
            let queue = words.next().unwrap().parse().unwrap();
            let v: Vec<f64> = words.map(|w| w.parse().unwrap()).collect();
            let m = TrapMove {
                print_time: v[0],
                accel_t: v[1],
                cruise_t: v[2],
                decel_t: v[3],
                start_pos: [v[4], v[5], v[6]],
                axes_r: [v[7], v[8], v[9]],
                start_v: v[10],
                cruise_v: v[11],
                accel: v[12],
            };
            (queue, m)
        })
        .collect()
}

/// Bytes of a `.gz` file.
pub fn gunzip(path: &std::path::Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(bytes[..3], [0x1f, 0x8b, 8], "{} is no gzip file", path.display());
    let mut start = 10;
    // A stored file name ends with a zero.
    if bytes[3] & 8 != 0 {
        start += bytes[start..].iter().position(|&b| b == 0).unwrap() + 1;
    }
    miniz_oxide::inflate::decompress_to_vec(&bytes[start..]).unwrap()
}

/// One stepper's part of a `.steps.csv`.
#[derive(Debug, Default)]
pub struct ReferenceSteps {
    pub name: String,
    pub dirs: Vec<bool>,
    pub compressed: Vec<u64>,
    pub exact: Vec<u64>,
}

pub fn read_steps(path: &std::path::Path) -> Vec<ReferenceSteps> {
    let text = String::from_utf8(gunzip(path)).unwrap();
    let mut steppers: Vec<ReferenceSteps> = Vec::new();
    for line in text.lines().skip(1) {
        let words: Vec<&str> = line.split(',').collect();
        if steppers.last().is_none_or(|s| s.name != words[0]) {
            steppers.push(ReferenceSteps { name: words[0].into(), ..Default::default() });
        }
        let s = steppers.last_mut().unwrap();
        s.dirs.push(words[1] == "1");
        s.compressed.push(words[4].parse().unwrap());
        s.exact.push(words[5].parse().unwrap());
    }
    steppers
}

/// A case's steppers, set up as its configuration says, and the queue that each follows.
pub struct Case {
    pub toolhead: TrapQ,
    pub extruder: TrapQ,
    pub steppers: Vec<(&'static str, StepGenerator)>,
}

impl Case {
    pub fn new(program: &str, kinematics: &str, moves: &[(u8, TrapMove)]) -> Self {
        let mut toolhead = TrapQ::new(START);
        let mut extruder = TrapQ::new([0.0; 3]);
        for (queue, m) in moves {
            if *queue == 1 { toolhead.append(m) } else { extruder.append(m) }
        }
        let machine = machine(kinematics);
        let clock_map = ClockMap::main(CLOCK_HZ);
        let mut steppers = Vec::new();
        for ((name, map), step_mm) in
            machine.stepper_names().iter().zip(machine.actuators()).zip([0.0125, 0.0125, 0.0025])
        {
            let mut stepper = StepGenerator::new(map, step_mm, clock_map);
            if program.contains("shaper") {
                for axis in 0..2 {
                    let mzv = AnyShaper::parse("mzv").unwrap().pulses(40.0, 0.1).unwrap();
                    stepper.set_shaper(axis, Some(mzv));
                }
            }
            stepper.set_position(&toolhead, 0.0, START);
            steppers.push((*name, stepper));
        }
        let mut motor = StepGenerator::new(ActuatorMap::Linear([1.0, 0.0, 0.0]), 0.01, clock_map);
        if program.contains("pa") {
            motor.set_pressure_advance(0.0, 0.05);
            motor.set_smooth_time(0.04);
        }
        steppers.push(("extruder", motor));
        Self { toolhead, extruder, steppers }
    }

    pub fn queue(&self, stepper: &str) -> &TrapQ {
        if stepper == "extruder" { &self.extruder } else { &self.toolhead }
    }

    /// All steps of one stepper, generated in batches of `batch_s`.
    pub fn run(&self, stepper: usize, batch_s: f64, sink: &mut impl StepSink) {
        let (name, generator) = &self.steppers[stepper];
        let mut generator = generator.clone();
        let queue = self.queue(name);
        let end = queue.end_time() + 1.0;
        let mut until = 0.0;
        while until < end {
            until += batch_s;
            generator.generate(queue, until, sink);
        }
        generator.finish(sink);
    }
}
