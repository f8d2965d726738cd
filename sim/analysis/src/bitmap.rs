//! The canvas that becomes a PNG: drawn three times too large and averaged, so that lines are smooth. The font is built
//! in; a machine without fonts draws the same picture.

use crate::canvas::{Anchor, Canvas, Font, Paint, Stroke};
use crate::colour;
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, TextStyle, register_font};
use std::fmt;
use std::path::Path;
use std::sync::Once;

const OVER: usize = 3;

pub struct Bitmap {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// The picture could not be written.
#[derive(Debug)]
pub struct NotWritten {
    pub path: std::path::PathBuf,
    pub cause: String,
}

impl fmt::Display for NotWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: the picture cannot be written: {}", self.path.display(), self.cause)
    }
}

impl std::error::Error for NotWritten {}

impl Bitmap {
    pub fn new(width: usize, height: usize) -> Bitmap {
        fonts();
        Bitmap { width, height, pixels: vec![255; width * OVER * height * OVER * 3] }
    }

    fn on(&mut self, draw: impl FnOnce(&mut BitMapBackend)) {
        let size = ((self.width * OVER) as u32, (self.height * OVER) as u32);
        draw(&mut BitMapBackend::with_buffer(&mut self.pixels, size));
    }

    /// The averaged pixels, three bytes each.
    pub fn pixels(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.width * self.height * 3);
        let row = self.width * OVER * 3;
        for y in 0..self.height {
            for x in 0..self.width {
                for channel in 0..3 {
                    let at = |dx: usize, dy: usize| {
                        u32::from(self.pixels[(y * OVER + dy) * row + (x * OVER + dx) * 3 + channel])
                    };
                    let sum: u32 = (0..OVER * OVER).map(|i| at(i % OVER, i / OVER)).sum();
                    out.push((sum / (OVER * OVER) as u32) as u8);
                }
            }
        }
        out
    }

    pub fn write_png(&self, path: &Path) -> Result<(), NotWritten> {
        let size = (self.width as u32, self.height as u32);
        let failed = |cause: String| NotWritten { path: path.to_owned(), cause };
        // The backend's own message for a missing folder does not name it.
        std::fs::write(path, []).map_err(|e| failed(e.to_string()))?;
        let mut file = BitMapBackend::new(path, size);
        file.blit_bitmap((0, 0), size, &self.pixels()).map_err(|e| failed(e.to_string()))?;
        file.present().map_err(|e| failed(e.to_string()))
    }
}

impl Canvas for Bitmap {
    fn lines(&mut self, lines: &[Vec<(f64, f64)>], stroke: Stroke) {
        let style = colour_of(stroke.paint).stroke_width((stroke.width * OVER as f64).round().max(1.0) as u32);
        self.on(|backend| {
            for line in lines {
                let line = if stroke.dashed { dashes(line) } else { vec![line.clone()] };
                for piece in line.iter().filter(|p| p.len() > 1) {
                    // Drawing into memory does not fail.
                    let _ = backend.draw_path(piece.iter().map(|p| place(*p)), &style);
                }
            }
        });
    }

    fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, paint: Paint) {
        let (from, to) = (place((x, y)), place((x + width, y + height)));
        self.on(|backend| {
            let _ = backend.draw_rect(from, (to.0 - 1, to.1 - 1), &colour_of(paint), true);
        });
    }

    fn text(&mut self, x: f64, y: f64, text: &str, font: Font) {
        let horizontal = match font.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let mut desc = FontDesc::new(FontFamily::Name(FONT), font.size * OVER as f64, FontStyle::Normal);
        if font.upwards {
            desc = desc.transform(FontTransform::Rotate270);
        }
        let colour = colour_of(font.paint);
        let style = TextStyle::from(desc).color(&colour).pos(Pos::new(horizontal, VPos::Bottom));
        // The anchor is the baseline; what hangs below it is about a fifth of the size.
        let below = font.size * 0.2;
        let at = if font.upwards { (x + below, y) } else { (x, y + below) };
        // The one built-in font is light: bold is drawn three times, a third of a pixel apart.
        let times = if font.bold { OVER as i32 } else { 1 };
        self.on(|backend| {
            for i in 0..times {
                let (x, y) = place(at);
                let _ = backend.draw_text(text, &style, (x + i, y));
            }
        });
    }
}

fn place((x, y): (f64, f64)) -> (i32, i32) {
    ((x * OVER as f64).round() as i32, (y * OVER as f64).round() as i32)
}

/// The light colours of the report.
fn colour_of(paint: Paint) -> RGBColor {
    let rgb = |[r, g, b]: [u8; 3]| RGBColor(r, g, b);
    match paint {
        Paint::Ink => RGBColor(28, 32, 36),
        Paint::Soft => RGBColor(95, 103, 112),
        Paint::Grid => RGBColor(221, 225, 230),
        Paint::Panel => RGBColor(247, 248, 250),
        Paint::Series(i) => rgb(colour::SERIES[i % colour::SERIES.len()]),
        Paint::Step(i) => rgb(colour::of_step(i)),
    }
}

/// Pieces of 5 with gaps of 4.
fn dashes(line: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
    const PERIOD: f64 = 9.0;
    const ON: f64 = 5.0;
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut done = 0.0;
    for pair in line.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let long = (b.0 - a.0).hypot(b.1 - a.1);
        let mut at = 0.0;
        while at < long {
            let phase = (done + at) % PERIOD;
            let on = phase < ON;
            let next = (at + if on { ON - phase } else { PERIOD - phase }).max(at + 1e-6).min(long);
            if on {
                let point = |t: f64| (a.0 + (b.0 - a.0) * t / long, a.1 + (b.1 - a.1) * t / long);
                pieces.push(vec![point(at), point(next)]);
            }
            at = next;
        }
        done += long;
    }
    pieces
}

const FONT: &str = "drydock";

fn fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The font is a constant of a crate; that it parses is shown by the test that measures drawn text.
        let _ = register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dark(bitmap: &Bitmap) -> Vec<(usize, usize)> {
        let pixels = bitmap.pixels();
        let is_dark = |i: &usize| pixels[i * 3] < 128;
        (0..bitmap.width * bitmap.height).filter(is_dark).map(|i| (i % bitmap.width, i / bitmap.width)).collect()
    }

    #[test]
    fn text_is_drawn_where_it_is_put() {
        let mut bitmap = Bitmap::new(200, 60);
        bitmap.text(100.0, 40.0, "Hxx", Font::new(20.0, Anchor::Middle, Paint::Ink));
        let ink = dark(&bitmap);
        assert!(ink.len() > 20, "no text was drawn");
        let (low, high) = (ink.iter().map(|p| p.1).min().unwrap(), ink.iter().map(|p| p.1).max().unwrap());
        assert!((23..=29).contains(&low) && (37..=42).contains(&high), "from {low} to {high}");
        let middle = ink.iter().map(|p| p.0).sum::<usize>() / ink.len();
        assert!((90..=110).contains(&middle), "around {middle}");
    }

    #[test]
    fn lines_and_dashes_cover_what_they_should() {
        let mut bitmap = Bitmap::new(100, 20);
        bitmap.line(&[(0.0, 10.0), (100.0, 10.0)], Stroke::new(Paint::Ink, 2.0));
        assert!((180..=220).contains(&dark(&bitmap).len()));
        let total: f64 = dashes(&[(0.0, 0.0), (90.0, 0.0)]).iter().map(|p| p[1].0 - p[0].0).sum();
        assert!((total - 50.0).abs() < 1e-9);
    }
}
