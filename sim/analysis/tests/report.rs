//! What the report says about recordings of which it is known what they must show.

mod synthetic;

use drydock_analysis::{Options, Study, picture, report};
use synthetic::*;

fn study(runs: &mut [(&str, Memory)]) -> Study {
    let mut runs: Vec<_> = runs.iter_mut().map(|(label, reader)| (*label, reader)).collect();
    Study::of(&mut runs, &Options::default()).unwrap()
}

fn off_and_on() -> Study {
    study(&mut [("shaper off", part(false)), ("shaper on", part(true))])
}

/// Distances between crossings of zero in the same direction, by straight lines between samples.
fn wavelengths(profile: &[(f64, f64)]) -> Vec<f64> {
    let crossing = |p: &[(f64, f64)]| {
        (p[0].1 < 0.0 && p[1].1 >= 0.0).then(|| p[0].0 + (p[1].0 - p[0].0) * p[0].1 / (p[0].1 - p[1].1))
    };
    let crossings: Vec<f64> = profile.windows(2).filter_map(crossing).collect();
    crossings.windows(2).map(|c| c[1] - c[0]).collect()
}

#[test]
fn the_wavelength_of_planted_ringing_is_speed_over_frequency() {
    let study = study(&mut [("off", planted(40.0))]);
    let profile: Vec<_> = study.runs[0].profile.iter().map(|p| (p.from_corner_mm, p.deviation_um)).collect();
    let lengths = wavelengths(&profile);
    let damped_hz = FREQ_HZ[0] * (1.0 - DAMPING * DAMPING).sqrt();
    let expected = 100.0 / damped_hz;
    assert!(lengths.len() >= 10, "{lengths:?}");
    for length in &lengths[..8] {
        assert!((length / expected - 1.0).abs() < 0.01, "{length} mm instead of {expected} mm");
    }
    let mean = lengths[..8].iter().sum::<f64>() / 8.0;
    eprintln!("wavelength {mean:.5} mm, expected {expected:.5} mm, off by {:.3} %", (mean / expected - 1.0) * 100.0);
}

#[test]
fn the_peak_of_planted_ringing_is_its_first_swing_after_the_corner() {
    // 10 ms after the corner is 0.48 of a period: what is left to see is the swing to the other side.
    let study = study(&mut [("off", planted(40.0))]);
    let run = &study.runs[0];
    let expected = 40.0 * (-DAMPING * std::f64::consts::PI / (1.0 - DAMPING * DAMPING).sqrt()).exp();
    assert!((run.ringing.peak_um / expected - 1.0).abs() < 0.005, "{} for {expected}", run.ringing.peak_um);
    assert!(run.ringing.outer_walls && !run.ringing.curves_only);
    let first = &run.profile[0];
    let (omega, t) = (std::f64::consts::TAU * FREQ_HZ[0], first.from_corner_mm / 100.0);
    let damped = omega * (1.0 - DAMPING * DAMPING).sqrt();
    let planted = 40.0 * (-DAMPING * omega * t).exp() * (damped * t).cos();
    assert!((first.deviation_um - planted).abs() < 0.02, "to the right first: {first:?}, planted {planted}");
}

#[test]
fn the_legend_has_the_numbers_of_the_scale() {
    let study = study(&mut [("off", planted(40.0))]);
    assert_eq!(study.scale_um, 40.0);
    let html = report::html(&study, "");
    let legend = &html[html.find("legend: colour by deviation").unwrap()..];
    let legend = &legend[..legend.find("</svg>").unwrap()];
    let texts: Vec<&str> =
        legend.split("<text").skip(1).map(|t| &t[t.find('>').unwrap() + 1..t.find('<').unwrap()]).collect();
    assert_eq!(texts, ["-40", "+40", "-20", "+20", "0", "left of travel", "right of travel (outwards), µm"]);
    assert_eq!(legend.matches("<rect").count(), drydock_analysis::colour::STEPS);
}

#[test]
fn a_shaper_is_seen_to_work() {
    let study = off_and_on();
    let (off, on) = (&study.runs[0].ringing, &study.runs[1].ringing);
    eprintln!("peak {:.1} -> {:.1} um, rms {:.1} -> {:.1} um", off.peak_um, on.peak_um, off.rms_um, on.rms_um);
    assert!(off.peak_um > 15.0 && on.peak_um < off.peak_um / 4.0);
    assert_eq!((study.runs[0].layers, study.runs[1].layers), (3, 3));
    assert!(study.runs.iter().all(|r| r.profile.len() > 50 && !r.view.is_empty()));
}

#[test]
fn the_report_is_well_formed_and_needs_nothing_but_itself() {
    for html in [report::html(&off_and_on(), "drydock run --seed 7"), report::html(&study(&mut []), "")] {
        well_formed(&html);
        for outside in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link", "<img"] {
            assert!(!html.contains(outside), "the report refers to something outside: {outside}");
        }
    }
    let html = report::html(&off_and_on(), "");
    assert!(html.contains("prefers-color-scheme:dark"));
    assert!(html.contains("first layer is 12 um low at &lt;X 5, Y 5&gt; &amp; &quot;there&quot;"));
    assert!(html.contains("drydock run scenarios/cube --seed 7"));
    assert!(!html.contains("NaN") && !html.contains("inf "), "numbers that are none");
}

/// Every element that is opened is closed, in order; every attribute is quoted.
fn well_formed(html: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>') || open.last() == Some(&"style"), "a bare > in {:?}", &rest[..start]);
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('!') || tag.ends_with('/') {
            continue;
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed out of order");
        } else {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn curves_do_not_grow_with_the_run() {
    let size = |html: String| html.len();
    let short = size(report::html(&off_and_on(), ""));
    assert!(short < 1_500_000, "{short} bytes");
}

#[test]
fn pictures_are_written() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let study = off_and_on();
    std::fs::write(folder.join("report.html"), report::html(&study, "")).unwrap();
    picture::write_png(&study, &folder.join("picture.png")).unwrap();
    let png = std::fs::read(folder.join("picture.png")).unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let size = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!((size(16), size(20)), (1200, 860));
    let error = picture::write_png(&study, &folder.join("no/such/folder.png")).unwrap_err().to_string();
    assert!(error.contains("folder.png: the picture cannot be written"), "{error}");
}

#[test]
fn the_summary_says_what_the_runs_did() {
    let study = off_and_on();
    let rows = report::summary(&study).into_iter().map(|(name, values)| format!("{name}: {}", values.join(" | ")));
    insta::assert_snapshot!(rows.collect::<Vec<_>>().join("\n"));
}
