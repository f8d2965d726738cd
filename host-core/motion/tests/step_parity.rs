//! Step times against the peer's, every step of every reference program.

mod reference_support;
use reference_support::{Case, KINEMATICS, PROGRAMS, plan, read_steps, reference, trap_rows};
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
