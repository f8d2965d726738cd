//! What `drydock calibrate-shaper` does, without the start of a process: reading, checking, spectrum, fits.

use std::fmt::Write;
use std::path::Path;

use divan::{Bencher, black_box};
use drydock_host::shaper_calibrate::{FitOptions, find_best};
use drydock_identify::accel::{Recording, check};

fn main() {
    divan::main();
}

/// 130 s at 3200 Hz of a tone that rises past a mode, as a CSV.
fn raw() -> Vec<u8> {
    let mut text = String::from("#time,accel_x,accel_y,accel_z\n");
    for k in 0..416_000 {
        let t = f64::from(k) / 3200.0;
        let f = 5.0 + t;
        let gain = 60.0 * f / ((1.0 - (f / 48.0).powi(2)).powi(2) + 0.02).sqrt();
        let x = gain * (std::f64::consts::TAU * (5.0 + 0.5 * t) * t).sin();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:.6},{x:.6},{:.6},9806.650000", 100.0 + t, 0.1 * x);
    }
    text.into_bytes()
}

fn spectrum() -> Vec<u8> {
    let mut text = String::from("freq,psd_x,psd_y,psd_z,psd_xyz\n");
    for k in 0..129 {
        let f = 1.5625 * f64::from(k);
        let p = 2e4 * f / (1.0 + ((f - 48.0) / 5.0).powi(2));
        let _ = writeln!(text, "{f:.1},{p:.3e},1.000e+02,1.000e+02,{:.3e}", p + 200.0);
    }
    text.into_bytes()
}

#[divan::bench(args = ["raw", "spectrum"])]
fn recording_to_shapers(bencher: Bencher<'_, '_>, kind: &str) {
    let bytes = if kind == "raw" { raw() } else { spectrum() };
    bencher.with_inputs(|| bytes.clone()).bench_values(|bytes| {
        let recordings = Recording::parse(Path::new("raw_data_x.csv"), bytes).unwrap_or_default();
        for recording in &recordings {
            black_box(check(recording));
            let Ok(spectrum) = recording.normalised_spectrum() else { continue };
            black_box(find_best(&spectrum, &FitOptions::default()));
        }
    });
}
