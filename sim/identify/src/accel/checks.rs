//! Whether a recording is what it should be: each fault has a name, and what to do about it.

use drydock_analysis::fft::Complex;
use drydock_host::shaper_calibrate::Sample;

use super::excitation::{self, Excitation};
use super::recording::{Data, Psd, Recording, unit};
use super::response::dot;

/// What is wrong, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Empty,
    TooShort,
    NotFinite,
    UnevenTimes,
    WrongRate,
    LowRate,
    Gaps,
    WrongUnits,
    NoGravity,
    Clipped,
    Hum,
    NoiseOnly,
    NoSweep,
    EndedEarly,
    WrongAxis,
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Fault::Empty => "empty",
            Fault::TooShort => "too short",
            Fault::NotFinite => "not a number",
            Fault::UnevenTimes => "uneven times",
            Fault::WrongRate => "wrong rate",
            Fault::LowRate => "low rate",
            Fault::Gaps => "gaps",
            Fault::WrongUnits => "wrong units",
            Fault::NoGravity => "no gravity",
            Fault::Clipped => "clipped",
            Fault::Hum => "hum",
            Fault::NoiseOnly => "noise only",
            Fault::NoSweep => "no sweep",
            Fault::EndedEarly => "ended early",
            Fault::WrongAxis => "wrong axis",
        }
    }
}

/// One fault of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub fault: Fault,
    /// Nothing may be fitted to it. Others are told and lived with.
    pub refused: bool,
    /// What was seen, and what to do.
    pub text: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.fault.name(), self.text)
    }
}

/// What the checks found.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    pub findings: Vec<Finding>,
    /// The sweep, if the recording is raw and has one.
    pub excitation: Option<Excitation>,
}

impl Checked {
    pub fn refusal(&self) -> Option<&Finding> {
        self.findings.iter().find(|f| f.refused)
    }

    fn refuse(&mut self, fault: Fault, text: impl Into<String>) {
        self.findings.push(Finding { fault, refused: true, text: text.into() });
    }

    fn flag(&mut self, fault: Fault, text: impl Into<String>) {
        self.findings.push(Finding { fault, refused: false, text: text.into() });
    }
}

const GRAVITY_MM_S2: f64 = 9806.65;
const SHORTEST_S: f64 = 4.0;
/// A sweep that goes on to here shows the modes that matter.
const FAR_ENOUGH_HZ: f64 = 100.0;
/// Sweeps that are felt with less, mm/s² per Hz, are felt through something else.
const WEAKEST: f64 = 8.0;
/// Rate that hum is looked for at, at least.
const HUM_RATE_HZ: f64 = 700.0;

/// Every fault of a recording. One that makes the rest meaningless ends the search.
pub fn check(recording: &Recording) -> Checked {
    let mut checked = Checked::default();
    match &recording.data {
        Data::Raw(samples) => check_raw(&mut checked, samples, recording.direction),
        Data::Psd(psd) => check_psd(&mut checked, psd, recording.direction),
    }
    checked
}

fn check_raw(out: &mut Checked, samples: &[Sample], direction: Option<[f64; 3]>) {
    let finite = |s: &Sample| s.time_s.is_finite() && s.accel_mm_s2.iter().all(|a| a.is_finite());
    if samples.is_empty() {
        return out.refuse(Fault::Empty, "there is no sample in it; record the test again");
    }
    if let Some(i) = samples.iter().position(|s| !finite(s)) {
        return out.refuse(Fault::NotFinite, format!("sample {} is no number; record the test again", i + 1));
    }
    if !check_times(out, samples) {
        return;
    }
    let swing = Swing::of(samples);
    if !check_units(out, &swing) {
        return;
    }
    for axis in 0..3 {
        check_clipping(out, samples, axis, &swing);
    }
    let best = excitation::best_match(samples);
    check_hum(out, samples, best.as_ref());
    match best {
        Some(found) if found.is_sure() => {
            check_sweep(out, &found, direction);
            out.excitation = Some(found);
        }
        other => no_sweep(out, &swing, other.map_or(0.0, |b| b.correlation)),
    }
}

/// Sorted steps between samples, s; false if nothing more can be said.
fn check_times(out: &mut Checked, samples: &[Sample]) -> bool {
    let mut steps: Vec<f64> = samples.windows(2).map(|p| p[1].time_s - p[0].time_s).collect();
    let span_s: f64 = steps.iter().sum();
    let backwards = steps.iter().filter(|s| **s <= 0.0).count();
    if samples.len() < 100 {
        out.refuse(
            Fault::TooShort,
            format!("it has {} samples; a test has over 100,000: record it again", samples.len()),
        );
        return false;
    }
    if backwards * 1000 > steps.len() || span_s <= 0.0 {
        let text =
            format!("{backwards} times do not run forward; the file is put together wrongly: record the test again");
        out.refuse(Fault::UnevenTimes, text);
        return false;
    }
    if backwards > 0 {
        out.flag(Fault::UnevenTimes, format!("{backwards} of {} times do not run forward", steps.len()));
    }
    steps.sort_by(f64::total_cmp);
    let usual_s = steps[steps.len() / 2];
    let rate_hz = 1.0 / usual_s.max(1e-12);
    if !(250.0..=20_000.0).contains(&rate_hz) {
        let text = format!(
            "{rate_hz:.1} samples a second; a chip of a resonance test gives 400 to 6700: are the times in seconds, \
             and is `rate` of the chip right?"
        );
        out.refuse(Fault::WrongRate, text);
        return false;
    }
    if span_s < SHORTEST_S {
        let text = format!("it lasts {span_s:.1} s; a resonance test lasts over a minute: record a whole test");
        out.refuse(Fault::TooShort, text);
        return false;
    }
    if rate_hz < 1000.0 {
        let text = format!(
            "{rate_hz:.0} samples a second: nothing above {:.0} Hz is seen, and what is there is folded below; \
             set `rate: 3200` of the chip or use another",
            rate_hz / 2.0
        );
        out.flag(Fault::LowRate, text);
    }
    let gaps: Vec<f64> = steps.iter().copied().filter(|s| *s > 3.0 * usual_s).collect();
    let lost_s: f64 = gaps.iter().sum();
    let longest_ms = gaps.last().copied().unwrap_or(0.0) * 1e3;
    if lost_s > 0.02 * span_s {
        let text = format!(
            "{} gaps, {lost_s:.1} s in all, the longest {longest_ms:.0} ms; the bus or the computer could not follow: \
             shorten the wires or lower the rate, and record again",
            gaps.len()
        );
        out.refuse(Fault::Gaps, text);
    } else if !gaps.is_empty() {
        out.flag(Fault::Gaps, format!("{} gaps of up to {longest_ms:.1} ms between samples", gaps.len()));
    }
    let uneven = steps.iter().filter(|s| (**s / usual_s - 1.0).abs() > 0.25).count();
    if uneven * 20 > steps.len() {
        let text = format!(
            "{:.0} % of the steps between samples are off by more than a quarter; spectra of such data are wrong: record again",
            100.0 * uneven as f64 / steps.len() as f64
        );
        out.refuse(Fault::UnevenTimes, text);
    }
    out.refusal().is_none()
}

fn means(samples: &[Sample]) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for s in samples {
        sums.iter_mut().zip(s.accel_mm_s2).for_each(|(sum, a)| *sum += a);
    }
    sums.map(|sum| sum / samples.len() as f64)
}

/// Mean of each axis, and how far it goes from it, rms.
struct Swing {
    mean: [f64; 3],
    deviation: [f64; 3],
}

impl Swing {
    fn of(samples: &[Sample]) -> Swing {
        let mean = means(samples);
        let mut squares = [0.0; 3];
        for s in samples {
            squares.iter_mut().zip(s.accel_mm_s2.iter().zip(mean)).for_each(|(q, (a, m))| *q += (a - m) * (a - m));
        }
        Swing { mean, deviation: squares.map(|q| libm::sqrt(q / samples.len() as f64)) }
    }

    fn most(&self) -> f64 {
        self.deviation.iter().fold(0.0, |a: f64, b| a.max(*b))
    }
}

/// Gravity is in every sample, and is known.
fn check_units(out: &mut Checked, swing: &Swing) -> bool {
    let gravity = libm::sqrt(dot(swing.mean, swing.mean));
    let known = [("g", GRAVITY_MM_S2), ("m/s²", 1000.0), ("mg", GRAVITY_MM_S2 / 1000.0), ("cm/s²", 10.0)];
    let near = |scale: f64| (gravity * scale / GRAVITY_MM_S2 - 1.0).abs() < 0.2;
    if let Some((unit, scale)) = known.into_iter().find(|(_, scale)| near(*scale)) {
        // Data without gravity may have an offset of that size, but then they swing by far more.
        if swing.most() < 8.0 * gravity {
            let text = format!("gravity reads {gravity:.3}, so this is {unit}; multiply by {scale} for mm/s²");
            out.refuse(Fault::WrongUnits, text);
            return false;
        }
    }
    if gravity < 0.3 * GRAVITY_MM_S2 {
        let text = format!(
            "the mean acceleration is {gravity:.0} mm/s², not 9807: gravity was taken out, or the unit is another; \
             sizes and the chip's mounting cannot be checked"
        );
        out.flag(Fault::NoGravity, text);
    } else if !(0.8..=1.2).contains(&(gravity / GRAVITY_MM_S2)) {
        let text = format!(
            "gravity reads {gravity:.0} mm/s², not 9807: sizes are off by {:.2}; check the chip's range and type",
            gravity / GRAVITY_MM_S2
        );
        out.flag(Fault::WrongUnits, text);
    }
    true
}

/// A signal that is cut off stays at its end for samples on end, again and again.
fn check_clipping(out: &mut Checked, samples: &[Sample], axis: usize, swing: &Swing) {
    let value = |s: &Sample| s.accel_mm_s2[axis];
    let (low, high) = samples.iter().map(value).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    let (mean, deviation) = (swing.mean[axis], swing.deviation[axis]);
    for end in [low, high] {
        // A quiet axis sits on few steps of the chip; that is no end.
        if (end - mean).abs() < 1.2 * deviation || deviation < 1000.0 {
            continue;
        }
        let (mut at_end, mut runs, mut before) = (0, 0, false);
        for s in samples {
            let now = value(s) == end;
            at_end += usize::from(now);
            runs += usize::from(now && before);
            before = now;
        }
        if at_end >= 10 && runs >= 5 {
            let text = format!(
                "{at_end} samples of {} stand at {end:.0} mm/s², the end of the chip's range; \
                 lower ACCEL_PER_HZ, or fix what shakes that hard",
                ["x", "y", "z"][axis]
            );
            out.refuse(Fault::Clipped, text);
            return;
        }
    }
}

/// Mains: a line at 50 or 60 Hz that is there all the time, also while the sweep is elsewhere.
fn check_hum(out: &mut Checked, samples: &[Sample], sweep: Option<&Excitation>) {
    let span_s = samples[samples.len() - 1].time_s - samples[0].time_s;
    let rate_hz = samples.len() as f64 / span_s;
    // Few samples a second are enough for such a line.
    let samples = &thinned(samples, (rate_hz / HUM_RATE_HZ) as usize);
    let per = (samples.len() as f64 / span_s * 2.0) as usize;
    let quiet_at = |t_s: f64, hz: f64| {
        let Some(found) = sweep.filter(|s| s.correlation > 0.3) else { return true };
        let now_hz = found.sweep.min_freq_hz + (t_s - found.start_s) * found.sweep.hz_per_s;
        [1.0, 3.0, 5.0].iter().all(|n| (now_hz * n - hz).abs() > 8.0)
    };
    for hz in [50.0, 60.0] {
        let (mut asked, mut heard, mut size) = (0, 0, 0.0);
        for part in samples.chunks_exact(per.max(16)) {
            if !quiet_at(part[part.len() / 2].time_s - samples[0].time_s, hz) {
                continue;
            }
            let line = amplitude(part, hz);
            let beside = [-5.0, -3.0, 3.0, 5.0].map(|d| amplitude(part, hz + d)).iter().sum::<f64>() / 4.0;
            asked += 1;
            if line > 4.0 * beside && line > 20.0 {
                heard += 1;
                size += line;
            }
        }
        if asked >= 3 && heard * 10 >= asked * 7 {
            let text = format!(
                "a line at {hz:.0} Hz of {:.0} mm/s² all through the recording, the mains' frequency; \
                 ground the chip's shield and keep its wires from heaters and motors. It is no mode",
                size / f64::from(heard)
            );
            out.flag(Fault::Hum, text);
        }
    }
}

/// Means of so many samples each.
fn thinned(samples: &[Sample], each: usize) -> Vec<Sample> {
    let middle = |part: &[Sample]| Sample { time_s: part[part.len() / 2].time_s, accel_mm_s2: means(part) };
    samples.chunks_exact(each.max(1)).map(middle).collect()
}

/// Size of a line in all axes, under a Hann window; the samples of so short a part are taken to be even.
fn amplitude(part: &[Sample], hz: f64) -> f64 {
    let (mean, n) = (means(part), part.len() as f64);
    let step_s = (part[part.len() - 1].time_s - part[0].time_s) / (n - 1.0);
    let turn = |angle: f64| -> Complex<f64> { Complex::from_polar(1.0, angle) };
    let (line_step, hann_step) = (turn(std::f64::consts::TAU * hz * step_s), turn(std::f64::consts::TAU / n));
    let (mut line, mut hann) = (turn(0.0), turn(0.0));
    let mut sums = [Complex::<f64>::default(); 3];
    for s in part {
        let weighted = line * (1.0 - hann.re);
        for (sum, (a, mean)) in sums.iter_mut().zip(s.accel_mm_s2.iter().zip(mean)) {
            *sum += weighted * (a - mean);
        }
        line *= line_step;
        hann *= hann_step;
    }
    2.0 / n * libm::sqrt(sums.iter().map(|x| x.norm_sqr()).sum::<f64>())
}

fn no_sweep(out: &mut Checked, swing: &Swing, correlation: f64) {
    let most = swing.most();
    if most < 1000.0 {
        let text = format!(
            "{most:.0} mm/s² rms, hardly more than the chip's own noise; was the chip on the part that moved, \
             and the right chip recorded?"
        );
        out.refuse(Fault::NoiseOnly, text);
    }
    let text = format!(
        "no sweep of a resonance test is in it (a match of {correlation:.2}, 0.45 is needed); \
         modes are identified from TEST_RESONANCES with OUTPUT=raw_data"
    );
    out.refuse(Fault::NoSweep, text);
}

fn check_sweep(out: &mut Checked, found: &Excitation, direction: Option<[f64; 3]>) {
    if found.sweep.accel_per_hz < WEAKEST {
        let text = format!(
            "the sweep is there, but with {:.1} mm/s² per Hz only, and tests shake with 60: was the chip on the part that \
             moved, and the right chip recorded?",
            found.sweep.accel_per_hz
        );
        out.refuse(Fault::NoiseOnly, text);
    }
    let end_hz = found.sweep.max_freq_hz;
    if end_hz < FAR_ENOUGH_HZ {
        let how = if found.cut { "the recording stops while the machine is shaken" } else { "the sweep was ended" };
        let text = format!(
            "{how} at {end_hz:.0} Hz; a peak there is the end of the test, not a mode, and modes above are hardly \
             shaken: let the whole test run"
        );
        out.flag(Fault::EndedEarly, text);
    }
    let (Some(direction), Some(slow)) = (direction, unit(found.gain)) else { return };
    if dot(slow, direction).abs() < 0.6 {
        let most = (0..3).max_by(|a, b| slow[*a].abs().total_cmp(&slow[*b].abs())).unwrap_or(0);
        let text = format!(
            "the name says ({:.2}, {:.2}, {:.2}), but the chip moves most along its {}; \
             set axes_map of the chip, or rename the file",
            direction[0],
            direction[1],
            direction[2],
            ["x", "y", "z"][most]
        );
        out.flag(Fault::WrongAxis, text);
    }
}

fn check_psd(out: &mut Checked, psd: &Psd, direction: Option<[f64; 3]>) {
    let rows = psd.freq_hz.len();
    let all = || psd.axes.iter().chain([&psd.sum, &psd.freq_hz]).flatten();
    if rows == 0 {
        return out.refuse(Fault::Empty, "there is no line in it; run the test again");
    }
    if all().any(|v| !v.is_finite()) {
        return out.refuse(Fault::NotFinite, "it has values that are no numbers; run the test again");
    }
    let top_hz = psd.freq_hz[rows - 1];
    if rows < 30 || top_hz < 60.0 {
        let text = format!(
            "{rows} lines up to {top_hz:.0} Hz; a spectrum of a test has about 130 up to 200 Hz: copy it again"
        );
        return out.refuse(Fault::TooShort, text);
    }
    let seen = || (0..rows).filter(|k| psd.freq_hz[*k] > 10.0);
    let plain = |k: usize| psd.sum[k] * if psd.normalised { psd.freq_hz[k] } else { 1.0 };
    let most = seen().map(plain).fold(0.0, f64::max);
    if most <= 0.0 {
        return out.refuse(Fault::NoiseOnly, "all densities are 0; was the right chip recorded?");
    }
    let mut sorted: Vec<f64> = seen().map(plain).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted[sorted.len() / 2];
    // A g²/Hz is 9.6e7 (mm/s²)²/Hz.
    if most < 0.5 {
        let text = format!(
            "the highest density is {most:.1e}; this looks like g²/Hz: multiply by {:.3e}",
            9806.65f64 * 9806.65
        );
        return out.refuse(Fault::WrongUnits, text);
    }
    if most < 6.0 * middle && most < 1000.0 {
        let text = format!("nothing stands out: the highest density, {most:.0}, is near the middle one, {middle:.0}");
        out.refuse(Fault::NoiseOnly, text);
    }
    if top_hz < FAR_ENOUGH_HZ {
        out.flag(Fault::EndedEarly, format!("it stops at {top_hz:.0} Hz; copy the whole file, or test up to 130 Hz"));
    } else if let Some(end_hz) = sudden_end_hz(psd) {
        let text = format!("the density falls off at {end_hz:.0} Hz: the sweep ended there; a peak there is no mode");
        out.flag(Fault::EndedEarly, text);
    }
    let Some(direction) = direction else { return };
    // Where the machine still moves as a whole.
    let slow = || (0..rows).filter(|k| (10.0..30.0).contains(&psd.freq_hz[*k]));
    let sums: [f64; 3] = std::array::from_fn(|axis| slow().map(|k| psd.axes[axis][k]).sum());
    let share = direction.iter().zip(sums).map(|(d, s)| if d.abs() > 0.5 { s } else { 0.0 }).sum::<f64>();
    let total: f64 = sums.iter().sum();
    if total > 0.0 && share < 0.35 * total {
        let text = format!(
            "x, y and z have {:.0}, {:.0} and {:.0} % of the slow motion, and the name says another axis; \
             set axes_map of the chip, or rename the file",
            100.0 * sums[0] / total,
            100.0 * sums[1] / total,
            100.0 * sums[2] / total
        );
        out.flag(Fault::WrongAxis, text);
    }
}

/// Where a spectrum falls to a hundredth within 8 Hz and stays down, below [`FAR_ENOUGH_HZ`].
fn sudden_end_hz(psd: &Psd) -> Option<f64> {
    let rows = psd.freq_hz.len();
    let from = |hz: f64| psd.freq_hz.partition_point(|f| *f < hz);
    (from(20.0)..from(FAR_ENOUGH_HZ)).find_map(|k| {
        let beyond = from(psd.freq_hz[k] + 8.0);
        let rest = psd.sum.get(beyond..rows)?.iter().fold(0.0, |a: f64, b| a.max(*b));
        let highest = psd.sum.iter().fold(0.0, |a: f64, b| a.max(*b));
        (psd.sum[k] > 0.3 * highest && rest < 0.01 * psd.sum[k]).then(|| psd.freq_hz[k])
    })
}
