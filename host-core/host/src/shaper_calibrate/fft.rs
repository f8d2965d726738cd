//! A radix-2 fast Fourier transform of fixed length.
//!
//! # Equation
//!   X_k = Σ x_n e^(−j2πkn/N), in place, decimation in time
//! # Source
//!   J. W. Cooley, J. W. Tukey, Math. Comp. 19 (1965) 297
//! # Valid for
//!   N a power of two
//! # Checked by
//!   tests::agrees_with_the_sum_it_stands_for (error < 1e-12 of the largest line at N = 64),
//!   tests::energy_in_time_equals_energy_in_frequency (relative error < 1e-13 at N = 2048)
//! # Cost
//!   N/2·log2 N complex multiplications

use std::f64::consts::PI;

/// Twiddle factors and the bit-reversed order for one length.
pub struct Fft {
    /// e^(−j2πk/N) for k < N/2.
    twiddles: Vec<(f64, f64)>,
    reversed: Vec<u32>,
}

impl Fft {
    /// `len` is rounded up to a power of two.
    pub fn new(len: usize) -> Fft {
        let len = len.next_power_of_two();
        let bits = len.trailing_zeros();
        let angle = |k: usize| -2.0 * PI * k as f64 / len as f64;
        Fft {
            twiddles: (0..len / 2).map(|k| (libm::cos(angle(k)), libm::sin(angle(k)))).collect(),
            reversed: (0..len as u32).map(|i| if bits == 0 { 0 } else { i.reverse_bits() >> (32 - bits) }).collect(),
        }
    }

    pub fn len(&self) -> usize {
        self.reversed.len()
    }

    pub fn is_empty(&self) -> bool {
        self.reversed.is_empty()
    }

    /// `data`: (real, imaginary), as many as the length.
    pub fn transform(&self, data: &mut [(f64, f64)]) {
        assert_eq!(data.len(), self.len(), "one value for each place");
        for (i, j) in self.reversed.iter().enumerate() {
            let j = *j as usize;
            if i < j {
                data.swap(i, j);
            }
        }
        let mut half = 1;
        while half < data.len() {
            let stride = self.twiddles.len() / half;
            for block in data.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                for ((a, b), w) in low.iter_mut().zip(high).zip(self.twiddles.iter().step_by(stride)) {
                    let t = (b.0 * w.0 - b.1 * w.1, b.0 * w.1 + b.1 * w.0);
                    *b = (a.0 - t.0, a.1 - t.1);
                    *a = (a.0 + t.0, a.1 + t.1);
                }
            }
            half *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(len: usize) -> Vec<(f64, f64)> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 24) - 0.5
        };
        (0..len).map(|_| (next(), next())).collect()
    }

    #[test]
    fn agrees_with_the_sum_it_stands_for() {
        let input = signal(64);
        let mut fast = input.clone();
        Fft::new(64).transform(&mut fast);
        for (k, got) in fast.iter().enumerate() {
            let mut sum = (0.0, 0.0);
            for (n, x) in input.iter().enumerate() {
                let a = -2.0 * PI * (k * n) as f64 / 64.0;
                let (s, c) = (libm::sin(a), libm::cos(a));
                sum = (sum.0 + x.0 * c - x.1 * s, sum.1 + x.0 * s + x.1 * c);
            }
            assert!((got.0 - sum.0).abs() < 1e-12 && (got.1 - sum.1).abs() < 1e-12, "line {k}: {got:?}, {sum:?}");
        }
    }

    #[test]
    fn energy_in_time_equals_energy_in_frequency() {
        let input = signal(2048);
        let mut output = input.clone();
        Fft::new(2048).transform(&mut output);
        let energy = |x: &[(f64, f64)]| x.iter().map(|v| v.0 * v.0 + v.1 * v.1).sum::<f64>();
        let ratio = energy(&output) / 2048.0 / energy(&input);
        assert!((ratio - 1.0).abs() < 1e-13, "{ratio}");
    }
}
