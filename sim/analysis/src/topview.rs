//! A layer seen from above, the wall coloured by its deviation; and one corner with the deviation drawn larger.

use crate::canvas::{Anchor, Canvas, Font, Paint, Stroke};
use crate::chart::{Area, TEXT, clip};
use crate::colour;
use crate::study::{Corner, RunStudy, Study, ViewPoint, round_up};

/// How the millimetres of the bed come onto the picture. The same for both runs, so that they can be compared.
#[derive(Clone, Copy, Debug)]
struct Map {
    area: Area,
    middle: [f64; 2],
    scale: f64,
}

impl Map {
    fn place(&self, mm: [f64; 2]) -> (f64, f64) {
        let x = self.area.x + self.area.width / 2.0 + (mm[0] - self.middle[0]) * self.scale;
        let y = self.area.y + self.area.height / 2.0 - (mm[1] - self.middle[1]) * self.scale;
        (x, y)
    }
}

const TITLE: f64 = 26.0;
const EDGE: f64 = 16.0;
/// Below the view, so that it hides nothing.
const SCALE_BAR: f64 = 26.0;

/// Draws a whole layer of one run.
pub fn layer(study: &Study, run: &RunStudy, canvas: &mut impl Canvas, area: Area) {
    let enlarged = enlargement(study);
    let title = format!("{}: peak ringing {:.0} µm, drawn {enlarged:.0} times larger", run.label, run.ringing.peak_um);
    let plot = frame(canvas, area, &title);
    let Some(map) = fit(study, plot) else { return nothing(canvas, plot) };
    draw(&run.view, study.scale_um, enlarged - 1.0, 4.0, &map, canvas);
    if let Some(corner) = study.corner {
        mark(corner, &map, canvas);
    }
    scale_bar(&map, canvas);
}

/// Draws the surroundings of the corner, the deviation enlarged.
pub fn corner(study: &Study, run: &RunStudy, canvas: &mut impl Canvas, area: Area) {
    let enlarged = enlargement(study);
    let title = format!("{}, deviation drawn {enlarged:.0} times larger", run.label);
    let plot = frame(canvas, area, &title);
    let Some(corner) = study.corner else { return nothing(canvas, plot) };
    let plot = Area { height: plot.height - SCALE_BAR, ..plot };
    let scale = plot.width.min(plot.height) / CORNER_MM;
    // The wall that leaves the corner fills the picture.
    let ahead = CORNER_MM / 2.0 - 2.5;
    let middle = [corner.at_mm[0] + corner.along[0] * ahead, corner.at_mm[1] + corner.along[1] * ahead];
    let map = Map { area: plot, middle, scale };
    let near: Vec<ViewPoint> = run.view.iter().filter(|p| p.coloured).copied().collect();
    let ideal: Vec<_> = chains(&near).map(|chain| chain.iter().map(|p| map.place(p.ideal_mm)).collect()).collect();
    let ideal: Vec<Vec<_>> = ideal.iter().flat_map(|line: &Vec<_>| clip(line, plot)).collect();
    canvas.lines(&ideal, Stroke { paint: Paint::Soft, width: 1.0, dashed: true });
    draw(&near, study.scale_um, enlarged - 1.0, 6.0, &map, canvas);
    scale_bar(&map, canvas);
}

/// How often the deviation is drawn larger, so that the peak is as wide as a finger.
pub fn enlargement(study: &Study) -> f64 {
    let peak_um = study.runs.first().map_or(0.0, |r| r.ringing.peak_um);
    if peak_um > 0.0 { round_up(0.6e3 / peak_um).clamp(1.0, 200.0) } else { 1.0 }
}

/// The legend of the colours; `area.height` of 34 is enough.
pub fn legend(study: &Study, canvas: &mut impl Canvas, area: Area) {
    let width = 240f64.min(area.width - 20.0);
    let x = area.x + (area.width - width) / 2.0;
    let step = width / colour::STEPS as f64;
    for i in 0..colour::STEPS {
        canvas.rect(x + i as f64 * step, area.y, step + 0.5, 10.0, Paint::Step(i));
    }
    let font = Font::new(TEXT - 1.0, Anchor::Middle, Paint::Ink);
    for (part, text) in [(0.0, -study.scale_um), (0.25, -study.scale_um / 2.0), (0.5, 0.0)] {
        canvas.text(x + part * width, area.y + 24.0, &format!("{text}"), font);
        if part < 0.5 {
            canvas.text(x + (1.0 - part) * width, area.y + 24.0, &format!("+{}", -text), font);
        }
    }
    let side = Font::new(TEXT - 1.0, Anchor::End, Paint::Soft);
    canvas.text(x - 22.0, area.y + 10.0, "left of travel", side);
    let side = Font { anchor: Anchor::Start, ..side };
    canvas.text(x + width + 22.0, area.y + 10.0, "right of travel (outwards), µm", side);
}

const CORNER_MM: f64 = 16.0;

fn frame(canvas: &mut impl Canvas, area: Area, title: &str) -> Area {
    canvas.text(area.x + 4.0, area.y + 16.0, title, Font::new(TEXT + 2.0, Anchor::Start, Paint::Ink).bold());
    let plot = Area { y: area.y + TITLE, height: area.height - TITLE, ..area };
    canvas.rect(plot.x, plot.y, plot.width, plot.height, Paint::Panel);
    plot
}

fn nothing(canvas: &mut impl Canvas, plot: Area) {
    let font = Font::new(TEXT, Anchor::Middle, Paint::Soft);
    canvas.text(plot.x + plot.width / 2.0, plot.y + plot.height / 2.0, "nothing was extruded here", font);
}

fn fit(study: &Study, plot: Area) -> Option<Map> {
    let points = || study.runs.iter().flat_map(|r| &r.view).map(|p| p.nozzle_mm);
    let low = points().reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1])])?;
    let high = points().reduce(|a, b| [a[0].max(b[0]), a[1].max(b[1])])?;
    let plot = Area { height: plot.height - SCALE_BAR, ..plot };
    let room = [plot.width - 2.0 * EDGE, plot.height - 2.0 * EDGE];
    let scale = (room[0] / (high[0] - low[0]).max(1.0)).min(room[1] / (high[1] - low[1]).max(1.0));
    Some(Map { area: plot, middle: [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0], scale })
}

/// Unbroken pieces of the path.
fn chains(points: &[ViewPoint]) -> impl Iterator<Item = &[ViewPoint]> {
    points.chunk_by(|a, b| a.chain == b.chain && a.coloured == b.coloured)
}

/// Draws the path, pieces of one colour together; `more` times the deviation is added to where the nozzle was.
fn draw(points: &[ViewPoint], scale_um: f64, more: f64, width: f64, map: &Map, canvas: &mut impl Canvas) {
    let mut faint = Vec::new();
    let mut by_step: Vec<Vec<Vec<(f64, f64)>>> = vec![Vec::new(); colour::STEPS];
    for chain in chains(points) {
        let at = |p: &ViewPoint| {
            let by = more * p.deviation_um * 1e-3;
            map.place([p.nozzle_mm[0] + by * p.right[0], p.nozzle_mm[1] + by * p.right[1]])
        };
        if !chain[0].coloured {
            faint.extend(clip(&chain.iter().map(at).collect::<Vec<_>>(), map.area));
            continue;
        }
        for pair in chain.windows(2) {
            let step = colour::step_of(pair[1].deviation_um, scale_um);
            for piece in clip(&[at(&pair[0]), at(&pair[1])], map.area) {
                let lines = &mut by_step[step];
                match lines.last_mut() {
                    Some(line) if line.last() == piece.first() => line.push(piece[1]),
                    _ => lines.push(piece),
                }
            }
        }
    }
    canvas.lines(&faint, Stroke::new(Paint::Grid, 1.0));
    // What deviates most comes last, on top.
    let middle = colour::STEPS / 2;
    let mut order: Vec<usize> = (0..colour::STEPS).collect();
    order.sort_by_key(|i| i.abs_diff(middle));
    for step in order {
        canvas.lines(&by_step[step], Stroke::new(Paint::Step(step), width));
    }
}

/// A frame around the part of the layer that the corner picture shows.
fn mark(corner: Corner, map: &Map, canvas: &mut impl Canvas) {
    let ahead = CORNER_MM / 2.0 - 2.5;
    let middle = [corner.at_mm[0] + corner.along[0] * ahead, corner.at_mm[1] + corner.along[1] * ahead];
    let half = CORNER_MM / 2.0;
    let at = |x: f64, y: f64| map.place([middle[0] + x * half, middle[1] + y * half]);
    let square = [at(-1.0, -1.0), at(1.0, -1.0), at(1.0, 1.0), at(-1.0, 1.0), at(-1.0, -1.0)];
    canvas.lines(&clip(&square, map.area), Stroke { paint: Paint::Soft, width: 1.0, dashed: true });
}

fn scale_bar(map: &Map, canvas: &mut impl Canvas) {
    let long_mm = round_up(map.area.width / 6.0 / map.scale);
    let (x, y) = (map.area.x + 12.0, map.area.y + map.area.height + SCALE_BAR - 12.0);
    let long = long_mm * map.scale;
    canvas.line(&[(x, y), (x + long, y)], Stroke::new(Paint::Ink, 2.0));
    let font = Font::new(TEXT - 1.0, Anchor::Start, Paint::Ink);
    canvas.text(x + long + 8.0, y + 4.0, &format!("{long_mm} mm"), font);
}
