//! Modes under measured frequency responses: variable projection with a damped Gauss-Newton search.
//!
//! # Equation
//!   H(ω) = e^(−jωT) [g·d + Σ_k r_k ω²/(w_k² − ω² + 2j z_k w_k ω)], d = (1, 0, 0): along, across, up
//! # Symbols
//!   H [mm/s²/Hz] response of the chip to a sweep with accel_per_hz 1 · T [s] what the clocks differ · g: accel_per_hz ·
//!   w_k [rad/s], z_k: a mode · r_k [mm/s²/Hz] its part, three axes; r_k/g is what sim/plant calls shape
//! # Source
//!   sim/plant/src/frame.rs: the response of its modes, so that what is fitted is what it simulates; projection:
//!   G. Golub, V. Pereyra, SIAM J. Numer. Anal. 10 (1973) 413
//! # Valid for
//!   modes with damping 0.004 to 0.5; a machine that moves as a whole at low frequencies
//! # Caveats
//!   two modes closer than their widths share their parts as they like; their sum is what is known
//! # Checked by
//!   tests::planted_modes_come_back
//! # Cost
//!   about 0.1 s for 6 modes on 500 frequencies

use drydock_analysis::fft::Complex;
use nalgebra::{DMatrix, DVector};

pub type C = Complex<f64>;

/// A measured response: along, across and up at frequencies, with what each frequency counts.
#[derive(Clone, Debug, Default)]
pub struct Response {
    pub freq_hz: Vec<f64>,
    pub h: [Vec<C>; 3],
    pub weight: Vec<f64>,
}

/// What is searched for: modes, and the delay of each response.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    pub freq_hz: Vec<f64>,
    pub damping: Vec<f64>,
    pub delay_s: Vec<f64>,
    /// Where it is known; else it is one of the sizes.
    pub gain: Option<f64>,
}

/// A shape with the sizes that suit it best.
#[derive(Clone, Debug)]
pub struct Solution {
    pub shape: Shape,
    pub gain: f64,
    /// r_k by mode.
    pub parts: Vec<[f64; 3]>,
    /// Part of the weighted energy that is not explained.
    pub residual: f64,
    errors: DVector<f64>,
}

/// 95 % half widths.
#[derive(Clone, Debug)]
pub struct Widths {
    /// Relative.
    pub freq: Vec<f64>,
    /// Relative.
    pub damping: Vec<f64>,
    /// Of the part along, as r is.
    pub along: Vec<f64>,
}

const DAMPING: [f64; 2] = [0.004, 0.5];
const MAX_DELAY_S: f64 = 0.006;
const ROUNDS: usize = 60;
/// Below this, and below half of the lowest mode, a machine moves as a whole.
const SLOW_HZ: f64 = 22.0;
const ENOUGH_SLOW: i32 = 4;
/// Keeps two modes at one place from growing against each other without end.
const REGULAR: f64 = 1e-6;
/// Neighbouring frequencies of overlapping windows say the same: so many count as one.
const ALIKE: f64 = 3.0;

/// ω²/(w² − ω² + 2j z w ω): what a base-shaken mode adds.
fn mode(freq_hz: f64, mode_hz: f64, damping: f64) -> C {
    let r = freq_hz / mode_hz;
    C::new(r * r, 0.0) / C::new(1.0 - r * r, 2.0 * damping * r)
}

impl Shape {
    fn modes(&self) -> usize {
        self.freq_hz.len()
    }

    /// As numbers of like size, all free of bounds but those of [`Shape::with`].
    fn numbers(&self) -> Vec<f64> {
        let logs = self.freq_hz.iter().chain(&self.damping).map(|v| libm::log(*v));
        logs.chain(self.delay_s.iter().map(|t| t * 1e3)).collect()
    }

    /// The same with other numbers.
    fn with(&self, numbers: &[f64], top_hz: f64) -> Shape {
        let modes = self.modes();
        let clamped = |x: &f64, [low, high]: [f64; 2]| libm::exp(*x).clamp(low, high);
        Shape {
            gain: self.gain,
            freq_hz: numbers[..modes].iter().map(|x| clamped(x, [6.0, top_hz])).collect(),
            damping: numbers[modes..2 * modes].iter().map(|x| clamped(x, DAMPING)).collect(),
            delay_s: numbers[2 * modes..].iter().map(|x| (x * 1e-3).clamp(-MAX_DELAY_S, MAX_DELAY_S)).collect(),
        }
    }

    /// Response along, across and up for given sizes.
    pub fn response(&self, gain: f64, parts: &[[f64; 3]], freq_hz: f64, delay_s: f64) -> [C; 3] {
        let turn = C::from_polar(1.0, -std::f64::consts::TAU * freq_hz * delay_s);
        let mut h = [C::new(gain, 0.0), C::default(), C::default()];
        for ((mode_hz, damping), part) in self.freq_hz.iter().zip(&self.damping).zip(parts) {
            let m = mode(freq_hz, *mode_hz, *damping);
            h.iter_mut().zip(part).for_each(|(h, r)| *h += m * *r);
        }
        h.map(|h| h * turn)
    }
}

/// Highest frequency that a mode may have: above what was looked at it stands for all that is higher.
fn top_hz(responses: &[Response]) -> f64 {
    responses.iter().filter_map(|r| r.freq_hz.last()).fold(30.0, |a: f64, b| a.max(*b)) * 1.5
}

/// The sizes that suit a shape best, by normal equations: along has the gain and the modes, the others the modes.
pub fn solve(responses: &[Response], shape: &Shape) -> Option<Solution> {
    let modes = shape.modes();
    let rows: usize = responses.iter().map(|r| r.freq_hz.len()).sum();
    let mut columns = DMatrix::zeros(2 * rows, modes + 1);
    let mut wanted = [DVector::zeros(2 * rows), DVector::zeros(2 * rows), DVector::zeros(2 * rows)];
    let mut row = 0;
    for (response, delay_s) in responses.iter().zip(&shape.delay_s) {
        for (i, (f, w)) in response.freq_hz.iter().zip(&response.weight).enumerate() {
            let turn = C::from_polar(*w, -std::f64::consts::TAU * f * delay_s);
            for k in 0..modes {
                let m = mode(*f, shape.freq_hz[k], shape.damping[k]) * turn;
                (columns[(row, k)], columns[(row + 1, k)]) = (m.re, m.im);
            }
            (columns[(row, modes)], columns[(row + 1, modes)]) = (turn.re, turn.im);
            for (wanted, h) in wanted.iter_mut().zip(&response.h) {
                (wanted[row], wanted[row + 1]) = (h[i].re * w, h[i].im * w);
            }
            row += 2;
        }
    }
    let mut gain = 0.0;
    let mut parts = vec![[0.0; 3]; modes];
    let mut errors = DVector::zeros(6 * rows);
    let (mut missed, mut all) = (0.0, 0.0);
    for (axis, wanted) in wanted.iter_mut().enumerate() {
        all += wanted.norm_squared();
        let used = if axis == 0 && shape.gain.is_none() { modes + 1 } else { modes };
        if axis == 0
            && let Some(known) = shape.gain
        {
            gain = known;
            wanted.axpy(-known, &columns.column(modes), 1.0);
        }
        let a = columns.columns(0, used);
        let mut normal = a.transpose() * a;
        let size = normal.trace().max(1e-300) / used.max(1) as f64;
        (0..used).for_each(|i| normal[(i, i)] += REGULAR * size);
        let x = normal.cholesky()?.solve(&(a.transpose() * &*wanted));
        let error = a * &x - &*wanted;
        missed += error.norm_squared();
        errors.rows_mut(axis * 2 * rows, 2 * rows).copy_from(&error);
        parts.iter_mut().enumerate().for_each(|(k, part)| part[axis] = x[k]);
        if used > modes {
            gain = x[modes];
        }
    }
    Some(Solution { shape: shape.clone(), gain, parts, residual: missed / all.max(1e-300), errors })
}

/// The gain that slow motion has once the modes' part in it is taken off: peaks weigh so much in a fit that it may miss by
/// a tenth there, where a machine moves as a whole. None where too little is slow.
pub fn slow_gain(responses: &[Response], solution: &Solution) -> Option<f64> {
    let lowest_hz = solution.shape.freq_hz.iter().fold(f64::MAX, |a, b| a.min(*b));
    let (mut sum, mut count) = (0.0, 0);
    for (response, delay_s) in responses.iter().zip(&solution.shape.delay_s) {
        for (f, h) in response.freq_hz.iter().zip(&response.h[0]).filter(|(f, _)| **f < SLOW_HZ.min(0.5 * lowest_hz)) {
            let turn = C::from_polar(1.0, std::f64::consts::TAU * f * delay_s);
            let modes = solution.shape.response(0.0, &solution.parts, *f, 0.0)[0];
            sum += (h * turn - modes).re;
            count += 1;
        }
    }
    (count >= ENOUGH_SLOW).then(|| sum / f64::from(count))
}

/// Residual of a solution on responses that it was not fitted to.
pub fn residual_on(responses: &[Response], solution: &Solution) -> f64 {
    let (mut missed, mut all) = (0.0, 0.0);
    for (response, delay_s) in responses.iter().zip(&solution.shape.delay_s) {
        for (i, (f, w)) in response.freq_hz.iter().zip(&response.weight).enumerate() {
            let model = solution.shape.response(solution.gain, &solution.parts, *f, *delay_s);
            for (h, model) in response.h.iter().zip(model) {
                missed += (h[i] - model).norm_sqr() * w * w;
                all += h[i].norm_sqr() * w * w;
            }
        }
    }
    missed / all.max(1e-300)
}

/// Jacobian of the projected errors by small steps.
fn jacobian(responses: &[Response], at: &Solution, numbers: &[f64], top_hz: f64) -> Option<DMatrix<f64>> {
    const STEP: f64 = 1e-5;
    let mut jacobian = DMatrix::zeros(at.errors.len(), numbers.len());
    for i in 0..numbers.len() {
        let mut moved = numbers.to_vec();
        moved[i] += STEP;
        let there = solve(responses, &at.shape.with(&moved, top_hz))?;
        jacobian.set_column(i, &((there.errors - &at.errors) / STEP));
    }
    Some(jacobian)
}

/// Levenberg and Marquardt from a starting shape.
pub fn refine(responses: &[Response], start: &Shape) -> Option<Solution> {
    let top_hz = top_hz(responses);
    let mut best = solve(responses, start)?;
    let mut damping = 1e-2;
    for _ in 0..ROUNDS {
        let numbers = best.shape.numbers();
        let j = jacobian(responses, &best, &numbers, top_hz)?;
        let (normal, slope) = (j.transpose() * &j, j.transpose() * &best.errors);
        let before = best.residual;
        for _ in 0..6 {
            let mut damped = normal.clone();
            (0..damped.nrows()).for_each(|i| damped[(i, i)] += damping * normal[(i, i)] + 1e-12);
            let Some(step) = damped.cholesky().map(|c| c.solve(&slope)) else { break };
            let moved: Vec<f64> = numbers.iter().zip(step.iter()).map(|(x, s)| x - s.clamp(-0.5, 0.5)).collect();
            match solve(responses, &start.with(&moved, top_hz)) {
                Some(there) if there.residual < best.residual => {
                    best = there;
                    damping = (damping / 4.0).max(1e-7);
                    break;
                }
                _ => damping *= 5.0,
            }
        }
        if best.residual > before * (1.0 - 1e-6) {
            break;
        }
    }
    Some(best)
}

/// One solution for each number of modes: each takes the one before and adds a mode where it helps most.
pub fn ladder(responses: &[Response], max_modes: usize, range_hz: [f64; 2]) -> Vec<Solution> {
    let mut shape = Shape { delay_s: vec![0.0; responses.len()], ..Shape::default() };
    let mut steps = Vec::new();
    for _ in 0..max_modes {
        let mut tried: Vec<Solution> = Vec::new();
        for i in 0..28 {
            let freq_hz = range_hz[0] * libm::pow(1.3 * range_hz[1] / range_hz[0], f64::from(i) / 27.0);
            for damping in [0.04, 0.15] {
                let mut more = shape.clone();
                more.freq_hz.push(freq_hz);
                more.damping.push(damping);
                tried.extend(solve(responses, &more));
            }
        }
        tried.sort_by(|a, b| a.residual.total_cmp(&b.residual));
        // The best start need not lead to the best end.
        let ends = tried.iter().take(2).filter_map(|start| refine(responses, &start.shape));
        let Some(best) = ends.min_by(|a, b| a.residual.total_cmp(&b.residual)) else { break };
        shape = best.shape.clone();
        steps.push(best);
    }
    steps
}

/// How well a solution is known: Gauss and Newton's covariance, with the errors that are left.
pub fn widths(responses: &[Response], solution: &Solution) -> Option<Widths> {
    let (modes, top_hz) = (solution.shape.modes(), top_hz(responses));
    let numbers = solution.shape.numbers();
    // Its errors may be those on other windows.
    let solution = &solve(responses, &solution.shape)?;
    let j = jacobian(responses, solution, &numbers, top_hz)?;
    let free = (solution.errors.len() as f64 / ALIKE - numbers.len() as f64 - 3.0 * modes as f64).max(1.0);
    let variance = solution.errors.norm_squared() / free;
    let mut normal = j.transpose() * &j;
    (0..normal.nrows()).for_each(|i| normal[(i, i)] += 1e-9 * normal[(i, i)] + 1e-12);
    let covariance = normal.try_inverse()? * variance;
    let half = |i: usize| 1.96 * libm::sqrt(covariance[(i, i)].max(0.0));
    // The sizes follow the shape; their own noise is small beside that.
    let mut along = vec![0.0; modes];
    for i in 0..numbers.len() {
        let mut moved = numbers.clone();
        moved[i] += half(i) / 1.96;
        let there = solve(responses, &solution.shape.with(&moved, top_hz))?;
        for (width, (a, b)) in along.iter_mut().zip(there.parts.iter().zip(&solution.parts)) {
            *width += (a[0] - b[0]) * (a[0] - b[0]);
        }
    }
    Some(Widths {
        freq: (0..modes).map(half).collect(),
        damping: (modes..2 * modes).map(half).collect(),
        along: along.iter().map(|v| 1.96 * libm::sqrt(*v)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted(freq_hz: &[f64], damping: &[f64], parts: &[[f64; 3]], noise: f64, seed: u64) -> Response {
        let shape = Shape { freq_hz: freq_hz.to_vec(), damping: damping.to_vec(), ..Shape::default() };
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            noise * ((state >> 11) as f64 / (1u64 << 53) as f64 - 0.5)
        };
        let mut response = Response::default();
        for i in 0..300 {
            let f = 12.0 + 0.4 * f64::from(i);
            let h = shape.response(60.0, parts, f, 0.0013);
            response.freq_hz.push(f);
            response.weight.push(1.0);
            response.h.iter_mut().zip(h).for_each(|(all, h)| all.push(h + C::new(next(), next())));
        }
        response
    }

    #[test]
    fn planted_modes_come_back() {
        let (f, z) = ([48.0, 71.0], [0.06, 0.04]);
        let parts = [[55.0, 6.0, 1.0], [12.0, -4.0, 0.0]];
        let response = [planted(&f, &z, &parts, 3.0, 7)];
        let steps = ladder(&response, 3, [12.0, 130.0]);
        let two = &steps[1];
        let widths = widths(&response, two).unwrap();
        let mut order = [0, 1];
        order.sort_by(|a, b| two.shape.freq_hz[*a].total_cmp(&two.shape.freq_hz[*b]));
        for (k, i) in order.into_iter().enumerate() {
            let (freq, damping) = (two.shape.freq_hz[i], two.shape.damping[i]);
            assert!((freq / f[k] - 1.0).abs() < 2e-3, "{freq} Hz for {}", f[k]);
            assert!((damping / z[k] - 1.0).abs() < 0.03, "{damping} for {}", z[k]);
            assert!((two.parts[i][0] - parts[k][0]).abs() < 1.0 && (two.parts[i][1] - parts[k][1]).abs() < 0.6);
            assert!((freq / f[k] - 1.0).abs() < 2.0 * widths.freq[i], "{} outside {}", freq, widths.freq[i]);
            assert!(widths.freq[i] < 5e-3 && widths.damping[i] < 0.1, "{widths:?}");
        }
        assert!((two.gain - 60.0).abs() < 1.0 && (two.shape.delay_s[0] - 0.0013).abs() < 3e-5, "{two:?}");
        assert!((slow_gain(&response, two).unwrap() - 60.0).abs() < 0.5);
        let known = Shape { gain: Some(58.0), ..two.shape.clone() };
        assert_eq!(refine(&response, &known).unwrap().gain, 58.0, "what is known is not fitted");
        // A third mode explains noise: on other noise of the same machine it is no better.
        let other = [planted(&f, &z, &parts, 3.0, 8)];
        assert!(residual_on(&other, &steps[2]) > 0.98 * residual_on(&other, two));
        assert!(residual_on(&other, &steps[0]) > 5.0 * residual_on(&other, two));
    }
}
