//! What shook the machine while it was recorded: the sweep of the resonance test, found in the recording itself.
//!
//! # Equation
//!   r² = Σ_i C_i(τ)²/(Σu² · Σy²), C_i(τ) = Σ y_i(t) u(t − τ), gain_i = C_i/Σu², in the band 7 to 28 Hz, up to τ + 30 s
//! # Symbols
//!   y_i [mm/s²] chip axis i · u [Hz] a sweep with accel_per_hz 1 · τ [s] its beginning · gain_i [mm/s²/Hz]
//! # Source
//!   facts/physics.md 0.1: the sweep is a known list of pulses, so a stranger's recording is an input and an output
//! # Valid for
//!   sweeps of TEST_RESONANCES and of Shake&Tune that begin at one of [`STARTS_HZ`] and rise by one of [`RATES_HZ_S`]
//! # Caveats
//!   below 28 Hz a machine is nearly rigid, not wholly: the gain is 5 to 20 % above accel_per_hz
//! # Checked by
//!   tests::a_planted_sweep_is_found, and on real recordings examples/accel_holdout.rs
//! # Cost
//!   about 40 ms

use drydock_analysis::fft::{self, Complex, Plan};
use drydock_host::objects::resonance_tester::Sweep;
use drydock_host::shaper_calibrate::Sample;

const STARTS_HZ: [f64; 6] = [5.0, 10.0, 15.0, 20.0, 3.0, 8.0];
const RATES_HZ_S: [f64; 4] = [1.0, 0.5, 2.0, 0.25];
const BAND_HZ: [f64; 2] = [7.0, 28.0];
/// Rate that recordings are compared at, Hz, and how much of them.
const GRID_HZ: f64 = 200.0;
const LOOK_S: f64 = 60.0;
const MODEL_S: f64 = 30.0;
/// A sweep is there if it explains this part of the amplitude.
const FOUND: f64 = 0.45;
const CLEARLY: f64 = 0.8;
/// Sweeps that begin elsewhere look alike once they run: a less usual one must be better by this.
const CLEARER: f64 = 1.08;
/// The slow sway that newer tests add, s.
const SWAY_PERIOD_S: f64 = 1.2;
const ENVELOPE_S: f64 = 0.25;

/// The sweep of a recording.
#[derive(Clone, Debug)]
pub struct Excitation {
    /// accel_per_hz is what the chip says of it.
    pub sweep: Sweep,
    /// From the first sample, s.
    pub start_s: f64,
    /// Slow acceleration of the chip per acceleration-per-hertz of the sweep, in chip axes: direction and size.
    pub gain: [f64; 3],
    /// 0 to 1.
    pub correlation: f64,
    /// The recording ends while it is shaken.
    pub cut: bool,
}

/// Mean of a piecewise constant or sampled signal over cells of a grid, from its integral.
struct Integral {
    t_s: Vec<f64>,
    sum: Vec<f64>,
}

impl Integral {
    fn of_samples(samples: &[Sample], axis: usize) -> Integral {
        let first_s = samples[0].time_s;
        let mean = samples.iter().map(|s| s.accel_mm_s2[axis]).sum::<f64>() / samples.len() as f64;
        let mut integral = Integral { t_s: vec![0.0], sum: vec![0.0] };
        let mut sum = 0.0;
        for pair in samples.windows(2) {
            let middle = 0.5 * (pair[0].accel_mm_s2[axis] + pair[1].accel_mm_s2[axis]) - mean;
            sum += middle * (pair[1].time_s - pair[0].time_s);
            integral.t_s.push(pair[1].time_s - first_s);
            integral.sum.push(sum);
        }
        integral
    }

    /// The acceleration of a sweep per accel_per_hz, with its sway.
    fn of_sweep(sweep: &Sweep) -> Integral {
        let mut integral = Integral { t_s: vec![0.0], sum: vec![0.0] };
        let (mut t_s, mut sum) = (0.0, 0.0);
        for segment in sweep.segments() {
            t_s += segment.duration_s;
            sum += segment.accel_mm_s2 * segment.duration_s;
            integral.t_s.push(t_s);
            integral.sum.push(sum);
        }
        integral
    }

    /// Means over cells of `width_s` around times that rise.
    fn means(&self, times_s: impl Iterator<Item = f64>, width_s: f64) -> Vec<f64> {
        let (mut low, mut high) = (0, 0);
        let at = |cursor: &mut usize, t: f64| -> f64 {
            while *cursor + 1 < self.t_s.len() && self.t_s[*cursor + 1] <= t {
                *cursor += 1;
            }
            let i = *cursor;
            if t <= 0.0 || i + 1 >= self.t_s.len() {
                return self.sum[if t <= 0.0 { 0 } else { self.sum.len() - 1 }];
            }
            let part = (t - self.t_s[i]) / (self.t_s[i + 1] - self.t_s[i]);
            self.sum[i] + part * (self.sum[i + 1] - self.sum[i])
        };
        let half = 0.5 * width_s;
        times_s
            .map(|t| {
                let below = at(&mut low, t - half);
                (at(&mut high, t + half) - below) / width_s
            })
            .collect()
    }
}

/// Forward transforms of one length, in the band only.
struct Band {
    len: usize,
    ahead: Plan,
    back: Plan,
}

impl Band {
    fn new(len: usize) -> Band {
        Band { len, ahead: fft::forward(len), back: fft::inverse(len) }
    }

    fn forward(&self, x: &[f64]) -> Vec<Complex<f64>> {
        let mut data: Vec<Complex<f64>> = x.iter().map(|v| Complex::new(*v, 0.0)).collect();
        data.resize(self.len, Complex::default());
        self.ahead.process(&mut data);
        for (k, v) in data.iter_mut().enumerate() {
            let hz = k.min(self.len - k) as f64 * GRID_HZ / self.len as f64;
            if !(BAND_HZ[0]..BAND_HZ[1]).contains(&hz) {
                *v = Complex::default();
            }
        }
        data
    }

    fn back(&self, mut data: Vec<Complex<f64>>) -> Vec<f64> {
        self.back.process(&mut data);
        data.iter().map(|v| v.re / self.len as f64).collect()
    }
}

/// The sweep that explains most of a recording, however little that is: see [`Excitation::is_sure`].
pub fn best_match(samples: &[Sample]) -> Option<Excitation> {
    let span_s = samples.last()?.time_s - samples.first()?.time_s;
    let step_s = 1.0 / GRID_HZ;
    let count = (span_s.min(LOOK_S) * GRID_HZ) as usize;
    if count < GRID_HZ as usize {
        return None;
    }
    let cells = |count: usize| (0..count).map(move |k| k as f64 * step_s);
    let y: [Vec<f64>; 3] = std::array::from_fn(|axis| Integral::of_samples(samples, axis).means(cells(count), step_s));
    let model_count = (MODEL_S * GRID_HZ) as usize;
    let band = Band::new((count + model_count).next_power_of_two());
    let spectra: Vec<Vec<Complex<f64>>> = y.iter().map(|y| band.forward(y)).collect();
    let mut energy = vec![0.0];
    let filtered: Vec<Vec<f64>> = spectra.iter().map(|s| band.back(s.clone())).collect();
    for k in 0..count {
        energy.push(energy[k] + filtered.iter().map(|y| y[k] * y[k]).sum::<f64>());
    }
    let mut best: Option<Excitation> = None;
    for (start_hz, rate_hz_s) in RATES_HZ_S.iter().flat_map(|rate| STARTS_HZ.map(|start| (start, *rate))) {
        // Another rate than the usual one is looked for only where the usual one explains little.
        if rate_hz_s != RATES_HZ_S[0] && best.as_ref().is_some_and(|b| b.correlation > CLEARLY) {
            break;
        }
        let sweep = Sweep {
            min_freq_hz: start_hz,
            max_freq_hz: start_hz + rate_hz_s * MODEL_S,
            accel_per_hz: 1.0,
            hz_per_s: rate_hz_s,
            sway_accel_mm_s2: 0.0,
            sway_period_s: 0.0,
        };
        let u = band.forward(&Integral::of_sweep(&sweep).means(cells(model_count), step_s));
        let power = band.back(u.clone()).iter().map(|v| v * v).sum::<f64>();
        let correlations: Vec<Vec<f64>> =
            spectra.iter().map(|y| band.back(y.iter().zip(&u).map(|(y, u)| y * u.conj()).collect())).collect();
        let explained: Vec<f64> = (0..count).map(|lag| correlations.iter().map(|c| c[lag] * c[lag]).sum()).collect();
        for lag in 1..count.saturating_sub(GRID_HZ as usize) {
            // A sweep may well begin between two cells.
            let [a, b, c] = [explained[lag - 1], explained[lag], explained[lag + 1]];
            if b < a || b < c {
                continue;
            }
            let shift = 0.5 * (a - c) / (a - 2.0 * b + c).min(-1e-300);
            let highest = b - 0.25 * (a - c) * shift;
            // What came before counts too: a sweep is not to be entered in the middle.
            let seen = energy[(lag + model_count).min(count)];
            let correlation = if seen > 0.0 { libm::sqrt(highest / power / seen) } else { 0.0 };
            // Energy of a moment that a filter smeared out of its place explains nothing.
            let better = best.as_ref().is_none_or(|b| {
                correlation > CLEARER * b.correlation || b.sweep == sweep && correlation > b.correlation
            });
            if seen < 0.02 * energy[count] || !better {
                continue;
            }
            let size = libm::sqrt(highest / b.max(1e-300)) / power;
            let gain = std::array::from_fn(|axis| correlations[axis][lag] * size);
            let start_s = (lag as f64 + shift) * step_s;
            best = Some(Excitation { sweep, start_s, gain, correlation, cut: false });
        }
    }
    best.map(|found| finish(samples, found))
}

/// Size, end and sway of a sweep whose beginning is known.
fn finish(samples: &[Sample], mut found: Excitation) -> Excitation {
    let size = libm::sqrt(found.gain.iter().map(|g| g * g).sum());
    found.sweep.accel_per_hz = size;
    let (end_s, cut) = shaken_until(samples);
    found.cut = cut;
    let end_hz = found.sweep.min_freq_hz + found.sweep.hz_per_s * (end_s - found.start_s);
    found.sweep.max_freq_hz = end_hz.clamp(found.sweep.min_freq_hz + 1.0, 300.0);
    let until = |t_s: f64| samples.partition_point(|s| s.time_s - samples[0].time_s < t_s);
    let sway = sway_mm_s2(&samples[until(found.start_s)..until(end_s)], &found.gain, size);
    if sway > 100.0 {
        found.sweep.sway_accel_mm_s2 = sway;
        found.sweep.sway_period_s = SWAY_PERIOD_S;
    }
    found
}

/// When the shaking ends, s after the first sample, and whether the recording ends before it.
fn shaken_until(samples: &[Sample]) -> (f64, bool) {
    let span_s = samples[samples.len() - 1].time_s - samples[0].time_s;
    let per = ((samples.len() as f64 * ENVELOPE_S / span_s) as usize).max(4);
    let rms = |part: &[Sample]| -> f64 {
        let n = part.len() as f64;
        let of = |axis: usize| {
            let mean = part.iter().map(|s| s.accel_mm_s2[axis]).sum::<f64>() / n;
            part.iter().map(|s| (s.accel_mm_s2[axis] - mean) * (s.accel_mm_s2[axis] - mean)).sum::<f64>() / n
        };
        libm::sqrt((0..3).map(of).sum())
    };
    let envelope: Vec<f64> = samples.chunks_exact(per).map(rms).collect();
    let mut sorted = envelope.clone();
    sorted.sort_by(f64::total_cmp);
    let (quiet, usual) = (sorted.first().copied().unwrap_or(0.0), sorted[sorted.len() / 2]);
    // An antiresonance is quiet too, but not as rest is.
    let loud = (0.12 * usual).max(1.2 * quiet);
    let last = envelope.iter().rposition(|e| *e > loud).unwrap_or(envelope.len() - 1);
    (((last + 1) * per) as f64 / samples.len() as f64 * span_s, last + 2 >= envelope.len())
}

/// Acceleration of the sway along the shaken direction: a square wave's fundamental is 4/π of it.
fn sway_mm_s2(samples: &[Sample], gain: &[f64; 3], size: f64) -> f64 {
    let Some(first_s) = samples.first().map(|s| s.time_s) else { return 0.0 };
    let n = samples.len() as f64;
    let along = |s: &Sample| s.accel_mm_s2.iter().zip(gain).map(|(a, g)| a * g / size).sum::<f64>();
    let mean = samples.iter().map(along).sum::<f64>() / n;
    // Blocks of 10 ms are short beside the sway.
    let block = |part: &[Sample]| {
        let sum: f64 = part.iter().map(|s| along(s) - mean).sum();
        (part[part.len() / 2].time_s - first_s, sum)
    };
    let blocks: Vec<(f64, f64)> = samples.chunks(32).map(block).collect();
    let amplitude = |hz: f64| {
        let (mut re, mut im) = (0.0, 0.0);
        for (t_s, sum) in &blocks {
            let (sin, cos) = libm::sincos(std::f64::consts::TAU * hz * t_s);
            re += sum * cos;
            im += sum * sin;
        }
        2.0 * libm::sqrt(re * re + im * im) / n
    };
    let line = amplitude(1.0 / SWAY_PERIOD_S);
    let beside = amplitude(0.7 / SWAY_PERIOD_S).max(amplitude(1.3 / SWAY_PERIOD_S));
    if line > 3.0 * beside { line * std::f64::consts::FRAC_PI_4 } else { 0.0 }
}

impl Excitation {
    /// It explains so much that it was there.
    pub fn is_sure(&self) -> bool {
        self.correlation >= FOUND
    }

    /// Acceleration of the drive at the times of the samples, for the recording's own size of the sweep.
    pub fn at(&self, samples: &[Sample]) -> Vec<f64> {
        let span_s = samples[samples.len() - 1].time_s - samples[0].time_s;
        let step_s = span_s / (samples.len() - 1) as f64;
        let times = samples.iter().map(|s| s.time_s - samples[0].time_s - self.start_s);
        Integral::of_sweep(&self.sweep).means(times, step_s)
    }

    /// In words, as TEST_RESONANCES takes it.
    pub fn describe(&self) -> String {
        let Sweep { min_freq_hz, max_freq_hz, accel_per_hz, hz_per_s, sway_accel_mm_s2, .. } = self.sweep;
        let sway = match sway_accel_mm_s2 > 0.0 {
            true => format!(", with a sway of {sway_accel_mm_s2:.0} mm/s²"),
            false => String::new(),
        };
        format!(
            "a sweep from {min_freq_hz:.0} to {max_freq_hz:.0} Hz, {hz_per_s} Hz/s, about {accel_per_hz:.0} mm/s² per Hz{sway}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(samples: &[Sample]) -> Option<Excitation> {
        best_match(samples).filter(Excitation::is_sure)
    }

    const PLANTED: Sweep = Sweep {
        min_freq_hz: 5.0,
        max_freq_hz: 60.0,
        accel_per_hz: 60.0,
        hz_per_s: 1.0,
        sway_accel_mm_s2: 0.0,
        sway_period_s: 0.0,
    };

    /// A rigid machine that is shaken along a direction, then stands.
    fn rigid(sweep: &Sweep, direction: [f64; 3], rate_hz: f64) -> Vec<Sample> {
        let count = (60.0 * rate_hz) as usize;
        let t = |k: usize| k as f64 / rate_hz;
        let u = Integral::of_sweep(sweep).means((0..count).map(|k| t(k) - 0.73), 1.0 / rate_hz);
        let mut state = 5u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            200.0 * ((state >> 11) as f64 / (1u64 << 53) as f64 - 0.5)
        };
        (0..count).map(|k| Sample { time_s: 17.0 + t(k), accel_mm_s2: direction.map(|d| d * u[k] + noise()) }).collect()
    }

    #[test]
    fn a_planted_sweep_is_found() {
        for (start_hz, rate_hz_s, sway) in [(5.0, 1.0, 0.0), (10.0, 1.0, 400.0), (5.0, 2.0, 0.0)] {
            let sweep = Sweep {
                min_freq_hz: start_hz,
                max_freq_hz: start_hz + 50.0 * rate_hz_s,
                hz_per_s: rate_hz_s,
                sway_accel_mm_s2: sway,
                sway_period_s: if sway > 0.0 { 1.2 } else { 0.0 },
                ..PLANTED
            };
            let found = find(&rigid(&sweep, [0.6, -0.8, 0.0], 800.0)).unwrap();
            assert!(found.correlation > 0.97, "{found:?}");
            assert_eq!((found.sweep.min_freq_hz, found.sweep.hz_per_s), (start_hz, rate_hz_s));
            assert!((found.start_s - 0.73).abs() < 0.006, "{found:?}");
            assert!((found.sweep.accel_per_hz / 60.0 - 1.0).abs() < 0.03, "{found:?}");
            assert!((found.gain[0] / 36.0 - 1.0).abs() < 0.04 && (found.gain[1] / -48.0 - 1.0).abs() < 0.04);
            assert!((found.sweep.max_freq_hz - sweep.max_freq_hz).abs() < 1.0, "{found:?}");
            assert!((found.sweep.sway_accel_mm_s2 - sway).abs() < 20.0, "{found:?}");
            assert!(!found.cut);
        }
    }

    #[test]
    fn noise_has_no_sweep() {
        let silent = Sweep { accel_per_hz: 1e-9, ..PLANTED };
        assert!(find(&rigid(&silent, [1.0, 0.0, 0.0], 800.0)).is_none());
    }

    #[test]
    fn a_recording_that_stops_in_the_middle_is_cut() {
        let mut samples = rigid(&PLANTED, [1.0, 0.0, 0.0], 800.0);
        samples.truncate(24_000);
        let found = find(&samples).unwrap();
        assert!(found.cut && (found.sweep.max_freq_hz - 34.3).abs() < 1.0, "{found:?}");
    }
}
