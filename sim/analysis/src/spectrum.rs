//! Power spectra of accelerometer samples, as Klipper's shaper calibration takes them.
//!
//! # Equation
//! P(f) = 2 |X(f)|^2 / (fs sum w^2), mean over half-overlapping windows; the factor 2 is missing at 0 Hz and at fs/2
//! # Symbols
//! x [mm/s^2] · fs [Hz] · w Kaiser window, beta 6 · P [(mm/s^2)^2/Hz]
//! # Source
//! P. D. Welch, IEEE Trans. Audio Electroacoust. 15 (1967) 70-73; window length and normalisation are those that
//! published Klipper calibrations show
//! # Valid for
//! evenly spaced samples, at least one more than a window
//! # Caveats
//! each window loses its own mean, so the first bin says nothing
//! # Checked by
//! white_noise_has_its_density 2 %, a_tone_keeps_its_power 1e-4, a_tone_is_found_at_its_frequency 0.2 Hz (the bounds
//! that the tests hold); spectra_of_real_recordings_are_those_of_the_peer: the same peak in 12 of 12 recordings, shares
//! of the axes within 5e-5, which is the rounding of the reference
//! # Cost
//! 20 ns a sample and axis at best (`cargo bench -p drydock-analysis`, 2-core cloud machine)

use crate::fft::{self, Complex};
use drydock_recording::{Accel, Error, Reader};
use std::fmt;
use std::io::{Read, Seek};
use std::ops::Range;

/// A window is the power of two of samples that is not shorter than this.
const WINDOW_S: f64 = 0.5;
const KAISER_BETA: f64 = 6.0;

/// Evenly spaced samples of the three axes, mm/s^2.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    pub time_s: Vec<f64>,
    pub axes: [Vec<f64>; 3],
}

/// Density of the power over frequency.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    pub sample_rate_hz: f64,
    pub freq_hz: Vec<f64>,
    /// x, y, z, (mm/s^2)^2/Hz.
    pub axes: [Vec<f64>; 3],
}

/// Too few samples for one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooShort {
    pub samples: usize,
    pub needed: usize,
}

impl fmt::Display for TooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooShort { samples, needed } = self;
        write!(
            f,
            "{samples} accelerometer samples are too few for a spectrum; it takes at least {needed}: measure longer"
        )
    }
}

impl std::error::Error for TooShort {}

impl Samples {
    /// The samples of one chip in a range of time.
    pub fn of_chip<S: Read + Seek>(reader: &mut Reader<S>, chip: u8, range: Range<u64>) -> Result<Samples, Error> {
        let info = reader.header().chips.get(usize::from(chip)).cloned().unwrap_or_default();
        let mut samples = Samples::default();
        for row in reader.rows::<Accel>(range) {
            let row = row?;
            if row.chip == chip {
                samples.push(row.at_ns as f64 * 1e-9, info.mm_s2(row.raw));
            }
        }
        Ok(samples)
    }

    pub fn push(&mut self, time_s: f64, mm_s2: [f64; 3]) {
        self.time_s.push(time_s);
        self.axes.iter_mut().zip(mm_s2).for_each(|(axis, value)| axis.push(value));
    }

    /// N samples over the time from the first to the last: Klipper's rate, which counts one interval too many.
    pub fn sample_rate_hz(&self) -> f64 {
        match (self.time_s.first(), self.time_s.last()) {
            (Some(first), Some(last)) if last > first => self.time_s.len() as f64 / (last - first),
            _ => 0.0,
        }
    }

    pub fn spectrum(&self) -> Result<Spectrum, TooShort> {
        let sample_rate_hz = self.sample_rate_hz();
        let len = ((sample_rate_hz * WINDOW_S).ceil() as usize).max(2).next_power_of_two();
        let samples = self.time_s.len();
        if samples <= len || self.axes.iter().any(|a| a.len() != samples) {
            return Err(TooShort { samples, needed: len + 1 });
        }
        let axes = [0, 1, 2].map(|axis| welch(&self.axes[axis], sample_rate_hz, len));
        let freq_hz = (0..=len / 2).map(|i| i as f64 * sample_rate_hz / len as f64).collect();
        Ok(Spectrum { sample_rate_hz, freq_hz, axes })
    }
}

impl Spectrum {
    /// x + y + z.
    pub fn sum(&self) -> Vec<f64> {
        (0..self.freq_hz.len()).map(|i| self.axes.iter().map(|a| a[i]).sum()).collect()
    }

    /// The spectrum as shapers are fitted to it: a sweep shakes in proportion to the frequency, which this takes out,
    /// and what is below 10 Hz is not the machine's answer.
    pub fn normalised(&self) -> Spectrum {
        let weight = |f: f64| {
            let low = if f < 10.0 { (1.0 - (10.0 / (f + 0.1)).powi(2)).exp() } else { 1.0 };
            low / (f + 0.1)
        };
        let scale = |axis: &Vec<f64>| axis.iter().zip(&self.freq_hz).map(|(p, f)| p * weight(*f)).collect();
        Spectrum { axes: [0, 1, 2].map(|i| scale(&self.axes[i])), ..self.clone() }
    }

    /// Frequency of the greatest power of all axes together in a band, refined between bins by a parabola.
    pub fn peak_hz(&self, band: Range<f64>) -> Option<f64> {
        let sum = self.sum();
        let inside = (0..sum.len()).filter(|i| band.contains(&self.freq_hz[*i]));
        let i = inside.max_by(|a, b| sum[*a].total_cmp(&sum[*b]))?;
        let step = self.freq_hz.get(1).copied().unwrap_or(0.0);
        let (Some(before), Some(after)) = (i.checked_sub(1).map(|j| sum[j]), sum.get(i + 1)) else {
            return Some(self.freq_hz[i]);
        };
        let (a, b, c) = (before.max(1e-300).ln(), sum[i].max(1e-300).ln(), after.max(1e-300).ln());
        let bend = a - 2.0 * b + c;
        let shift = if bend < 0.0 { 0.5 * (a - c) / bend } else { 0.0 };
        Some(self.freq_hz[i] + shift * step)
    }
}

/// One-sided density of one axis.
fn welch(samples: &[f64], sample_rate_hz: f64, len: usize) -> Vec<f64> {
    let window = kaiser(len);
    let scale = 1.0 / (sample_rate_hz * window.iter().map(|w| w * w).sum::<f64>());
    let fft = fft::forward(len);
    let mut scratch = vec![Complex::default(); fft.get_inplace_scratch_len()];
    let mut power = vec![0.0; len / 2 + 1];
    let hop = len / 2;
    let windows = (samples.len() - hop) / hop;
    for piece in samples.windows(len).step_by(hop).take(windows) {
        let mean = piece.iter().sum::<f64>() / len as f64;
        let mut values: Vec<_> = piece.iter().zip(&window).map(|(x, w)| Complex::new((x - mean) * w, 0.0)).collect();
        fft.process_with_scratch(&mut values, &mut scratch);
        power.iter_mut().zip(&values).for_each(|(p, v)| *p += v.norm_sqr());
    }
    let last = power.len() - 1;
    for (i, p) in power.iter_mut().enumerate() {
        let sides = if i == 0 || i == last { 1.0 } else { 2.0 };
        *p *= sides * scale / windows as f64;
    }
    power
}

fn kaiser(len: usize) -> Vec<f64> {
    let half = (len - 1) as f64 / 2.0;
    let at = |i: usize| {
        let r = (i as f64 - half) / half;
        bessel_i0(KAISER_BETA * (1.0 - r * r).max(0.0).sqrt()) / bessel_i0(KAISER_BETA)
    };
    (0..len).map(at).collect()
}

/// Modified Bessel function of the first kind and order zero, by its series: (x/2)^2k / (k!)^2.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..60 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(seconds: f64, rate: f64, value: impl Fn(f64) -> [f64; 3]) -> Samples {
        let mut samples = Samples::default();
        for i in 0..(seconds * rate) as usize {
            let t = i as f64 / rate;
            samples.push(t, value(t));
        }
        samples
    }

    #[test]
    fn bessel_matches_its_table() {
        for (x, expected) in [(0.0, 1.0), (1.0, 1.266_065_877_752_008), (6.0, 67.234_406_976_477_98)] {
            assert!((bessel_i0(x) / expected - 1.0).abs() < 1e-14, "{x}");
        }
    }

    #[test]
    fn a_tone_is_found_at_its_frequency() {
        for freq in [37.0, 48.3, 61.7] {
            let samples = sampled(6.0, 3200.0, |t| [100.0 * (std::f64::consts::TAU * freq * t).sin(), 0.0, 9806.65]);
            let spectrum = samples.spectrum().unwrap();
            assert_eq!(spectrum.freq_hz.len(), 1025);
            let found = spectrum.peak_hz(10.0..200.0).unwrap();
            assert!((found - freq).abs() < 0.2, "{freq} found at {found}");
        }
    }

    #[test]
    fn a_tone_keeps_its_power() {
        let samples = sampled(6.0, 3200.0, |t| [0.0, 30.0 * (std::f64::consts::TAU * 100.0 * t).sin(), 0.0]);
        let spectrum = samples.spectrum().unwrap();
        let power: f64 = spectrum.axes[1].iter().sum::<f64>() * spectrum.freq_hz[1];
        assert!((power / 450.0 - 1.0).abs() < 1e-4, "{power}");
    }

    #[test]
    fn white_noise_has_its_density() {
        let mut state = 1u64;
        let mut noise = || {
            let mut sum = -6.0;
            for _ in 0..12 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                sum += (state >> 11) as f64 / (1u64 << 53) as f64;
            }
            sum
        };
        let mut samples = Samples::default();
        (0..400_000).for_each(|i| samples.push(f64::from(i) / 3200.0, [114.0 * noise(), 0.0, 0.0]));
        let spectrum = samples.spectrum().unwrap();
        let inner = &spectrum.axes[0][5..1000];
        let mean = inner.iter().sum::<f64>() / inner.len() as f64;
        let expected = 2.0 * 114.0 * 114.0 / 3200.0;
        assert!((mean / expected - 1.0).abs() < 0.02, "{mean} for {expected}");
    }

    #[test]
    fn too_few_samples_are_refused() {
        let error = sampled(0.3, 3200.0, |_| [0.0; 3]).spectrum().unwrap_err();
        assert_eq!(error.samples, 960);
        assert!(error.to_string().contains("measure longer"));
        assert!(Samples::default().spectrum().is_err());
    }
}
