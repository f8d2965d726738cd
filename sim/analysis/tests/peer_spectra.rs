//! Spectra of real printers' recordings against those that Klipper's own script found in them: bin width, number of
//! bins up to 200 Hz, the bin of the peak, the share of each axis.

use drydock_analysis::spectrum::Samples;
use std::path::{Path, PathBuf};

fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    root.is_dir().then_some(root)
}

/// The deflate stream of a gzip file is what lies between its header and its last eight bytes.
fn gunzip(bytes: &[u8]) -> String {
    let has_name = bytes[3] & 8 != 0;
    let start = 10 + if has_name { bytes[10..].iter().position(|b| *b == 0).unwrap() + 1 } else { 0 };
    let raw = miniz_oxide::inflate::decompress_to_vec(&bytes[start..bytes.len() - 8]).unwrap();
    String::from_utf8(raw).unwrap()
}

fn samples(csv: &str) -> Samples {
    let mut samples = Samples::default();
    for line in csv.lines().filter(|l| !l.starts_with('#')) {
        let mut numbers = line.split(',').map(str::parse::<f64>);
        let mut next = || numbers.next().and_then(Result::ok);
        if let (Some(t), Some(x), Some(y), Some(z)) = (next(), next(), next(), next()) {
            samples.push(t, [x, y, z]);
        }
    }
    samples
}

#[test]
fn spectra_of_real_recordings_are_those_of_the_peer() {
    let Some(shared) = shared() else {
        eprintln!("skipped: there are no shared recordings here");
        return;
    };
    let fits = std::fs::read_to_string(shared.join("reference/shaper/peer-fits.json")).unwrap();
    let fits: serde_json::Value = serde_json::from_str(&fits).unwrap();
    let (mut files, mut same_peak, mut worst_share) = (0, 0, 0.0f64);
    for (name, fit) in fits["results"].as_object().unwrap().iter().filter(|(_, f)| f["input"] == "raw") {
        let Ok(bytes) = std::fs::read(shared.join("data").join(name)) else { continue };
        let spectrum = samples(&gunzip(&bytes)).spectrum().unwrap().normalised();
        let number = |key: &str| fit[key].as_f64().unwrap();
        assert!((spectrum.freq_hz[1] - number("bins_hz")).abs() < 1e-4, "{name}: bins of {} Hz", spectrum.freq_hz[1]);
        // The peer kept all bins of some recordings and those up to 200 Hz of others.
        let kept = number("n_bins") as usize;
        assert!(kept <= spectrum.freq_hz.len(), "{name}: {} bins", spectrum.freq_hz.len());
        let low: Vec<usize> = (0..kept).collect();
        let sum = spectrum.sum();
        let peak = low.iter().copied().max_by(|a, b| sum[*a].total_cmp(&sum[*b])).unwrap();
        same_peak += usize::from((spectrum.freq_hz[peak] - number("psd_peak_hz")).abs() < 0.01);
        // The reference gives the shares of the band from 10 to 200 Hz.
        let low: Vec<usize> = low.into_iter().filter(|i| (10.0..=200.0).contains(&spectrum.freq_hz[*i])).collect();
        let total: f64 = low.iter().map(|i| sum[*i]).sum();
        for (axis, key) in ["x", "y", "z"].into_iter().enumerate() {
            let share = low.iter().map(|i| spectrum.axes[axis][*i]).sum::<f64>() / total;
            worst_share = worst_share.max((share - fit["axis_share"][key].as_f64().unwrap()).abs());
        }
        files += 1;
    }
    eprintln!("{files} recordings, {same_peak} with the same peak, shares off by at most {worst_share:.6}");
    assert!(files > 0 && same_peak == files);
    // The reference is rounded to four decimals.
    assert!(worst_share < 1e-4);
}
