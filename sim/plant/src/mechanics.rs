//! Everything that moves, tick by tick: motors, rails, nozzle, vibration, contact.
//!
//! The order inside a tick is fixed: motors follow their pulses; rails and nozzle follow the motors; the frame is shaken by
//! the nozzle's drive; what the frame pulls and what stands in the way goes back to the motors for the next tick.

use crate::contact::Contact;
use crate::drive::{MotorState, Moves};
use crate::event::EventKind;
use crate::frame::{Frame, LOOK_S};
use crate::kinematics::Maps;
use crate::machine::Machine;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The moving machine.
pub(crate) struct Mechanics {
    pub(crate) motors: Vec<MotorState>,
    pub(crate) frame: Frame,
    maps: Box<dyn Maps>,
    /// Share of each motor in its rail.
    rail_share: Vec<(usize, f64)>,
    /// Rails that no motor moves stay here; 0 for the others.
    bare_rails_mm: [f64; 3],
    pub(crate) rails_mm: [f64; 3],
    rails_mm_s: [f64; 3],
    /// Nozzle where the motors hold it, mm.
    pub(crate) drive_mm: [f64; 3],
    mass_kg: [f64; 3],
    travel_min_mm: [f64; 3],
    travel_max_mm: [f64; 3],
    contact: Contact,
    /// Force on the nozzle by bed and part, N.
    pub(crate) nozzle_push_n: [f64; 3],
    end_push_n: [f64; 3],
    told_end: [bool; 3],
    pushed: bool,
    loaded: bool,
    tick_s: f64,
    per_s: f64,
    lost: Vec<i64>,
    /// Where the motors are asked to hold the rails, at the last look, mm.
    asked_rails_mm: [f64; 3],
    look_ticks: u32,
    ticks_to_look: u32,
    /// Some motor slips.
    slips: bool,
}

fn asked_rails_mm(motors: &[MotorState], rail_share: &[(usize, f64)]) -> [f64; 3] {
    let mut rails_mm = [0.0; 3];
    for (motor, (rail, share)) in motors.iter().zip(rail_share) {
        rails_mm[*rail] += motor.asked_mm() * share;
    }
    rails_mm
}

/// An end of travel is told of at this force, N.
const END_FORCE_N: f64 = 10.0;

impl Mechanics {
    pub(crate) fn new(machine: &Machine, tick_s: f64) -> Mechanics {
        let maps = machine.kinematics.ready();
        let rails_mm = maps.inverse(machine.start_mm).unwrap_or_default();
        let on_rail = |rail: usize| machine.motors.iter().filter(|m| m.moves == Moves::Rail(rail)).count();
        let motors: Vec<MotorState> = machine
            .motors
            .iter()
            .map(|m| {
                let origin_mm = if let Moves::Rail(rail) = m.moves { rails_mm[rail] } else { 0.0 };
                MotorState::new(m, origin_mm, tick_s)
            })
            .collect();
        let rail_share: Vec<(usize, f64)> = machine
            .motors
            .iter()
            .map(|m| match m.moves {
                Moves::Rail(rail) => (rail, 1.0 / on_rail(rail) as f64),
                Moves::Extruder(_) => (0, 0.0),
            })
            .collect();
        let look_ticks = libm::round(LOOK_S / tick_s).max(1.0) as u32;
        Mechanics {
            asked_rails_mm: asked_rails_mm(&motors, &rail_share),
            motors,
            frame: Frame::new(&machine.modes, machine.kinematics.bed_moves_y(), tick_s),
            maps,
            rail_share,
            bare_rails_mm: core::array::from_fn(|rail| if on_rail(rail) == 0 { rails_mm[rail] } else { 0.0 }),
            rails_mm,
            rails_mm_s: [0.0; 3],
            drive_mm: machine.start_mm,
            mass_kg: machine.moving_mass_kg,
            travel_min_mm: machine.travel_min_mm,
            travel_max_mm: machine.travel_max_mm,
            contact: machine.contact.clone(),
            nozzle_push_n: [0.0; 3],
            end_push_n: [0.0; 3],
            told_end: [false; 3],
            pushed: false,
            loaded: false,
            tick_s,
            per_s: 1.0 / tick_s,
            lost: alloc::vec![0; machine.motors.len()],
            look_ticks,
            ticks_to_look: look_ticks,
            slips: false,
        }
    }

    /// One tick, which ends at `end_ns`; `true` while anything moves.
    #[inline]
    pub(crate) fn tick(&mut self, end_ns: u64, tell: &mut impl FnMut(EventKind)) -> bool {
        let mut awake = false;
        let mut rails_mm = self.bare_rails_mm;
        for (motor, (rail, share)) in self.motors.iter_mut().zip(&self.rail_share) {
            if !motor.resting {
                awake = true;
                motor.tick(end_ns, self.tick_s);
            }
            rails_mm[*rail] += motor.rail_mm() * share;
        }
        if awake {
            self.watch_slips(tell);
        }
        self.follow_rails(rails_mm);
        self.ticks_to_look -= 1;
        if self.ticks_to_look == 0 {
            self.look();
        }
        self.feel(tell);
        awake || !self.frame.is_quiet() || self.pushed
    }

    fn watch_slips(&mut self, tell: &mut impl FnMut(EventKind)) {
        for (motor, (state, lost)) in self.motors.iter().zip(&mut self.lost).enumerate() {
            let full_steps = state.lost_full_steps();
            if full_steps != *lost {
                *lost = full_steps;
                self.slips = true;
                tell(EventKind::LostSteps { motor, full_steps });
            }
        }
    }

    #[inline]
    fn follow_rails(&mut self, rails_mm: [f64; 3]) {
        let per_s = self.per_s;
        let mut drive_mm_s = [0.0; 3];
        self.rails_mm_s = core::array::from_fn(|i| (rails_mm[i] - self.rails_mm[i]) * per_s);
        if rails_mm != self.rails_mm {
            self.rails_mm = rails_mm;
            // Rails that cannot meet (a delta driven past its arms) leave the nozzle where it was.
            if let Some(now) = self.maps.forward(self.rails_mm) {
                drive_mm_s = core::array::from_fn(|i| (now[i] - self.drive_mm[i]) * per_s);
                self.drive_mm = now;
            }
        }
        self.frame.tick(drive_mm_s);
    }

    /// Tells the frame what the motors are asked for.
    #[inline(never)]
    fn look(&mut self) {
        self.ticks_to_look = self.look_ticks;
        let rails_mm = asked_rails_mm(&self.motors, &self.rail_share);
        let per_s = self.per_s / f64::from(self.look_ticks);
        let rails_mm_s = core::array::from_fn(|i| (rails_mm[i] - self.asked_rails_mm[i]) * per_s);
        self.asked_rails_mm = rails_mm;
        let still = rails_mm_s == [0.0; 3];
        let mm_s = if still { rails_mm_s } else { self.maps.nozzle_speed(self.rails_mm, self.drive_mm, rails_mm_s) };
        self.frame.look(mm_s, 1.0 / per_s);
    }

    /// Hands the forces of this tick to the motors.
    #[inline]
    fn feel(&mut self, tell: &mut impl FnMut(EventKind)) {
        self.press_ends(tell);
        let quiet = self.frame.is_quiet();
        if !quiet || self.loaded {
            let a = self.frame.load_mm_s2();
            let pull: [f64; 3] = core::array::from_fn(|i| self.mass_kg[i] * a[i] * 1e-3);
            let on_rails = self.maps.rail_forces(self.rails_mm, self.drive_mm, pull);
            for (motor, (rail, share)) in self.motors.iter_mut().zip(&self.rail_share) {
                if *share > 0.0 {
                    motor.set_load(on_rails[*rail] * share);
                }
            }
            self.loaded = !quiet;
            if self.slips {
                self.carry();
            }
        }
        let push: [f64; 3] = core::array::from_fn(|i| self.nozzle_push_n[i] + self.end_push_n[i]);
        let pushes = push != [0.0; 3];
        if pushes || self.pushed {
            let on_rails = self.maps.rail_forces(self.rails_mm, self.drive_mm, push);
            for (motor, (rail, share)) in self.motors.iter_mut().zip(&self.rail_share) {
                if *share > 0.0 {
                    motor.push_n = on_rails[*rail] * share;
                    motor.resting &= motor.push_n == 0.0;
                }
            }
            self.pushed = pushes;
        }
    }

    /// Tells motors that slip what they carry.
    #[inline(never)]
    fn carry(&mut self) {
        let (rails_mm, at_mm) = (self.rails_mm, self.drive_mm);
        let pulls = |a: [f64; 3]| {
            let force = core::array::from_fn(|i| self.mass_kg[i] * a[i]);
            self.maps.rail_forces(rails_mm, at_mm, force)
        };
        let rigid = pulls(self.frame.rigid_mm_s2());
        self.slips = self.motors.iter().any(MotorState::slips);
        for (motor, (rail, share)) in self.motors.iter_mut().zip(&self.rail_share) {
            if motor.slips() && *share > 0.0 {
                let alone = core::array::from_fn(|i| f64::from(u8::from(i == *rail)));
                let follows = self.frame.rigidly(&self.maps.nozzle_speed(rails_mm, at_mm, alone));
                motor.carry(pulls(follows)[*rail].max(0.0) * share, rigid[*rail] * share * 1e-3);
            }
        }
    }

    /// The frame stops an axis past the end of its travel.
    #[inline]
    fn press_ends(&mut self, tell: &mut impl FnMut(EventKind)) {
        for axis in 0..3 {
            let at = self.drive_mm[axis];
            let depth = if at < self.travel_min_mm[axis] {
                self.travel_min_mm[axis] - at
            } else if at > self.travel_max_mm[axis] {
                self.travel_max_mm[axis] - at
            } else {
                if self.end_push_n[axis] != 0.0 {
                    self.end_push_n[axis] = 0.0;
                    self.told_end[axis] = false;
                }
                continue;
            };
            let force_n = depth * self.contact.end_n_mm;
            self.end_push_n[axis] = force_n;
            if force_n.abs() > END_FORCE_N && !self.told_end[axis] {
                self.told_end[axis] = true;
                tell(EventKind::HitEndOfTravel { axis, force_n: force_n.abs() });
            }
        }
    }

    /// Nozzle relative to the bed with all vibration, mm.
    #[inline]
    pub(crate) fn nozzle_mm(&self) -> [f64; 3] {
        core::array::from_fn(|i| self.drive_mm[i] + self.frame.displacement_mm[i])
    }

    /// The same `ahead_s` after the last tick.
    #[inline]
    pub(crate) fn nozzle_ahead_mm(&self, ahead_s: f64) -> [f64; 3] {
        let v = self.frame.drive_mm_s();
        core::array::from_fn(|i| self.drive_mm[i] + self.frame.displacement_mm[i] + v[i] * ahead_s)
    }

    /// A rail `ahead_s` after the last tick, mm.
    pub(crate) fn rail_ahead_mm(&self, rail: usize, ahead_s: f64) -> f64 {
        self.rails_mm[rail] + self.rails_mm_s[rail] * ahead_s
    }

    /// Displacement of the nozzle by vibration, um: across the path while it moves, all of it while it stands.
    pub(crate) fn ringing_um(&self) -> f64 {
        let (d, v) = (self.frame.displacement_mm, self.frame.drive_mm_s());
        let speed2 = v[0] * v[0] + v[1] * v[1];
        let off2 = if speed2 > 1.0 {
            let across = d[0] * v[1] - d[1] * v[0];
            across * across / speed2
        } else {
            d[0] * d[0] + d[1] * d[1]
        };
        libm::sqrt(off2) * 1e3
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        self.motors.iter().for_each(|m| m.fold(f));
        self.frame.fold(f);
        for v in [self.rails_mm, self.drive_mm, self.nozzle_push_n, self.end_push_n] {
            v.iter().for_each(|x| f(x.to_bits()));
        }
        self.asked_rails_mm.iter().for_each(|x| f(x.to_bits()));
        f(u64::from(self.ticks_to_look));
    }
}
