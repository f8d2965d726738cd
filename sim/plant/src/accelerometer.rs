//! Accelerometer chips.
use crate::machine::Problems;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// What a chip is screwed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mount {
    /// The tool head.
    #[default]
    Head,
    /// The bed.
    Bed,
}

/// An accelerometer chip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accelerometer {
    /// Name of its noise stream and in reports.
    #[serde(default)]
    pub name: String,
    /// What it is screwed to.
    #[serde(default)]
    pub mount: Mount,
    /// Rows: machine direction of chip axes x, y, z.
    pub axes: [[f64; 3]; 3],
    /// Scale of each chip axis, mm/s^2 per LSB.
    pub lsb_mm_s2: [f64; 3],
    /// Noise of each chip axis, mm/s^2 rms per sample.
    pub noise_mm_s2: [f64; 3],
    /// Zero offset of each chip axis, mm/s^2.
    #[serde(default)]
    pub offset_mm_s2: [f64; 3],
    /// LSBs that are always 0 at this rate.
    #[serde(default)]
    pub dead_bits: u32,
}

/// Standard gravity, mm/s^2.
pub const GRAVITY_MM_S2: f64 = 9806.65;

impl Default for Accelerometer {
    fn default() -> Self {
        Accelerometer {
            name: String::new(),
            mount: Mount::Head,
            axes: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            lsb_mm_s2: [3.774e-3 * GRAVITY_MM_S2, 3.774e-3 * GRAVITY_MM_S2, 3.906e-3 * GRAVITY_MM_S2],
            noise_mm_s2: [114.0, 114.0, 169.0],
            offset_mm_s2: [0.0; 3],
            dead_bits: 1,
        }
    }
}

impl Accelerometer {
    pub(crate) fn validate(&self, place: &str, p: &mut Problems) {
        for axis in 0..3 {
            p.positive(alloc::format!("{place}.lsb_mm_s2[{axis}]"), self.lsb_mm_s2[axis]);
            p.within(alloc::format!("{place}.noise_mm_s2[{axis}]"), self.noise_mm_s2[axis], 0.0, 1e5);
            p.within(alloc::format!("{place}.offset_mm_s2[{axis}]"), self.offset_mm_s2[axis], -1e5, 1e5);
        }
        if self.dead_bits > 8 {
            p.add(alloc::format!("{place}.dead_bits"), "is above 8", "an ADXL345 at 3200 Hz has 1");
        }
    }
}
