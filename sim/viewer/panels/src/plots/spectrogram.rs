//! Power over time and frequency.

use super::frame::{head, nothing};
use super::window::Window;
use drydock_view_model::vibration::Probe;
use drydock_view_model::{Document, Map, Playhead};
use egui::{Color32, ColorImage, RichText, TextureHandle, TextureOptions, Ui, Vec2};
use egui_plot::{PlotImage, PlotPoint};

/// The picture that was worked out last.
#[derive(Default)]
pub struct Spectrogram {
    of: Option<(u64, u64, Probe)>,
    texture: Option<TextureHandle>,
    /// First and last time, lowest and highest frequency of the picture.
    time_s: [f64; 2],
    last_hz: f64,
}

const LAST_HZ: f64 = 200.0;
const COLUMNS: usize = 96;
/// Longer windows are not looked at: a column would say nothing about what is between it and the next.
const LONGEST_S: f64 = 60.0;
/// Below the loudest by this much is dark, dB.
const RANGE_DB: f32 = 50.0;

impl Spectrogram {
    pub fn show(
        &mut self,
        ui: &mut Ui,
        doc: &mut Document,
        playhead: &mut Playhead,
        window: &mut Window,
        probe: Probe,
    ) {
        let mut cursor_hz = None;
        head(ui, "Spectrogram", "Hz", |ui| {
            let text = RichText::new(format!("{RANGE_DB:.0} dB from dark to bright")).small().weak();
            ui.add(egui::Label::new(text).truncate());
        });
        if window.length_s() > LONGEST_S {
            return nothing(ui, "Zoom in to a minute or less");
        }
        self.update(ui, doc, window, probe);
        if self.texture.is_none() {
            return nothing(ui, "Less than a second was measured here");
        }
        let shown = window.plot("spectrogram").show_grid(false).show(ui, |ui| {
            ui.set_plot_bounds_y(0.0..=LAST_HZ);
            if let Some(texture) = &self.texture {
                let centre = PlotPoint::new((self.time_s[0] + self.time_s[1]) / 2.0, self.last_hz / 2.0);
                let size = Vec2::new((self.time_s[1] - self.time_s[0]) as f32, self.last_hz as f32);
                ui.image(PlotImage::new("", texture.id(), centre, size));
            }
            window.draw(ui, playhead);
        });
        if let Some(pointer) = shown.response.hover_pos() {
            cursor_hz = Some(shown.transform.value_from_position(pointer).y);
        }
        window.handle(ui, &shown.response, &shown.transform, playhead);
        if let Some(hz) = cursor_hz {
            shown.response.on_hover_text_at_pointer(format!("{hz:.0} Hz"));
        }
    }

    /// Works the picture out again when the window has moved by more than the eye minds.
    fn update(&mut self, ui: &Ui, doc: &mut Document, window: &Window, probe: Probe) {
        let [from_s, to_s] = window.range_s();
        let step_s = (window.length_s() / 10.0).max(0.05);
        // Half a second to both sides, so that there are columns up to the ends.
        let from_ns = (((from_s - 0.6).max(0.0) / step_s).floor() * step_s * 1e9) as u64;
        let to_ns = (((to_s + 0.6) / step_s).ceil() * step_s * 1e9) as u64;
        if self.of == Some((from_ns, to_ns, probe)) {
            return;
        }
        self.of = Some((from_ns, to_ns, probe));
        let found = doc.spectrogram(probe, from_ns..to_ns, COLUMNS);
        let rows = found.freq_hz.partition_point(|f| *f <= LAST_HZ);
        let (Some(first), Some(last)) = (found.time_s.first(), found.time_s.last()) else {
            self.texture = None;
            return;
        };
        if rows == 0 || found.time_s.len() < 2 {
            self.texture = None;
            return;
        }
        let half = (last - first) / (found.time_s.len() - 1) as f64 / 2.0;
        self.time_s = [first - half, last + half];
        self.last_hz = found.freq_hz[rows - 1];
        let loudest = found.power.iter().flat_map(|column| &column[..rows]).copied().fold(1e-12, f32::max);
        let colour = |power: f32| {
            let db = 10.0 * (power / loudest).max(1e-20).log10();
            let [r, g, b] = Map::Viridis.colour(1.0 + db / RANGE_DB);
            Color32::from_rgb(r, g, b)
        };
        let columns = found.power.len();
        let pixels = (0..rows).rev().flat_map(|row| found.power.iter().map(move |column| column[row])).map(colour);
        let image = ColorImage::new([columns, rows], pixels.collect());
        self.texture = Some(ui.ctx().load_texture("spectrogram", image, TextureOptions::LINEAR));
    }
}
