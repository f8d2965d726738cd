//! Writes a recording with so many beads, to measure loading and drawing with: squares of 60 mm with ringing walls.
//!
//! `cargo run --release -p drydock-view-model --example make_beads -- 1000000 million.drydock`

use drydock_recording::{Bead, Chip, Command, End, Extrusion, Header, Move, State, Writer};
use std::fs::File;
use std::io::BufWriter;

const BEAD_NS: u64 = 3_500_000;
const STATE_NS: u64 = 2_000_000;
const SPEED_MM_S: f64 = 100.0;
const SIDE_MM: f64 = 60.0;
const WALLS: u64 = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let beads: u64 = arguments.next().ok_or("give the number of beads")?.parse()?;
    let path = arguments.next().ok_or("give a path")?;
    let header = Header {
        title: format!("{beads} beads"),
        machine_ron: "(tick_ns: 250000, kinematics: CoreXy(()), travel_min_mm: (0.0, 0.0, 0.0), \
            travel_max_mm: (250.0, 250.0, 250.0), modes: [\
            (freq_hz: 48.0, damping: 0.06, excited_by: (1.0, 0.0, 0.0), shape: (0.9, 0.0, 0.0)), \
            (freq_hz: 37.0, damping: 0.06, excited_by: (0.0, 1.0, 0.0), shape: (0.0, 0.9, 0.0))])"
            .into(),
        chips: vec![Chip::adxl345("adxl345")],
        ..Header::default()
    };
    let mut writer = Writer::new(BufWriter::new(File::create(path)?), header)?;
    let end_ns = beads * BEAD_NS;
    let side_ns = (SIDE_MM / SPEED_MM_S * 1e9) as u64;
    let (mut next_state, mut next_side) = (0, 0);
    for i in 0..beads {
        let (at_ns, until_ns) = (i * BEAD_NS, (i + 1) * BEAD_NS);
        while next_side * side_ns <= at_ns {
            let from_ns = next_side * side_ns;
            let line_no = next_side as u32 + 1;
            if next_side.is_multiple_of(4 * WALLS) {
                writer.push(Command { at_ns: from_ns, line_no: 0, offset: 0, text: ";LAYER_CHANGE".into() })?;
            }
            let (start_mm, end_mm) = (place(from_ns).0, place(from_ns + side_ns - 1).0);
            let text = format!("G1 X{:.3} Y{:.3}", end_mm[0], end_mm[1]);
            writer.push(Command { at_ns: from_ns, line_no, offset: 0, text })?;
            let phase = Move { at_ns: from_ns, duration_ns: side_ns, start_mm, end_mm, ..Move::default() };
            // The plan gets as far as the nozzle does: inner walls are shorter, and take as long.
            let way_mm = (0..3).map(|axis| (end_mm[axis] - start_mm[axis]).powi(2)).sum::<f64>().sqrt();
            writer.push(Move { start_v_mm_s: way_mm / (side_ns as f64 * 1e-9), e_mm: 2.0, line_no, ..phase })?;
            next_side += 1;
        }
        let (from_mm, to_mm) = (place(at_ns).1, place(until_ns).1);
        let feature =
            if (at_ns / side_ns / 4).is_multiple_of(WALLS) { Bead::FEATURE_OUTER_WALL } else { Bead::FEATURE_INFILL };
        let width_mm = 0.45 + 0.02 * noise(i);
        let bead = Bead { at_ns, duration_ns: BEAD_NS, from_mm, to_mm, width_mm, height_mm: 0.2, ..Bead::default() };
        writer.push(Bead { temperature_c: 210.0 + noise(i / 7), feature, ..bead })?;
        while next_state <= until_ns {
            let (drive_mm, nozzle_mm) = place(next_state);
            let e_mm = next_state as f64 * 1e-9 * 3.3;
            writer.push(State { at_ns: next_state, drive_mm, nozzle_mm, e_mm })?;
            let (pressure_mpa, flow_mm3_s) = (5.0 + noise(next_state), 8.0 + noise(next_state + 1));
            writer.push(Extrusion { at_ns: next_state, pressure_mpa, flow_mm3_s })?;
            next_state += STATE_NS;
        }
    }
    writer.finish(&End { end_ns, ..End::default() })?;
    Ok(())
}

/// Drive and nozzle at a time.
fn place(at_ns: u64) -> ([f64; 3], [f64; 3]) {
    let side_ns = (SIDE_MM / SPEED_MM_S * 1e9) as u64;
    let (side, t) = (at_ns / side_ns, (at_ns % side_ns) as f64 * 1e-9);
    let (wall, layer) = (side / 4 % WALLS, side / 4 / WALLS);
    let inset = wall as f64 * 0.45;
    let (low, long) = (90.0 + inset, SIDE_MM - 2.0 * inset);
    let along = t * SPEED_MM_S * long / SIDE_MM;
    let swing = 0.04 * (-18.0 * t).exp() * (std::f64::consts::TAU * 48.0 * t).cos();
    let (at, right) = match side % 4 {
        0 => ([low + along, low], [0.0, -1.0]),
        1 => ([low + long, low + along], [1.0, 0.0]),
        2 => ([low + long - along, low + long], [0.0, 1.0]),
        _ => ([low, low + long - along], [-1.0, 0.0]),
    };
    // Real nozzles are never still to the last digit.
    let off = swing + 2e-4 * noise(at_ns);
    let z = 0.2 * (layer + 1) as f64;
    ([at[0], at[1], z], [at[0] + off * right[0], at[1] + off * right[1], z])
}

/// From -1 to 1, always the same for the same number.
fn noise(of: u64) -> f64 {
    let mixed = (of ^ (of >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}
