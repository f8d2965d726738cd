//! The picture for the README: the layer and its worst corner, run beside run, and the deviation along the wall.

use crate::bitmap::{Bitmap, NotWritten};
use crate::canvas::{Anchor, Canvas, Font, Paint};
use crate::chart::Area;
use crate::report::profile_chart;
use crate::study::Study;
use crate::topview;
use std::path::Path;

/// Writes a PNG of 1200 by 860 pixels.
pub fn write_png(study: &Study, path: &Path) -> Result<(), NotWritten> {
    let mut canvas = Bitmap::new(1200, 860);
    draw(study, &mut canvas);
    canvas.write_png(path)
}

/// Draws the picture, 1200 by 860.
pub fn draw(study: &Study, canvas: &mut impl Canvas) {
    let runs = study.runs.len().max(1);
    let height = 500.0;
    let width = 1180.0 / runs as f64;
    for (i, run) in study.runs.iter().enumerate() {
        let area = Area { x: 10.0 + width * i as f64, y: 6.0, width: width - 10.0, height };
        if runs == 1 {
            let half = Area { width: area.width / 2.0 - 5.0, ..area };
            topview::layer(study, run, canvas, half);
            topview::corner(study, run, canvas, Area { x: half.x + half.width + 10.0, ..half });
        } else {
            topview::layer(study, run, canvas, area);
        }
    }
    topview::legend(study, canvas, Area { x: 10.0, y: height + 18.0, width: 1180.0, height: 34.0 });
    let below = Area { x: 10.0, y: height + 60.0, width: 1180.0, height: 290.0 };
    match profile_chart(study) {
        Some(chart) => chart.draw(canvas, below),
        None => {
            let font = Font::new(13.0, Anchor::Middle, Paint::Soft);
            canvas.text(600.0, height + 180.0, "this layer has no corner to show", font);
        }
    }
}
