//! The printer at work: owns every model, and the order in which they move.
//!
//! Mechanics run on a tick, in which pulses only leave their times; heat runs from event to event, with a grid of 0.1 s on
//! which fans and what is not linear are looked at again. While nothing moves there are no ticks. Letting time pass never
//! changes what happens: only pulses, outputs and faults do, at their own times.

use crate::accelerometer::{ChipState, Mount};
use crate::bead::{Bead, Layer, Look};
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
    /// How far the part on the bed has moved since it broke loose, mm.
    pub part_moved_mm: [f64; 3],
}

/// Ticks between looks at melt, bead and contact.
const MELT_TICKS: u32 = 5;
/// Chips are listened to for this long after a sample, ns.
const LISTEN_NS: u64 = 20_000_000;
/// Printed material this far above the nozzle's tip is an obstacle, mm: more than a badly squeezed line sticks up.
const OBSTACLE_MM: f64 = 0.15;
/// The bed is told to be hit at this depth, mm, and at each doubling.
const HIT_BED_MM: f64 = 0.02;
/// A blob at the nozzle drops off when the surface is this far away, mm.
const BLOB_MM: f64 = 2.0;

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
        switch.poll(e.into_mm(at_mm))
    }

    /// Whether a probe is triggered; one whose pin is in never is.
    pub fn probe(&mut self, probe: usize, at_ns: u64) -> bool {
        self.advance(at_ns);
        let nozzle_mm = self.mechanics.nozzle_ahead_mm(self.ahead_s(at_ns));
        self.probes.get_mut(probe).is_some_and(|p| p.poll(nozzle_mm, &self.surface))
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

    /// One tick of the mechanics; `true` while they move.
    #[inline]
    fn tick(&mut self) -> bool {
        let end_ns = self.tick_end_ns;
        let events = &mut self.events;
        let mut tell = |kind| events.push(Event { at_ns: end_ns, kind });
        let mut moves = self.mechanics.tick(end_ns, &mut tell);
        if end_ns < self.listen_until_ns {
            let frame = &self.mechanics.frame;
            for (pair, now) in self.felt.iter_mut().zip([frame.head_mm_s2(), frame.bed_mm_s2()]) {
                *pair = [pair[1], now];
            }
        }
        self.ticks_to_melt -= 1;
        if self.ticks_to_melt == 0 || !moves {
            self.ticks_to_melt = MELT_TICKS;
            let flows = self.melt_step(end_ns);
            let touches = self.touch(end_ns);
            moves |= flows || touches;
        }
        if !moves {
            self.felt = [[[0.0; 3]; 2]; 2];
        }
        moves
    }

    /// Melt and bead up to `at_ns`; `true` while filament is being pushed.
    fn melt_step(&mut self, at_ns: u64) -> bool {
        if at_ns <= self.melt_at_ns {
            return false;
        }
        let dt_s = (at_ns - self.melt_at_ns) as f64 * 1e-9;
        self.melt_at_ns = at_ns;
        let mut pushes = false;
        for e in 0..self.melts.len() {
            pushes |= self.melt_one(e, at_ns, dt_s);
        }
        pushes
    }

    #[inline]
    fn melt_one(&mut self, e: usize, at_ns: u64, dt_s: f64) -> bool {
        let (gear, melt) = (&mut self.gears[e], &mut self.melts[e]);
        let at_mm: f64 = gear.motors.iter().map(|m| self.mechanics.motors[*m].rail_mm()).sum();
        let advance_mm = at_mm - gear.at_mm;
        gear.at_mm = at_mm;
        if advance_mm == 0.0 && melt.is_settled() && melt.flow_mm3_s == 0.0 {
            return false;
        }
        let block_c = melt.heater().map(|h| self.heaters[h].body_c());
        let events = &mut self.events;
        let volume = melt.step(dt_s, advance_mm, block_c, &mut |kind| events.push(Event { at_ns, kind }));
        gear.pending_mm3 += volume;
        gear.grid_mm3 += volume;
        let load_n = melt.force_n() / gear.motors.len().max(1) as f64;
        for m in &gear.motors {
            self.mechanics.motors[*m].set_load(load_n);
        }
        if advance_mm > 0.0 {
            let v = self.mechanics.frame.drive_mm_s();
            if v[0] * v[0] + v[1] * v[1] > 25.0 {
                self.peak_ringing_um = self.peak_ringing_um.max(self.mechanics.ringing_um());
            }
        }
        if self.gears[e].pending_mm3 > 0.0 {
            self.look(e, at_ns);
        }
        advance_mm != 0.0
    }

    /// A look at the nozzle: lays what has flowed once it has moved far enough.
    fn look(&mut self, e: usize, at_ns: u64) {
        let at_mm = self.mechanics.nozzle_mm();
        let sample_mm = self.machine.bead.sample_mm;
        let moved2 = self.layer.moved2(&at_mm).unwrap_or(f64::INFINITY);
        if moved2 < sample_mm * sample_mm {
            return;
        }
        let gear = &mut self.gears[e];
        let volume_mm3 = core::mem::take(&mut gear.pending_mm3);
        let mut look = Look { at_ns, at_mm, gap_mm: 0.0, volume_mm3, melt_c: self.melts[e].melt_c, extruder: e };
        // A jump since the last look is a way without flow.
        let far = moved2 > 4.0;
        let gap_mm = at_mm[2] - self.map.top_mm(at_mm[0], at_mm[1], &self.surface);
        if far || gap_mm > BLOB_MM {
            gear.lost_mm3 += volume_mm3;
            self.layer.skip_to(look);
            return;
        }
        let way_mm = libm::sqrt(moved2);
        if volume_mm3 < way_mm * crate::bead::HAIR_MM2 {
            gear.lost_mm3 += volume_mm3;
            self.layer.skip_to(look);
            return;
        }
        look.gap_mm = self.map.lay(at_mm, &self.surface);
        self.part.grow(at_mm);
        self.layer.lay(look);
    }

    /// What the nozzle touches; `true` while it does, or while a loose part moves.
    fn touch(&mut self, at_ns: u64) -> bool {
        let at_mm = self.mechanics.nozzle_mm();
        let mut push_n = [0.0; 3];
        if at_mm[2] < self.map.highest_mm() {
            let bed_mm = self.map.bed_mm(at_mm[0], at_mm[1], &self.surface);
            push_n[2] = self.press_bed(at_ns, bed_mm - at_mm[2]);
            let top_mm = self.map.top_mm(at_mm[0], at_mm[1], &self.surface);
            let drag = self.press_part(at_ns, at_mm, top_mm - at_mm[2] - OBSTACLE_MM);
            (push_n[0], push_n[1]) = (drag[0], drag[1]);
        }
        self.mechanics.nozzle_push_n = push_n;
        if self.part.is_loose() {
            let events = &mut self.events;
            self.part.advance(at_ns, at_mm, &mut |kind| events.push(Event { at_ns, kind }));
            return true;
        }
        push_n != [0.0; 3]
    }

    fn press_bed(&mut self, at_ns: u64, depth_mm: f64) -> f64 {
        if depth_mm <= 0.0 {
            self.told_depth_mm = HIT_BED_MM;
            return 0.0;
        }
        let force_n = depth_mm * self.machine.contact.bed_n_mm;
        if depth_mm >= self.told_depth_mm {
            self.told_depth_mm = 2.0 * depth_mm;
            self.events.push(Event { at_ns, kind: EventKind::NozzleHitBed { depth_mm, force_n } });
        }
        force_n
    }

    fn press_part(&mut self, at_ns: u64, at_mm: [f64; 3], overlap_mm: f64) -> [f64; 2] {
        let v = self.mechanics.frame.drive_mm_s();
        let speed = libm::sqrt(v[0] * v[0] + v[1] * v[1]);
        if overlap_mm <= 0.0 || self.part.is_loose() {
            self.part.release();
            return [0.0; 2];
        }
        if speed < 1e-3 {
            return [0.0; 2];
        }
        let way_mm = speed * self.tick_s * f64::from(MELT_TICKS);
        let events = &mut self.events;
        let force_n = self.part.drag(way_mm, overlap_mm, at_mm, &mut |kind| events.push(Event { at_ns, kind }));
        if force_n > self.bond_n(at_mm[2]) {
            // The nozzle goes on pushing: what it gives the part at first is its own speed.
            self.part.break_loose(at_ns, [0.0; 3], at_mm);
            self.part_is_off(at_ns, force_n);
            return [0.0; 2];
        }
        [-force_n * v[0] / speed, -force_n * v[1] / speed]
    }

    /// Melt that is still under pressure while nothing moves.
    fn relax(&mut self, to_ns: u64) {
        if self.melts.iter().all(|m| m.is_settled() && m.flow_mm3_s == 0.0) {
            self.melt_at_ns = to_ns;
            return;
        }
        const SLICE_NS: u64 = 5_000_000;
        while self.melt_at_ns + SLICE_NS <= to_ns {
            self.melt_step(self.melt_at_ns + SLICE_NS);
        }
        self.melt_step(to_ns);
    }

    /// The grid of heat: fans spin up, flow cools, bodies are brought up to date.
    fn grid_step(&mut self) {
        let at_ns = self.grid_ns;
        self.grid_ns += GRID_NS;
        for heater in &mut self.heaters {
            heater.advance(at_ns);
            heater.filament_w_k = 0.0;
        }
        for (gear, melt) in self.gears.iter_mut().zip(&self.melts) {
            let mm3 = core::mem::take(&mut gear.grid_mm3);
            if let Some(h) = melt.heater() {
                self.heaters[h].filament_w_k += mm3 / (GRID_NS as f64 * 1e-9) * melt.heat_j_mm3_k();
            }
        }
        for fan in &mut self.fans {
            fan.grid_step(at_ns);
        }
        for h in 0..self.heaters.len() {
            let blowing = self.fans.iter().filter(|f| f.cools.contains(&h)).fold(0.0f64, |s, f| s.max(f.speed));
            self.heaters[h].set_fan(blowing);
        }
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
