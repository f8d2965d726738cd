//! How far the motors go: the highest speeds and accelerations without lost steps, predicted from torque and then shown by
//! the twin, through the real host and firmware.

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

use drydock_host::config::FileSource;
use drydock_plant::Machine;
use drydock_plant::drive::Moves;
use drydock_recording::{Command, Event, Move, Reader};
use drydock_scenario::memory::{self, Overlay};
use drydock_scenario::model::{Act, Scenario};
use drydock_scenario::setup::printer;

use crate::param::Target;
use crate::pool::Pool;
use crate::sweep::job;
use crate::torque::{self, TorqueUse};

/// A limit in [printer] that is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knob {
    Accel,
    Velocity,
    Corner,
}

impl Knob {
    pub const ALL: [Knob; 3] = [Knob::Accel, Knob::Velocity, Knob::Corner];

    pub fn option(self) -> &'static str {
        match self {
            Knob::Accel => "max_accel",
            Knob::Velocity => "max_velocity",
            Knob::Corner => "square_corner_velocity",
        }
    }

    pub fn unit(self) -> &'static str {
        match self {
            Knob::Accel => "mm/s^2",
            Knob::Velocity | Knob::Corner => "mm/s",
        }
    }

    /// Klipper's own value where printer.cfg has none.
    fn default(self) -> f64 {
        if self == Knob::Corner { 5.0 } else { 100.0 }
    }

    /// As people write it, and never above the value.
    fn rounded(self, value: f64) -> f64 {
        let step = match self {
            Knob::Accel => 100.0,
            Knob::Velocity => 5.0,
            Knob::Corner => 0.5,
        };
        if value < step { value } else { (value / step).floor() * step }
    }

    fn target(self) -> Target {
        Target::Config { section: "printer".into(), option: self.option().into() }
    }
}

/// One value, tried in the twin.
#[derive(Clone, Debug)]
pub struct Trial {
    pub value: f64,
    /// What the moves ask of the motor that is nearest to its limit.
    pub torque: Option<TorqueUse>,
    pub lost: Option<Lost>,
    /// The host stopped, or complained.
    pub error: Option<String>,
    pub print_time_s: f64,
    /// The fastest that the planned moves go, mm/s.
    pub top_mm_s: f64,
    pub fingerprint: String,
}

/// Where steps were lost first.
#[derive(Clone, Debug, PartialEq)]
pub struct Lost {
    pub motor: String,
    pub at_s: f64,
    /// Full steps, signed, as of then.
    pub full_steps: i64,
}

impl Trial {
    fn clean(&self) -> bool {
        self.lost.is_none() && self.error.is_none()
    }

    fn share(&self) -> f64 {
        self.torque.as_ref().map_or(0.0, |t| t.share)
    }
}

/// What was found for one knob.
#[derive(Clone, Debug)]
pub struct Limit {
    pub knob: Knob,
    /// What printer.cfg says.
    pub now: f64,
    /// Where the closed form says that a motor is pulled out; None: the moves never come near.
    pub predicted: Option<f64>,
    /// The highest value that the twin has shown to lose nothing, below every one that lost.
    pub clean: Option<f64>,
    /// The lowest value at which the twin lost steps.
    pub lost: Option<f64>,
    /// With the margin, rounded down; None: not even the lowest value that was tried is clean.
    pub recommended: Option<f64>,
    /// By value.
    pub trials: Vec<Trial>,
    /// The recommended value with weaker motors: 10 % less torque on all of them.
    pub weaker: Option<Trial>,
    /// The user ended the search.
    pub cut_short: bool,
}

/// What is searched, and how carefully.
#[derive(Clone, Debug)]
pub struct Search {
    pub knobs: Vec<Knob>,
    /// Part of the limit that is kept back, 0 to 1.
    pub margin: f64,
    pub pool: Pool,
}

/// The knob changes the torque by less than this: the moves do not depend on it.
const NO_EFFECT: f64 = 0.005;
/// No search goes further from where it begins.
const FARTHEST: f64 = 16.0;
const WEAKER: f64 = 0.9;
/// Where the twin is asked, as parts of the predicted onset: first about it, then below or above.
const ABOUT: [f64; 6] = [0.75, 0.85, 0.9, 0.95, 1.0, 1.05];
const BELOW: [f64; 6] = [0.2, 0.3, 0.4, 0.5, 0.6, 0.68];
const ABOVE: [f64; 4] = [1.1, 1.2, 1.35, 1.5];
const CORNERS: [f64; 5] = [1.5, 2.0, 3.0, 4.0, 6.0];
/// Where the twin's onset lies between values further apart than this, values between them are tried, so often at most.
const CLOSE: f64 = 1.02;
const ROUNDS: usize = 2;
/// Of the recordings that are made to be looked at here, samples per second.
const SAMPLE_HZ: f64 = 50.0;

/// Searches the knobs one after the other, each with what was recommended for those before. `files`: where printer.cfg and
/// print are. `tell`: what is being done, and how much of it is done, 0 to 1.
pub fn search(
    base: &Scenario,
    folder: &Path,
    files: &Overlay,
    search: &Search,
    mut tell: impl FnMut(&str, f64),
) -> Result<Vec<Limit>, String> {
    let (scenario, files) = without_own_limits(base, folder, files, &search.knobs)?;
    let mut bench = Bench { scenario, folder, files, set: Vec::new(), pool: &search.pool };
    let mut limits = Vec::new();
    for (i, knob) in search.knobs.iter().enumerate() {
        let mut part = |done: f64| tell(knob.option(), (i as f64 + done) / search.knobs.len() as f64);
        let limit = limit(&bench, *knob, search.margin, &mut part)?;
        if let Some(value) = limit.recommended {
            bench.set.push((knob.target(), value.to_string()));
        }
        let cut_short = limit.cut_short;
        limits.push(limit);
        if cut_short {
            break;
        }
    }
    Ok(limits)
}

/// The printer with what was found so far.
struct Bench<'a> {
    scenario: Scenario,
    folder: &'a Path,
    files: Overlay,
    set: Vec<(Target, String)>,
    pool: &'a Pool,
}

fn limit(bench: &Bench<'_>, knob: Knob, margin: f64, tell: &mut dyn FnMut(f64)) -> Result<Limit, String> {
    let config = printer(&bench.scenario, bench.folder, &bench.files).map_err(|e| e.to_string())?.config;
    let written = config.raw_section("printer").and_then(|s| s.option(knob.option())?.value.trim().parse::<f64>().ok());
    let now = written.filter(|v| *v > 0.0).unwrap_or(knob.default());
    let mut found = Found { knob, now, trials: Vec::new(), cut_short: false };
    found.add(bench.trials(knob, &[now])?);
    tell(0.1);
    let predicted = found.predict(bench)?;
    tell(0.3);
    // Without a prediction the moves do not depend on the knob, or stay far from the limit however it is set.
    let middle = predicted.unwrap_or(now);
    let about = match predicted {
        Some(_) => ABOUT.as_slice(),
        // A corner is a jump of speed: only the twin knows what that does.
        None if knob == Knob::Corner => CORNERS.as_slice(),
        None => &[],
    };
    found.add(bench.trials(knob, &parts(about, middle))?);
    tell(0.6);
    match (found.lowest_lost(), found.clean()) {
        (Some(_), None) => found.add(bench.trials(knob, &parts(&BELOW, middle.min(now)))?),
        (None, _) if predicted.is_some() => found.add(bench.trials(knob, &parts(&ABOVE, middle))?),
        _ => {}
    }
    for _ in 0..ROUNDS {
        let (Some(clean), Some(lost)) = (found.clean(), found.lowest_lost()) else { break };
        if lost / clean < CLOSE {
            break;
        }
        let between: Vec<f64> = (1..5).map(|i| clean + (lost - clean) * f64::from(i) / 5.0).collect();
        found.add(bench.trials(knob, &parts(&between, 1.0))?);
    }
    tell(0.9);
    let clean = found.clean();
    // Both must hold: the twin knows the swing of the rotor, the closed form what another print of these speeds may need.
    let recommended = clean.map(|clean| {
        let limit = predicted.map_or(clean, |p| clean.min(p));
        // Where nothing limits it, what printer.cfg says is as far as was looked.
        if predicted.is_none() && found.lowest_lost().is_none() { now } else { knob.rounded(limit * (1.0 - margin)) }
    });
    let weaker = match recommended {
        Some(value) => bench.weaker().trials(knob, &[value])?.pop(),
        None => None,
    };
    tell(1.0);
    let Found { trials, cut_short, .. } = found;
    let lost = lowest_lost(&trials);
    Ok(Limit {
        knob,
        now,
        predicted,
        clean,
        lost,
        recommended,
        trials,
        weaker,
        cut_short: cut_short || bench.pool.stop.is_set(),
    })
}

fn parts(of: &[f64], whole: f64) -> Vec<f64> {
    // Three digits are enough, and read better.
    let rounded = |x: f64| format!("{x:.2e}").parse::<f64>().unwrap_or(x);
    of.iter().map(|part| rounded(part * whole)).collect()
}

/// What a search of one knob knows.
struct Found {
    knob: Knob,
    now: f64,
    trials: Vec<Trial>,
    cut_short: bool,
}

fn lowest_lost(trials: &[Trial]) -> Option<f64> {
    trials.iter().find(|t| !t.clean()).map(|t| t.value)
}

impl Found {
    fn add(&mut self, mut trials: Vec<Trial>) {
        self.trials.append(&mut trials);
        self.trials.sort_by(|a, b| a.value.total_cmp(&b.value));
        self.trials.dedup_by(|a, b| a.value == b.value);
    }

    fn lowest_lost(&self) -> Option<f64> {
        lowest_lost(&self.trials)
    }

    fn clean(&self) -> Option<f64> {
        let lost = self.lowest_lost().unwrap_or(f64::INFINITY);
        self.trials.iter().rfind(|t| t.value < lost).map(|t| t.value)
    }

    /// The value at which the moves ask for all of a motor's torque: bracketed, then by false position. The moves are planned
    /// by the host at each value, so speeds that are not reached are not counted.
    fn predict(&mut self, bench: &Bench<'_>) -> Result<Option<f64>, String> {
        let Some(first) = self.trials.first() else { return Ok(None) };
        let (mut x0, mut y0) = (self.now, excess(first));
        if first.share() <= 0.0 {
            return Ok(None);
        }
        let mut bracket: Option<[(f64, f64); 2]> = None;
        for _ in 0..16 {
            let x1 = match bracket {
                // Somewhat too far, so that the onset is soon between two values.
                None => x0 * (1.0 - 1.6 * y0 / (1.0 + y0)).clamp(0.4, 2.5) * if y0 < 0.0 { 1.05 } else { 1.0 / 1.05 },
                // Not too near an end: a curve that bends would creep towards it.
                Some([(a, fa), (b, fb)]) => a + (b - a) * (-fa / (fb - fa)).clamp(0.1, 0.9),
            };
            if x1 > self.now * FARTHEST || x1 < self.now / FARTHEST {
                return Ok(None);
            }
            let Some(trial) = bench.trials(self.knob, &[x1])?.pop() else {
                self.cut_short = true;
                return Ok(None);
            };
            let y1 = excess(&trial);
            self.add(vec![trial]);
            if y1.abs() < 2e-3 || (x1 / x0 - 1.0).abs() < 1e-3 {
                return Ok(Some(x1));
            }
            if bracket.is_none() && (y1 - y0).abs() < NO_EFFECT * (1.0 + y0) {
                return Ok(None);
            }
            bracket = match bracket {
                None if (y0 < 0.0) != (y1 < 0.0) => Some([(x0, y0), (x1, y1)]),
                None => None,
                Some([a, b]) if (a.1 < 0.0) != (y1 < 0.0) => Some([a, (x1, y1)]).filter(|_| b.0 != x1),
                Some([_, b]) => Some([(x1, y1), b]),
            };
            (x0, y0) = (x1, y1);
        }
        Ok(Some(x0))
    }
}

/// Torque that is asked for beyond what there is, as a part of it; 0 at the onset. Where there is none at all, much.
fn excess(trial: &Trial) -> f64 {
    trial.share().min(4.0) - 1.0
}

impl Bench<'_> {
    /// All motors with less torque.
    fn weaker(&self) -> Bench<'_> {
        let mut scenario = self.scenario.clone();
        if let Ok(built) = printer(&self.scenario, self.folder, &self.files) {
            scenario.machine.torque_share.extend(built.machine.motors.iter().map(|m| (m.name.clone(), WEAKER)));
        }
        Bench { scenario, folder: self.folder, files: self.files.clone(), set: self.set.clone(), pool: self.pool }
    }

    fn trials(&self, knob: Knob, values: &[f64]) -> Result<Vec<Trial>, String> {
        let work = |value: &f64| self.trial(knob, *value).transpose();
        self.pool.run(values, work, |_| {}).into_iter().flatten().collect()
    }

    fn trial(&self, knob: Knob, value: f64) -> Result<Option<Trial>, String> {
        let (target, text) = (knob.target(), value.to_string());
        let mut settings: Vec<(&Target, &str)> = self.set.iter().map(|(t, v)| (t, v.as_str())).collect();
        settings.push((&target, &text));
        let job = job(&self.scenario, self.folder, &self.files, &settings)?;
        let run = memory::simulate(&job.scenario, self.folder, &job.files, true, || !self.pool.stop.is_set());
        let Some(run) = run.map_err(|e| e.to_string())? else { return Ok(None) };
        let machine = printer(&job.scenario, self.folder, &job.files).map_err(|e| e.to_string())?.machine;
        let mut reader =
            Reader::new(Cursor::new(run.recording.unwrap_or_default())).map_err(|e| format!("the recording: {e}"))?;
        let said = |e: drydock_recording::Error| format!("the recording: {e}");
        let moves = reader.all::<Move>().collect::<Result<Vec<_>, _>>().map_err(said)?;
        let speeds =
            moves.iter().flat_map(|m| [m.start_v_mm_s, m.start_v_mm_s + m.accel_mm_s2 * m.duration_ns as f64 * 1e-9]);
        let top_mm_s = speeds.fold(0.0, f64::max);
        let torque = torque::along(&machine, moves.into_iter()).into_iter().flatten();
        let torque = torque.max_by(|a, b| a.share.total_cmp(&b.share));
        let commands = reader.all::<Command>().collect::<Result<Vec<_>, _>>().map_err(said)?;
        let events = reader.all::<Event>().collect::<Result<Vec<_>, _>>().map_err(said)?;
        let outcome = run.outcome;
        let error = outcome.shutdown.iter().chain(&outcome.errors).next();
        Ok(Some(Trial {
            value,
            torque,
            lost: first_lost(&machine, &commands, &events),
            error: error.map(|e| e.lines().next().unwrap_or_default().to_string()),
            top_mm_s,
            print_time_s: outcome.print_time_s.unwrap_or(outcome.sim_s),
            fingerprint: outcome.fingerprint,
        }))
    }
}

fn is_homing(command: &Command) -> bool {
    command.text.trim_start().to_uppercase().starts_with("G28")
}

/// The first loss on a rail, but for those while homing: a machine without switches is driven against its ends.
fn first_lost(machine: &Machine, commands: &[Command], events: &[Event]) -> Option<Lost> {
    events.iter().find_map(|event| {
        let (motor, full_steps) = lost_steps(&event.text)?;
        let motor = machine.motors.get(motor)?;
        let now = commands.partition_point(|c| c.at_ns <= event.at_ns);
        let homing = now.checked_sub(1).is_some_and(|last| is_homing(&commands[last]));
        let lost = Lost { motor: motor.name.clone(), at_s: event.at_ns as f64 * 1e-9, full_steps };
        (matches!(motor.moves, Moves::Rail(_)) && !homing).then_some(lost)
    })
}

/// Motor and full steps of an event that says so, as the recorder words it.
fn lost_steps(text: &str) -> Option<(usize, i64)> {
    let (motor, rest) = text.strip_prefix("motor ")?.split_once(" lost steps: ")?;
    Some((motor.parse().ok()?, rest.split(' ').next()?.parse().ok()?))
}

/// The scenario with moves that depend on the knobs alone: limits that a print file sets for itself are left out of it; one
/// that moves nothing gets a pattern of moves.
fn without_own_limits(
    base: &Scenario,
    folder: &Path,
    files: &Overlay,
    knobs: &[Knob],
) -> Result<(Scenario, Overlay), String> {
    let mut scenario = Scenario { expect: Vec::new(), sample_hz: SAMPLE_HZ, ..base.clone() };
    let mut files = files.clone();
    if scenario.story.is_empty() {
        let machine = printer(base, folder, &files).map_err(|e| e.to_string())?.machine;
        scenario.story = vec![Act::Gcode(pattern(&machine))];
    }
    for act in &mut scenario.story {
        match act {
            Act::Gcode(lines) => {
                *lines = lines
                    .iter()
                    .map(|line| without_limits(line, knobs).into_owned())
                    .filter(|l| !l.is_empty())
                    .collect();
            }
            Act::Print(file) => {
                let path = folder.join(&*file);
                let bytes = files.read(&path.to_string_lossy()).map_err(|e| format!("{}: {e}", path.display()))?;
                let text = String::from_utf8_lossy(&bytes);
                // Line numbers stay as they are.
                let lines: Vec<Cow<'_, str>> = text.lines().map(|line| without_limits(line, knobs)).collect();
                files = files.with(path, lines.join("\n") + "\n");
            }
            Act::Wait(_) => {}
        }
    }
    Ok((scenario, files))
}

/// A line without the limits that are searched; empty where nothing is left.
fn without_limits<'l>(line: &'l str, knobs: &[Knob]) -> Cow<'l, str> {
    let first = line.split_whitespace().next().unwrap_or_default();
    if first.eq_ignore_ascii_case("M204") && knobs.contains(&Knob::Accel) {
        return Cow::Borrowed("");
    }
    if !first.eq_ignore_ascii_case("SET_VELOCITY_LIMIT") {
        return Cow::Borrowed(line);
    }
    let searched = |word: &str| {
        let name = word.split('=').next().unwrap_or_default().to_uppercase();
        knobs.iter().any(|knob| match knob {
            Knob::Accel => name == "ACCEL" || name == "ACCEL_TO_DECEL",
            Knob::Velocity => name == "VELOCITY",
            Knob::Corner => name == "SQUARE_CORNER_VELOCITY",
        })
    };
    let kept: Vec<&str> = line.split_whitespace().filter(|word| !searched(word)).collect();
    Cow::Owned(if kept.len() > 1 { kept.join(" ") } else { String::new() })
}

/// Moves that ask the most of the motors: long ones and short ones along each axis and both diagonals, and corners.
fn pattern(machine: &Machine) -> Vec<String> {
    let (low, high) = (machine.travel_min_mm, machine.travel_max_mm);
    let middle: [f64; 2] = std::array::from_fn(|i| 0.5 * (low[i] + high[i]));
    // A round bed is smaller than its square.
    let reach = 0.33 * (high[0] - low[0]).min(high[1] - low[1]);
    let to = |x: f64, y: f64| format!("G1 X{:.3} Y{:.3}", middle[0] + x * reach, middle[1] + y * reach);
    // The host keeps it to max_velocity.
    let mut lines = vec!["G28".to_string(), "G90".into(), "G1 Z10 F300".into(), "G1 F600000".into(), to(0.0, 0.0)];
    for (x, y) in [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -1.0)] {
        for part in [1.0, 0.4, 0.1, 0.03] {
            for _ in 0..3 {
                lines.extend([to(x * part, y * part), to(-x * part, -y * part)]);
            }
        }
    }
    for part in [1.0, 0.2] {
        lines.extend(
            [(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0), (1.0, 1.0)].map(|(x, y)| to(x * part, y * part)),
        );
    }
    lines.extend([to(0.0, 0.0), "M400".into()]);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_limits_that_are_searched_are_taken_out_of_a_print() {
        let without = |line, knobs: &[Knob]| without_limits(line, knobs).into_owned();
        assert_eq!(without("M204 S500", &[Knob::Accel]), "");
        assert_eq!(without("M204 S500", &[Knob::Velocity]), "M204 S500");
        assert_eq!(without("G1 X5 ; M204", &Knob::ALL), "G1 X5 ; M204");
        let line = "SET_VELOCITY_LIMIT VELOCITY=100 accel=200 SQUARE_CORNER_VELOCITY=3";
        assert_eq!(without(line, &[Knob::Accel]), "SET_VELOCITY_LIMIT VELOCITY=100 SQUARE_CORNER_VELOCITY=3");
        assert_eq!(without(line, &Knob::ALL), "");
    }

    #[test]
    fn a_loss_is_read_as_the_recorder_words_it() {
        use drydock_plant::EventKind;
        let (_, text) = drydock_twin::recorder::describe(&EventKind::LostSteps { motor: 2, full_steps: -8 });
        assert_eq!(lost_steps(&text), Some((2, -8)));
    }

    #[test]
    fn what_is_recommended_is_never_above_what_was_found() {
        for value in [0.3, 4.9, 103.0, 12_345.6] {
            assert!(Knob::ALL.iter().all(|knob| knob.rounded(value) <= value));
        }
    }
}
