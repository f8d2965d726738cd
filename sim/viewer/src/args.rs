//! The command line.

use crate::camera::Preset;
use crate::scene::{Comparing, View};
use crate::shot::{At, Film, Shot};
use bevy::math::{UVec2, Vec3};
use clap::{Args, Parser, Subcommand};
use drydock_view_model::ColourBy;
use drydock_view_panels::Side as PanelSide;
use std::path::PathBuf;

/// The 3D view of a recording: the part as it was laid down, the machine as it shook.
#[derive(Debug, Parser)]
#[command(name = "drydock-view", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Sub>,
    /// A recording (run.drydock); without one, the demo
    pub recording: Option<PathBuf>,
    /// A second one, to compare
    pub second: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Sub {
    /// Make a picture, or a film, without a window
    Shot(Box<ShotArguments>),
    /// Measure how fast synthetic beads are drawn
    Bench(BenchArguments),
}

#[derive(Debug, Args)]
pub struct ShotArguments {
    pub recording: PathBuf,
    /// The picture, a PNG
    #[arg(short, long, required_unless_present = "video")]
    pub out: Option<PathBuf>,
    /// A film: .gif, or .mp4 where there is ffmpeg
    #[arg(long)]
    pub video: Option<PathBuf>,
    /// When: 12.5s, layer:3, line:120 or end
    #[arg(long, default_value = "end")]
    pub at: At,
    /// What the colours say: feature, speed, acceleration, flow, pressure, temperature, deviation, torque-margin,
    /// tool, layer-time
    #[arg(long, default_value = "deviation", value_parser = colour_by)]
    pub colour: ColourBy,
    /// Ends of the colours, in the unit of what is coloured by: -50,50
    #[arg(long, value_parser = pair, allow_hyphen_values = true)]
    pub range: Option<[f32; 2]>,
    /// How many times displacements are enlarged
    #[arg(long, default_value_t = 1.0, value_parser = gain)]
    pub exaggerate: f32,
    /// From where: iso, top, front, left, right, back, bottom
    #[arg(long, default_value = "iso")]
    pub camera: Preset,
    /// Without perspective
    #[arg(long)]
    pub flat: bool,
    /// What the eye looks at: x,y,z in mm
    #[arg(long, value_parser = triple, allow_hyphen_values = true)]
    pub focus: Option<Vec3>,
    /// Height of the picture in mm, where the eye looks
    #[arg(long, value_parser = positive)]
    pub span: Option<f32>,
    #[arg(long, default_value = "1280x720", value_parser = size)]
    pub size: UVec2,
    /// A second recording: both side by side
    #[arg(long)]
    pub compare: Option<PathBuf>,
    /// With --compare: the first, coloured by how much its deviation differs
    #[arg(long, requires = "compare")]
    pub difference: bool,
    /// Layers that are shown: 3 or 3-7, from 1
    #[arg(long, value_parser = layers)]
    pub layers: Option<std::ops::Range<usize>>,
    /// The way of the nozzle around the time, commanded and true
    #[arg(long)]
    pub trail: bool,
    /// The part without the machine
    #[arg(long)]
    pub no_machine: bool,
    /// The machine without the part
    #[arg(long)]
    pub no_part: bool,
    /// Colours as the legend has them, without light
    #[arg(long)]
    pub plain: bool,
    /// With the panels around the picture: view or tune
    #[arg(long, value_parser = panels)]
    pub panels: Option<PanelSide>,
    /// A light background
    #[arg(long)]
    pub light: bool,
    /// Of a film: seconds of the run
    #[arg(long, default_value_t = 2.0, value_parser = positive_f64)]
    pub seconds: f64,
    /// Of a film: seconds of the run in a second of the film
    #[arg(long, default_value_t = 1.0, value_parser = positive_f64)]
    pub speed: f64,
    /// Of a film: pictures a second
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=60))]
    pub fps: u16,
    /// Of a film: degrees that the eye goes round in a second
    #[arg(long, default_value_t = 0.0, allow_hyphen_values = true)]
    pub turn: f32,
}

impl ShotArguments {
    pub fn shot(&self) -> Shot {
        Shot {
            at: self.at,
            size: self.size,
            preset: self.camera,
            flat: self.flat,
            focus: self.focus,
            span_mm: self.span,
            panels: self.panels,
            view: View {
                colour_by: self.colour,
                limits: self.range,
                gain: self.exaggerate,
                layers: self.layers.clone(),
                part: !self.no_part,
                machine: !self.no_machine,
                trail: self.trail,
                light: self.light,
                plain: self.plain,
                compare: if self.difference { Comparing::Difference } else { Comparing::Beside },
                ..View::default()
            },
        }
    }

    pub fn film(&self) -> Film {
        Film { seconds: self.seconds, speed: self.speed, frames_s: self.fps, turn_deg: self.turn }
    }
}

#[derive(Debug, Args)]
pub struct BenchArguments {
    #[arg(long, default_value_t = 1_000_000)]
    pub segments: usize,
    #[arg(long, default_value_t = 100)]
    pub frames: usize,
    #[arg(long, default_value = "1920x1080", value_parser = size)]
    pub size: UVec2,
    /// Shadows, instead of what suits the adapter
    #[arg(long)]
    pub shadows: Option<bool>,
    /// Anti-aliasing, instead of what suits the adapter
    #[arg(long)]
    pub msaa: Option<bool>,
    /// Height of the picture in mm, where the eye looks; all of the part without it
    #[arg(long, value_parser = positive)]
    pub span: Option<f32>,
}

fn colour_by(text: &str) -> Result<ColourBy, String> {
    ColourBy::of_word(text).ok_or_else(|| format!("there are {}", ColourBy::ALL.map(ColourBy::word).join(", ")))
}

fn numbers<const N: usize>(text: &str) -> Result<[f32; N], String> {
    let parts: Vec<f32> = text
        .split(',')
        .map(|part| part.trim().parse::<f32>().ok().filter(|number| number.is_finite()))
        .collect::<Option<_>>()
        .ok_or_else(|| format!("`{text}` is not {N} numbers with commas between them"))?;
    parts.try_into().map_err(|_| format!("`{text}` is not {N} numbers with commas between them"))
}

fn pair(text: &str) -> Result<[f32; 2], String> {
    let [low, high] = numbers(text)?;
    if low < high { Ok([low, high]) } else { Err("the first must be less than the second".into()) }
}

fn triple(text: &str) -> Result<Vec3, String> {
    numbers(text).map(Vec3::from_array)
}

fn positive(text: &str) -> Result<f32, String> {
    let [number] = numbers(text)?;
    if number > 0.0 { Ok(number) } else { Err("must be more than nothing".into()) }
}

fn positive_f64(text: &str) -> Result<f64, String> {
    positive(text).map(f64::from)
}

fn gain(text: &str) -> Result<f32, String> {
    let [number] = numbers(text)?;
    if (0.0..=500.0).contains(&number) { Ok(number) } else { Err("must be between 0 and 500".into()) }
}

fn size(text: &str) -> Result<UVec2, String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some(UVec2::new(w.parse().ok()?, h.parse().ok()?)));
    sides
        .filter(|size| size.min_element() >= 16 && size.max_element() <= 8192)
        .ok_or_else(|| format!("`{text}` is no size: 1280x720, each side from 16 to 8192"))
}

fn panels(text: &str) -> Result<PanelSide, String> {
    match text {
        "view" => Ok(PanelSide::View),
        "tune" => Ok(PanelSide::Tune),
        _ => Err("there are view, tune".into()),
    }
}

fn layers(text: &str) -> Result<std::ops::Range<usize>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let layers = first.parse::<usize>().ok().zip(last.parse::<usize>().ok());
    layers
        .filter(|(first, last)| *first >= 1 && first <= last)
        .map(|(first, last)| first - 1..last)
        .ok_or_else(|| format!("`{text}` is no range of layers: 3 or 3-7"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_whole() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_are_seconds_layers_and_lines() {
        for (text, at) in [
            ("12.5s", At::Seconds(12.5)),
            ("3", At::Seconds(3.0)),
            ("layer:3", At::Layer(3)),
            ("line:120", At::Line(120)),
            ("end", At::End),
        ] {
            assert_eq!(text.parse(), Ok(at));
        }
        for wrong in ["", "-1s", "layer:", "line:x", "nan", "inf"] {
            assert!(wrong.parse::<At>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_number_is_told() {
        assert!(pair("3,1").is_err());
        assert!(triple("1,2").is_err());
        assert!(size("0x10").is_err());
        assert!(layers("0").is_err());
        assert_eq!(layers("3-7"), Ok(2..7));
        assert_eq!(colour_by("torque-margin"), Ok(ColourBy::TorqueMargin));
    }
}
