//! Curves, spectra and the response of shapers.

use crate::synthetic::*;
use drydock_view_model::vibration::{Probe, shaper_response};
use drydock_view_model::*;

const LONG: Squares = Squares {
    freq_hz: 48.0,
    damping: 0.06,
    amplitude_um: 40.0,
    speed_mm_s: 40.0,
    side_mm: 40.0,
    layers: 25,
    heat_s: 2.0,
    comments: true,
};

fn document(squares: Squares) -> Document {
    Document::from_bytes("planted", squares.bytes()).unwrap()
}

#[test]
fn every_channel_has_a_curve_a_unit_and_a_title_of_its_own() {
    let mut document = document(Squares::default());
    let channels = document.channels();
    assert_eq!(channels.len(), 9 + 21 + 3 + 8 + 2 + 2);
    let mut titles = std::collections::BTreeSet::new();
    for channel in channels {
        let span = document.span_ns();
        let points = document.series(channel, span, 500);
        assert!(points.len() > 2 && points.len() <= 500, "{channel:?}: {} points", points.len());
        assert!(points.windows(2).all(|p| p[0][0] <= p[1][0]), "{channel:?} goes back in time");
        assert!(!channel.unit().is_empty());
        assert!(titles.insert(channel.title(document.header())), "{channel:?}");
    }
}

#[test]
fn thinning_keeps_the_least_and_the_greatest_near_and_from_afar() {
    let mut document = document(LONG);
    let span = document.span_ns();
    // Half of the run is read row by row, all of it comes from the overview.
    for range in [span.start..span.end / 4, span.clone()] {
        for channel in [Channel::Displacement(0), Channel::TruePosition(1), Channel::TrueAcceleration(0)] {
            let extremes = |points: &[[f64; 2]]| {
                let within =
                    points.iter().filter(|p| p[0] >= range.start as f64 * 1e-9 && p[0] < range.end as f64 * 1e-9);
                within.fold([f64::MAX, f64::MIN], |e, p| [e[0].min(p[1]), e[1].max(p[1])])
            };
            // In pieces that are short enough for every point.
            let mut all = Vec::new();
            for start in (range.start..range.end).step_by(5_000_000_000) {
                all.extend(document.series(channel, start..(start + 5_000_000_000).min(range.end), usize::MAX));
            }
            let thinned = document.series(channel, range.clone(), 300);
            assert!(thinned.len() <= 300 && all.len() > 3000, "{} {}", thinned.len(), all.len());
            assert_eq!(extremes(&thinned), extremes(&all), "{channel:?} {range:?}");
        }
    }
}

#[test]
fn a_range_between_two_rows_still_has_a_line_through_it() {
    let mut document = document(Squares::default());
    let range = 2_100_000_000..2_100_100_000;
    for channel in document.channels() {
        let points = document.series(channel, range.clone(), 100);
        assert!(points.first().is_some_and(|p| p[0] <= 2.1), "{channel:?}: {points:?}");
        let last_of_its_kind = points.last().is_some_and(|p| p[0] >= 2.1001);
        assert!(last_of_its_kind, "{channel:?}: {points:?}");
    }
}

#[test]
fn curves_are_what_was_recorded() {
    let squares = Squares::default();
    let mut document = document(squares);
    let start_ns = squares.start_ns() + squares.side_ns();
    let range = start_ns + 100_000_000..start_ns + 200_000_000;
    for [t, value] in document.series(Channel::Displacement(0), range.clone(), usize::MAX) {
        let planted = squares.swing_um(t - start_ns as f64 * 1e-9);
        assert!((value - planted).abs() < 0.02, "{value} for {planted} um at {t} s");
    }
    for [_, value] in document.series(Channel::DriveVelocity(1), range.clone(), usize::MAX) {
        assert!((value - squares.speed_mm_s).abs() < 0.01);
    }
    for [_, value] in document.series(Channel::CommandedVelocity(1), range.clone(), usize::MAX) {
        assert!((value.abs() - squares.speed_mm_s).abs() < 0.01 || value.abs() < 0.01);
    }
    let temperature = document.series(Channel::Temperature(1), 0..1_000_000_000, usize::MAX);
    assert!(temperature.iter().all(|[t, value]| (value - 21.0 - t).abs() < 1e-3));
}

#[test]
fn a_growing_file_has_the_same_curves_in_the_end() {
    let file = Growing::default();
    let mut writer = drydock_recording::Writer::new(file.clone(), LONG.header()).unwrap();
    let half_ns = LONG.end_ns() / 2 / BEAD_NS * BEAD_NS;
    LONG.write(&mut writer, 0, half_ns);
    writer.flush().unwrap();
    let mut growing = Document::from_source("growing", file.clone()).unwrap();
    growing.series(Channel::TrueVelocity(0), 0..u64::MAX, 100);
    LONG.write(&mut writer, half_ns, LONG.end_ns());
    writer.finish(&LONG.end()).unwrap();
    growing.refresh().unwrap();
    let mut opened = Document::from_source("opened", file).unwrap();
    for channel in [Channel::TrueVelocity(0), Channel::TrueAcceleration(1), Channel::Pressure] {
        assert_eq!(growing.series(channel, 0..u64::MAX, 777), opened.series(channel, 0..u64::MAX, 777), "{channel:?}");
    }
}

#[test]
fn the_planted_tone_is_in_the_spectrum_of_the_chip_and_of_the_nozzle_and_in_every_column() {
    let mut document = document(Squares { layers: 4, freq_hz: 62.0, amplitude_um: 80.0, ..Squares::default() });
    let range = document.span_ns();
    assert_eq!(document.probes(), [Probe::Chip(0), Probe::Nozzle]);
    for (probe, tolerance_hz) in [(Probe::Chip(0), 0.3), (Probe::Nozzle, 1.0)] {
        let spectrum = document.spectrum(probe, range.clone()).unwrap();
        let peak = spectrum.peak_hz(45.0..90.0).unwrap();
        assert!((peak - 62.0).abs() < tolerance_hz, "{probe:?}: {peak} Hz");
    }
    let spectrogram = document.spectrogram(Probe::Chip(0), range, 20);
    assert_eq!((spectrogram.time_s.len(), spectrogram.power.len()), (20, 20));
    for column in &spectrogram.power {
        assert_eq!(column.len(), spectrogram.freq_hz.len());
        let greatest = (5..column.len()).max_by(|a, b| column[*a].total_cmp(&column[*b])).unwrap();
        assert!((spectrogram.freq_hz[greatest] - 62.0).abs() < 2.0);
    }
    assert!(document.spectrum(Probe::Chip(0), 0..1000).is_err());
    assert!(document.spectrogram(Probe::Chip(7), 0..u64::MAX, 5).power.is_empty());
}

/// A drive in steps of 12.5 um at 4713 a second, sampled 500 times a second, and a nozzle that passes 3 % of them on while
/// it rings at 48 Hz by 1 um.
fn stepping() -> Document {
    use drydock_recording::{End, Header, State, Writer};
    use std::f64::consts::TAU;
    let mut writer = Writer::new(Vec::new(), Header::default()).unwrap();
    for i in 0..2000u64 {
        let at_ns = i * STATE_NS;
        let t = at_ns as f64 * 1e-9;
        let smooth = 4713.0 * 0.0125 * t;
        let stepped = (smooth / 0.0125).floor() * 0.0125;
        let nozzle = smooth + 0.03 * (stepped - smooth) + 0.001 * (TAU * 48.0 * t).sin();
        let (drive_mm, nozzle_mm) = ([stepped, 0.0, 0.0], [nozzle, 0.0, 0.0]);
        writer.push(State { at_ns, drive_mm, nozzle_mm, e_mm: 0.0 }).unwrap();
    }
    let bytes = writer.finish(&End { end_ns: 2000 * STATE_NS, ..End::default() }).unwrap();
    Document::from_bytes("steps", bytes).unwrap()
}

#[test]
fn steps_that_are_sampled_too_slowly_are_not_taken_for_ringing() {
    let mut document = stepping();
    let range = document.span_ns();
    let spectrum = document.spectrum(Probe::Nozzle, range.clone()).unwrap();
    let shakes = document.shakes(Probe::Nozzle, range.clone(), &spectrum);
    let peak = |wanted: &dyn Fn(usize) -> bool| {
        let bins = (0..spectrum.freq_hz.len()).filter(|bin| wanted(*bin));
        bins.max_by(|a, b| spectrum.axes[0][*a].total_cmp(&spectrum.axes[0][*b])).map(|bin| spectrum.freq_hz[bin])
    };
    let (highest, ringing) = (peak(&|_| true).unwrap(), peak(&|bin| shakes[0][bin]).unwrap());
    assert!((highest - 213.0).abs() < 2.0, "the steps' tone is the highest peak: {highest} Hz");
    assert!((ringing - 48.0).abs() < 2.0, "and not what rings: {ringing} Hz");
    for column in document.spectrogram(Probe::Nozzle, range, 5).power {
        let highest = (0..column.len()).max_by(|a, b| column[*a].total_cmp(&column[*b])).unwrap();
        assert!((spectrum.freq_hz[highest] - 48.0).abs() < 2.0, "{} Hz", spectrum.freq_hz[highest]);
    }
}

#[test]
fn a_shaper_leaves_nothing_at_its_frequency_and_everything_at_rest() {
    for kind in settings::SHAPERS {
        let shaper = Shaper { kind: kind.into(), freq_hz: 48.0, damping: 0.1 };
        let left = shaper_response(&shaper, &[0.01, 48.0]).unwrap();
        assert!(left[0] > 0.98, "{kind}: {left:?}");
        // The EI family leaves up to 5 % on purpose, MZV a little.
        assert!(left[1] < 0.06, "{kind}: {left:?}");
    }
    assert_eq!(shaper_response(&Shaper { kind: "no such".into(), freq_hz: 48.0, damping: 0.1 }, &[1.0]), None);
}
