//! Parts to try settings on: outlines at several speeds, printed where the tuner wants them.

use std::f64::consts::TAU;
use std::fmt::Write;

use crate::random::random;

/// A closed outline about a middle, mm, and the speed it is printed at.
struct Outline {
    points: Vec<[f64; 2]>,
    speed_mm_s: f64,
}

/// A line 0.45 mm wide and 0.2 mm high, in filament of 1.75 mm.
const E_PER_MM: f64 = 0.033_84;
const LAYER_MM: f64 = 0.2;
const OUTLINES: usize = 6;
/// Beside the outlines of one part.
const GAP_MM: f64 = 2.0;

/// Squares and octagons, one inside the other, a turned pentagon and a triangle: corners of 45 to 120 degrees at five speeds.
/// What settings are searched on.
pub fn search_part(middle: [f64; 2], size_mm: f64) -> String {
    let mut outlines = Vec::new();
    for (i, speed_mm_s) in [150.0, 100.0, 60.0].into_iter().enumerate() {
        let half = 0.5 * size_mm - GAP_MM * 2.0 * i as f64;
        outlines.push(Outline { points: regular(4, half * std::f64::consts::SQRT_2, 0.125), speed_mm_s });
        outlines.push(Outline { points: regular(8, half - GAP_MM, 0.0625), speed_mm_s });
    }
    for (corners, turn, speed_mm_s) in [(5, 0.02, 120.0), (3, 0.11, 90.0)] {
        outlines.push(Outline { points: regular(corners, 0.5 * size_mm - 5.0 * GAP_MM, turn), speed_mm_s });
    }
    gcode(middle, &outlines)
}

/// Stars of chance, 4 to 9 corners at 40 to 200 mm/s: a part of its own for each seed.
pub fn part_of_chance(middle: [f64; 2], size_mm: f64, seed: u64) -> String {
    let mut random = random(seed);
    let outlines: Vec<Outline> = (0..OUTLINES)
        .map(|_| {
            let corners = random.between(4.0, 10.0) as u32;
            let turn = random.unit();
            let mut corner = |i: u32| {
                let angle = TAU * ((f64::from(i) + random.between(-0.3, 0.3)) / f64::from(corners) + turn);
                let radius_mm = 0.5 * size_mm * random.between(0.5, 1.0);
                [radius_mm * libm::cos(angle), radius_mm * libm::sin(angle)]
            };
            let points = (0..corners).map(&mut corner).collect();
            Outline { points, speed_mm_s: 10.0 * random.between(4.0, 20.0).round() }
        })
        .collect();
    gcode(middle, &outlines)
}

/// Corners on a circle; `turn` in turns.
fn regular(corners: u32, radius_mm: f64, turn: f64) -> Vec<[f64; 2]> {
    let angle = |i: u32| TAU * (f64::from(i) / f64::from(corners) + turn);
    (0..corners).map(|i| [radius_mm * libm::cos(angle(i)), radius_mm * libm::sin(angle(i))]).collect()
}

/// Each outline twice, so that its first corner is met at speed.
fn gcode(middle: [f64; 2], outlines: &[Outline]) -> String {
    let mut text = format!("G90\nM83\nG1 Z{LAYER_MM} F600\n;TYPE:External perimeter\n");
    for outline in outlines {
        let place = |p: &[f64; 2]| [middle[0] + p[0], middle[1] + p[1]];
        let Some(start) = outline.points.last().map(place) else { continue };
        let feed = outline.speed_mm_s * 60.0;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "G1 X{:.3} Y{:.3} F12000", start[0], start[1]);
        let mut at = start;
        for _ in 0..2 {
            for to in outline.points.iter().map(place) {
                let e = E_PER_MM * (to[0] - at[0]).hypot(to[1] - at[1]);
                let _ = writeln!(text, "G1 X{:.3} Y{:.3} E{e:.5} F{feed:.0}", to[0], to[1]);
                at = to;
            }
        }
    }
    text
}
