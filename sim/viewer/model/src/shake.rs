//! What swings: the nozzle against the drive, split over the modes that the machine file gives.
//!
//! # Equation
//! The modes of the plant, driven by the recorded drive and held to the recorded nozzle: between two samples each mode is
//! pushed by the change of the drive's velocity and then swings freely (as in the plant's frame.rs); what is then missing
//! to the recorded displacement, r, goes to the modes in the way that changes them least, dq = S' (S S')^-1 r, and to
//! their velocities as 0.3 dq/h.
//! # Symbols
//! q, q' mode and its velocity · S shapes of the modes, nozzle motion per mm · h (s) time between samples
//! # Valid for
//! sample rates above three times the frequency; where modes share an axis their split is the model's guess, their sum is
//! what was recorded
//! # Checked by
//! tests/model/ringing.rs: a planted amplitude comes back within 2 %; tests below: of two modes of one axis at 48 and
//! 118 Hz, sampled at 500 Hz, the amplitudes within 2 % and 25 %

use crate::document::Document;
use crate::machine::Mode;
use drydock_analysis::wall::STILL_NS;
use drydock_recording::State;

/// The displacement at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shake {
    /// Nozzle against drive, um.
    pub displacement_um: [f64; 3],
    /// The part that each mode has in it, in the order of `Machine::modes`.
    pub modes: Vec<ModeShake>,
}

/// One mode at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ModeShake {
    /// Nozzle motion along the mode's shape, um.
    pub swing_um: f64,
    /// The height of the swing, um: it goes down smoothly while the swing goes to and fro.
    pub amplitude_um: f64,
}

/// How the mode that something has shaken rings down.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RingDown {
    /// Index into `Machine::modes`.
    pub mode: usize,
    pub frequency_hz: f64,
    pub amplitude_um: f64,
    /// Where the nozzle was when the amplitude was greatest, and how long ago.
    pub from_mm: [f64; 3],
    pub since_s: f64,
    /// The amplitude now, of the greatest: 0 to 1.
    pub share: f64,
}

/// So long before a time the modes are followed: five times the decay of a soft one (40 Hz, 6 %).
pub(crate) const BEFORE_NS: u64 = 350_000_000;
/// Less than this is not called a swing.
const LEAST_UM: f64 = 0.5;

impl Document {
    /// What swings at a time.
    pub fn shake(&mut self, at_ns: u64) -> Shake {
        let now = self.state(at_ns);
        let mut swings = Swings::of(&self.machine().modes);
        self.recent(at_ns, |state| swings.follow(state));
        let Some(now) = now else { return Shake::default() };
        swings.follow(&now);
        Shake {
            displacement_um: std::array::from_fn(|i| (now.nozzle_mm[i] - now.drive_mm[i]) * 1e3),
            modes: swings.modes(),
        }
    }

    /// The mode that has swung most lately, and how far it has rung down; `None` where nothing has.
    pub fn ring_down(&mut self, at_ns: u64) -> Option<RingDown> {
        let mut swings = Swings::of(&self.machine().modes);
        let mut greatest: Vec<(f64, u64, [f64; 3])> = vec![(0.0, 0, [0.0; 3]); self.machine().modes.len()];
        let now = self.state(at_ns)?;
        let mut look = |state: &State| {
            swings.follow(state);
            for (greatest, mode) in greatest.iter_mut().zip(swings.modes()) {
                if mode.amplitude_um >= greatest.0 {
                    *greatest = (mode.amplitude_um, state.at_ns, state.nozzle_mm);
                }
            }
        };
        self.recent(at_ns, &mut look);
        look(&now);
        let modes = swings.modes();
        let most = (0..modes.len()).max_by(|a, b| greatest[*a].0.total_cmp(&greatest[*b].0))?;
        let (peak_um, ns, from_mm) = greatest[most];
        let amplitude_um = modes[most].amplitude_um;
        (peak_um >= LEAST_UM).then(|| RingDown {
            mode: most,
            frequency_hz: self.machine().modes[most].frequency_hz,
            amplitude_um,
            from_mm,
            since_s: at_ns.saturating_sub(ns) as f64 * 1e-9,
            share: amplitude_um / peak_um,
        })
    }

    fn recent(&mut self, at_ns: u64, f: impl FnMut(&State)) {
        self.streams.states.for_each(&mut self.reader, at_ns.saturating_sub(BEFORE_NS)..at_ns, f);
    }
}

/// Modes that are followed through the states.
pub(crate) struct Swings {
    modes: Vec<Mode>,
    /// S' (S S')^-1: what a missing displacement is in each mode.
    share: Vec<[f64; 3]>,
    /// Displacement and velocity of each mode, mm and mm/s.
    q: Vec<[f64; 2]>,
    /// Free motion over the time between the last two samples, which seldom changes.
    free: (u64, Vec<[[f64; 2]; 2]>),
    before: Option<(State, [f64; 3])>,
}

/// How much of a missing displacement is taken for a wrong velocity.
const TRUST: f64 = 0.3;

impl Swings {
    pub(crate) fn of(modes: &[Mode]) -> Swings {
        let mut sum = [[0.0; 3]; 3];
        for mode in modes {
            for (i, row) in sum.iter_mut().enumerate() {
                (0..3).for_each(|j| row[j] += mode.shape[i] * mode.shape[j]);
            }
        }
        // A direction in which no mode moves has no share.
        (0..3).for_each(|i| sum[i][i] += 1e-6);
        let inverse = inverse(sum);
        let share = |m: &Mode| std::array::from_fn(|j| (0..3).map(|i| m.shape[i] * inverse[i][j]).sum());
        Swings {
            share: modes.iter().map(share).collect(),
            q: vec![[0.0; 2]; modes.len()],
            free: (0, Vec::new()),
            modes: modes.to_vec(),
            before: None,
        }
    }

    /// Takes the next state.
    pub(crate) fn follow(&mut self, state: &State) {
        let off: [f64; 3] = std::array::from_fn(|i| state.nozzle_mm[i] - state.drive_mm[i]);
        let gap_ns = self.before.as_ref().map(|(b, _)| state.at_ns.saturating_sub(b.at_ns));
        let mut velocity = [0.0; 3];
        match (gap_ns, &self.before) {
            (Some(0), _) => return,
            (Some(gap_ns), Some((before, old))) if gap_ns <= STILL_NS => {
                let h = gap_ns as f64 * 1e-9;
                velocity = std::array::from_fn(|i| (state.drive_mm[i] - before.drive_mm[i]) / h);
                if self.free.0 != gap_ns {
                    self.free = (gap_ns, self.modes.iter().map(|m| free_motion(m, h)).collect());
                }
                for ((mode, q), free) in self.modes.iter().zip(&mut self.q).zip(&self.free.1) {
                    let push: f64 = (0..3).map(|i| mode.excited_by[i] * (velocity[i] - old[i])).sum();
                    let pushed = [q[0], q[1] - push];
                    *q = free.map(|row| row[0] * pushed[0] + row[1] * pushed[1]);
                }
                let have: [f64; 3] =
                    std::array::from_fn(|i| self.modes.iter().zip(&self.q).map(|(m, q)| m.shape[i] * q[0]).sum());
                for (share, q) in self.share.iter().zip(&mut self.q) {
                    let missing: f64 = (0..3).map(|i| share[i] * (off[i] - have[i])).sum();
                    q[0] += missing;
                    q[1] += TRUST * missing / h;
                }
            }
            _ => {
                for (share, q) in self.share.iter().zip(&mut self.q) {
                    *q = [(0..3).map(|i| share[i] * off[i]).sum(), 0.0];
                }
            }
        }
        self.before = Some((state.clone(), velocity));
    }

    pub(crate) fn modes(&self) -> Vec<ModeShake> {
        let of = |(mode, q): (&Mode, &[f64; 2])| {
            let size_um = mode.shape.iter().map(|s| s * s).sum::<f64>().sqrt() * 1e3;
            let (decay, damped) = rates(mode);
            let quarter_later = (q[1] + decay * q[0]) / damped;
            ModeShake { swing_um: q[0] * size_um, amplitude_um: q[0].hypot(quarter_later) * size_um }
        };
        self.modes.iter().zip(&self.q).map(of).collect()
    }

    /// The height of all swings together, um.
    pub(crate) fn amplitude_um(&self) -> f64 {
        self.modes().iter().map(|m| m.amplitude_um * m.amplitude_um).sum::<f64>().sqrt()
    }
}

/// Rate of decay and damped angular frequency, 1/s.
fn rates(mode: &Mode) -> (f64, f64) {
    let omega = std::f64::consts::TAU * mode.frequency_hz;
    (mode.damping * omega, (omega * (1.0 - mode.damping * mode.damping).max(0.0).sqrt()).max(1e-9))
}

/// Displacement and velocity after `h` seconds of free motion, as a matrix on (displacement, velocity).
fn free_motion(mode: &Mode, h: f64) -> [[f64; 2]; 2] {
    let (decay, damped) = rates(mode);
    let (sin, cos) = (damped * h).sin_cos();
    let fade = (-decay * h).exp();
    let (slow, stiff) = (decay / damped * sin, (damped + decay * decay / damped) * sin);
    [[fade * (cos + slow), fade * sin / damped], [-fade * stiff, fade * (cos - slow)]]
}

fn inverse(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let minor = |i: usize, j: usize| {
        let (a, b) = ((i + 1) % 3, (i + 2) % 3);
        let (c, d) = ((j + 1) % 3, (j + 2) % 3);
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let det: f64 = (0..3).map(|j| m[0][j] * minor(0, j)).sum();
    std::array::from_fn(|i| std::array::from_fn(|j| minor(j, i) / det))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(frequency_hz: f64, share: f64) -> Mode {
        let (excited_by, shape) = ([1.0, 0.0, 0.0], [share, 0.1 * share, 0.0]);
        Mode { axis: 0, frequency_hz, damping: 0.05, excited_by, shape, on_bed: false }
    }

    /// A jump of the drive's velocity leaves q = -dV/wd e^(-zwt) sin(wd t) in each mode.
    #[test]
    fn two_modes_of_one_axis_that_a_corner_shook_are_told_apart() {
        let modes = [mode(48.0, 0.85), mode(118.0, 0.15)];
        let (jump_mm_s, corner_s) = (80.0, 0.1007);
        let peak_um = |m: &Mode, t: f64| {
            let (decay, damped) = rates(m);
            jump_mm_s / damped * (-decay * t).exp() * m.shape[0].hypot(m.shape[1]) * 1e3
        };
        let mut swings = Swings::of(&modes);
        let mut worst = [0.0f64; 2];
        for i in 0..150u64 {
            let at_ns = i * 2_000_000;
            let t = at_ns as f64 * 1e-9 - corner_s;
            let drive_mm = [if t > 0.0 { jump_mm_s * t } else { 0.0 }, 0.0, 0.0];
            let mut nozzle_mm = drive_mm;
            for m in modes.iter().filter(|_| t > 0.0) {
                let (decay, damped) = rates(m);
                let q = -jump_mm_s / damped * (-decay * t).exp() * (damped * t).sin();
                (0..3).for_each(|axis| nozzle_mm[axis] += m.shape[axis] * q);
            }
            swings.follow(&State { at_ns, drive_mm, nozzle_mm, e_mm: 0.0 });
            for k in 0..2 {
                let found = swings.modes()[k].amplitude_um;
                if t < -0.004 {
                    assert!(found < 1e-6, "nothing swings yet: {found}");
                } else if t > 0.03 && t < 0.12 {
                    worst[k] = worst[k].max((found / peak_um(&modes[k], t) - 1.0).abs());
                }
            }
        }
        println!("amplitudes of the two modes are off by {:.1} and {:.1} %", worst[0] * 100.0, worst[1] * 100.0);
        assert!(worst[0] < 0.02 && worst[1] < 0.25, "{worst:?}");
    }

    #[test]
    fn the_inverse_is_one() {
        let m = [[4.0, 1.0, 0.5], [1.0, 3.0, -0.2], [0.5, -0.2, 2.0]];
        let n = inverse(m);
        for i in 0..3 {
            for j in 0..3 {
                let product: f64 = (0..3).map(|k| m[i][k] * n[k][j]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }
}
