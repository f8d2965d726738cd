//! What a range of time holds of each frequency, and what a shaper would leave of it.
//!
//! The nozzle's way is sampled far more slowly than motors step: at 500 Hz, steps at 4713 Hz look like a tone of 213 Hz, and
//! the second difference makes that the highest peak of all. But a nozzle passes fast steps on weakly, while what rings
//! swings more than what drives it. So the drive's way, sampled at the same times, tells the two apart.

use crate::document::Document;
use crate::settings::Shaper;
use drydock_analysis::spectrum::{Samples, Spectrum, TooShort};
use drydock_analysis::wall::STILL_NS;
use drydock_motion::shapers::AnyShaper;
use drydock_recording::State;
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

/// Pauses are not filled up beyond so many samples: an hour at 500 Hz.
const MOST_STILL: usize = 1_800_000;
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
            Probe::Nozzle => self.felt(range, |state| state.nozzle_mm),
        }
    }

    /// At which frequencies of a spectrum a probe shakes, and does not merely pass on what drives it: axis by axis. A chip
    /// samples fast enough for all of its band.
    pub fn shakes(&mut self, probe: Probe, range: Range<u64>, spectrum: &Spectrum) -> [Vec<bool>; 3] {
        let drive = match probe {
            Probe::Chip(_) => None,
            Probe::Nozzle => self.felt(range, |state| state.drive_mm).spectrum().ok(),
        };
        shakes(spectrum, drive.as_ref())
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

    /// Second differences of a way; a machine that stands still feels nothing.
    fn felt(&mut self, range: Range<u64>, way: fn(&State) -> [f64; 3]) -> Samples {
        let mut samples = Samples::default();
        let mut last: Option<(u64, [f64; 3])> = None;
        // Time between two samples, and the velocity over it: of the newest two samples, unless there was a pause.
        let mut slope: Option<(f64, [f64; 3])> = None;
        let mut step_ns = STILL_NS;
        self.streams.states.for_each(&mut self.reader, range, |state| {
            let to = way(state);
            let Some((last_ns, from)) = last.replace((state.at_ns, to)) else { return };
            let gap_ns = state.at_ns.saturating_sub(last_ns);
            if (1..=STILL_NS).contains(&gap_ns) {
                step_ns = step_ns.min(gap_ns);
                let t = gap_ns as f64 * 1e-9;
                let velocity = [0, 1, 2].map(|i| (to[i] - from[i]) / t);
                if let Some((before_t, before)) = slope.replace((t, velocity)) {
                    let bend = [0, 1, 2].map(|i| (velocity[i] - before[i]) * 2.0 / (t + before_t));
                    samples.push(last_ns as f64 * 1e-9, bend);
                }
            } else {
                slope = None;
                let room = MOST_STILL.saturating_sub(samples.time_s.len());
                for at_ns in (last_ns..state.at_ns).step_by(step_ns as usize).take(room) {
                    samples.push(at_ns as f64 * 1e-9, [0.0; 3]);
                }
            }
        });
        samples
    }

    /// Spectrum in a range of time.
    pub fn spectrum(&mut self, probe: Probe, range: Range<u64>) -> Result<Spectrum, TooShort> {
        self.acceleration(probe, range).spectrum()
    }

    /// Spectra of pieces of the range, one a column, of what shakes; empty where there are too few samples for one.
    pub fn spectrogram(&mut self, probe: Probe, range: Range<u64>, columns: usize) -> Spectrogram {
        let samples = self.acceleration(probe, range.clone());
        let drive = match probe {
            Probe::Chip(_) => Samples::default(),
            Probe::Nozzle => self.felt(range, |state| state.drive_mm),
        };
        let mut spectrogram = Spectrogram::default();
        let (count, columns) = (samples.time_s.len(), columns.max(1));
        let window = ((samples.sample_rate_hz() * COLUMN_S) as usize).max(4);
        if count < window {
            return spectrogram;
        }
        for column in 0..columns.min(count - window + 1) {
            let start = (count - window) * column / (columns - 1).max(1);
            let part = piece(&samples, start..start + window);
            let Ok(spectrum) = part.spectrum() else { continue };
            let driven = piece(&drive, start..start + window).spectrum().ok();
            let shakes = shakes(&spectrum, driven.as_ref());
            let power = |bin: usize| {
                let shaken = (0..3).filter(|axis| shakes[*axis][bin]);
                shaken.map(|axis| spectrum.axes[axis][bin]).sum::<f64>() as f32
            };
            spectrogram.time_s.push((part.time_s[0] + part.time_s[window - 1]) / 2.0);
            spectrogram.power.push((0..spectrum.freq_hz.len()).map(power).collect());
            // Columns differ by rounding only: the first one's frequencies stand for all.
            if spectrogram.freq_hz.is_empty() {
                spectrogram.freq_hz = spectrum.freq_hz;
            }
        }
        spectrogram
    }
}

/// Some of the samples; none where there are not so many.
fn piece(samples: &Samples, range: Range<usize>) -> Samples {
    let cut = |all: &Vec<f64>| all.get(range.clone()).unwrap_or_default().to_vec();
    Samples { time_s: cut(&samples.time_s), axes: [0, 1, 2].map(|axis| cut(&samples.axes[axis])) }
}

/// With so many times the drive's power it swings, and does not merely go where it is driven.
const OWN: f64 = 2.0;

fn shakes(spectrum: &Spectrum, drive: Option<&Spectrum>) -> [Vec<bool>; 3] {
    [0, 1, 2].map(|axis| {
        let driven = drive.map(|d| &d.axes[axis]).filter(|d| d.len() == spectrum.axes[axis].len());
        let power = spectrum.axes[axis].iter().enumerate();
        power.map(|(bin, own)| driven.is_none_or(|driven| *own >= OWN * driven[bin])).collect()
    })
}

/// Share of the vibration at each frequency that a shaper leaves, 0 to 1; the damping of what vibrates as Klipper reckons
/// with it, 0.1. `None` where the shaper cannot be made.
pub fn shaper_response(shaper: &Shaper, freq_hz: &[f64]) -> Option<Vec<f64>> {
    let pulses = AnyShaper::parse(&shaper.kind).ok()?.pulses(shaper.freq_hz, shaper.damping).ok()?;
    Some(freq_hz.iter().map(|f| pulses.residual(*f, crate::settings::DAMPING)).collect())
}
