//! Random machines, by seed: what the tuners are tried on.

use drydock_plant::frame::Mode;

/// SplitMix64: the same numbers everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// From 0 to 1.
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
}

/// Two modes on each of X and Y: a main one of 30 to 80 Hz that takes most of the motion, and another 1.15 to 2.2 times as
/// high; some of each leaks into the other axis.
pub fn two_modes(seed: u64) -> Vec<Mode> {
    let mut random = Random::new(seed);
    let mut modes = Vec::new();
    for axis in 0..2 {
        let main_hz = random.between(30.0, 80.0);
        let share = random.between(0.55, 0.85);
        let second_hz = (main_hz * random.between(1.15, 2.2)).min(130.0);
        for (freq_hz, share) in [(main_hz, share), (second_hz, (1.0 - share) * random.between(0.5, 1.0))] {
            let mut mode = Mode::along(axis, freq_hz, random.between(0.025, 0.11), share);
            mode.shape[1 - axis] = share * random.between(-0.06, 0.06);
            modes.push(mode);
        }
    }
    modes
}
