//! Least squares by Levenberg and Marquardt, with intervals that know that residuals of a model are not noise.

use nalgebra::{DMatrix, DVector};

/// What a fit came to.
#[derive(Clone, Debug)]
pub struct Solution {
    pub values: Vec<f64>,
    /// Standard deviations of the values.
    pub deviations: Vec<f64>,
    /// How sharply the data tell each value: 0 (not at all, or only together with another) to 1.
    pub correlation: DMatrix<f64>,
    pub rms: f64,
}

/// Minimises the squares of what `residuals` gives over `values`, each held within its bounds. `runs` says where in the
/// residuals one continuous recording ends: the intervals grow with how long the residuals of a run remember.
pub fn least_squares(
    start: &[f64],
    bounds: &[(f64, f64)],
    runs: &[usize],
    residuals: impl Fn(&[f64]) -> Vec<f64>,
) -> Solution {
    let n = start.len();
    let mut values: Vec<f64> = start.iter().zip(bounds).map(|(v, b)| v.clamp(b.0, b.1)).collect();
    let mut now = residuals(&values);
    let mut cost = sum_of_squares(&now);
    let mut damping = 1e-3;
    for _ in 0..60 {
        let jacobian = jacobian(&values, bounds, &now, &residuals);
        let normal = jacobian.transpose() * &jacobian;
        let slope = jacobian.transpose() * DVector::from_column_slice(&now);
        let mut improved = false;
        for _ in 0..8 {
            let mut damped = normal.clone();
            for i in 0..n {
                damped[(i, i)] += damping * normal[(i, i)].max(1e-12);
            }
            let Some(step) = damped.cholesky().map(|c| c.solve(&slope)) else {
                damping *= 10.0;
                continue;
            };
            let tried: Vec<f64> = (0..n).map(|i| (values[i] - step[i]).clamp(bounds[i].0, bounds[i].1)).collect();
            let then = residuals(&tried);
            let new_cost = sum_of_squares(&then);
            if new_cost < cost {
                improved = cost - new_cost > 1e-9 * cost;
                (values, now, cost) = (tried, then, new_cost);
                damping = (damping * 0.2).max(1e-9);
                break;
            }
            damping *= 5.0;
        }
        if !improved {
            break;
        }
    }
    let (deviations, correlation) = spread(&jacobian(&values, bounds, &now, &residuals), &now, runs);
    Solution { values, deviations, correlation, rms: (cost / now.len().max(1) as f64).sqrt() }
}

fn sum_of_squares(r: &[f64]) -> f64 {
    r.iter().map(|v| v * v).sum()
}

fn jacobian(
    values: &[f64],
    bounds: &[(f64, f64)],
    now: &[f64],
    residuals: &impl Fn(&[f64]) -> Vec<f64>,
) -> DMatrix<f64> {
    let mut jacobian = DMatrix::zeros(now.len(), values.len());
    for i in 0..values.len() {
        let mut moved = values.to_vec();
        let step = 1e-4 * (1.0 + values[i].abs());
        let step = if values[i] + step > bounds[i].1 { -step } else { step };
        moved[i] += step;
        for (row, (then, now)) in residuals(&moved).iter().zip(now).enumerate() {
            jacobian[(row, i)] = (then - now) / step;
        }
    }
    jacobian
}

/// Deviations and correlations of the values. Were the residuals white, the variance would be s^2 (J'J)^-1; they are not,
/// so it grows by (1 + r)/(1 - r), r the correlation of a residual with the next in its run: that many samples say no
/// more than one.
fn spread(jacobian: &DMatrix<f64>, residuals: &[f64], runs: &[usize]) -> (Vec<f64>, DMatrix<f64>) {
    let n = jacobian.ncols();
    let degrees = residuals.len().saturating_sub(n).max(1) as f64;
    let variance = sum_of_squares(residuals) / degrees;
    let (mut together, mut alone, mut from) = (0.0, 0.0, 0);
    for &to in runs {
        for pair in residuals[from..to].windows(2) {
            together += pair[0] * pair[1];
            alone += 0.5 * (pair[0] * pair[0] + pair[1] * pair[1]);
        }
        from = to;
    }
    let memory = if alone > 0.0 { (together / alone).clamp(0.0, 0.999) } else { 0.0 };
    let variance = variance * (1.0 + memory) / (1.0 - memory);
    let mut normal = jacobian.transpose() * jacobian;
    let scale: Vec<f64> = (0..n).map(|i| normal[(i, i)].sqrt().max(1e-12)).collect();
    for i in 0..n {
        for j in 0..n {
            normal[(i, j)] /= scale[i] * scale[j];
        }
        normal[(i, i)] += 1e-10;
    }
    let inverse = normal.try_inverse().unwrap_or_else(|| DMatrix::identity(n, n) * 1e10);
    let deviations = (0..n).map(|i| (inverse[(i, i)].max(0.0) * variance).sqrt() / scale[i]).collect();
    let correlation =
        DMatrix::from_fn(n, n, |i, j| inverse[(i, j)] / (inverse[(i, i)] * inverse[(j, j)]).max(1e-300).sqrt());
    (deviations, correlation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_exponential_comes_back_within_its_interval() {
        let (a, k) = (5.0, 0.3);
        let mut seed = 1u64;
        let mut noise = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((seed >> 33) as f64 / f64::from(1u32 << 31) - 0.5) * 0.1
        };
        let data: Vec<f64> = (0..200).map(|i| a * (-k * f64::from(i) * 0.1).exp() + noise()).collect();
        let solution = least_squares(&[1.0, 1.0], &[(0.0, 100.0), (0.0, 10.0)], &[200], |v| {
            data.iter().enumerate().map(|(i, d)| v[0] * (-v[1] * i as f64 * 0.1).exp() - d).collect()
        });
        for (i, truth) in [a, k].into_iter().enumerate() {
            let off = (solution.values[i] - truth).abs();
            assert!(off < 3.0 * solution.deviations[i], "{} for {truth}", solution.values[i]);
            assert!(solution.deviations[i] < 0.05 * truth);
        }
    }
}
