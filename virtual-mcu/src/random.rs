//! Random numbers by name and count: number `n` of stream `name` under `seed` is a pure function of the three.
//!
//! So a stream's state is one counter, and adding a stream moves none of the others. The mixer is the finaliser of
//! splitmix64 (Steele, Lea, Flood 2014), run over a Weyl sequence.

/// One named stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    key: u64,
    index: u64,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Stream {
    pub fn new(seed: u64, name: &str) -> Self {
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self { key: mix(mix(seed.wrapping_add(GOLDEN)) ^ hash), index: 0 }
    }

    pub fn next_u64(&mut self) -> u64 {
        self.index = self.index.wrapping_add(1);
        mix(self.key.wrapping_add(self.index.wrapping_mul(GOLDEN)))
    }

    /// A number in 0..1 with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in 0..bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Whether an event of this probability happens. Certainties draw nothing.
    pub fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && (probability >= 1.0 || self.unit() < probability)
    }

    /// How many numbers have been drawn: the stream's whole state.
    pub fn drawn(&self) -> u64 {
        self.index
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_name_and_by_seed_and_repeat_exactly() {
        let first = |seed, name| Stream::new(seed, name).next_u64();
        assert_eq!(first(1, "serial.up"), first(1, "serial.up"));
        assert_ne!(first(1, "serial.up"), first(1, "serial.down"));
        assert_ne!(first(1, "serial.up"), first(2, "serial.up"));
    }

    #[test]
    fn units_are_even_in_mean_and_spread() {
        let mut stream = Stream::new(7, "test");
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..100_000 {
            let value = stream.unit() - 0.5;
            assert!((-0.5..0.5).contains(&value));
            sum += value;
            squares += value * value;
        }
        assert!((sum / 1e5).abs() < 0.005);
        assert!((squares / 1e5 - 1.0 / 12.0).abs() < 0.001);
        assert!((0..1000).all(|_| stream.below(3) < 3));
    }

    #[test]
    fn what_cannot_happen_does_not_and_draws_nothing() {
        let mut stream = Stream::new(7, "test");
        assert!(!stream.happens(0.0) && stream.happens(1.0));
        assert_eq!(stream.drawn(), 0);
    }
}
