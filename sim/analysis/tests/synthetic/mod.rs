//! Recordings made without the twin, of which it is known what they must show.

use drydock_recording::*;
use std::f64::consts::TAU;
use std::io::Cursor;

pub type Memory = Reader<Cursor<Vec<u8>>>;

pub const FREQ_HZ: [f64; 2] = [48.0, 37.0];
pub const DAMPING: f64 = 0.06;
const LAYER_MM: f64 = 0.2;

pub fn header(title: &str) -> Header {
    Header {
        program: "drydock synthetic".into(),
        title: title.into(),
        command: "drydock run scenarios/cube --seed 7".into(),
        seed: 7,
        heaters: vec!["extruder".into(), "heater_bed".into()],
        motors: vec!["stepper_x".into(), "stepper_y".into()],
        chips: vec![Chip::adxl345("adxl345")],
        ..Header::default()
    }
}

pub fn finish(writer: Writer<Vec<u8>>, end_ns: u64, fingerprint: &str) -> Memory {
    let mut end = End { fingerprint: fingerprint.into(), end_ns, ..End::default() };
    end.set("print_time_s", end_ns as f64 * 1e-9);
    end.set("realtime_factor", 612.4);
    end.set("lost_steps", 0.0);
    Reader::new(Cursor::new(writer.finish(&end).unwrap())).unwrap()
}

/// A square of 40 mm at 100 mm/s without slowing down; after every corner the nozzle swings with `amplitude_um` and
/// 48 Hz across the wall, to the right first.
pub fn planted(amplitude_um: f64) -> Memory {
    let mut writer = Writer::new(Vec::new(), header("planted ringing")).unwrap();
    let (speed, side, rate) = (100.0, 40.0, 5_000.0);
    let omega = TAU * FREQ_HZ[0];
    let damped = omega * (1.0 - DAMPING * DAMPING).sqrt();
    for i in 0..(4.0 * side / speed * rate) as u64 {
        let at_ns = (i as f64 * 1e9 / rate) as u64;
        let along = i as f64 / rate * speed;
        let (corner, s) = ((along / side) as u32, along % side);
        let (at, right) = match corner {
            0 => ([100.0 + s, 100.0], [0.0, -1.0]),
            1 => ([140.0, 100.0 + s], [1.0, 0.0]),
            2 => ([140.0 - s, 140.0], [0.0, 1.0]),
            _ => ([100.0, 140.0 - s], [-1.0, 0.0]),
        };
        let t = s / speed;
        let off = amplitude_um * 1e-3 * (-DAMPING * omega * t).exp() * (damped * t).cos();
        let off = if corner == 0 { 0.0 } else { off };
        let nozzle_mm = [at[0] + off * right[0], at[1] + off * right[1], LAYER_MM];
        let drive_mm = [at[0], at[1], LAYER_MM];
        writer.push(State { at_ns, drive_mm, nozzle_mm, e_mm: along * 0.033 }).unwrap();
        let step_ns = (1e9 / rate) as u64;
        let feature = Bead::FEATURE_OUTER_WALL;
        writer
            .push(Bead {
                at_ns,
                duration_ns: step_ns,
                from_mm: nozzle_mm,
                to_mm: nozzle_mm,
                feature,
                ..Bead::default()
            })
            .unwrap();
    }
    finish(writer, 1_600_000_000, "planted")
}

/// A part with straight walls, a slope, a hole and infill, three layers, printed by a machine whose axes swing as
/// springs do: 3000 mm/s^2, 100 mm/s, 5 mm/s in corners. With the shaper every move is made twice, ZV.
pub fn part(shaper: bool) -> Memory {
    let title = "Cube with a hole, CoreXY";
    let mut writer = Writer::new(Vec::new(), header(title)).unwrap();
    let mut plan = Vec::new();
    for layer in 1..=3 {
        plan_layer(f64::from(layer) * LAYER_MM, &mut plan);
    }
    let dt = 1e-4;
    let print_s = 30.0;
    let mut planned: Vec<([f64; 3], f64, u8)> = Vec::new();
    for segment in &plan {
        segment.sample(dt, &mut planned);
    }
    heat_up(&mut writer, print_s, planned.len() as f64 * dt);
    let shifts = |axis: usize| (0.5 / (FREQ_HZ[axis] * (1.0 - DAMPING * DAMPING).sqrt()) / dt).round() as usize;
    let weight = 1.0 / (1.0 + (-DAMPING * std::f64::consts::PI / (1.0 - DAMPING * DAMPING).sqrt()).exp());
    let (mut at, mut speed) = (planned[0].0, [0.0; 2]);
    let mut pressure = 0.0;
    for i in 0..planned.len() {
        let mut drive_mm = planned[i].0;
        if shaper {
            for axis in 0..2 {
                let late = planned[i.saturating_sub(shifts(axis))].0[axis];
                drive_mm[axis] = weight * drive_mm[axis] + (1.0 - weight) * late;
            }
        }
        for axis in 0..2 {
            let omega = TAU * FREQ_HZ[axis];
            for _ in 0..4 {
                let force = omega * omega * (drive_mm[axis] - at[axis]) - 2.0 * DAMPING * omega * speed[axis];
                let before = planned[i.saturating_sub(1)].0[axis];
                let drag = 2.0 * DAMPING * omega * (planned[i].0[axis] - before) / dt;
                speed[axis] += (force + drag) * dt / 4.0;
                at[axis] += speed[axis] * dt / 4.0;
            }
        }
        let at_ns = ((print_s + i as f64 * dt) * 1e9) as u64;
        let nozzle_mm = [at[0], at[1], drive_mm[2]];
        let flow = (planned[i].1 - planned[i.saturating_sub(1)].1) / dt * 2.405;
        pressure += (flow * 0.05 - pressure) * dt / 0.04;
        if i % 5 == 0 {
            writer.push(State { at_ns, drive_mm, nozzle_mm, e_mm: planned[i].1 }).unwrap();
            writer.push(Extrusion { at_ns, pressure_mpa: pressure, flow_mm3_s: pressure / 0.05 }).unwrap();
            let angle = |axis: usize| 25.0 * (drive_mm[axis] - at[axis]) / 0.03;
            for axis in 0..2 {
                let load = Load { at_ns, motor: axis as u8, load_angle_deg: angle(axis), lost_steps: 0 };
                writer.push(load).unwrap();
            }
        }
        if planned[i].2 != TRAVEL && i % 20 == 0 {
            let bead = Bead { at_ns, duration_ns: 2_000_000, from_mm: nozzle_mm, to_mm: nozzle_mm, ..Bead::default() };
            writer.push(Bead { width_mm: 0.45, height_mm: 0.2, feature: planned[i].2, ..bead }).unwrap();
        }
    }
    let end_ns = ((print_s + planned.len() as f64 * dt) * 1e9) as u64;
    let event = |at_s: f64, severity: u8, source: &str, text: &str| Event {
        at_ns: (at_s * 1e9) as u64,
        severity,
        source: source.into(),
        text: text.into(),
    };
    writer.push(event(0.5, Event::INFO, "host", "homed X, Y and Z")).unwrap();
    writer.push(event(29.9, Event::WARNING, "plant", "first layer is 12 um low at <X 5, Y 5> & \"there\"")).unwrap();
    finish(writer, end_ns, if shaper { "9f31c0" } else { "47aa01" })
}

const TRAVEL: u8 = 255;

struct Segment {
    from: [f64; 3],
    to: [f64; 3],
    feature: u8,
    /// The speed at its two ends.
    ends: f64,
}

impl Segment {
    fn sample(&self, dt: f64, out: &mut Vec<([f64; 3], f64, u8)>) {
        const ACCEL: f64 = 3000.0;
        let d: Vec<f64> = (0..3).map(|i| self.to[i] - self.from[i]).collect();
        let long = d.iter().map(|v| v * v).sum::<f64>().sqrt();
        let top = 100f64.min((self.ends * self.ends + ACCEL * long).sqrt());
        let ramp_s = (top - self.ends) / ACCEL;
        let ramp = (self.ends + top) / 2.0 * ramp_s;
        let cruise_s = (long - 2.0 * ramp) / top;
        let total = 2.0 * ramp_s + cruise_s;
        let e0 = out.last().map_or(0.0, |l| l.1);
        for i in 0..=(total / dt) as usize {
            let t = i as f64 * dt;
            let back = total - t;
            let s = if t < ramp_s {
                self.ends * t + ACCEL * t * t / 2.0
            } else if back < ramp_s {
                long - self.ends * back - ACCEL * back * back / 2.0
            } else {
                ramp + top * (t - ramp_s)
            };
            let at = [0, 1, 2].map(|k| self.from[k] + d[k] * s / long);
            let e = if self.feature == TRAVEL { e0 } else { e0 + s * 0.0374 };
            out.push((at, e, self.feature));
        }
    }
}

fn plan_layer(z: f64, plan: &mut Vec<Segment>) {
    let outline = [[80.0, 80.0], [120.0, 80.0], [120.0, 108.0], [108.0, 120.0], [80.0, 120.0]];
    let shrink = |by: f64| outline.map(|p: [f64; 2]| p.map(|v| v + by * (if v > 100.0 { -1.0 } else { 1.0 })));
    loop_of(&shrink(0.45), z, Bead::FEATURE_INNER_WALL, plan);
    loop_of(&outline, z, Bead::FEATURE_OUTER_WALL, plan);
    let hole: Vec<[f64; 2]> =
        (0..72).map(|i| -TAU * f64::from(i) / 72.0).map(|a| [97.0 + 8.0 * a.cos(), 97.0 + 8.0 * a.sin()]).collect();
    loop_of(&hole, z, Bead::FEATURE_OUTER_WALL, plan);
    for i in 0..9 {
        let x = 82.0 + 4.0 * f64::from(i);
        for (from, to) in [(81.0, 87.5), (106.5, if x > 107.0 { 118.0 - (x - 107.0) } else { 119.0 })] {
            travel([x, from, z], plan);
            plan.push(Segment { from: [x, from, z], to: [x, to, z], feature: Bead::FEATURE_INFILL, ends: 5.0 });
        }
    }
}

fn travel(to: [f64; 3], plan: &mut Vec<Segment>) {
    if let Some(from) = plan.last().map(|s| s.to).filter(|from| *from != to) {
        plan.push(Segment { from, to, feature: TRAVEL, ends: 0.0 });
    }
}

fn loop_of(points: &[[f64; 2]], z: f64, feature: u8, plan: &mut Vec<Segment>) {
    travel([points[0][0], points[0][1], z], plan);
    let ends = if points.len() > 20 { 60.0 } else { 5.0 };
    for i in 0..points.len() {
        let (a, b) = (points[i], points[(i + 1) % points.len()]);
        plan.push(Segment { from: [a[0], a[1], z], to: [b[0], b[1], z], feature, ends });
    }
}

fn heat_up(writer: &mut Writer<Vec<u8>>, until_s: f64, print_s: f64) {
    for i in 0..((until_s + print_s) * 4.0) as u64 {
        let t = i as f64 / 4.0;
        for (heater, target, tau) in [(0, 240.0, 8.0), (1, 100.0, 11.0)] {
            let true_c: f64 = 25.0 + (target - 25.0) * (1.0 - (-t / tau).exp());
            let measured_c =
                true_c - (target - 25.0) / tau * (-t / tau).exp() * 1.2 + 0.15 * ((i * 7 % 11) as f64 - 5.0);
            let duty = ((target - true_c) / 20.0 + 0.3).clamp(0.0, 1.0);
            let at_ns = i * 250_000_000;
            writer.push(Thermal { at_ns, heater, measured_c, true_c, target_c: target, duty }).unwrap();
        }
    }
}
