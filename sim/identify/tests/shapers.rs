//! Shapers for every accelerometer file beside the project, against the peer's answers. Skips where `../shared` is absent.

use std::path::{Path, PathBuf};

use drydock_host::shaper_calibrate::{FitOptions, find_best};
use drydock_identify::accel::Recording;

fn shared() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if !shared.join("reference/shaper/peer-fits.json").is_file() {
        eprintln!("skipped: no reference of the peer beside the project");
        return None;
    }
    Some(shared)
}

/// 0.4 Hz, 1 percentage point on every shaper of every file; the same recommendation on 95 of 100.
#[test]
fn shapers_are_the_peers() {
    let Some(shared) = shared() else { return };
    let text = std::fs::read_to_string(shared.join("reference/shaper/peer-fits.json")).unwrap();
    let peer: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (mut files, mut fits, mut agreed) = (0, 0, 0);
    let (mut worst_hz, mut worst_points): (f64, f64) = (0.0, 0.0);
    let (mut kinds, mut differ) = (std::collections::BTreeMap::new(), Vec::new());
    for (name, expected) in peer["results"].as_object().unwrap() {
        let path = shared.join("data").join(name);
        if !path.is_file() {
            continue;
        }
        let spectrum = Recording::read(&path).unwrap().normalised_spectrum().unwrap();
        let answer = find_best(&spectrum, &FitOptions::default());
        files += 1;
        *kinds.entry(name.split('/').next().unwrap_or("")).or_insert(0) += 1;
        for fit in &answer.fits {
            let want = &expected["shapers"][fit.name];
            fits += 1;
            worst_hz = worst_hz.max((fit.freq_hz - want["freq"].as_f64().unwrap()).abs());
            worst_points = worst_points.max((fit.vibrations * 100.0 - want["vibrations_pct"].as_f64().unwrap()).abs());
        }
        let (got, want) = (answer.recommended(), &expected["recommended"]);
        match got.name == want["shaper"] && (got.freq_hz - want["freq"].as_f64().unwrap()).abs() < 0.05 {
            true => agreed += 1,
            false => differ.push(format!("{name}: {} {:.1}, peer {want}", got.name, got.freq_hz)),
        }
    }
    println!(
        "{files} files {kinds:?}, {fits} fits: worst {worst_hz:.3} Hz, {worst_points:.4} points; {agreed} recommendations agree"
    );
    differ.iter().for_each(|line| println!("  {line}"));
    assert!(files > 0, "there is a reference, and no recording that it is of");
    assert!(worst_hz <= 0.4 && worst_points <= 1.0, "{worst_hz} Hz, {worst_points} points");
    assert!(f64::from(agreed) >= 0.95 * f64::from(files), "{agreed} of {files}");
}
