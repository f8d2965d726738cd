//! Gross contact: the nozzle in the bed, an axis at its end, the nozzle in the part, the part off the bed.
//!
//! # Equation
//! forces on nozzle and axes: F = k depth (springs of bed and frame; the printed part: k_p times the way inside it, at most
//! f_p per mm of overlap). The part holds up to F = tau A a(T) sideways and F z = tau A a(T) L/6 as a lever; past that it is
//! a rigid box on the bed in Rapier, pushed by the nozzle, until it lies still.
//!
//! # Symbols
//! k, k_p (N/mm) stiffness · f_p (N/mm) strength of a line · tau (MPa) bond · A (mm^2) footprint · L (mm) its shorter side ·
//! z (mm) height of the push · a(T): 0 for a bed at ambient, 1 from 50 degrees C on
//!
//! # Source
//! facts/physics.md 1.1 level C: 50 to 300 N/mm, bond 0.05 to 0.3 MPa on warm PEI, near 0 cold; Rapier 0.36 with
//! enhanced-determinism, 1 ms steps. Section modulus of a rectangle: L/6.
//!
//! # Valid for
//! saying that and when it happens, and about where the part ends; no vibration goes through here
//!
//! # Caveats
//! all that lies on the bed is one box; k_p and f_p are assumed
//!
//! # Checked by
//! tests::bond_matches_closed_form, tests::sliding_part_stops_where_friction_says, tests::same_blow_same_bits
//!
//! # Cost
//! 10 ns each 0.5 ms while nothing touches; about 10 us a simulated ms while a loose part moves

use crate::event::EventKind;
use crate::machine::Problems;
use alloc::boxed::Box;
use rapier3d_f64::prelude::{ColliderBuilder, PhysicsWorld, RigidBodyBuilder, RigidBodyHandle, Vector};
use serde::{Deserialize, Serialize};

/// Stiffness of what the nozzle can hit, and what holds the part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// Stiffness of gantry and bed together when the nozzle presses on the bed, N/mm (50 to 300, facts/physics.md 1.1).
    pub bed_n_mm: f64,
    /// Stiffness of the frame where an axis runs into its end, N/mm (assumed).
    pub end_n_mm: f64,
    /// Shear strength of the bond of part and warm bed, MPa (0.05 to 0.3, same place).
    pub adhesion_mpa: f64,
    /// Density of what is printed, g/cm^3 (PLA 1.25).
    pub density_g_cm3: f64,
    /// Friction of the loose part on the bed (assumed).
    pub friction: f64,
}

impl Default for Contact {
    fn default() -> Self {
        Contact { bed_n_mm: 120.0, end_n_mm: 400.0, adhesion_mpa: 0.15, density_g_cm3: 1.25, friction: 0.3 }
    }
}

impl Contact {
    pub(crate) fn validate(&self, place: &str, p: &mut Problems) {
        p.positive(alloc::format!("{place}.bed_n_mm"), self.bed_n_mm);
        p.positive(alloc::format!("{place}.end_n_mm"), self.end_n_mm);
        p.within(alloc::format!("{place}.adhesion_mpa"), self.adhesion_mpa, 0.0, 10.0);
        p.within(alloc::format!("{place}.density_g_cm3"), self.density_g_cm3, 0.1, 20.0);
        p.within(alloc::format!("{place}.friction"), self.friction, 0.0, 2.0);
    }
}

/// Sideways stiffness of nozzle and printed lines, N/mm, and what a millimetre of overlap bears before it yields, N/mm.
const PART_N_MM: f64 = 30.0;
const LINE_N_MM: f64 = 40.0;
const STEP_NS: u64 = 1_000_000;
const NOZZLE_RADIUS_MM: f64 = 2.0;
/// Still for this long is at rest.
const REST_STEPS: u32 = 50;
/// A blow of a given impulse lasts about this long (assumed).
const BLOW_S: f64 = 5e-3;

/// What was printed, as a body.
pub(crate) struct PartState {
    contact: Contact,
    min_mm: [f64; 3],
    max_mm: [f64; 3],
    /// Way of the nozzle inside printed material, mm.
    drag_mm: f64,
    told_hit: bool,
    loose: Option<Box<Loose>>,
    moved_mm: [f64; 3],
    breaks: u64,
}

struct Loose {
    world: PhysicsWorld,
    part: RigidBodyHandle,
    nozzle: RigidBodyHandle,
    start_mm: [f64; 3],
    at_ns: u64,
    still: u32,
}

fn metres(mm: [f64; 3]) -> Vector {
    Vector::new(mm[0] * 1e-3, mm[1] * 1e-3, mm[2] * 1e-3)
}

fn millimetres(m: Vector) -> [f64; 3] {
    [m.x * 1e3, m.y * 1e3, m.z * 1e3]
}

impl PartState {
    pub(crate) fn new(contact: &Contact) -> PartState {
        PartState {
            contact: contact.clone(),
            min_mm: [f64::INFINITY; 3],
            max_mm: [f64::NEG_INFINITY; 3],
            drag_mm: 0.0,
            told_hit: false,
            loose: None,
            moved_mm: [0.0; 3],
            breaks: 0,
        }
    }

    /// Filament was laid here.
    pub(crate) fn grow(&mut self, at_mm: [f64; 3]) {
        for (i, at_mm) in at_mm.into_iter().enumerate() {
            self.min_mm[i] = self.min_mm[i].min(at_mm);
            self.max_mm[i] = self.max_mm[i].max(at_mm);
        }
    }

    fn exists(&self) -> bool {
        self.min_mm[0] <= self.max_mm[0]
    }

    pub(crate) fn is_loose(&self) -> bool {
        self.loose.is_some()
    }

    /// Force sideways at height `z_mm` over the bed that the bond bears, N. `bed_c`: `None` for a bed without heater.
    pub(crate) fn bond_n(&self, footprint_mm2: f64, z_mm: f64, bed_c: Option<f64>, ambient_c: f64) -> f64 {
        let warm = bed_c.map_or(1.0, |c| ((c - ambient_c) / (50.0 - ambient_c).max(1.0)).clamp(0.05, 1.0));
        let shear_n = self.contact.adhesion_mpa * footprint_mm2 * warm;
        let side_mm = (self.max_mm[0] - self.min_mm[0]).min(self.max_mm[1] - self.min_mm[1]).max(0.4);
        let lever_n = shear_n * side_mm / 6.0 / z_mm.max(0.1);
        shear_n.min(lever_n)
    }

    /// The nozzle moved `way_mm` inside printed material, `overlap_mm` deep; gives the force on it, N.
    pub(crate) fn drag(
        &mut self,
        way_mm: f64,
        overlap_mm: f64,
        at_mm: [f64; 3],
        tell: &mut impl FnMut(EventKind),
    ) -> f64 {
        self.drag_mm += way_mm;
        let force_n = (PART_N_MM * self.drag_mm).min(LINE_N_MM * overlap_mm);
        if !self.told_hit && force_n > 1.0 {
            self.told_hit = true;
            tell(EventKind::NozzleHitPart { at_mm, force_n });
        }
        force_n
    }

    /// The nozzle is clear of printed material.
    pub(crate) fn release(&mut self) {
        self.drag_mm = 0.0;
        self.told_hit = false;
    }

    /// A blow: breaks the bond if it is stronger. Gives the force of the blow when it broke.
    pub(crate) fn knock(&mut self, at_ns: u64, impulse_n_s: [f64; 3], bond_n: f64, nozzle_mm: [f64; 3]) -> Option<f64> {
        let size = |v: &[f64; 3]| libm::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
        let force_n = size(&impulse_n_s) / BLOW_S;
        if !self.exists() || self.is_loose() || force_n < bond_n {
            return None;
        }
        self.break_loose(at_ns, impulse_n_s, nozzle_mm);
        Some(force_n)
    }

    /// The bond is gone: the part is a box of its own from here on.
    pub(crate) fn break_loose(&mut self, at_ns: u64, impulse_n_s: [f64; 3], nozzle_mm: [f64; 3]) {
        self.breaks += 1;
        let half: [f64; 3] = core::array::from_fn(|i| (0.5 * (self.max_mm[i] - self.min_mm[i])).max(0.2));
        let middle: [f64; 3] = core::array::from_fn(|i| 0.5 * (self.max_mm[i] + self.min_mm[i]));
        let start_mm = [middle[0], middle[1], half[2]];
        let mut world = PhysicsWorld::new();
        world.gravity = Vector::new(0.0, 0.0, -9.80665);
        world.integration_parameters.dt = STEP_NS as f64 * 1e-9;
        // Contacts of a part of a gram on a plate: Rapier's own lengths suit metres, a print is centimetres.
        world.integration_parameters.length_unit = 0.05;
        let c = &self.contact;
        world.insert(
            RigidBodyBuilder::fixed().translation(Vector::new(0.0, 0.0, -0.05)),
            ColliderBuilder::cuboid(1.0, 1.0, 0.05).friction(c.friction),
        );
        let h = metres(half);
        let (part, _) = world.insert(
            RigidBodyBuilder::dynamic().translation(metres(start_mm)),
            ColliderBuilder::cuboid(h.x, h.y, h.z).density(c.density_g_cm3 * 1e3).friction(c.friction),
        );
        let (nozzle, _) = world.insert(
            RigidBodyBuilder::kinematic_position_based().translation(metres(above_tip(nozzle_mm))),
            ColliderBuilder::ball(NOZZLE_RADIUS_MM * 1e-3).friction(0.1),
        );
        if let Some(body) = world.bodies.get_mut(part) {
            body.apply_impulse(Vector::new(impulse_n_s[0], impulse_n_s[1], impulse_n_s[2]), true);
        }
        self.loose = Some(Box::new(Loose { world, part, nozzle, start_mm, at_ns, still: 0 }));
    }

    /// Moves a loose part up to `to_ns`.
    pub(crate) fn advance(&mut self, to_ns: u64, nozzle_mm: [f64; 3], tell: &mut impl FnMut(EventKind)) {
        let Some(loose) = &mut self.loose else { return };
        while loose.at_ns + STEP_NS <= to_ns {
            loose.at_ns += STEP_NS;
            if let Some(tip) = loose.world.bodies.get_mut(loose.nozzle) {
                tip.set_next_kinematic_translation(metres(above_tip(nozzle_mm)));
            }
            loose.world.step();
            let Some(body) = loose.world.bodies.get(loose.part) else { break };
            let at_mm = millimetres(body.translation());
            self.moved_mm = core::array::from_fn(|i| at_mm[i] - loose.start_mm[i]);
            let still = body.linvel().length_squared() < 1e-6 && body.angvel().length_squared() < 1e-4;
            loose.still = if still { loose.still + 1 } else { 0 };
            let gone = at_mm[2] < -100.0;
            if loose.still >= REST_STEPS || gone {
                tell(EventKind::PartAtRest { moved_mm: self.moved_mm });
                self.loose = None;
                self.min_mm = [f64::INFINITY; 3];
                self.max_mm = [f64::NEG_INFINITY; 3];
                return;
            }
        }
    }

    /// How far the part has moved since it broke loose, mm.
    pub(crate) fn moved_mm(&self) -> [f64; 3] {
        self.moved_mm
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        f(self.breaks);
        f(self.drag_mm.to_bits());
        for v in [self.min_mm, self.max_mm, self.moved_mm] {
            v.iter().for_each(|x| f(x.to_bits()));
        }
        if let Some(loose) = &self.loose
            && let Some(body) = loose.world.bodies.get(loose.part)
        {
            f(loose.at_ns);
            f(u64::from(loose.still));
            let (p, v, w) = (body.translation(), body.linvel(), body.angvel());
            for u in [p, v, w] {
                [u.x, u.y, u.z].into_iter().for_each(|x| f(x.to_bits()));
            }
        }
    }
}

/// Middle of the ball that stands for the nozzle's tip.
fn above_tip(nozzle_mm: [f64; 3]) -> [f64; 3] {
    [nozzle_mm[0], nozzle_mm[1], nozzle_mm[2] + NOZZLE_RADIUS_MM]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 20 x 20 x 10 mm box whose first layer is 400 mm^2.
    fn cube() -> PartState {
        let mut part = PartState::new(&Contact::default());
        part.grow([0.0, 0.0, 0.2]);
        part.grow([20.0, 20.0, 10.0]);
        part
    }

    #[test]
    fn bond_matches_closed_form() {
        let part = cube();
        // 0.15 MPa x 400 mm^2 = 60 N sideways; as a lever at 10 mm: 60 x 20/6/10 = 20 N.
        assert!((part.bond_n(400.0, 1.0, None, 22.0) - 60.0).abs() < 1e-9);
        assert!((part.bond_n(400.0, 10.0, None, 22.0) - 20.0).abs() < 1e-9);
        assert!(part.bond_n(400.0, 10.0, Some(22.0), 22.0) < 1.01);
    }

    #[test]
    fn weak_blow_leaves_it() {
        let mut part = cube();
        assert_eq!(part.knock(0, [0.05, 0.0, 0.0], 20.0, [0.0, 0.0, 50.0]), None);
        assert!(!part.is_loose());
    }

    fn knocked() -> (PartState, u32) {
        let mut part = cube();
        let mut rests = 0;
        // 4.9 g at 0.5 m/s, flat on its side of 20 mm: it slides.
        let impulse = 20.0 * 20.0 * 9.8 * 1.25e-6 * 0.5;
        part.break_loose(0, [impulse, 0.0, 0.0], [0.0, 0.0, 50.0]);
        for ms in 1..3000u64 {
            part.advance(ms * STEP_NS, [0.0, 0.0, 50.0], &mut |e| {
                rests += u32::from(matches!(e, EventKind::PartAtRest { .. }));
            });
        }
        (part, rests)
    }

    /// v^2/(2 mu g) = 42 mm.
    #[test]
    fn sliding_part_stops_where_friction_says() {
        let (part, rests) = knocked();
        let expected = 0.5 * 0.5 / (2.0 * 0.3 * 9.80665) * 1e3;
        std::println!("ladder: loose part slides {:.2} mm, closed form {expected:.2} mm", part.moved_mm()[0]);
        assert_eq!(rests, 1);
        assert!((part.moved_mm()[0] / expected - 1.0).abs() < 0.05, "{:?} mm, {expected}", part.moved_mm());
    }

    #[test]
    fn same_blow_same_bits() {
        assert_eq!(knocked().0.moved_mm().map(f64::to_bits), knocked().0.moved_mm().map(f64::to_bits));
    }
}
