//! What was fitted and what is left, as a picture.

use drydock_analysis::canvas::Svg;
use drydock_analysis::chart::{Area, Axis, Chart, Curve};

use super::fit::AxisFit;
use super::holdout::HeldOut;

const WIDTH: f64 = 1080.0;
const HEIGHT: f64 = 300.0;
const LOWER: f64 = 190.0;

/// Response along the test, measured and modelled, and below it their difference: an SVG element.
pub fn residual_svg(axis: &AxisFit) -> String {
    let title = format!("{}: response along the test", axis.files.join(", "));
    pair(&title, "mm/s² per Hz and accel_per_hz", ["measured", "modes"], &axis.curve)
}

/// A held-out recording and the twin, and below them their difference: an SVG element.
pub fn holdout_svg(held_out: &HeldOut) -> String {
    let title = format!("{}: nothing was fitted to it", held_out.file);
    pair(&title, "density over frequency", ["recording", "twin"], &held_out.curve)
}

/// Rows: frequency, what is, what should be like it.
fn pair(title: &str, label: &str, [is, like]: [&str; 2], rows: &[[f64; 3]]) -> String {
    let column = |i: usize| rows.iter().map(move |row| (row[0], row[i])).collect::<Vec<_>>();
    let left: Vec<(f64, f64)> = rows.iter().map(|row| (row[0], row[1] - row[2])).collect();
    let peak = rows.iter().map(|row| row[1]).fold(0.0, f64::max);
    let x = || Axis::over("frequency, Hz", rows.iter().map(|row| row[0]), [0.0, 0.0]);
    let upper = Chart {
        title: title.to_string(),
        x: x(),
        y: Axis::over(label, rows.iter().flat_map(|row| [row[1], row[2]]), [0.0, 0.0]),
        curves: vec![Curve::new(is, 1, column(1)), Curve::new(like, 0, column(2)).dashed()],
    };
    let lower = Chart {
        title: "what is left".into(),
        x: x(),
        // Of the scale above, so that nothing looks larger than it is.
        y: Axis::exact("", -0.25 * peak, 0.25 * peak),
        curves: vec![Curve::new(&format!("{is} − {like}"), 3, left)],
    };
    let mut canvas = Svg::new(WIDTH, HEIGHT + LOWER);
    upper.draw(&mut canvas, Area { x: 0.0, y: 0.0, width: WIDTH, height: HEIGHT });
    lower.draw(&mut canvas, Area { x: 0.0, y: HEIGHT, width: WIDTH, height: LOWER });
    canvas.finish(title)
}
