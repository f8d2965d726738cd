//! Vibration of frame, gantry, head and bed: modes that the drives shake.
//!
//! # Equation
//! q'' + 2 z w q' + w^2 q = -e.a, nozzle = drive + sum s q; with the drive's path straight between ticks its acceleration is
//! a train of velocity jumps, so each tick is a jump q' -= e.dV and an exact free motion; wd = w sqrt(1 - z^2):
//! q(h) = E [(c + z w/wd s) q + s/wd q'], q'(h) = E [-w^2/wd s q + (c - z w/wd s) q'], E = e^(-z w h), c = cos wd h, s = sin wd h.
//! Load of the motors: m (s q'' of all modes + (1 - sum s e) b), b the commanded acceleration through two lags of tau
//!
//! # Symbols
//! q (mm) mode · w (rad/s), z: frequency and damping · a (mm/s^2) drive acceleration, dV (mm/s) its jump · e: direction of
//! drive motion that shakes it · s: nozzle motion per mm of mode (its size is the share of the motion, its other axes the
//! cross coupling) · h (s) tick · m (kg) mass of the axis · b (mm/s^2), tau (s)
//!
//! # Source
//! facts/physics.md 1.1 (level A: modal superposition with exact steps; cross-axis energy 1-6 % on good machines)
//!
//! # Valid for
//! small displacements; modes far below a quarter of the tick rate
//!
//! # Caveats
//! Frequencies do not move with position or printed mass. One way: what the modes pull on the motors goes into their load
//! angle, not back into the modes, because modes are measured on the whole machine. What no mode carries pulls as the command
//! asks, 4 ms late (assumed), and not as the rotor swings: a mass that swings on the motor's own give is a mode, to be planted as
//! one. A drive seen through straight pieces loses (pi f h)^2/3 of its amplitude: 5e-4 at 48 Hz.
//!
//! # Checked by
//! tests::planted_mode_comes_back_from_its_decay, tests::transmissibility_matches_closed_form,
//! tests::energy_in_equals_stored_plus_lost, tests::corner_ringing_matches_closed_form; tests/ladder.rs: ZV residue and
//! insensitivity curves of all shapers; tests/onset.rs: the load, by where it throws a motor off
//!
//! # Cost
//! about 3 ns a mode and tick while it moves, nothing at rest

use crate::machine::{Machine, Problems};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// One vibration mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mode {
    /// Undamped natural frequency, Hz.
    pub freq_hz: f64,
    /// Damping ratio.
    pub damping: f64,
    /// Direction of drive motion that shakes it, in print coordinates: `(1, 0, 0)` for X, `(0.7071, 0.7071, 0)` for belt A.
    pub excited_by: [f64; 3],
    /// Motion of the nozzle relative to the bed per mm of the mode: its participation and its cross-axis coupling.
    pub shape: [f64; 3],
    /// The mode is the bed's (a bed slinger's Y), not the head's: a chip on the head does not feel it.
    #[serde(default)]
    pub on_bed: bool,
}

impl Mode {
    /// A mode along one axis that carries `share` of the rigid motion (1.0: a plain mass on a spring).
    pub fn along(axis: usize, freq_hz: f64, damping: f64, share: f64) -> Mode {
        let mut direction = [0.0; 3];
        direction[axis.min(2)] = 1.0;
        Mode { freq_hz, damping, excited_by: direction, shape: direction.map(|d| d * share), on_bed: false }
    }

    pub(crate) fn validate(&self, place: &str, machine: &Machine, p: &mut Problems) {
        let field = |name: &str| -> String { alloc::format!("{place}.{name}") };
        p.positive(field("freq_hz"), self.freq_hz);
        for (name, v) in [("excited_by", self.excited_by), ("shape", self.shape)] {
            for (axis, x) in v.into_iter().enumerate() {
                p.within(alloc::format!("{place}.{name}[{axis}]"), x, -10.0, 10.0);
            }
        }
        p.within(field("damping"), self.damping, 0.0, 0.99);
        let nyquist_hz = 0.25e9 / machine.tick_ns as f64;
        if self.freq_hz > nyquist_hz {
            let cause = alloc::format!("{} Hz is too fast for a tick of {} ns", self.freq_hz, machine.tick_ns);
            p.add(field("freq_hz"), cause, alloc::format!("stay below {nyquist_hz} Hz or shorten tick_ns"));
        }
    }
}

/// (displacement, velocity) after `h` seconds of free motion, as a matrix on (displacement, velocity).
pub fn free_motion(w: f64, damping: f64, h: f64) -> [[f64; 2]; 2] {
    let wd = w * libm::sqrt(1.0 - damping * damping);
    let decay = libm::exp(-damping * w * h);
    let (s, c) = libm::sincos(wd * h);
    let zs = damping * w / wd * s;
    [[decay * (c + zs), decay * s / wd], [-decay * w * w / wd * s, decay * (c - zs)]]
}

/// One mode at work.
#[derive(Clone, Debug)]
struct ModeState {
    q_mm: f64,
    v_mm_s: f64,
    moving: bool,
    on_bed: bool,
    tick: [[f64; 2]; 2],
    stiffness_s2: f64,
    damping_s: f64,
    excited_by: [f64; 3],
    shape: [f64; 3],
}

/// All modes at work, and what they add to the motion of head and bed.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    modes: Vec<ModeState>,
    /// Share of the drive's acceleration that reaches the head as it is, by (head axis, drive axis).
    rigid_head: [[f64; 3]; 3],
    rigid_bed: [[f64; 3]; 3],
    rigid: [[f64; 3]; 3],
    per_s: f64,
    drive_mm_s: [f64; 3],
    command_mm_s: [f64; 3],
    quiet: bool,
    /// The command moves, or its acceleration has not died away.
    pulls: bool,
    /// Displacement of the nozzle relative to the bed, mm.
    pub(crate) displacement_mm: [f64; 3],
    /// Spring and damper acceleration of the modes, head and bed, mm/s^2.
    modal_head: [f64; 3],
    modal_bed: [f64; 3],
    /// Drive acceleration in the last tick, mm/s^2.
    base: [f64; 3],
    /// Acceleration that the command asks of the drive, slowed once and twice, mm/s^2.
    command: [[f64; 3]; 2],
}

/// Below these a mode counts as still: a hundredth of a nanometre.
const STILL_MM: f64 = 1e-8;
const STILL_MM_S: f64 = 1e-5;
/// How often the command is looked at.
pub(crate) const LOOK_S: f64 = 1e-3;
/// Lag of each of the two filters of its acceleration. With half a look before and half a look behind, belts pass the pull of the
/// rigidly carried mass to the rotor 4 ms late (assumed).
const LAG_S: f64 = 1.5e-3;

fn apply(m: &[[f64; 3]; 3], v: &[f64; 3]) -> [f64; 3] {
    core::array::from_fn(|i| m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2])
}

impl Frame {
    pub(crate) fn new(modes: &[Mode], bed_moves_y: bool, tick_s: f64) -> Frame {
        let mut frame = Frame {
            modes: Vec::new(),
            rigid_head: [[0.0; 3]; 3],
            rigid_bed: [[0.0; 3]; 3],
            rigid: [[0.0; 3]; 3],
            per_s: 1.0 / tick_s,
            drive_mm_s: [0.0; 3],
            command_mm_s: [0.0; 3],
            quiet: true,
            pulls: false,
            displacement_mm: [0.0; 3],
            modal_head: [0.0; 3],
            modal_bed: [0.0; 3],
            base: [0.0; 3],
            command: [[0.0; 3]; 2],
        };
        for axis in 0..3 {
            let carried = if axis == 1 && bed_moves_y { &mut frame.rigid_bed } else { &mut frame.rigid_head };
            carried[axis][axis] = 1.0;
        }
        for mode in modes {
            let w = core::f64::consts::TAU * mode.freq_hz;
            frame.modes.push(ModeState {
                q_mm: 0.0,
                v_mm_s: 0.0,
                moving: false,
                on_bed: mode.on_bed,
                tick: free_motion(w, mode.damping, tick_s),
                stiffness_s2: w * w,
                damping_s: 2.0 * mode.damping * w,
                excited_by: mode.excited_by,
                shape: mode.shape,
            });
            let rigid = if mode.on_bed { &mut frame.rigid_bed } else { &mut frame.rigid_head };
            for (row, s) in rigid.iter_mut().zip(mode.shape) {
                for (r, e) in row.iter_mut().zip(mode.excited_by) {
                    *r -= s * e;
                }
            }
        }
        frame.rigid =
            core::array::from_fn(|i| core::array::from_fn(|j| frame.rigid_head[i][j] + frame.rigid_bed[i][j]));
        frame
    }

    /// The drives were asked for `mm_s` on the whole since the last look, `look_s` ago.
    pub(crate) fn look(&mut self, mm_s: [f64; 3], look_s: f64) {
        let share = look_s / (LAG_S + look_s);
        self.pulls = mm_s != [0.0; 3];
        for (i, mm_s) in mm_s.into_iter().enumerate() {
            let asked = (mm_s - self.command_mm_s[i]) / look_s;
            self.command[0][i] += (asked - self.command[0][i]) * share;
            self.command[1][i] += (self.command[0][i] - self.command[1][i]) * share;
            self.pulls |= self.command[0][i].abs() + self.command[1][i].abs() > 1e-3;
        }
        self.command_mm_s = mm_s;
        if !self.pulls {
            self.command = [[0.0; 3]; 2];
        }
    }

    /// One tick in which the drives moved with `drive_mm_s`.
    #[inline]
    pub(crate) fn tick(&mut self, drive_mm_s: [f64; 3]) {
        let jump: [f64; 3] = core::array::from_fn(|i| drive_mm_s[i] - self.drive_mm_s[i]);
        let shaken = jump != [0.0; 3];
        if self.quiet && !shaken {
            return;
        }
        self.drive_mm_s = drive_mm_s;
        let (mut displacement, mut head, mut bed) = ([0.0; 3], [0.0; 3], [0.0; 3]);
        let mut quiet = true;
        for m in &mut self.modes {
            let kick = m.excited_by[0] * jump[0] + m.excited_by[1] * jump[1] + m.excited_by[2] * jump[2];
            if kick == 0.0 && !m.moving {
                continue;
            }
            let v = m.v_mm_s - kick;
            let q = m.q_mm;
            m.q_mm = m.tick[0][0] * q + m.tick[0][1] * v;
            m.v_mm_s = m.tick[1][0] * q + m.tick[1][1] * v;
            m.moving = m.q_mm.abs() > STILL_MM || m.v_mm_s.abs() > STILL_MM_S;
            if !m.moving {
                (m.q_mm, m.v_mm_s) = (0.0, 0.0);
                continue;
            }
            quiet = false;
            let a = -(m.stiffness_s2 * m.q_mm + m.damping_s * m.v_mm_s);
            let felt = if m.on_bed { &mut bed } else { &mut head };
            for i in 0..3 {
                displacement[i] += m.shape[i] * m.q_mm;
                felt[i] += m.shape[i] * a;
            }
        }
        (self.displacement_mm, self.modal_head, self.modal_bed) = (displacement, head, bed);
        self.base = jump.map(|jump| jump * self.per_s);
        self.quiet = quiet && !shaken;
    }

    /// Nothing moves and nothing will by itself.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet && !self.pulls && self.drive_mm_s == [0.0; 3]
    }

    /// Velocity of the drives in the last tick, mm/s.
    pub(crate) fn drive_mm_s(&self) -> [f64; 3] {
        self.drive_mm_s
    }

    /// Acceleration of the head, mm/s^2.
    pub(crate) fn head_mm_s2(&self) -> [f64; 3] {
        let rigid = apply(&self.rigid_head, &self.base);
        core::array::from_fn(|i| rigid[i] + self.modal_head[i])
    }

    /// Acceleration of the bed, mm/s^2: print coordinates go up when the bed goes down the axis.
    pub(crate) fn bed_mm_s2(&self) -> [f64; 3] {
        let rigid = apply(&self.rigid_bed, &self.base);
        core::array::from_fn(|i| -(rigid[i] + self.modal_bed[i]))
    }

    /// Acceleration by which the moving masses pull at the drives, mm/s^2.
    #[inline]
    pub(crate) fn load_mm_s2(&self) -> [f64; 3] {
        let rigid = self.rigid_mm_s2();
        core::array::from_fn(|i| rigid[i] + self.modal_head[i] + self.modal_bed[i])
    }

    /// The part of it by what is carried rigidly, mm/s^2.
    #[inline]
    pub(crate) fn rigid_mm_s2(&self) -> [f64; 3] {
        self.rigidly(&self.command[1])
    }

    /// What is carried rigidly of an acceleration of the drives.
    #[inline]
    pub(crate) fn rigidly(&self, drive_mm_s2: &[f64; 3]) -> [f64; 3] {
        apply(&self.rigid, drive_mm_s2)
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        for m in &self.modes {
            f(m.q_mm.to_bits());
            f(m.v_mm_s.to_bits());
        }
        for v in [self.drive_mm_s, self.command_mm_s, self.base, self.command[0], self.command[1]] {
            v.iter().for_each(|x| f(x.to_bits()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_S: f64 = crate::machine::TICK_NS as f64 * 1e-9;
    const HZ: f64 = 48.0;
    const DAMPING: f64 = 0.06;
    const TAU: f64 = core::f64::consts::TAU;

    fn frame() -> Frame {
        Frame::new(&[Mode::along(0, HZ, DAMPING, 1.0)], false, TICK_S)
    }

    /// A velocity jump, then the decay: maxima give frequency and logarithmic decrement.
    #[test]
    fn planted_mode_comes_back_from_its_decay() {
        let mut f = frame();
        let mut x = [0.0; 3];
        let mut peaks = alloc::vec::Vec::new();
        for n in 0..3000 {
            f.tick([10.0, 0.0, 0.0]);
            x = [x[1], x[2], f.displacement_mm[0]];
            if n > 2 && x[1] > x[0] && x[1] >= x[2] {
                // Parabola through three points.
                let curve = x[0] - 2.0 * x[1] + x[2];
                let shift = 0.5 * (x[0] - x[2]) / curve;
                peaks.push((f64::from(n - 1) + shift, x[1] - 0.25 * (x[0] - x[2]) * shift));
            }
        }
        let waves = (peaks.len() - 1) as f64;
        let (first, last) = (peaks[0], peaks[peaks.len() - 1]);
        let period_s = (last.0 - first.0) / waves * TICK_S;
        let decrement = (first.1 / last.1).ln() / waves;
        let damping = decrement / (TAU * TAU + decrement * decrement).sqrt();
        let hz = 1.0 / period_s / (1.0 - damping * damping).sqrt();
        std::println!("ladder: decay gives {hz:.5} Hz, damping {damping:.6} for {HZ} Hz, {DAMPING}");
        assert!((hz - HZ).abs() < 1e-3, "{hz} Hz");
        assert!((damping - DAMPING).abs() < 1e-4, "damping {damping}");
    }

    /// Sine in, steady sine out: |H| against (w0^2 + 2 j z w0 w)/(w0^2 - w^2 + 2 j z w0 w), and its peak.
    #[test]
    fn transmissibility_matches_closed_form() {
        let gain = |hz: f64| {
            let r = hz / HZ;
            let zr = 2.0 * DAMPING * r;
            ((1.0 + zr * zr) / ((1.0 - r * r) * (1.0 - r * r) + zr * zr)).sqrt()
        };
        let measured = |hz: f64| {
            let mut f = frame();
            let w = TAU * hz;
            let at = |n: i32| (w * f64::from(n) * TICK_S).sin();
            // Whole waves after the transient has died: correlate with sine and cosine of the displacement of the tool.
            let (settle, waves) = (8000, hz.round());
            let count = (waves / hz / TICK_S).round() as i32;
            let (mut re, mut im) = (0.0, 0.0);
            for n in 0..settle + count {
                f.tick([(at(n + 1) - at(n)) / TICK_S, 0.0, 0.0]);
                if n >= settle {
                    let phase = w * f64::from(n + 1) * TICK_S;
                    let tool = at(n + 1) + f.displacement_mm[0];
                    re += tool * phase.sin();
                    im += tool * phase.cos();
                }
            }
            (re * re + im * im).sqrt() * 2.0 / f64::from(count)
        };
        let mut worst = 0.0f64;
        for hz in [10.0, 30.0, 45.0, 48.0, 51.0, 80.0, 120.0] {
            let (m, c) = (measured(hz), gain(hz));
            worst = worst.max((m / c - 1.0).abs());
            // Straight pieces between the ticks have this much less of the sine.
            let loss = (core::f64::consts::PI * hz * TICK_S).powi(2) / 3.0;
            assert!((m - c).abs() < 1.1 * loss * c.max(1.0), "{hz} Hz: {m} and {c}");
        }
        let best = |g: &dyn Fn(f64) -> f64| {
            (4600..5000).map(|i| f64::from(i) * 0.01).max_by(|a, b| g(*a).total_cmp(&g(*b))).unwrap_or(0.0)
        };
        let (peak, expected) = (best(&|hz| measured(hz)), best(&gain));
        std::println!(
            "ladder: transmissibility within {worst:.1e}, its peak at {peak:.2} Hz, closed form {expected:.2} Hz"
        );
        assert!((peak - expected).abs() < 0.1, "peak {peak} Hz, closed form {expected} Hz");
    }

    /// Work of the base on spring and damper = kinetic + stored energy of the tool + heat in the damper.
    #[test]
    fn energy_in_equals_stored_plus_lost() {
        let mut f = frame();
        let (w2, c) = ((TAU * HZ) * (TAU * HZ), 2.0 * DAMPING * TAU * HZ);
        let (mut work, mut heat) = (0.0, 0.0);
        let mut drive = 0.0;
        let (mut q0, mut v0) = (0.0, 0.0);
        let mut most = 0.0f64;
        for n in 0..20_000 {
            let t = f64::from(n) * TICK_S;
            let next = 100.0 * libm::sin(TAU * (20.0 + 20.0 * t) * t);
            // Inside the tick the drive moves straight; the mode is free after its jump. Fine quadrature of the exact motion.
            let (mut q, mut v) = (q0, v0 - (next - drive));
            drive = next;
            let fine = 50;
            let m = free_motion(TAU * HZ, DAMPING, TICK_S / f64::from(fine));
            for _ in 0..fine {
                let (qe, ve) = (m[0][0] * q + m[0][1] * v, m[1][0] * q + m[1][1] * v);
                let h = TICK_S / f64::from(fine);
                let pull = |q: f64, v: f64| -(w2 * q + c * v);
                work += 0.5 * h * (pull(q, v) + pull(qe, ve)) * drive;
                heat += 0.5 * h * c * (v * v + ve * ve);
                (q, v) = (qe, ve);
            }
            f.tick([drive, 0.0, 0.0]);
            (q0, v0) = (f.modes[0].q_mm, f.modes[0].v_mm_s);
            assert!((q - q0).abs() < 1e-9 && (v - v0).abs() < 1e-6);
            let stored = 0.5 * w2 * q0 * q0 + 0.5 * (v0 + drive) * (v0 + drive);
            most = most.max((work - stored - heat).abs() / heat.max(1.0));
        }
        std::println!("ladder: energy audit of a mode {most:.1e}");
        assert!(most < 1e-5, "relative energy error {most}");
    }

    /// facts/physics.md 2.2: an acceleration step a leaves a/w^2: 11 um per 1000 mm/s^2 at 48 Hz, undamped.
    #[test]
    fn corner_ringing_matches_closed_form() {
        let mut f = Frame::new(&[Mode::along(0, HZ, 0.0, 1.0)], false, TICK_S);
        let (mut low, mut high) = (0.0f64, 0.0f64);
        for n in 1..2000 {
            f.tick([1000.0 * TICK_S * f64::from(n), 0.0, 0.0]);
            low = low.min(f.displacement_mm[0]);
            high = high.max(f.displacement_mm[0]);
        }
        let w = TAU * HZ;
        let ratio = (high - low) / 2.0 / (1000.0 / (w * w));
        assert!((ratio - 1.0).abs() < 1e-3, "{ratio}");
    }

    #[test]
    fn at_rest_it_stays_at_rest() {
        let mut f = frame();
        f.tick([0.0; 3]);
        assert!(f.is_quiet());
        f.tick([5.0, 0.0, 0.0]);
        assert!(!f.is_quiet());
        for _ in 0..200_000 {
            f.tick([0.0; 3]);
        }
        assert!(f.is_quiet() && f.displacement_mm == [0.0; 3]);
    }

    type PublishedShaper = (&'static str, &'static [f64], &'static [f64], [f64; 4]);
    /// Pulses of the shapers for 40 Hz and damping 0.1: amplitudes, times in ms (facts/klipper.md 6.2), and what the table
    /// of facts/physics.md 2.1 says is left at -20, -10, +10 and +20 % of the frequency.
    const SHAPERS: [PublishedShaper; 6] = [
        ("zv", &[0.578286, 0.421714], &[0.0, 12.562973], [0.270, 0.135, 0.131, 0.254]),
        ("mzv", &[0.365128, 0.407489, 0.227383], &[0.0, 9.422230, 18.844459], [0.191, 0.086, 0.065, 0.106]),
        ("zvd", &[0.334415, 0.487743, 0.177843], &[0.0, 12.562973, 25.125945], [0.073, 0.018, 0.017, 0.064]),
        ("ei", &[0.354881, 0.452998, 0.192121], &[0.0, 12.681004, 25.125945], [0.024, 0.033, 0.031, 0.021]),
        (
            "2hump_ei",
            &[0.258535, 0.359936, 0.272764, 0.108765],
            &[0.0, 12.897640, 25.205155, 37.223158],
            [0.050, 0.035, 0.034, 0.049],
        ),
        (
            "3hump_ei",
            &[0.220854, 0.277211, 0.259699, 0.167055, 0.075179],
            &[0.0, 13.512547, 25.701275, 37.647475, 49.573178],
            [0.002, 0.037, 0.031, 0.007],
        ),
    ];

    /// What is left of the ringing of a velocity step when a shaper splits it: amplitude at the last pulse over the
    /// amplitude of one whole pulse there.
    fn residue(amplitudes: &[f64], times_ms: &[f64], hz: f64, damping: f64) -> f64 {
        let mut f = Frame::new(&[Mode::along(0, hz, damping, 1.0)], false, TICK_S);
        let step_mm_s = 100.0;
        let position = |t: f64| -> f64 {
            let parts = amplitudes.iter().zip(times_ms);
            parts.map(|(a, ms)| a * step_mm_s * (t - ms * 1e-3 - 1e-3).max(0.0)).sum()
        };
        let end_s = times_ms[times_ms.len() - 1] * 1e-3 + 1e-3;
        let ticks = (end_s / TICK_S).ceil() + 1.0;
        for n in 0..ticks as u32 {
            let t = f64::from(n) * TICK_S;
            f.tick([(position(t + TICK_S) - position(t)) / TICK_S, 0.0, 0.0]);
        }
        let (w, wd) = (TAU * hz, TAU * hz * (1.0 - damping * damping).sqrt());
        let (q, v) = (f.modes[0].q_mm, f.modes[0].v_mm_s);
        let amplitude = (q * q + ((v + damping * w * q) / wd).powi(2)).sqrt();
        // Back to the last pulse, over step/wd.
        amplitude * (damping * w * (ticks * TICK_S - end_s)).exp() / (step_mm_s / wd)
    }

    fn theory(amplitudes: &[f64], times_ms: &[f64], hz: f64, damping: f64) -> f64 {
        let (w, wd) = (TAU * hz, TAU * hz * (1.0 - damping * damping).sqrt());
        let last = times_ms[times_ms.len() - 1];
        let (mut re, mut im) = (0.0, 0.0);
        for (a, ms) in amplitudes.iter().zip(times_ms) {
            let size = a * (-damping * w * (last - ms) * 1e-3).exp();
            re += size * (wd * ms * 1e-3).cos();
            im += size * (wd * ms * 1e-3).sin();
        }
        (re * re + im * im).sqrt()
    }

    /// Insensitivity: the plant's residue over frequency against V(f) for every shaper, and against the published table.
    #[test]
    fn every_shaper_has_its_insensitivity_curve() {
        let mut worst = 0.0f64;
        for (name, amplitudes, times_ms, table) in SHAPERS {
            for percent in -45..=45 {
                let hz = 40.0 * (1.0 + f64::from(percent) / 100.0);
                let (got, expected) = (residue(amplitudes, times_ms, hz, 0.1), theory(amplitudes, times_ms, hz, 0.1));
                worst = worst.max((got - expected).abs());
                assert!(
                    (got - expected).abs() < 0.01 * expected.max(0.05),
                    "{name} at {hz} Hz: {got}, theory {expected}"
                );
            }
            for (share, published) in [0.8, 0.9, 1.1, 1.2].into_iter().zip(table) {
                let got = residue(amplitudes, times_ms, 40.0 * share, 0.1);
                assert!((got - published).abs() < 0.0015, "{name} at {share}: {got}, table {published}");
            }
        }
        std::println!("ladder: insensitivity curves of six shapers within {:.4} % of full ringing", worst * 100.0);
    }

    #[test]
    fn zv_mzv_and_zvd_leave_nothing_at_their_own_frequency() {
        for (name, amplitudes, times_ms, _) in SHAPERS.into_iter().take(3) {
            let left = residue(amplitudes, times_ms, 40.0, 0.1);
            std::println!("ladder: {name} leaves {left:.1e} at its design frequency");
            assert!(left < 2e-4, "{name} leaves {left}");
        }
    }
}
