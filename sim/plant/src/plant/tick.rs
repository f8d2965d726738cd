//! What happens inside a tick besides the mechanics, and on the grid of heat: melt, bead, contact, fans.

use super::{MELT_TICKS, Plant};
use crate::bead::{HAIR_MM2, Look};
use crate::event::{Event, EventKind};
use crate::heater::GRID_NS;

/// Printed material this far above the nozzle's tip is an obstacle, mm: more than a badly squeezed line sticks up.
const OBSTACLE_MM: f64 = 0.15;
/// The bed is told to be hit at this depth, mm, and at each doubling.
pub(super) const HIT_BED_MM: f64 = 0.02;
/// A blob at the nozzle drops off when the surface is this far away, mm.
const BLOB_MM: f64 = 2.0;

impl Plant {
    /// One tick of the mechanics; `true` while they move.
    #[inline]
    pub(super) fn tick(&mut self) -> bool {
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
    pub(super) fn melt_step(&mut self, at_ns: u64) -> bool {
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
        if volume_mm3 < way_mm * HAIR_MM2 {
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
    pub(super) fn relax(&mut self, to_ns: u64) {
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
    pub(super) fn grid_step(&mut self) {
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
}
