//! Shaper fits against the peer's answers on real recordings. Skips where `../shared` is absent.

use std::path::{Path, PathBuf};

use drydock_host::shaper_calibrate::{Calibration, FitOptions, Sample, ShaperFit, Spectrum, csv, find_best};

fn shared() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if !shared.is_dir() {
        eprintln!("skipped: no ../shared beside the project");
        return None;
    }
    Some(shared)
}

/// Text of a file; `.gz` is unpacked (header of fixed length plus a name, as gzip writes it).
fn read(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    if path.extension().is_none_or(|e| e != "gz") {
        return String::from_utf8(bytes).ok();
    }
    let mut start = 10;
    if bytes[3] & 4 != 0 {
        start += 2 + usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
    }
    for flag in [8, 16] {
        if bytes[3] & flag != 0 {
            start += bytes[start..].iter().position(|b| *b == 0)? + 1;
        }
    }
    let text = miniz_oxide::inflate::decompress_to_vec(&bytes[start..bytes.len() - 8]).ok()?;
    String::from_utf8(text).ok()
}

fn numbers(line: &str, count: usize) -> Vec<f64> {
    line.split(',').take(count).map(|v| v.trim().parse().unwrap()).collect()
}

fn samples(text: &str) -> Vec<Sample> {
    let rows = text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty());
    let sample = |row: Vec<f64>| Sample { time_s: row[0], accel_mm_s2: [row[1], row[2], row[3]] };
    rows.map(|row| sample(numbers(row, 4))).collect()
}

/// The normalised spectrum that a file holds or leads to.
fn spectrum(text: &str) -> Spectrum {
    let header = text.lines().next().unwrap();
    let mut spectrum = if header.starts_with("freq") {
        let rows: Vec<Vec<f64>> = text.lines().skip(1).map(|row| numbers(row, 5)).collect();
        let column = |i: usize| rows.iter().map(|row| row[i]).collect::<Vec<f64>>();
        let mut spectrum = Spectrum::from_axes(column(0), [column(1), column(2), column(3)]);
        spectrum.sum = column(4);
        spectrum
    } else {
        Spectrum::from_samples(&samples(text)).unwrap()
    };
    if !header.contains("mzv") {
        spectrum.normalise();
    }
    spectrum
}

#[test]
fn real_recordings_get_the_peers_fits() {
    let Some(shared) = shared() else { return };
    let Some(text) = read(&shared.join("reference/shaper/peer-fits.json")) else {
        eprintln!("skipped: no peer-fits.json");
        return;
    };
    let peer: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (mut files, mut fits_ok, mut choices_ok) = (0, 0, 0);
    let (mut worst_freq, mut worst_vibrations): (f64, f64) = (0.0, 0.0);
    for (name, expected) in peer["results"].as_object().unwrap() {
        let Some(text) = read(&shared.join("data").join(name)) else { continue };
        let answer = find_best(&spectrum(&text), &FitOptions::default());
        files += 1;
        let mut ok = true;
        for fit in &answer.fits {
            let want = &expected["shapers"][fit.name];
            let freq_off = (fit.freq_hz - want["freq"].as_f64().unwrap()).abs();
            let vibrations_off = (fit.vibrations * 100.0 - want["vibrations_pct"].as_f64().unwrap()).abs();
            (worst_freq, worst_vibrations) = (worst_freq.max(freq_off), worst_vibrations.max(vibrations_off));
            if freq_off > 0.4 || vibrations_off > 1.0 {
                ok = false;
                println!("{name} {}: {:.1} Hz {:.3} %, peer {want}", fit.name, fit.freq_hz, fit.vibrations * 100.0);
            }
        }
        fits_ok += u32::from(ok);
        let (got, want) = (answer.recommended().name, expected["recommended"]["shaper"].as_str().unwrap());
        choices_ok += u32::from(got == want);
        if got != want {
            println!("{name}: recommends {got}, peer {want}");
        }
    }
    println!(
        "{files} files: fits agree on {fits_ok}, choices on {choices_ok}; worst {worst_freq:.3} Hz, {worst_vibrations:.4} %"
    );
    assert!(f64::from(fits_ok) >= 0.95 * f64::from(files), "{fits_ok} of {files}");
    assert!(f64::from(choices_ok) >= 0.95 * f64::from(files), "{choices_ok} of {files}");
}

fn printed(answer: &Calibration) -> String {
    let mut text: String = answer.fits.iter().map(|fit| fit.report() + "\n").collect();
    let best = answer.recommended();
    text.push_str(&format!("Recommended shaper is {} @ {:.1} Hz\n", best.name, best.freq_hz));
    text
}

#[test]
fn the_reference_recording_gets_the_peers_words_and_files() {
    let Some(dir) = shared().map(|s| s.join("reference/resonance")) else { return };
    let Some(raw) = read(&dir.join("raw_data_x_ref.csv.gz")) else {
        eprintln!("skipped: no reference recording");
        return;
    };
    let plain = Spectrum::from_samples(&samples(&raw)).unwrap();
    let mut normalised = plain.clone();
    normalised.normalise();
    let cases = [
        ("calibrate_shaper.out", FitOptions::default()),
        (
            "calibrate_shaper_scv10_ms0.1.out",
            FitOptions { square_corner_velocity_mm_s: 10.0, max_smoothing_mm: Some(0.1), ..FitOptions::default() },
        ),
    ];
    for (file, options) in cases {
        let expected = read(&dir.join(file)).unwrap();
        let expected: Vec<&str> = expected.lines().skip(1).collect();
        let got = printed(&find_best(&normalised, &options));
        assert_eq!(got.lines().collect::<Vec<_>>(), expected, "{file}");
    }
    let fits = find_best(&normalised, &FitOptions::default()).fits;
    assert_eq!(csv::raw_data(&samples(&raw)), raw);
    same_table(&csv::spectrum(&normalised, &fits, 200.0), &read(&dir.join("calibrate_x_ref.csv")).unwrap());
    same_table(&csv::spectrum(&plain, &[], 135.0), &read(&dir.join("resonances_x_ref.csv")).unwrap());
}

/// Same header and rows; densities to one unit of their last printed digit. What follows them are the shapers' curves:
/// the peer's present version writes others than its earlier ones and than the residual that its own fits use, so those
/// are held against a file of an earlier version.
fn same_table(got: &str, expected: &str) {
    assert_eq!(got.lines().next(), expected.lines().next());
    assert_eq!(got.lines().count(), expected.lines().count());
    let mut different = 0;
    for (got, expected) in got.lines().zip(expected.lines()).skip(1) {
        different += u32::from(got != expected);
        for (g, e) in got.split(',').zip(expected.split(',')).take(5).filter(|(g, e)| g != e) {
            let (a, b): (f64, f64) = (g.parse().unwrap(), e.parse().unwrap());
            assert!((a - b).abs() <= 1.01e-3 * b.abs().max(1.0), "{got} / {expected}");
        }
    }
    println!("{different} rows differ in a last digit");
}

#[test]
fn curves_of_the_shapers_are_those_of_calibration_files() {
    let Some(shared) = shared() else { return };
    let name = "data/accel_psd/agravelot_v24__calibration_data_x_20230529_220717.csv";
    let Some(text) = read(&shared.join(name)) else {
        eprintln!("skipped: no {name}");
        return;
    };
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let mut worst: f64 = 0.0;
    // Later versions define the EI family anew.
    for (column, label) in header.iter().enumerate().skip(5) {
        let Some((name, freq)) = label.trim_end_matches(')').split_once('(') else { continue };
        let Some(name) = ["zv", "mzv"].into_iter().find(|n| *n == name) else { continue };
        let freq_hz = freq.parse().unwrap();
        let fit = ShaperFit {
            name,
            freq_hz,
            damping: 0.1,
            vibrations: 0.0,
            smoothing_mm: 0.0,
            score: 0.0,
            max_accel_mm_s2: 0.0,
        };
        for row in text.lines().skip(1).map(|row| row.split(',').collect::<Vec<_>>()) {
            let (f, expected): (f64, f64) = (row[0].parse().unwrap(), row[column].parse().unwrap());
            worst = worst.max((fit.response(f) - expected).abs());
        }
    }
    println!("curves differ by {worst:.4} at most");
    // Three decimals, and frequencies rounded to 0.1 Hz.
    assert!(worst < 0.002, "{worst}");
}
