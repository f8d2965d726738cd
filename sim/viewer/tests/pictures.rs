//! Pictures made without a window, and something measured in each of them.

use drydock_recording::{Bead, Command as Line, End, Header, Move, State, Writer};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;

const SPEED_MM_S: f64 = 100.0;
const FREQUENCY_HZ: f64 = 50.0;
const DECAY_S: f64 = 0.25;
const MACHINE: &str = "(name: \"test\", kinematics: CoreXy(()), travel_max_mm: (120.0, 120.0, 100.0), tick_ns: 250000,
    modes: [(freq_hz: 50.0, damping: 0.05, excited_by: (0.0, 1.0, 0.0), shape: (0.0, 1.0, 0.0))])";
const TICK_NS: u64 = 250_000;

/// An L: along y, round a corner, and along x, where the nozzle swings across with an amplitude in mm.
fn wall(name: &str, amplitude_mm: f64) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let header = Header { machine_ron: MACHINE.into(), title: name.into(), ..Header::default() };
    let mut writer = Writer::new(File::create(&path).unwrap(), header).unwrap();
    let (corner_s, end_s) = (0.3, 0.9);
    let drive = |s: f64| match s {
        s if s < corner_s => [20.0, 20.0 + SPEED_MM_S * s, 0.2],
        s => [20.0 + SPEED_MM_S * (s - corner_s), 50.0, 0.2],
    };
    let nozzle = |s: f64| {
        let [x, y, z] = drive(s);
        let t = s - corner_s;
        let swing = if t < 0.0 { 0.0 } else { (-t / DECAY_S).exp() * (std::f64::consts::TAU * FREQUENCY_HZ * t).sin() };
        [x, y + amplitude_mm * swing, z]
    };
    for (line_no, from_s, to_s) in [(1, 0.0, corner_s), (2, corner_s, end_s)] {
        let (at_ns, duration_ns) = ((from_s * 1e9) as u64, ((to_s - from_s) * 1e9) as u64);
        writer.push(Line { at_ns, line_no, text: format!("G1 line {line_no}"), ..Line::default() }).unwrap();
        let (start_mm, end_mm) = (drive(from_s), drive(to_s - 1e-9));
        let planned =
            Move { at_ns, duration_ns, start_mm, end_mm, start_v_mm_s: SPEED_MM_S, line_no, ..Move::default() };
        writer.push(planned).unwrap();
    }
    let ticks = (end_s * 1e9) as u64 / TICK_NS;
    for tick in 0..=ticks {
        let (at_ns, s) = (tick * TICK_NS, (tick * TICK_NS) as f64 * 1e-9);
        writer.push(State { at_ns, drive_mm: drive(s), nozzle_mm: nozzle(s), e_mm: 0.0 }).unwrap();
    }
    // A bead every 2 ms: 0.2 mm.
    for nth in 0..ticks / 8 {
        let (at_ns, duration_ns) = (nth * 8 * TICK_NS, 8 * TICK_NS);
        let [from_s, to_s] = [at_ns, at_ns + duration_ns].map(|ns| ns as f64 * 1e-9);
        let (from_mm, to_mm) = (nozzle(from_s), nozzle(to_s));
        // All there are, one after the other, at the wall's beginning, which no other test looks at.
        let feature = if nth < 9 { nth as u8 } else { Bead::FEATURE_OUTER_WALL };
        let (width_mm, height_mm, temperature_c) = (0.45, 0.2, 210.0);
        writer.push(Bead { at_ns, duration_ns, from_mm, to_mm, width_mm, height_mm, temperature_c, feature }).unwrap();
    }
    writer.finish(&End { end_ns: ticks * TICK_NS, ..End::default() }).unwrap();
    path
}

/// The head stands still at a place and swings along x.
fn swing(name: &str, amplitude_mm: f64) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let header = Header { machine_ron: MACHINE.into(), ..Header::default() };
    let mut writer = Writer::new(File::create(&path).unwrap(), header).unwrap();
    for tick in 0..=4000_u64 {
        let at_ns = tick * TICK_NS;
        let phase = std::f64::consts::TAU * FREQUENCY_HZ * at_ns as f64 * 1e-9;
        let drive_mm = [60.0, 60.0, 20.0];
        let nozzle_mm = [60.0 + amplitude_mm * phase.sin(), 60.0, 20.0];
        writer.push(State { at_ns, drive_mm, nozzle_mm, e_mm: 0.0 }).unwrap();
    }
    writer.finish(&End { end_ns: 1_000_000_000, ..End::default() }).unwrap();
    path
}

struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Picture {
    fn at(&self, x: usize, y: usize) -> [i32; 3] {
        let first = 3 * (y * self.width + x);
        [0, 1, 2].map(|channel| i32::from(self.rgb[first + channel]))
    }

    /// Rows of a column that are not the background.
    fn column(&self, x: usize) -> Vec<usize> {
        let background = self.at(0, 0);
        (0..self.height).filter(|y| distance(self.at(x, *y), background) > 30).collect()
    }

    fn drawn(&self) -> usize {
        (0..self.width).map(|x| self.column(x).len()).sum()
    }

    fn count_differing(&self, other: &Picture) -> usize {
        let pixels = self.rgb.chunks(3).zip(other.rgb.chunks(3));
        pixels.filter(|(a, b)| (0..3).any(|c| a[c].abs_diff(b[c]) > 12)).count()
    }
}

fn distance(a: [i32; 3], b: [i32; 3]) -> i32 {
    (0..3).map(|channel| (a[channel] - b[channel]).abs()).sum()
}

fn shot(recording: &Path, out: &str, arguments: &[&str]) -> Picture {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(out);
    let run = Command::new(env!("CARGO_BIN_EXE_drydock-view"))
        .arg("shot")
        .arg(recording)
        .arg("--out")
        .arg(&out)
        .args(arguments)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let mut reader = png::Decoder::new(BufReader::new(File::open(&out).unwrap())).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    Picture { width: info.width as usize, height: info.height as usize, rgb }
}

/// A piece of the wall along x from straight above: 720 pixels are 12 mm, so a pixel is 1/60 mm.
const ABOVE: [&str; 12] = [
    "--camera",
    "top",
    "--flat",
    "--focus",
    "32,50,0.2",
    "--span",
    "12",
    "--size",
    "1280x720",
    "--no-machine",
    "--plain",
    "--range=-60,60",
];
const PX_PER_MM: f64 = 60.0;

/// The length of a wave in samples, from where the signal goes up through zero.
fn wavelength(signal: &[f64]) -> f64 {
    let rising: Vec<f64> = signal
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0] < 0.0 && pair[1] >= 0.0)
        .map(|(nth, pair)| nth as f64 - pair[0] / (pair[1] - pair[0]))
        .collect();
    assert!(rising.len() > 4, "{} waves", rising.len());
    (rising[rising.len() - 1] - rising[0]) / (rising.len() - 1) as f64
}

#[test]
fn the_colours_along_a_wall_have_the_wavelength_of_the_mode() {
    let picture = shot(&wall("colours.drydock", 0.05), "colours.png", &ABOVE);
    let signal: Vec<f64> = (100..picture.width - 100)
        .map(|x| {
            let rows = picture.column(x);
            assert!(!rows.is_empty(), "no wall in column {x}");
            let [red, _, blue] = picture.at(x, rows[rows.len() / 2]);
            f64::from(red - blue)
        })
        .collect();
    let (measured, planted) = (wavelength(&signal) / PX_PER_MM, SPEED_MM_S / FREQUENCY_HZ);
    assert!((measured / planted - 1.0).abs() < 0.03, "{measured} mm against {planted} mm");
}

/// The middle of the wall in each column, in mm from the mean.
fn middles(picture: &Picture) -> Vec<f64> {
    let middles: Vec<f64> = (100..picture.width - 100)
        .map(|x| {
            let rows = picture.column(x);
            rows.iter().sum::<usize>() as f64 / rows.len() as f64 / PX_PER_MM
        })
        .collect();
    let mean = middles.iter().sum::<f64>() / middles.len() as f64;
    middles.iter().map(|middle| mean - middle).collect()
}

#[test]
fn ringing_is_drawn_as_large_as_it_is_exaggerated_and_a_shaper_takes_it_away() {
    let arguments = [&ABOVE[..], &["--exaggerate", "40"]].concat();
    let picture = shot(&wall("off.drydock", 0.05), "off.png", &arguments);
    let off = middles(&picture);
    let on = middles(&shot(&wall("on.drydock", 0.0005), "on.png", &arguments));
    let largest = |line: &[f64]| line.iter().fold(0.0_f64, |most, mm| most.max(mm.abs()));
    // What was planted, over the columns that are looked at; the outer edge of a crest is half a width beyond it.
    let planted = (100..1180).map(|x| {
        let from_corner_s = (12.0 + (f64::from(x) - 640.0) / PX_PER_MM) / SPEED_MM_S;
        0.05 * (-from_corner_s / DECAY_S).exp() * (std::f64::consts::TAU * FREQUENCY_HZ * from_corner_s).sin()
    });
    let expected = 40.0 * planted.fold(0.0_f64, f64::max);
    let top = (100..1180).filter_map(|x| picture.column(x).first().copied()).min().unwrap();
    let crest = (360.0 - top as f64) / PX_PER_MM - 0.225;
    assert!((crest / expected - 1.0).abs() < 0.05, "{crest} mm against {expected} mm");
    assert!(largest(&on) < 0.05 * largest(&off), "{} mm against {} mm", largest(&on), largest(&off));
    assert!((wavelength(&off) / PX_PER_MM / (SPEED_MM_S / FREQUENCY_HZ) - 1.0).abs() < 0.03);
}

#[test]
fn two_phases_of_a_swing_differ_by_the_exaggerated_displacement() {
    let recording = swing("swing.drydock", 0.05);
    // 300 pixels are 200 mm.
    let look =
        ["--camera", "front", "--flat", "--focus", "60,60,60", "--span", "200", "--size", "400x300", "--no-part"];
    let head = |at: &str, out: &str| {
        let picture = shot(&recording, out, &[&look[..], &["--exaggerate", "200", "--at", at]].concat());
        // The orange of the toolhead; the spool is to the right of the picture's middle.
        let orange = |x: usize, y: usize| {
            let [red, green, blue] = picture.at(x, y);
            x < 260 && red > 100 && 100 * green < 62 * red && 3 * blue < red
        };
        let columns: Vec<usize> = (0..picture.width)
            .flat_map(|x| (0..picture.height).map(move |y| (x, y)))
            .filter(|(x, y)| orange(*x, *y))
            .map(|(x, _)| x)
            .collect();
        assert!(columns.len() > 200, "{} orange pixels", columns.len());
        columns.iter().sum::<usize>() as f64 / columns.len() as f64 * 200.0 / 300.0
    };
    // A quarter and three quarters of the 25th swing.
    let (right, left) = (head("0.505s", "right.png"), head("0.515s", "left.png"));
    assert!((right - left - 2.0 * 200.0 * 0.05).abs() < 0.7, "{} mm", right - left);
}

#[test]
fn the_difference_of_equal_recordings_is_nothing_and_of_others_is_the_wave() {
    let (one, same, other) = (wall("one.drydock", 0.05), wall("same.drydock", 0.05), wall("other.drydock", 0.0));
    let picture = |second: &Path, out: &str| {
        shot(&one, out, &[&ABOVE[..], &["--difference", "--compare", second.to_str().unwrap()]].concat())
    };
    let tints = |picture: &Picture| -> Vec<f64> {
        (100..picture.width - 100)
            .map(|x| {
                let rows = picture.column(x);
                let [red, _, blue] = picture.at(x, rows[rows.len() / 2]);
                f64::from(red - blue)
            })
            .collect()
    };
    let nothing = tints(&picture(&same, "same.png"));
    assert!(nothing.iter().all(|tint| tint.abs() < 8.0), "{nothing:?}");
    let wave = wavelength(&tints(&picture(&other, "difference.png"))) / PX_PER_MM;
    assert!((wave / (SPEED_MM_S / FREQUENCY_HZ) - 1.0).abs() < 0.03, "{wave} mm");
}

#[test]
fn the_part_grows_with_the_playhead() {
    let recording = wall("grows.drydock", 0.0);
    let drawn = |at: &str| {
        let picture = shot(
            &recording,
            "grows.png",
            &[
                "--at",
                at,
                "--camera",
                "top",
                "--flat",
                "--focus",
                "50,50,0",
                "--span",
                "70",
                "--size",
                "320x280",
                "--no-machine",
                "--plain",
            ],
        );
        picture.drawn() as f64
    };
    let (half, whole) = (drawn("0.6s"), drawn("end"));
    // 30 mm before the corner and 30 mm behind it, of 90 mm.
    assert!((half / whole - 60.0 / 90.0).abs() < 0.03, "{half} of {whole}");
}

#[test]
fn two_recordings_stand_side_by_side_under_one_camera() {
    let recording = wall("beside.drydock", 0.05);
    let twice = shot(&recording, "beside.png", &["--compare", recording.to_str().unwrap(), "--size", "640x240"]);
    let half = |first: usize| {
        let pixels = (0..240).flat_map(|y| (first..first + 320).map(move |x| (x, y)));
        let rgb = pixels.flat_map(|(x, y)| twice.at(x, y).map(|channel| channel as u8)).collect();
        Picture { width: 320, height: 240, rgb }
    };
    let (left, right) = (half(0), half(320));
    assert!(left.drawn() > 2000);
    // Each half's centre is half a pixel from a whole one or not: an edge may fall on the other side.
    assert!(left.count_differing(&right) < 20, "{} pixels", left.count_differing(&right));
}

#[test]
fn the_plots_show_both_recordings_that_are_compared() {
    let (one, other) = (wall("plots.drydock", 0.05), wall("plots-other.drydock", 0.02));
    let plots = |second: &Path, out: &str| {
        let second = second.to_str().unwrap();
        shot(&one, out, &["--compare", second, "--panels", "view", "--size", "1366x768", "--at", "0.6s"])
    };
    let (same, differs) = (plots(&one, "plots-same.png"), plots(&other, "plots-differ.png"));
    // Below the head of the plots, above the time bar.
    let below = |picture: &Picture| {
        let pixels = (540..700).flat_map(|y| (0..1366).map(move |x| (x, y)));
        let rgb = pixels.flat_map(|(x, y)| picture.at(x, y).map(|channel| channel as u8)).collect();
        Picture { width: 1366, height: 160, rgb }
    };
    let count = below(&same).count_differing(&below(&differs));
    assert!(count > 300, "{count} pixels of the plots are the other's");
}

#[test]
fn the_view_panel_is_whole_on_a_laptop_with_a_legend_of_many_features() {
    let recording = wall("laptop.drydock", 0.05);
    let picture = shot(&recording, "laptop.png", &["--size", "1366x768", "--panels", "view", "--colour", "feature"]);
    // The panel's last columns are its own ground, but for the line at its top: nothing runs out of the picture.
    let ground = picture.at(1363, 480);
    let cut = (60..488).filter(|y| (1361..1366).any(|x| distance(picture.at(x, *y), ground) > 60)).count();
    assert_eq!(cut, 0, "rows in which something reaches the edge");
}

#[test]
fn what_cannot_be_done_is_said_in_one_line() {
    let recording = wall("errors.drydock", 0.0);
    let run = |arguments: &[&str]| {
        let run = Command::new(env!("CARGO_BIN_EXE_drydock-view")).args(arguments).output().unwrap();
        (run.status.code(), String::from_utf8_lossy(&run.stderr).into_owned())
    };
    let recording = recording.to_str().unwrap();
    for (arguments, said) in [
        (vec!["shot", "there/is/none.drydock", "--out", "x.png"], "none.drydock"),
        (vec!["shot", recording, "--out", "x.png", "--at", "layer:99"], "no layer 99"),
        (vec!["shot", recording, "--out", "x.png", "--at", "line:77"], "line 77"),
        (vec!["shot", recording, "--video", "film.avi"], "a .gif or a .mp4"),
    ] {
        let (code, text) = run(&arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {text}");
        assert!(text.contains(said) && text.lines().count() == 1, "{arguments:?}: {text}");
    }
    assert_eq!(run(&["shot", recording]).0, Some(2), "neither picture nor film asked for");
}

#[test]
fn the_tuning_panel_stands_beside_the_part_and_leaves_it_alone() {
    let recording = wall("panels.drydock", 0.05);
    let look = ["--size", "1366x768", "--no-machine", "--camera", "top"];
    let alone = shot(&recording, "alone.png", &look);
    let panels = shot(&recording, "panels.png", &[&look[..], &["--panels", "tune"]].concat());
    let background = alone.at(0, 0);
    let is_background = |x: usize, y: usize| distance(panels.at(x, y), background) < 6;
    // Between the panels there is the scene, with the part in its middle.
    assert!(is_background(660, 200) && is_background(900, 400));
    let part = (300..1000).flat_map(|x| (60..460).map(move |y| (x, y))).filter(|(x, y)| {
        let [red, green, blue] = panels.at(*x, *y);
        red.max(green).max(blue) > 120
    });
    assert!(part.count() > 300);
    // The right panel is there, and says something.
    let panel = |x: usize, y: usize| distance(panels.at(x, y), panels.at(1360, 470));
    let written = (1100..1360).flat_map(|x| (40..460).map(move |y| (x, y))).filter(|(x, y)| panel(*x, *y) > 150);
    assert!(written.count() > 300);
}
