//! The CSV files of resonance tests, digit for digit in the form that Klipper's scripts and others read.

use std::fmt::Write;

use super::fit::ShaperFit;
use super::spectrum::{Sample, Spectrum};

/// `#time,accel_x,accel_y,accel_z`, s and mm/s².
pub fn raw_data(samples: &[Sample]) -> String {
    let mut out = String::with_capacity(32 + samples.len() * 48);
    out.push_str("#time,accel_x,accel_y,accel_z\n");
    for Sample { time_s, accel_mm_s2: [x, y, z] } in samples {
        let _ = writeln!(out, "{time_s:.6},{x:.6},{y:.6},{z:.6}");
    }
    out
}

/// `freq,psd_x,psd_y,psd_z,psd_xyz` below a frequency, and what each shaper leaves where there are some.
pub fn spectrum(spectrum: &Spectrum, fits: &[ShaperFit], max_freq_hz: f64) -> String {
    let mut out = String::from("freq,psd_x,psd_y,psd_z,psd_xyz");
    if !fits.is_empty() {
        out.push_str(",shapers:");
        fits.iter().for_each(|fit| out.push_str(&format!(",{}({:.1})", fit.name, fit.freq_hz)));
    }
    out.push('\n');
    for (k, freq_hz) in spectrum.freq_hz.iter().enumerate().take_while(|(_, f)| **f < max_freq_hz) {
        let _ = write!(out, "{freq_hz:.1}");
        for density in spectrum.axes.iter().chain([&spectrum.sum]) {
            let _ = write!(out, ",{}", exponent(density[k]));
        }
        if !fits.is_empty() {
            out.push(',');
            fits.iter().for_each(|fit| out.push_str(&format!(",{:.3}", fit.response(*freq_hz))));
        }
        out.push('\n');
    }
    out
}

/// `2.417e+04`: a sign and two digits in the exponent, as C prints them.
fn exponent(value: f64) -> String {
    let text = format!("{value:.3e}");
    let Some((mantissa, power)) = text.split_once('e') else { return text };
    let (sign, digits) = match power.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', power),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_printed_as_c_does() {
        assert_eq!(exponent(24_170.0), "2.417e+04");
        assert_eq!(exponent(0.0), "0.000e+00");
        assert_eq!(exponent(1.969e-11), "1.969e-11");
        assert_eq!(exponent(9.9996e99), "1.000e+100");
    }

    #[test]
    fn samples_have_six_decimals() {
        let sample = Sample { time_s: 331.4002171, accel_mm_s2: [37.0102971, 0.0, -9806.022374] };
        assert_eq!(raw_data(&[sample]), "#time,accel_x,accel_y,accel_z\n331.400217,37.010297,0.000000,-9806.022374\n");
    }

    #[test]
    fn shapers_have_a_column_each() {
        let s = Spectrum::from_axes(vec![0.0, 1.5, 300.0], [vec![1.0; 3], vec![2.0; 3], vec![3.0; 3]]);
        assert_eq!(spectrum(&s, &[], 200.0).lines().nth(2), Some("1.5,1.000e+00,2.000e+00,3.000e+00,6.000e+00"));
        let fit = ShaperFit {
            name: "zv",
            freq_hz: 48.2,
            damping: 0.1,
            vibrations: 0.0,
            smoothing_mm: 0.0,
            score: 0.0,
            max_accel_mm_s2: 0.0,
        };
        let text = spectrum(&s, &[fit], 200.0);
        assert!(text.starts_with("freq,psd_x,psd_y,psd_z,psd_xyz,shapers:,zv(48.2)\n0.0,1.000e+00,"), "{text}");
        assert!(text.lines().nth(1).unwrap().ends_with(",6.000e+00,,1.000"), "{text}");
    }
}
