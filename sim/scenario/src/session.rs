//! One run of a twin from the first second to the last: the story is told, faults strike, samples are recorded and checked.

use std::collections::VecDeque;
use std::io::Write;

use drydock_host::config::{Config, MapSource};
use drydock_host::printer::{Output, State};
use drydock_plant::Truth;
use drydock_recording::{End, Figure};
use drydock_twin::bench::SetupError;
use drydock_twin::recorder::Recorder;
use drydock_twin::world::{Turn, Twin};

use crate::check::{Checks, Failure, View};
use crate::model::{Act, Expectation, TimedFault};
use crate::setup::print_name;

/// After a shutdown the world goes on for so long, so that its consequences are on record.
const AFTERMATH_S: f64 = 1.0;
/// The session is told that it may end when the story is over and this much quiet has passed.
const SETTLE_S: f64 = 0.2;
/// Lines of the terminal, and errors, that are kept.
const MAX_LINES: usize = 10_000;

pub struct Session {
    pub twin: Twin,
    pub recorder: Option<Recorder>,
    pub story: Vec<Act>,
    pub faults: Vec<TimedFault>,
    pub expect: Vec<Expectation>,
    pub end_s: f64,
    /// The configuration's files, as the host has saved them since.
    pub config_files: MapSource,
    pub config_path: String,
    /// Where klippy.log goes.
    pub log: Option<Box<dyn Write>>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub sim_s: f64,
    /// Part of the file that is printed, 0 to 1; None when nothing prints.
    pub part: Option<f64>,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub fingerprint: String,
    pub sim_s: f64,
    /// From the start of the (last) print to its end; None if nothing was printed.
    pub print_time_s: Option<f64>,
    pub lost_steps: i64,
    /// Full steps that each motor lost, signed.
    pub lost_by_motor: Vec<(String, i64)>,
    pub peak_ringing_um: f64,
    pub steps: u64,
    /// (heater, true temperature at the end, highest, target at the end), degrees C.
    pub temperatures: Vec<(String, f64, f64, f64)>,
    pub failures: Vec<Failure>,
    /// What the host or a micro-controller stopped for.
    pub shutdown: Option<String>,
    /// Lines that the terminal showed as errors.
    pub errors: Vec<String>,
    /// All lines that the terminal showed, with their times, s.
    pub terminal: Vec<(f64, String)>,
    pub files: Vec<(String, Vec<u8>)>,
    /// The scenario said what it expects.
    pub expects: bool,
}

impl Outcome {
    /// What was expected came true; where nothing was expected, the host met no error.
    pub fn ok(&self) -> bool {
        self.failures.is_empty() && (self.expects || self.errors.is_empty() && self.shutdown.is_none())
    }
}

enum Doing {
    Nothing,
    Lines(VecDeque<String>),
    Printing { started_s: f64 },
    Waiting { until_s: f64 },
    Settling { until_s: f64 },
    Done,
}

impl Session {
    /// Runs to the end. `progress` is called now and then; answering false ends the run early.
    pub fn run(mut self, mut progress: impl FnMut(Progress) -> bool) -> std::io::Result<Outcome> {
        let mut state = RunState::new(&self);
        if let Some(recorder) = &mut self.recorder {
            recorder.watch(&self.twin);
        }
        let mut acts: VecDeque<Act> = self.story.drain(..).collect();
        let end_ns = (self.end_s * 1e9) as u64;
        let mut doing = Doing::Nothing;
        let mut turns = 0_u64;
        let mut pending: Option<drydock_host::host::Pending> = None;
        loop {
            let until_ns = self.next_stop(&doing, end_ns);
            let turn = self.twin.turn(until_ns);
            let now_s = self.twin.now_s();
            self.strike_faults();
            self.drain_output(&mut state)?;
            if turn == Turn::Sample {
                self.sample(&mut state)?;
            }
            turns += 1;
            if turns.is_multiple_of(4096) && !progress(Progress { sim_s: now_s, part: self.twin.host.print_progress() })
            {
                break;
            }
            if state.shutdown.is_some() && state.stop_at_s.is_none() {
                state.stop_at_s = Some(now_s + AFTERMATH_S);
            }
            let over = self.twin.now_ns() >= end_ns || state.stop_at_s.is_some_and(|t| now_s >= t);
            if over || turn == Turn::Idle || matches!(doing, Doing::Done) {
                break;
            }
            if self.twin.host.state() == State::Startup || pending.as_ref().is_some_and(|p| !p.is_done()) {
                continue;
            }
            doing = self.advance(doing, &mut acts, &mut pending, &mut state);
        }
        self.finish(state)
    }

    fn next_stop(&self, doing: &Doing, end_ns: u64) -> u64 {
        let mut next = end_ns;
        if let Doing::Waiting { until_s } | Doing::Settling { until_s } = doing {
            // Once it is past, something else is awaited, and time must go on.
            let until_ns = (until_s * 1e9) as u64;
            next = next.min(if until_ns > self.twin.now_ns() { until_ns } else { u64::MAX });
        }
        let due = self.faults.iter().map(|f| (f.at_s * 1e9) as u64).filter(|at| *at > self.twin.now_ns()).min();
        next.min(due.unwrap_or(u64::MAX)).max(self.twin.now_ns())
    }

    fn strike_faults(&mut self) {
        let now = self.twin.now_ns();
        let (due, later) = std::mem::take(&mut self.faults).into_iter().partition(|f| (f.at_s * 1e9) as u64 <= now);
        self.faults = later;
        let due: Vec<TimedFault> = due;
        due.iter().for_each(|f| self.twin.bench.inject(&f.fault));
    }

    /// Goes on with the story as far as it can without time passing.
    fn advance(
        &mut self,
        doing: Doing,
        acts: &mut VecDeque<Act>,
        pending: &mut Option<drydock_host::host::Pending>,
        state: &mut RunState,
    ) -> Doing {
        let now_s = self.twin.now_s();
        match doing {
            Doing::Waiting { until_s } if now_s < until_s => doing,
            Doing::Settling { until_s } if now_s < until_s => doing,
            Doing::Settling { .. } | Doing::Done => Doing::Done,
            Doing::Lines(mut lines) if !lines.is_empty() => {
                *pending = lines.pop_front().map(|line| self.twin.console(&line));
                Doing::Lines(lines)
            }
            Doing::Printing { started_s } => {
                if self.twin.host.is_printing() {
                    return doing;
                }
                state.print_time_s = Some(now_s - started_s);
                let print_state = self.twin.host.print_state();
                state.print_done = print_state == "complete";
                if !state.print_done {
                    state.errors.push(format!("!! The print did not come to its end, it is '{print_state}'"));
                }
                Doing::Nothing
            }
            Doing::Nothing | Doing::Lines(_) | Doing::Waiting { .. } => match acts.pop_front() {
                Some(Act::Gcode(lines)) => Doing::Lines(lines.into()),
                Some(Act::Print(file)) => {
                    *pending =
                        Some(self.twin.console(&format!("SDCARD_PRINT_FILE FILENAME=\"{}\"", print_name(&file))));
                    state.print_done = false;
                    Doing::Printing { started_s: now_s }
                }
                Some(Act::Wait(seconds)) => Doing::Waiting { until_s: now_s + seconds },
                None => {
                    *pending = Some(self.twin.console("M400"));
                    Doing::Settling { until_s: now_s + SETTLE_S }
                }
            },
        }
    }

    fn drain_output(&mut self, state: &mut RunState) -> std::io::Result<()> {
        let at_ns = self.twin.now_ns();
        let mut restart = false;
        for output in self.twin.take_output() {
            if let Some(recorder) = &mut self.recorder {
                recorder.output(at_ns, &output).map_err(std::io::Error::other)?;
            }
            match output {
                Output::Log(line) => {
                    if let Some(log) = &mut self.log {
                        writeln!(log, "{line}")?;
                    }
                }
                Output::Console(line) => {
                    if line.starts_with("!!") && state.errors.len() < MAX_LINES {
                        state.errors.push(line.clone());
                    }
                    state.checks.console(&line);
                    if state.terminal.len() < MAX_LINES {
                        state.terminal.push((self.twin.now_s(), line));
                    }
                }
                Output::File { path, content } => {
                    self.config_files.insert(&path, content.clone());
                    state.files.push((path, content));
                }
                Output::Restart { .. } => restart = true,
                Output::State(State::Shutdown(message) | State::Error(message)) => {
                    state.checks.shutdown(&message);
                    state.shutdown = Some(message);
                }
                Output::State(_) | Output::Line { .. } => {}
            }
        }
        if restart {
            self.restart(state);
        }
        Ok(())
    }

    /// The host asked to be started again, with what it saved.
    fn restart(&mut self, state: &mut RunState) {
        let config = Config::parse(&self.config_files, &self.config_path).map_err(SetupError::Config);
        match config.and_then(|config| self.twin.restart(config)) {
            Ok(()) => {
                (state.shutdown, state.stop_at_s) = (None, None);
                if let Some(recorder) = &mut self.recorder {
                    recorder.watch(&self.twin);
                }
            }
            Err(error) => state.shutdown = Some(error.to_string()),
        }
    }

    fn sample(&mut self, state: &mut RunState) -> std::io::Result<()> {
        if let Some(recorder) = &mut self.recorder {
            recorder.sample(&mut self.twin.bench, Some(&self.twin.host)).map_err(std::io::Error::other)?;
        } else {
            // Nobody wants them; do not let them pile up.
            self.twin.bench.plant.take_beads(&mut state.beads);
            self.twin.bench.plant.take_events(&mut state.events);
            state.beads.clear();
            state.events.clear();
        }
        self.twin.bench.plant.truth_into(&mut state.truth);
        for (highest, heater) in state.highest_c.iter_mut().zip(&state.truth.heaters) {
            *highest = highest.max(heater.body_c);
        }
        if !state.checks.is_empty() {
            let view = View {
                twin: &self.twin,
                truth: &state.truth,
                print_done: state.print_done,
                print_time_s: state.print_time_s,
            };
            state.checks.sample(self.twin.now_s(), &view);
        }
        Ok(())
    }

    fn finish(mut self, mut state: RunState) -> std::io::Result<Outcome> {
        self.twin.bench.plant.advance(self.twin.now_ns());
        self.twin.bench.plant.truth_into(&mut state.truth);
        let view = View {
            twin: &self.twin,
            truth: &state.truth,
            print_done: state.print_done,
            print_time_s: state.print_time_s,
        };
        let expects = !state.checks.is_empty();
        let failures = state.checks.finish(self.twin.now_s(), &view);
        let temperatures = self.twin.bench.heater_names.iter().enumerate();
        let temperatures = temperatures
            .map(|(i, name)| {
                let now = state.truth.heaters.get(i).map_or(0.0, |h| h.body_c);
                let target = self.twin.host.heater(name).map_or(0.0, |h| h.target_c);
                (name.clone(), now, state.highest_c[i], target)
            })
            .collect();
        let outcome = Outcome {
            fingerprint: self.twin.bench.fingerprint(),
            sim_s: self.twin.now_s(),
            print_time_s: state.print_time_s,
            lost_steps: state.truth.motors.iter().map(|m| m.lost_full_steps.abs()).sum(),
            lost_by_motor: lost_by_motor(&self.twin, &state.truth),
            peak_ringing_um: self.twin.bench.plant.peak_ringing_um(),
            steps: self.twin.steps(),
            temperatures,
            failures,
            shutdown: state.shutdown.or(self.twin.bench.shutdown()),
            errors: state.errors,
            terminal: state.terminal,
            files: state.files,
            expects,
        };
        if let Some(recorder) = self.recorder.take() {
            let mut end =
                End { fingerprint: outcome.fingerprint.clone(), end_ns: self.twin.now_ns(), ..End::default() };
            end.set("print_time_s", Figure::Number(outcome.print_time_s.unwrap_or(outcome.sim_s)));
            end.set("lost_steps", Figure::Number(outcome.lost_steps as f64));
            end.set("peak_ringing_um", Figure::Number(outcome.peak_ringing_um));
            end.set("steps", Figure::Number(outcome.steps as f64));
            recorder.finish(&mut self.twin.bench, &end).map_err(std::io::Error::other)?;
        }
        if let Some(log) = &mut self.log {
            log.flush()?;
        }
        Ok(outcome)
    }
}

fn lost_by_motor(twin: &Twin, truth: &Truth) -> Vec<(String, i64)> {
    let names = twin.bench.plant.machine().motors.iter().map(|m| m.name.clone());
    names.zip(truth.motors.iter().map(|m| m.lost_full_steps)).collect()
}

struct RunState {
    checks: Checks,
    truth: Truth,
    highest_c: Vec<f64>,
    errors: Vec<String>,
    terminal: Vec<(f64, String)>,
    files: Vec<(String, Vec<u8>)>,
    shutdown: Option<String>,
    stop_at_s: Option<f64>,
    print_time_s: Option<f64>,
    print_done: bool,
    beads: Vec<drydock_plant::Bead>,
    events: Vec<drydock_plant::Event>,
}

impl RunState {
    fn new(session: &Session) -> RunState {
        RunState {
            checks: Checks::new(session.expect.clone()),
            truth: Truth::default(),
            highest_c: vec![0.0; session.twin.bench.heater_names.len()],
            errors: Vec::new(),
            terminal: Vec::new(),
            files: Vec::new(),
            shutdown: None,
            stop_at_s: None,
            print_time_s: None,
            print_done: false,
            beads: Vec::new(),
            events: Vec::new(),
        }
    }
}
