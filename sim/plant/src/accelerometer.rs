//! An accelerometer chip: what the head or bed feels, with noise and steps.
//!
//! # Equation
//! y = 2^d round((R (a + g) + o + n)/(2^d S)), clipped to 13 bits
//!
//! # Symbols
//! a (mm/s^2) acceleration of what it is screwed to · g: gravity, felt as +z · R: rows of chip axes · o (mm/s^2) offset ·
//! n (mm/s^2) Gaussian · S (mm/s^2 per LSB) · d: bits that are always 0 at the rate used
//!
//! # Source
//! ADXL345 data sheet p. 32-33: 290 ug/rtHz x, y and 430 z are 114 and 169 mm/s^2 rms in 1.6 kHz; LSB 0 at 3200 Hz;
//! facts/physics.md 1.3: measured quantum 74.02 mm/s^2 = 2 x 3.774 mg
//!
//! # Valid for
//! one sample each call, at the chip's own times, which the caller keeps (real chips: 5 % slow to 3 % fast)
//!
//! # Caveats
//! white noise; the chip's filter is one tick of straight interpolation (0.1 ms, about the delay of its 1.6 kHz filter);
//! what the plant's tick cannot hold (above 5 kHz) is not there
//!
//! # Checked by
//! tests::noise_density_is_the_data_sheets, tests::at_rest_it_reads_gravity, tests::quantum_is_two_lsb
//!
//! # Cost
//! about 100 ns a sample, most of it noise

use crate::machine::Problems;
use crate::noise::Noise;
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

/// A chip at work.
#[derive(Clone, Debug)]
pub(crate) struct ChipState {
    params: Accelerometer,
    noise: Noise,
}

impl ChipState {
    pub(crate) fn new(params: &Accelerometer, index: usize, seed: u64) -> ChipState {
        let noise = if params.name.is_empty() {
            Noise::new(seed, "accel", index)
        } else {
            Noise::new(seed, &alloc::format!("accel.{}", params.name), 0)
        };
        ChipState { params: params.clone(), noise }
    }

    pub(crate) fn mount(&self) -> Mount {
        self.params.mount
    }

    /// One sample of an acceleration, LSB.
    pub(crate) fn sample(&mut self, a_mm_s2: [f64; 3]) -> [i16; 3] {
        let p = &self.params;
        let felt = [a_mm_s2[0], a_mm_s2[1], a_mm_s2[2] + GRAVITY_MM_S2];
        let step = f64::from(1u32 << p.dead_bits);
        core::array::from_fn(|i| {
            let r = &p.axes[i];
            let true_mm_s2 = r[0] * felt[0] + r[1] * felt[1] + r[2] * felt[2] + p.offset_mm_s2[i];
            let noisy = true_mm_s2 + p.noise_mm_s2[i] * self.noise.gaussian();
            let lsb = libm::round(noisy / (p.lsb_mm_s2[i] * step)) * step;
            lsb.clamp(-4096.0, 4096.0 - step) as i16
        })
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        self.noise.fold(f);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_rest_it_reads_gravity() {
        let quiet = Accelerometer { noise_mm_s2: [0.0; 3], ..Accelerometer::default() };
        // 1 g over 3.906 mg is 256.02 LSB.
        assert_eq!(ChipState::new(&quiet, 0, 0).sample([0.0; 3]), [0, 0, 256]);
        let turned = Accelerometer { axes: [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]], ..quiet };
        // 1 g over 3.774 mg is 264.97 LSB; the dead bit leaves 264.
        assert_eq!(ChipState::new(&turned, 0, 0).sample([0.0; 3]), [264, 0, 0]);
    }

    #[test]
    fn quantum_is_two_lsb() {
        let mut chip = ChipState::new(&Accelerometer::default(), 0, 3);
        assert!((0..1000).all(|_| chip.sample([0.0; 3]).iter().all(|y| y % 2 == 0)));
        let quantum = 2.0 * Accelerometer::default().lsb_mm_s2[0];
        assert!((quantum - 74.02).abs() < 0.01, "{quantum}");
    }

    /// Sum of the noise of the analog side and of the rounding, against 290 and 430 ug/rtHz over 1.6 kHz.
    #[test]
    fn noise_density_is_the_data_sheets() {
        let mut chip = ChipState::new(&Accelerometer::default(), 0, 3);
        let n = 50_000;
        let (mut sum, mut sum2) = ([0.0; 3], [0.0; 3]);
        for _ in 0..n {
            for (i, y) in chip.sample([0.0; 3]).into_iter().enumerate() {
                let a = f64::from(y) * chip.params.lsb_mm_s2[i];
                sum[i] += a;
                sum2[i] += a * a;
            }
        }
        for (i, ug) in [(0, 290.0), (1, 290.0), (2, 430.0)] {
            let n = f64::from(n);
            let variance = sum2[i] / n - (sum[i] / n) * (sum[i] / n);
            let quantum = 2.0 * chip.params.lsb_mm_s2[i];
            let analog = libm::sqrt(variance - quantum * quantum / 12.0);
            let density_ug = analog / GRAVITY_MM_S2 * 1e6 / libm::sqrt(1600.0);
            std::println!("ladder: noise of axis {i} {density_ug:.1} ug/rtHz, data sheet {ug}");
            assert!((density_ug / ug - 1.0).abs() < 0.02, "axis {i}: {density_ug} ug/rtHz");
        }
    }
}
