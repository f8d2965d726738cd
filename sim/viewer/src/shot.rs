//! Pictures and films without a window.

use crate::beads::Bounds;
use crate::camera::{Eye, Preset};
use crate::scene::{Comparing, Session, View};
use crate::stage::{Adapter, Look, Picture, Stage};
use bevy::math::{UVec2, Vec3};
use drydock_view_model::Document;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// When a picture is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At {
    Seconds(f64),
    /// The end of a layer, from 1.
    Layer(usize),
    /// The begin of a line of the program.
    Line(u32),
    End,
}

impl std::str::FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<At, String> {
        let wrong = || format!("`{text}` is no time: 12.5s, layer:3, line:120 or end");
        if text == "end" {
            Ok(At::End)
        } else if let Some(layer) = text.strip_prefix("layer:") {
            layer.parse().map(At::Layer).map_err(|_| wrong())
        } else if let Some(line) = text.strip_prefix("line:") {
            line.parse().map(At::Line).map_err(|_| wrong())
        } else {
            let seconds: f64 = text.trim_end_matches('s').parse().map_err(|_| wrong())?;
            if seconds.is_finite() && seconds >= 0.0 { Ok(At::Seconds(seconds)) } else { Err(wrong()) }
        }
    }
}

impl At {
    pub fn of(self, document: &Document) -> Result<u64, String> {
        let span = document.span_ns();
        let timeline = document.timeline();
        Ok(match self {
            At::End => span.end,
            At::Seconds(seconds) => ((seconds * 1e9) as u64).clamp(span.start, span.end),
            At::Layer(layer) => {
                let found = layer.checked_sub(1).and_then(|nth| timeline.layers().get(nth));
                let found = found.ok_or_else(|| {
                    format!("there is no layer {layer}: {} has {}", document.name(), timeline.layers().len())
                })?;
                // The playhead stands where the last of its beads has been laid.
                found.span_ns.end.saturating_sub(1)
            }
            At::Line(line) => {
                let found = timeline.line_numbered(line).and_then(|nth| timeline.line(nth));
                found.ok_or_else(|| format!("line {line} is not in {}", document.name()))?.at_ns
            }
        })
    }
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Shot {
    pub at: At,
    pub size: UVec2,
    pub preset: Preset,
    pub flat: bool,
    /// What the eye looks at; the middle of the part where it is not given.
    pub focus: Option<Vec3>,
    /// Height of the picture in mm at the focus.
    pub span_mm: Option<f32>,
    pub view: View,
    /// With the panels around it, and what the right one shows.
    pub panels: Option<drydock_view_panels::Side>,
}

impl Shot {
    fn look(&self, bounds: Bounds) -> Look {
        let halves = if self.view.compare == Comparing::Beside { 1.0 } else { 2.0 };
        let aspect = self.size.x as f32 * halves / 2.0 / self.size.y as f32;
        let mut eye = Eye::fit(self.preset, bounds, aspect);
        eye.focus = self.focus.unwrap_or(eye.focus);
        if let Some(span) = self.span_mm {
            eye.radius = span / (2.0 * (crate::camera::FIELD_OF_VIEW / 2.0).tan());
        }
        Look { eye, flat: self.flat }
    }

    /// The application with everything in place for the first picture.
    pub fn stage(&self, documents: Vec<Document>) -> Result<Stage, String> {
        let at_ns = match documents.first() {
            Some(document) => self.at.of(document)?,
            None => return Err("no recording".into()),
        };
        let rendering = Adapter::find()?.rendering();
        let mut session = Session::new(documents);
        session.playhead.seek(at_ns);
        let mut view = self.view.clone();
        if session.sides.len() == 1 {
            view.compare = Comparing::First;
        }
        let shot = Shot { view: view.clone(), ..self.clone() };
        let mut bounds = Bounds::EMPTY;
        session.sides.iter().for_each(|side| bounds.join(side.bounds()));
        let hud = self.panels.map(|side| crate::hud::state(&view, side));
        let mut stage = Stage::new(session, view, shot.look(bounds), self.size, rendering, hud);
        stage.settle();
        Ok(stage)
    }
}

/// One picture to a file.
pub fn picture(shot: &Shot, documents: Vec<Document>, out: &Path) -> Result<(), String> {
    let picture = shot.stage(documents)?.picture()?;
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", out.display());
    let file = File::create(out).map_err(|error| wrong(&error))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let rgb: Vec<u8> = picture.rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
    let mut writer = encoder.write_header().map_err(|error| wrong(&error))?;
    writer.write_image_data(&rgb).map_err(|error| wrong(&error))?;
    writer.finish().map_err(|error| wrong(&error))
}

/// A film: from the shot's time on, so many seconds of the run, at a speed.
#[derive(Clone, Debug)]
pub struct Film {
    pub seconds: f64,
    /// Seconds of the run in a second of the film.
    pub speed: f64,
    pub frames_s: u16,
    /// Degrees that the eye goes round the part in a second of the film.
    pub turn_deg: f32,
}

pub fn film(shot: &Shot, film: &Film, documents: Vec<Document>, out: &Path) -> Result<(), String> {
    let mut reel = Reel::new(out, shot.size, film.frames_s)?;
    let mut stage = shot.stage(documents)?;
    let start_ns = stage.session().playhead.at_ns();
    let frames = (film.seconds / film.speed * f64::from(film.frames_s)).ceil().max(1.0) as u64;
    let yaw = stage.look().eye.yaw;
    for frame in 0..frames {
        let film_s = frame as f64 / f64::from(film.frames_s);
        stage.session().playhead.seek(start_ns + (film_s * film.speed * 1e9) as u64);
        if film.turn_deg != 0.0 {
            stage.look().eye.yaw = yaw + film.turn_deg.to_radians() * film_s as f32;
        }
        // Uploads of this frame are drawn in the next.
        stage.frame();
        reel.add(stage.picture()?)?;
    }
    reel.finish()
}

enum Reel {
    Gif { encoder: gif::Encoder<BufWriter<File>>, delay: u16, out: PathBuf },
    Ffmpeg { child: Child, out: PathBuf },
}

impl Reel {
    fn new(out: &Path, size: UVec2, frames_s: u16) -> Result<Reel, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", out.display());
        match out.extension().and_then(|e| e.to_str()) {
            Some("gif") => {
                let file = File::create(out).map_err(|error| wrong(&error))?;
                let [width, height] = [size.x, size.y].map(|side| side.min(u32::from(u16::MAX)) as u16);
                let mut encoder =
                    gif::Encoder::new(BufWriter::new(file), width, height, &[]).map_err(|error| wrong(&error))?;
                encoder.set_repeat(gif::Repeat::Infinite).map_err(|error| wrong(&error))?;
                Ok(Reel::Gif { encoder, delay: (100 / frames_s.max(1)).max(2), out: out.to_owned() })
            }
            Some("mp4") => {
                let child = Command::new("ffmpeg")
                    .args(["-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgba", "-s"])
                    .arg(format!("{}x{}", size.x, size.y))
                    .args(["-r", &frames_s.to_string(), "-i", "-", "-an", "-c:v", "libx264", "-pix_fmt", "yuv420p"])
                    .args(["-crf", "18", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"])
                    .arg(out)
                    .stdin(Stdio::piped())
                    .spawn();
                match child {
                    Ok(child) => Ok(Reel::Ffmpeg { child, out: out.to_owned() }),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        Err("mp4 needs ffmpeg: apt-get install ffmpeg, or write a .gif".into())
                    }
                    Err(error) => Err(format!("ffmpeg: {error}")),
                }
            }
            _ => Err(format!("{}: a film is a .gif or a .mp4", out.display())),
        }
    }

    fn add(&mut self, mut picture: Picture) -> Result<(), String> {
        match self {
            Reel::Gif { encoder, delay, out } => {
                let [width, height] = [picture.width, picture.height].map(|side| side as u16);
                let mut frame = gif::Frame::from_rgba_speed(width, height, &mut picture.rgba, 10);
                frame.delay = *delay;
                encoder.write_frame(&frame).map_err(|error| format!("{}: {error}", out.display()))
            }
            Reel::Ffmpeg { child, out } => {
                let Some(pipe) = &mut child.stdin else { return Err("ffmpeg takes no pictures".into()) };
                pipe.write_all(&picture.rgba).map_err(|error| format!("{}: ffmpeg: {error}", out.display()))
            }
        }
    }

    fn finish(self) -> Result<(), String> {
        match self {
            Reel::Gif { encoder, out, .. } => {
                let mut writer = encoder.into_inner().map_err(|error| format!("{}: {error}", out.display()))?;
                writer.flush().map_err(|error| format!("{}: {error}", out.display()))
            }
            Reel::Ffmpeg { mut child, out } => {
                drop(child.stdin.take());
                match child.wait() {
                    Ok(status) if status.success() => Ok(()),
                    Ok(status) => Err(format!("{}: ffmpeg ended with {status}", out.display())),
                    Err(error) => Err(format!("{}: ffmpeg: {error}", out.display())),
                }
            }
        }
    }
}
