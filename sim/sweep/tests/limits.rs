//! Limits found in the twin against closed forms: where a motor is pulled out of step, and what stops an extruder.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use drydock_plant::Machine;
use drydock_plant::drive::{Drive, Rotor};
use drydock_plant::heater::Body;
use drydock_plant::hotend::Hotend;
use drydock_recording::{Bead, Reader};
use drydock_scenario::disk::RealDisk;
use drydock_scenario::memory::{Overlay, simulate};
use drydock_scenario::model::{Act, MachineChanges, Scenario};
use drydock_scenario::setup::printer;
use drydock_sweep::flow::{FlowLimit, FlowSearch, Reason};
use drydock_sweep::limits::{Knob, Limit, Search};
use drydock_sweep::random::Random;
use drydock_sweep::{Pool, flow, limits};

const TAU: f64 = std::f64::consts::TAU;

/// A machine in a file of its own, gone with the test.
struct Planted {
    folder: PathBuf,
    scenario: Scenario,
}

impl Planted {
    fn new(name: &str, lines: &[&str], append: &str, change: impl FnOnce(&mut Machine)) -> Planted {
        Planted::of_kind("cartesian", name, lines, append, change)
    }

    fn of_kind(
        kinematics: &str,
        name: &str,
        lines: &[&str],
        append: &str,
        change: impl FnOnce(&mut Machine),
    ) -> Planted {
        let folder = std::env::temp_dir().join(format!("drydock-limits-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/printers/cartesian.cfg");
        let config = std::fs::read_to_string(config).expect("a config");
        let config = config.replace("kinematics: cartesian", &format!("kinematics: {kinematics}"));
        std::fs::write(folder.join("printer.cfg"), config).expect("written");
        let story = vec![Act::Gcode(lines.iter().map(|l| (*l).to_string()).collect())];
        let plain =
            Scenario { story, config_append: append.into(), end_s: 900.0, ..Scenario::plain("printer.cfg", "") };
        let mut machine = printer(&plain, &folder, &RealDisk).expect("a printer").machine;
        machine.start_mm = [10.0, 50.0, 20.0];
        machine.modes.clear();
        change(&mut machine);
        std::fs::write(folder.join("machine.ron"), drydock_scenario::machine_file::write(&machine).expect("RON"))
            .expect("written");
        let machine = MachineChanges { file: Some("machine.ron".into()), ..MachineChanges::default() };
        Planted { folder, scenario: Scenario { machine, ..plain } }
    }

    fn limit(&self, knob: Knob) -> Limit {
        let search = Search { knobs: vec![knob], margin: 0.2, pool: Pool::default() };
        limits::search(&self.scenario, &self.folder, &Overlay::on_disk(), &search, |_, _| {})
            .expect("an answer")
            .remove(0)
    }

    fn flow(&self) -> FlowLimit {
        let search = FlowSearch { target_c: Some(210.0), fan: 0.0, up_to_mm3_s: flow::FASTEST, pool: Pool::default() };
        flow::search(&self.scenario, &self.folder, &Overlay::on_disk(), &search, |_| {}).expect("an answer")
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const MASS_KG: f64 = 0.6;

/// A motor that falls off early, with friction.
fn weak(supply_v: f64) -> Rotor {
    Rotor {
        holding_torque_n_m: 0.25,
        rated_current_a: 1.5,
        peak_current_a: 0.8,
        resistance_ohm: 3.0,
        inductance_h: 6e-3,
        supply_v,
        coulomb_friction_n: 4.0,
        viscous_n_s_mm: 0.004,
        ..Rotor::default()
    }
}

/// An X motor of this kind on a plain mass.
fn weak_x(machine: &mut Machine) -> Rotor {
    let rotor = weak(12.0);
    machine.moving_mass_kg[0] = MASS_KG;
    machine.motors[0].model = Drive::Rotor(rotor.clone());
    rotor
}

/// 40 mm a turn, 200 full steps.
const ARM_M: f64 = 0.04 / TAU;

/// By the two limits themselves, and not by the plant's solution of them: the largest torque current for which some field
/// current keeps the whole below the driver's peak, and the voltage below the supply.
fn pull_out_n(rotor: &Rotor, mm_s: f64) -> f64 {
    let shaft_rad_s = mm_s * 1e-3 / ARM_M;
    let n_m_per_a = rotor.holding_torque_n_m / (2.0f64.sqrt() * rotor.rated_current_a);
    let (r, x, emf) = (rotor.resistance_ohm, 50.0 * shaft_rad_s * rotor.inductance_h, n_m_per_a * shaft_rad_s);
    let possible = |torque_a: f64| {
        let room = (rotor.peak_current_a.powi(2) - torque_a * torque_a).max(0.0).sqrt();
        // Where the voltage is least.
        let field_a = (-x * emf / (r * r + x * x)).clamp(-room, room);
        (r * field_a - x * torque_a).hypot(r * torque_a + x * field_a + emf) <= rotor.supply_v
    };
    let (mut low, mut high) = (0.0, rotor.peak_current_a);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if possible(middle) { low = middle } else { high = middle }
    }
    n_m_per_a * rotor.torque_efficiency * low / ARM_M
}

/// The force that a motor needs at a speed and acceleration: inertia of mass and rotor, and friction.
fn needed_n(rotor: &Rotor, mm_s: f64, mm_s2: f64) -> f64 {
    let inertia_kg = MASS_KG + rotor.rotor_inertia_kg_m2 / (ARM_M * ARM_M);
    inertia_kg * mm_s2 * 1e-3 + rotor.coulomb_friction_n + rotor.viscous_n_s_mm * mm_s
}

fn to_and_fro(mm_s: f64) -> Vec<String> {
    let mut lines = vec!["SET_KINEMATIC_POSITION X=10 Y=50 Z=20".to_string(), format!("G1 F{}", mm_s * 60.0)];
    lines.extend((0..6).map(|i| format!("G1 X{}", if i % 2 == 0 { 200 } else { 20 })));
    lines.push("M400".into());
    lines
}

fn within(name: &str, found: f64, expected: f64, part: f64) {
    println!("ladder: {name} {found:.1}, closed form {expected:.1} ({:+.1} %)", (found / expected - 1.0) * 100.0);
    assert!((found / expected - 1.0).abs() <= part, "{name}: {found}, closed form {expected}");
}

/// The twin's onset lies between the highest value that lost nothing and the lowest that lost something.
fn twin_onset(limit: &Limit) -> f64 {
    0.5 * (limit.clean.expect("a clean value") + limit.lost.expect("a lossy value"))
}

/// A plain mass on planted motors, sped up from rest along X under MZV.
#[derive(Debug)]
struct Ramp {
    corexy: bool,
    mass_kg: f64,
    mm_s: f64,
    shaper_hz: f64,
    rotor: Rotor,
}

impl Ramp {
    /// Weights and times (s) of MZV's pulses for damping 0.1.
    fn pulses(&self) -> [(f64, f64); 3] {
        let damped = 0.99f64.sqrt();
        let decay = (-0.75 * 0.1 * std::f64::consts::PI / damped).exp();
        let side = 1.0 - 0.5f64.sqrt();
        let sizes = [side, (2.0f64.sqrt() - 1.0) * decay, side * decay * decay];
        let sum: f64 = sizes.iter().sum();
        std::array::from_fn(|i| (sizes[i] / sum, 0.375 * i as f64 / (self.shaper_hz * damped)))
    }

    /// Of one rail: both belts of a CoreXY share the mass.
    fn needed_n(&self, mm_s: f64, mm_s2: f64) -> f64 {
        let carried_kg = self.mass_kg * if self.corexy { 0.5 } else { 1.0 };
        needed_n(&self.rotor, mm_s, mm_s2) + (carried_kg - MASS_KG) * mm_s2 * 1e-3
    }

    /// The acceleration that leaves no torque at cruising speed.
    fn unshaped_mm_s2(&self) -> f64 {
        let spare_n = pull_out_n(&self.rotor, self.mm_s) - self.needed_n(self.mm_s, 0.0);
        spare_n / (self.needed_n(0.0, 1.0) - self.needed_n(0.0, 0.0))
    }

    /// The largest part of the torque that is asked for on the way up to speed, as the shaper leaves it, and for how long there
    /// is too little, s.
    fn asked(&self, mm_s2: f64) -> (f64, f64) {
        let (ramp_s, pulses) = (self.mm_s / mm_s2, self.pulses());
        let end_s = ramp_s + pulses[2].1;
        let (mut most, mut short_s) = (0.0f64, 0.0);
        for n in 0..400 {
            let t = end_s * f64::from(n) / 400.0;
            let under_way = |s: f64| if s >= 0.0 && s < ramp_s { mm_s2 } else { 0.0 };
            let a: f64 = pulses.iter().map(|(size, at)| size * under_way(t - at)).sum();
            let v: f64 = pulses.iter().map(|(size, at)| size * mm_s2 * (t - at).clamp(0.0, ramp_s)).sum();
            let share = self.needed_n(v, a) / pull_out_n(&self.rotor, v);
            most = most.max(share);
            short_s += if share > 1.0 { end_s / 400.0 } else { 0.0 };
        }
        (most, short_s)
    }

    fn shaped_mm_s2(&self) -> f64 {
        let (mut low, mut high) = (100.0, 100_000.0);
        for _ in 0..30 {
            let middle = 0.5 * (low + high);
            if self.asked(middle).0 > 1.0 { high = middle } else { low = middle }
        }
        low
    }

    /// All pulses overlap, and 5 % above the closed form torque is short for longer than a rotor can catch up.
    fn is_plain(&self) -> bool {
        let onset = self.shaped_mm_s2();
        self.mm_s / onset > self.pulses()[2].1 + 3e-3 && self.asked(1.05 * onset).1 > 13e-3
    }

    fn limit(&self, name: &str) -> Limit {
        // Each ramp from rest.
        let moves: Vec<String> = to_and_fro(self.mm_s).into_iter().flat_map(|line| [line, "G4 P150".into()]).collect();
        let lines: Vec<&str> = moves.iter().map(String::as_str).collect();
        let shaper = format!("[input_shaper]\nshaper_type_x: mzv\nshaper_freq_x: {}\n", self.shaper_hz);
        let append = format!("{shaper}[printer]\nmax_velocity: 600\nminimum_cruise_ratio: 0\n");
        let kind = if self.corexy { "corexy" } else { "cartesian" };
        let planted = Planted::of_kind(kind, name, &lines, &append, |machine| {
            machine.moving_mass_kg = [self.mass_kg; 3];
            for motor in &mut machine.motors[..2] {
                motor.model = Drive::Rotor(self.rotor.clone());
            }
        });
        planted.limit(Knob::Accel)
    }
}

fn drawn(random: &mut Random) -> Ramp {
    let rated_current_a = random.between(1.0, 2.0);
    Ramp {
        corexy: random.between(0.0, 1.0) < 0.5,
        mass_kg: random.between(0.2, 3.0),
        mm_s: random.between(50.0, 500.0),
        shaper_hz: random.between(35.0, 60.0),
        rotor: Rotor {
            holding_torque_n_m: random.between(0.2, 0.5),
            rated_current_a,
            peak_current_a: rated_current_a * random.between(0.35, 0.9),
            inductance_h: random.between(2e-3, 5e-3),
            rotor_inertia_kg_m2: random.between(3e-6, 8e-6),
            coulomb_friction_n: random.between(1.0, 4.0),
            viscous_n_s_mm: random.between(0.0, 0.005),
            ..Rotor::default()
        },
    }
}

#[test]
fn acceleration_at_which_steps_are_lost_is_the_closed_form() {
    let mut ramps = Vec::new();
    for (corexy, mass_kg, mm_s, supply_v) in [
        (false, 2.4, 150.0, 12.0),
        (false, 2.4, 300.0, 24.0),
        (false, 1.2, 300.0, 12.0),
        (false, 1.2, 500.0, 24.0),
        (true, 2.4, 300.0, 12.0),
        (true, 3.0, 200.0, 24.0),
    ] {
        ramps.push(Ramp { corexy, mass_kg, mm_s, shaper_hz: 35.0, rotor: weak(supply_v) });
    }
    let mut random = Random::new(3);
    while ramps.len() < 12 {
        ramps.extend(Some(drawn(&mut random)).filter(Ramp::is_plain));
    }
    for (n, ramp) in ramps.iter().enumerate() {
        assert!(ramp.is_plain(), "{ramp:?}");
        let limit = ramp.limit(&format!("accel{n}"));
        let kind = if ramp.corexy { "CoreXY" } else { "cartesian" };
        let of = format!("{kind}, {:.2} kg to {:.0} mm/s", ramp.mass_kg, ramp.mm_s);
        let predicted = limit.predicted.expect("a prediction");
        within(&format!("predicted onset, {of}, mm/s^2:"), predicted, ramp.unshaped_mm_s2(), 0.05);
        within(&format!("onset in the twin, {of}, mm/s^2:"), twin_onset(&limit), ramp.shaped_mm_s2(), 0.05);
        let recommended = limit.recommended.expect("an answer");
        assert!(recommended < limit.clean.expect("clean") && recommended > 0.6 * predicted, "{limit:?}");
    }
}

#[test]
fn speed_at_which_steps_are_lost_is_the_closed_form() {
    let lines = to_and_fro(10_000.0);
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut rotor = Rotor::default();
    let append = "[printer]\nmax_accel: 1000\nminimum_cruise_ratio: 0\n";
    let planted = Planted::new("speed", &lines, append, |machine| {
        // A supply so low that torque falls early: the speed is reached on a short way.
        rotor = Rotor { supply_v: 7.0, ..weak_x(machine) };
        machine.motors[0].model = Drive::Rotor(rotor.clone());
    });
    let limit = planted.limit(Knob::Velocity);
    // Pull-out falls and friction grows with speed: where they meet, by halving.
    let (mut low, mut high) = (0.0, 2000.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if pull_out_n(&rotor, middle) > needed_n(&rotor, middle, 1000.0) { low = middle } else { high = middle }
    }
    within("predicted onset, mm/s:", limit.predicted.expect("a prediction"), low, 0.05);
    within("onset in the twin, mm/s:", twin_onset(&limit), low, 0.05);
}

/// What is laid after a loss is displaced by the full steps that were lost, in whole electrical periods.
#[test]
fn a_layer_shift_is_the_lost_steps() {
    let lines = [
        "SET_KINEMATIC_POSITION X=10 Y=50 Z=20",
        "M83",
        "M109 S200",
        "G1 Z0.2 F300",
        "G1 X60 Y60 F3000",
        "G1 E2 F300",
        "G1 X100 E1.4 F1200",
        "G1 X60 Y60.6",
        "M204 S20000",
        "SET_VELOCITY_LIMIT VELOCITY=600",
        "G1 X180 F36000",
        "M400",
        "M204 S500",
        "G1 X60 F3000",
        "G1 Z0.4 F300",
        "G1 X100 E1.4 F1200",
        "M400",
    ];
    let printed = |name: &str, travel: &str| {
        let lines = lines.map(|line| if line.starts_with("G1 X180") { travel } else { line });
        let planted = Planted::new(name, &lines, "", |machine| {
            weak_x(machine);
            machine.heaters[0].body = Body::Hotend(Hotend::single_node(60.0, 10.0, 10.0));
        });
        let run = simulate(&planted.scenario, &planted.folder, &Overlay::on_disk(), true, || true);
        let run = run.expect("runs").expect("whole");
        let mut reader = Reader::new(Cursor::new(run.recording.expect("a recording"))).expect("readable");
        let beads = reader.all::<Bead>().collect::<Result<Vec<_>, _>>().expect("beads");
        // The far end of the line of each layer.
        let end = |from_z: f64, to_z: f64| {
            let of_layer =
                beads.iter().filter(|b| b.to_mm[2] > from_z && b.to_mm[2] < to_z && b.from_mm[0] < b.to_mm[0]);
            of_layer.map(|b| b.to_mm[0]).fold(f64::NEG_INFINITY, f64::max)
        };
        let lost = run.outcome.lost_by_motor.iter().find(|(name, _)| name == "stepper_x").expect("X").1;
        (lost, [end(0.1, 0.3), end(0.3, 0.5)])
    };
    let (lost, layers) = printed("shift", "G1 X180 F36000");
    let (none, straight) = printed("straight", "G1 X180 F1200");
    assert_eq!(none, 0);
    assert_ne!(lost, 0, "nothing was lost");
    assert_eq!(lost % 4, 0, "a rotor slips by whole electrical periods");
    // 40 mm a turn, 200 full steps.
    let (shift, expected) = (layers[1] - straight[1], lost as f64 * 0.2);
    println!("ladder: {lost} full steps lost, the layer is shifted by {shift:.3} mm, {expected:.3} mm by the steps");
    assert!((layers[0] - straight[0]).abs() < 0.05, "what was laid before the loss stays where it is");
    assert!((shift - expected).abs() < 0.05, "{shift} mm for {lost} full steps");
}

/// Nothing that gives way: what gives way is planted by the test.
fn strong(machine: &mut Machine) {
    machine.heaters[0].body = Body::Hotend(Hotend::single_node(200.0, 15.0, 10.0));
    machine.ambient_c = 22.0;
    let e = &mut machine.extruders[0];
    (e.melt_capacity_mm3_s, e.grip_n, e.ooze_mm3_s, e.force_n, e.power_index) = (1e6, 1e4, 0.0, 15.0, 0.69);
    for motor in &mut machine.motors {
        motor.model = Drive::Ideal;
    }
}

const AREA_MM2: f64 = std::f64::consts::FRAC_PI_4 * 1.75 * 1.75;

/// Flow at which the melt pushes back with a force at its reference temperature.
fn flow_at_n(force_n: f64) -> f64 {
    4.158 * (force_n / 15.0).powf(1.0 / 0.69) * AREA_MM2
}

fn limited_by(found: &FlowLimit, reason: Reason, expected: f64, part: f64) {
    let (limit, why) = found.limit.expect("a limit");
    assert_eq!(why, reason, "{:?}", found.by_reason);
    within(&format!("flow at which {}, mm^3/s:", reason.in_words()), limit, expected, part);
}

#[test]
fn flow_that_the_heater_cannot_hold_is_the_power_balance() {
    for (flow, loss_w_k) in [(6.0, 0.1), (12.0, 0.1), (20.0, 0.2), (30.0, 0.15)] {
        // P = (T - T_amb) (1/R + q Q)
        let power_w = (210.0 - 22.0) * (loss_w_k + 2.5e-3 * flow);
        let planted = Planted::new(&format!("heater{flow}"), &[], "", |machine| {
            strong(machine);
            machine.heaters[0].body = Body::Hotend(Hotend::single_node(power_w, 15.0, 1.0 / loss_w_k));
        });
        limited_by(&planted.flow(), Reason::HeaterCannotHold, flow, 0.05);
    }
}

#[test]
fn flow_that_the_hot_end_cannot_melt_is_where_its_core_stays_cold() {
    for (flow, index, thinning_per_k) in [
        (1.7, 0.69, 0.018),
        (3.4, 0.69, 0.018),
        (6.0, 0.69, 0.03),
        (12.0, 0.55, 0.018),
        (20.0, 1.0, 0.018),
        (30.0, 0.69, 0.01),
    ] {
        // The melt is colder by (T - T_amb) e^(-Qc/Q), and stiffer by e^(b that): a tenth.
        let capacity_mm3_s = -flow * (1.1f64.ln() / (thinning_per_k * (210.0 - 22.0))).ln();
        let planted = Planted::new(&format!("melt{flow}"), &[], "", |machine| {
            strong(machine);
            let e = &mut machine.extruders[0];
            (e.melt_capacity_mm3_s, e.thinning_per_k, e.power_index) = (capacity_mm3_s, thinning_per_k, index);
        });
        let found = planted.flow();
        limited_by(&found, Reason::PressureLeavesItsLaw, flow, 0.05);
        let n = found.power_index.expect("a law");
        assert!((n - index).abs() < 0.02, "{n}, planted {index}");
    }
}

#[test]
fn flow_at_which_the_gear_slips_is_that_of_its_grip() {
    let planted = Planted::new("grip", &[], "", |machine| {
        strong(machine);
        machine.extruders[0].grip_n = 30.0;
    });
    // Of 1/(1 + e^((G - F)/3 N)) a twentieth; the force is that of what comes out, nineteen parts of what was asked for.
    limited_by(&planted.flow(), Reason::GearSlips, flow_at_n(30.0 - 3.0 * 19.0f64.ln()) / 0.95, 0.05);
}

#[test]
fn flow_at_which_the_motor_skips_is_that_of_its_pull_out_force() {
    let mut planted_n = 0.0;
    let planted = Planted::new("motor", &[], "", |machine| {
        strong(machine);
        let motor = machine.motors.iter_mut().find(|m| m.name == "extruder").expect("an extruder");
        let rotor = Rotor { holding_torque_n_m: 0.3, peak_current_a: 0.8, ..Rotor::default() };
        let arm_m = motor.rotation_distance_mm / motor.gear_ratio * 1e-3 / TAU;
        let n_m_per_a = rotor.holding_torque_n_m / (2.0f64.sqrt() * rotor.rated_current_a);
        planted_n = n_m_per_a * rotor.torque_efficiency * rotor.peak_current_a / arm_m - rotor.coulomb_friction_n;
        motor.model = Drive::Rotor(rotor);
    });
    limited_by(&planted.flow(), Reason::MotorSkips, flow_at_n(planted_n), 0.06);
}
