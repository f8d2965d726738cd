//! The proof of identified modes: the same test in the twin, through host, firmware, plant and chip, against recordings
//! that nothing was fitted to.
//!
//! What the twin's own drives and chip add (a rotor on its magnetic spring, the chip's filter) is measured by replaying the
//! test and taken out of what the modes must explain; see [`settle_in_twin`].

use std::path::{Path, PathBuf};

use drydock_host::objects::resonance_tester::Sweep;
use drydock_host::shaper_calibrate::Spectrum;
use drydock_plant::frame::Mode;
use drydock_scenario::disk::RealDisk;
use drydock_scenario::model::{Act, MachineChanges, Scenario};
use drydock_scenario::setup::{RunOptions, prepare};

use super::checks::check;
use super::excitation::best_match;
use super::fit::{AxisFit, ModesFit};
use super::modal::{self, C, Response};
use super::recording::{Data, Psd, Recording};
use super::response::{dot, measure};

/// The machine that tests are replayed on.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its printer.cfg, with `[adxl345]` and `[resonance_tester]`.
    pub config: PathBuf,
    /// What else is known of it; its modes are replaced.
    pub machine: MachineChanges,
    pub seed: u64,
}

/// A replay may take so long, s of the simulated printer's time.
const LONGEST_S: f64 = 900.0;
/// Peaks are looked for from here up, Hz, and up to the end of the sweep or this.
const LOOK_HZ: [f64; 2] = [15.0, 130.0];
/// A peak is told of from this part of the highest, and if it stands out by this part of itself.
const TOLD: f64 = 0.4;
const STANDS_OUT: f64 = 0.3;
pub const FREQ_WITHIN: f64 = 0.02;
pub const HEIGHT_WITHIN: f64 = 0.2;

/// A peak of a spectrum divided by frequency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    pub freq_hz: f64,
    pub height: f64,
}

/// A peak of the recording, and the twin's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    pub measured: Peak,
    /// The nearest one; none if the twin has no peak within 10 %.
    pub twin: Option<Peak>,
}

impl Compared {
    pub fn freq_error(&self) -> Option<f64> {
        self.twin.map(|twin| twin.freq_hz / self.measured.freq_hz - 1.0)
    }

    pub fn height_error(&self) -> Option<f64> {
        self.twin.map(|twin| twin.height / self.measured.height - 1.0)
    }

    pub fn ok(&self) -> bool {
        let within = |error: Option<f64>, bound: f64| error.is_some_and(|e| e.abs() <= bound);
        within(self.freq_error(), FREQ_WITHIN) && within(self.height_error(), HEIGHT_WITHIN)
    }
}

/// One held-out recording against the twin.
#[derive(Clone, Debug)]
pub struct HeldOut {
    pub file: String,
    /// Highest first.
    pub peaks: Vec<Compared>,
    /// Densities over frequency of recording and twin, for a plot: frequency, recording, twin.
    pub curve: Vec<[f64; 3]>,
    /// Why it is a miss, in words.
    pub reason: Option<String>,
}

impl HeldOut {
    pub fn ok(&self) -> bool {
        self.reason.is_none()
    }
}

/// Runs a resonance test in the twin and returns what its chip recorded.
pub fn replay(stage: &Stage, modes: &[Mode], direction: [f64; 3], sweep: &Sweep) -> Result<Recording, String> {
    let axis = match direction {
        [1.0, 0.0, 0.0] => "X".to_string(),
        [0.0, 1.0, 0.0] => "Y".to_string(),
        [0.0, 0.0, 1.0] => "Z".to_string(),
        [x, y, z] => format!("{x:.4},{y:.4},{z:.4}"),
    };
    let Sweep { min_freq_hz, max_freq_hz, accel_per_hz, hz_per_s, sway_accel_mm_s2, sway_period_s } = sweep;
    let test = format!(
        "TEST_RESONANCES AXIS={axis} OUTPUT=raw_data NAME=replay FREQ_START={min_freq_hz:.3} FREQ_END={max_freq_hz:.3} \
         ACCEL_PER_HZ={accel_per_hz:.4} HZ_PER_SEC={hz_per_s} SWEEPING_ACCEL={sway_accel_mm_s2:.1} \
         SWEEPING_PERIOD={sway_period_s:.3}"
    );
    let scenario = Scenario {
        machine: MachineChanges { modes: Some(modes.to_vec()), ..stage.machine.clone() },
        story: vec![Act::Gcode(vec!["G28".into(), test])],
        seed: stage.seed,
        end_s: LONGEST_S,
        sample_hz: 1.0,
        ..Scenario::plain(&stage.config.to_string_lossy(), "")
    };
    let session = prepare(&scenario, Path::new(""), &RealDisk, &RunOptions::default()).map_err(|e| e.to_string())?;
    let outcome = session.run(|_| true).map_err(|e| e.to_string())?;
    if let Some(why) = outcome.shutdown.or_else(|| outcome.errors.first().cloned()) {
        return Err(format!("the replay of the test failed: {why}"));
    }
    let raw = outcome.files.into_iter().find(|(path, _)| path.contains("raw_data"));
    let (path, content) = raw.ok_or("the replay wrote no raw data; does the printer.cfg have [adxl345]?")?;
    let mut all = Recording::parse(Path::new(&path), content).map_err(|e| e.to_string())?;
    let mut recording = all.pop().ok_or("the replay wrote no raw data")?;
    recording.direction = Some(direction);
    Ok(recording)
}

/// Fits the modes again so that they are right in this machine: what its drives and its chip do to the test, found by
/// replaying it with the modes at hand, is divided out of what was measured. Two rounds are enough.
pub fn settle_in_twin(
    fit: &mut ModesFit,
    recordings: &[Recording],
    stage: &Stage,
    rounds: usize,
) -> Result<(), String> {
    for k in 0..fit.axes.len() {
        let original = fit.axes[k].responses.clone();
        let from_spectra = recordings
            .iter()
            .filter(|r| fit.axes[k].files.contains(&r.title()))
            .all(|r| matches!(r.data, Data::Psd(_)));
        for _ in 0..rounds {
            let others = fit.modes();
            let axis = &mut fit.axes[k];
            let twin = replay(stage, &others, axis.direction, &axis.sweep)?;
            let added = added_by_twin(axis, &twin, from_spectra)?;
            axis.responses = original.iter().map(|response| without(response, &added)).collect();
            let solved = modal::refine(&axis.responses, &axis.solution.shape);
            axis.solution = solved.ok_or("the fit does not settle in the twin")?;
            axis.settle().ok_or("the fit does not settle in the twin")?;
        }
    }
    Ok(())
}

/// Response of the twin's chip over that of the modes alone, by frequency.
fn added_by_twin(axis: &AxisFit, twin: &Recording, from_spectra: bool) -> Result<Vec<(f64, C)>, String> {
    let twin = if from_spectra { as_spectrum(twin)? } else { twin.clone() };
    let excitation = match &twin.data {
        Data::Raw(samples) => best_match(samples),
        Data::Psd(_) => None,
    };
    let measured = measure(&twin, excitation.as_ref(), [8.0, 180.0])?;
    let felt = &measured.whole;
    // The fit of the delay keeps the phases of both comparable.
    let mut shape = axis.solution.shape.clone();
    shape.delay_s = vec![0.0];
    let start = (-8..=8).map(|k| {
        let mut moved = shape.clone();
        moved.delay_s = vec![f64::from(k) * 5e-4];
        moved
    });
    let best = start
        .filter_map(|shape| modal::solve(std::slice::from_ref(felt), &shape))
        .min_by(|a, b| a.residual.total_cmp(&b.residual))
        .ok_or("the replay cannot be compared")?;
    let (gain, delay_s) = (axis.solution.gain.abs(), best.shape.delay_s[0]);
    let sign = axis.solution.gain.signum();
    let parts: Vec<[f64; 3]> = axis.solution.parts.iter().map(|p| p.map(|r| r * sign)).collect();
    let added = felt.freq_hz.iter().enumerate().map(|(i, f)| {
        let planted = axis.solution.shape.response(gain, &parts, *f, delay_s)[0];
        let ratio = felt.h[0][i] / planted;
        let size = ratio.norm();
        (*f, if size > 1e-9 { ratio / size * size.clamp(0.4, 2.5) } else { C::new(1.0, 0.0) })
    });
    Ok(added.collect())
}

fn as_spectrum(recording: &Recording) -> Result<Recording, String> {
    let Data::Raw(samples) = &recording.data else { return Ok(recording.clone()) };
    let spectrum = Spectrum::from_samples(samples).map_err(|e| e.to_string())?;
    let seen = spectrum.freq_hz.partition_point(|f| *f <= 200.0);
    let cut = |v: &Vec<f64>| v[..seen].to_vec();
    let psd = Psd {
        freq_hz: cut(&spectrum.freq_hz),
        axes: std::array::from_fn(|axis| cut(&spectrum.axes[axis])),
        sum: cut(&spectrum.sum),
        normalised: false,
    };
    Ok(Recording { data: Data::Psd(psd), ..recording.clone() })
}

/// A response divided by what the twin adds, which is taken over a few neighbours so that its noise stays out.
fn without(response: &Response, added: &[(f64, C)]) -> Response {
    let mean = |f: f64| -> C {
        let half = 0.02 * f;
        let (low, high) = (added.partition_point(|a| a.0 < f - half), added.partition_point(|a| a.0 <= f + half));
        let near = &added[low.min(added.len() - 1)..high.max(low + 1).min(added.len())];
        let sum: C = near.iter().map(|a| a.1).sum();
        if near.is_empty() { C::new(1.0, 0.0) } else { sum / near.len() as f64 }
    };
    let mut out = response.clone();
    for (i, f) in response.freq_hz.iter().enumerate() {
        let added = mean(*f);
        out.h.iter_mut().for_each(|h| h[i] /= added);
    }
    out
}

/// Replays the test of each recording in the twin with the fitted modes, and compares the spectra's peaks.
pub fn holdout(fit: &ModesFit, recordings: &[Recording], stage: &Stage) -> Result<Vec<HeldOut>, String> {
    recordings.iter().map(|recording| one(fit, recording, stage)).collect()
}

fn one(fit: &ModesFit, recording: &Recording, stage: &Stage) -> Result<HeldOut, String> {
    let miss = |reason: String| HeldOut {
        file: recording.title(),
        peaks: Vec::new(),
        curve: Vec::new(),
        reason: Some(reason),
    };
    let checked = check(recording);
    if let Some(refusal) = checked.refusal() {
        return Ok(miss(refusal.to_string()));
    }
    let range_hz = [12.0, 130.0];
    let measured = match measure(recording, checked.excitation.as_ref(), range_hz) {
        Ok(measured) => measured,
        Err(why) => return Ok(miss(why)),
    };
    let Some(axis) = fit.axes.iter().find(|a| dot(a.direction, measured.direction).abs() > 0.99) else {
        return Ok(miss("no recording of its direction was fitted".into()));
    };
    // How hard the test shook is known from the machine, not from what is to be predicted.
    let sweep = Sweep { accel_per_hz: axis.sweep.accel_per_hz, ..measured.sweep };
    let sweep = if matches!(recording.data, Data::Psd(_)) { axis.sweep } else { sweep };
    let twin = replay(stage, &fit.modes(), axis.direction, &sweep)?;
    let real = shaken_spectrum(recording, checked.excitation.as_ref().map(|e| e.start_s))?;
    let start_s = match &twin.data {
        Data::Raw(samples) => best_match(samples).map(|e| e.start_s),
        Data::Psd(_) => None,
    };
    let raw = matches!(recording.data, Data::Raw(_));
    let simulated = shaken_spectrum(&twin, start_s.filter(|_| raw))?;
    Ok(compare(recording.title(), &real, &simulated, [LOOK_HZ[0], LOOK_HZ[1].min(sweep.max_freq_hz + 3.0)]))
}

/// Spectrum from the beginning of the sweep on: how long people waited before it does not matter.
fn shaken_spectrum(recording: &Recording, start_s: Option<f64>) -> Result<Spectrum, String> {
    match (&recording.data, start_s) {
        (Data::Raw(samples), Some(start_s)) => {
            let first_s = samples.first().map_or(0.0, |s| s.time_s);
            let from = samples.partition_point(|s| s.time_s < first_s + start_s);
            let data = Data::Raw(samples[from..].to_vec());
            Recording { data, ..recording.clone() }.normalised_spectrum()
        }
        _ => recording.normalised_spectrum(),
    }
}

fn compare(file: String, real: &Spectrum, twin: &Spectrum, range_hz: [f64; 2]) -> HeldOut {
    let candidates = peaks(twin, range_hz, 0.1, 0.05);
    let nearest = |peak: &Peak| -> Option<Peak> {
        let off = |p: &Peak| (p.freq_hz / peak.freq_hz - 1.0).abs();
        candidates.iter().copied().filter(|p| off(p) < 0.1).min_by(|a, b| off(a).total_cmp(&off(b)))
    };
    let peaks: Vec<Compared> = peaks(real, range_hz, TOLD, STANDS_OUT)
        .into_iter()
        .map(|measured| Compared { measured, twin: nearest(&measured) })
        .collect();
    let curve = (0..real.freq_hz.len())
        .take_while(|k| real.freq_hz[*k] <= 150.0)
        .map(|k| [real.freq_hz[k], real.sum[k], at(twin, real.freq_hz[k])])
        .collect();
    let percent = |x: f64| format!("{:+.1} %", 100.0 * x);
    let reason = match peaks.iter().find(|p| !p.ok()) {
        _ if peaks.is_empty() => Some("the recording has no peak".into()),
        None => None,
        Some(p) => Some(match (p.freq_error(), p.height_error()) {
            (Some(f), Some(h)) => {
                format!("peak at {:.1} Hz: frequency {}, height {}", p.measured.freq_hz, percent(f), percent(h))
            }
            _ => format!("peak at {:.1} Hz: the twin has none there", p.measured.freq_hz),
        }),
    };
    HeldOut { file, peaks, curve, reason }
}

fn at(spectrum: &Spectrum, freq_hz: f64) -> f64 {
    let above = spectrum.freq_hz.partition_point(|f| *f <= freq_hz).clamp(1, spectrum.freq_hz.len() - 1);
    let (a, b) = (spectrum.freq_hz[above - 1], spectrum.freq_hz[above]);
    let part = ((freq_hz - a) / (b - a)).clamp(0.0, 1.0);
    spectrum.sum[above - 1] + part * (spectrum.sum[above] - spectrum.sum[above - 1])
}

/// Peaks of the sum over the axes, highest first; place and height by a parabola through the logarithms of three bins.
pub fn peaks(spectrum: &Spectrum, range_hz: [f64; 2], told: f64, stands_out: f64) -> Vec<Peak> {
    let from = spectrum.freq_hz.partition_point(|f| *f < range_hz[0]);
    let to = spectrum.freq_hz.partition_point(|f| *f <= range_hz[1]);
    let Some(p) = spectrum.sum.get(from..to).filter(|p| p.len() > 2) else { return Vec::new() };
    let highest = p.iter().fold(0.0, |a: f64, b| a.max(*b));
    // The lowest on the way to something higher, or to the end.
    let foot = |heights: &mut dyn Iterator<Item = &f64>, own: f64| {
        heights.take_while(|h| **h <= own).fold(own, |a: f64, b| a.min(*b))
    };
    let mut found = Vec::new();
    for i in 1..p.len() - 1 {
        if p[i] <= p[i - 1] || p[i] < p[i + 1] || p[i] < told * highest {
            continue;
        }
        let base = foot(&mut p[..i].iter().rev(), p[i]).max(foot(&mut p[i + 1..].iter(), p[i]));
        if p[i] - base < stands_out * p[i] {
            continue;
        }
        let [a, b, c] = [p[i - 1], p[i], p[i + 1]].map(|v| libm::log(v.max(1e-300)));
        let bend = a - 2.0 * b + c;
        let shift = if bend < 0.0 { 0.5 * (a - c) / bend } else { 0.0 };
        let step_hz = spectrum.freq_hz[from + i + 1] - spectrum.freq_hz[from + i];
        let height = libm::exp(b - 0.25 * (a - c) * shift);
        found.push(Peak { freq_hz: spectrum.freq_hz[from + i] + shift * step_hz, height });
    }
    found.sort_by(|a, b| b.height.total_cmp(&a.height));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spectrum(peaks: &[(f64, f64, f64)]) -> Spectrum {
        let freq_hz: Vec<f64> = (0..130).map(|k| 1.56 * f64::from(k)).collect();
        let bump = |f: f64| peaks.iter().map(|(at, h, w)| h * libm::exp(-((f - at) / w) * ((f - at) / w))).sum::<f64>();
        let sum: Vec<f64> = freq_hz.iter().map(|f| 1.0 + bump(*f)).collect();
        let zero = vec![0.0; freq_hz.len()];
        Spectrum::from_axes(freq_hz, [sum, zero.clone(), zero])
    }

    #[test]
    fn peaks_are_found_between_the_bins() {
        let found = peaks(&spectrum(&[(48.3, 1000.0, 4.0), (80.1, 600.0, 4.0), (100.0, 50.0, 4.0)]), LOOK_HZ, 0.4, 0.3);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!((found[0].freq_hz - 48.3).abs() < 0.05 && (found[0].height / 1001.0 - 1.0).abs() < 0.01, "{found:?}");
        assert!((found[1].freq_hz - 80.1).abs() < 0.05, "{found:?}");
    }

    #[test]
    fn a_miss_says_why() {
        let real = spectrum(&[(48.3, 1000.0, 4.0), (80.1, 600.0, 4.0)]);
        let told = |twin: &Spectrum| compare("f".into(), &real, twin, LOOK_HZ).reason;
        assert_eq!(told(&spectrum(&[(48.8, 1100.0, 4.0), (79.5, 650.0, 4.0)])), None);
        assert!(told(&spectrum(&[(48.3, 1000.0, 4.0)])).unwrap().contains("80.1 Hz: the twin has none"));
        assert!(
            told(&spectrum(&[(50.3, 1000.0, 4.0), (80.1, 600.0, 4.0)])).unwrap().contains("48.3 Hz: frequency +4.1 %")
        );
        assert!(told(&spectrum(&[(48.3, 700.0, 4.0), (80.1, 600.0, 4.0)])).unwrap().contains("height -30"));
    }
}
