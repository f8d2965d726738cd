//! Expectations against what happens: each is looked at with every sample, and told once when it is broken.

use drydock_plant::Truth;
use drydock_twin::world::Twin;

use crate::model::{Condition, Expectation, Quantity};

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub expectation: Expectation,
    /// When it was clear that it is not met, s.
    pub at_s: f64,
    pub why: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at {:.3} s: {:?}: {}", self.at_s, self.expectation, self.why)
    }
}

/// What can be seen at one moment.
pub struct View<'a> {
    pub twin: &'a Twin,
    pub truth: &'a Truth,
    pub print_done: bool,
    pub print_time_s: Option<f64>,
}

struct Watched {
    expectation: Expectation,
    /// Broken for good, or fulfilled for good.
    settled: bool,
    /// The text that it waits for was seen.
    seen: bool,
}

pub struct Checks {
    watched: Vec<Watched>,
    failures: Vec<Failure>,
}

impl Checks {
    pub fn new(expect: Vec<Expectation>) -> Checks {
        let watched =
            expect.into_iter().map(|expectation| Watched { expectation, settled: false, seen: false }).collect();
        Checks { watched, failures: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    pub fn console(&mut self, line: &str) {
        self.text(|condition| matches!(condition, Condition::Console(text) if line.contains(text.as_str())));
    }

    pub fn shutdown(&mut self, message: &str) {
        self.text(|condition| matches!(condition, Condition::Shutdown(text) if message.contains(text.as_str())));
    }

    fn text(&mut self, matches: impl Fn(&Condition) -> bool) {
        for watched in &mut self.watched {
            watched.seen |= matches(condition_of(&watched.expectation));
        }
    }

    pub fn sample(&mut self, now_s: f64, view: &View<'_>) {
        for watched in self.watched.iter_mut().filter(|w| !w.settled) {
            let result = holds(condition_of(&watched.expectation), watched.seen, view);
            let broken = match (&watched.expectation, &result) {
                (Expectation::Always(_), Err(why)) => Some(why.clone()),
                (Expectation::AlwaysAfter(from_s, _), Err(why)) if now_s >= *from_s => Some(why.clone()),
                (Expectation::Never(_), Ok(what)) => Some(what.clone()),
                (Expectation::Within(_, _), Ok(_)) => {
                    watched.settled = true;
                    None
                }
                (Expectation::Within(until_s, _), Err(why)) if now_s > *until_s => Some(why.clone()),
                _ => None,
            };
            if let Some(why) = broken {
                watched.settled = true;
                self.failures.push(Failure { expectation: watched.expectation.clone(), at_s: now_s, why });
            }
        }
    }

    /// Looks a last time, and answers all that failed.
    pub fn finish(mut self, now_s: f64, view: &View<'_>) -> Vec<Failure> {
        self.sample(now_s, view);
        for watched in self.watched.iter().filter(|w| !w.settled) {
            let result = holds(condition_of(&watched.expectation), watched.seen, view);
            if let (Expectation::AtEnd(_) | Expectation::Within(..), Err(why)) = (&watched.expectation, result) {
                self.failures.push(Failure { expectation: watched.expectation.clone(), at_s: now_s, why });
            }
        }
        self.failures
    }
}

pub(crate) fn condition_of(expectation: &Expectation) -> &Condition {
    match expectation {
        Expectation::Always(c) | Expectation::AlwaysAfter(_, c) | Expectation::Within(_, c) => c,
        Expectation::AtEnd(c) | Expectation::Never(c) => c,
    }
}

/// Ok: it holds, and how; Err: it does not, and why.
fn holds(condition: &Condition, seen: bool, view: &View<'_>) -> Result<String, String> {
    let bound = |quantity: &Quantity, ok: &dyn Fn(f64) -> bool, wanted: String| match measure(quantity, view) {
        Some(value) if ok(value) => Ok(format!("{quantity:?} is {value:.4}, {wanted}")),
        Some(value) => Err(format!("{quantity:?} is {value:.4}, not {wanted}")),
        None => Err(format!("{quantity:?} does not exist on this machine")),
    };
    match condition {
        Condition::AtLeast(q, low) => bound(q, &|v| v >= *low, format!("at least {low}")),
        Condition::AtMost(q, high) => bound(q, &|v| v <= *high, format!("at most {high}")),
        Condition::Near(q, value, tolerance) => {
            bound(q, &|v| (v - value).abs() <= *tolerance, format!("{value} within {tolerance}"))
        }
        Condition::Console(text) | Condition::Shutdown(text) => match seen {
            true => Ok(format!("\"{text}\" was seen")),
            false => Err(format!("\"{text}\" was not seen")),
        },
        Condition::PrintDone => match view.print_done {
            true => Ok("the print is done".into()),
            false => Err("the print is not done".into()),
        },
    }
}

/// The present value; None if the machine has no such thing.
pub fn measure(quantity: &Quantity, view: &View<'_>) -> Option<f64> {
    let (twin, truth) = (view.twin, view.truth);
    let heater = |name: &String| twin.bench.heater_names.iter().position(|n| n == name);
    Some(match quantity {
        Quantity::TrueTemperature(name) => truth.heaters.get(heater(name)?)?.body_c,
        Quantity::MeasuredTemperature(name) => twin.host.heater(name)?.measured_c,
        Quantity::HeaterDuty(name) => *twin.bench.loom.heater_duty.get(heater(name)?)?,
        Quantity::NozzleX => truth.nozzle_mm[0],
        Quantity::NozzleY => truth.nozzle_mm[1],
        Quantity::NozzleZ => truth.nozzle_mm[2],
        Quantity::RingingUm => twin.bench.plant.ringing_um(),
        Quantity::PeakRingingUm => twin.bench.plant.peak_ringing_um(),
        Quantity::LostSteps => truth.motors.iter().map(|m| m.lost_full_steps.unsigned_abs()).sum::<u64>() as f64,
        Quantity::LostStepsOf(name) => {
            let motor = twin.bench.plant.machine().motors.iter().position(|m| m.name == *name)?;
            truth.motors.get(motor)?.lost_full_steps as f64
        }
        Quantity::RetransmittedBytes => twin.host.retransmitted_bytes() as f64,
        Quantity::PrintTime => view.print_time_s.unwrap_or(twin.now_s()),
        Quantity::ClockErrorUs(mcu) => twin.clock_error_us(mcu)?,
        Quantity::HostReady => f64::from(u8::from(twin.host.state() == drydock_host::printer::State::Ready)),
    })
}
