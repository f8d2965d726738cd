//! What a range of time holds of each frequency, and what a shaper would leave of it.

use crate::document::Document;
use crate::settings::Shaper;
use drydock_analysis::spectrum::{Samples, Spectrum, TooShort};
use drydock_analysis::wall::STILL_NS;
use drydock_motion::shapers::AnyShaper;
use std::ops::Range;

/// Where acceleration is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A chip, as it measured; most runs measure only while they calibrate.
    Chip(u8),
    /// The true nozzle, from its recorded positions: up to half the sample rate.
    Nozzle,
}

/// Power over time and frequency.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spectrogram {
    /// Middle of each column, s.
    pub time_s: Vec<f64>,
    pub freq_hz: Vec<f64>,
    /// A column a time, a value a frequency: x + y + z, (mm/s^2)^2/Hz.
    pub power: Vec<Vec<f32>>,
}

/// Seconds of samples that always hold one window: it is the power of two above half a second.
const COLUMN_S: f64 = 1.1;

impl Document {
    /// Where there are samples to look at.
    pub fn probes(&self) -> Vec<Probe> {
        let chips = if self.streams.accels.is_empty() { 0 } else { self.header().chips.len() };
        let nozzle = (!self.streams.states.is_empty()).then_some(Probe::Nozzle);
        (0..chips as u8).map(Probe::Chip).chain(nozzle).collect()
    }

    /// Acceleration in a range of time, evenly sampled.
    pub fn acceleration(&mut self, probe: Probe, range: Range<u64>) -> Samples {
        match probe {
            Probe::Chip(chip) => self.measured(chip, range),
            Probe::Nozzle => self.felt(range),
        }
    }

    fn measured(&mut self, chip: u8, range: Range<u64>) -> Samples {
        let info = self.header().chips.get(usize::from(chip)).cloned().unwrap_or_default();
        let mut samples = Samples::default();
        self.streams.accels.for_each(&mut self.reader, range, |row| {
            if row.chip == chip {
                samples.push(row.at_ns as f64 * 1e-9, info.mm_s2(row.raw));
            }
        });
        samples
    }

    /// Second differences of the nozzle's way; a machine that stands still feels nothing.
    fn felt(&mut self, range: Range<u64>) -> Samples {
        let mut samples = Samples::default();
        let mut before: Vec<(u64, [f64; 3])> = Vec::new();
        let mut step_ns = u64::MAX;
        self.streams.states.for_each(&mut self.reader, range, |state| {
            let now = (state.at_ns, state.nozzle_mm);
            if let [a, b] = before[..] {
                let gap_ns = now.0.saturating_sub(b.0);
                let (first_ns, own_ns) = (b.0.saturating_sub(a.0), step_ns.min(gap_ns).max(1));
                if (1..=STILL_NS).contains(&gap_ns) && (1..=STILL_NS).contains(&first_ns) {
                    let (t0, t1) = (first_ns as f64 * 1e-9, gap_ns as f64 * 1e-9);
                    let bend = |i: usize| ((now.1[i] - b.1[i]) / t1 - (b.1[i] - a.1[i]) / t0) / ((t0 + t1) / 2.0);
                    samples.push(b.0 as f64 * 1e-9, [0, 1, 2].map(bend));
                } else if step_ns < STILL_NS {
                    // Bounded: a pause of an hour is 1.8 million samples at 500 Hz.
                    for at_ns in (b.0..now.0).step_by(own_ns as usize).take(2_000_000) {
                        samples.push(at_ns as f64 * 1e-9, [0.0; 3]);
                    }
                }
                step_ns = own_ns;
                before.remove(0);
            }
            before.push(now);
        });
        samples
    }

    /// Spectrum in a range of time.
    pub fn spectrum(&mut self, probe: Probe, range: Range<u64>) -> Result<Spectrum, TooShort> {
        self.acceleration(probe, range).spectrum()
    }

    /// Spectra of pieces of the range, one a column; empty where there are too few samples for one.
    pub fn spectrogram(&mut self, probe: Probe, range: Range<u64>, columns: usize) -> Spectrogram {
        let samples = self.acceleration(probe, range);
        let mut spectrogram = Spectrogram::default();
        let (count, columns) = (samples.time_s.len(), columns.max(1));
        let window = ((samples.sample_rate_hz() * COLUMN_S) as usize).max(4);
        if count < window {
            return spectrogram;
        }
        for column in 0..columns.min(count - window + 1) {
            let start = (count - window) * column / (columns - 1).max(1);
            let piece = start..start + window;
            let part = Samples {
                time_s: samples.time_s[piece.clone()].to_vec(),
                axes: [0, 1, 2].map(|axis| samples.axes[axis][piece.clone()].to_vec()),
            };
            let Ok(spectrum) = part.spectrum() else { continue };
            spectrogram.time_s.push((part.time_s[0] + part.time_s[window - 1]) / 2.0);
            spectrogram.power.push(spectrum.sum().iter().map(|p| *p as f32).collect());
            // Columns differ by rounding only: the first one's frequencies stand for all.
            if spectrogram.freq_hz.is_empty() {
                spectrogram.freq_hz = spectrum.freq_hz;
            }
        }
        spectrogram
    }
}

/// Share of the vibration at each frequency that a shaper leaves, 0 to 1; the damping of what vibrates as Klipper reckons
/// with it, 0.1. `None` where the shaper cannot be made.
pub fn shaper_response(shaper: &Shaper, freq_hz: &[f64]) -> Option<Vec<f64>> {
    let pulses = AnyShaper::parse(&shaper.kind).ok()?.pulses(shaper.freq_hz, shaper.damping).ok()?;
    Some(freq_hz.iter().map(|f| pulses.residual(*f, crate::settings::DAMPING)).collect())
}
