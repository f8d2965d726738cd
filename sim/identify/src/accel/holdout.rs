//! The proof of identified modes: the same test in the twin, through host, firmware, plant and chip, against recordings
//! that nothing was fitted to.
//!
//! What the twin's own drives and chip add (a rotor on its magnetic spring, the chip's filter) is found by replaying the
//! test that was fitted, and taken out of the modes; see [`settle_in_twin`].

use std::path::{Path, PathBuf};
use std::rc::Rc;

use drydock_host::config::FileSource;
use drydock_host::files::Files;
use drydock_host::objects::resonance_tester::Sweep;
use drydock_host::shaper_calibrate::Spectrum;
use drydock_plant::Machine;
use drydock_plant::accelerometer::Mount;
use drydock_plant::frame::Mode;
use drydock_scenario::disk::{DiskSource, RealDisk};
use drydock_scenario::machine_file;
use drydock_scenario::model::{Act, MachineChanges, Scenario};
use drydock_scenario::setup::{Disk, RunOptions, prepare};

use super::checks::check;
use super::excitation::best_match;
use super::fit::{AxisFit, ModesFit, is_along_y, is_same};
use super::modal::Solution;
use super::recording::{Data, Recording};
use super::response::measure;

/// The machine that tests are replayed on.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its printer.cfg, with `[adxl345]` and `[resonance_tester]`.
    pub config: PathBuf,
    /// All else that is known of it; its modes are replaced.
    pub machine: Machine,
    pub seed: u64,
}

impl Stage {
    /// With these modes, and the chip where its owner screws it for a test along a direction: on a bed that moves.
    fn set(&self, modes: &[Mode], direction: [f64; 3]) -> Machine {
        let mut machine = Machine { modes: modes.to_vec(), ..self.machine.clone() };
        machine.sources.retain(|path, _| !path.starts_with("modes["));
        if machine.kinematics.bed_moves_y() && is_along_y(direction) {
            machine.accelerometers.iter_mut().for_each(|chip| chip.mount = Mount::Bed);
        }
        machine
    }
}

/// The real disk, and on it a machine file that is nowhere else.
struct WithMachine(String);

const MACHINE_FILE: &str = "machine of the replay";

impl FileSource for WithMachine {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if path == MACHINE_FILE { Ok(self.0.clone().into_bytes()) } else { DiskSource.read(path) }
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        DiskSource.glob(pattern)
    }
}

impl Disk for WithMachine {
    fn source(&self) -> &dyn FileSource {
        self
    }

    fn prints(&self, files: Vec<(String, PathBuf)>) -> Rc<dyn Files> {
        RealDisk.prints(files)
    }
}

/// A replay may take so long, s of the simulated printer's time.
const LONGEST_S: f64 = 900.0;
/// Peaks are looked for from here up, Hz, and up to a little past the end of the sweep or this.
const LOOK_HZ: [f64; 2] = [15.0, 130.0];
/// A mode makes a peak that is within this of it.
const NEAR: f64 = 0.12;
/// Corrections of an axis at most, and how far off, in bounds, a peak may stay. With [`TRUST`] each leaves about four tenths
/// of what was off, so that six are enough where a peak can be met at all.
const ROUNDS: usize = 6;
const NEAR_ENOUGH: f64 = 0.1;
/// Part of a correction that is taken at once: modes that overlap move each other's peaks, and a peak leaps between bins;
/// taken whole, corrections left three of four axes further off.
const TRUST: f64 = 0.7;
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

    /// How far off, in bounds.
    fn off(&self) -> f64 {
        match (self.freq_error(), self.height_error()) {
            (Some(freq), Some(height)) => freq.abs() / FREQ_WITHIN + height.abs() / HEIGHT_WITHIN,
            _ => 10.0,
        }
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
    /// How far the recording that was fitted is itself from this one: what no model of it can be better than. None where
    /// its own direction was not fitted.
    pub repeat: Option<Repeat>,
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

/// A recording that was fitted, in the place of the twin.
#[derive(Clone, Debug)]
pub struct Repeat {
    pub file: String,
    pub peaks: Vec<Compared>,
}

impl Repeat {
    pub fn ok(&self) -> bool {
        !self.peaks.is_empty() && self.peaks.iter().all(Compared::ok)
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
        machine: MachineChanges { file: Some(MACHINE_FILE.into()), ..MachineChanges::default() },
        story: vec![Act::Gcode(vec!["G28".into(), test])],
        seed: stage.seed,
        end_s: LONGEST_S,
        sample_hz: 1.0,
        ..Scenario::plain(&stage.config.to_string_lossy(), "")
    };
    let disk = WithMachine(machine_file::write(&stage.set(modes, direction))?);
    let session = prepare(&scenario, Path::new(""), &disk, &RunOptions::default()).map_err(|e| e.to_string())?;
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

/// Corrects the modes so that they are right in this machine: the test is replayed with the modes at hand, and a mode whose
/// peak comes out elsewhere or of another height than in the recordings that it was fitted to is moved by that much.
pub fn settle_in_twin(fit: &mut ModesFit, recordings: &[Recording], stage: &Stage) -> Result<(), String> {
    for k in 0..fit.axes.len() {
        let own: Vec<&Recording> = recordings.iter().filter(|r| fit.axes[k].files.contains(&r.title())).collect();
        let spectra: Vec<Spectrum> = own.iter().map(|r| spectrum_of_test(r)).collect::<Result<_, _>>()?;
        let mut best: Option<(f64, Solution)> = None;
        for round in 0..=ROUNDS {
            let modes = fit.modes();
            let axis = &mut fit.axes[k];
            let twin = replay(stage, &modes, axis.direction, &axis.sweep)?;
            let raw = own.iter().any(|r| matches!(r.data, Data::Raw(_)));
            let twin = if raw { spectrum_of_test(&twin)? } else { twin.normalised_spectrum()? };
            let range_hz = look_hz(&axis.sweep);
            let compared: Vec<Compared> = spectra.iter().flat_map(|real| compare(real, &twin, range_hz)).collect();
            let off: f64 = compared.iter().map(Compared::off).sum();
            axis.off_by_round.push(off);
            if best.as_ref().is_none_or(|(least, _)| off < *least) {
                best = Some((off, axis.solution.clone()));
            }
            if compared.iter().all(|c| c.off() < NEAR_ENOUGH) {
                break;
            }
            if round < ROUNDS {
                axis.correct(&compared).ok_or("the fit does not settle in the twin")?;
            }
        }
        // Recordings that contradict each other can lead away.
        if let Some((_, solution)) = best {
            fit.axes[k].solution = solution;
            fit.axes[k].take_modes().ok_or("the fit does not settle in the twin")?;
        }
        fit.axes[k].spectra = own.iter().map(|r| r.title()).zip(spectra).collect();
    }
    Ok(())
}

impl AxisFit {
    /// Each peak corrects the strongest mode near it; recordings that say different things are averaged.
    fn correct(&mut self, compared: &[Compared]) -> Option<()> {
        let Solution { shape, parts, .. } = &mut self.solution;
        let count = parts.len();
        let near = |freq_hz: f64, peak: &Peak| (freq_hz / peak.freq_hz - 1.0).abs() < NEAR;
        let strength: Vec<f64> = (0..count).map(|k| parts[k][0].abs() / shape.damping[k]).collect();
        // Sums of logarithms of frequency and size, and how many.
        let mut sums = vec![[0.0; 3]; count];
        for c in compared {
            let (measured, Some(twin)) = (c.measured, c.twin) else { continue };
            let close = (0..count).filter(|k| near(shape.freq_hz[*k], &measured) || near(shape.freq_hz[*k], &twin));
            let Some(k) = close.max_by(|a, b| strength[*a].total_cmp(&strength[*b])) else { continue };
            let size = libm::sqrt(measured.height / twin.height).clamp(0.7, 1.4);
            sums[k][0] += libm::log(measured.freq_hz / twin.freq_hz);
            sums[k][1] += libm::log(size);
            sums[k][2] += 1.0;
        }
        for (k, [freq, size, n]) in sums.into_iter().enumerate().filter(|(_, sum)| sum[2] > 0.0) {
            shape.freq_hz[k] *= libm::exp(TRUST * freq / n);
            parts[k].iter_mut().for_each(|r| *r *= libm::exp(TRUST * size / n));
        }
        self.take_modes()
    }
}

/// Of each direction that several recordings tell by their names the last one, to be held out; first what is to be fitted.
pub fn hold_out_last(recordings: Vec<Recording>) -> (Vec<Recording>, Vec<Recording>) {
    let alike = |a: &Recording, b: &Recording| a.direction.zip(b.direction).is_some_and(|(a, b)| is_same(a, b));
    let is_last = |i: usize| {
        let same = |others: &[Recording]| others.iter().any(|other| alike(&recordings[i], other));
        same(&recordings[..i]) && !same(&recordings[i + 1..])
    };
    let last: Vec<bool> = (0..recordings.len()).map(is_last).collect();
    let (held, fitted): (Vec<_>, Vec<_>) = recordings.into_iter().zip(last).partition(|(_, last)| *last);
    let bare = |all: Vec<(Recording, bool)>| all.into_iter().map(|(recording, _)| recording).collect();
    (bare(fitted), bare(held))
}

/// Replays the test of each recording in the twin with the fitted modes, and compares the spectra's peaks.
pub fn holdout(fit: &ModesFit, recordings: &[Recording], stage: &Stage) -> Result<Vec<HeldOut>, String> {
    recordings.iter().map(|recording| one(fit, recording, stage)).collect()
}

fn one(fit: &ModesFit, recording: &Recording, stage: &Stage) -> Result<HeldOut, String> {
    let miss = |reason: String| HeldOut {
        file: recording.title(),
        peaks: Vec::new(),
        repeat: None,
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
    let direction = measured.direction;
    let Some(axis) = fit.axes.iter().find(|a| is_same(a.direction, direction)).or_else(|| fit.spans(direction)) else {
        return Ok(miss("no recording of its direction was fitted".into()));
    };
    // How hard the test shook is known from the machine, not from what is to be predicted.
    let sweep = Sweep { accel_per_hz: axis.sweep.accel_per_hz, ..measured.sweep };
    let sweep = if matches!(recording.data, Data::Psd(_)) { axis.sweep } else { sweep };
    let twin = replay(stage, &fit.modes(), direction, &sweep)?;
    let real = spectrum_of_test(recording)?;
    let raw = matches!(recording.data, Data::Raw(_));
    let simulated = if raw { spectrum_of_test(&twin)? } else { twin.normalised_spectrum()? };
    let range_hz = look_hz(&sweep);
    let peaks = compare(&real, &simulated, range_hz);
    let own = axis.spectra.iter().filter(|_| is_same(axis.direction, direction));
    let repeats = own.map(|(file, own)| Repeat { file: file.clone(), peaks: compare(&real, own, range_hz) });
    let off = |repeat: &Repeat| repeat.peaks.iter().map(Compared::off).sum::<f64>();
    let repeat = repeats.min_by(|a, b| off(a).total_cmp(&off(b)));
    let mut reason = why_missed(&peaks);
    if let (Some(reason), Some(changed)) = (&mut reason, repeat.as_ref().and_then(|r| why_missed(&r.peaks))) {
        reason.push_str(&format!("; the machine had changed, the fitted recording itself is off: {changed}"));
    }
    let curve = (0..real.freq_hz.len())
        .take_while(|k| real.freq_hz[*k] <= 150.0)
        .map(|k| [real.freq_hz[k], real.sum[k], at(&simulated, real.freq_hz[k])])
        .collect();
    Ok(HeldOut { file: recording.title(), peaks, repeat, curve, reason })
}

/// Where a test has its peaks; the end of one that stopped early is among them.
fn look_hz(sweep: &Sweep) -> [f64; 2] {
    [LOOK_HZ[0], LOOK_HZ[1].min(sweep.max_freq_hz + 3.0)]
}

/// Spectrum from the beginning of the sweep on: how long people waited before it does not matter.
fn spectrum_of_test(recording: &Recording) -> Result<Spectrum, String> {
    let Data::Raw(samples) = &recording.data else { return recording.normalised_spectrum() };
    let start_s = best_match(samples).map_or(0.0, |found| found.start_s);
    let from = samples.partition_point(|s| s.time_s < samples[0].time_s + start_s);
    Recording { data: Data::Raw(samples[from..].to_vec()), ..recording.clone() }.normalised_spectrum()
}

fn compare(real: &Spectrum, twin: &Spectrum, range_hz: [f64; 2]) -> Vec<Compared> {
    let candidates = peaks(twin, range_hz, 0.1, 0.05);
    let nearest = |peak: &Peak| -> Option<Peak> {
        let off = |p: &Peak| (p.freq_hz / peak.freq_hz - 1.0).abs();
        candidates.iter().copied().filter(|p| off(p) < 0.1).min_by(|a, b| off(a).total_cmp(&off(b)))
    };
    let told = peaks(real, range_hz, TOLD, STANDS_OUT);
    told.into_iter().map(|measured| Compared { measured, twin: nearest(&measured) }).collect()
}

/// The first peak that is not where or as high as it should be.
fn why_missed(peaks: &[Compared]) -> Option<String> {
    let percent = |x: f64| format!("{:+.1} %", 100.0 * x);
    if peaks.is_empty() {
        return Some("the recording has no peak".into());
    }
    peaks.iter().find(|p| !p.ok()).map(|p| match (p.freq_error(), p.height_error()) {
        (Some(f), Some(h)) => {
            format!("peak at {:.1} Hz: frequency {}, height {}", p.measured.freq_hz, percent(f), percent(h))
        }
        _ => format!("peak at {:.1} Hz: there is none", p.measured.freq_hz),
    })
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
    fn the_last_of_several_tests_is_held_out() {
        let one = |name: &str| {
            let text = format!("#time,accel_x,accel_y,accel_z\n0.1,{},0,0\n", name.len());
            Recording::parse(Path::new(name), text.into_bytes()).unwrap().remove(0)
        };
        let names =
            ["raw_data_x_1.csv", "raw_data_y_1.csv", "raw_data_x_2.csv", "raw_data_x_3.csv", "some.csv", "any.csv"];
        let (fitted, held) = hold_out_last(names.into_iter().map(one).collect());
        let titles = |all: &[Recording]| all.iter().map(Recording::title).collect::<Vec<_>>();
        assert_eq!(titles(&held), ["raw_data_x_3.csv"]);
        assert_eq!(titles(&fitted), [names[0], names[1], names[2], names[4], names[5]]);
    }

    #[test]
    fn a_miss_says_why() {
        let real = spectrum(&[(48.3, 1000.0, 4.0), (80.1, 600.0, 4.0)]);
        let told = |twin: &Spectrum| why_missed(&compare(&real, twin, LOOK_HZ));
        assert_eq!(told(&spectrum(&[(48.8, 1100.0, 4.0), (79.5, 650.0, 4.0)])), None);
        assert!(told(&spectrum(&[(48.3, 1000.0, 4.0)])).unwrap().contains("80.1 Hz: there is none"));
        assert!(
            told(&spectrum(&[(50.3, 1000.0, 4.0), (80.1, 600.0, 4.0)])).unwrap().contains("48.3 Hz: frequency +4.1 %")
        );
        assert!(told(&spectrum(&[(48.3, 700.0, 4.0), (80.1, 600.0, 4.0)])).unwrap().contains("height -30"));
    }
}
