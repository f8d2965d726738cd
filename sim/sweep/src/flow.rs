//! How much plastic an extruder can deliver, and what stops it: its flow is swept through the twin, from a slow one to where
//! something gives way.
//!
//! At each flow the printer heats up, extrudes into the air until nothing changes any more, and is measured. Four things
//! can give way:
//! - the heater: the power that holds the temperature grows in a straight line with the flow, to more than there is;
//! - the melt: its pressure follows a power law while heat reaches the core of the filament, and leaves it upwards;
//! - the gear: it slips, and less comes out than was asked for;
//! - the motor: it loses steps.

use std::io::Cursor;
use std::path::Path;

use drydock_plant::Machine;
use drydock_plant::drive::Moves;
use drydock_recording::{Extrusion, Reader, Thermal};
use drydock_scenario::memory::{self, Overlay};
use drydock_scenario::model::{Act, MachineChanges, Scenario};
use drydock_scenario::setup::printer;

use crate::param::Target;
use crate::pool::Pool;
use crate::sweep::job;

/// What gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    HeaterCannotHold,
    PressureLeavesItsLaw,
    GearSlips,
    MotorSkips,
}

impl Reason {
    pub const ALL: [Reason; 4] =
        [Reason::HeaterCannotHold, Reason::PressureLeavesItsLaw, Reason::GearSlips, Reason::MotorSkips];

    pub fn in_words(self) -> &'static str {
        match self {
            Reason::HeaterCannotHold => "the heater cannot hold the temperature",
            Reason::PressureLeavesItsLaw => "the hot end cannot melt it: pressure rises faster than its law",
            Reason::GearSlips => "the gear slips on the filament",
            Reason::MotorSkips => "the extruder's motor loses steps",
        }
    }
}

/// One flow, measured when nothing changes any more.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowTrial {
    /// Asked for, mm^3/s.
    pub flow_mm3_s: f64,
    /// What came out of it, 0 to 1.
    pub delivered: f64,
    /// Force on the filament, N.
    pub force_n: f64,
    /// As the printer's sensor has it, degrees C.
    pub hotend_c: f64,
    /// Power to the heater as a part of what the host may give.
    pub duty: f64,
    pub lost_steps: i64,
    /// The host stopped, or complained.
    pub error: Option<String>,
    pub fingerprint: String,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct FlowLimit {
    pub target_c: f64,
    /// The lowest flow at which something gives way, and what; None: nothing did.
    pub limit: Option<(f64, Reason)>,
    /// At what flow each thing gives way, mm^3/s, where it was reached.
    pub by_reason: Vec<(Reason, f64)>,
    /// Exponent of the pressure's law: force goes with the flow to this power.
    pub power_index: Option<f64>,
    /// By flow.
    pub trials: Vec<FlowTrial>,
    pub cut_short: bool,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct FlowSearch {
    /// None: the temperature at which the machine's melt is known.
    pub target_c: Option<f64>,
    /// Part cooling fan, 0 to 1.
    pub fan: f64,
    /// Who wants no more than this need not know what is above it, mm^3/s.
    pub up_to_mm3_s: f64,
    pub pool: Pool,
}

/// Flows of the first look, mm^3/s: each a quarter more than the one before, up to what is asked for. So slow that heat
/// reaches the core in the smallest hot end.
const SLOWEST: f64 = 0.4;
const STEP: f64 = 1.25;
/// No hot end of today comes near.
pub const FASTEST: f64 = 56.0;
/// Flows between the last good one and the first bad one.
const BETWEEN: usize = 4;
/// The hot end settles for so long, s, and is then measured for so long: a tenth of a kelvin of change over that time is less
/// than 1 % of the power.
const SETTLE_S: f64 = 70.0;
const MEASURE_S: f64 = 30.0;
/// The flow is told anew every 1.5 ms: so each of its values is seen once.
const SAMPLE_HZ: f64 = 1e3 / 1.5;
/// The sensor reads so much too little, K: the heater cannot hold.
const SAG_K: f64 = 3.0;
/// With less than this of its power the heater has settled by then.
const SPARE_POWER: f64 = 0.95;
/// The pressure is so much above its law.
const ABOVE_LAW: f64 = 1.10;
/// Flows up to this part of the one that leaves the law make the law: heat reaches the core.
const OF_LIMIT: f64 = 0.5;
/// And no fewer than so many.
const LAW_FLOWS: usize = 3;
/// They are as hot as they should be within this, K, and all comes out: 1 % of the force.
const HOT_K: f64 = 0.5;
const ALL: f64 = 0.99;
/// Less than this comes out of what is asked for.
const DELIVERED: f64 = 0.95;

/// Searches the limit. `files`: where printer.cfg is. `tell`: how much is done, 0 to 1.
pub fn search(
    base: &Scenario,
    folder: &Path,
    files: &Overlay,
    search: &FlowSearch,
    mut tell: impl FnMut(f64),
) -> Result<FlowLimit, String> {
    let built = printer(base, folder, files).map_err(|e| e.to_string())?;
    let Some(extruder) = built.machine.extruders.first() else { return Err("the machine has no extruder".into()) };
    let target_c = search.target_c.unwrap_or(extruder.reference_c);
    let bench = FlowBench {
        base,
        folder,
        files,
        search,
        target_c,
        heater: extruder.heater.and_then(|h| built.heaters.get(h).cloned()),
        max_power: option(&built.config, "max_power").unwrap_or(1.0),
        machine: built.machine,
    };
    let flows = std::iter::successors(Some(SLOWEST), |q| Some(q * STEP));
    let grid: Vec<f64> = flows.take_while(|q| *q < search.up_to_mm3_s).collect();
    let mut trials = bench.trials(&grid, |done| tell(0.7 * done))?;
    let first = study(&trials);
    if let Some((limit, _)) = first.limit {
        let below = grid.iter().rev().find(|q| **q < limit).copied().unwrap_or(SLOWEST);
        let above = below * STEP;
        let between: Vec<f64> =
            (1..=BETWEEN).map(|i| below + (above - below) * i as f64 / (BETWEEN + 1) as f64).collect();
        trials.extend(bench.trials(&between, |done| tell(0.7 + 0.3 * done))?);
        trials.sort_by(|a, b| a.flow_mm3_s.total_cmp(&b.flow_mm3_s));
    }
    tell(1.0);
    let Study { limit, by_reason, power_index } = study(&trials);
    Ok(FlowLimit { target_c, limit, by_reason, power_index, trials, cut_short: search.pool.stop.is_set() })
}

fn option(config: &drydock_host::config::Config, name: &str) -> Option<f64> {
    config.raw_section("extruder")?.option(name)?.value.trim().parse().ok()
}

struct FlowBench<'a> {
    base: &'a Scenario,
    folder: &'a Path,
    files: &'a Overlay,
    search: &'a FlowSearch,
    target_c: f64,
    heater: Option<String>,
    max_power: f64,
    machine: Machine,
}

impl FlowBench<'_> {
    fn trials(&self, flows: &[f64], mut tell: impl FnMut(f64)) -> Result<Vec<FlowTrial>, String> {
        let work = |flow: &f64| self.trial(*flow).transpose();
        let done = self.search.pool.run(flows, work, |done| tell(done.finished as f64 / done.of as f64));
        done.into_iter().flatten().collect()
    }

    fn trial(&self, flow_mm3_s: f64) -> Result<Option<FlowTrial>, String> {
        let extruder = &self.machine.extruders[0];
        let area_mm2 = std::f64::consts::FRAC_PI_4 * extruder.filament_mm * extruder.filament_mm;
        let mm_s = flow_mm3_s / area_mm2;
        let story = vec![Act::Gcode(vec![
            "M83".into(),
            format!("M106 S{:.0}", 255.0 * self.search.fan),
            format!("M109 S{}", self.target_c),
            format!("G1 E{} F{}", mm_s * (SETTLE_S + MEASURE_S), mm_s * 60.0),
            "M400".into(),
        ])];
        // The head hangs where nothing is in its way.
        let middle = |axis: usize| 0.5 * (self.machine.travel_min_mm[axis] + self.machine.travel_max_mm[axis]);
        let machine = MachineChanges { start_mm: Some([middle(0), middle(1), middle(2)]), ..self.base.machine.clone() };
        let scenario = Scenario {
            story,
            machine,
            faults: Vec::new(),
            expect: Vec::new(),
            end_s: 1800.0,
            sample_hz: SAMPLE_HZ,
            ..self.base.clone()
        };
        let limit = |name: &str| Target::Config { section: "extruder".into(), option: name.into() };
        let limits = ["max_extrude_only_distance", "max_extrude_only_velocity", "max_extrude_only_accel"].map(limit);
        let settings: Vec<(&Target, &str)> = limits.iter().zip(["100000", "1000", "2000"]).collect();
        let job = job(&scenario, self.folder, self.files, &settings)?;
        let run = memory::simulate(&job.scenario, self.folder, &job.files, true, || !self.search.pool.stop.is_set());
        let Some(run) = run.map_err(|e| e.to_string())? else { return Ok(None) };
        let trial = self.measure(flow_mm3_s, area_mm2, run).map_err(|e| format!("the recording: {e}"))?;
        match &trial.error {
            // verify_heater, most likely: that is an answer.
            Some(why) if !why.to_lowercase().contains("heat") => Err(format!("at {flow_mm3_s:.1} mm^3/s: {why}")),
            _ => Ok(Some(trial)),
        }
    }

    fn measure(
        &self,
        flow_mm3_s: f64,
        area_mm2: f64,
        run: memory::Simulated,
    ) -> Result<FlowTrial, drydock_recording::Error> {
        let mut reader = Reader::new(Cursor::new(run.recording.unwrap_or_default()))?;
        let heater = self.heater.as_ref().and_then(|name| reader.header().heaters.iter().position(|h| h == name));
        let extrusions = reader.all::<Extrusion>().collect::<Result<Vec<_>, _>>()?;
        let thermals = reader.all::<Thermal>().collect::<Result<Vec<_>, _>>()?;
        // The gear's last push is over when the force begins to fall: the end of the last half of the asked flow.
        let end_ns = extrusions.iter().rev().find(|e| e.flow_mm3_s > 0.5 * flow_mm3_s).map_or(0, |e| e.at_ns);
        let span = end_ns.saturating_sub((MEASURE_S * 1e9) as u64)..end_ns.saturating_sub(300_000_000);
        let mean = |values: &mut dyn Iterator<Item = f64>| {
            let (sum, n) = values.fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
            if n > 0.0 { sum / n } else { 0.0 }
        };
        let flows = || extrusions.iter().filter(|e| span.contains(&e.at_ns));
        let heats = || thermals.iter().filter(|t| heater == Some(usize::from(t.heater)) && span.contains(&t.at_ns));
        let outcome = run.outcome;
        let motors = self.machine.motors.iter().filter(|m| m.moves == Moves::Extruder(0));
        let lost = |name: &str| outcome.lost_by_motor.iter().find(|(n, _)| n == name).map_or(0, |(_, lost)| lost.abs());
        let error = outcome.shutdown.iter().chain(&outcome.errors).next();
        Ok(FlowTrial {
            flow_mm3_s,
            delivered: mean(&mut flows().map(|e| e.flow_mm3_s)) / flow_mm3_s,
            force_n: mean(&mut flows().map(|e| e.pressure_mpa)) * area_mm2,
            hotend_c: if heater.is_some() {
                mean(&mut heats().map(|t| t.measured_c - t.target_c)) + self.target_c
            } else {
                self.target_c
            },
            duty: mean(&mut heats().map(|t| t.duty)) / self.max_power,
            lost_steps: motors.map(|m| lost(&m.name)).sum(),
            error: error.map(|e| e.lines().next().unwrap_or_default().to_string()),
            fingerprint: outcome.fingerprint,
        })
    }
}

struct Study {
    limit: Option<(f64, Reason)>,
    by_reason: Vec<(Reason, f64)>,
    power_index: Option<f64>,
}

/// What gives way at which flow; trials by flow.
fn study(trials: &[FlowTrial]) -> Study {
    let target_c = trials.first().map_or(0.0, |t| t.hotend_c);
    let heater = heater_limit(trials, target_c);
    // What was measured before the host stopped says nothing.
    let trials: Vec<FlowTrial> = trials.iter().filter(|t| t.error.is_none()).cloned().collect();
    let trials = trials.as_slice();
    let (law, leaves) = melt_limit(trials, target_c);
    let found = |reason: Reason| match reason {
        Reason::HeaterCannotHold => heater,
        Reason::PressureLeavesItsLaw => leaves,
        Reason::GearSlips => crossing(trials, |t| if t.lost_steps == 0 { DELIVERED - t.delivered } else { -1.0 }),
        Reason::MotorSkips => crossing(trials, |t| if t.lost_steps == 0 { -1.0 } else { 1.0 }),
    };
    let by_reason: Vec<(Reason, f64)> = Reason::ALL.into_iter().filter_map(|r| Some((r, found(r)?))).collect();
    let limit = by_reason.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(reason, q)| (q, reason));
    Study { limit, by_reason, power_index: law.map(|(_, n)| n) }
}

/// Where a quantity first rises above 0 from one flow to the next, on a straight line between them.
fn crossing(trials: &[FlowTrial], of: impl Fn(&FlowTrial) -> f64) -> Option<f64> {
    trials.windows(2).find_map(|pair| {
        let (a, b) = (of(&pair[0]), of(&pair[1]));
        let (q0, q1) = (pair[0].flow_mm3_s, pair[1].flow_mm3_s);
        (a <= 0.0 && b > 0.0).then(|| q0 + (q1 - q0) * (-a / (b - a)))
    })
}

/// Power that holds a temperature is a straight line over the flow: where it reaches all of it. The flows with power to
/// spare make the line; near the limit the temperature takes longer to come back than anyone waits here.
fn heater_limit(trials: &[FlowTrial], target_c: f64) -> Option<f64> {
    let sags = |t: &FlowTrial| t.hotend_c < target_c - SAG_K || t.error.is_some();
    let bad = trials.iter().find(|t| sags(t))?.flow_mm3_s;
    let settled =
        |t: &&FlowTrial| t.flow_mm3_s < bad && t.duty < SPARE_POWER && t.delivered > DELIVERED && t.lost_steps == 0;
    let held: Vec<(f64, f64)> = trials.iter().filter(settled).map(|t| (t.flow_mm3_s, t.duty)).collect();
    let (Some((zero, slope)), Some((fastest, _))) = (straight(&held), held.last()) else { return Some(bad) };
    let meets = (1.0 - zero) / slope;
    Some(if meets.is_finite() { meets.clamp(*fastest, bad) } else { bad })
}

/// The pressure's law, as [`power_law`] has it, and where the pressure leaves it. Which flows are slow is known when that is:
/// it begins with the slowest.
fn melt_limit(trials: &[FlowTrial], target_c: f64) -> (Option<(f64, f64)>, Option<f64>) {
    let is_hot =
        |t: &&FlowTrial| t.hotend_c > target_c - HOT_K && t.delivered > ALL && t.lost_steps == 0 && t.force_n > 0.0;
    let hot: Vec<&FlowTrial> = trials.iter().filter(is_hot).collect();
    let mut flows = LAW_FLOWS;
    let (mut law, mut leaves) = (None, None);
    // Once from the slowest, and then from what the answer before calls slow.
    for _ in 0..8 {
        let Some((log_k, n)) = hot.get(..flows).and_then(power_law) else { break };
        let above = |t: &FlowTrial| t.force_n / libm::exp(log_k + n * libm::log(t.flow_mm3_s));
        (law, leaves) = (Some((log_k, n)), crossing(trials, |t| above(t) - ABOVE_LAW).filter(|q| q.is_finite()));
        let slow = hot.iter().filter(|t| leaves.is_none_or(|q| t.flow_mm3_s <= OF_LIMIT * q)).count().max(LAW_FLOWS);
        if slow == flows {
            break;
        }
        flows = slow;
    }
    (law, leaves)
}

/// (log of the force at 1 mm^3/s, exponent), by least squares.
fn power_law(trials: &[&FlowTrial]) -> Option<(f64, f64)> {
    let points: Vec<(f64, f64)> = trials.iter().map(|t| (libm::log(t.flow_mm3_s), libm::log(t.force_n))).collect();
    straight(&points)
}

/// (value at 0, slope) of a straight line, by least squares; None for a single place.
fn straight(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let sxy: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    let sxx: f64 = points.iter().map(|p| (p.0 - mx) * (p.0 - mx)).sum();
    let slope = sxy / sxx;
    (sxx > 0.0).then_some((my - slope * mx, slope))
}
