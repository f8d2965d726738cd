//! The printer at work: owns every model, and the order in which they move.
//!
//! Mechanics run on a tick, in which pulses only leave their times; heat runs from event to event, with a grid of 0.1 s on
//! which fans and what is not linear are looked at again. While nothing moves there are no ticks. Letting time pass never
//! changes what happens: only pulses, outputs and faults do, at their own times.

mod tick;

use crate::accelerometer::{ChipState, Mount};
use crate::bead::{Bead, Layer};
use crate::bed_surface::SurfaceState;
use crate::contact::PartState;
use crate::drive::Moves;
use crate::endstop::{Switch, Watches};
use crate::event::{Event, EventKind, Fault};
use crate::extruder::MeltState;
use crate::heater::{Body, FanState, GRID_NS, HeaterState};
use crate::height_map::HeightMap;
use crate::machine::{Machine, MachineError};
use crate::mechanics::Mechanics;
use crate::probe::ProbeState;
use crate::thermistor::{Break, Feels, SensorState};
use crate::truth::{HeaterTruth, MotorTruth, Truth};
use alloc::vec::Vec;
use tick::HIT_BED_MM;

/// Ticks between looks at melt, bead and contact.
const MELT_TICKS: u32 = 6;
/// Chips are listened to for this long after a sample, ns.
const LISTEN_NS: u64 = 20_000_000;

/// A printer at work.
pub struct Plant {
    machine: Machine,
    tick_ns: u64,
    tick_s: f64,
    /// The mechanics run on ticks; otherwise nothing moves.
    moving: bool,
    /// End of the tick in work.
    tick_end_ns: u64,
    /// Pulses before this only leave their times.
    quick_until_ns: u64,
    grid_ns: u64,
    now_ns: u64,
    mechanics: Mechanics,
    ticks_to_melt: u32,
    melt_at_ns: u64,
    melts: Vec<MeltState>,
    /// The motor of each extruder and its place when last looked at, mm.
    gears: Vec<Gear>,
    layer: Layer,
    map: HeightMap,
    surface: SurfaceState,
    part: PartState,
    told_depth_mm: f64,
    heaters: Vec<HeaterState>,
    fans: Vec<FanState>,
    sensors: Vec<SensorState>,
    switches: Vec<Switch>,
    probes: Vec<ProbeState>,
    chips: Vec<ChipState>,
    listen_until_ns: u64,
    /// Acceleration of head and bed at the last tick and the one before, mm/s^2.
    felt: [[[f64; 3]; 2]; 2],
    peak_ringing_um: f64,
    events: Vec<Event>,
}

#[derive(Clone, Debug, Default)]
struct Gear {
    motors: Vec<usize>,
    at_mm: f64,
    /// Volume that left the nozzle since the last bead, mm^3.
    pending_mm3: f64,
    /// Volume that dropped off or hung in hairs, mm^3.
    lost_mm3: f64,
    /// Flow summed since the last step of the thermal grid, mm^3.
    grid_mm3: f64,
}

impl Plant {
    /// A cold printer with its motors off. The first problem of the machine, if it has one.
    pub fn new(machine: &Machine, seed: u64) -> Result<Plant, MachineError> {
        if let Err(mut problems) = machine.validate() {
            return Err(problems.swap_remove(0));
        }
        let tick_s = machine.tick_ns as f64 * 1e-9;
        let gear = |e: usize| Gear {
            motors: (0..machine.motors.len()).filter(|m| machine.motors[*m].moves == Moves::Extruder(e)).collect(),
            ..Gear::default()
        };
        let (low, high) = (machine.travel_min_mm, machine.travel_max_mm);
        let surface = SurfaceState::new(&machine.bed_surface, low, high, seed);
        Ok(Plant {
            tick_ns: machine.tick_ns,
            tick_s,
            moving: false,
            tick_end_ns: 0,
            quick_until_ns: 0,
            grid_ns: GRID_NS,
            now_ns: 0,
            mechanics: Mechanics::new(machine, tick_s),
            ticks_to_melt: MELT_TICKS,
            melt_at_ns: 0,
            melts: machine.extruders.iter().enumerate().map(|(i, e)| MeltState::new(e, i, machine.ambient_c)).collect(),
            gears: (0..machine.extruders.len()).map(gear).collect(),
            layer: Layer::new(&machine.bead),
            map: HeightMap::new(low, high, surface.highest_mm()),
            surface,
            part: PartState::new(&machine.contact),
            told_depth_mm: HIT_BED_MM,
            heaters: machine.heaters.iter().map(|h| HeaterState::new(h, machine.ambient_c)).collect(),
            fans: machine.fans.iter().map(FanState::new).collect(),
            sensors: machine.sensors.iter().enumerate().map(|(i, s)| SensorState::new(s, i, seed)).collect(),
            switches: machine.endstops.iter().enumerate().map(|(i, e)| e.switch(i, seed)).collect(),
            probes: machine.probes.iter().enumerate().map(|(i, p)| ProbeState::new(p, i, seed)).collect(),
            chips: machine.accelerometers.iter().enumerate().map(|(i, c)| ChipState::new(c, i, seed)).collect(),
            listen_until_ns: 0,
            felt: [[[0.0; 3]; 2]; 2],
            peak_ringing_um: 0.0,
            events: Vec::new(),
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
        if at_ns >= self.quick_until_ns {
            self.wake(at_ns);
        }
        if let Some(m) = self.mechanics.motors.get_mut(motor) {
            m.pulse(at_ns, forward);
        }
    }

    /// Switches a motor's driver.
    pub fn enable_motor(&mut self, motor: usize, at_ns: u64, on: bool) {
        self.wake(at_ns);
        if let Some(m) = self.mechanics.motors.get_mut(motor) {
            m.enable(on);
        }
    }

    /// Sets a heater's output; soft PWM comes as edges of 0.0 and 1.0.
    pub fn set_heater(&mut self, heater: usize, at_ns: u64, duty: f64) {
        self.run_to(at_ns);
        if let Some(h) = self.heaters.get_mut(heater) {
            h.switch(at_ns, duty);
        }
    }

    /// Sets a fan's output, PWM edges or a duty.
    pub fn set_fan(&mut self, fan: usize, at_ns: u64, duty: f64) {
        self.run_to(at_ns);
        if let Some(f) = self.fans.get_mut(fan) {
            f.switch(at_ns, duty);
        }
    }

    /// Lets time pass. How often this is called changes nothing.
    pub fn advance(&mut self, to_ns: u64) {
        self.run_to(to_ns);
        self.now_ns = self.now_ns.max(to_ns);
    }

    /// One conversion of a sensor's 12-bit ADC.
    pub fn sensor_code(&mut self, sensor: usize, at_ns: u64) -> u16 {
        self.advance(at_ns);
        let Some(s) = self.sensors.get_mut(sensor) else { return 0 };
        let temperature_c = match s.feels {
            Feels::Heater(h) => {
                self.heaters[h].advance(at_ns);
                self.heaters[h].sensor_c()
            }
            Feels::Ambient => self.machine.ambient_c,
        };
        s.code(temperature_c)
    }

    /// Whether an endstop is pressed.
    pub fn endstop(&mut self, endstop: usize, at_ns: u64) -> bool {
        self.advance(at_ns);
        let ahead_s = self.ahead_s(at_ns);
        let (Some(e), Some(switch)) = (self.machine.endstops.get(endstop), self.switches.get_mut(endstop)) else {
            return false;
        };
        let at_mm = match e.watches {
            Watches::Axis(axis) => self.mechanics.nozzle_ahead_mm(ahead_s)[axis.min(2)],
            Watches::Rail(rail) => self.mechanics.rail_ahead_mm(rail.min(2), ahead_s),
        };
        switch.poll(e.past_mm(at_mm))
    }

    /// Whether a probe is triggered; one whose pin is in never is.
    pub fn probe(&mut self, probe: usize, at_ns: u64) -> bool {
        self.advance(at_ns);
        let nozzle_mm = self.mechanics.nozzle_ahead_mm(self.ahead_s(at_ns));
        self.probes.get_mut(probe).is_some_and(|p| p.poll(nozzle_mm, &self.surface))
    }

    /// Whether a driver sees its motor stall.
    pub fn motor_stalls(&mut self, motor: usize, at_ns: u64) -> bool {
        self.advance(at_ns);
        self.mechanics.motors.get(motor).is_some_and(|m| m.stalls(at_ns))
    }

    /// Puts a probe's pin out or in. A probe that does not retract stays out.
    pub fn set_probe_deployed(&mut self, probe: usize, at_ns: u64, out: bool) {
        self.advance(at_ns);
        if let Some(p) = self.probes.get_mut(probe) {
            p.deploy(out);
        }
    }

    /// One sample of an accelerometer at the chip's own time, in its own LSBs.
    pub fn acceleration_lsb(&mut self, chip: usize, at_ns: u64) -> [i16; 3] {
        self.advance(at_ns);
        let share = if self.moving { self.ahead_s(at_ns) / self.tick_s } else { 1.0 };
        self.listen_until_ns = at_ns + LISTEN_NS;
        let Some(c) = self.chips.get_mut(chip) else { return [0; 3] };
        let [old, new] = self.felt[usize::from(c.mount() == Mount::Bed)];
        c.sample(core::array::from_fn(|i| old[i] + (new[i] - old[i]) * share))
    }

    /// Breaks or mends something.
    pub fn inject(&mut self, at_ns: u64, fault: &Fault) {
        self.wake(at_ns);
        match *fault {
            Fault::ThermistorOpen { sensor } => self.break_sensor(sensor, Break::Open),
            Fault::ThermistorShort { sensor } => self.break_sensor(sensor, Break::Short),
            Fault::ThermistorMended { sensor } => self.break_sensor(sensor, Break::Whole),
            Fault::HeaterStuckOn { heater } => self.stick_heater(heater, at_ns, Some(1.0)),
            Fault::HeaterStuckOff { heater } => self.stick_heater(heater, at_ns, Some(0.0)),
            Fault::HeaterMended { heater } => self.stick_heater(heater, at_ns, None),
            Fault::AxisStalled { motor } => self.stall(motor, true),
            Fault::AxisFreed { motor } => self.stall(motor, false),
            Fault::FanDead { fan } => self.stop_fan(fan, true),
            Fault::FanMended { fan } => self.stop_fan(fan, false),
            Fault::BeltSlip { motor, teeth, pitch_mm } => self.slip_belt(motor, f64::from(teeth) * pitch_mm),
            Fault::KnockPart { impulse_n_s } => self.knock(at_ns, impulse_n_s),
            Fault::NozzleClogged { extruder, open } => {
                if let Some(m) = self.melts.get_mut(extruder) {
                    m.open = open.clamp(0.0, 1.0);
                }
            }
        }
    }

    fn break_sensor(&mut self, sensor: usize, how: Break) {
        if let Some(s) = self.sensors.get_mut(sensor) {
            s.broken = how;
        }
    }

    fn stick_heater(&mut self, heater: usize, at_ns: u64, at: Option<f64>) {
        if let Some(h) = self.heaters.get_mut(heater) {
            h.advance(at_ns);
            h.stuck = at;
        }
    }

    fn stall(&mut self, motor: usize, on: bool) {
        if let Some(m) = self.mechanics.motors.get_mut(motor) {
            m.stalled = on;
            m.resting = false;
        }
    }

    fn stop_fan(&mut self, fan: usize, dead: bool) {
        if let Some(f) = self.fans.get_mut(fan) {
            f.dead = dead;
        }
    }

    fn slip_belt(&mut self, motor: usize, by_mm: f64) {
        if let Some(m) = self.mechanics.motors.get_mut(motor) {
            m.belt_mm += by_mm;
            m.resting = false;
        }
    }

    fn knock(&mut self, at_ns: u64, impulse_n_s: [f64; 3]) {
        let middle_mm = 1.0f64.max(0.5 * self.mechanics.drive_mm[2]);
        let bond_n = self.bond_n(middle_mm);
        if let Some(force_n) = self.part.knock(at_ns, impulse_n_s, bond_n, self.mechanics.nozzle_mm()) {
            self.part_is_off(at_ns, force_n);
        }
    }

    fn bond_n(&self, z_mm: f64) -> f64 {
        let bed = (0..self.heaters.len()).find(|h| matches!(self.machine.heaters[*h].body, Body::Bed(_)));
        let bed_c = bed.map(|h| self.heaters[h].body_c());
        self.part.bond_n(self.map.footprint_mm2(), z_mm, bed_c, self.machine.ambient_c)
    }

    fn part_is_off(&mut self, at_ns: u64, force_n: f64) {
        self.events.push(Event { at_ns, kind: EventKind::PartKnockedLoose { force_n } });
        self.map.clear();
    }

    /// Time since the last tick, s.
    fn ahead_s(&self, at_ns: u64) -> f64 {
        if !self.moving {
            return 0.0;
        }
        let tick_began_ns = self.tick_end_ns - self.tick_ns;
        at_ns.saturating_sub(tick_began_ns) as f64 * 1e-9
    }

    /// Brings the plant to `at_ns` and has the mechanics run on from there.
    #[inline(never)]
    fn wake(&mut self, at_ns: u64) {
        self.run_to(at_ns);
        if !self.moving {
            self.moving = true;
            self.tick_end_ns = (at_ns / self.tick_ns + 1) * self.tick_ns;
            let tick_began_ns = self.tick_end_ns - self.tick_ns;
            self.melt_step(tick_began_ns.max(self.melt_at_ns));
            self.ticks_to_melt = MELT_TICKS;
        }
        self.quick_until_ns = self.tick_end_ns;
    }

    fn run_to(&mut self, to_ns: u64) {
        while self.moving && self.tick_end_ns <= to_ns {
            while self.grid_ns <= self.tick_end_ns {
                self.grid_step();
            }
            self.moving = self.tick();
            self.tick_end_ns += self.tick_ns;
        }
        self.quick_until_ns = if self.moving { self.tick_end_ns } else { 0 };
        while !self.moving && self.grid_ns <= to_ns {
            self.relax(self.grid_ns);
            self.grid_step();
        }
        self.now_ns = self.now_ns.max(to_ns);
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
        out.nozzle_mm = self.mechanics.nozzle_mm();
        out.drive_mm = self.mechanics.drive_mm;
        out.drive_mm_s = if self.moving { self.mechanics.frame.drive_mm_s() } else { [0.0; 3] };
        out.motors.clear();
        out.motors.extend(self.mechanics.motors.iter().map(|m| MotorTruth {
            commanded_mm: m.commanded_mm(),
            position_mm: m.rail_mm(),
            load_angle_rad: m.load_angle_rad(),
            lost_full_steps: m.lost_full_steps(),
            enabled: m.enabled,
        }));
        out.heaters.clear();
        out.heaters.extend(self.heaters.iter().map(|h| HeaterTruth {
            body_c: h.body_c(),
            sensor_c: h.sensor_c(),
            power_w: h.power_w(),
        }));
        out.fans.clear();
        out.fans.extend(self.fans.iter().map(|f| f.speed));
        out.pressure_n.clear();
        out.pressure_n.extend(self.melts.iter().map(MeltState::force_n));
        out.flow_mm3_s.clear();
        out.flow_mm3_s.extend(self.melts.iter().map(|m| m.flow_mm3_s));
        out.part_moved_mm = self.part.moved_mm();
    }

    /// Moves the beads that are finished into `out`.
    pub fn take_beads(&mut self, out: &mut Vec<Bead>) {
        out.append(&mut self.layer.done);
    }

    /// Ends the bead in work, so that [`Plant::take_beads`] gives all that was laid.
    pub fn finish_bead(&mut self) {
        self.layer.finish();
    }

    /// Whether finished beads are kept for [`Plant::take_beads`]; on at first. Whoever does not take them turns it off.
    pub fn keep_beads(&mut self, keep: bool) {
        self.layer.keep = keep;
    }

    /// Moves what happened into `out`, in order of time.
    pub fn take_events(&mut self, out: &mut Vec<Event>) {
        out.append(&mut self.events);
    }

    /// Displacement of the nozzle by the frame's vibration, across the path while it moves, um.
    pub fn ringing_um(&self) -> f64 {
        self.mechanics.ringing_um()
    }

    /// Largest [`Plant::ringing_um`] while laying filament since the start or the last reset.
    pub fn peak_ringing_um(&self) -> f64 {
        self.peak_ringing_um
    }

    /// Forgets the peak.
    pub fn reset_peak_ringing(&mut self) {
        self.peak_ringing_um = 0.0;
    }

    /// Height of the bare bed under a point, mm: what a mesh should find.
    pub fn bed_height_mm(&self, x_mm: f64, y_mm: f64) -> f64 {
        self.surface.height_mm(x_mm, y_mm)
    }

    /// Hands the whole state, noise stream places included, to a digest, in a fixed order.
    pub fn fold_state(&self, f: &mut impl FnMut(u64)) {
        f(u64::from(self.moving));
        f(if self.moving { self.tick_end_ns } else { 0 });
        f(self.grid_ns);
        f(u64::from(self.ticks_to_melt));
        f(self.melt_at_ns);
        self.mechanics.fold(f);
        self.melts.iter().for_each(|m| m.fold(f));
        for g in &self.gears {
            [g.at_mm, g.pending_mm3, g.lost_mm3, g.grid_mm3].into_iter().for_each(|x| f(x.to_bits()));
        }
        self.layer.fold(f);
        self.map.fold(f);
        self.part.fold(f);
        f(self.told_depth_mm.to_bits());
        self.heaters.iter().for_each(|h| h.fold(f));
        self.fans.iter().for_each(|x| x.fold(f));
        self.sensors.iter().for_each(|s| s.fold(f));
        self.switches.iter().for_each(|s| s.fold(f));
        self.probes.iter().for_each(|p| p.fold(f));
        self.chips.iter().for_each(|c| c.fold(f));
        f(self.peak_ringing_um.to_bits());
    }
}
