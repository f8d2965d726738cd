//! Power over frequency around the playhead, and what a shaper leaves of it.

use super::frame::{head, nothing, reading};
use super::window::{bare, tick};
use crate::{format, theme};
use drydock_view_model::vibration::{Probe, shaper_response};
use drydock_view_model::{Document, Settings, Shaper};
use egui::{Color32, RichText, Ui};
use egui_plot::{Line, LineStyle, PlotUi, VLine};

/// The spectrum that has been worked out last.
#[derive(Default)]
pub struct Frequency {
    of: Option<(u64, u64, Probe)>,
    freq_hz: Vec<f64>,
    axes: [Vec<f64>; 3],
    /// Where it shakes, and does not merely pass on what drives it.
    shakes: [Vec<bool>; 3],
    /// Where the pointer is.
    cursor_hz: Option<f64>,
}

/// Half of the time that a spectrum is taken over.
const HALF_NS: u64 = 600_000_000;
/// The playhead moves this far before it is taken again.
const STRIDE_NS: u64 = 20_000_000;
const LAST_HZ: f64 = 200.0;
/// A mean of squares has no meaning at a standstill.
const FIRST_HZ: f64 = 2.0;
const POINTS: usize = 200;
/// Slower than this is the way that is printed.
const SLOW_HZ: f64 = 15.0;

impl Frequency {
    pub fn spectrum(&mut self, ui: &mut Ui, doc: &mut Document, at_ns: u64, probe: &mut Probe) {
        self.update(doc, at_ns, *probe);
        let cursor_hz = self.cursor_hz;
        head(ui, "Spectrum", "(mm/s²)²/Hz", |ui| {
            choose(ui, doc, probe);
            for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
                let value = cursor_hz.and_then(|hz| self.at(axis, hz)).map(|p| format::significant(p, 3));
                reading(ui, theme::curve(axis), name, &value.unwrap_or_default(), false);
            }
            self.say_frequency(ui);
        });
        if self.freq_hz.is_empty() {
            return nothing(ui, "Nothing measured around the playhead");
        }
        let top = self.top(0..3) * 1.05;
        let modes = modes(doc);
        let shown = bare("spectrum").x_axis_formatter(|mark, _| tick(mark, "Hz")).show(ui, |ui| {
            bounds(ui, top.max(1e-9));
            mark_modes(ui, &modes);
            mark_cursor(ui, cursor_hz);
            for axis in 0..3 {
                for (shakes, points) in self.pieces(axis) {
                    let colour = theme::curve(axis).gamma_multiply(if shakes { 1.0 } else { 0.25 });
                    ui.line(Line::new("", points).color(colour).width(1.3).allow_hover(false));
                }
            }
        });
        self.cursor_hz = shown.response.hover_pos().map(|p| shown.transform.value_from_position(p).x);
    }

    /// Which share of each frequency the shapers leave, over the spectrum they are to take away.
    pub fn shaper(
        &mut self,
        ui: &mut Ui,
        doc: &mut Document,
        at_ns: u64,
        probe: Probe,
        tuned: Option<&Settings>,
        recorded: Option<&Settings>,
    ) {
        self.update(doc, at_ns, probe);
        let Some(tuned) = tuned else { return nothing(ui, "No settings to show") };
        let cursor_hz = self.cursor_hz;
        let curves: Vec<ShaperCurve> = [
            ("x", 0, &tuned.shaper_x, recorded.and_then(|r| r.shaper_x.as_ref())),
            ("y", 1, &tuned.shaper_y, recorded.and_then(|r| r.shaper_y.as_ref())),
        ]
        .into_iter()
        .map(|(axis, colour, now, then)| ShaperCurve {
            axis,
            colour,
            now: response(now.as_ref()),
            then: response(then),
        })
        .collect();
        head(ui, "Shaper", "% left", |ui| {
            for curve in &curves {
                let left = cursor_hz.and_then(|hz| curve.now.as_ref()?.iter().find(|p| p[0] >= hz).copied());
                let value = left.map_or(String::new(), |p| format!("{:.0}", p[1]));
                reading(ui, theme::curve(curve.colour), curve.axis, &value, curve.now.is_none());
            }
            self.say_frequency(ui);
        });
        let top = self.top(0..2).max(1e-12);
        let modes = modes(doc);
        let shown = bare("shaper").x_axis_formatter(|mark, _| tick(mark, "Hz")).show(ui, |ui| {
            bounds(ui, 105.0);
            mark_modes(ui, &modes);
            mark_cursor(ui, cursor_hz);
            for axis in 0..2 {
                let scaled: Vec<[f64; 2]> = self.points(axis).into_iter().map(|[f, p]| [f, 100.0 * p / top]).collect();
                let colour = theme::curve(axis).gamma_multiply(0.5);
                ui.line(Line::new("", scaled).color(colour).width(1.0).fill(0.0).fill_alpha(0.12).allow_hover(false));
            }
            for curve in curves {
                let colour = theme::curve(curve.colour);
                if let Some(then) = curve.then.filter(|then| curve.now.as_ref() != Some(then)) {
                    ui.line(
                        Line::new("", then)
                            .color(colour.gamma_multiply(0.6))
                            .style(LineStyle::dashed_dense())
                            .allow_hover(false),
                    );
                }
                if let Some(now) = curve.now {
                    ui.line(Line::new("", now).color(colour).width(2.0).allow_hover(false));
                }
            }
        });
        self.cursor_hz =
            shown.response.hover_pos().map(|p| shown.transform.value_from_position(p).x).or(self.cursor_hz);
    }

    fn update(&mut self, doc: &mut Document, at_ns: u64, probe: Probe) {
        let of = (at_ns / STRIDE_NS, doc.span_ns().end, probe);
        if self.of == Some(of) {
            return;
        }
        self.of = Some(of);
        (self.freq_hz, self.axes, self.shakes) = Default::default();
        let centre = of.0 * STRIDE_NS;
        let range = centre.saturating_sub(HALF_NS)..centre.saturating_add(HALF_NS);
        if let Ok(spectrum) = doc.spectrum(probe, range.clone()) {
            let kept = spectrum.freq_hz.partition_point(|f| *f < FIRST_HZ)
                ..spectrum.freq_hz.partition_point(|f| *f <= LAST_HZ);
            self.freq_hz = spectrum.freq_hz[kept.clone()].to_vec();
            self.shakes = doc.shakes(probe, range, &spectrum).map(|axis| axis[kept.clone()].to_vec());
            self.axes = spectrum.axes.map(|axis| axis[kept.clone()].to_vec());
        }
    }

    /// Bins of an axis that stand above both beside them, shake, and are not the print's own slow motion.
    fn peaks(&self, axis: usize) -> impl Iterator<Item = usize> {
        let (power, shakes) = (&self.axes[axis], &self.shakes[axis]);
        let fast = self.freq_hz.partition_point(|f| *f < SLOW_HZ).max(1);
        (fast..power.len().saturating_sub(1))
            .filter(|i| shakes[*i] && power[*i] > power[*i - 1] && power[*i] > power[*i + 1])
    }

    /// The highest peak of these axes; where there is none, the highest of all.
    fn top(&self, axes: std::ops::Range<usize>) -> f64 {
        let peak = axes.clone().flat_map(|axis| self.peaks(axis).map(move |i| self.axes[axis][i])).fold(0.0, f64::max);
        if peak > 0.0 { peak } else { self.axes[axes].iter().flatten().copied().fold(0.0, f64::max) }
    }

    /// An axis in pieces that shake and pieces that do not; each reaches to where the next begins.
    fn pieces(&self, axis: usize) -> Vec<(bool, Vec<[f64; 2]>)> {
        let points = self.points(axis);
        let mut start = 0;
        let piece = |run: &[bool]| {
            let from = start;
            start += run.len();
            (run[0], points[from..(start + 1).min(points.len())].to_vec())
        };
        self.shakes[axis].chunk_by(|a, b| a == b).map(piece).collect()
    }

    fn points(&self, axis: usize) -> Vec<[f64; 2]> {
        self.freq_hz.iter().zip(&self.axes[axis]).map(|(f, p)| [*f, *p]).collect()
    }

    fn at(&self, axis: usize, hz: f64) -> Option<f64> {
        self.axes[axis].get(self.freq_hz.partition_point(|f| *f < hz)).copied()
    }

    /// The frequency under the pointer, else that of the highest peak.
    fn say_frequency(&self, ui: &mut Ui) {
        let peaks = (0..3).flat_map(|axis| self.peaks(axis).map(move |i| (self.axes[axis][i], self.freq_hz[i])));
        let peak = peaks.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, hz)| format!("peak {hz:.1} Hz"));
        if let Some(text) = self.cursor_hz.map(|hz| format!("{hz:.1} Hz")).or(peak) {
            ui.add(egui::Label::new(RichText::new(text).monospace().small().weak()).truncate());
        }
    }
}

/// Which of the things that were measured is looked at; a click takes the next.
pub fn choose(ui: &mut Ui, doc: &Document, probe: &mut Probe) {
    let probes = doc.probes();
    let name = match *probe {
        Probe::Chip(chip) => doc.header().chips.get(usize::from(chip)).map_or("chip", |c| c.name.as_str()),
        Probe::Nozzle => "nozzle",
    };
    let button = egui::Button::new(RichText::new(name).small()).small();
    if ui
        .add_enabled(probes.len() > 1, button)
        .on_hover_text(
            "The true nozzle, or what a chip measured\nFaint: it only goes where it is driven, and does not swing",
        )
        .clicked()
    {
        let now = probes.iter().position(|p| p == probe).unwrap_or(0);
        *probe = probes[(now + 1) % probes.len()];
    }
}

struct ShaperCurve {
    axis: &'static str,
    colour: usize,
    now: Option<Vec<[f64; 2]>>,
    then: Option<Vec<[f64; 2]>>,
}

/// What the shaper leaves of a vibration, in percent.
fn response(shaper: Option<&Shaper>) -> Option<Vec<[f64; 2]>> {
    let shaper = shaper?;
    let place = |i: usize| FIRST_HZ + (LAST_HZ - FIRST_HZ) * i as f64 / POINTS as f64;
    let freq_hz: Vec<f64> = (0..=POINTS).map(place).collect();
    let left = shaper_response(shaper, &freq_hz)?;
    Some(freq_hz.into_iter().zip(left).map(|(f, left)| [f, 100.0 * left]).collect())
}

fn modes(doc: &Document) -> Vec<f64> {
    doc.machine().modes.iter().map(|mode| mode.damped_hz()).collect()
}

fn bounds(ui: &mut PlotUi<'_>, top: f64) {
    ui.set_plot_bounds_x(0.0..=LAST_HZ);
    ui.set_plot_bounds_y(0.0..=top);
}

/// Where the machine file says that the frame swings.
fn mark_modes(ui: &mut PlotUi<'_>, modes: &[f64]) {
    for hz in modes {
        let colour = Color32::from_gray(128).gamma_multiply(0.7);
        ui.vline(VLine::new("", *hz).color(colour).width(1.0).style(LineStyle::dotted_dense()));
    }
}

fn mark_cursor(ui: &mut PlotUi<'_>, cursor_hz: Option<f64>) {
    if let Some(hz) = cursor_hz {
        ui.vline(VLine::new("", hz).color(Color32::from_gray(128)).width(1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shaper_takes_away_the_frequency_it_is_made_for() {
        let shaper = Shaper { kind: "mzv".into(), freq_hz: 48.0, damping: 0.1 };
        let left = response(Some(&shaper)).unwrap();
        let nearest = left.iter().min_by(|a, b| (a[0] - 48.0).abs().total_cmp(&(b[0] - 48.0).abs())).unwrap();
        assert!(nearest[1] < 3.0, "{nearest:?}");
        assert!(left[0][1] > 90.0, "slow motion passes: {:?}", left[0]);
        assert_eq!(response(Some(&Shaper { kind: "none such".into(), ..shaper })), None);
    }
}
