//! From a recording of a resonance test to the response of the machine: what the chip felt per what the drives did.
//!
//! Raw data and the known sweep give gain and phase (H1: the sweep has no noise). A spectrum gives the gain only, and the
//! sweep must be guessed; its phase is taken to be the least that the gain allows (Bode), which keeps the gain right.

use drydock_analysis::fft;
use drydock_host::objects::resonance_tester::Sweep;
use drydock_host::shaper_calibrate::{Sample, Spectrum};

use super::excitation::Excitation;
use super::modal::{C, Response};
use super::recording::{Data, Psd, Recording, unit};

/// Length of a window, s: resolves damping of 0.01 at 30 Hz.
const WINDOW_S: f64 = 2.0;
/// A chip is taken to be mounted as it says if slow motion is within this of where it should be (cosine).
const AS_MOUNTED: f64 = 0.75;
/// The test that a spectrum is taken to come from.
const USUAL: Sweep = Sweep {
    min_freq_hz: 5.0,
    max_freq_hz: 133.333,
    accel_per_hz: 1.0,
    hz_per_s: 1.0,
    sway_accel_mm_s2: 0.0,
    sway_period_s: 0.0,
};
const AXES: [&str; 3] = ["x", "y", "z"];
/// Klipper's windows at 3200 Hz.
const PSD_WINDOW: f64 = 2048.0;

/// One recording, ready to be fitted.
#[derive(Clone, Debug)]
pub struct Measured {
    pub title: String,
    pub direction: [f64; 3],
    /// In the test's frame: along the direction, across it, up.
    pub whole: Response,
    /// The same from every other window (or bin): the first is fitted and judged on the second.
    pub halves: [Response; 2],
    pub sweep: Sweep,
    pub notes: Vec<String>,
}

/// The test's frame in machine axes: along, across, up.
pub fn frame_of(direction: [f64; 3]) -> [[f64; 3]; 3] {
    let reference = if direction[2].abs() < 0.9 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
    let across = unit(cross(reference, direction)).unwrap_or([0.0, 1.0, 0.0]);
    [direction, across, cross(direction, across)]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Scalar product.
pub fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// `excitation`: what the checks found in the recording, if it is raw.
pub fn measure(recording: &Recording, found: Option<&Excitation>, range_hz: [f64; 2]) -> Result<Measured, String> {
    match (&recording.data, found) {
        (Data::Raw(samples), Some(found)) => of_raw(recording, samples, found, range_hz),
        (Data::Raw(_), None) => Err("no sweep of a resonance test is in it".into()),
        (Data::Psd(psd), _) => of_psd(recording, psd, range_hz),
    }
}

/// Samples in the test's frame.
struct Turned {
    direction: [f64; 3],
    felt: Vec<[f64; 3]>,
    rate_hz: f64,
    /// The chip is mounted the other way round, or the sweep began the other way.
    sign: f64,
    notes: Vec<String>,
}

fn turn(recording: &Recording, samples: &[Sample], found: &Excitation) -> Result<Turned, String> {
    let mut notes = Vec::new();
    let slow = unit(found.gain).ok_or("the sweep moves nothing")?;
    let direction = recording.direction.unwrap_or_else(|| {
        let axis = (0..3).max_by(|a, b| slow[*a].abs().total_cmp(&slow[*b].abs())).unwrap_or(0);
        notes.push(format!("no name tells its axis; it moves {} most", AXES[axis]));
        std::array::from_fn(|i| f64::from(u8::from(i == axis)))
    });
    let along = dot(slow, direction);
    // Rows: the test's frame in chip axes.
    let rows = if along.abs() >= AS_MOUNTED {
        frame_of(direction)
    } else {
        notes.push(format!(
            "the chip's axes are not the machine's: slow motion is along ({:.2}, {:.2}, {:.2}) of the chip; turned by \
             that and by gravity",
            slow[0], slow[1], slow[2]
        ));
        let mean = |axis: usize| samples.iter().map(|s| s.accel_mm_s2[axis]).sum::<f64>() / samples.len() as f64;
        let up = unit([mean(0), mean(1), mean(2)]).unwrap_or([0.0, 0.0, 1.0]);
        let across = unit(cross(up, slow)).ok_or("slow motion is along gravity; set axes_map of the chip")?;
        [slow, across, cross(slow, across)]
    };
    if found.sweep.max_freq_hz < 100.0 {
        notes.push(format!(
            "the sweep ended at {:.0} Hz; what is above is known from its harmonics only",
            found.sweep.max_freq_hz
        ));
    }
    let felt = samples.iter().map(|s| rows.map(|row| dot(row, s.accel_mm_s2))).collect();
    let span_s = samples[samples.len() - 1].time_s - samples[0].time_s;
    let rate_hz = (samples.len() - 1) as f64 / span_s;
    Ok(Turned { direction, felt, rate_hz, sign: if along < 0.0 { -1.0 } else { 1.0 }, notes })
}

/// The sweep with accel_per_hz 1.
fn per_hz(sweep: &Sweep) -> Sweep {
    Sweep { accel_per_hz: 1.0, sway_accel_mm_s2: sweep.sway_accel_mm_s2 / sweep.accel_per_hz, ..*sweep }
}

fn of_raw(
    recording: &Recording,
    samples: &[Sample],
    found: &Excitation,
    range_hz: [f64; 2],
) -> Result<Measured, String> {
    let Turned { direction, felt, rate_hz, sign, notes } = turn(recording, samples, found)?;
    let drive = Excitation { sweep: per_hz(&found.sweep), ..found.clone() }.at(samples);
    let spectra = CrossSpectra::of(&drive, &felt, rate_hz);
    let range_hz = [range_hz[0].max(found.sweep.min_freq_hz + 3.0), range_hz[1].min(0.45 * rate_hz)];
    let pick = |set: usize| spectra.response(set, range_hz, sign);
    let (halves, whole) = ([pick(0), pick(1)], pick(2));
    Ok(Measured { title: recording.title(), direction, whole, halves, sweep: found.sweep, notes })
}

/// A raw recording whose timing does not hold from beginning to end: its gains are still good.
pub fn measure_gains(recording: &Recording, found: &Excitation, range_hz: [f64; 2]) -> Result<Measured, String> {
    let Data::Raw(samples) = &recording.data else { return Err("has no raw data".into()) };
    let Turned { direction, felt, mut notes, .. } = turn(recording, samples, found)?;
    notes.push("its times drift against the test's, so only gains are used, with the least phase".into());
    let turned: Vec<Sample> =
        samples.iter().zip(felt).map(|(s, felt)| Sample { time_s: s.time_s, accel_mm_s2: felt }).collect();
    let from = turned.partition_point(|s| s.time_s - turned[0].time_s < found.start_s);
    let spectrum = Spectrum::from_samples(&turned[from..]).map_err(|e| e.to_string())?;
    let seen = spectrum.freq_hz.partition_point(|f| *f <= 200.0);
    let freq_hz = spectrum.freq_hz[..seen].to_vec();
    let density = sweep_density(&per_hz(&found.sweep), &freq_hz);
    let gain = |p: (&f64, &f64)| libm::sqrt(p.0 / p.1.max(1e-300));
    let gains = std::array::from_fn(|axis| spectrum.axes[axis].iter().zip(&density).map(gain).collect());
    of_gains(recording.title(), direction, &freq_hz, gains, found.sweep, range_hz, notes)
}

/// Sums over windows: even ones, odd ones, all.
struct CrossSpectra {
    bin_hz: f64,
    /// Power of the drive.
    drive: [Vec<f64>; 3],
    felt_by_drive: [[Vec<C>; 3]; 3],
    felt: [Vec<f64>; 3],
}

impl CrossSpectra {
    fn of(drive: &[f64], felt: &[[f64; 3]], rate_hz: f64) -> CrossSpectra {
        let len = ((rate_hz * WINDOW_S) as usize).next_power_of_two().min(drive.len().next_power_of_two() / 2);
        let bins = len / 2 + 1;
        let fft = fft::forward(len);
        let hann: Vec<f64> =
            (0..len).map(|i| 0.5 - 0.5 * libm::cos(std::f64::consts::TAU * i as f64 / len as f64)).collect();
        let zero = || vec![C::default(); bins];
        let mut out = CrossSpectra {
            bin_hz: rate_hz / len as f64,
            drive: std::array::from_fn(|_| vec![0.0; bins]),
            felt_by_drive: std::array::from_fn(|_| [zero(), zero(), zero()]),
            felt: std::array::from_fn(|_| vec![0.0; bins]),
        };
        let transform = |value: &dyn Fn(usize) -> f64, at: usize| -> Vec<C> {
            let mean = (at..at + len).map(value).sum::<f64>() / len as f64;
            let mut data: Vec<C> =
                hann.iter().enumerate().map(|(i, w)| C::new(w * (value(at + i) - mean), 0.0)).collect();
            fft.process(&mut data);
            data
        };
        for (window, at) in (0..drive.len().saturating_sub(len)).step_by(len / 2).enumerate() {
            let u = transform(&|i| drive[i], at);
            let half = window % 2;
            let powers: Vec<f64> = u.iter().take(bins).map(|u| u.norm_sqr()).collect();
            for set in [half, 2] {
                out.drive[set].iter_mut().zip(&powers).for_each(|(sum, power)| *sum += power);
            }
            for (axis, all) in out.felt.iter_mut().enumerate() {
                let y = transform(&|i| felt[i][axis], at);
                all.iter_mut().zip(&y).for_each(|(sum, y)| *sum += y.norm_sqr());
                for set in [half, 2] {
                    let sums = out.felt_by_drive[set][axis].iter_mut();
                    sums.zip(y.iter().zip(&u)).for_each(|(sum, (y, u))| *sum += y * u.conj());
                }
            }
        }
        out
    }

    fn response(&self, set: usize, range_hz: [f64; 2], sign: f64) -> Response {
        let mut response = Response::default();
        let bins = self.drive[2].len();
        for k in 1..bins {
            let freq_hz = k as f64 * self.bin_hz;
            // A half that has hardly seen a frequency says nothing of it.
            if freq_hz < range_hz[0] || freq_hz > range_hz[1] || self.drive[set][k] < 0.02 * self.drive[2][k] {
                continue;
            }
            let h: [C; 3] = std::array::from_fn(|axis| self.felt_by_drive[set][axis][k] / self.drive[set][k] * sign);
            let seen: f64 =
                (0..3).map(|axis| self.felt_by_drive[2][axis][k].norm_sqr()).sum::<f64>() / self.drive[2][k];
            let all: f64 = (0..3).map(|axis| self.felt[axis][k]).sum();
            response.freq_hz.push(freq_hz);
            response.weight.push((seen / all.max(1e-300)).clamp(0.0, 1.0));
            response.h.iter_mut().zip(h).for_each(|(all, h)| all.push(h));
        }
        even_out(&mut response);
        response
    }
}

/// Peaks are what people see, but not all there is: the square root of the size counts.
fn even_out(response: &mut Response) {
    let size = |k: usize| libm::sqrt((0..3).map(|axis| response.h[axis][k].norm_sqr()).sum());
    let sizes: Vec<f64> = (0..response.freq_hz.len()).map(size).collect();
    let most = sizes.iter().fold(0.0, |a: f64, b| a.max(*b));
    response.weight.iter_mut().zip(sizes).for_each(|(w, size)| *w /= libm::sqrt((size + 0.2 * most).max(1e-300)));
}

/// Density that the usual sweep has at the bins of a spectrum, for accel_per_hz 1.
pub fn sweep_density(sweep: &Sweep, freq_hz: &[f64]) -> Vec<f64> {
    let step_hz = freq_hz.windows(2).map(|p| p[1] - p[0]).sum::<f64>() / (freq_hz.len().max(2) - 1) as f64;
    let rate_hz = PSD_WINDOW * step_hz;
    let seconds = (sweep.max_freq_hz - sweep.min_freq_hz) / sweep.hz_per_s + 1.0;
    let silent = |k: usize| Sample { time_s: k as f64 / rate_hz, accel_mm_s2: [0.0; 3] };
    let mut samples: Vec<Sample> = (0..(seconds * rate_hz) as usize).map(silent).collect();
    let shaken = Excitation { sweep: *sweep, start_s: 0.3, gain: [1.0, 0.0, 0.0], correlation: 1.0, cut: false };
    let drive = shaken.at(&samples);
    samples.iter_mut().zip(drive).for_each(|(s, u)| s.accel_mm_s2[0] = u);
    let Ok(spectrum) = Spectrum::from_samples(&samples) else { return vec![0.0; freq_hz.len()] };
    let nearest = |f: &f64| spectrum.freq_hz.partition_point(|x| *x < f - 0.5 * step_hz).min(spectrum.sum.len() - 1);
    freq_hz.iter().map(|f| spectrum.sum[nearest(f)]).collect()
}

fn of_psd(recording: &Recording, psd: &Psd, range_hz: [f64; 2]) -> Result<Measured, String> {
    let mut notes = vec![format!(
        "a spectrum tells no phase and not its test: taken to be the usual sweep from {} to {:.0} Hz",
        USUAL.min_freq_hz, USUAL.max_freq_hz
    )];
    let sums: [f64; 3] = std::array::from_fn(|axis| psd.axes[axis].iter().sum());
    let direction = recording.direction.unwrap_or_else(|| {
        let axis = (0..3).max_by(|a, b| sums[*a].total_cmp(&sums[*b])).unwrap_or(0);
        notes.push(format!("no name tells its axis; {} has most of the energy", AXES[axis]));
        std::array::from_fn(|i| f64::from(u8::from(i == axis)))
    });
    let density = sweep_density(&USUAL, &psd.freq_hz);
    // What each axis of the test's frame has of the chip's; of a diagonal test, densities leave only the sum.
    let most = (0..3).max_by(|a, b| sums[*a].total_cmp(&sums[*b])).unwrap_or(0);
    let own = direction.iter().position(|d| d.abs() > 0.9);
    let frame = if own.is_some_and(|own| sums[own] < AS_MOUNTED * AS_MOUNTED * sums[most]) {
        notes.push(format!("the chip's axes are not the machine's: most of its motion is along its {}", AXES[most]));
        frame_of(std::array::from_fn(|i| f64::from(u8::from(i == most))))
    } else {
        frame_of(direction)
    };
    let shares = frame.map(|row| row.map(|d| d * d));
    if direction.iter().all(|d| d.abs() < 0.9) {
        notes.push("a spectrum of a diagonal test does not tell along from across; halves are assumed".into());
    }
    let gains: [Vec<f64>; 3] = shares.map(|share| {
        let whole = |k: usize| {
            let plain = if psd.normalised { psd.freq_hz[k] + 0.1 } else { 1.0 };
            let power: f64 = share.iter().zip(&psd.axes).map(|(s, axis)| s * axis[k]).sum();
            libm::sqrt(power * plain / density[k].max(1e-300))
        };
        (0..psd.freq_hz.len()).map(whole).collect()
    });
    of_gains(recording.title(), direction, &psd.freq_hz, gains, USUAL, range_hz, notes)
}

/// Along, across and up by gain alone.
fn of_gains(
    title: String,
    direction: [f64; 3],
    freq_hz: &[f64],
    gains: [Vec<f64>; 3],
    sweep: Sweep,
    range_hz: [f64; 2],
    notes: Vec<String>,
) -> Result<Measured, String> {
    let top_hz = range_hz[1].min(sweep.max_freq_hz - 3.0);
    let h = gains.map(|gain| least_phase(freq_hz, &gain, [range_hz[0], top_hz]));
    let mut whole = Response::default();
    for (k, f) in freq_hz.iter().enumerate().filter(|(_, f)| (range_hz[0]..top_hz).contains(*f)) {
        whole.freq_hz.push(*f);
        whole.weight.push(1.0);
        whole.h.iter_mut().zip(&h).for_each(|(all, h)| all.push(h[k]));
    }
    if whole.freq_hz.len() < 20 {
        return Err(format!("only {} of its frequencies lie in the test's range", whole.freq_hz.len()));
    }
    even_out(&mut whole);
    let half = |odd: usize| {
        let keep = |k: &usize| k % 2 == odd;
        let of = |v: &Vec<f64>| (0..v.len()).filter(keep).map(|k| v[k]).collect();
        Response {
            freq_hz: of(&whole.freq_hz),
            weight: of(&whole.weight),
            h: std::array::from_fn(|axis| (0..whole.h[axis].len()).filter(keep).map(|k| whole.h[axis][k]).collect()),
        }
    };
    let halves = [half(0), half(1)];
    Ok(Measured { title, direction, whole, halves, sweep, notes })
}

/// A response with a gain and the least phase that goes with it: the logarithm's cepstrum made causal.
fn least_phase(freq_hz: &[f64], gain: &[f64], range_hz: [f64; 2]) -> Vec<C> {
    const LEN: usize = 8192;
    /// Ten times the usual range, so that what is beyond it matters little.
    const TOP_HZ: f64 = 1600.0;
    let at = |f: f64| -> f64 {
        let f = f.clamp(range_hz[0], range_hz[1]);
        let i = freq_hz.partition_point(|x| *x <= f).clamp(1, freq_hz.len() - 1);
        let part = ((f - freq_hz[i - 1]) / (freq_hz[i] - freq_hz[i - 1])).clamp(0.0, 1.0);
        (gain[i - 1] + part * (gain[i] - gain[i - 1])).max(1e-9)
    };
    let step_hz = TOP_HZ / (LEN / 2) as f64;
    let log = |k: usize| C::new(libm::log(at(k.min(LEN - k) as f64 * step_hz)), 0.0);
    let mut data: Vec<C> = (0..LEN).map(log).collect();
    fft::inverse(LEN).process(&mut data);
    for (k, v) in data.iter_mut().enumerate() {
        let keep = if k == 0 || k == LEN / 2 {
            1.0
        } else if k < LEN / 2 {
            2.0
        } else {
            0.0
        };
        *v *= keep / LEN as f64;
    }
    fft::forward(LEN).process(&mut data);
    // Between its points it is straight: at a sharp mode a point off is a tenth of a radian.
    let phase = |f: f64| {
        let at = (f / step_hz).min((LEN / 2 - 1) as f64);
        let (low, part) = (at as usize, at - at.floor());
        data[low].im + part * (data[low + 1].im - data[low].im)
    };
    freq_hz.iter().zip(gain).map(|(f, g)| C::from_polar(*g, phase(*f))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::modal::Shape;
    use super::*;

    /// What lies beyond the range of a spectrum turns the phase as a delay does, and the fit has one of those.
    #[test]
    fn the_least_phase_of_a_mode_is_its_own_but_for_a_delay() {
        let shape = Shape { freq_hz: vec![48.0], damping: vec![0.06], ..Shape::default() };
        let freq_hz: Vec<f64> = (0..500).map(|k| 0.4 * f64::from(k)).collect();
        let truth = |f: f64| shape.response(60.0, &[[60.0, 0.0, 0.0]], f, 0.0)[0];
        let gain: Vec<f64> = freq_hz.iter().map(|f| truth(*f).norm()).collect();
        let h = least_phase(&freq_hz, &gain, [10.0, 195.0]);
        let seen = freq_hz.iter().zip(h).filter(|(f, _)| (30.0..80.0).contains(*f));
        let off: Vec<(f64, f64)> = seen.map(|(f, h)| (*f, (h / truth(*f)).arg())).collect();
        let delay = off.iter().map(|(f, e)| f * e).sum::<f64>() / off.iter().map(|(f, _)| f * f).sum::<f64>();
        for (f, e) in off {
            assert!((e - delay * f).abs() < 0.1, "{f} Hz: {e} rad, delay {delay}");
        }
    }

    /// A chip that is screwed on upright feels a test along X in its z.
    #[test]
    fn a_spectrum_is_turned_to_where_its_energy_is() {
        let freq_hz: Vec<f64> = (0..130).map(|k| 1.5625 * f64::from(k)).collect();
        let density = sweep_density(&USUAL, &freq_hz);
        let of = |gain: f64| density.iter().map(|d| gain * gain * d).collect::<Vec<_>>();
        let axes = [of(3.0), of(4.0), of(60.0)];
        let psd = Psd { freq_hz, sum: of(60.2), axes, normalised: false };
        let recording = Recording {
            path: "x.csv".into(),
            name: "resonances_x".into(),
            direction: Some([1.0, 0.0, 0.0]),
            data: Data::Psd(psd),
        };
        let measured = measure(&recording, None, [12.0, 130.0]).unwrap();
        assert_eq!(measured.direction, [1.0, 0.0, 0.0]);
        assert!(measured.whole.h[0].iter().all(|h| (h.norm() / 60.0 - 1.0).abs() < 1e-6));
        assert!(measured.notes.iter().any(|n| n.contains("along its z")), "{:?}", measured.notes);
    }

    #[test]
    fn the_frame_of_a_test_is_right_handed() {
        for direction in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.6, -0.8, 0.0], [0.0, 0.0, 1.0]] {
            let [a, b, c] = frame_of(direction);
            assert!(dot(a, b).abs() < 1e-12 && dot(a, c).abs() < 1e-12 && dot(b, c).abs() < 1e-12);
            assert!((dot(cross(a, b), c) - 1.0).abs() < 1e-12);
        }
    }
}
