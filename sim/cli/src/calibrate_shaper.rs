//! `drydock calibrate-shaper`: which input shaper suits recordings of a resonance test, in the words of Klipper's script.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use drydock_analysis::bitmap::Bitmap;
use drydock_analysis::canvas::{Canvas, Svg};
use drydock_analysis::chart::{Area, Axis, Chart, Curve};
use drydock_host::shaper_calibrate::{Calibration, FitOptions, Spectrum, csv, find_best_for_all};
use drydock_identify::accel::{Checked, Data, Recording, check};
use drydock_motion::shapers::AnyShaper;
use serde_json::json;

use crate::run::CliResult;
use crate::term::say;

/// What Klipper's script does by default with frequencies above.
const MAX_FREQ_HZ: f64 = 200.0;
const MIN_MAX_SMOOTHING_MM: f64 = 0.05;

#[derive(Args)]
pub struct CalibrateShaperArgs {
    /// Recordings of one axis: raw_data, resonances or calibration_data CSV (also .gz), Shake&Tune's .stdata.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Shapers to try, in this order.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    shapers: Vec<String>,
    /// Square corner velocity, mm/s.
    #[arg(long, alias = "square_corner_velocity", default_value_t = 5.0, value_name = "MM/S")]
    scv: f64,
    /// Most smoothing to allow, mm.
    #[arg(short = 's', long, alias = "max_smoothing", value_name = "MM")]
    max_smoothing: Option<f64>,
    /// Highest frequency to look at, Hz.
    #[arg(short = 'f', long, alias = "max_freq", default_value_t = MAX_FREQ_HZ, value_name = "HZ")]
    max_freq: f64,
    /// Damping ratio that shapers are made for.
    #[arg(long, alias = "damping_ratio", value_name = "RATIO")]
    damping_ratio: Option<f64>,
    /// Writes the plot (.svg, .png) or the spectrum with the shapers' curves (.csv). May be given several times.
    #[arg(short, long, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// One object for machines.
    #[arg(long)]
    json: bool,
}

/// Exit code 0: shapers were fitted; 1: a recording is refused.
pub fn calibrate_shaper(args: CalibrateShaperArgs) -> CliResult {
    let options = options(&args)?;
    for path in &args.output {
        kind_of(path)?;
    }
    let mut recordings: Vec<Recording> = Vec::new();
    for path in &args.files {
        if !args.json {
            say!("Processing resonances from {}", path.display());
        }
        recordings.extend(Recording::read_all(path)?);
    }
    // Neither needs the other, and both look at every sample.
    let (checked, fitted) = std::thread::scope(|scope| {
        let checked = scope.spawn(|| recordings.iter().map(check).collect::<Vec<Checked>>());
        let fitted = fitted(&recordings, &args, &options);
        (checked.join().unwrap_or_default(), fitted)
    });
    let warnings: Vec<String> = recordings.iter().zip(&checked).flat_map(|(r, checked)| told(r, checked)).collect();
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    let (spectrum, answer) = fitted?;
    let plain = recordings.iter().all(|r| !matches!(&r.data, Data::Psd(p) if p.normalised));
    report(&args, &answer, &warnings, plain);
    for path in &args.output {
        write(path, &args, &spectrum, &answer)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The mean of the spectra, which the plot shows, and the shapers, which must suit each of them.
fn fitted(
    recordings: &[Recording],
    args: &CalibrateShaperArgs,
    options: &FitOptions,
) -> Result<(Spectrum, Calibration), String> {
    let one = |r: &Recording| r.normalised_spectrum().map_err(|why| format!("{}: {why}", r.title()));
    let spectra: Vec<Spectrum> = recordings.iter().map(one).collect::<Result<_, _>>()?;
    let mut spectrum = spectra.first().cloned().ok_or("no recording was read")?;
    spectra[1..].iter().for_each(|other| spectrum.add(other));
    let quiet = spectrum.freq_hz.iter().zip(&spectrum.sum).all(|(f, p)| *f > args.max_freq || *p <= 0.0);
    if quiet {
        return Err(format!("nothing moved below {} Hz: the spectrum is 0 throughout", args.max_freq));
    }
    let answer = find_best_for_all(&spectra, options);
    match answer.fits.is_empty() {
        true => Err("no shaper can be made with these options; try a lower --damping-ratio".into()),
        false => Ok((spectrum, answer)),
    }
}

fn options(args: &CalibrateShaperArgs) -> Result<FitOptions, String> {
    let mut options = FitOptions::default();
    let known: Vec<&str> = AnyShaper::ALL.iter().map(AnyShaper::name).collect();
    if !args.shapers.is_empty() {
        let named = |name: &String| {
            let name = name.trim().to_lowercase();
            let found = known.iter().find(|k| **k == name).copied();
            found.ok_or_else(|| format!("--shapers: there is no shaper '{name}'; known: {}", known.join(", ")))
        };
        options.shapers = args.shapers.iter().map(named).collect::<Result<_, _>>()?;
    }
    if let Some(damping) = args.damping_ratio {
        let tried = AnyShaper::ALL.iter().filter(|s| options.shapers.contains(&s.name()));
        let most = tried.map(AnyShaper::max_damping).fold(1.0, f64::min);
        if !(damping >= 0.0 && damping < most) {
            return Err(format!("--damping-ratio {damping}: from 0 to below {most} for these shapers"));
        }
        options.damping = damping;
    }
    let positive = |name: &str, value: f64, least: f64| match value.is_finite() && value >= least {
        true => Ok(value),
        false => Err(format!("--{name} {value}: a number from {least} up is wanted")),
    };
    options.square_corner_velocity_mm_s = positive("scv", args.scv, 0.0)?;
    // Fits see 200 Hz at least, as the script does: the option is for the plot first of all.
    options.max_freq_hz = Some(positive("max-freq", args.max_freq, 30.0)?.max(MAX_FREQ_HZ));
    options.max_smoothing_mm =
        args.max_smoothing.map(|mm| positive("max-smoothing", mm, MIN_MAX_SMOOTHING_MM)).transpose()?;
    Ok(options)
}

/// What the checks say. A sweep is not needed for a spectrum to have a shaper, so nothing is refused for that; but a
/// shaper for noise is worth nothing, and that is said.
fn told(recording: &Recording, checked: &Checked) -> Vec<String> {
    let line = |f: &drydock_identify::accel::Finding| {
        let doubt = if f.refused { "; do not trust the shapers below" } else { "" };
        format!("{}: {f}{doubt}", recording.title())
    };
    checked.findings.iter().map(line).collect()
}

fn report(args: &CalibrateShaperArgs, answer: &Calibration, warnings: &[String], plain: bool) {
    let best = answer.recommended();
    if args.json {
        let fit = |f: &drydock_host::shaper_calibrate::ShaperFit| {
            json!({
                "shaper": f.name,
                "freq_hz": f.freq_hz,
                "vibrations_pct": f.vibrations * 100.0,
                "smoothing_mm": f.smoothing_mm,
                "max_accel_mm_s2": f.max_accel_mm_s2,
                "score": f.score,
            })
        };
        let files: Vec<String> = args.files.iter().map(|f| f.display().to_string()).collect();
        let all = json!({
            "files": files,
            "recommended": {"shaper": best.name, "freq_hz": best.freq_hz},
            "shapers": answer.fits.iter().map(fit).collect::<Vec<_>>(),
            "warnings": warnings,
        });
        say!("{all:#}");
        return;
    }
    if !plain {
        say!("The spectrum is divided by frequency already (an older version wrote it); it is not divided again.");
    }
    answer.fits.iter().for_each(|fit| say!("{}", fit.report()));
    say!("Recommended shaper is {} @ {:.1} Hz", best.name, best.freq_hz);
}

#[derive(Clone, Copy)]
enum Kind {
    Svg,
    Png,
    Csv,
}

fn kind_of(path: &Path) -> Result<Kind, String> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("svg") => Ok(Kind::Svg),
        Some("png") => Ok(Kind::Png),
        Some("csv") => Ok(Kind::Csv),
        _ => Err(format!("--output {}: a name that ends in .svg, .png or .csv is wanted", path.display())),
    }
}

fn write(path: &Path, args: &CalibrateShaperArgs, spectrum: &Spectrum, answer: &Calibration) -> Result<(), String> {
    const SIZE: [f64; 2] = [1000.0, 640.0];
    let failed = |e: std::io::Error| format!("{}: cannot be written: {e}", path.display());
    match kind_of(path)? {
        Kind::Csv => std::fs::write(path, csv::spectrum(spectrum, &answer.fits, args.max_freq)).map_err(failed),
        Kind::Svg => {
            let mut canvas = Svg::new(SIZE[0], SIZE[1]);
            draw(&mut canvas, SIZE, args, spectrum, answer);
            std::fs::write(path, canvas.document("Frequency response and shapers")).map_err(failed)
        }
        Kind::Png => {
            let mut canvas = Bitmap::new(SIZE[0] as usize, SIZE[1] as usize);
            draw(&mut canvas, SIZE, args, spectrum, answer);
            canvas.write_png(path).map_err(|e| e.to_string())
        }
    }
}

/// The plot that people know: density by axis, and what each shaper leaves.
fn draw(
    canvas: &mut impl Canvas,
    size: [f64; 2],
    args: &CalibrateShaperArgs,
    spectrum: &Spectrum,
    answer: &Calibration,
) {
    let seen = spectrum.freq_hz.iter().filter(|f| **f <= args.max_freq).count();
    let points = |values: &[f64]| -> Vec<(f64, f64)> {
        spectrum.freq_hz.iter().copied().zip(values.iter().copied()).take(seen).collect()
    };
    let best = answer.recommended();
    let left: Vec<f64> = (0..seen).map(|k| spectrum.sum[k] * best.response(spectrum.freq_hz[k])).collect();
    let mut densities = vec![Curve::new("X+Y+Z", 1, points(&spectrum.sum))];
    for (axis, name) in ["X", "Y", "Z"].into_iter().enumerate() {
        densities.push(Curve::new(name, [0, 2, 3][axis], points(&spectrum.axes[axis])).thin());
    }
    densities.push(Curve::new(&format!("after {}", best.name), 4, points(&left)).dashed());
    let (half, x) = (size[1] / 2.0, || Axis::exact("frequency, Hz", 0.0, args.max_freq));
    let all = spectrum.sum[..seen].iter().copied();
    let upper = Chart {
        title: "Frequency response (density over frequency)".into(),
        x: x(),
        y: Axis::over("power spectral density", all, [0.0, 0.0]),
        curves: densities,
    };
    upper.draw(canvas, Area { x: 0.0, y: 0.0, width: size[0], height: half });
    let curve = |(i, fit): (usize, &drydock_host::shaper_calibrate::ShaperFit)| {
        let values: Vec<f64> = spectrum.freq_hz[..seen].iter().map(|f| fit.response(*f)).collect();
        let percent = fit.vibrations * 100.0;
        let name = format!("{} {:.1} Hz {percent:.1} %", fit.name.to_uppercase(), fit.freq_hz);
        let curve = Curve::new(&name, i, points(&values));
        if fit.name == best.name { curve } else { curve.thin().dashed() }
    };
    let lower = Chart {
        title: format!("What shapers leave; recommended: {} {:.1} Hz", best.name.to_uppercase(), best.freq_hz),
        x: x(),
        y: Axis::exact("share of the vibration", 0.0, 1.0),
        curves: answer.fits.iter().enumerate().map(curve).collect(),
    };
    lower.draw(canvas, Area { x: 0.0, y: half, width: size[0], height: half });
}
