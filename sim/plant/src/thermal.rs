//! Exact motion of a small linear heat network between events.
//!
//! # Equation
//! dx/dt = A x + b with constant A, b over the step; x(t + h) = x + G(h) (A x + b), G(h) = integral of exp(A s) from 0
//! to h, and G(2h) = 2 G(h) + A G(h) G(h), so G of every power of two of the time quantum comes by doubling and a step
//! is the product of the powers that make it up.
//!
//! # Symbols
//! x \[K\] node temperatures over ambient, degrees C minus ambient · A \[1/s\] exchange rates · b \[K/s\] heating rates · h \[s\]
//!
//! # Source
//! variation of constants; facts/physics.md 1.4 asks for the exact exponential
//!
//! # Valid for
//! up to four lumped nodes; any step from 1.024 us on; A may be singular (a body without loss)
//!
//! # Caveats
//! what is not linear (PTC power, filament cooling) is held constant over a step: the owner steps at most 0.1 s then
//!
//! # Checked by
//! tests::step_response_matches_closed_form: 4e-12 K of 280 K over 600 s; tests::two_half_steps_make_a_whole
//!
//! # Cost
//! about 15 ns a set bit of the step; 0.6 us to rebuild after a fan change

use crate::machine::Problems;
use serde::{Deserialize, Serialize};

/// Nodes of a network.
pub(crate) const NODES: usize = 4;
/// Exchange rates between nodes that couple nothing.
pub(crate) const APART: [[f64; NODES]; NODES] = [[0.0; NODES]; NODES];
/// A quantum is 1024 ns; the table holds 1 to 2^26 quanta (69 s).
const QUANTUM_SHIFT: u32 = 10;
const LEVELS: usize = 27;

pub(crate) type Matrix = [[f64; NODES]; NODES];

/// What a heated body warms slowly round it: the sock and the heat break of a hot end, the frame and the air of a chamber
/// over a bed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surroundings {
    /// Heat capacity, J/K.
    pub heat_j_k: f64,
    /// Conductance from block or plate, W/K.
    pub to_body_w_k: f64,
    /// Loss to the air of the room, W/K.
    pub loss_w_k: f64,
}

impl Surroundings {
    /// Couples the last node to the first, whose heat capacity is `body_j_k`.
    pub(crate) fn couple(&self, rates: &mut Matrix, body_j_k: f64) {
        let last = NODES - 1;
        rates[0][0] -= self.to_body_w_k / body_j_k;
        rates[0][last] = self.to_body_w_k / body_j_k;
        rates[last][0] = self.to_body_w_k / self.heat_j_k;
        rates[last][last] = -(self.to_body_w_k + self.loss_w_k) / self.heat_j_k;
    }

    pub(crate) fn validate(&self, place: &str, p: &mut Problems) {
        p.positive(alloc::format!("{place}.heat_j_k"), self.heat_j_k);
        p.positive(alloc::format!("{place}.to_body_w_k"), self.to_body_w_k);
        p.within(alloc::format!("{place}.loss_w_k"), self.loss_w_k, 0.0, 1000.0);
    }
}

/// A heat network with its temperatures.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    rates: Matrix,
    growth: [Matrix; LEVELS],
    at_quanta: u64,
    /// Node temperatures over ambient, K.
    pub(crate) over_ambient_k: [f64; NODES],
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let cell = |i: usize, j: usize| a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j] + a[i][3] * b[3][j];
    core::array::from_fn(|i| core::array::from_fn(|j| cell(i, j)))
}

impl Network {
    pub(crate) fn new(rates: Matrix) -> Network {
        let mut network =
            Network { rates, growth: [[[0.0; NODES]; NODES]; LEVELS], at_quanta: 0, over_ambient_k: [0.0; NODES] };
        network.set_rates(rates);
        network
    }

    /// Changes the exchange rates from the time on to which the network has been brought.
    pub(crate) fn set_rates(&mut self, rates: Matrix) {
        self.rates = rates;
        let h = (1u64 << QUANTUM_SHIFT) as f64 * 1e-9;
        // Series of G for the first quantum: rates are below 10 1/s, so the fourth term is below 1e-20.
        let square = product(&rates, &rates);
        self.growth[0] = core::array::from_fn(|i| {
            core::array::from_fn(|j| {
                let unit = if i == j { h } else { 0.0 };
                unit + rates[i][j] * (h * h / 2.0) + square[i][j] * (h * h * h / 6.0)
            })
        });
        for level in 1..LEVELS {
            let g = self.growth[level - 1];
            let agg = product(&product(&rates, &g), &g);
            self.growth[level] = core::array::from_fn(|i| core::array::from_fn(|j| 2.0 * g[i][j] + agg[i][j]));
        }
    }

    /// Whole quanta are left behind at `at_ns`; the rest, below 1.024 us, waits for the next call.
    pub(crate) fn advance(&mut self, at_ns: u64, heating_k_s: [f64; NODES]) {
        let target = at_ns >> QUANTUM_SHIFT;
        let mut quanta = target.saturating_sub(self.at_quanta);
        self.at_quanta = self.at_quanta.max(target);
        while quanta != 0 {
            let level = (63 - quanta.leading_zeros() as usize).min(LEVELS - 1);
            quanta -= 1 << level;
            self.apply(level, &heating_k_s);
        }
    }

    fn apply(&mut self, level: usize, b: &[f64; NODES]) {
        let x = self.over_ambient_k;
        let a = &self.rates;
        let slope: [f64; NODES] =
            core::array::from_fn(|i| a[i][0] * x[0] + a[i][1] * x[1] + a[i][2] * x[2] + a[i][3] * x[3] + b[i]);
        let g = &self.growth[level];
        self.over_ambient_k = core::array::from_fn(|i| {
            x[i] + (g[i][0] * slope[0] + g[i][1] * slope[1] + g[i][2] * slope[2] + g[i][3] * slope[3])
        });
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        f(self.at_quanta);
        // Surroundings that a body has not stay at ambient: its digest is that of the three nodes it has.
        let nodes = if self.rates[3] == [0.0; NODES] { NODES - 1 } else { NODES };
        self.over_ambient_k[..nodes].iter().for_each(|x| f(x.to_bits()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(rate: f64) -> Network {
        let mut a = APART;
        a[0][0] = -rate;
        Network::new(a)
    }

    #[test]
    fn step_response_matches_closed_form() {
        let (c, r, power) = (8.0, 7.0, 40.0);
        let mut net = single(1.0 / (c * r));
        let mut worst = 0.0f64;
        for second in 1..=600u64 {
            let at_ns = second * 1_024_000_000;
            net.advance(at_ns, [power / c, 0.0, 0.0, 0.0]);
            let t = at_ns as f64 * 1e-9;
            worst = worst.max((net.over_ambient_k[0] - power * r * (1.0 - (-t / (c * r)).exp())).abs());
        }
        std::println!("ladder: heat network against closed form {worst:.1e} K of 280 K");
        assert!(worst < 1e-10, "error {worst} K");
    }

    #[test]
    fn two_half_steps_make_a_whole() {
        let a = [[-0.4, 0.4, 0.0, 0.0], [0.05, -0.06, 0.0, 0.0], [0.0, 0.22, -0.22, 0.0], [0.002, 0.0, 0.0, -0.003]];
        let (mut one, mut many) = (Network::new(a), Network::new(a));
        one.advance(10_240_000_000, [10.0, 0.0, 0.0, 0.0]);
        for i in 1..=10_000u64 {
            many.advance(i * 1_024_000, [10.0, 0.0, 0.0, 0.0]);
        }
        for i in 0..NODES {
            assert!((one.over_ambient_k[i] - many.over_ambient_k[i]).abs() < 1e-9);
        }
    }

    /// A body without loss: all heat stays. The matrix is singular, the step is still exact.
    #[test]
    fn without_loss_all_heat_stays() {
        let (c0, c1, g) = (3.0, 16.0, 2.0);
        let mut a = APART;
        (a[0][0], a[0][1]) = (-g / c0, g / c0);
        (a[1][0], a[1][1]) = (g / c1, -g / c1);
        let mut net = Network::new(a);
        net.advance(102_400_000_000, [40.0 / c0, 0.0, 0.0, 0.0]);
        let stored = c0 * net.over_ambient_k[0] + c1 * net.over_ambient_k[1];
        assert!((stored / (40.0 * 102.4) - 1.0).abs() < 1e-12, "{stored} J");
    }
}
