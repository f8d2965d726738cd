//! Planned moves against the peer's own trapezoids.
#![allow(clippy::disallowed_methods, reason = "reads reference data")]

mod reference_support;
use reference_support::{KINEMATICS, PROGRAMS, columns, plan, read_trap_csv, reference, trap_rows};

const TOLERANCE: f64 = 1e-9;

#[test]
fn trapezoids_agree_with_the_peer() {
    let Some(dir) = reference("steps") else { return };
    let mut worst = 0.0_f64;
    for program in PROGRAMS {
        let gcode = std::fs::read_to_string(dir.join(format!("{program}.gcode"))).unwrap();
        for kinematics in KINEMATICS {
            let csv = dir.join(format!("{program}.{kinematics}.a3000_scv5.trapq.csv"));
            let expected = read_trap_csv(&std::fs::read_to_string(csv).unwrap());
            let got = trap_rows(&plan(&gcode, kinematics, 0.25));
            assert_eq!(got.len(), expected.len(), "{program}.{kinematics}");
            for (g, e) in got.iter().zip(&expected) {
                assert_eq!(g.0, e.0);
                for (a, b) in columns(&g.1).into_iter().zip(columns(&e.1)) {
                    let err = (a - b).abs() / b.abs().max(1.0);
                    worst = worst.max(err);
                    assert!(err <= TOLERANCE, "{program}.{kinematics}: {g:?} but the peer has {e:?}");
                }
            }
        }
    }
    eprintln!("worst difference {worst:e}");
}

#[test]
fn when_moves_are_flushed_does_not_change_them() {
    let Some(dir) = reference("steps") else { return };
    for program in PROGRAMS {
        let gcode = std::fs::read_to_string(dir.join(format!("{program}.gcode"))).unwrap();
        let late = plan(&gcode, "cartesian", f64::INFINITY);
        for flush_time_s in [0.0, 0.01, 0.15, 0.25] {
            assert_eq!(plan(&gcode, "cartesian", flush_time_s), late, "{program} flushed each {flush_time_s} s");
        }
    }
}
