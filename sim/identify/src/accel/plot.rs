//! What was fitted and what is left, as a picture.

use drydock_analysis::canvas::Svg;
use drydock_analysis::chart::{Area, Axis, Chart, Curve};

use super::fit::AxisFit;
use super::holdout::HeldOut;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 300.0;

/// Response along the test, measured and modelled, and below it their difference; an SVG file.
pub fn residual_svg(axis: &AxisFit) -> String {
    let column = |i: usize| axis.curve.iter().map(move |row| (row[0], row[i])).collect::<Vec<_>>();
    let left: Vec<(f64, f64)> = axis.curve.iter().map(|row| (row[0], row[1] - row[2])).collect();
    let upper = chart(
        &format!("{}: response along the test", axis.files.join(", ")),
        "mm/s² per Hz and accel_per_hz",
        vec![Curve::new("measured", 1, column(1)), Curve::new("modes", 0, column(2)).dashed()],
    );
    let peak = axis.curve.iter().map(|row| row[1]).fold(0.0, f64::max);
    let mut lower = chart("what the modes leave", "mm/s² per Hz", vec![Curve::new("measured − modes", 3, left)]);
    // To the scale of what was fitted, so that nothing looks larger than it is.
    lower.y = Axis::exact(&lower.y.label, -0.25 * peak, 0.25 * peak);
    draw(&[upper, lower], "Response and what is left")
}

/// A held-out recording and the twin; an SVG file.
pub fn holdout_svg(held_out: &HeldOut) -> String {
    let column = |i: usize| held_out.curve.iter().map(move |row| (row[0], row[i])).collect::<Vec<_>>();
    let curves = vec![Curve::new("recording", 1, column(1)), Curve::new("twin", 0, column(2)).dashed()];
    let title = format!("{}: not fitted", held_out.file);
    draw(&[chart(&title, "density over frequency", curves)], "Recording and twin")
}

fn chart(title: &str, label: &str, curves: Vec<Curve>) -> Chart {
    let xs = || curves.iter().flat_map(|c| c.points.iter().map(|p| p.0));
    let ys = curves.iter().flat_map(|c| c.points.iter().map(|p| p.1));
    let (x, y) = (Axis::over("frequency, Hz", xs(), [0.0, 0.0]), Axis::over(label, ys, [0.0, 0.0]));
    Chart { title: title.to_string(), x, y, curves }
}

fn draw(charts: &[Chart], title: &str) -> String {
    let mut canvas = Svg::new(WIDTH, HEIGHT * charts.len() as f64);
    for (i, chart) in charts.iter().enumerate() {
        chart.draw(&mut canvas, Area { x: 0.0, y: HEIGHT * i as f64, width: WIDTH, height: HEIGHT });
    }
    canvas.document(title)
}
