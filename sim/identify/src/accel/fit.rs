//! The modes of a machine from recordings of its resonance tests.
//!
//! ```text
//! recordings -> check -> response of each (response.rs) -> ladder of 1..n modes on every other window (modal.rs)
//!            -> as many modes as the windows left out want -> all windows -> modes, intervals, what is not known
//! ```

use drydock_host::objects::resonance_tester::Sweep;
use drydock_host::shaper_calibrate::Spectrum;
use drydock_plant::frame::Mode;

use super::checks::check;
use super::excitation::Excitation;
use super::modal::{self, Response, Solution, Widths};
use super::recording::{Data, Recording};
use super::response::{Measured, dot, frame_of, measure, measure_gains};

#[derive(Clone, Debug)]
pub struct FitOptions {
    /// Modes that an axis may have at most; how many it gets is decided by what was not fitted.
    pub max_modes: usize,
    pub min_freq_hz: f64,
    pub max_freq_hz: f64,
    /// The Y motor moves the bed: what a test along Y shows is the bed's.
    pub bed_moves_y: bool,
}

impl Default for FitOptions {
    fn default() -> Self {
        FitOptions { max_modes: 6, min_freq_hz: 12.0, max_freq_hz: 130.0, bed_moves_y: false }
    }
}

/// One mode more must explain this part of what the windows left out had unexplained.
const WORTH: f64 = 0.15;
/// Largest share of the motion that a mode may carry.
const MOST_SHARE: f64 = 2.0;
/// Beyond this part unexplained a model is not believed.
const UNEXPLAINED: f64 = 0.5;
/// Two tests are of one direction within this (cosine).
const SAME_DIRECTION: f64 = 0.99;
/// A value is told if its 95 % interval reaches no further than this part of it to either side.
const TOLD_WITHIN: f64 = 0.5;

pub(super) fn is_same(a: [f64; 3], b: [f64; 3]) -> bool {
    dot(a, b).abs() > SAME_DIRECTION
}

pub(super) fn is_along_y(direction: [f64; 3]) -> bool {
    is_same(direction, [0.0, 1.0, 0.0])
}

/// A value and the bounds of its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Interval {
    fn around(value: f64, half: f64) -> Interval {
        Interval { value, low: value - half, high: value + half }
    }

    /// The data tell it.
    pub fn is_told(&self) -> bool {
        let reach = (self.high - self.value).max(self.value - self.low);
        reach <= TOLD_WITHIN * self.value.abs()
    }

    /// From the half width of the logarithm.
    fn factor(value: f64, half: f64) -> Interval {
        Interval { value, low: value * libm::exp(-half), high: value * libm::exp(half) }
    }
}

/// A mode, and how well it is known.
#[derive(Clone, Debug)]
pub struct FittedMode {
    pub freq_hz: Interval,
    pub damping: Interval,
    /// Share of the tested axis's motion that the mode carries.
    pub share: Interval,
    pub mode: Mode,
}

/// What the tests of one direction showed.
#[derive(Clone, Debug)]
pub struct AxisFit {
    /// Files that it was fitted to.
    pub files: Vec<String>,
    pub direction: [f64; 3],
    /// Strongest first.
    pub modes: Vec<FittedMode>,
    /// Part of the response's energy that the modes do not explain, in windows that were not fitted, 0 to 1.
    pub held_out_residual: f64,
    /// The same for 1, 2, .. modes.
    pub by_modes: Vec<f64>,
    /// The test as the recordings tell it; accel_per_hz as the fitted modes do.
    pub sweep: Sweep,
    /// Frequency, measured and modelled response along the test, mm/s² per Hz and accel_per_hz.
    pub curve: Vec<[f64; 3]>,
    /// How far off its peaks were in the twin, in bounds, before each correction.
    pub off_by_round: Vec<f64>,
    pub(super) solution: Solution,
    /// Of the recordings by title, once settled in a twin.
    pub(super) spectra: Vec<(String, Spectrum)>,
    widths: Widths,
    on_bed: bool,
}

/// The modes of a machine.
#[derive(Clone, Debug)]
pub struct ModesFit {
    pub axes: Vec<AxisFit>,
    /// Recordings of directions whose modes the others tell already, by title: good for holding out.
    pub left_out: Vec<String>,
    /// What the data do not tell, and what was assumed for it, in sentences.
    pub notes: Vec<String>,
}

impl ModesFit {
    /// All modes, for [`drydock_plant::Machine::modes`].
    pub fn modes(&self) -> Vec<Mode> {
        self.axes.iter().flat_map(|axis| axis.modes.iter().map(|m| m.mode.clone())).collect()
    }

    /// One of the axes that together shake along a direction, which is none of theirs.
    pub(super) fn spans(&self, direction: [f64; 3]) -> Option<&AxisFit> {
        let directions: Vec<[f64; 3]> = self.axes.iter().map(|a| a.direction).collect();
        if is_spanned(direction, &directions) { self.axes.first() } else { None }
    }
}

/// Why nothing is fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct FitError {
    pub recording: String,
    pub why: String,
}

impl std::fmt::Display for FitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.recording, self.why)
    }
}

impl std::error::Error for FitError {}

/// Fits the modes of every direction that the recordings tested. A recording that is no use is an error, by name.
pub fn fit(recordings: &[Recording], options: &FitOptions) -> Result<ModesFit, FitError> {
    let range_hz = [options.min_freq_hz, options.max_freq_hz];
    let mut notes = Vec::new();
    let mut groups: Vec<Vec<Test>> = Vec::new();
    for recording in recordings {
        let error = |why: String| FitError { recording: recording.title(), why };
        let checked = check(recording);
        if let Some(refusal) = checked.refusal() {
            return Err(error(refusal.to_string()));
        }
        notes.extend(checked.findings.iter().map(|f| format!("{}: {f}", recording.title())));
        let measured = measure(recording, checked.excitation.as_ref(), range_hz).map_err(error)?;
        notes.extend(measured.notes.iter().map(|note| format!("{}: {note}", recording.title())));
        let direction = measured.direction;
        let test = Test { recording, excitation: checked.excitation, measured };
        match groups.iter_mut().find(|g| is_same(g[0].measured.direction, direction)) {
            Some(group) => group.push(test),
            None => groups.push(vec![test]),
        }
    }
    if groups.is_empty() {
        let why = "no recording was given; record TEST_RESONANCES AXIS=X OUTPUT=raw_data and the same for Y".into();
        return Err(FitError { recording: "accelerometer".into(), why });
    }
    // X and Y come before belts; what the modes of both would shake twice is left out.
    groups.sort_by_key(|g| g[0].measured.direction.iter().all(|d| d.abs() < 0.9));
    let (mut axes, mut kept, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for group in &groups {
        if is_spanned(group[0].measured.direction, &kept) {
            left_out.extend(group.iter().map(|test| test.measured.title.clone()));
            continue;
        }
        kept.push(group[0].measured.direction);
        let measured: Vec<Measured> = group.iter().map(|test| test.measured.clone()).collect();
        let axis = match fit_axis(&measured, options) {
            Ok(axis) => axis,
            Err(error) => {
                let gains = group.iter().map(|test| test.gains(range_hz)).collect::<Option<Vec<_>>>().ok_or(error)?;
                notes.extend(gains.iter().flat_map(|m| m.notes.last().map(|note| format!("{}: {note}", m.title))));
                fit_axis(&gains, options)?
            }
        };
        axes.push(axis);
    }
    if axes.iter().any(|axis: &AxisFit| axis.on_bed) {
        notes.push(
            "The test along Y had the chip on the bed; the twin's is there if [resonance_tester] names one for Y alone, as \
             accel_chip_y."
                .to_string(),
        );
    }
    if !left_out.is_empty() {
        notes.push(format!("Not fitted, since the other tests shake the same modes: {}.", left_out.join(", ")));
    }
    notes.extend(unknowns(recordings, &axes));
    Ok(ModesFit { axes, left_out, notes })
}

/// Whether others that stand at right angles to each other make up a direction.
fn is_spanned(direction: [f64; 3], others: &[[f64; 3]]) -> bool {
    let apart = |i: usize| others[..i].iter().all(|o| dot(*o, others[i]).abs() < 0.1);
    let part: f64 = others.iter().map(|o| dot(*o, direction) * dot(*o, direction)).sum();
    (0..others.len()).all(apart) && part > SAME_DIRECTION * SAME_DIRECTION
}

/// A recording that passed its checks.
struct Test<'a> {
    recording: &'a Recording,
    excitation: Option<Excitation>,
    measured: Measured,
}

impl Test<'_> {
    /// The response by gains alone; none for a spectrum, which has been seen as that.
    fn gains(&self, range_hz: [f64; 2]) -> Option<Measured> {
        measure_gains(self.recording, self.excitation.as_ref()?, range_hz).ok()
    }
}

fn fit_axis(group: &[Measured], options: &FitOptions) -> Result<AxisFit, FitError> {
    let error = |why: &str| FitError { recording: group[0].title.clone(), why: why.to_string() };
    let set = |which: usize| -> Vec<Response> { group.iter().map(|m| m.halves[which].clone()).collect() };
    let (fitted, left_out) = (set(0), set(1));
    let ladder = modal::ladder(&fitted, options.max_modes, [options.min_freq_hz, options.max_freq_hz]);
    let by_modes: Vec<f64> = ladder.iter().map(|step| modal::residual_on(&left_out, step)).collect();
    let sane: Vec<bool> = ladder.iter().map(|step| is_sane(&fitted, step, options)).collect();
    let count = enough(&by_modes, &sane).ok_or_else(|| error("no mode can be fitted"))?;
    if by_modes[count] > UNEXPLAINED {
        let why = format!(
            "the best model leaves {:.0} % of the response unexplained, so nothing is believed of it; \
             the sweep's timing may be disturbed: use a chip at 3200 Hz, or give the resonances file of the test",
            100.0 * by_modes[count]
        );
        return Err(error(&why));
    }
    let responses: Vec<Response> = group.iter().map(|m| m.whole.clone()).collect();
    // All windows may lead where half of them did not: to modes that cancel each other.
    let start = &ladder[count];
    let better = [modal::refine(&responses, &start.shape), modal::solve(&responses, &start.shape)];
    let solution =
        better.into_iter().flatten().find(|s| is_sane(&responses, s, options)).unwrap_or_else(|| start.clone());
    let solution = with_slow_gain(&responses, solution, options);
    let widths = modal::widths(&responses, &solution).ok_or_else(|| error("the fit does not settle"))?;
    let mut axis = AxisFit {
        files: group.iter().map(|m| m.title.clone()).collect(),
        direction: group[0].direction,
        modes: Vec::new(),
        held_out_residual: by_modes[count],
        by_modes,
        sweep: group[0].sweep,
        curve: Vec::new(),
        off_by_round: Vec::new(),
        solution,
        spectra: Vec::new(),
        widths,
        on_bed: options.bed_moves_y && is_along_y(group[0].direction),
    };
    axis.take_modes().ok_or_else(|| error("the machine does not move along its test"))?;
    axis.curve = axis.curve_over(&responses[0]);
    Ok(axis)
}

/// The same with the gain that slow motion tells, which is the test's own size.
fn with_slow_gain(responses: &[Response], solution: Solution, options: &FitOptions) -> Solution {
    let known = modal::slow_gain(responses, &solution);
    let refined = known.and_then(|gain| {
        let shape = modal::Shape { gain: Some(gain), ..solution.shape.clone() };
        modal::refine(responses, &shape)
    });
    refined.filter(|s| is_sane(responses, s, options)).unwrap_or(solution)
}

/// The place of the last step that was worth its mode, among those that a machine can be.
fn enough(by_modes: &[f64], sane: &[bool]) -> Option<usize> {
    let possible = || by_modes.iter().zip(sane).filter(|(_, sane)| **sane).map(|(residual, _)| *residual);
    let least = possible().min_by(f64::total_cmp)?;
    (0..by_modes.len()).find(|k| sane[*k] && by_modes[*k] <= least * (1.0 + WORTH))
}

/// No mode carries more than the machine by far, which only pairs do that cancel each other; all are where they were
/// looked for.
fn is_sane(responses: &[Response], solution: &Solution, options: &FitOptions) -> bool {
    let most = MOST_SHARE * modal::slow_gain(responses, solution).unwrap_or(solution.gain).abs();
    let range = 0.7 * options.min_freq_hz..1.45 * options.max_freq_hz;
    solution.parts.iter().flatten().all(|r| r.abs() <= most) && solution.shape.freq_hz.iter().all(|f| range.contains(f))
}

impl AxisFit {
    /// Takes the modes from the solution.
    pub(super) fn take_modes(&mut self) -> Option<()> {
        let (Solution { shape, gain, parts, .. }, widths) = (&self.solution, &self.widths);
        // The sign of the gain is the chip's, not the machine's.
        let size = if gain.abs() > 1e-9 { *gain } else { return None };
        let frame = frame_of(self.direction);
        self.modes = (0..parts.len())
            .map(|k| {
                let share = parts[k].map(|r| r / size);
                let shape_of = |axis: usize| (0..3).map(|i| share[i] * frame[i][axis]).sum::<f64>();
                FittedMode {
                    freq_hz: Interval::factor(shape.freq_hz[k], widths.freq[k]),
                    damping: Interval::factor(shape.damping[k], widths.damping[k]),
                    share: Interval::around(share[0], (widths.along[k] / size).abs()),
                    mode: Mode {
                        freq_hz: shape.freq_hz[k],
                        damping: shape.damping[k],
                        excited_by: self.direction,
                        shape: std::array::from_fn(shape_of),
                        on_bed: self.on_bed,
                    },
                }
            })
            .collect();
        self.modes.sort_by(|a, b| height(b).total_cmp(&height(a)));
        self.sweep.accel_per_hz = size.abs();
        Some(())
    }

    fn curve_over(&self, response: &Response) -> Vec<[f64; 3]> {
        let Solution { shape, gain, parts, .. } = &self.solution;
        let at = |(i, f): (usize, &f64)| [*f, response.h[0][i].norm(), shape.response(*gain, parts, *f, 0.0)[0].norm()];
        response.freq_hz.iter().enumerate().map(at).collect()
    }
}

/// Of a mode's own peak.
fn height(mode: &FittedMode) -> f64 {
    mode.share.value.abs() / mode.damping.value
}

/// Plain sentences.
fn unknowns(recordings: &[Recording], axes: &[AxisFit]) -> Vec<String> {
    let mut notes = vec![
        "An accelerometer tells motion, not mass: shares are of motion, and the masses that load the motors stay as they were."
            .to_string(),
        "The chip is taken to move as the nozzle does; what lies between them, and how modes move with position and \
         printed mass, these recordings do not tell."
            .to_string(),
    ];
    for (axis, name) in ["X", "Y"].into_iter().enumerate() {
        if !axes.iter().any(|fit| fit.direction[axis].abs() > 0.3) {
            notes.push(format!("No test shook {name}: its modes are not known."));
        }
    }
    if recordings.iter().all(|r| matches!(r.data, Data::Psd(_))) {
        notes.push("Without raw data the phase is assumed: shares of modes that overlap are uncertain.".to_string());
    }
    for fit in axes.iter().filter(|fit| fit.files.len() == 1) {
        notes.push(format!(
            "{} is the only test of its direction: it was judged on its own windows that were left out, which does not \
             show how much the machine changes from day to day; a second recording would.",
            fit.files[0]
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_that_is_not_worth_it_is_left_out() {
        assert_eq!(enough(&[0.3, 0.05, 0.048, 0.049], &[true; 4]), Some(1));
        assert_eq!(enough(&[0.3, 0.05, 0.01], &[true; 3]), Some(2));
        assert_eq!(enough(&[0.3, 0.05, 0.01], &[true, true, false]), Some(1));
        assert_eq!(enough(&[], &[]), None);
    }

    #[test]
    fn belts_are_spanned_by_x_and_y() {
        let half = std::f64::consts::FRAC_1_SQRT_2;
        let (x, y, a) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [half, -half, 0.0]);
        assert!(is_spanned(a, &[x, y]) && is_spanned(x, &[a, [half, half, 0.0]]) && is_spanned(x, &[x]));
        assert!(!is_spanned(a, &[x]) && !is_spanned([0.0, 0.0, 1.0], &[x, y]) && !is_spanned(x, &[]));
        assert!(!is_spanned(x, &[a, y]), "they are not apart from each other");
    }

    #[test]
    fn nothing_is_told_where_the_interval_has_no_end() {
        assert!(Interval::factor(40.0, 0.3).is_told() && Interval::around(-1.0, 0.4).is_told());
        assert!(!Interval::factor(40.0, f64::INFINITY).is_told() && !Interval::around(1.0, f64::NAN).is_told());
        assert!(!Interval::factor(0.05, 0.7).is_told() && !Interval::around(0.2, 0.15).is_told());
    }

    #[test]
    fn nothing_is_fitted_to_nothing() {
        let error = fit(&[], &FitOptions::default()).unwrap_err();
        assert!(error.to_string().contains("TEST_RESONANCES"), "{error}");
    }
}
