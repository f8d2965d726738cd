//! Recordings that are not what they should be: each fault is found by its name, on planted ones and on those that are
//! known to be in `../shared/data`.

use std::path::{Path, PathBuf};

use drydock_host::objects::resonance_tester::Sweep;
use drydock_host::shaper_calibrate::Sample;
use drydock_identify::accel::{Data, Fault, FitOptions, Psd, Recording, check, fit};

const RATE_HZ: f64 = 3200.0;
const SWEEP: Sweep = Sweep {
    min_freq_hz: 5.0,
    max_freq_hz: 130.0,
    accel_per_hz: 60.0,
    hz_per_s: 2.0,
    sway_accel_mm_s2: 0.0,
    sway_period_s: 0.0,
};

struct Noise(u64);

impl Noise {
    /// About Gaussian, deviation 1.
    fn next(&mut self) -> f64 {
        let mut sum = -6.0;
        for _ in 0..12 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (self.0 >> 11) as f64 / (1u64 << 53) as f64;
        }
        sum
    }
}

/// A machine with one mode on X under a sweep, as an ADXL345 sees it.
fn good() -> Vec<Sample> {
    let (freq, damping) = (std::f64::consts::TAU * 48.0, 0.06);
    let dt = 1.0 / RATE_HZ;
    let mut drive = SWEEP.segments().flat_map(|s| {
        let steps = (s.duration_s * RATE_HZ * 8.0).round().max(1.0) as usize;
        std::iter::repeat_n(s.accel_mm_s2, steps)
    });
    let (mut q, mut v) = (0.0, 0.0);
    let mut noise = Noise(3);
    let count = (65.0 * RATE_HZ) as usize;
    (0..count)
        .map(|k| {
            let mut felt = 0.0;
            for _ in 0..8 {
                let a = if k < 1600 { 0.0 } else { drive.next().unwrap_or(0.0) };
                let pull = -freq * freq * q - 2.0 * damping * freq * v;
                v += (pull - a) * dt / 8.0;
                q += v * dt / 8.0;
                felt = pull;
            }
            let mut chip = |a: f64, lsb: f64| ((a + 110.0 * noise.next()) / lsb).round() * lsb;
            let accel_mm_s2 = [chip(felt, 74.02), chip(0.05 * felt, 74.02), chip(9806.65, 76.6)];
            Sample { time_s: 1000.0 + k as f64 * dt, accel_mm_s2 }
        })
        .collect()
}

fn recording(name: &str, samples: Vec<Sample>) -> Recording {
    Recording {
        path: PathBuf::from(name),
        name: name.into(),
        direction: Some([1.0, 0.0, 0.0]),
        data: Data::Raw(samples),
    }
}

/// The faults found, those first that refuse.
fn faults(recording: &Recording) -> (Vec<Fault>, bool) {
    let checked = check(recording);
    let refused = checked.refusal().is_some();
    checked.findings.iter().for_each(|f| println!("  {}: {f}", recording.name));
    // What is refused is never fitted, and the error names the fault.
    if let Some(refusal) = checked.refusal() {
        let error = fit(std::slice::from_ref(recording), &FitOptions::default()).unwrap_err().to_string();
        assert!(error.contains(refusal.fault.name()), "{error}");
    }
    (checked.findings.iter().map(|f| f.fault).collect(), refused)
}

fn changed(change: impl Fn(usize, &mut Sample)) -> Vec<Sample> {
    let mut samples = good();
    samples.iter_mut().enumerate().for_each(|(k, s)| change(k, s));
    samples
}

#[test]
fn a_good_recording_has_no_fault() {
    let (faults, refused) = faults(&recording("good", good()));
    assert!(faults.is_empty() && !refused, "{faults:?}");
}

#[test]
fn planted_faults_are_found_by_name() {
    let scale = |factor: f64| changed(|_, s| s.accel_mm_s2.iter_mut().for_each(|a| *a *= factor));
    let tau = std::f64::consts::TAU;
    let mut shaken = Noise(11);
    let uneven: Vec<f64> = (0..good().len()).map(|_| 0.45 * (shaken.next() / 3.0).clamp(-1.0, 1.0)).collect();
    let still = |k: usize| f64::from((k * 7919 % 5) as u32) * 74.02;
    let fan = |k: usize| 6000.0 * (tau * 83.0 * k as f64 / RATE_HZ).sin();
    // Only gravity is left of the machine.
    let other = |x: &dyn Fn(usize) -> f64| changed(|k, s| s.accel_mm_s2[..2].copy_from_slice(&[x(k), still(k + 1)]));
    let cases: Vec<(&str, Vec<Sample>, Fault, bool)> = vec![
        ("empty", Vec::new(), Fault::Empty, true),
        ("a few samples", good()[..50].to_vec(), Fault::TooShort, true),
        ("two seconds", good()[..6400].to_vec(), Fault::TooShort, true),
        (
            "NaN",
            changed(|k, s| {
                if k == 77_000 {
                    s.accel_mm_s2[1] = f64::NAN
                }
            }),
            Fault::NotFinite,
            true,
        ),
        ("g", scale(1.0 / 9806.65), Fault::WrongUnits, true),
        ("m/s²", scale(1e-3), Fault::WrongUnits, true),
        ("half range", scale(0.5), Fault::WrongUnits, false),
        ("no gravity", changed(|_, s| s.accel_mm_s2[2] -= 9806.65), Fault::NoGravity, false),
        ("milliseconds", changed(|k, s| s.time_s = k as f64 * 1e3 / RATE_HZ), Fault::WrongRate, true),
        ("100 Hz", good().into_iter().step_by(32).collect(), Fault::WrongRate, true),
        ("400 Hz", good().into_iter().step_by(8).collect(), Fault::LowRate, false),
        (
            "backwards",
            changed(|k, s| {
                if k % 100 == 0 {
                    s.time_s -= 0.01
                }
            }),
            Fault::UnevenTimes,
            true,
        ),
        ("jitter", changed(|k, s| s.time_s += uneven[k] / RATE_HZ), Fault::UnevenTimes, true),
        (
            "holes",
            good().into_iter().enumerate().filter(|(k, _)| k % 3200 > 320).map(|x| x.1).collect(),
            Fault::Gaps,
            true,
        ),
        (
            "one hole",
            good().into_iter().enumerate().filter(|(k, _)| !(9000..9100).contains(k)).map(|x| x.1).collect(),
            Fault::Gaps,
            false,
        ),
        ("clipped", changed(|_, s| s.accel_mm_s2[0] = s.accel_mm_s2[0].clamp(-9000.0, 9000.0)), Fault::Clipped, true),
        ("50 Hz", changed(|_, s| s.accel_mm_s2[0] += 600.0 * (tau * 50.0 * s.time_s).sin()), Fault::Hum, false),
        ("60 Hz", changed(|_, s| s.accel_mm_s2[1] += 300.0 * (tau * 60.0 * s.time_s).sin()), Fault::Hum, false),
        ("half a file", good()[..80_000].to_vec(), Fault::EndedEarly, false),
        ("other axis", changed(|_, s| s.accel_mm_s2.swap(0, 1)), Fault::WrongAxis, false),
        ("standing", other(&still), Fault::NoiseOnly, true),
        ("a fan", other(&fan), Fault::NoSweep, true),
    ];
    for (name, samples, fault, refused) in cases {
        let (found, was_refused) = faults(&recording(name, samples));
        assert!(found.contains(&fault), "{name}: {found:?}, {fault:?} is wanted");
        assert_eq!(was_refused, refused, "{name}: {found:?}");
    }
}

fn spectrum(rows: usize, density: impl Fn(f64) -> [f64; 3]) -> Recording {
    let freq_hz: Vec<f64> = (0..rows).map(|k| 1.5625 * k as f64).collect();
    let axes: [Vec<f64>; 3] = std::array::from_fn(|axis| freq_hz.iter().map(|f| density(*f)[axis]).collect());
    let sum = (0..rows).map(|k| axes[0][k] + axes[1][k] + axes[2][k]).collect();
    let psd = Psd { freq_hz, axes, sum, normalised: false };
    Recording { data: Data::Psd(psd), ..recording("resonances_x", Vec::new()) }
}

#[test]
fn planted_faults_of_spectra_are_found_by_name() {
    let peak = |f: f64| 2e4 * f / 48.0 / (1.0 + ((f - 48.0) / 5.0).powi(2)) + 400.0 * f / 48.0;
    let on_x = |f: f64| [peak(f), 0.02 * peak(f), 0.01 * peak(f)];
    assert!(faults(&spectrum(129, on_x)).0.is_empty());
    let cases: Vec<(&str, Recording, Fault, bool)> = vec![
        ("empty", spectrum(0, on_x), Fault::Empty, true),
        ("cut", spectrum(25, on_x), Fault::TooShort, true),
        ("stops", spectrum(50, on_x), Fault::EndedEarly, false),
        ("NaN", spectrum(129, |f| if f > 100.0 { [f64::NAN; 3] } else { on_x(f) }), Fault::NotFinite, true),
        ("g", spectrum(129, |f| on_x(f).map(|p| p / 9806.65 / 9806.65)), Fault::WrongUnits, true),
        ("noise", spectrum(129, |f| [8.0 + (f * 3.1).sin(), 8.0, 18.0]), Fault::NoiseOnly, true),
        ("silence", spectrum(129, |_| [0.0; 3]), Fault::NoiseOnly, true),
        ("ended", spectrum(129, |f| if f < 55.0 { on_x(f) } else { [2.0; 3] }), Fault::EndedEarly, false),
        ("other axis", spectrum(129, |f| [on_x(f)[2], on_x(f)[0], on_x(f)[1]]), Fault::WrongAxis, false),
    ];
    for (name, recording, fault, refused) in cases {
        let (found, was_refused) = faults(&recording);
        assert!(found.contains(&fault), "{name}: {found:?}, {fault:?} is wanted");
        assert_eq!(was_refused, refused, "{name}: {found:?}");
    }
}

/// `data/README.md` names them.
#[test]
fn known_defects_are_found() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !data.is_dir() {
        eprintln!("skipped: no recordings beside the project");
        return;
    }
    let folders = ["accel_raw", "accel_psd", "accel_vibration", "accel_impulse", "accel_step_duet"];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(data.join(folder)).into_iter().flatten().flatten());
    let mut files: Vec<PathBuf> = files.map(|f| f.path()).collect();
    files.sort();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let recording = match Recording::read(&path) {
            Ok(recording) => recording,
            Err(error) => {
                assert!(name.starts_with("nurgelrot") && error.to_string().contains("RepRapFirmware"), "{error}");
                continue;
            }
        };
        let (found, refused) = faults(&recording);
        let expect = |fault: Fault| assert!(found.contains(&fault), "{name}: {found:?}, {fault:?} is wanted");
        match () {
            () if name.starts_with("sovol1__belt") => expect(Fault::EndedEarly),
            () if name.starts_with("agravelot_v24__belt") => expect(Fault::LowRate),
            () if name.starts_with("neptune4pro__axis_X_20250509") => assert!(refused, "{name}: {found:?}"),
            () if name.contains("vibr_") => assert!(refused, "{name}: {found:?}"),
            () if name.contains("sync_x") => expect(Fault::TooShort),
            () => assert!(!refused, "{name}: {found:?}"),
        }
    }
}
