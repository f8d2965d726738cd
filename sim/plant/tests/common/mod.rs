//! Machines and motions that the plant's tests share.

use drydock_plant::drive::Moves;
use drydock_plant::{HeaterBasics, HeaterKind, Machine, MachineBasics, MotorBasics, Plant, Shape};

/// A machine of the bench configuration: 40 mm a turn on X and Y, 8 mm on Z, 32 mm on E, 16 microsteps.
pub fn machine(shape: Shape) -> Machine {
    let towers = matches!(shape, Shape::Delta(_));
    let motor = |name: &str, moves, rotation_distance_mm| MotorBasics {
        name: name.into(),
        moves,
        rotation_distance_mm,
        gear_ratio: 1.0,
        full_steps_per_rotation: 200,
        microsteps: 16,
    };
    let heater = |name: &str, kind, sensor_type: &str| HeaterBasics {
        name: name.into(),
        kind,
        sensor_type: sensor_type.into(),
        pullup_ohm: 4700.0,
    };
    let low = if towers { -150.0 } else { 0.0 };
    let high = if towers { 150.0 } else { 300.0 };
    Machine::from_basics(&MachineBasics {
        name: "bench".into(),
        shape,
        axis_min_mm: [low, low, 0.0],
        axis_max_mm: [high, high, 300.0],
        start_mm: None,
        motors: vec![
            motor("stepper_x", Moves::Rail(0), 40.0),
            motor("stepper_y", Moves::Rail(1), 40.0),
            motor("stepper_z", Moves::Rail(2), if towers { 40.0 } else { 8.0 }),
            motor("extruder", Moves::Extruder(0), 32.0),
        ],
        heaters: vec![
            heater("extruder", HeaterKind::Hotend, "EPCOS 100K B57560G104F"),
            heater("heater_bed", HeaterKind::Bed, "Generic 3950"),
        ],
        nozzle_mm: vec![0.4],
        filament_mm: 1.75,
        fans: vec!["fan".into()],
    })
}

/// The cartesian bench machine.
pub fn cartesian() -> Machine {
    machine(Shape::Cartesian { bed_slinger: false })
}

/// Step edges of one motor along a position that rises or falls between samples; a step is due half a step early, as
/// Klipper's are. `at(t)` in steps.
pub fn edges(at: impl Fn(f64) -> f64, from_s: f64, to_s: f64, motor: usize, out: &mut Vec<(u64, usize, bool)>) {
    let h = 2e-5;
    let mut position = at(from_s);
    let mut count = position.round();
    let steps = ((to_s - from_s) / h).round() as u64;
    for n in 0..steps {
        let t = from_s + n as f64 * h;
        let next = at(t + h);
        while next > count + 0.5 || next < count - 0.5 {
            let forward = next > count;
            let edge = if forward { count + 0.5 } else { count - 0.5 };
            let share = if next == position { 1.0 } else { ((edge - position) / (next - position)).clamp(0.0, 1.0) };
            out.push((((t + share * h) * 1e9) as u64, motor, forward));
            count += if forward { 1.0 } else { -1.0 };
        }
        position = next;
    }
}

/// Position along a trapezoid of length `mm` from standstill to standstill, and its duration.
pub struct Trapezoid {
    pub mm: f64,
    pub mm_s: f64,
    pub mm_s2: f64,
}

impl Trapezoid {
    fn peak(&self) -> f64 {
        self.mm_s.min((self.mm * self.mm_s2).sqrt())
    }

    pub fn duration_s(&self) -> f64 {
        let v = self.peak();
        self.mm / v + v / self.mm_s2
    }

    pub fn at(&self, t: f64) -> f64 {
        let (v, a, end) = (self.peak(), self.mm_s2, self.duration_s());
        let t = t.clamp(0.0, end);
        let ramp = v / a;
        if t < ramp {
            0.5 * a * t * t
        } else if t < end - ramp {
            0.5 * v * ramp + v * (t - ramp)
        } else {
            self.mm - 0.5 * a * (end - t) * (end - t)
        }
    }
}

/// Sorts edges and plays them, then runs on to `to_s`.
pub fn play(plant: &mut Plant, mut edges: Vec<(u64, usize, bool)>, to_s: f64) {
    edges.sort_by_key(|e| (e.0, e.1));
    for (at_ns, motor, forward) in edges {
        plant.step(motor, at_ns, forward);
    }
    plant.advance((to_s * 1e9) as u64);
}

/// Motors on.
pub fn enabled(machine: &Machine, seed: u64) -> Plant {
    let mut plant = Plant::new(machine, seed).expect("valid machine");
    for motor in 0..machine.motors.len() {
        plant.enable_motor(motor, 0, true);
    }
    plant
}
