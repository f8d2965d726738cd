//! Frame vibration: modes that the drives shake.
use crate::machine::{Machine, Problems};
use alloc::string::String;
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
        p.within(field("damping"), self.damping, 0.0, 0.99);
        let nyquist_hz = 0.25e9 / machine.tick_ns as f64;
        if self.freq_hz > nyquist_hz {
            let cause = alloc::format!("{} Hz is too fast for a tick of {} ns", self.freq_hz, machine.tick_ns);
            p.add(field("freq_hz"), cause, alloc::format!("stay below {nyquist_hz} Hz or shorten tick_ns"));
        }
    }
}
