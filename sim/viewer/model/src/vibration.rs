//! What a range of time holds of each frequency.

use crate::document::Document;
use drydock_analysis::spectrum::{Samples, Spectrum, TooShort};
use std::ops::Range;

/// Power over time and frequency.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spectrogram {
    /// Middle of each column, s.
    pub time_s: Vec<f64>,
    pub freq_hz: Vec<f64>,
    /// A column a time, a value a frequency: x + y + z, (mm/s^2)^2/Hz.
    pub power: Vec<Vec<f32>>,
}

impl Document {
    /// Samples of one accelerometer.
    pub fn accelerometer(&mut self, chip: u8, range: Range<u64>) -> Samples {
        let info = self.header().chips.get(usize::from(chip)).cloned().unwrap_or_default();
        let mut samples = Samples::default();
        self.streams.accels.for_each(&mut self.reader, range, |row| {
            if row.chip == chip {
                samples.push(row.at_ns as f64 * 1e-9, info.mm_s2(row.raw));
            }
        });
        samples
    }

    /// Spectrum of one accelerometer in a range of time.
    pub fn spectrum(&mut self, chip: u8, range: Range<u64>) -> Result<Spectrum, TooShort> {
        self.accelerometer(chip, range).spectrum()
    }

    /// Spectra of one accelerometer, one a column; empty where there are too few samples.
    pub fn spectrogram(&mut self, chip: u8, range: Range<u64>, columns: usize) -> Spectrogram {
        let samples = self.accelerometer(chip, range);
        let mut spectrogram = Spectrogram::default();
        let (count, columns) = (samples.time_s.len(), columns.max(1));
        // A window is half a second and the next power of two: a second of samples always has one.
        let window = ((samples.sample_rate_hz() * 1.1) as usize).max(4);
        if count < window {
            return spectrogram;
        }
        for column in 0..columns.min(count - window + 1) {
            let start = if columns == 1 { 0 } else { (count - window) * column / (columns - 1).max(1) };
            let piece = start..start + window;
            let part = Samples {
                time_s: samples.time_s[piece.clone()].to_vec(),
                axes: [0, 1, 2].map(|axis| samples.axes[axis][piece.clone()].to_vec()),
            };
            let Ok(spectrum) = part.spectrum() else { continue };
            spectrogram.time_s.push((part.time_s[0] + part.time_s[window - 1]) / 2.0);
            spectrogram.power.push(spectrum.sum().iter().map(|p| *p as f32).collect());
            spectrogram.freq_hz = spectrum.freq_hz;
        }
        spectrogram
    }
}
