//! The extruder: gear, filament as a spring, melt, nozzle.
//!
//! # Equation
//! ds/dt = v (1 - slip) - u(s), u = o v0 (k s/(F0 theta))^(1/n) for s > 0, else 0; theta = exp(-b (T - T0));
//! T = T_block - (T_block - T_amb) exp(-Q_c/Q); slip = 1/(1 + exp((G - k s)/w)); flow Q = u pi d^2/4, plus ooze
//!
//! # Symbols
//! s (mm) filament squeezed between gear and melt, below 0: slack · v (mm/s) gear · u (mm/s) filament that melts away ·
//! k (N/mm) stiffness · F0 (N) force at v0 (mm/s) and T0 · n power index · b (1/K) thinning · T (degrees C) melt ·
//! Q_c (mm^3/s) flow at which heat no longer reaches the core · G (N) grip, w = 3 N · o: share of the bore that is open
//!
//! # Source
//! facts/physics.md 1.6: compression states, capillary power law, F0 of 20 N at 10 mm^3/s, tau = n F0/(k v0) at v0;
//! that is what pressure advance must be
//!
//! # Valid for
//! steady and transient flow of one material; with n = 1 it is the exact first-order lag that pressure advance inverts
//!
//! # Caveats
//! no second slow pole of a Bowden tube, no tube slack hysteresis, no die swell; a retracted filament leaves no melt behind
//!
//! # Checked by
//! tests::pressure_time_constant_matches_closed_form, tests::pressure_advance_inverts_the_lag,
//! tests::volume_in_equals_stored_plus_out, tests::power_law_steady_state_matches_closed_form,
//! tests::integrator_order_is_two, tests::grip_limits_the_force, tests::cold_filament_does_not_flow
//!
//! # Cost
//! about 25 ns a step of 0.5 ms with n = 1, 80 ns with n < 1

use crate::event::EventKind;
use crate::machine::{Machine, Problems};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// An extruder: drive gear, filament path, melt and nozzle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extruder {
    /// Name in reports.
    #[serde(default)]
    pub name: String,
    /// The heater that melts, by its place in `heaters`; `None`: always hot.
    #[serde(default)]
    pub heater: Option<usize>,
    /// Filament diameter, mm.
    pub filament_mm: f64,
    /// Nozzle bore, mm.
    pub nozzle_mm: f64,
    /// Stiffness of filament and tube between gear and melt, N/mm.
    pub stiffness_n_mm: f64,
    /// Force to push filament at `reference_mm_s`, N.
    pub force_n: f64,
    /// Filament speed at which `force_n` was told, mm/s.
    pub reference_mm_s: f64,
    /// Power-law index of the melt, 1 for a Newtonian one.
    pub power_index: f64,
    /// Fall of viscosity per kelvin, 1/K.
    pub thinning_per_k: f64,
    /// Melt temperature at which `force_n` was told, degrees C.
    pub reference_c: f64,
    /// Below this the filament does not melt, degrees C.
    pub min_flow_c: f64,
    /// Force at which the gear begins to slip, N.
    pub grip_n: f64,
    /// Heat to warm and melt the filament, J/(mm^3 K).
    pub heat_j_mm3_k: f64,
    /// Leak of a hot nozzle just after it flowed, mm^3/s; it fades over 20 s.
    pub ooze_mm3_s: f64,
    /// Flow at which the melt comes out colder by 1/e of its rise, mm^3/s.
    pub melt_capacity_mm3_s: f64,
}

impl Default for Extruder {
    /// A direct drive on a V6 class hot end. 15 N at 10 mm^3/s and the melt's loss of heat there make about 20 N
    /// (facts/physics.md 1.6); with 90 N/mm of filament, tube and melt the time constant is 28 ms at that flow and 34 ms at
    /// half of it, near the median of saved pressure advances (0.040 s). n = 0.69: PLA, Carreau (PMC10744784). Melt
    /// capacity: 12 mm^3/s with 13 % of the rise missing (V6, same place). Thinning, grip and ooze: mid-range there.
    fn default() -> Self {
        Extruder {
            name: String::new(),
            heater: None,
            filament_mm: 1.75,
            nozzle_mm: 0.4,
            stiffness_n_mm: 90.0,
            force_n: 15.0,
            reference_mm_s: 4.158,
            power_index: 0.69,
            thinning_per_k: 0.018,
            reference_c: 210.0,
            min_flow_c: 160.0,
            grip_n: 60.0,
            heat_j_mm3_k: 2.5e-3,
            ooze_mm3_s: 0.1,
            melt_capacity_mm3_s: 24.0,
        }
    }
}

impl Extruder {
    /// Time constant of the melt pressure at the reference speed, s: what pressure advance has to be set to.
    pub fn time_constant_s(&self) -> f64 {
        self.power_index * self.force_n / (self.reference_mm_s * self.stiffness_n_mm)
    }

    pub(crate) fn validate(&self, place: &str, machine: &Machine, p: &mut Problems) {
        let field = |name: &str| -> String { alloc::format!("{place}.{name}") };
        if let Some(heater) = self.heater {
            p.index(field("heater"), heater, machine.heaters.len(), "heaters");
        }
        p.positive(field("filament_mm"), self.filament_mm);
        p.positive(field("nozzle_mm"), self.nozzle_mm);
        p.positive(field("stiffness_n_mm"), self.stiffness_n_mm);
        p.positive(field("force_n"), self.force_n);
        p.positive(field("reference_mm_s"), self.reference_mm_s);
        p.within(field("power_index"), self.power_index, 0.1, 1.0);
        p.within(field("thinning_per_k"), self.thinning_per_k, 0.0, 0.1);
        p.within(field("reference_c"), self.reference_c, 0.0, 500.0);
        p.within(field("min_flow_c"), self.min_flow_c, -300.0, 500.0);
        p.positive(field("grip_n"), self.grip_n);
        p.within(field("heat_j_mm3_k"), self.heat_j_mm3_k, 0.0, 0.1);
        p.within(field("ooze_mm3_s"), self.ooze_mm3_s, 0.0, 10.0);
        p.positive(field("melt_capacity_mm3_s"), self.melt_capacity_mm3_s);
    }
}

const SLIP_WIDTH_N: f64 = 3.0;
const OOZE_S: f64 = 20.0;
/// Slack beyond which the nozzle is empty and does not ooze, mm.
const RETRACTED_MM: f64 = 0.3;

/// An extruder at work.
#[derive(Clone, Debug)]
pub(crate) struct MeltState {
    params: Extruder,
    index: usize,
    area_mm2: f64,
    ambient_c: f64,
    /// Filament squeezed between gear and melt, mm.
    squeezed_mm: f64,
    /// Melt that can still leak, mm^3.
    leak_mm3: f64,
    /// Share of the bore that is open.
    pub(crate) open: f64,
    /// Flow out of the nozzle, mm^3/s.
    pub(crate) flow_mm3_s: f64,
    /// Temperature of the melt at the nozzle, degrees C.
    pub(crate) melt_c: f64,
    slips: bool,
    cold: bool,
    /// Filament that the gear has pushed, and that has left, mm: for the audit.
    pushed_mm: f64,
}

impl MeltState {
    pub(crate) fn new(params: &Extruder, index: usize, ambient_c: f64) -> MeltState {
        MeltState {
            params: params.clone(),
            index,
            area_mm2: core::f64::consts::FRAC_PI_4 * params.filament_mm * params.filament_mm,
            ambient_c,
            squeezed_mm: 0.0,
            leak_mm3: 0.0,
            open: 1.0,
            flow_mm3_s: 0.0,
            melt_c: ambient_c,
            slips: false,
            cold: false,
            pushed_mm: 0.0,
        }
    }

    pub(crate) fn heater(&self) -> Option<usize> {
        self.params.heater
    }

    pub(crate) fn heat_j_mm3_k(&self) -> f64 {
        self.params.heat_j_mm3_k
    }

    /// Force on the filament, N.
    #[inline]
    pub(crate) fn force_n(&self) -> f64 {
        (self.params.stiffness_n_mm * self.squeezed_mm).max(0.0)
    }

    /// No pressure left that flows.
    pub(crate) fn is_settled(&self) -> bool {
        self.squeezed_mm <= 1e-5
    }

    /// `dt_s` in which the gear moves `advance_mm`; gives the volume that leaves, mm^3. `block_c`: `None` is always hot.
    pub(crate) fn step(
        &mut self,
        dt_s: f64,
        advance_mm: f64,
        block_c: Option<f64>,
        tell: &mut impl FnMut(EventKind),
    ) -> f64 {
        let p = &self.params;
        let block_c = block_c.unwrap_or(p.reference_c);
        let molten = block_c >= p.min_flow_c;
        if advance_mm > 0.0 && !molten && !self.cold {
            self.cold = true;
            tell(EventKind::ColdExtrusion { extruder: self.index, melt_c: block_c });
        }
        self.cold &= !molten;
        self.melt_c = block_c;
        if self.flow_mm3_s > 0.0 {
            self.melt_c -= (block_c - self.ambient_c) * libm::exp(-p.melt_capacity_mm3_s / self.flow_mm3_s);
        }
        let gear_mm = advance_mm * (1.0 - self.slip(advance_mm, tell));
        self.pushed_mm += gear_mm;
        let before = self.squeezed_mm;
        let (u, du_ds) = if molten { self.melt_rate() } else { (0.0, 0.0) };
        // Exponential Rosenbrock step: exact where u is straight in s, second order where it bends.
        let slope = gear_mm / dt_s - u;
        let z = -du_ds * dt_s;
        let growth = if z.abs() < 1e-9 { dt_s } else { libm::expm1(z) / z * dt_s };
        let mut after = before + growth * slope;
        if before > 0.0 && after < 0.0 && gear_mm >= 0.0 {
            after = 0.0;
        }
        self.squeezed_mm = after;
        let flows = u > 0.0 || du_ds > 0.0;
        let melted_mm = if flows { (gear_mm - (after - before)).max(0.0) } else { 0.0 };
        self.squeezed_mm = before + gear_mm - melted_mm;
        let leak = if molten { self.leak(dt_s, melted_mm) } else { 0.0 };
        let volume = melted_mm * self.area_mm2 + leak;
        self.flow_mm3_s = volume / dt_s;
        volume
    }

    /// Filament that melts away, mm/s, and its slope over s.
    #[inline]
    fn melt_rate(&self) -> (f64, f64) {
        let p = &self.params;
        if self.squeezed_mm <= 0.0 || self.open <= 0.0 {
            // At the onset of pressure a Newtonian melt already has its slope.
            let newtonian = p.power_index == 1.0 && self.squeezed_mm == 0.0;
            return (0.0, if newtonian { self.open * self.rate_per_mm() } else { 0.0 });
        }
        if p.power_index == 1.0 {
            let per_mm = self.open * self.rate_per_mm();
            return (per_mm * self.squeezed_mm, per_mm);
        }
        let x = self.rate_per_mm() * self.squeezed_mm / p.reference_mm_s;
        let u = self.open * p.reference_mm_s * libm::pow(x, 1.0 / p.power_index);
        (u, u / (p.power_index * self.squeezed_mm))
    }

    /// v0 k/(F0 theta), 1/s.
    #[inline]
    fn rate_per_mm(&self) -> f64 {
        let p = &self.params;
        let theta = libm::exp(-p.thinning_per_k * (self.melt_c - p.reference_c));
        p.reference_mm_s * p.stiffness_n_mm / (p.force_n * theta)
    }

    fn slip(&mut self, advance_mm: f64, tell: &mut impl FnMut(EventKind)) -> f64 {
        let force_n = self.force_n();
        let over = (force_n - self.params.grip_n) / SLIP_WIDTH_N;
        if advance_mm <= 0.0 || over < -8.0 {
            self.slips &= over > -8.0;
            return 0.0;
        }
        let slip = 1.0 / (1.0 + libm::exp(-over));
        if slip > 0.5 && !self.slips {
            self.slips = true;
            tell(EventKind::FilamentSlips { extruder: self.index, force_n });
        }
        slip
    }

    /// A hot nozzle that has flowed leaks what is left in it, unless the filament is pulled back.
    fn leak(&mut self, dt_s: f64, melted_mm: f64) -> f64 {
        if melted_mm > 0.0 {
            self.leak_mm3 = self.params.ooze_mm3_s * OOZE_S;
            return 0.0;
        }
        if self.leak_mm3 <= 1e-4 || self.squeezed_mm < -RETRACTED_MM {
            return 0.0;
        }
        let out = self.leak_mm3 * (dt_s / OOZE_S).min(1.0);
        self.leak_mm3 -= out;
        out
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        for x in [self.squeezed_mm, self.leak_mm3, self.open, self.flow_mm3_s, self.melt_c, self.pushed_mm] {
            f(x.to_bits());
        }
        f(u64::from(self.slips) | u64::from(self.cold) << 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: f64 = 5e-4;

    fn newtonian() -> Extruder {
        Extruder { power_index: 1.0, thinning_per_k: 0.0, ooze_mm3_s: 0.0, ..Extruder::default() }
    }

    fn run(m: &mut MeltState, advance_mm: f64) -> f64 {
        m.step(H, advance_mm, None, &mut |_| {})
    }

    #[test]
    fn pressure_time_constant_matches_closed_form() {
        let p = newtonian();
        let tau = p.force_n / (p.reference_mm_s * p.stiffness_n_mm);
        assert!((tau - p.time_constant_s()).abs() < 1e-15);
        let mut m = MeltState::new(&p, 0, 22.0);
        let v = 4.0;
        let mut worst = 0.0f64;
        for n in 1..=2000 {
            run(&mut m, v * H);
            let t = f64::from(n) * H;
            let expected = v * tau * (1.0 - (-t / tau).exp());
            worst = worst.max((m.squeezed_mm / expected - 1.0).abs());
        }
        std::println!("ladder: pressure time constant {tau:.4} s, response within {worst:.1e}");
        assert!(worst < 1e-10, "relative error {worst}");
    }

    /// x + K v with K = tau: what comes out is what was asked for.
    #[test]
    fn pressure_advance_inverts_the_lag() {
        let p = newtonian();
        let tau = p.time_constant_s();
        let mut m = MeltState::new(&p, 0, 22.0);
        let speed = |t: f64| if t < 0.1 { 40.0 * t } else { 4.0 };
        let wanted = |t: f64| if t < 0.1 { 20.0 * t * t } else { 0.2 + 4.0 * (t - 0.1) };
        let mut worst = 0.0f64;
        let mut last = 0.0;
        for n in 1..=600 {
            let t = f64::from(n) * H;
            let gear = wanted(t) + tau * speed(t);
            let out = run(&mut m, gear - last);
            last = gear;
            let asked = (wanted(t) - wanted(t - H)) * m.area_mm2;
            worst = worst.max((out - asked).abs() / (4.0 * H * m.area_mm2));
        }
        // Half a step of 0.5 ms in tau.
        std::println!("ladder: flow with pressure advance = tau within {worst:.1e}");
        assert!(worst < 0.01, "relative error of the flow {worst}");
    }

    #[test]
    fn volume_in_equals_stored_plus_out() {
        let mut m = MeltState::new(&Extruder { ooze_mm3_s: 0.0, grip_n: 1e3, ..Extruder::default() }, 0, 22.0);
        let mut out = 0.0;
        let mut fed = 0.0;
        for n in 0..20_000 {
            let v = if n % 4000 < 3000 {
                5.0
            } else if n % 4000 < 3200 {
                -5.0
            } else {
                0.0
            };
            fed += v * H;
            out += run(&mut m, v * H);
        }
        assert!((m.pushed_mm - fed).abs() < 1e-9, "{} slipped", fed - m.pushed_mm);
        let balance = fed - m.squeezed_mm - out / m.area_mm2;
        std::println!("ladder: volume balance of the melt {balance:.1e} mm of {fed:.1} mm");
        assert!(balance.abs() < 1e-9, "{balance} mm of {fed} mm");
    }

    #[test]
    fn power_law_steady_state_matches_closed_form() {
        let p = Extruder { thinning_per_k: 0.0, grip_n: 1e3, ..Extruder::default() };
        let mut m = MeltState::new(&p, 0, 22.0);
        for v in [0.5, 2.0, 6.0] {
            for _ in 0..20_000 {
                run(&mut m, v * H);
            }
            let expected = p.force_n * libm::pow(v / p.reference_mm_s, p.power_index);
            assert!((m.force_n() / expected - 1.0).abs() < 1e-6, "{} and {expected} N", m.force_n());
        }
    }

    /// Halving the step divides the error by four.
    #[test]
    fn integrator_order_is_two() {
        let p = Extruder { thinning_per_k: 0.0, ..Extruder::default() };
        let at_end = |steps: u32| {
            let mut m = MeltState::new(&p, 0, 22.0);
            m.squeezed_mm = 0.05;
            let h = 0.05 / f64::from(steps);
            for _ in 0..steps {
                m.step(h, 4.0 * h, None, &mut |_| {});
            }
            m.squeezed_mm
        };
        let exact = at_end(100_000);
        let slope = ((at_end(50) - exact) / (at_end(100) - exact)).abs().log2();
        std::println!("ladder: order of the melt's integrator {slope:.3}");
        assert!((slope - 2.0).abs() < 0.1, "order {slope}");
    }

    #[test]
    fn grip_limits_the_force() {
        let mut m = MeltState::new(&Extruder { thinning_per_k: 0.0, ..Extruder::default() }, 0, 22.0);
        m.open = 0.02;
        let mut told = 0;
        for _ in 0..20_000 {
            m.step(H, 5.0 * H, None, &mut |e| told += u32::from(matches!(e, EventKind::FilamentSlips { .. })));
        }
        assert!(m.force_n() > 55.0 && m.force_n() < 80.0, "{} N", m.force_n());
        assert_eq!(told, 1);
    }

    #[test]
    fn cold_filament_does_not_flow() {
        let mut m = MeltState::new(&Extruder::default(), 0, 22.0);
        let mut told = 0;
        let mut out = 0.0;
        for _ in 0..2000 {
            out += m.step(H, 1.0 * H, Some(100.0), &mut |e| {
                told += u32::from(matches!(e, EventKind::ColdExtrusion { .. }))
            });
        }
        assert_eq!((out, told), (0.0, 1));
    }
}
