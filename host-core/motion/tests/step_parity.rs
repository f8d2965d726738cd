//! Step times against the peer's, every step of every reference program.

mod reference_support;
use drydock_motion::step_compress::{MAX_ERROR_S, StepCommand, StepCompressor};
use drydock_motion::step_times::StepSink;
use reference_support::{CLOCK_HZ, Case, KINEMATICS, PROGRAMS, plan, read_steps, reference, trap_rows};
use std::path::Path;

const MAX_TICKS_OFF: u64 = 3;
const MIN_WITHIN_ONE_TICK: f64 = 0.9999;

fn for_each_case(dir: &Path, mut check: impl FnMut(&str, &Case, &Path)) {
    for program in PROGRAMS {
        #[allow(clippy::disallowed_methods, reason = "reads reference data")]
        let gcode = std::fs::read_to_string(dir.join(format!("{program}.gcode"))).unwrap();
        for kinematics in KINEMATICS {
            let case = Case::new(program, kinematics, &trap_rows(&plan(&gcode, kinematics, 0.25)));
            let name = format!("{program}.{kinematics}");
            check(&name, &case, &dir.join(format!("{name}.a3000_scv5.steps.csv.gz")));
        }
    }
}

#[test]
fn exact_clocks_agree_with_the_peer() {
    let Some(dir) = reference("steps") else { return };
    let (mut all, mut within_one, mut worst) = (0_u64, 0_u64, 0);
    for_each_case(&dir, |name, case, path| {
        for expected in read_steps(path) {
            let stepper = case.steppers.iter().position(|(n, _)| *n == expected.name).unwrap();
            let mut got = Vec::new();
            case.run(stepper, 0.25, &mut got);
            let at = format!("{name} {}", expected.name);
            for (i, (g, e)) in got.iter().zip(expected.dirs.iter().zip(&expected.exact)).enumerate() {
                let off = g.1.abs_diff(*e.1);
                if g.0 != *e.0 || off > MAX_TICKS_OFF {
                    let near = |i: usize| i.saturating_sub(3)..i + 4;
                    panic!(
                        "{at}: step {i} is {g:?}, the peer has {e:?}\n ours  {:?}\n peer {:?} {:?}\n{} {}",
                        got.get(near(i)),
                        expected.dirs.get(near(i)),
                        expected.exact.get(near(i)),
                        got.len(),
                        expected.exact.len(),
                    );
                }
                all += 1;
                within_one += u64::from(off <= 1);
                worst = worst.max(off);
            }
            assert_eq!(got.len(), expected.exact.len(), "{at}: number of steps");
        }
    });
    eprintln!("{all} steps, {} more than 1 tick off, worst {worst}", all - within_one);
    assert!(within_one as f64 >= MIN_WITHIN_ONE_TICK * all as f64, "{within_one} of {all} within a tick");
}

/// Compresses as steps arrive and flushes what is 100 ms old, as a host does.
struct Compressing {
    compressor: StepCompressor,
    expanded: Vec<(bool, u64)>,
    commands: usize,
}

impl Compressing {
    fn take(&mut self) {
        let mut dir = self.expanded.last().is_none_or(|s| s.0);
        for c in self.compressor.commands() {
            match c {
                StepCommand::SetDir { dir: d } => dir = d,
                StepCommand::QueueStep(q) => {
                    self.commands += 1;
                    self.expanded.extend(q.clocks().map(|clock| (dir, clock)));
                }
            }
        }
    }
}

impl StepSink for Compressing {
    fn steps(&mut self, dir: bool, clocks: &[u64]) {
        self.compressor.steps(dir, clocks);
        self.compressor.flush(clocks[0].saturating_sub(16_800_000));
    }
}

#[test]
fn compressed_clocks_are_never_late_and_at_most_25_us_early() {
    let Some(dir) = reference("steps") else { return };
    let (mut steps, mut commands) = (0, 0);
    for_each_case(&dir, |name, case, path| {
        for expected in read_steps(path) {
            let stepper = case.steppers.iter().position(|(n, _)| *n == expected.name).unwrap();
            let compressor = StepCompressor::new(CLOCK_HZ, MAX_ERROR_S);
            let mut sink = Compressing { compressor, expanded: Vec::new(), commands: 0 };
            case.run(stepper, 0.25, &mut sink);
            sink.compressor.flush(u64::MAX);
            sink.take();
            let at = format!("{name} {}", expected.name);
            assert_eq!(sink.expanded.len(), expected.exact.len(), "{at}");
            let mut before = 0;
            for (i, (got, want)) in sink.expanded.iter().zip(&expected.exact).enumerate() {
                let slack = 4200.min((want - before) / 2);
                assert_eq!(got.0, expected.dirs[i]);
                assert!(got.1 <= *want && got.1 + slack >= *want, "{at} step {i}: {got:?} for {want}");
                before = *want;
            }
            steps += sink.expanded.len();
            commands += sink.commands;
        }
    });
    eprintln!("{steps} steps in {commands} commands: {:.1} a command", steps as f64 / commands as f64);
}
