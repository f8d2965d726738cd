//! What swings: the nozzle against the drive, split over the modes that the machine file gives.

use crate::document::Document;
use crate::machine::Mode;

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
    /// What the swing would grow to if nothing damped it, um: it goes down smoothly while the swing goes to and fro.
    pub amplitude_um: f64,
}

/// How the mode that a corner has shaken rings down.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RingDown {
    /// Index into `Machine::modes`.
    pub mode: usize,
    pub amplitude_um: f64,
    /// Since its amplitude was greatest.
    pub since_s: f64,
    /// Its amplitude now, of the greatest in the last tenths of a second: 0 to 1.
    pub share: f64,
}

impl Document {
    /// What swings at a time.
    pub fn shake(&mut self, at_ns: u64) -> Shake {
        let state = self.state(at_ns).unwrap_or_default();
        let off_um: [f64; 3] = std::array::from_fn(|i| (state.nozzle_mm[i] - state.drive_mm[i]) * 1e3);
        let split = |mode: &Mode| {
            let size = mode.shape.iter().map(|s| s * s).sum::<f64>().sqrt().max(1e-9);
            let swing_um = (0..3).map(|i| off_um[i] * mode.shape[i] / size).sum();
            ModeShake { swing_um, amplitude_um: f64::abs(swing_um) }
        };
        Shake { displacement_um: off_um, modes: self.machine().modes.iter().map(split).collect() }
    }

    /// The mode that swings most, and how far it has rung down; `None` where nothing has swung lately.
    pub fn ring_down(&mut self, at_ns: u64) -> Option<RingDown> {
        const BACK_NS: u64 = 300_000_000;
        const STEPS: u64 = 150;
        let mut best: Option<(usize, f64, u64)> = None;
        for i in 0..=STEPS {
            let ns = at_ns.saturating_sub(BACK_NS / STEPS * i);
            for (mode, shake) in self.shake(ns).modes.iter().enumerate() {
                if best.is_none_or(|(_, most, _)| shake.amplitude_um > most) {
                    best = Some((mode, shake.amplitude_um, ns));
                }
            }
        }
        let (mode, most, ns) = best?;
        let amplitude_um = self.shake(at_ns).modes.get(mode)?.amplitude_um;
        let since_s = (at_ns - ns) as f64 * 1e-9;
        Some(RingDown { mode, amplitude_um, since_s, share: amplitude_um / most.max(1e-9) })
    }
}
