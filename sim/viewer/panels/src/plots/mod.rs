//! Curves of the recording, linked to the playhead and to each other in time.

mod curves;
mod frame;
mod frequency;
mod spectrogram;
mod tuning;
mod window;

use crate::outcome::TuningResult;
use crate::state::ViewState;
pub(crate) use curves::value_at;
use curves::{Curves, Second};
use drydock_view_model::vibration::Probe;
use drydock_view_model::{Channel, Compare, Document, Playhead, Settings};
use egui::{Align, Layout, RichText, ScrollArea, Sense, Ui, UiBuilder, Vec2};
use frequency::Frequency;
use spectrogram::Spectrogram;
use window::Window;

/// What can be plotted; offered where the recording has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plot {
    Position,
    Velocity,
    Acceleration,
    Displacement,
    Accelerometer,
    Spectrum,
    Spectrogram,
    Shaper,
    Temperature,
    Extrusion,
    Load,
    Queue,
}

impl Plot {
    pub const ALL: [Plot; 12] = [
        Plot::Position,
        Plot::Velocity,
        Plot::Acceleration,
        Plot::Displacement,
        Plot::Accelerometer,
        Plot::Spectrum,
        Plot::Spectrogram,
        Plot::Shaper,
        Plot::Temperature,
        Plot::Extrusion,
        Plot::Load,
        Plot::Queue,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Plot::Position => "Position",
            Plot::Velocity => "Velocity",
            Plot::Acceleration => "Acceleration",
            Plot::Displacement => "Displacement",
            Plot::Accelerometer => "Accelerometer",
            Plot::Spectrum => "Spectrum",
            Plot::Spectrogram => "Spectrogram",
            Plot::Shaper => "Shaper",
            Plot::Temperature => "Temperature",
            Plot::Extrusion => "Pressure, flow",
            Plot::Load => "Motor load",
            Plot::Queue => "Queue",
        }
    }

    /// Whether it draws this channel.
    fn has(self, channel: Channel) -> bool {
        use Channel::*;
        match self {
            Plot::Position => matches!(channel, CommandedPosition(_) | TruePosition(_)),
            Plot::Velocity => matches!(channel, CommandedVelocity(_) | TrueVelocity(_)),
            Plot::Acceleration => matches!(channel, CommandedAcceleration(_) | TrueAcceleration(_)),
            Plot::Displacement => matches!(channel, Displacement(_)),
            Plot::Accelerometer => matches!(channel, Accelerometer { .. }),
            Plot::Spectrum | Plot::Spectrogram | Plot::Shaper => false,
            Plot::Temperature => matches!(channel, Temperature(_) | Target(_) | Duty(_)),
            Plot::Extrusion => matches!(channel, Pressure | Flow),
            Plot::Load => matches!(channel, LoadAngle(_)),
            Plot::Queue => matches!(channel, QueueDepth(_)),
        }
    }
}

/// What the plots keep.
pub struct Plots {
    window: Window,
    curves: Curves,
    frequency: Frequency,
    spectrogram: Spectrogram,
    /// What spectra are taken of.
    probe: Probe,
    /// The recording that this is kept of.
    of: String,
}

/// What the tuning panel stands at.
pub struct Tuned<'a> {
    /// The settings that the run had.
    pub recorded: Option<&'a Settings>,
    pub draft: Option<&'a Settings>,
    /// To be shown before all else.
    pub result: Option<&'a TuningResult>,
}

enum Cell<'a> {
    /// Before and after, by the name of the curve.
    Outcome(&'a str),
    Plot(Plot),
}

impl Cell<'_> {
    fn title(&self) -> &str {
        match self {
            Cell::Outcome(name) => name,
            Cell::Plot(plot) => plot.title(),
        }
    }
}

const LEAST_WIDTH: f32 = 220.0;
const LEAST_HEIGHT: f32 = 120.0;

impl Default for Plots {
    fn default() -> Self {
        Plots {
            window: Window::default(),
            curves: Curves::default(),
            frequency: Frequency::default(),
            spectrogram: Spectrogram::default(),
            probe: Probe::Nozzle,
            of: String::new(),
        }
    }
}

impl Plots {
    pub fn show(
        &mut self,
        ui: &mut Ui,
        doc: &mut Document,
        second: Option<&mut Document>,
        playhead: &mut Playhead,
        view: &mut ViewState,
        tuned: &Tuned<'_>,
    ) {
        if self.of != doc.name() {
            *self = Plots { of: doc.name().to_string(), ..Plots::default() };
            // A chip measures only while it is asked to; the true nozzle is there in every run.
            self.probe = doc.probes().last().copied().unwrap_or(Probe::Nozzle);
        }
        self.window.follow(playhead);
        let mut second = second.map(|second| {
            let at_ns = playhead.at_ns();
            let there_ns = Compare::time(doc, second, at_ns).unwrap_or(at_ns);
            Second { doc: second, later_s: (there_ns as f64 - at_ns as f64) * 1e-9 }
        });
        let channels = doc.channels();
        let offered: Vec<Plot> = Plot::ALL
            .into_iter()
            .filter(|plot| match plot {
                Plot::Spectrum | Plot::Spectrogram | Plot::Shaper => !doc.probes().is_empty(),
                _ => channels.iter().any(|channel| plot.has(*channel)),
            })
            .filter(|plot| *plot != Plot::Shaper || tuned.draft.is_some())
            .collect();
        self.choose(ui, &offered, view, playhead);
        let shown: Vec<Plot> =
            offered.into_iter().filter(|plot| view.plots.iter().any(|title| title == plot.title())).collect();
        let outcomes = tuned.result.map_or(Vec::new(), tuning::names);
        if shown.is_empty() && outcomes.is_empty() {
            ui.centered_and_justified(|ui| ui.label(RichText::new("No plot chosen").weak()));
            return;
        }
        self.curves.keep(&channels, &shown);
        let cells: Vec<Cell<'_>> =
            outcomes.into_iter().map(Cell::Outcome).chain(shown.into_iter().map(Cell::Plot)).collect();
        let space = ui.available_size();
        let columns = ((space.x / LEAST_WIDTH) as usize).clamp(1, cells.len());
        let rows = cells.len().div_ceil(columns);
        let gap = ui.spacing().item_spacing;
        let size = Vec2::new(
            (space.x - gap.x * (columns - 1) as f32) / columns as f32,
            ((space.y - gap.y * (rows - 1) as f32) / rows as f32).max(LEAST_HEIGHT),
        );
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            for row in cells.chunks(columns) {
                ui.horizontal_top(|ui| {
                    for cell in row {
                        // A cell that asks for more than its place does not push the others away.
                        let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
                        // The last label of an axis reaches beyond its plot.
                        let inside = rect.with_max_x(rect.right() - 18.0);
                        let builder = UiBuilder::new().id_salt(cell.title()).max_rect(inside);
                        let mut ui = ui.new_child(builder.layout(Layout::top_down(Align::Min)));
                        ui.shrink_clip_rect(rect);
                        match (cell, tuned.result) {
                            (Cell::Outcome(name), Some(result)) => tuning::show(&mut ui, result, name),
                            (Cell::Plot(plot), _) => self.plot(&mut ui, *plot, doc, second.as_mut(), playhead, tuned),
                            (Cell::Outcome(_), None) => {}
                        }
                    }
                });
            }
        });
        self.window.end_frame();
    }

    fn choose(&mut self, ui: &mut Ui, offered: &[Plot], view: &mut ViewState, playhead: &Playhead) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            for plot in offered {
                let chosen = view.plots.iter().position(|title| title == plot.title());
                if ui.selectable_label(chosen.is_some(), plot.title()).clicked() {
                    match chosen {
                        Some(place) => drop(view.plots.remove(place)),
                        None => view.plots.push(plot.title().into()),
                    }
                }
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui.small_button("Whole run").on_hover_text("Double click over a plot").clicked() {
                    self.window.fit(playhead);
                }
                ui.label(RichText::new(window::length(self.window.length_s())).monospace().weak())
                    .on_hover_text("Time from the left to the right of the plots");
            });
        });
    }

    fn plot(
        &mut self,
        ui: &mut Ui,
        plot: Plot,
        doc: &mut Document,
        second: Option<&mut Second<'_>>,
        playhead: &mut Playhead,
        tuned: &Tuned<'_>,
    ) {
        match plot {
            Plot::Spectrum => self.frequency.spectrum(ui, doc, playhead.at_ns(), &mut self.probe),
            Plot::Shaper => self.frequency.shaper(ui, doc, playhead.at_ns(), self.probe, tuned.draft, tuned.recorded),
            Plot::Spectrogram => self.spectrogram.show(ui, doc, playhead, &mut self.window, self.probe),
            _ => self.curves.show(ui, plot, doc, second, playhead, &mut self.window),
        }
    }
}
