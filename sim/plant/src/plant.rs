//! The printer at work: owns every model, and the order in which they move.

use crate::accelerometer::GRAVITY_MM_S2;
use crate::bead::Bead;
use crate::drive::Moves;
use crate::endstop::{Side, Watches};
use crate::event::{Event, Fault};
use crate::heater::Body;
use crate::kinematics::Geometry;
use crate::machine::{Machine, MachineError};
use crate::noise::Noise;
use crate::thermistor::{Break, Feels, SensorState};
use alloc::vec::Vec;

/// One motor as it truly is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MotorTruth {
    /// Where its pulses say it is, mm of rail.
    pub commanded_mm: f64,
    /// Where it is, mm of rail.
    pub position_mm: f64,
    /// Electrical angle between command and rotor, rad, within half a turn.
    pub load_angle_rad: f64,
    /// Full steps lost since the start, signed.
    pub lost_full_steps: i64,
    /// Whether the driver is on.
    pub enabled: bool,
}

/// One heater as it truly is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeaterTruth {
    /// The heated body (block, plate), degrees C.
    pub body_c: f64,
    /// The sensor's place, degrees C.
    pub sensor_c: f64,
    /// Power that goes in, W.
    pub power_w: f64,
}

/// The printer as it truly is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// When, ns.
    pub at_ns: u64,
    /// Nozzle relative to the bed with all vibration, mm.
    pub nozzle_mm: [f64; 3],
    /// Nozzle where the motors hold it, without vibration of the frame, mm.
    pub drive_mm: [f64; 3],
    /// Velocity of `drive_mm`, mm/s.
    pub drive_mm_s: [f64; 3],
    /// Every motor.
    pub motors: Vec<MotorTruth>,
    /// Every heater.
    pub heaters: Vec<HeaterTruth>,
    /// Every fan, 0 to 1.
    pub fans: Vec<f64>,
    /// Force on the filament of every extruder, N.
    pub pressure_n: Vec<f64>,
    /// Flow out of every nozzle, mm^3/s.
    pub flow_mm3_s: Vec<f64>,
}

struct MotorState {
    moves: Moves,
    step_mm: f64,
    origin_mm: f64,
    count: i64,
    enabled: bool,
}

struct HeaterState {
    duty: f64,
    stuck: Option<f64>,
    body_c: f64,
    c_j_k: f64,
    loss_w_k: f64,
    power_w: f64,
}

/// A printer at work.
pub struct Plant {
    machine: Machine,
    now_ns: u64,
    motors: Vec<MotorState>,
    heaters: Vec<HeaterState>,
    fans: Vec<f64>,
    sensors: Vec<SensorState>,
    deployed: Vec<bool>,
    chips: Vec<Noise>,
    events: Vec<Event>,
    beads: Vec<Bead>,
}

impl Plant {
    /// A cold printer with its motors off. The first problem of the machine, if it has one.
    pub fn new(machine: &Machine, seed: u64) -> Result<Plant, MachineError> {
        if let Err(mut problems) = machine.validate() {
            return Err(problems.swap_remove(0));
        }
        let rails = machine.kinematics.inverse(machine.start_mm).unwrap_or_default();
        let motors = machine
            .motors
            .iter()
            .map(|m| MotorState {
                moves: m.moves,
                step_mm: m.step_mm(),
                origin_mm: if let Moves::Rail(r) = m.moves { rails[r] } else { 0.0 },
                count: 0,
                enabled: false,
            })
            .collect();
        let heaters = machine
            .heaters
            .iter()
            .map(|h| {
                let (c_j_k, loss_w_k, power_w) = match &h.body {
                    Body::Hotend(h) => (h.block_j_k, h.loss_w_k, h.element.power_w(200.0)),
                    Body::Bed(b) => (b.heater_j_k + b.plate_j_k, b.loss_w_k, b.element.power_w(60.0)),
                };
                HeaterState { duty: 0.0, stuck: None, body_c: machine.ambient_c, c_j_k, loss_w_k, power_w }
            })
            .collect();
        Ok(Plant {
            now_ns: 0,
            motors,
            heaters,
            fans: alloc::vec![0.0; machine.fans.len()],
            sensors: machine.sensors.iter().enumerate().map(|(i, s)| SensorState::new(s, i, seed)).collect(),
            deployed: machine.probes.iter().map(|p| !p.retracts).collect(),
            chips: (0..machine.accelerometers.len()).map(|i| Noise::new(seed, "accel", i)).collect(),
            events: Vec::new(),
            beads: Vec::new(),
            machine: machine.clone(),
        })
    }

    /// The machine that it was made from.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// One step pulse. Times never go back. An index that names nothing is ignored, here and below.
    #[inline]
    pub fn step(&mut self, motor: usize, at_ns: u64, forward: bool) {
        let _ = at_ns;
        if let Some(m) = self.motors.get_mut(motor) {
            m.count += if forward { 1 } else { -1 };
        }
    }

    /// Switches a motor's driver.
    pub fn enable_motor(&mut self, motor: usize, at_ns: u64, on: bool) {
        self.advance(at_ns);
        if let Some(m) = self.motors.get_mut(motor) {
            m.enabled = on;
        }
    }

    /// Sets a heater's output; soft PWM comes as edges of 0.0 and 1.0.
    pub fn set_heater(&mut self, heater: usize, at_ns: u64, duty: f64) {
        self.advance(at_ns);
        if let Some(h) = self.heaters.get_mut(heater) {
            h.duty = duty.clamp(0.0, 1.0);
        }
    }

    /// Sets a fan's output.
    pub fn set_fan(&mut self, fan: usize, at_ns: u64, duty: f64) {
        self.advance(at_ns);
        if let Some(f) = self.fans.get_mut(fan) {
            *f = duty.clamp(0.0, 1.0);
        }
    }

    /// Lets time pass.
    pub fn advance(&mut self, to_ns: u64) {
        if to_ns <= self.now_ns {
            return;
        }
        let dt_s = (to_ns - self.now_ns) as f64 * 1e-9;
        self.now_ns = to_ns;
        for h in &mut self.heaters {
            let end_c = self.machine.ambient_c + h.stuck.unwrap_or(h.duty) * h.power_w / h.loss_w_k;
            h.body_c = end_c + (h.body_c - end_c) * libm::exp(-dt_s * h.loss_w_k / h.c_j_k);
        }
    }

    /// One conversion of the sensor's 12-bit ADC.
    pub fn sensor_code(&mut self, sensor: usize, at_ns: u64) -> u16 {
        self.advance(at_ns);
        let Some(s) = self.sensors.get_mut(sensor) else { return 0 };
        let temperature_c = match s.feels {
            Feels::Heater(h) => self.heaters[h].body_c,
            Feels::Ambient => self.machine.ambient_c,
        };
        s.code(temperature_c)
    }

    /// Whether an endstop is pressed.
    pub fn endstop(&mut self, endstop: usize, at_ns: u64) -> bool {
        self.advance(at_ns);
        let Some(e) = self.machine.endstops.get(endstop) else { return false };
        let at_mm = match e.watches {
            Watches::Axis(axis) => self.nozzle()[axis],
            Watches::Rail(rail) => self.rails()[rail],
        };
        match e.side {
            Side::Below => at_mm <= e.at_mm,
            Side::Above => at_mm >= e.at_mm,
        }
    }

    /// Whether a probe is triggered; one that is not deployed never is.
    pub fn probe(&mut self, probe: usize, at_ns: u64) -> bool {
        self.advance(at_ns);
        let Some(p) = self.machine.probes.get(probe) else { return false };
        self.deployed[probe] && self.nozzle()[2] <= p.offset_mm[2]
    }

    /// Puts a probe's pin out or in.
    pub fn set_probe_deployed(&mut self, probe: usize, at_ns: u64, out: bool) {
        self.advance(at_ns);
        if let Some(d) = self.deployed.get_mut(probe) {
            *d = out;
        }
    }

    /// One sample of an accelerometer, in its own LSBs.
    pub fn acceleration_lsb(&mut self, chip: usize, at_ns: u64) -> [i16; 3] {
        self.advance(at_ns);
        let (Some(c), Some(noise)) = (self.machine.accelerometers.get(chip), self.chips.get_mut(chip)) else {
            return [0; 3];
        };
        core::array::from_fn(|axis| {
            let a = c.axes[axis][2] * GRAVITY_MM_S2 + c.noise_mm_s2[axis] * noise.gaussian();
            libm::round(a / c.lsb_mm_s2[axis]).clamp(-4096.0, 4095.0) as i16
        })
    }

    /// Breaks or mends something.
    pub fn inject(&mut self, at_ns: u64, fault: &Fault) {
        self.advance(at_ns);
        match *fault {
            Fault::ThermistorOpen { sensor } => self.break_sensor(sensor, Break::Open),
            Fault::ThermistorShort { sensor } => self.break_sensor(sensor, Break::Short),
            Fault::ThermistorMended { sensor } => self.break_sensor(sensor, Break::Whole),
            Fault::HeaterStuckOn { heater } => self.stick_heater(heater, Some(1.0)),
            Fault::HeaterStuckOff { heater } => self.stick_heater(heater, Some(0.0)),
            Fault::HeaterMended { heater } => self.stick_heater(heater, None),
            _ => {}
        }
    }

    fn break_sensor(&mut self, sensor: usize, how: Break) {
        if let Some(s) = self.sensors.get_mut(sensor) {
            s.broken = how;
        }
    }

    fn stick_heater(&mut self, heater: usize, at: Option<f64>) {
        if let Some(h) = self.heaters.get_mut(heater) {
            h.stuck = at;
        }
    }

    fn rails(&self) -> [f64; 3] {
        let (mut sum, mut count) = ([0.0; 3], [0.0; 3]);
        for m in &self.motors {
            if let Moves::Rail(r) = m.moves {
                sum[r] += m.origin_mm + m.count as f64 * m.step_mm;
                count[r] += 1.0;
            }
        }
        core::array::from_fn(|r| if count[r] > 0.0 { sum[r] / count[r] } else { 0.0 })
    }

    fn nozzle(&self) -> [f64; 3] {
        self.machine.kinematics.forward(self.rails()).unwrap_or_default()
    }

    /// The printer as it truly is, as of the last call that let time pass.
    pub fn truth(&self) -> Truth {
        let mut truth = Truth::default();
        self.truth_into(&mut truth);
        truth
    }

    /// [`Plant::truth`] into a value that is used again.
    pub fn truth_into(&self, out: &mut Truth) {
        out.at_ns = self.now_ns;
        out.nozzle_mm = self.nozzle();
        out.drive_mm = out.nozzle_mm;
        out.motors.clear();
        out.motors.extend(self.motors.iter().map(|m| {
            let at = m.origin_mm + m.count as f64 * m.step_mm;
            MotorTruth { commanded_mm: at, position_mm: at, enabled: m.enabled, ..MotorTruth::default() }
        }));
        out.heaters.clear();
        out.heaters.extend(self.heaters.iter().map(|h| HeaterTruth {
            body_c: h.body_c,
            sensor_c: h.body_c,
            power_w: h.stuck.unwrap_or(h.duty) * h.power_w,
        }));
        out.fans.clone_from(&self.fans);
        out.pressure_n.resize(self.machine.extruders.len(), 0.0);
        out.flow_mm3_s.resize(self.machine.extruders.len(), 0.0);
    }

    /// Moves the beads that are finished into `out`.
    pub fn take_beads(&mut self, out: &mut Vec<Bead>) {
        out.append(&mut self.beads);
    }

    /// Moves what happened into `out`, in order of time.
    pub fn take_events(&mut self, out: &mut Vec<Event>) {
        out.append(&mut self.events);
    }

    /// Displacement of the nozzle by the frame's vibration, across the path while it moves, um.
    pub fn ringing_um(&self) -> f64 {
        0.0
    }

    /// Largest [`Plant::ringing_um`] while laying filament since the start or the last reset.
    pub fn peak_ringing_um(&self) -> f64 {
        0.0
    }

    /// Forgets the peak.
    pub fn reset_peak_ringing(&mut self) {}

    /// Hands the whole state, noise stream places included, to a digest, in a fixed order.
    pub fn fold_state(&self, f: &mut impl FnMut(u64)) {
        f(self.now_ns);
        for m in &self.motors {
            f(m.count as u64);
            f(u64::from(m.enabled));
        }
        for h in &self.heaters {
            f(h.duty.to_bits());
            f(h.body_c.to_bits());
        }
        for s in &self.sensors {
            s.fold(f);
        }
        for n in &self.chips {
            n.fold(f);
        }
    }
}
