//! Exploration.
#![allow(clippy::disallowed_methods, dead_code)]

mod common;

use common::{Trapezoid, edges, enabled, machine};
use drydock_plant::drive::{Drive, Rotor, torque_constant, torque_current_a};
use drydock_plant::{Machine, Shape};

const TAU: f64 = std::f64::consts::TAU;

#[derive(Clone, Debug)]
struct Case {
    corexy: bool,
    mass_kg: f64,
    mm_s: f64,
    rotor: Rotor,
    shaper: Vec<(f64, f64)>,
    jerk_s: f64,
}

const ARM_M: f64 = 0.04 / TAU;

fn zv(hz: f64) -> Vec<(f64, f64)> {
    vec![(0.5, 0.0), (0.5, 0.5 / hz)]
}
fn mzv(hz: f64) -> Vec<(f64, f64)> {
    let z: f64 = 0.1;
    let df = (1.0 - z * z).sqrt();
    let k = (-0.75 * z * std::f64::consts::PI / df).exp();
    let td = 1.0 / (hz * df);
    let a1 = 1.0 - 0.5f64.sqrt();
    let a = [a1, (2.0f64.sqrt() - 1.0) * k, a1 * k * k];
    let s: f64 = a.iter().sum();
    (0..3).map(|i| (a[i] / s, 0.375 * td * i as f64)).collect()
}
fn ei(hz: f64) -> Vec<(f64, f64)> {
    vec![(0.2625, 0.0), (0.475, 0.5 / hz), (0.2625, 1.0 / hz)]
}

impl Case {
    fn pull_out_n(&self, mm_s: f64) -> f64 {
        let r = &self.rotor;
        torque_constant(r) * r.torque_efficiency * torque_current_a(r, 50.0, mm_s * 1e-3 / ARM_M) / ARM_M
    }
    fn inertia_kg(&self) -> f64 {
        self.mass_kg * if self.corexy { 0.5 } else { 1.0 } + self.rotor.rotor_inertia_kg_m2 / (ARM_M * ARM_M)
    }
    fn share(&self, mm_s2: f64, mm_s: f64) -> f64 {
        (self.inertia_kg() * mm_s2 * 1e-3 + self.rotor.coulomb_friction_n + self.rotor.viscous_n_s_mm * mm_s)
            / self.pull_out_n(mm_s).max(1e-9)
    }
    fn plain(&self) -> f64 {
        (self.pull_out_n(self.mm_s) - self.rotor.coulomb_friction_n - self.rotor.viscous_n_s_mm * self.mm_s)
            / self.inertia_kg()
            * 1e3
    }
    /// Max share along the shaped ramp.
    fn shaped_share(&self, mm_s2: f64) -> f64 {
        let ramp = self.mm_s / mm_s2;
        let end = ramp + self.shaper.last().unwrap().1;
        let mut most = 0.0f64;
        let n = 2000;
        for i in 0..=n {
            let t = end * f64::from(i) / f64::from(n);
            let (mut a, mut v) = (0.0, 0.0);
            for (w, at) in &self.shaper {
                let s = t - at;
                if s >= 0.0 && s < ramp {
                    a += w * mm_s2;
                }
                v += w * mm_s2 * s.clamp(0.0, ramp);
            }
            most = most.max(self.share(a, v));
        }
        most
    }
    fn shaped(&self) -> f64 {
        let (mut lo, mut hi) = (100.0f64, 1e6f64);
        for _ in 0..40 {
            let mid = (lo * hi).sqrt();
            if self.shaped_share(mid) > 1.0 { hi = mid } else { lo = mid }
        }
        lo
    }
    fn machine(&self) -> Machine {
        let mut m = machine(if self.corexy { Shape::CoreXy } else { Shape::Cartesian { bed_slinger: false } });
        m.modes.clear();
        m.travel_min_mm[0] = -1e4;
        m.travel_max_mm[0] = 1e4;
        m.moving_mass_kg = [self.mass_kg, self.mass_kg, 1.5];
        m.motors[0].model = Drive::Rotor(self.rotor.clone());
        if self.corexy {
            m.motors[1].model = Drive::Rotor(self.rotor.clone());
        }
        m
    }
    fn lost(&self, mm_s2: f64) -> i64 {
        let m = self.machine();
        let line = Trapezoid { mm: self.mm_s * self.mm_s / mm_s2 * 1.5 + self.mm_s * 0.05, mm_s: self.mm_s, mm_s2 };
        let mut all = Vec::new();
        let start = 0.1;
        let at = |t: f64| self.shaper.iter().map(|(w, s)| w * line.at(t - s - start)).sum::<f64>();
        let end = start + line.duration_s() + 0.1;
        for motor in 0..if self.corexy { 2 } else { 1 } {
            edges(|t| at(t) / m.motors[motor].step_mm(), 0.0, end, motor, &mut all);
        }
        all.sort_by_key(|e| (e.0, e.1));
        let mut plant = enabled(&m, 0);
        plant.keep_beads(false);
        for (at_ns, motor, forward) in all {
            plant.step(motor, at_ns, forward);
        }
        plant.advance(((end + 0.5) * 1e9) as u64);
        plant.truth().motors[0].lost_full_steps
    }
    fn onset(&self, about: f64) -> f64 {
        // Lowest loss: coarse upward scan, then bisection.
        let mut lo = 0.3 * about;
        let mut hi = lo;
        while self.lost(hi) == 0 {
            lo = hi;
            hi *= 1.1;
            if hi > 20.0 * about {
                return f64::INFINITY;
            }
        }
        while hi / lo > 1.003 {
            let mid = (lo * hi).sqrt();
            if self.lost(mid) == 0 { lo = mid } else { hi = mid }
        }
        (lo * hi).sqrt()
    }
}

fn weak() -> Rotor {
    Rotor {
        holding_torque_n_m: 0.25,
        rated_current_a: 1.5,
        peak_current_a: 0.8,
        resistance_ohm: 3.0,
        inductance_h: 6e-3,
        supply_v: 12.0,
        coulomb_friction_n: 4.0,
        viscous_n_s_mm: 0.004,
        ..Rotor::default()
    }
}

#[test]
fn grid() {
    let motors = [
        ("weak12", weak()),
        ("weak24", Rotor { supply_v: 24.0, ..weak() }),
        ("ldo", Rotor::default()),
        ("strong", Rotor { peak_current_a: 2.0, rotor_inertia_kg_m2: 8e-6, ..Rotor::default() }),
    ];
    println!("TAB motor kin mass v shaper plain shaped twin twin/plain twin/shaped plateau_ms slipped@1.15");
    let only = std::env::var("ONLY").unwrap_or_default();
    for (name, rotor) in &motors {
        for (sname, shaper) in [("none", vec![(1.0, 0.0)]), ("zv60", zv(60.0)), ("mzv35", mzv(35.0)), ("ei50", ei(50.0))] {
            for corexy in [false, true] {
                for mass_kg in [0.2, 0.6, 1.2, 2.4] {
                    for mm_s in [50.0, 150.0, 300.0, 500.0] {
                        let c = Case { corexy, mass_kg, mm_s, rotor: rotor.clone(), shaper: shaper.clone(), jerk_s: 0.0 };
                        let plain = c.plain();
                        if plain < 300.0 || !format!("{name} {sname} {}", if corexy { "corexy" } else { "cart" }).contains(&only) {
                            continue;
                        }
                        let shaped = c.shaped();
                        let plateau = (mm_s / shaped - shaper.last().unwrap().1) * 1e3;
                        if plateau < 5.0 && std::env::var("ALL").is_err() {
                            continue;
                        }
                        let twin = c.onset(shaped.min(plain));
                        println!(
                            "TAB {name:7} {} {mass_kg:4} {mm_s:4} {sname:6} {plain:7.0} {shaped:7.0} {twin:7.0} {:+6.1} {:+6.1} {plateau:6.1} {}",
                            if corexy { "cxy " } else { "cart" },
                            (twin / plain - 1.0) * 100.0,
                            (twin / shaped - 1.0) * 100.0,
                            c.lost(shaped * 1.15),
                        );
                    }
                }
            }
        }
    }
}
