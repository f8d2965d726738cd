#[path = "../tests/common/mod.rs"]
mod common;
use common::{Trapezoid, edges, enabled, machine};
use drydock_plant::kinematics::Delta;
use drydock_plant::{Machine, Shape};
/// One simulated second that ends where it began (but for the filament).
fn second(machine: &Machine) -> Vec<(u64, usize, bool)> {
    let line = Trapezoid { mm: 22.0, mm_s: 120.0, mm_s2: 3000.0 };
    let mut out = Vec::new();
    let mut from = 0.0;
    for n in 0..4 {
        let d = line.duration_s();
        let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
        let start = if n % 2 == 0 { 0.0 } else { 22.0 };
        for (motor, share) in [(0, 1.0), (1, 0.6)] {
            let per_mm = share / machine.motors[motor].step_mm();
            edges(|t| (start + sign * line.at(t - from)) * per_mm, from, from + d, motor, &mut out);
        }
        edges(|t| line.at(t - from) * 0.034 / machine.motors[3].step_mm(), from, from + d, 3, &mut out);
        from += d;
    }
    out.sort_by_key(|e| (e.0, e.1));
    out
}

fn main() {
    let which = std::env::args().nth(1).unwrap_or_default();
    let mut m = machine(match which.as_str() {
        "corexy" => Shape::CoreXy,
        "delta" => Shape::Delta(Delta::default()),
        _ => Shape::Cartesian { bed_slinger: false },
    });
    match which.as_str() {
        "ideal" => m.motors.iter_mut().for_each(|m| m.model = drydock_plant::drive::Drive::Ideal),
        "nomodes" => m.modes.clear(),
        "linear" => m.extruders[0].power_index = 1.0,
        "nomelt" => {
            m.motors[3].moves = drydock_plant::drive::Moves::Rail(2);
            m.extruders.clear();
        }
        _ => {}
    }
    let n: u64 = std::env::args().nth(2).and_then(|s| s.parse().ok()).unwrap_or(500);
    let edges = second(&m);
    let mut plant = enabled(&m, 1);
    plant.keep_beads(false);
    plant.set_heater(0, 0, 1.0);
    plant.advance(120_000_000_000);
    plant.set_heater(0, 120_000_000_000, 0.35);
    let mut now_ns = 120_000_000_000u64;
    for _ in 0..n {
        for (at_ns, motor, forward) in &edges {
            plant.step(*motor, now_ns + at_ns, *forward);
        }
        now_ns += 1_000_000_000;
        plant.advance(now_ns);
    }
    println!("{} edges/s {:?} peak {}", edges.len(), plant.truth(), plant.peak_ringing_um());
}
