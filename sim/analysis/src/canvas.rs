//! What pictures are drawn on, and the SVG one. Charts and views are drawn once, for the report and for PNGs.

use crate::colour;
use std::fmt::Write;

/// A colour by its meaning, so that the report can be light and dark.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Paint {
    Ink,
    Soft,
    Grid,
    Panel,
    /// A curve.
    Series(usize),
    /// A step of the deviation scale.
    Step(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Clone, Copy, Debug)]
pub struct Stroke {
    pub paint: Paint,
    pub width: f64,
    pub dashed: bool,
}

impl Stroke {
    pub fn new(paint: Paint, width: f64) -> Stroke {
        Stroke { paint, width, dashed: false }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Font {
    pub size: f64,
    pub anchor: Anchor,
    pub paint: Paint,
    pub bold: bool,
    /// Read from below to above.
    pub upwards: bool,
}

impl Font {
    pub fn new(size: f64, anchor: Anchor, paint: Paint) -> Font {
        Font { size, anchor, paint, bold: false, upwards: false }
    }

    pub fn bold(self) -> Font {
        Font { bold: true, ..self }
    }

    pub fn upwards(self) -> Font {
        Font { upwards: true, ..self }
    }
}

/// A place to draw; y grows downwards.
pub trait Canvas {
    /// Lines of one stroke; a group is one SVG element.
    fn lines(&mut self, lines: &[Vec<(f64, f64)>], stroke: Stroke);
    fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, paint: Paint);
    /// Text on its baseline.
    fn text(&mut self, x: f64, y: f64, text: &str, font: Font);

    fn line(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        self.lines(&[points.to_vec()], stroke);
    }
}

/// Writes SVG that takes its colours from the page (see [`style`]).
pub struct Svg {
    body: String,
    width: f64,
    height: f64,
}

impl Svg {
    pub fn new(width: f64, height: f64) -> Svg {
        Svg { body: String::new(), width, height }
    }

    /// The element; `title` is what a screen reader says.
    pub fn finish(self, title: &str) -> String {
        let title = escape(title);
        format!(
            "<svg viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-label=\"{title}\">\n{}</svg>\n",
            self.width, self.height, self.body
        )
    }
}

impl Svg {
    /// A file of its own: on white, whatever page shows it.
    pub fn document(self, title: &str) -> String {
        let mut colours = String::from("--panel:#f7f8fa;--ink:#1c2024;--soft:#5f6770;--grid:#dde1e6");
        for (i, [r, g, b]) in colour::SERIES.iter().enumerate() {
            let _ = write!(colours, ";--s{i}:#{r:02x}{g:02x}{b:02x}");
        }
        let (width, height) = (self.width, self.height);
        let head = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             font-family=\"sans-serif\" style=\"{colours}\" "
        );
        let paper = format!("<style>{}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n", style());
        let inner = self.finish(title).replacen("<svg ", &head, 1);
        match inner.split_once('\n') {
            Some((opening, rest)) => format!("{opening}\n{paper}{rest}"),
            None => inner,
        }
    }
}

impl Canvas for Svg {
    fn lines(&mut self, lines: &[Vec<(f64, f64)>], stroke: Stroke) {
        let mut path = String::new();
        for line in lines.iter().filter(|l| l.len() > 1) {
            for (i, (x, y)) in line.iter().enumerate() {
                // Writing to a string cannot fail.
                let _ = write!(path, "{}{:.1} {:.1}", if i == 0 { "M" } else { "L" }, x, y);
            }
        }
        if path.is_empty() {
            return;
        }
        let dashed = if stroke.dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let (class, width) = (class(stroke.paint), stroke.width);
        let _ = writeln!(self.body, "<path class=\"{class}\" stroke-width=\"{width}\"{dashed} d=\"{path}\"/>");
    }

    fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, paint: Paint) {
        let class = class(paint);
        let _ = writeln!(
            self.body,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
    }

    fn text(&mut self, x: f64, y: f64, text: &str, font: Font) {
        let anchor = match font.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let bold = if font.bold { " font-weight=\"600\"" } else { "" };
        let turn = if font.upwards { format!(" transform=\"rotate(-90 {x:.1} {y:.1})\"") } else { String::new() };
        let (class, size, text) = (class(font.paint), font.size, escape(text));
        let _ = writeln!(
            self.body,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\"{bold}{turn}>{text}</text>"
        );
    }
}

fn class(paint: Paint) -> String {
    match paint {
        Paint::Ink => "ink".to_owned(),
        Paint::Soft => "soft".to_owned(),
        Paint::Grid => "grid".to_owned(),
        Paint::Panel => "panel".to_owned(),
        Paint::Series(i) => format!("s{}", i % colour::SERIES.len()),
        Paint::Step(i) => format!("d{i}"),
    }
}

/// The rules that give the classes their colours.
pub fn style() -> String {
    let mut css = String::from(
        "svg path{fill:none;stroke-linejoin:round;stroke-linecap:round}\n\
         path.ink{stroke:var(--ink)}text.ink,rect.ink{fill:var(--ink)}\n\
         path.soft{stroke:var(--soft)}text.soft,rect.soft{fill:var(--soft)}\n\
         path.grid{stroke:var(--grid)}rect.grid{fill:var(--grid)}\n\
         rect.panel{fill:var(--panel)}\n",
    );
    for i in 0..colour::SERIES.len() {
        let _ = writeln!(css, "path.s{i}{{stroke:var(--s{i})}}rect.s{i},text.s{i}{{fill:var(--s{i})}}");
    }
    for i in 0..colour::STEPS {
        let [r, g, b] = colour::of_step(i);
        let _ = writeln!(css, "path.d{i}{{stroke:#{r:02x}{g:02x}{b:02x}}}rect.d{i}{{fill:#{r:02x}{g:02x}{b:02x}}}");
    }
    css
}

/// Text as HTML and SVG show it.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if u32::from(c) < 0x20 && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
