//! Charts: two axes with round ticks, curves, a legend.

use crate::canvas::{Anchor, Canvas, Font, Paint, Stroke};

/// Where a chart or a view is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

#[derive(Clone, Debug)]
pub struct Axis {
    /// With the unit.
    pub label: String,
    pub from: f64,
    pub to: f64,
}

#[derive(Clone, Debug)]
pub struct Curve {
    pub name: String,
    pub paint: Paint,
    pub dashed: bool,
    pub width: f64,
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    pub fn new(name: &str, series: usize, points: Vec<(f64, f64)>) -> Curve {
        Curve { name: name.to_owned(), paint: Paint::Series(series), dashed: false, width: 1.5, points }
    }

    pub fn dashed(self) -> Curve {
        Curve { dashed: true, ..self }
    }

    pub fn thin(self) -> Curve {
        Curve { width: 1.0, ..self }
    }
}

#[derive(Clone, Debug)]
pub struct Chart {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub curves: Vec<Curve>,
}

pub const TEXT: f64 = 12.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 40.0;

impl Axis {
    /// An axis over all values of the curves, and over what is asked for beside them.
    pub fn over(label: &str, values: impl Iterator<Item = f64>, at_least: [f64; 2]) -> Axis {
        let fit = |(low, high): (f64, f64), v: f64| (low.min(v), high.max(v));
        let (low, high) = values.filter(|v| v.is_finite()).fold((at_least[0], at_least[1]), fit);
        let (low, high) = if high > low { (low, high) } else { (low - 1.0, low + 1.0) };
        let step = tick_step(high - low, 6.0);
        let (from, to) = ((low / step + 1e-6).floor() * step, (high / step - 1e-6).ceil() * step);
        Axis { label: label.to_owned(), from, to }
    }

    pub fn exact(label: &str, from: f64, to: f64) -> Axis {
        Axis { label: label.to_owned(), from, to: if to > from { to } else { from + 1.0 } }
    }

    fn part(&self, value: f64) -> f64 {
        (value - self.from) / (self.to - self.from)
    }
}

impl Chart {
    pub fn draw(&self, canvas: &mut impl Canvas, area: Area) {
        let plot = Area {
            x: area.x + LEFT,
            y: area.y + TOP,
            width: (area.width - LEFT - RIGHT).max(10.0),
            height: (area.height - TOP - BOTTOM).max(10.0),
        };
        let title = Font::new(TEXT + 2.0, Anchor::Start, Paint::Ink).bold();
        canvas.text(area.x + 4.0, area.y + 16.0, &self.title, title);
        self.axes(canvas, plot);
        for curve in &self.curves {
            let place = |p: &(f64, f64)| {
                (plot.x + self.x.part(p.0) * plot.width, plot.y + (1.0 - self.y.part(p.1)) * plot.height)
            };
            let points: Vec<_> = curve.points.iter().map(place).collect();
            let stroke = Stroke { paint: curve.paint, width: curve.width, dashed: curve.dashed };
            canvas.lines(&clip(&points, plot), stroke);
        }
        self.legend(canvas, plot);
    }

    fn axes(&self, canvas: &mut impl Canvas, plot: Area) {
        let grid = Stroke::new(Paint::Grid, 1.0);
        let (right, bottom) = (plot.x + plot.width, plot.y + plot.height);
        let (ticks, places) = ticks(&self.x, plot.width / 90.0);
        for tick in ticks {
            let x = plot.x + self.x.part(tick) * plot.width;
            canvas.line(&[(x, plot.y), (x, bottom)], grid);
            let font = Font::new(TEXT - 1.0, Anchor::Middle, Paint::Soft);
            canvas.text(x, bottom + 15.0, &number(tick, places), font);
        }
        let (ticks, places) = self::ticks(&self.y, plot.height / 36.0);
        for tick in ticks {
            let y = plot.y + (1.0 - self.y.part(tick)) * plot.height;
            canvas.line(&[(plot.x, y), (right, y)], grid);
            let font = Font::new(TEXT - 1.0, Anchor::End, Paint::Soft);
            canvas.text(plot.x - 6.0, y + 4.0, &number(tick, places), font);
        }
        if self.y.from < 0.0 && self.y.to > 0.0 {
            let y = plot.y + (1.0 - self.y.part(0.0)) * plot.height;
            canvas.line(&[(plot.x, y), (right, y)], Stroke::new(Paint::Soft, 1.0));
        }
        let font = Font::new(TEXT - 1.0, Anchor::Middle, Paint::Soft);
        canvas.text(plot.x + plot.width / 2.0, bottom + 32.0, &self.x.label, font);
        canvas.text(plot.x - 44.0, plot.y + plot.height / 2.0, &self.y.label, font.upwards());
    }

    fn legend(&self, canvas: &mut impl Canvas, plot: Area) {
        let mut x = plot.x;
        let y = plot.y - 10.0;
        for curve in self.curves.iter().filter(|c| !c.name.is_empty()) {
            let stroke = Stroke { paint: curve.paint, width: 2.5, dashed: curve.dashed };
            canvas.line(&[(x, y - 4.0), (x + 20.0, y - 4.0)], stroke);
            canvas.text(x + 25.0, y, &curve.name, Font::new(TEXT - 1.0, Anchor::Start, Paint::Ink));
            x += 25.0 + 6.4 * curve.name.chars().count() as f64 + 20.0;
        }
    }
}

/// A distance of ticks of which about `wanted` fit in.
fn tick_step(span: f64, wanted: f64) -> f64 {
    let rough = (span / wanted.max(1.0)).max(1e-12);
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|f| f * power >= rough * 0.999).unwrap_or(10.0);
    factor * power
}

/// The ticks of an axis, and how many decimals they need.
fn ticks(axis: &Axis, wanted: f64) -> (Vec<f64>, usize) {
    let step = tick_step(axis.to - axis.from, wanted);
    let first = (axis.from / step - 1e-6).ceil() as i64;
    let last = (axis.to / step + 1e-6).floor() as i64;
    let places = (-(step.log10() + 1e-9).floor()).max(0.0) as usize;
    ((first..=last.min(first + 100)).map(|i| i as f64 * step).collect(), places)
}

fn number(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    if text.trim_start_matches('-').chars().all(|c| c == '0' || c == '.') { text.replace('-', "") } else { text }
}

/// The parts of a line that are inside an area.
pub fn clip(points: &[(f64, f64)], area: Area) -> Vec<Vec<(f64, f64)>> {
    let mut parts: Vec<Vec<(f64, f64)>> = Vec::new();
    for pair in points.windows(2) {
        let Some((a, b, whole_start)) = clip_segment(pair[0], pair[1], area) else { continue };
        match parts.last_mut() {
            Some(part) if whole_start && part.last() == Some(&a) => part.push(b),
            _ => parts.push(vec![a, b]),
        }
    }
    parts
}

type Point = (f64, f64);

/// Liang and Barsky (1984). True if the segment's own start is inside.
fn clip_segment(a: Point, b: Point, area: Area) -> Option<(Point, Point, bool)> {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let (mut from, mut to) = (0.0f64, 1.0f64);
    let edges =
        [(-dx, a.0 - area.x), (dx, area.x + area.width - a.0), (-dy, a.1 - area.y), (dy, area.y + area.height - a.1)];
    for (towards, room) in edges {
        if towards == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if towards < 0.0 {
            from = from.max(room / towards);
        } else {
            to = to.min(room / towards);
        }
    }
    // Also false where a coordinate is not a number.
    let some_is_inside = from <= to;
    if !some_is_inside {
        return None;
    }
    let at = |t: f64| (a.0 + t * dx, a.1 + t * dy);
    Some((if from > 0.0 { at(from) } else { a }, if to < 1.0 { at(to) } else { b }, from == 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let (ticks, places) = ticks(&Axis::exact("", 0.0, 37.0), 6.0);
        assert_eq!((ticks, places), (vec![0.0, 10.0, 20.0, 30.0], 0));
        let (ticks, places) = self::ticks(&Axis::exact("", -0.31, 0.3), 4.0);
        assert_eq!(ticks.iter().map(|t| number(*t, places)).collect::<Vec<_>>(), ["-0.2", "0.0", "0.2"]);
    }

    #[test]
    fn axes_end_on_ticks_and_not_a_tick_too_far() {
        let axis = Axis::over("", [0.0, 100.0].into_iter(), [0.0, 0.0]);
        assert_eq!((axis.from, axis.to), (0.0, 100.0));
        let axis = Axis::over("", [-3.0, 101.0, f64::NAN].into_iter(), [0.0, 0.0]);
        assert_eq!((axis.from, axis.to), (-20.0, 120.0));
    }

    #[test]
    fn a_clipped_line_stays_inside_and_in_one_piece() {
        let area = Area { x: 0.0, y: 0.0, width: 10.0, height: 10.0 };
        let inside = [(1.0, 1.0), (5.0, 5.0), (9.0, 1.0)];
        assert_eq!(clip(&inside, area), [inside.to_vec()]);
        let through = clip(&[(-5.0, 5.0), (15.0, 5.0), (15.0, 20.0), (5.0, 5.0)], area);
        assert_eq!(through[0], [(0.0, 5.0), (10.0, 5.0)]);
        assert_eq!(through[1].last(), Some(&(5.0, 5.0)));
        assert!(through.iter().flatten().all(|p| (-1e-9..=10.0).contains(&p.0) && p.1 <= 10.0 + 1e-9));
    }
}
