//! What the panels and the three-dimensional view share: what is to be shown, what the user asks for, what the
//! application knows.

use crate::outcome::TuningResult;
use drydock_view_model::{ColourBy, Document, Legend, Settings};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the three-dimensional view shows, and which panels are open. The panels change it; the application keeps it
/// from one session to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ViewState {
    pub colour_by: ColourBy,
    /// Shares of all beads between which the colours run, 0 to 1.
    pub clip: [f32; 2],
    /// How many times displacements are enlarged, 1 to 500.
    pub exaggeration: f64,
    /// First and last layer shown; all where `None`.
    #[serde(skip)]
    pub layers: Option<[usize; 2]>,
    pub show_machine: bool,
    pub show_part: bool,
    /// The whole part, also what the playhead has not reached.
    pub show_whole: bool,
    pub show_trail: bool,
    /// The light that shows how an excited mode rings down.
    pub show_ring_down: bool,
    pub shadows: bool,
    /// The camera keeps the nozzle in its middle.
    pub follow_nozzle: bool,
    pub compare: CompareView,
    pub theme: Theme,
    /// Where the camera is to go; the application takes it.
    #[serde(skip)]
    pub camera: Option<Camera>,
    pub show_gcode: bool,
    pub show_side: bool,
    pub side: Side,
    /// How much of the print is simulated again when a setting changes.
    pub around: Around,
    pub show_plots: bool,
    /// The plots that are shown, by their titles.
    pub plots: Vec<String>,
}

impl Default for ViewState {
    fn default() -> Self {
        ViewState {
            colour_by: ColourBy::Feature,
            clip: [0.02, 0.98],
            exaggeration: 1.0,
            layers: None,
            show_machine: true,
            show_part: true,
            show_whole: false,
            show_trail: true,
            show_ring_down: true,
            shadows: true,
            follow_nozzle: false,
            compare: CompareView::SideBySide,
            theme: Theme::Dark,
            camera: None,
            show_gcode: true,
            show_side: true,
            side: Side::View,
            around: Around::Corner,
            show_plots: true,
            plots: ["Velocity", "Displacement", "Spectrum", "Spectrogram"].map(String::from).to_vec(),
        }
    }
}

impl ViewState {
    /// Shows that panel on the right, or none where it is shown already.
    pub(crate) fn toggle_side(&mut self, side: Side) {
        self.show_side = !(self.show_side && self.side == side);
        self.side = side;
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Theme {
    #[default]
    Dark,
    Light,
}

/// What the panel on the right shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    #[default]
    View,
    Tune,
}

/// The neighbourhood of the playhead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Around {
    #[default]
    Corner,
    Layer,
}

impl Around {
    /// From this long before the playhead to as long after it, s.
    pub fn seconds(self, doc: &Document, at_ns: u64) -> f64 {
        const CORNER_S: f64 = 0.4;
        const LONGEST_S: f64 = 30.0;
        let timeline = doc.timeline();
        match (self, timeline.layer_at(at_ns).and_then(|layer| timeline.layers().get(layer))) {
            (Around::Layer, Some(layer)) => {
                let away_ns = at_ns.abs_diff(layer.span_ns.start).max(at_ns.abs_diff(layer.span_ns.end));
                (away_ns as f64 * 1e-9).clamp(CORNER_S, LONGEST_S)
            }
            _ => CORNER_S,
        }
    }
}

/// How a second recording is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompareView {
    /// The first alone.
    First,
    #[default]
    SideBySide,
    /// The first, coloured by how much its deviation differs from the second's.
    Difference,
}

/// Where one looks from; numbered as in slicers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Camera {
    Iso,
    Top,
    Bottom,
    Front,
    Back,
    Left,
    Right,
    /// The part fills the view, from the same side.
    Fit,
    /// Close to the nozzle, from the same side.
    Nozzle,
}

impl Camera {
    pub const ALL: [(Camera, &'static str); 9] = [
        (Camera::Iso, "Iso"),
        (Camera::Top, "Top"),
        (Camera::Bottom, "Bottom"),
        (Camera::Front, "Front"),
        (Camera::Back, "Back"),
        (Camera::Left, "Left"),
        (Camera::Right, "Right"),
        (Camera::Fit, "Fit"),
        (Camera::Nozzle, "Nozzle"),
    ];
}

/// What the user asks of the application.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Open(String),
    /// Beside the one that is open, to compare.
    OpenSecond(String),
    /// Let the user choose a file, where it is a page that has the files.
    Choose {
        beside: bool,
    },
    CloseSecond,
    /// `ViewState::colour_by` is another.
    ColourBy(ColourBy),
    /// Simulate the neighbourhood of the playhead with these.
    Tune(Settings),
    /// Write these into printer.cfg.
    WriteConfig(Settings),
    /// A picture of what is shown.
    Shot,
    /// The message has been read.
    Dismiss,
}

/// What the application knows and the recording does not.
#[derive(Clone, Debug, Default)]
pub struct FrameFacts {
    /// Wall time since the viewer began.
    pub wall_ns: u64,
    /// Pictures a second; 0 where unknown.
    pub frames_s: f32,
    /// Of the values that the part is coloured by.
    pub legend: Option<Legend>,
    /// The second recording, if one is open.
    pub second: Option<String>,
    /// Recordings opened before, newest first.
    pub recent: Vec<String>,
    /// This is a page in a browser: recordings have addresses, and nothing can be simulated.
    pub browser: bool,
    /// The run is still going on.
    pub live: bool,
    /// What is under way, with the share that is done.
    pub progress: Option<(String, f32)>,
    /// Something to tell, in one line.
    pub message: Option<String>,
    /// The settings that the run had. None: there is nothing to tune with.
    pub settings: Option<Settings>,
    /// A neighbourhood is being simulated.
    pub tuning_busy: bool,
    pub tuning: Option<Arc<TuningResult>>,
    /// The block for printer.cfg, after [`Action::WriteConfig`].
    pub config_block: Option<String>,
}
