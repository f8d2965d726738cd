//! Counter-based noise: one stream a name, one number a place in the stream.
//!
//! # Equation
//! k = mix(seed, name); u_n = mix(k + n golden); Gaussian by Box-Muller: sqrt(-2 ln u) (cos, sin)(2 pi v)
//!
//! # Symbols
//! seed [u64] of the run · name: what draws · n: place in the stream · u, v in (0, 1]
//!
//! # Source
//! Steele, Lea, Flood 2014 (SplitMix64 finaliser); FNV-1a for the name; Box, Muller 1958
//!
//! # Valid for
//! simulation noise; no cryptography
//!
//! # Caveats
//! a stream is its key and its counter, nothing else: adding a sensor cannot move another's noise
//!
//! # Checked by
//! tests::moments_are_gaussian: mean, variance, kurtosis of 2e5 draws; tests::streams_are_independent
//!
//! # Cost
//! about 25 ns a Gaussian, drawn in pairs

/// One named stream of noise.
#[derive(Clone, Debug)]
pub struct Noise {
    key: u64,
    count: u64,
    spare: Option<f64>,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Noise {
    /// The stream `name` (and `index`, for things that come in lists) of a run with this seed.
    pub fn new(seed: u64, name: &str, index: usize) -> Noise {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for byte in name.bytes().chain((index as u64).to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Noise { key: mix(seed ^ mix(hash)), count: 0, spare: None }
    }

    /// 64 even bits.
    pub fn bits(&mut self) -> u64 {
        self.count += 1;
        mix(self.key.wrapping_add(self.count.wrapping_mul(GOLDEN)))
    }

    /// Even over (0, 1].
    pub fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Mean 0, variance 1.
    pub fn gaussian(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = libm::sqrt(-2.0 * libm::log(self.uniform()));
        let (sin, cos) = libm::sincos(core::f64::consts::TAU * self.uniform());
        self.spare = Some(radius * sin);
        radius * cos
    }

    /// The stream's place, for the fingerprint.
    pub fn fold(&self, f: &mut impl FnMut(u64)) {
        f(self.key);
        f(self.count);
        f(u64::from(self.spare.is_some()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_gaussian() {
        let mut noise = Noise::new(1, "test", 0);
        let n = 200_000;
        let (mut m1, mut m2, mut m4) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let x = noise.gaussian();
            m1 += x;
            m2 += x * x;
            m4 += x * x * x * x;
        }
        let n = f64::from(n);
        // Three standard errors of each moment.
        assert!((m1 / n).abs() < 3.0 / n.sqrt());
        assert!((m2 / n - 1.0).abs() < 3.0 * (2.0 / n).sqrt());
        assert!((m4 / n - 3.0).abs() < 3.0 * (96.0 / n).sqrt());
    }

    #[test]
    fn streams_are_independent() {
        let (mut a, mut b) = (Noise::new(7, "adc", 0), Noise::new(7, "adc", 1));
        let n = 20_000;
        let r: f64 = (0..n).map(|_| a.gaussian() * b.gaussian()).sum::<f64>() / f64::from(n);
        assert!(r.abs() < 3.0 / f64::from(n).sqrt(), "correlation {r}");
    }

    #[test]
    fn one_seed_bit_changes_the_stream() {
        assert_ne!(Noise::new(2, "adc", 0).bits(), Noise::new(3, "adc", 0).bits());
    }
}
