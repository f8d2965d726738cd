//! A fast Fourier transform of fixed length, and the power of real signals by one of half their length.
//!
//! # Equation
//!   X_k = Σ x_n e^(−j2πkn/N), in place, decimation in time, the first two radix-2 passes in one; for x real, with
//!   Z = FFT(x_2n + j x_2n+1) of length N/2: X_k = (Z_k + Z*_(N/2−k))/2 − j e^(−j2πk/N) (Z_k − Z*_(N/2−k))/2
//! # Source
//!   J. W. Cooley, J. W. Tukey, Math. Comp. 19 (1965) 297
//! # Valid for
//!   N a power of two
//! # Checked by
//!   tests::agrees_with_the_sum_it_stands_for (error < 1e-12 of the largest line at N = 64),
//!   tests::energy_in_time_equals_energy_in_frequency (relative error < 1e-13 at N = 2048),
//!   tests::power_of_a_real_signal_is_the_power_of_its_lines (error < 1e-12 of the largest)
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
        if data.len() >= 4 {
            data.chunks_exact_mut(4).for_each(first_two_passes);
            half = 4;
        }
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

/// Their factors are 1 and −j: no multiplication.
fn first_two_passes(x: &mut [(f64, f64)]) {
    let [a, b, c, d] = [x[0], x[1], x[2], x[3]];
    let (s, t) = ((a.0 + b.0, a.1 + b.1), (a.0 - b.0, a.1 - b.1));
    let (u, v) = ((c.0 + d.0, c.1 + d.1), (c.0 - d.0, c.1 - d.1));
    x[0] = (s.0 + u.0, s.1 + u.1);
    x[1] = (t.0 + v.1, t.1 - v.0);
    x[2] = (s.0 - u.0, s.1 - u.1);
    x[3] = (t.0 - v.1, t.1 + v.0);
}

/// |X_k|² of real signals of one length.
pub struct RealPower {
    half: Fft,
    /// e^(−j2πk/N) for k <= N/2.
    turns: Vec<(f64, f64)>,
}

impl RealPower {
    /// `len` is rounded up to a power of two, at least 2.
    pub fn new(len: usize) -> RealPower {
        let len = len.next_power_of_two().max(2);
        let angle = |k: usize| -2.0 * PI * k as f64 / len as f64;
        let turn = |k: usize| (libm::cos(angle(k)), libm::sin(angle(k)));
        RealPower { half: Fft::new(len / 2), turns: (0..=len / 2).map(turn).collect() }
    }

    /// Of the signal, whose length is twice that of `pairs`.
    pub fn signal_len(&self) -> usize {
        2 * self.half.len()
    }

    /// `pairs`: the signal, two values to a pair; it is overwritten. The power of line k, 0 to N/2, is added to `sums[k]`.
    pub fn add_to(&self, sums: &mut [f64], pairs: &mut [(f64, f64)]) {
        self.half.transform(pairs);
        let len = pairs.len();
        for (k, (sum, w)) in sums.iter_mut().zip(&self.turns).enumerate() {
            let (z, m) = (pairs[k % len], pairs[(len - k) % len]);
            // What the even and the odd values have of line k.
            let even = (0.5 * (z.0 + m.0), 0.5 * (z.1 - m.1));
            let odd = (0.5 * (z.1 + m.1), 0.5 * (m.0 - z.0));
            let re = even.0 + (odd.0 * w.0 - odd.1 * w.1);
            let im = even.1 + (odd.0 * w.1 + odd.1 * w.0);
            *sum += re * re + im * im;
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

    #[test]
    fn power_of_a_real_signal_is_the_power_of_its_lines() {
        for len in [2, 4, 8, 256] {
            let input: Vec<f64> = signal(len).iter().map(|v| v.0).collect();
            let mut lines: Vec<(f64, f64)> = input.iter().map(|x| (*x, 0.0)).collect();
            Fft::new(len).transform(&mut lines);
            let mut pairs: Vec<(f64, f64)> = input.chunks_exact(2).map(|p| (p[0], p[1])).collect();
            let mut sums = vec![1.0; len / 2 + 1];
            RealPower::new(len).add_to(&mut sums, &mut pairs);
            for (k, sum) in sums.iter().enumerate() {
                let want = 1.0 + lines[k].0 * lines[k].0 + lines[k].1 * lines[k].1;
                assert!((sum - want).abs() < 1e-12 * len as f64, "line {k} of {len}: {sum}, {want}");
            }
        }
    }
}
