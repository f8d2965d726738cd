//! PID gains: the relay test as the peer does it, then a search around its answer on plants that differ.
//!
//! ```text
//! PID_CALIBRATE in the twin -> Kp, Ki, Kd of the relay
//! gains around them (more or less of each) -> cold start, hold and fan on the twin's own plant -> the best few
//!   -> the same on plants up to 20 % off in capacity, losses, power and sensor lag -> the choice
//!   -> other plants, a cold room, the print's peak flow: choice against relay
//! ```
//! # Score
//!   worst settling time + 60 s/K of overshoot above 1 K + 20 s/K of the fan's dip; of the reading and of the true
//!   temperature the worse one

use drydock_plant::Machine;
use drydock_plant::heater::{Body, Element};
use drydock_recording::Thermal;
use drydock_scenario::model::Act;
use drydock_twin::digest::Digest;

use crate::printer::{Change, Job, Printer, Run};
use crate::random::random;
use crate::{Failure, Work};

#[derive(Clone, Debug)]
pub struct Options {
    /// Its section in printer.cfg: `extruder`, `heater_bed`, `heater_generic NAME`.
    pub heater: String,
    pub target_c: f64,
    /// Flow that the hot end must hold its temperature at, mm^3/s.
    pub flow_mm3_s: f64,
}

impl Options {
    pub fn of(heater: &str) -> Options {
        let is_bed = !heater.starts_with("extruder");
        Options { heater: heater.into(), target_c: if is_bed { 60.0 } else { 210.0 }, flow_mm3_s: 10.0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gains {
    pub kp: f64,
    pub ki: f64,
    pub kd: f64,
}

/// How gains do on one plant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manners {
    /// Above the target after a cold start, K: what the sensor reads, and what is so.
    pub overshoot_k: f64,
    pub true_overshoot_k: f64,
    /// From the command until the reading stays within 1 K, s; infinite if it does not.
    pub settling_s: f64,
    /// The fan goes to full: so far the temperature falls, K. 0 where no fan blows at it.
    pub fan_dip_k: f64,
    /// Rms of the duty's change from reading to reading while it holds.
    pub restless: f64,
}

impl Manners {
    fn score(&self) -> f64 {
        let settling_s = if self.settling_s.is_finite() { self.settling_s } else { 1e4 };
        settling_s + 60.0 * (self.worst_overshoot_k() - 1.0).max(0.0) + 20.0 * self.fan_dip_k + 50.0 * self.restless
    }

    pub fn worst_overshoot_k(&self) -> f64 {
        self.overshoot_k.max(self.true_overshoot_k)
    }

    /// What the tuner promises: within 1 K, and never more than 2 K above.
    pub fn is_good(&self) -> bool {
        self.settling_s.is_finite() && self.worst_overshoot_k() <= 2.0
    }
}

/// One plant that was not searched on.
#[derive(Clone, Debug)]
pub struct Validation {
    pub condition: String,
    pub choice: Manners,
    pub relay: Manners,
}

/// Whether the heater holds at the print's peak flow.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    pub flow_mm3_s: f64,
    /// The lowest reading while it flows, against the target, K.
    pub dip_k: f64,
    /// Mean duty at the end, against the most that is allowed.
    pub duty: f64,
    pub max_duty: f64,
}

impl Hold {
    pub fn holds(&self) -> bool {
        self.duty < 0.97 * self.max_duty
    }
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub heater: String,
    pub target_c: f64,
    pub before: Option<Gains>,
    pub relay: Gains,
    pub choice: Gains,
    /// Of the twin's own plant.
    pub with_relay: Manners,
    pub with_choice: Manners,
    /// Best first: gains and the worst manners over the plants searched on.
    pub ranked: Vec<(Gains, Manners)>,
    pub validation: Vec<Validation>,
    pub hold: Option<Hold>,
    /// Time, s, and reading, degrees C, of the cold start: relay's gains and the choice.
    pub curves: Vec<(String, Vec<(f64, f64)>)>,
    pub fingerprint: String,
}

impl Answer {
    pub fn changes(&self) -> Vec<Change> {
        let Gains { kp, ki, kd } = self.choice;
        let gain = |option: &str, value: f64| Change::new(&self.heater, option, format!("{value:.3}"));
        let control = Change::new(&self.heater, "control", "pid".into());
        vec![control, gain("pid_kp", kp), gain("pid_ki", ki), gain("pid_kd", kd)]
    }

    pub fn explanation(&self) -> String {
        let good = self.validation.iter().filter(|v| v.choice.is_good()).count();
        let relays = self.validation.iter().filter(|v| v.relay.is_good()).count();
        let (now, was) = (self.with_choice, self.with_relay);
        let mut text = format!(
            "{}: to {:.0} C the temperature goes {:.1} K too far and stays within 1 K after {} (with PID_CALIBRATE's gains \
             {:.1} K and {}). On {} plants up to 20 % off in capacity, losses, power and sensor lag it settles within 1 K and \
             stays below 2 K of overshoot on {good} (PID_CALIBRATE's on {relays}).",
            self.heater,
            self.target_c,
            now.worst_overshoot_k(),
            seconds(now.settling_s),
            was.worst_overshoot_k(),
            seconds(was.settling_s),
            self.validation.len(),
        );
        if now.fan_dip_k > 0.0 || was.fan_dip_k > 0.0 {
            text += &format!(" The part fan at full takes {:.1} K from it ({:.1} K).", now.fan_dip_k, was.fan_dip_k);
        }
        if let Some(hold) = self.hold {
            let holds = if hold.holds() { "holds" } else { "does NOT hold" };
            text += &format!(
                " The heater {holds} at {:.0} mm^3/s with the fan at full: {:.0} % of the power that it may use, {:.1} K below at most.",
                hold.flow_mm3_s,
                100.0 * hold.duty / hold.max_duty.max(1e-9),
                hold.dip_k
            );
        }
        text
    }
}

fn seconds(s: f64) -> String {
    if s.is_finite() { format!("{s:.0} s") } else { "never".into() }
}

/// Factors on the relay's Kp, on its Ti and on its Td.
const KP: [f64; 4] = [0.4, 0.7, 1.0, 1.6];
const TI: [f64; 4] = [2.0, 4.0, 8.0, 16.0];
const TD: [f64; 3] = [1.0, 2.5, 5.0];
/// Candidates that go on to other plants.
const BEST: usize = 8;
const OFF: f64 = 0.2;
const PLANTS: u64 = 6;
const VALIDATED: u64 = 12;
/// The reading settles within this, K.
const BAND_K: f64 = 1.0;

struct Test<'a> {
    printer: &'a Printer,
    options: &'a Options,
    /// How long the cold start is watched, and each state of the fan, s.
    watch_s: f64,
    fan_s: f64,
    has_fan: bool,
    max_power: f64,
}

pub fn tune(printer: &Printer, options: &Options, work: &Work) -> Result<Option<Answer>, Failure> {
    let Options { heater, target_c, .. } = options;
    if !printer.has(heater) {
        return Err(Failure(format!("printer.cfg has no section [{heater}]")));
    }
    let name = heater.strip_prefix("heater_generic ").unwrap_or(heater);
    let mut digest = Digest::default();
    (work.tell)("PID_CALIBRATE in the twin", 0.02);
    let job =
        Job { record: true, sample_hz: 10.0, ..Job::lines([format!("PID_CALIBRATE HEATER={name} TARGET={target_c}")]) };
    let Some(run) = printer.run(&job, work)? else { return Ok(None) };
    digest.bytes(run.outcome.fingerprint.as_bytes());
    let relay = run.said("PID parameters:").and_then(parse).ok_or_else(|| {
        Failure(format!("PID_CALIBRATE did not come to an end on {heater}: can it reach {target_c} C?"))
    })?;
    let number = |option: &str| printer.number(heater, option);
    let before = match (number("pid_kp"), number("pid_ki"), number("pid_kd")) {
        (Some(kp), Some(ki), Some(kd)) => Some(Gains { kp, ki, kd }),
        _ => None,
    };
    let mut test = Test {
        printer,
        options,
        watch_s: 0.0,
        fan_s: 60.0,
        has_fan: heater.starts_with("extruder") && printer.has("fan"),
        max_power: number("max_power").unwrap_or(1.0),
    };
    // How long the relay took to come there says how long to watch.
    let rows = test.rows(&run)?;
    let reached = rows.iter().find(|r| r.measured_c >= target_c - 1.0).map_or(200.0, |r| r.at_ns as f64 * 1e-9);
    test.watch_s = 3.0 * reached + 120.0;

    let tried: Vec<Gains> = around(relay);
    let nominal = work.each("gains on the twin's own plant", (0.1, 0.5), &tried, |g| test.manners(g, None, work))?;
    let mut best: Vec<(Gains, Manners)> = tried.iter().zip(nominal).filter_map(|(g, m)| Some((*g, m?.0))).collect();
    let own = best.clone();
    best.sort_by(|a, b| a.1.score().total_cmp(&b.1.score()));
    best.truncate(BEST);
    if best.is_empty() {
        return Ok(None);
    }
    let plants: Vec<Machine> = (0..PLANTS).map(|i| perturbed(printer, heater, 100 + i)).collect();
    let jobs: Vec<(Gains, &Machine)> = best.iter().flat_map(|(g, _)| plants.iter().map(|p| (*g, p))).collect();
    let seen = work.each("gains on other plants", (0.5, 0.8), &jobs, |(g, p)| test.manners(g, Some(*p), work))?;
    let mut ranked: Vec<(Gains, Manners)> = best
        .iter()
        .zip(seen.chunks(plants.len()))
        .map(|((g, own), seen)| (*g, seen.iter().flatten().map(|(m, _)| *m).fold(*own, worse)))
        .collect();
    ranked.sort_by(|a, b| a.1.score().total_cmp(&b.1.score()));
    let choice = ranked[0].0;

    let mut others: Vec<(String, Machine)> = (0..VALIDATED)
        .map(|i| (format!("plant {} up to 20 % off", i + 1), perturbed(printer, heater, 9000 + i)))
        .collect();
    for (name, ambient_c) in [("cold room, 8 C", 8.0), ("enclosure, 45 C", 45.0)] {
        others.push((name.into(), Machine { ambient_c, ..printer.machine.clone() }));
    }
    let jobs: Vec<(Gains, Option<&Machine>)> =
        [None].into_iter().chain(others.iter().map(|(_, m)| Some(m))).flat_map(|m| [(choice, m), (relay, m)]).collect();
    let seen = work.each("validating", (0.8, 0.96), &jobs, |(g, m)| test.manners(g, *m, work))?;
    // Stopped before that, the manners are those of the search.
    let known = |gains: Gains| {
        let of = |list: &[(Gains, Manners)]| list.iter().find(|(g, _)| *g == gains).map(|(_, m)| (*m, Vec::new()));
        of(&own).ok_or_else(|| Failure("these gains were not tried".into()))
    };
    let with_choice = seen[0].clone().map_or_else(|| known(choice), Ok)?;
    let with_relay = seen[1].clone().map_or_else(|| known(relay), Ok)?;
    let validation = others
        .iter()
        .zip(seen[2..].chunks(2))
        .filter_map(|((name, _), s)| {
            Some(Validation { condition: name.clone(), choice: s[0].as_ref()?.0, relay: s[1].as_ref()?.0 })
        })
        .collect();
    let hold = if heater.starts_with("extruder") { test.hold(&choice, work)? } else { None };
    (work.tell)("PID", 1.0);
    Ok(Some(Answer {
        heater: heater.clone(),
        target_c: *target_c,
        before,
        relay,
        choice,
        with_relay: with_relay.0,
        with_choice: with_choice.0,
        ranked,
        validation,
        hold,
        curves: vec![("PID_CALIBRATE's gains".into(), with_relay.1), ("tuned".into(), with_choice.1)],
        fingerprint: digest.hex(),
    }))
}

/// Gains on plants of other seeds than those that [`tune`] has seen.
pub fn judge(
    printer: &Printer,
    options: &Options,
    gains: &Gains,
    seeds: std::ops::RangeInclusive<u64>,
    work: &Work,
) -> Result<Vec<Manners>, Failure> {
    let heat_s = 120.0;
    let test = Test {
        printer,
        options,
        watch_s: if options.heater.starts_with("extruder") { 3.0 * heat_s } else { 1800.0 },
        fan_s: 60.0,
        has_fan: options.heater.starts_with("extruder") && printer.has("fan"),
        max_power: 1.0,
    };
    let plants: Vec<Machine> = seeds.map(|seed| perturbed(printer, &options.heater, seed)).collect();
    let seen = work.each("judging", (0.0, 1.0), &plants, |p| test.manners(gains, Some(p), work))?;
    Ok(seen.into_iter().flatten().map(|(m, _)| m).collect())
}

/// `PID parameters: pid_Kp=26.2 pid_Ki=1.30 pid_Kd=131.7`.
fn parse(line: &str) -> Option<Gains> {
    let value = |name: &str| line.split(name).nth(1)?.split_whitespace().next()?.parse().ok();
    Some(Gains { kp: value("pid_Kp=")?, ki: value("pid_Ki=")?, kd: value("pid_Kd=")? })
}

/// The gains that are tried: more or less of each than the relay says.
fn around(relay: Gains) -> Vec<Gains> {
    let (ti_s, td_s) = (relay.kp / relay.ki, relay.kd / relay.kp);
    let round = |v: f64| (v * 1e3).round() / 1e3;
    let mut tried = vec![relay];
    for by_kp in KP {
        for by_ti in TI {
            for by_td in TD {
                let kp = relay.kp * by_kp;
                tried.push(Gains { kp: round(kp), ki: round(kp / (ti_s * by_ti)), kd: round(kp * td_s * by_td) });
            }
        }
    }
    tried
}

fn worse(a: Manners, b: Manners) -> Manners {
    Manners {
        overshoot_k: a.overshoot_k.max(b.overshoot_k),
        true_overshoot_k: a.true_overshoot_k.max(b.true_overshoot_k),
        settling_s: a.settling_s.max(b.settling_s),
        fan_dip_k: a.fan_dip_k.max(b.fan_dip_k),
        restless: a.restless.max(b.restless),
    }
}

/// The printer's machine with one heater up to 20 % off in all that it is made of.
pub fn perturbed(printer: &Printer, heater: &str, seed: u64) -> Machine {
    let mut machine = printer.machine.clone();
    let name = heater.strip_prefix("heater_generic ").unwrap_or(heater);
    let Some(heater) = machine.heaters.iter_mut().find(|h| h.name == name) else { return machine };
    let mut random = random(seed);
    let mut off = || random.between(1.0 - OFF, 1.0 + OFF);
    let (capacity, loss, power, lag) = (off(), off(), off(), off());
    let stronger = |element: &mut Element| match element {
        Element::Plain { power_w } | Element::Wire { power_w, .. } => *power_w *= power,
        Element::Table(points) => points.iter_mut().for_each(|p| p.1 *= power),
    };
    match &mut heater.body {
        Body::Hotend(h) => {
            h.block_j_k *= capacity;
            h.loss_w_k *= loss;
            h.loss_fan_w_k *= loss;
            if let Some(c) = &mut h.cartridge {
                c.heat_j_k *= capacity;
            }
            if let Some(rate) = &mut h.sensor_rate_s {
                *rate /= lag;
            }
            stronger(&mut h.element);
        }
        Body::Bed(b) => {
            b.heater_j_k *= capacity;
            b.plate_j_k *= capacity;
            b.loss_w_k *= loss;
            b.underside_loss_w_k *= loss;
            b.sensor_rate_s /= lag;
            stronger(&mut b.element);
        }
    }
    machine
}

/// What a run shows, and its curve.
type Seen = (Manners, Vec<(f64, f64)>);

impl Test<'_> {
    fn append(&self, gains: &Gains) -> String {
        let Gains { kp, ki, kd } = gains;
        format!("\n[{}]\ncontrol: pid\npid_kp: {kp}\npid_ki: {ki}\npid_kd: {kd}\n", self.options.heater)
    }

    fn set(&self) -> String {
        let name = self.options.heater.strip_prefix("heater_generic ").unwrap_or(&self.options.heater);
        format!("SET_HEATER_TEMPERATURE HEATER={name} TARGET={}", self.options.target_c)
    }

    fn rows(&self, run: &Run) -> Result<Vec<Thermal>, Failure> {
        let mut reader = run.reader()?;
        let name = self.options.heater.strip_prefix("heater_generic ").unwrap_or(&self.options.heater);
        let index = reader.header().heaters.iter().position(|h| h == name);
        let index = index.ok_or_else(|| Failure(format!("the machine has no heater {name}")))?;
        let mut rows = Vec::new();
        for row in reader.all::<Thermal>() {
            let row = row?;
            if usize::from(row.heater) == index {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// Cold start, hold, and the part fan on and off.
    fn manners(&self, gains: &Gains, machine: Option<&Machine>, work: &Work) -> Result<Option<Seen>, Failure> {
        let mut story = vec![Act::Gcode(vec![self.set()]), Act::Wait(self.watch_s)];
        if self.has_fan {
            story.extend([Act::Gcode(vec!["M106 S255".into()]), Act::Wait(self.fan_s)]);
        }
        let job = Job {
            machine: machine.cloned(),
            append: self.append(gains),
            story,
            record: true,
            sample_hz: 10.0,
            ..Job::default()
        };
        let Some(run) = self.printer.run(&job, work)? else { return Ok(None) };
        let rows = self.rows(&run)?;
        let target = self.options.target_c;
        let begin_ns = rows.iter().find(|r| r.target_c > 0.0).map_or(0, |r| r.at_ns);
        let fan_ns = begin_ns + (self.watch_s * 1e9) as u64;
        let cold: Vec<&Thermal> = rows.iter().filter(|r| r.at_ns >= begin_ns && r.at_ns < fan_ns).collect();
        let late = cold.iter().rposition(|r| (r.measured_c - target).abs() > BAND_K);
        // Within the band for the last fifth of the watch at least, else it has not settled.
        let settled = late.is_none_or(|i| i < cold.len() * 4 / 5);
        let settling_s = match late {
            Some(i) if settled => (cold[i].at_ns - begin_ns) as f64 * 1e-9,
            None => 0.0,
            _ => f64::INFINITY,
        };
        let above = |of: fn(&Thermal) -> f64| cold.iter().map(|r| of(r) - target).fold(0.0, f64::max);
        let held = &cold[cold.len() * 4 / 5..];
        let steps: f64 = held.windows(2).map(|w| (w[1].duty - w[0].duty).powi(2)).sum();
        let fan = rows.iter().filter(|r| r.at_ns >= fan_ns);
        let manners = Manners {
            overshoot_k: above(|r| r.measured_c),
            true_overshoot_k: above(|r| r.true_c),
            settling_s,
            fan_dip_k: if self.has_fan { fan.map(|r| target - r.measured_c).fold(0.0, f64::max) } else { 0.0 },
            restless: (steps / held.len().max(1) as f64).sqrt(),
        };
        let curve = rows.iter().filter(|r| r.at_ns >= begin_ns);
        let curve = curve.step_by(5).map(|r| ((r.at_ns - begin_ns) as f64 * 1e-9, r.measured_c)).collect();
        Ok(Some((manners, curve)))
    }

    /// Filament through the hot end, in the air, with the part fan at full.
    fn hold(&self, gains: &Gains, work: &Work) -> Result<Option<Hold>, Failure> {
        const PIECE_MM: f64 = 25.0;
        const FLOWS_S: f64 = 60.0;
        let Options { flow_mm3_s, target_c, .. } = *self.options;
        let filament_mm = self.printer.number("extruder", "filament_diameter").unwrap_or(1.75);
        let speed = flow_mm3_s / (std::f64::consts::FRAC_PI_4 * filament_mm * filament_mm);
        let count = (FLOWS_S * speed / PIECE_MM).ceil() as usize;
        let mut lines = vec!["M83".to_string()];
        if self.has_fan {
            lines.push("M106 S255".into());
        }
        lines.extend((0..count).map(|_| format!("G1 E{PIECE_MM} F{:.1}", speed * 60.0)));
        lines.push("M400".into());
        let [x, y] = self.printer.middle_mm();
        let job = Job {
            append: self.append(gains),
            start_mm: Some([x, y, 30.0]),
            story: vec![Act::Gcode(vec![self.set()]), Act::Wait(self.watch_s), Act::Gcode(lines)],
            record: true,
            sample_hz: 10.0,
            ..Job::default()
        };
        let Some(run) = self.printer.run(&job, work)? else { return Ok(None) };
        let rows = self.rows(&run)?;
        let begin_ns = rows.iter().find(|r| r.target_c > 0.0).map_or(0, |r| r.at_ns) + (self.watch_s * 1e9) as u64;
        let end_ns = begin_ns + (FLOWS_S * 1e9) as u64;
        let flows: Vec<&Thermal> = rows.iter().filter(|r| (begin_ns..end_ns).contains(&r.at_ns)).collect();
        let late = &flows[flows.len() * 2 / 3..];
        Ok(Some(Hold {
            flow_mm3_s,
            dip_k: flows.iter().map(|r| target_c - r.measured_c).fold(0.0, f64::max),
            duty: late.iter().map(|r| r.duty).sum::<f64>() / late.len().max(1) as f64,
            max_duty: self.max_power,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relays_words_are_read() {
        let gains = parse("PID parameters: pid_Kp=26.213 pid_Ki=1.304 pid_Kd=131.721");
        assert_eq!(gains, Some(Gains { kp: 26.213, ki: 1.304, kd: 131.721 }));
        assert_eq!(parse("PID parameters: none"), None);
    }
}
