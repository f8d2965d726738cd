//! A mesh over the objects of a print alone.

use super::settings::{Area, Settings};

/// Counts below which an interpolation has too little to go on.
const COUNT_MIN: usize = 3;
const COUNT_MIN_BESIDE_MANY: usize = 4;
const MANY: usize = 6;

/// The settings made smaller around the corners of the objects, and what to tell the user. `None`: there is nothing
/// to make smaller.
pub fn shrink(settings: &Settings, objects: usize, corners: &[[f64; 2]], margin_mm: f64) -> Option<(Settings, String)> {
    if corners.is_empty() {
        return None;
    }
    let [min, max] = settings.bounds();
    let mut low = [f64::INFINITY; 2];
    let mut high = [f64::NEG_INFINITY; 2];
    for corner in corners {
        for i in 0..2 {
            low[i] = low[i].min(corner[i] - margin_mm);
            high[i] = high[i].max(corner[i] + margin_mm);
        }
    }
    for i in 0..2 {
        low[i] = low[i].clamp(min[i], max[i]);
        high[i] = high[i].clamp(min[i], max[i]);
    }
    let ratio: [f64; 2] = std::array::from_fn(|i| (high[i] - low[i]) / (max[i] - min[i]));
    let full = settings.counts();
    let mut counts: [usize; 2] = std::array::from_fn(|i| ((full[i] as f64 * ratio[i]).ceil() as usize).max(COUNT_MIN));
    if counts[0].max(counts[1]) > MANY {
        counts = counts.map(|c| c.max(COUNT_MIN_BESIDE_MANY));
    }
    let mut new = settings.clone();
    new.area = match settings.area {
        Area::Rectangle { .. } => Area::Rectangle { min_mm: low, max_mm: high, counts },
        Area::Circle { centre_mm, radius_mm, .. } => {
            let middle: [f64; 2] = std::array::from_fn(|i| (low[i] + high[i]) / 2.0);
            let far = corners.iter().map(|c| {
                let (dx, dy) = (c[0] - middle[0], c[1] - middle[1]);
                (dx * dx + dy * dy).sqrt()
            });
            let radius = far.fold(0.0, f64::max) + margin_mm;
            let (dx, dy) = (middle[0] - centre_mm[0], middle[1] - centre_mm[1]);
            // A circle that would leave the bed is no smaller mesh of it.
            if (dx * dx + dy * dy).sqrt() + radius > radius_mm {
                return None;
            }
            let count = counts[0].max(counts[1]) | 1;
            Area::Circle { centre_mm: middle, radius_mm: radius, count }
        }
    };
    let pair = |p: [f64; 2]| format!("({:.3}, {:.3})", p[0], p[1]);
    let text = format!(
        "Found {objects} objects\nOriginal mesh bounds: ({}, {})\nOriginal probe count: ({}, {})\n\
         Adapted mesh bounds: ({}, {})\nRatio: ({:.5}, {:.5})\nAdapted probe count: ({}, {})",
        pair(min),
        pair(max),
        full[0],
        full[1],
        pair(low),
        pair(high),
        ratio[0],
        ratio[1],
        new.counts()[0],
        new.counts()[1]
    );
    Some((new, text))
}
