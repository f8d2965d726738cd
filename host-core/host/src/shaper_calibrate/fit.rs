//! Which input shaper suits a measured spectrum.
//!
//! # Equation
//!   vibrations = max over ζ_t of Σ max(V·P − thr, 0)/Σ max(P − thr, 0), thr = max(P)/20
//!   smoothing  = max(off90, off180): off180 = a/2·Σ A (T − t_s)²,
//!                off90 = √2·Σ_{T ≥ t_s} A (scv + a/2 (T − t_s))(T − t_s), at a = 5000 mm/s²
//!   score      = smoothing·(vibrations^1.5 + 0.2·vibrations + 0.01)
//! # Symbols
//!   P density of the normalised spectrum · V [1] residual vibration of the shaper at a frequency and damping ζ_t ·
//!   A [1], T [s] pulses of the shaper, t_s their mean delay · scv [mm/s] square corner velocity
//! # Source
//!   `facts/physics.md` section 4: the peer's definitions, so that its recommendations are met
//! # Valid for
//!   spectra of tests that swept the frequencies up to about 150 Hz
//! # Caveats
//!   a near-tie between two shapers can fall either way with the last digits of a rounded spectrum
//! # Checked by
//!   tests/shaper_peers.rs: 60 recordings and the reference recording against the peer's answers
//! # Cost
//!   about 60 ms for the five shapers; only bins above thr count, and no others are computed

use drydock_motion::shapers::{AnyShaper, Pulses};

use super::spectrum::Spectrum;

/// Shapers that are tried where nobody asks for others.
pub const TRIED: [&str; 5] = ["zv", "mzv", "ei", "2hump_ei", "3hump_ei"];
/// Damping that shapers are made for where nobody says another.
pub const DESIGN_DAMPING: f64 = 0.1;
const TESTED_DAMPING: [f64; 3] = [0.075, 0.1, 0.15];
const MAX_SHAPER_FREQ_HZ: f64 = 150.0;
const FREQ_STEP_HZ: f64 = 0.2;
/// Spectrum above this is never looked at unless the test went there.
const DEFAULT_MAX_FREQ_HZ: f64 = 200.0;
/// Acceleration at which smoothing is compared.
const SMOOTHING_ACCEL_MM_S2: f64 = 5000.0;
/// The suggested max_accel keeps smoothing at this.
const TARGET_SMOOTHING_MM: f64 = 0.12;

#[derive(Clone, Debug)]
pub struct FitOptions {
    pub square_corner_velocity_mm_s: f64,
    pub max_smoothing_mm: Option<f64>,
    pub max_freq_hz: Option<f64>,
    /// Names of the shapers to try, in this order: a later one must be clearly better.
    pub shapers: Vec<&'static str>,
    /// Damping that they are made for.
    pub damping: f64,
}

impl Default for FitOptions {
    fn default() -> Self {
        FitOptions {
            square_corner_velocity_mm_s: 5.0,
            max_smoothing_mm: None,
            max_freq_hz: None,
            shapers: TRIED.to_vec(),
            damping: DESIGN_DAMPING,
        }
    }
}

/// A shaper at the frequency that suits the spectrum best.
#[derive(Clone, Debug, PartialEq)]
pub struct ShaperFit {
    pub name: &'static str,
    pub freq_hz: f64,
    /// Damping that it is made for.
    pub damping: f64,
    /// Share of the vibration that is left, 0 to 1.
    pub vibrations: f64,
    pub smoothing_mm: f64,
    pub score: f64,
    pub max_accel_mm_s2: f64,
}

impl ShaperFit {
    /// What the terminal shows.
    pub fn report(&self) -> String {
        let ShaperFit { name, freq_hz, vibrations, smoothing_mm, .. } = self;
        let max_accel = libm::rint(self.max_accel_mm_s2 / 100.0) * 100.0;
        format!(
            "Fitted shaper '{name}' frequency = {freq_hz:.1} Hz (vibrations = {:.1}%, smoothing ~= {smoothing_mm:.3})\n\
             To avoid too much smoothing with '{name}', suggested max_accel <= {max_accel:.0} mm/sec^2",
            vibrations * 100.0
        )
    }

    /// What is left at a frequency, for the least favourable damping tested.
    pub fn response(&self, freq_hz: f64) -> f64 {
        let Some(pulses) = pulses_of(self.name, self.freq_hz, self.damping) else { return 1.0 };
        TESTED_DAMPING.iter().map(|damping| pulses.residual(freq_hz, *damping)).fold(0.0, f64::max)
    }
}

/// The answer: one fit per shaper, and which of them to use.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    pub fits: Vec<ShaperFit>,
    best: usize,
}

impl Calibration {
    /// At least one shaper must have been tried.
    pub fn recommended(&self) -> &ShaperFit {
        &self.fits[self.best]
    }
}

/// Fits every shaper to a normalised spectrum and chooses one.
pub fn find_best(spectrum: &Spectrum, options: &FitOptions) -> Calibration {
    find_best_for_all(std::slice::from_ref(spectrum), options)
}

/// The same for several recordings: what a shaper leaves is what it leaves of the worst of them.
pub fn find_best_for_all(spectra: &[Spectrum], options: &FitOptions) -> Calibration {
    let max_freq_hz = options.max_freq_hz.unwrap_or(DEFAULT_MAX_FREQ_HZ);
    let bins: Vec<LoudBins> = spectra.iter().map(|spectrum| LoudBins::new(spectrum, max_freq_hz)).collect();
    let mut fits: Vec<ShaperFit> = Vec::new();
    let mut best = 0;
    for name in options.shapers.iter().copied() {
        let Some((tried, fit)) = fit_shaper(name, &bins, options) else { continue };
        let Some(old) = fits.get(best) else {
            fits.push(fit);
            continue;
        };
        let calmer = fit.score * 1.05 < old.score && fit.smoothing_mm * 1.1 < old.smoothing_mm;
        let better = fit.score * 1.2 < old.score || calmer;
        // Not better at the frequency of its best score, but perhaps at another one in every respect.
        let outdoing = if better { None } else { outdoing(&tried, old) };
        if better || outdoing.is_some() {
            best = fits.len();
        }
        fits.push(outdoing.cloned().unwrap_or(fit));
    }
    let scv = options.square_corner_velocity_mm_s;
    let fits: Vec<ShaperFit> = fits.into_iter().map(|fit| with_max_accel(fit, scv)).collect();
    // zv depends on an exact frequency more than any other: the first one that does clearly better goes before it.
    if fits.get(best).is_some_and(|fit| fit.name == "zv")
        && let Some(better) = fits.iter().position(|f| f.name != "zv" && f.vibrations * 1.1 < fits[best].vibrations)
    {
        best = better;
    }
    Calibration { fits, best }
}

fn pulses_of(name: &str, freq_hz: f64, damping: f64) -> Option<Pulses> {
    AnyShaper::parse(name).ok()?.pulses(freq_hz, damping).ok()
}

/// The bins that count: a bin at or below the threshold adds nothing, whatever the shaper (V is at most 1).
struct LoudBins {
    bins: Vec<(f64, f64)>,
    threshold: f64,
    total: f64,
}

impl LoudBins {
    fn new(spectrum: &Spectrum, max_freq_hz: f64) -> LoudBins {
        let seen = || spectrum.freq_hz.iter().zip(&spectrum.sum).filter(|(f, _)| **f <= max_freq_hz);
        let threshold = seen().map(|(_, p)| *p).fold(0.0, f64::max) / 20.0;
        let bins: Vec<(f64, f64)> = seen().filter(|(_, p)| **p > threshold).map(|(f, p)| (*f, *p)).collect();
        let total = bins.iter().map(|(_, p)| p - threshold).sum();
        LoudBins { bins, threshold, total }
    }

    /// Share of the vibration that the shaper leaves, for the least favourable damping.
    fn remaining(&self, pulses: &Pulses) -> f64 {
        if self.total <= 0.0 {
            return 0.0;
        }
        let left = |damping: f64| -> f64 {
            let left = self.bins.iter().map(|(f, p)| (pulses.residual(*f, damping) * p - self.threshold).max(0.0));
            left.sum::<f64>() / self.total
        };
        TESTED_DAMPING.iter().map(|damping| left(*damping)).fold(0.0, f64::max)
    }
}

/// Going up in frequency, each that leaves less vibration and smooths less than `old` and all taken before it.
fn outdoing<'a>(tried: &'a [ShaperFit], old: &ShaperFit) -> Option<&'a ShaperFit> {
    let mut taken: Option<&'a ShaperFit> = None;
    for fit in tried.iter().rev() {
        let rival: &ShaperFit = taken.unwrap_or(old);
        if fit.vibrations < rival.vibrations && fit.smoothing_mm < rival.smoothing_mm {
            taken = Some(fit);
        }
    }
    taken
}

/// All tried frequencies from high to low, and the one to use.
fn fit_shaper(name: &'static str, bins: &[LoudBins], options: &FitOptions) -> Option<(Vec<ShaperFit>, ShaperFit)> {
    let min_freq_hz = AnyShaper::parse(name).ok()?.min_tuned_freq_hz();
    let scv = options.square_corner_velocity_mm_s;
    let count = libm::ceil((MAX_SHAPER_FREQ_HZ - min_freq_hz) / FREQ_STEP_HZ - 1e-9) as usize;
    let mut tried: Vec<ShaperFit> = Vec::with_capacity(count);
    let mut least = 0;
    for i in (0..count).rev() {
        let freq_hz = min_freq_hz + i as f64 * FREQ_STEP_HZ;
        let Some(pulses) = pulses_of(name, freq_hz, options.damping) else { continue };
        let smoothing_mm = smoothing(&pulses, SMOOTHING_ACCEL_MM_S2, scv);
        if options.max_smoothing_mm.is_some_and(|max| smoothing_mm > max) && !tried.is_empty() {
            // Lower frequencies smooth even more; what is left is the one with the least vibrations so far.
            let fit = tried[least].clone();
            return Some((tried, fit));
        }
        let vibrations = bins.iter().map(|bins| bins.remaining(&pulses)).fold(0.0, f64::max);
        let score = smoothing_mm * (vibrations * vibrations.sqrt() + 0.2 * vibrations + 0.01);
        tried.push(ShaperFit {
            name,
            freq_hz,
            damping: options.damping,
            vibrations,
            smoothing_mm,
            score,
            max_accel_mm_s2: 0.0,
        });
        if vibrations < tried[least].vibrations {
            least = tried.len() - 1;
        }
    }
    let mut chosen = tried.get(least)?;
    let enough = chosen.vibrations * 1.1 + 0.0005;
    for fit in tried.iter().rev() {
        if fit.vibrations < enough && fit.score < chosen.score {
            chosen = fit;
        }
    }
    let fit = chosen.clone();
    Some((tried, fit))
}

/// How far a corner is rounded, mm: the worse of a 90 degree turn and a reversal.
pub fn smoothing(pulses: &Pulses, accel_mm_s2: f64, scv_mm_s: f64) -> f64 {
    let (half, mean_s) = (0.5 * accel_mm_s2, pulses.mean_delay_s());
    let (mut turn, mut reversal) = (0.0, 0.0);
    for (a, t_s) in pulses.a.iter().zip(&pulses.t_s) {
        let late_s = t_s - mean_s;
        if late_s >= 0.0 {
            turn += a * (scv_mm_s + half * late_s) * late_s;
        }
        reversal += a * half * late_s * late_s;
    }
    (turn * std::f64::consts::SQRT_2).max(reversal)
}

fn with_max_accel(fit: ShaperFit, scv_mm_s: f64) -> ShaperFit {
    let max_accel_mm_s2 =
        pulses_of(fit.name, fit.freq_hz, fit.damping).map_or(0.0, |pulses| max_accel(&pulses, scv_mm_s));
    ShaperFit { max_accel_mm_s2, ..fit }
}

/// The largest acceleration whose smoothing is not above the target. Smoothing grows with acceleration.
pub fn max_accel(pulses: &Pulses, scv_mm_s: f64) -> f64 {
    let fits = |accel: f64| smoothing(pulses, accel, scv_mm_s) <= TARGET_SMOOTHING_MM;
    if !fits(0.0) {
        return 0.0;
    }
    let mut low = 0.0;
    let mut high = 1.0;
    while fits(high) && high < 1e12 {
        low = high;
        high *= 2.0;
    }
    while high - low > 1e-8 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if fits(middle) { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A single mode under a sweep, as a normalised spectrum.
    fn one_mode(freq_hz: f64, damping: f64) -> Spectrum {
        let f: Vec<f64> = (0..=128).map(|k| f64::from(k) * 1.5625).collect();
        let power = |f: &f64| {
            let r = f / freq_hz;
            let gain2 = 1.0 / ((1.0 - r * r) * (1.0 - r * r) + 4.0 * damping * damping * r * r);
            if *f < 5.0 { 0.0 } else { f * gain2 }
        };
        let x: Vec<f64> = f.iter().map(power).collect();
        Spectrum::from_axes(f, [x, vec![0.0; 129], vec![0.0; 129]])
    }

    #[test]
    fn zv_finds_a_planted_mode() {
        for mode in [37.0, 48.0, 70.0] {
            let answer = find_best(&one_mode(mode, 0.06), &FitOptions::default());
            let zv = &answer.fits[0];
            assert!((zv.freq_hz - mode).abs() <= 0.8, "{zv:?}");
            assert!(answer.fits.iter().all(|f| f.max_accel_mm_s2 > 0.0 && f.vibrations < 0.2), "{:?}", answer.fits);
        }
    }

    #[test]
    fn smoothing_at_50_hz_and_max_accel_have_their_published_values() {
        // facts/physics.md 2.1, damping 0.1.
        let expected =
            [("zv", 0.068, 9743.0), ("mzv", 0.082, 7365.0), ("ei", 0.132, 4552.0), ("3hump_ei", 0.362, 1533.0)];
        for (name, mm, accel) in expected {
            let pulses = pulses_of(name, 50.0, DESIGN_DAMPING).unwrap();
            assert!((smoothing(&pulses, 5000.0, 5.0) - mm).abs() < 6e-4, "{name}");
            assert!((max_accel(&pulses, 5.0) / accel - 1.0).abs() < 2e-4, "{name} {}", max_accel(&pulses, 5.0));
        }
    }

    #[test]
    fn max_smoothing_is_kept() {
        let options = FitOptions { max_smoothing_mm: Some(0.1), ..FitOptions::default() };
        let answer = find_best(&one_mode(40.0, 0.06), &options);
        assert!(answer.fits.iter().all(|f| f.smoothing_mm <= 0.1), "{:?}", answer.fits);
    }

    #[test]
    fn silence_has_an_answer_too() {
        let quiet = Spectrum::from_axes(vec![0.0, 1.0], [vec![0.0; 2], vec![0.0; 2], vec![0.0; 2]]);
        assert_eq!(find_best(&quiet, &FitOptions::default()).fits.len(), 5);
    }

    #[test]
    fn the_report_has_klippers_form() {
        let fit = ShaperFit {
            name: "mzv",
            freq_hz: 49.0,
            damping: DESIGN_DAMPING,
            vibrations: 0.0004,
            smoothing_mm: 0.0849,
            score: 0.0,
            max_accel_mm_s2: 7149.0,
        };
        assert_eq!(
            fit.report(),
            "Fitted shaper 'mzv' frequency = 49.0 Hz (vibrations = 0.0%, smoothing ~= 0.085)\n\
             To avoid too much smoothing with 'mzv', suggested max_accel <= 7100 mm/sec^2"
        );
    }
}
