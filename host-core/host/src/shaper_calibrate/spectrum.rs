//! Power spectral density of an accelerometer recording, by Welch's method.
//!
//! # Equation
//!   P(f_k) = mean over windows of 2|FFT(w·(a − mean a))_k|² / (f_s Σw²); once, not twice, at DC and at f_s/2
//!   f_s = N/(t_last − t_first)
//! # Symbols
//!   a [mm/s²] acceleration · f_s [Hz] sample rate · w [1] Kaiser window, beta 6 · P [(mm/s²)²/Hz]
//! # Source
//!   P. D. Welch, IEEE Trans. Audio Electroacoust. 15 (1967) 70; window length and normalisation as the peer's
//!   `facts/physics.md` section 4, so that fits can be compared
//! # Valid for
//!   windows of at least 0.5 s, the next power of two samples; half of each overlaps the next
//! # Caveats
//!   leakage of the window: a line is about 6 bins (9 Hz at 3200 Hz) wide at its foot
//! # Checked by
//!   tests::power_of_a_sine_is_half_its_amplitude_squared (0.5 %), tests::white_noise_has_its_density (2 %),
//!   tests/shaper_peers.rs against the peer's own spectra (0.05 %, the digits of its CSV)

use super::fft::RealPower;

/// Window length is the next power of two of so many seconds of samples.
const WINDOW_S: f64 = 0.5;
const KAISER_BETA: f64 = 6.0;
/// Below this the excitation is too weak to say much, Hz.
const LOW_HZ: f64 = 10.0;
/// Keeps the division by frequency finite, Hz.
const EPSILON_HZ: f64 = 0.1;

/// One accelerometer sample in machine axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    pub time_s: f64,
    pub accel_mm_s2: [f64; 3],
}

#[derive(Clone, Debug, PartialEq)]
pub enum SpectrumError {
    /// Fewer samples than one window takes.
    TooShort { samples: usize, needed: usize },
    /// The times of the samples do not run forward.
    BadTimes,
}

impl std::fmt::Display for SpectrumError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SpectrumError::TooShort { samples, needed } => {
                write!(f, "Too few accelerometer samples: {samples}, more than {needed} are needed; measure for longer")
            }
            SpectrumError::BadTimes => write!(f, "The times of the accelerometer samples do not run forward"),
        }
    }
}

/// Density per axis and their sum.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spectrum {
    pub freq_hz: Vec<f64>,
    pub axes: [Vec<f64>; 3],
    pub sum: Vec<f64>,
    /// Recordings that this is the mean of.
    recordings: usize,
}

impl Spectrum {
    pub fn from_samples(samples: &[Sample]) -> Result<Spectrum, SpectrumError> {
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
            return Err(SpectrumError::TooShort { samples: 0, needed: 1 });
        };
        let span_s = last.time_s - first.time_s;
        if samples.len() < 2 {
            return Err(SpectrumError::TooShort { samples: samples.len(), needed: 2 });
        }
        if !(span_s > 0.0 && span_s.is_finite()) {
            return Err(SpectrumError::BadTimes);
        }
        let rate_hz = samples.len() as f64 / span_s;
        let wanted = rate_hz * WINDOW_S;
        if wanted >= samples.len() as f64 {
            return Err(SpectrumError::TooShort { samples: samples.len(), needed: wanted as usize });
        }
        let len = (libm::ceil(wanted) as usize).next_power_of_two();
        if samples.len() <= len {
            return Err(SpectrumError::TooShort { samples: samples.len(), needed: len });
        }
        let welch = Welch::new(len, rate_hz);
        let axes: [Vec<f64>; 3] = std::array::from_fn(|axis| welch.density(samples, axis));
        let freq_hz = (0..=len / 2).map(|k| k as f64 * rate_hz / len as f64).collect();
        Ok(Spectrum::from_axes(freq_hz, axes))
    }

    /// From densities that are known.
    pub fn from_axes(freq_hz: Vec<f64>, axes: [Vec<f64>; 3]) -> Spectrum {
        let sum = (0..freq_hz.len()).map(|k| axes[0][k] + axes[1][k] + axes[2][k]).collect();
        Spectrum { freq_hz, axes, sum, recordings: 1 }
    }

    /// Takes another recording into the mean, at this one's frequencies.
    pub fn add(&mut self, other: &Spectrum) {
        let (n, m) = (self.recordings as f64, other.recordings as f64);
        let mean = |own: &mut Vec<f64>, others: &Vec<f64>, freq_hz: &[f64]| {
            for (value, f) in own.iter_mut().zip(freq_hz) {
                *value = (*value * n + interpolate(&other.freq_hz, others, *f) * m) / (n + m);
            }
        };
        for (own, others) in self.axes.iter_mut().zip(&other.axes) {
            mean(own, others, &self.freq_hz);
        }
        mean(&mut self.sum, &other.sum, &self.freq_hz);
        self.recordings += other.recordings;
    }

    /// Divides by frequency, since the excitation grows with it, and fades out what is below [`LOW_HZ`].
    pub fn normalise(&mut self) {
        let weights: Vec<f64> = self.freq_hz.iter().map(|f| weight(*f)).collect();
        for density in self.axes.iter_mut().chain([&mut self.sum]) {
            density.iter_mut().zip(&weights).for_each(|(p, w)| *p *= w);
        }
    }

    /// Mean density of an axis over all frequencies: how noisy it is.
    pub fn mean(&self, axis: usize) -> f64 {
        self.axes[axis].iter().sum::<f64>() / self.axes[axis].len() as f64
    }
}

fn weight(freq_hz: f64) -> f64 {
    let f = freq_hz + EPSILON_HZ;
    let fade = if freq_hz < LOW_HZ { libm::exp(1.0 - (LOW_HZ / f) * (LOW_HZ / f)) } else { 1.0 };
    fade / f
}

/// Linear between points, constant beyond them.
fn interpolate(x: &[f64], y: &[f64], at: f64) -> f64 {
    let above = x.partition_point(|x| *x <= at);
    match above {
        0 => y.first().copied().unwrap_or(0.0),
        _ if above == x.len() => y[above - 1],
        _ => {
            let part = (at - x[above - 1]) / (x[above] - x[above - 1]);
            y[above - 1] + part * (y[above] - y[above - 1])
        }
    }
}

struct Welch {
    power: RealPower,
    window: Vec<f64>,
    /// 2/(f_s Σw²)
    scale: f64,
}

impl Welch {
    fn new(len: usize, rate_hz: f64) -> Welch {
        let window = kaiser(len);
        let size: f64 = window.iter().map(|w| w * w).sum();
        Welch { power: RealPower::new(len), window, scale: 2.0 / (rate_hz * size) }
    }

    fn density(&self, samples: &[Sample], axis: usize) -> Vec<f64> {
        let len = self.power.signal_len();
        let mut sums = vec![0.0; len / 2 + 1];
        let mut pairs = vec![(0.0, 0.0); len / 2];
        let mut windows = 0;
        for part in samples.windows(len).step_by(len / 2) {
            let mean = part.iter().map(|s| s.accel_mm_s2[axis]).sum::<f64>() / len as f64;
            let weighted = |i: usize| (part[i].accel_mm_s2[axis] - mean) * self.window[i];
            pairs.iter_mut().enumerate().for_each(|(i, pair)| *pair = (weighted(2 * i), weighted(2 * i + 1)));
            self.power.add_to(&mut sums, &mut pairs);
            windows += 1;
        }
        let scale = self.scale / f64::from(windows);
        sums.iter_mut().for_each(|sum| *sum *= scale);
        sums[0] *= 0.5;
        sums[len / 2] *= 0.5;
        sums
    }
}

/// I0(beta sqrt(1 − r²))/I0(beta), r from −1 to 1.
fn kaiser(len: usize) -> Vec<f64> {
    let all = bessel_i0(KAISER_BETA);
    let r = |n: usize| 2.0 * n as f64 / (len - 1) as f64 - 1.0;
    (0..len).map(|n| bessel_i0(KAISER_BETA * (1.0 - r(n) * r(n)).max(0.0).sqrt()) / all).collect()
}

/// Modified Bessel function of the first kind and order 0, by its power series: arguments here are at most 6.
fn bessel_i0(x: f64) -> f64 {
    let quarter = 0.25 * x * x;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > 1e-17 * sum {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    fn test_sine(freq_hz: f64, amplitude: f64, rate_hz: f64, count: usize) -> Vec<Sample> {
        let at = |i: usize| i as f64 / rate_hz;
        let a = |t: f64| amplitude * libm::sin(2.0 * PI * freq_hz * t);
        (0..count).map(|i| Sample { time_s: at(i), accel_mm_s2: [a(at(i)), 0.0, 9806.65] }).collect()
    }

    #[test]
    fn power_of_a_sine_is_half_its_amplitude_squared() {
        let s = Spectrum::from_samples(&test_sine(48.0, 1000.0, 3200.0, 32_000)).unwrap();
        let df = s.freq_hz[1];
        let power: f64 = s.axes[0].iter().sum::<f64>() * df;
        assert!((power / 500_000.0 - 1.0).abs() < 5e-3, "{power}");
        let peak = (0..s.freq_hz.len()).max_by(|a, b| s.sum[*a].total_cmp(&s.sum[*b])).unwrap();
        assert!((s.freq_hz[peak] - 48.0).abs() <= df, "{}", s.freq_hz[peak]);
        assert!(s.mean(2) < 1e-12, "gravity is taken out");
    }

    #[test]
    fn white_noise_has_its_density() {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        };
        let samples: Vec<Sample> = (0..200_000)
            .map(|i| Sample { time_s: f64::from(i) / 3200.0, accel_mm_s2: [next(), next(), next()] })
            .collect();
        let s = Spectrum::from_samples(&samples).unwrap();
        // Variance 1/12 spread over 0 to 1600 Hz.
        let density = s.mean(1) * 1600.0 * 12.0;
        assert!((density - 1.0).abs() < 0.02, "{density}");
    }

    #[test]
    fn the_mean_of_two_recordings_weighs_them_alike() {
        let a = Spectrum::from_axes(vec![0.0, 1.0, 2.0], [vec![1.0; 3], vec![0.0; 3], vec![0.0; 3]]);
        let b = Spectrum::from_axes(vec![0.0, 2.0], [vec![4.0, 8.0], vec![0.0; 2], vec![0.0; 2]]);
        let mut both = a.clone();
        both.add(&b);
        assert_eq!(both.sum, [2.5, 3.5, 4.5]);
        both.add(&a);
        assert_eq!(both.sum, [2.0, (7.0 + 1.0) / 3.0, (9.0 + 1.0) / 3.0]);
    }

    #[test]
    fn too_little_to_say_anything_is_an_error() {
        assert!(matches!(Spectrum::from_samples(&[]), Err(SpectrumError::TooShort { .. })));
        let few = test_sine(10.0, 1.0, 3200.0, 2048);
        assert_eq!(Spectrum::from_samples(&few), Err(SpectrumError::TooShort { samples: 2048, needed: 2048 }));
        let mut back = test_sine(10.0, 1.0, 3200.0, 100);
        back.reverse();
        assert_eq!(Spectrum::from_samples(&back), Err(SpectrumError::BadTimes));
    }

    #[test]
    fn bessel_of_six_has_its_tabled_value() {
        assert!((bessel_i0(6.0) / 67.234_406_976_477_98 - 1.0).abs() < 1e-14);
    }
}
