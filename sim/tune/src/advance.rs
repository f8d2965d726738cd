//! Pressure advance from the width of lines.
//!
//! # Equation
//! A line is printed slow, fast, slow. The melt holds back s(v) of filament at speed v, of which pressure advance gives
//! K v. What is missing after the speed-up, and too much after the slow-down, is
//! D = (s(v2) - s(v1) - K (v2 - v1)) a;  r = D/(a (v2 - v1)) = T - K;  T is the mean of r + K over lines of several K
//!
//! # Symbols
//! v1, v2 (mm/s) filament speed, slow and fast · a (mm^2) section of the filament · K (s) pressure advance · T (s) what it
//! has to be between these speeds · D (mm^3) from the recorded beads: width times height, against what the G-code asks
//!
//! # Valid for
//! any extruder whose melt holds back what its speed says: volumes are balanced, so that neither the smoothing time nor
//! an input shaper, nor how the pressure settles, moves the answer
//!
//! # Caveats
//! where the melt is no Newtonian one, T falls with the flow: it is measured for several flows, a power law is laid through
//! them, and the answer is that of the middle one. A stepper is off by a micrometre or two of filament, at harmonics of its electrical period; without
//! gears that is some milliseconds of T. So the lines of a set begin at phases spread evenly over that period: in their mean
//! every harmonic is gone that their number does not divide. What moves the head has the same ripple: see CUT_MM. The jumps of
//! its microsteps make blobs where the speed rises: see RAMP_STEPS.
//! Where motors share an axis (delta, CoreXY) their ripple swings the head to the side of the line: 10 um are 0.15 % more
//! way and less width, 1 ms of T at one end of the fast part. So a bead counts by the way on which it was laid.
//!
//! # Checked by
//! tests/tuning.rs: planted time constants from 5 to 80 ms, geared and direct extruders, three kinematics

use std::fmt::Write;

use drydock_plant::bed_surface::BedSurface;
use drydock_plant::drive::Moves;
use drydock_recording::Bead;
use drydock_scenario::model::Act;
use drydock_sweep::flow::FlowLimit;
use drydock_twin::digest::Digest;

use crate::printer::{Change, Job, PRINT, Printer};
use crate::{Failure, Work, flow};

#[derive(Clone, Debug)]
pub struct Options {
    pub temperature_c: f64,
    /// What the hot end delivers: the lines stay well below. None: it is asked first.
    pub flow: Option<FlowLimit>,
}

impl Default for Options {
    fn default() -> Options {
        Options { temperature_c: 210.0, flow: None }
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What pressure advance has to be, s.
    pub advance_s: f64,
    /// Half of the 95 % interval, from the scatter of the lines, or how far they are off the law, where that is more, s.
    pub uncertainty_s: f64,
    /// What printer.cfg says, s.
    pub before_s: f64,
    pub smooth_time_s: f64,
    pub flow_limit_mm3_s: Option<f64>,
    /// Slow and fast flow of the lines that gave the answer, mm^3/s.
    pub flows_mm3_s: (f64, f64),
    /// Answer by flow of the fast part, mm^3/s and s.
    pub by_flow: Vec<(f64, f64)>,
    /// Exponent of the melt: 1 is Newtonian.
    pub power_index: f64,
    /// Pressure advance, and rms error of the width where the speed changes, mm.
    pub curve: Vec<(f64, f64)>,
    /// Width along a line, mm over mm: at 0, as it was, and tuned.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
    /// On a tower that was not searched on: pressure advance and rms error of the width, mm.
    pub tower: Vec<(f64, f64)>,
    pub temperature_c: f64,
    pub fingerprint: String,
}

impl Answer {
    /// The melt's time constant at a flow, by the exponent that the lines show, s.
    pub fn at_flow(&self, flow_mm3_s: f64) -> f64 {
        let n = self.power_index;
        self.advance_s / chord(self.flows_mm3_s, n) * n * libm::pow(flow_mm3_s, n - 1.0)
    }

    pub fn explanation(&self) -> String {
        let error = |at: f64| {
            let nearest = self.curve.iter().min_by(|a, b| (a.0 - at).abs().total_cmp(&(b.0 - at).abs()));
            nearest.map_or(f64::NAN, |p| p.1 * 1e3)
        };
        let mut text = format!(
            "Pressure advance {:.4} s (+- {:.4}; it was {:.4}) at {:.0} C: where the speed changes, lines are off their width \
             by {:.0} um rms, against {:.0} um without.",
            self.advance_s,
            self.uncertainty_s,
            self.before_s,
            self.temperature_c,
            error(self.advance_s),
            error(0.0),
        );
        let flows: Vec<String> = self.by_flow.iter().map(|(q, s)| format!("{s:.4} s at {q:.1} mm^3/s")).collect();
        text += &format!(" By flow: {}.", flows.join(", "));
        if let Some(limit) = self.flow_limit_mm3_s {
            let fastest = self.by_flow.iter().map(|p| p.0).fold(0.0, f64::max);
            text += &format!(" The hot end delivers {limit:.1} mm^3/s; the lines asked for up to {fastest:.1}.");
        }
        if self.power_index < 0.9 {
            text += &format!(
                " The melt thins as it flows faster (exponent {:.2}), so that the best value falls to {:.4} s at 10 mm^3/s.",
                self.power_index,
                self.at_flow(10.0)
            );
        }
        text
    }

    pub fn changes(&self) -> Vec<Change> {
        vec![Change::new("extruder", "pressure_advance", format!("{:.4}", self.advance_s))]
    }
}

/// The section of a line: width 1.125 times the nozzle, and low, so that the head is fast at these flows: how far motors lag
/// then counts for little.
#[derive(Clone, Copy, Debug)]
struct Section {
    width_mm: f64,
    height_mm: f64,
}

impl Section {
    fn of_nozzle(nozzle_mm: f64) -> Section {
        let width_mm = 1.125 * nozzle_mm;
        Section { width_mm, height_mm: (0.055 / width_mm).max(0.1).min(0.5 * nozzle_mm) }
    }

    fn area_mm2(self) -> f64 {
        area_mm2(self.width_mm, self.height_mm)
    }
}

/// Section of a bead: a flattened round, or a strand that hangs free.
fn area_mm2(width_mm: f64, height_mm: f64) -> f64 {
    if width_mm <= height_mm {
        return std::f64::consts::FRAC_PI_4 * width_mm * width_mm;
    }
    height_mm * (width_mm - height_mm * (1.0 - std::f64::consts::FRAC_PI_4))
}

/// One line: slow, fast, slow.
#[derive(Clone, Copy, Debug)]
struct Line {
    advance_s: f64,
    slow_mm_s: f64,
    fast_mm_s: f64,
    /// From one speed to the other.
    accel_mm_s2: f64,
    /// Ends of the three parts from the start of the line, mm, and where each is steady.
    ends_mm: [f64; 3],
    cuts_mm: [f64; 3],
    start_mm: [f64; 2],
}

/// Flows of the slow and the fast part, mm^3/s: far below what cools the melt of an ordinary hot end. For one that delivers
/// little all are less, in proportion.
const FLOWS_MM3_S: [(f64, f64); 3] = [(0.6, 2.4), (0.8, 3.2), (1.2, 4.0)];
const MIDDLE: usize = 1;
/// The fastest of them, and how much of what the hot end delivers it may be.
const FASTEST_MM3_S: f64 = 4.0;
const OF_LIMIT: f64 = 0.5;
/// No flow's answer counts as surer than this part of it.
const SURE: f64 = 0.01;
/// The melt settles for so many of its time constants in each part.
const SETTLES: f64 = 6.0;
/// The speed changes no faster than this, nor than the smoothing, nor than the melt follows: a blob is told by its width,
/// and the widest of them say too little.
const RAMP_S: f64 = 0.1;
const RAMP_SETTLES: f64 = 1.3;
/// The extruder's driver goes from one microstep to the next in the time that the one before it took: when the speed rises it
/// is late, and jumps. So a ramp lasts for so many microsteps of the slow part, and a jump is a small part of one.
const RAMP_STEPS: f64 = 8.0;
/// And no microstep of the slow part takes longer than this: the driver would take the motor for standing, and jump.
const STEP_S: f64 = 0.06;
/// No part of a line is shorter than these.
const SHORTEST_S: f64 = 0.6;
const SHORTEST_MM: f64 = 5.0;
const SPACING_MM: f64 = 3.0;
/// Lines are cut at all places over this length: several electrical periods of the motors that move the head, whose ripple
/// moves a cut to and fro by micrometres.
const CUT_MM: f64 = 4.0;
/// Lines of the first look, all without pressure advance: too little comes out after the speed-up, never a blob.
const COARSE: [f64; 4] = [0.0; 4];
/// About the coarse answer, in parts of a fifth of it or of [`NEAR_S`], whichever is more.
const FINE: [f64; 7] = [-1.0, -0.67, -0.33, 0.0, 0.33, 0.67, 1.0];
const NEAR_S: f64 = 0.003;
/// Of the answer, on the tower.
const TOWER: [f64; 5] = [0.0, 0.7, 1.0, 1.3, 1.6];

struct Bench<'a> {
    printer: &'a Printer,
    section: Section,
    filament_mm2: f64,
    smooth_time_s: f64,
    flows_mm3_s: [(f64, f64); 3],
    /// Filament in an electrical period of the extruder's motor, mm.
    period_mm: f64,
    /// And in a microstep of it, mm.
    step_mm: f64,
    options: &'a Options,
}

/// What a line says, from its beads.
struct Reading {
    /// r of the module's equation, s: from the speed-up alone, and from both ends of the fast part.
    rising_s: f64,
    off_s: f64,
    /// Rms error of the width where the speed changes, mm.
    error_mm: f64,
    /// Width over place, mm.
    widths: Vec<(f64, f64)>,
}

pub fn tune(printer: &Printer, options: &Options, work: &Work) -> Result<Option<Answer>, Failure> {
    let number = |option, default| printer.number("extruder", option).unwrap_or(default);
    let filament_mm = number("filament_diameter", 1.75);
    let asked = match &options.flow {
        Some(known) => known.clone(),
        None => {
            let tell = |what: &str, part: f64| (work.tell)(what, 0.05 * part);
            let work = Work { pool: work.pool.clone(), tell: &tell };
            let enough = 1.25 * FASTEST_MM3_S / OF_LIMIT;
            let Some(found) = flow::tune(printer, options.temperature_c, enough, &work)? else { return Ok(None) };
            found
        }
    };
    let flow_limit_mm3_s = asked.limit.map(|(limit, _)| limit);
    let scale = flow_limit_mm3_s.map_or(1.0, |limit| (OF_LIMIT * limit / FASTEST_MM3_S).min(1.0));
    let motor = printer.machine.motors.iter().find(|m| m.moves == Moves::Extruder(0));
    let motor = motor.ok_or_else(|| Failure("no motor moves the filament: is there an [extruder]?".into()))?;
    let full_steps = f64::from(motor.full_steps_per_rotation);
    let filament_mm2 = std::f64::consts::FRAC_PI_4 * filament_mm * filament_mm;
    let bench = Bench {
        printer,
        flows_mm3_s: FLOWS_MM3_S.map(|(slow, fast)| {
            let slowest = (motor.step_mm() * filament_mm2 / STEP_S).min(0.5 * fast * scale);
            ((slow * scale).max(slowest), fast * scale)
        }),
        period_mm: motor.rotation_distance_mm / motor.gear_ratio * 4.0 / full_steps,
        step_mm: motor.step_mm(),
        section: Section::of_nozzle(number("nozzle_diameter", 0.4)),
        filament_mm2,
        smooth_time_s: number("pressure_advance_smooth_time", 0.04),
        options,
    };
    let before_s = number("pressure_advance", 0.0);
    (work.tell)("pressure advance, first look", 0.05);
    // Longer time constants need longer lines: look again where the first look did not let the melt settle.
    let mut settle_s = 0.1;
    let mut digest = Digest::default();
    asked.trials.iter().for_each(|t| digest.bytes(t.fingerprint.as_bytes()));
    let mut coarse_s;
    loop {
        let lines = bench.lines(&COARSE, bench.flows_mm3_s[MIDDLE], settle_s);
        let Some((readings, print)) = bench.print(&lines, work)? else { return Ok(None) };
        digest.bytes(print.as_bytes());
        coarse_s = mean(&said(&lines, &readings, |r| r.rising_s)).0.max(0.0);
        if coarse_s <= settle_s || settle_s > 0.7 {
            break;
        }
        settle_s = 1.3 * coarse_s;
    }
    // Lines far from the answer end in blobs: where it lies outside what was tried, it is tried again about it.
    let (mut centre_s, mut found) = (coarse_s, None);
    for round in 0..4 {
        (work.tell)("pressure advance, lines", 0.2 + 0.1 * f64::from(round));
        let lines = bench.fine(centre_s, bench.flows_mm3_s[MIDDLE], settle_s);
        let Some((readings, print)) = bench.print(&lines, work)? else { break };
        digest.bytes(print.as_bytes());
        let (at_s, half_s) = mean(&said(&lines, &readings, |r| r.off_s));
        let inside = (at_s - centre_s).abs() <= 0.5 * near_s(centre_s);
        centre_s = at_s.clamp(0.0, 2.0);
        found = Some((centre_s, half_s));
        if inside {
            break;
        }
    }
    let Some((mut advance_s, mut uncertainty_s)) = found else { return Ok(None) };
    let jobs = bench.flows_mm3_s.map(|flows| bench.fine(centre_s, flows, settle_s));
    let printed = work.each("pressure advance, by flow", (0.5, 0.6), &jobs, |lines| bench.print(lines, work))?;
    let mut chords = Vec::new();
    for ((printed, lines), flows) in printed.into_iter().zip(&jobs).zip(bench.flows_mm3_s) {
        let Some((readings, print)) = printed else { continue };
        let (at_s, half_s) = mean(&said(lines, &readings, |r| r.off_s));
        chords.push((flows, at_s, half_s));
        digest.bytes(print.as_bytes());
    }
    let law = Law::of(&chords);
    let by_flow: Vec<(f64, f64)> = chords.iter().map(|(flows, at_s, _)| (flows.1, *at_s)).collect();
    if chords.len() == bench.flows_mm3_s.len() {
        advance_s = law.chord(bench.flows_mm3_s[MIDDLE]).max(0.0);
        let (_, at_s, half_s) = chords[MIDDLE];
        uncertainty_s = half_s.max((at_s - advance_s).abs());
    }
    let settle_s = settle_s.min(1.5 * advance_s + 0.01);
    (work.tell)("pressure advance, the curve", 0.6);
    let shown = [0.0, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5].map(|f| f * advance_s);
    let mut lines = bench.lines(&shown, bench.flows_mm3_s[MIDDLE], settle_s);
    lines.extend(
        bench.lines(&[before_s], bench.flows_mm3_s[MIDDLE], settle_s).into_iter().map(|l| bench.moved(l, shown.len())),
    );
    let (curve, widths) = match bench.print(&lines, work)? {
        Some((readings, _)) => shown_of(&lines, &readings, before_s, advance_s, shown.len()),
        None => (Vec::new(), Vec::new()),
    };
    (work.tell)("pressure advance, the tower", 0.8);
    let tower = bench.tower(&TOWER.map(|f| f * advance_s), work)?.unwrap_or_default();
    (work.tell)("pressure advance", 1.0);
    Ok(Some(Answer {
        advance_s,
        uncertainty_s,
        before_s,
        smooth_time_s: bench.smooth_time_s,
        flow_limit_mm3_s,
        flows_mm3_s: bench.flows_mm3_s[MIDDLE],
        power_index: law.n,
        by_flow,
        curve,
        lines: widths,
        tower,
        temperature_c: options.temperature_c,
        fingerprint: digest.hex(),
    }))
}

type Points = Vec<(f64, f64)>;

/// The error over pressure advance, and the widths of three lines: without, as it was, tuned.
fn shown_of(
    lines: &[Line],
    readings: &[Reading],
    before_s: f64,
    advance_s: f64,
    shown: usize,
) -> (Points, Vec<(String, Points)>) {
    const TUNED: usize = 4;
    let curve = lines.iter().zip(readings).take(shown).map(|(l, r)| (l.advance_s, r.error_mm)).collect();
    let as_was = format!("as it was, {before_s:.3} s");
    let picked = [(0, "0 s".to_string()), (shown, as_was), (TUNED, format!("tuned, {advance_s:.3} s"))];
    (curve, picked.map(|(i, name)| (name, readings[i].widths.clone())).to_vec())
}

/// How much of a line's first `x_mm` lies behind a cut, in the mean over cuts at `cut_mm` and up to [`CUT_MM`] before it.
fn behind_mm(x_mm: f64, cut_mm: f64) -> f64 {
    let before = (x_mm - cut_mm + CUT_MM).clamp(0.0, CUT_MM);
    before * before / (2.0 * CUT_MM) + (x_mm - cut_mm).max(0.0)
}

/// How far from the middle lines are tried, s.
fn near_s(centre_s: f64) -> f64 {
    (0.2 * centre_s).max(NEAR_S)
}

/// What each line says T is; those that are not there say nothing.
fn said(lines: &[Line], readings: &[Reading], of: impl Fn(&Reading) -> f64) -> Vec<f64> {
    lines.iter().zip(readings).map(|(l, r)| l.advance_s + of(r)).filter(|t| t.is_finite()).collect()
}

/// With half of the 95 % interval.
fn mean(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, 1.96 * (squares / (n - 1.0).max(1.0) / n).sqrt())
}

/// What the lines of a flow say: the flow, T and half of its interval, s.
type Chord = ((f64, f64), f64, f64);

/// The melt's law s = c v^n from the chords of the flows, by least squares with the weight of their scatter.
#[derive(Clone, Copy, Debug)]
struct Law {
    n: f64,
    c: f64,
}

impl Law {
    fn of(chords: &[Chord]) -> Law {
        let fit = |n: f64| {
            let terms =
                || chords.iter().map(|(flows, t, half)| (chord(*flows, n), *t, (half.hypot(SURE * t)).powi(-2)));
            let (st, ss) = terms().fold((0.0, 0.0), |(st, ss), (s, t, w)| (st + w * s * t, ss + w * s * s));
            let c = if ss > 0.0 { st / ss } else { 0.0 };
            (terms().map(|(s, t, w)| w * (t - c * s) * (t - c * s)).sum::<f64>(), Law { n, c })
        };
        // A curve of one valley; three flows do not tell a third digit.
        let tried = (20..=200).rev().map(|i| fit(f64::from(i) * 0.005));
        let best = tried.reduce(|best, next| if next.0 < best.0 { next } else { best });
        best.map_or(Law { n: 1.0, c: f64::NAN }, |(_, law)| law)
    }

    fn chord(self, flows: (f64, f64)) -> f64 {
        self.c * chord(flows, self.n)
    }
}

fn chord((slow, fast): (f64, f64), n: f64) -> f64 {
    (libm::pow(fast, n) - libm::pow(slow, n)) / (fast - slow)
}

impl Bench<'_> {
    /// A line for each pressure advance, one behind the other in Y.
    fn lines(&self, advances_s: &[f64], (slow, fast): (f64, f64), settle_s: f64) -> Vec<Line> {
        let area = self.section.area_mm2();
        let (slow_mm_s, fast_mm_s) = (slow / area, fast / area);
        // Short parts would be measured by a few beads.
        let long_s = (SHORTEST_MM / slow_mm_s).max(SHORTEST_S);
        let step_s = self.step_mm * self.filament_mm2 / slow;
        let ramp_s = RAMP_S.max(self.smooth_time_s).max(RAMP_SETTLES * settle_s).max(RAMP_STEPS * step_s);
        let part_s = (SETTLES * settle_s + 2.0 * (self.smooth_time_s + ramp_s)).max(long_s);
        let [low, high] = self.printer.reach_mm();
        // Where the bed is too short for it, all goes slower.
        let wanted = part_s * (fast_mm_s + 2.0 * slow_mm_s);
        let scale = ((high[0] - low[0] - 3.0 * CUT_MM) / wanted).min(1.0);
        let (slow_mm_s, fast_mm_s) = (slow_mm_s * scale, fast_mm_s * scale);
        let ends = [slow_mm_s, fast_mm_s, slow_mm_s].map(|v| v * part_s + CUT_MM);
        let middle = self.printer.middle_mm();
        let long = ends.iter().sum::<f64>();
        let ends_mm = [ends[0], ends[0] + ends[1], long];
        let lead = |v: f64| v * (self.smooth_time_s + ramp_s);
        let leads = [slow_mm_s, fast_mm_s, slow_mm_s].map(lead);
        let deep = advances_s.len() as f64 * SPACING_MM;
        let line = |(i, k): (usize, &f64)| Line {
            advance_s: *k,
            slow_mm_s,
            fast_mm_s,
            accel_mm_s2: (fast_mm_s - slow_mm_s) / ramp_s,
            ends_mm,
            cuts_mm: std::array::from_fn(|i| ends_mm[i] - leads[i]),
            start_mm: [middle[0] - 0.5 * long, middle[1] - 0.5 * deep + i as f64 * SPACING_MM],
        };
        advances_s.iter().enumerate().map(line).collect()
    }

    /// Lines about an answer.
    fn fine(&self, centre_s: f64, flows_mm3_s: (f64, f64), settle_s: f64) -> Vec<Line> {
        let tried = FINE.map(|f| (centre_s + f * near_s(centre_s)).max(0.0));
        self.lines(&tried, flows_mm3_s, settle_s.min(1.5 * centre_s + 0.01))
    }

    /// The same line, some places further.
    fn moved(&self, line: Line, places: usize) -> Line {
        Line { start_mm: [line.start_mm[0], line.start_mm[1] + (places as f64 / 2.0 + 1.0) * SPACING_MM], ..line }
    }

    fn job(&self, gcode: String) -> Job {
        let mut machine = self.printer.machine.clone();
        // A bed that is not flat would be seen in the widths; on the machine a mesh takes it out.
        machine.bed_surface = BedSurface::flat();
        let middle = self.printer.middle_mm();
        let celsius = self.options.temperature_c;
        let heat = [
            format!("SET_HEATER_TEMPERATURE HEATER=extruder TARGET={celsius}"),
            format!("TEMPERATURE_WAIT SENSOR=extruder MINIMUM={} MAXIMUM={}", celsius - 1.0, celsius + 3.0),
        ];
        Job {
            machine: Some(machine),
            start_mm: Some([middle[0], middle[1], 10.0]),
            story: vec![Act::Gcode(heat.to_vec()), Act::Wait(30.0), Act::Print(PRINT.into())],
            print: gcode,
            record: true,
            sample_hz: 200.0,
            ..Job::default()
        }
    }

    fn e_per_mm(&self) -> f64 {
        self.section.area_mm2() / self.filament_mm2
    }

    fn gcode(&self, lines: &[Line]) -> String {
        let mut text = format!("G90\nM83\nG1 Z{} F600\n", self.section.height_mm);
        // The first line fills the nozzle, and is not looked at.
        let primer = lines.first().map(|l| Line { start_mm: [l.start_mm[0], l.start_mm[1] - 2.0 * SPACING_MM], ..*l });
        let mut pushed_mm = 0.0;
        for (i, line) in primer.iter().chain(lines).enumerate() {
            let [x, y] = line.start_mm;
            // Between the lines, so that what comes out on the way lies on none of them.
            let aside = y - 0.5 * SPACING_MM;
            // The filament goes on to the line's own phase of the motor.
            let phase = i as f64 / lines.len() as f64;
            let e = (phase - pushed_mm / self.period_mm).rem_euclid(1.0) * self.period_mm;
            pushed_mm += e;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "SET_VELOCITY_LIMIT ACCEL={:.1}", line.accel_mm_s2);
            let _ = writeln!(text, "SET_PRESSURE_ADVANCE ADVANCE={}\nG1 Y{aside:.3} F6000", line.advance_s);
            let _ = writeln!(text, "G1 X{x:.3} E{e:.5}\nG1 Y{y:.3}");
            let mut from = 0.0;
            for (to, speed) in line.ends_mm.iter().zip([line.slow_mm_s, line.fast_mm_s, line.slow_mm_s]) {
                let e = (to - from) * self.e_per_mm();
                let _ = writeln!(text, "G1 X{:.3} E{e:.5} F{:.1}", x + to, speed * 60.0);
                pushed_mm += e;
                from = *to;
            }
        }
        text
    }

    /// Prints lines, and reads them; None: stopped.
    fn print(&self, lines: &[Line], work: &Work) -> Result<Option<(Vec<Reading>, String)>, Failure> {
        let Some(run) = self.printer.run(&self.job(self.gcode(lines)), work)? else { return Ok(None) };
        let beads: Vec<Bead> = run.reader()?.all::<Bead>().collect::<Result<_, _>>()?;
        let readings: Vec<Reading> = lines.iter().map(|line| self.read(line, &beads)).collect();
        if readings.iter().filter(|r| r.off_s.is_finite()).count() < 2 {
            return Err(Failure("the lines did not come out: is the hot end hot, and does the extruder turn?".into()));
        }
        Ok(Some((readings, run.outcome.fingerprint)))
    }

    fn read(&self, line: &Line, beads: &[Bead]) -> Reading {
        let [x0, y0] = line.start_mm;
        let near = |mm: [f64; 3]| (mm[1] - y0).abs() < 0.3 * SPACING_MM;
        let on_line = |b: &&Bead| near(b.from_mm) && near(b.to_mm);
        let asked = self.section.area_mm2();
        // From the end of the first settling to the end of the line, cut where the speed has been steady.
        let cuts = line.cuts_mm;
        let (mut missing, mut squares, mut length) = ([0.0; 2], 0.0, 0.0);
        let mut widths = Vec::new();
        for bead in beads.iter().filter(on_line) {
            let (from, to) = (bead.from_mm[0].min(bead.to_mm[0]) - x0, bead.from_mm[0].max(bead.to_mm[0]) - x0);
            // A head that swings to the side lays on a longer way than the line is.
            let way: f64 = (0..3).map(|i| (bead.to_mm[i] - bead.from_mm[i]).powi(2)).sum::<f64>().sqrt();
            let excess = area_mm2(bead.width_mm, bead.height_mm) * way / (to - from).max(1e-9) - asked;
            for (part, sum) in missing.iter_mut().enumerate() {
                let behind = |cut: f64| behind_mm(to, cut) - behind_mm(from, cut);
                *sum -= excess * (behind(cuts[part]) - behind(cuts[part + 1]));
            }
            let inside = (to.min(cuts[2]) - from.max(cuts[0])).max(0.0);
            let off = excess / self.section.height_mm;
            squares += off * off * inside;
            length += inside;
            widths.push((0.5 * (from + to), bead.width_mm));
        }
        // A line that is not there says nothing: far too much pressure advance pulls the filament back.
        let is_there = length > 0.5 * (cuts[2] - cuts[0]);
        let jump = (line.fast_mm_s - line.slow_mm_s) * self.e_per_mm();
        let of = |m: f64| if is_there { m / (self.filament_mm2 * jump) } else { f64::NAN };
        let [rising_s, falling_s] = [of(missing[0]), of(-missing[1])];
        Reading { rising_s, off_s: 0.5 * (rising_s + falling_s), error_mm: (squares / length.max(1e-9)).sqrt(), widths }
    }

    /// Squares one over another, a few layers for each pressure advance; the error of the width on all sides.
    fn tower(&self, advances_s: &[f64], work: &Work) -> Result<Option<Vec<(f64, f64)>>, Failure> {
        const SIDE_MM: f64 = 30.0;
        const LAYERS: usize = 3;
        const SEAM_MM: f64 = 6.0;
        let middle = self.printer.middle_mm();
        let (h, speed) = (self.section.height_mm, self.flows_mm3_s[MIDDLE].1 / self.section.area_mm2());
        let (low, high) = (middle.map(|m| m - 0.5 * SIDE_MM), middle.map(|m| m + 0.5 * SIDE_MM));
        let mut text = format!("G90\nM83\nG1 X{:.3} Y{:.3} F6000\n", low[0], low[1]);
        for (i, advance_s) in advances_s.iter().enumerate() {
            let _ = writeln!(text, "SET_PRESSURE_ADVANCE ADVANCE={advance_s}");
            for layer in 0..LAYERS {
                let z = h * (1 + i * LAYERS + layer) as f64;
                let e = SIDE_MM * self.e_per_mm();
                let f = speed * 60.0;
                let _ = writeln!(text, "G1 Z{z:.3} F600");
                for [x, y] in [[high[0], low[1]], [high[0], high[1]], [low[0], high[1]], [low[0], low[1]]] {
                    let _ = writeln!(text, "G1 X{x:.3} Y{y:.3} E{e:.5} F{f:.1}");
                }
            }
        }
        let Some(run) = self.printer.run(&self.job(text), work)? else { return Ok(None) };
        let mut sums = vec![(0.0, 0.0); advances_s.len()];
        for bead in run.reader()?.all::<Bead>() {
            let bead = bead?;
            let layer = (bead.to_mm[2] / h).round() as usize;
            // The first layer of each comes from another advance.
            let Some(i) = layer.checked_sub(1).filter(|l| l % LAYERS > 0).map(|l| l / LAYERS) else { continue };
            let length = (bead.to_mm[0] - bead.from_mm[0]).hypot(bead.to_mm[1] - bead.from_mm[1]);
            let off = (area_mm2(bead.width_mm, bead.height_mm) - self.section.area_mm2()) / bead.height_mm.max(0.02);
            // Where the layer changes the head stops, which no pressure advance foresees.
            let seam = bead.to_mm[0] - low[0] + (bead.to_mm[1] - low[1]) < SEAM_MM;
            if let Some(sum) = sums.get_mut(i).filter(|_| !seam) {
                *sum = (sum.0 + off * off * length, sum.1 + length);
            }
        }
        let error = |(squares, length): &(f64, f64)| (squares / length.max(1e-9)).sqrt();
        Ok(Some(advances_s.iter().copied().zip(sums.iter().map(error)).collect()))
    }
}
