//! The transport bar: where in the run one is, how fast it plays, and the three times.

use crate::state::FrameFacts;
use crate::widgets::{Dial, Icon, icon_button, scrub};
use crate::{format, theme};
use drydock_view_model::{FASTEST, Playhead, SLOWEST, Timeline};
use egui::{Align, DragValue, Layout, RichText, Ui, WidgetInfo, WidgetType};

/// What the transport bar keeps: how simulated time went against wall time of late.
#[derive(Default)]
pub struct Transport {
    /// Wall and simulated time at the beginning of the measurement.
    since_ns: Option<(u64, u64)>,
    measured: f64,
}

/// Wall time over which the ratio is taken.
const WINDOW_NS: u64 = 250_000_000;

impl Transport {
    pub fn show(&mut self, ui: &mut Ui, playhead: &mut Playhead, timeline: &Timeline, facts: &FrameFacts) {
        ui.add_space(3.0);
        scrub(ui, playhead, timeline);
        ui.horizontal(|ui| {
            buttons(ui, playhead);
            ui.separator();
            speed(ui, playhead);
            ui.separator();
            places(ui, playhead, timeline);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| self.times(ui, playhead, facts));
        });
        ui.add_space(1.0);
    }

    /// Simulated time, wall time, and how much of the one passes in the other.
    fn times(&mut self, ui: &mut Ui, playhead: &Playhead, facts: &FrameFacts) {
        self.measure(playhead, facts.wall_ns);
        let mono = |text: String| RichText::new(text).monospace();
        ui.label(mono(format!("{:>6}", format::ratio(self.measured))))
            .on_hover_text("Simulated time that passes in one second of wall time, as measured");
        ui.label(RichText::new("=").weak());
        ui.label(mono(format::short_clock(facts.wall_ns)))
            .on_hover_text(format!("Wall time since the viewer began; {:.0} pictures a second", facts.frames_s));
        ui.label(RichText::new("wall").weak());
        ui.label(mono(format::clock(playhead.at_ns())).color(theme::PLAYHEAD))
            .on_hover_text(format!("Simulated time, of {}", format::clock(playhead.span_ns().end)));
        ui.label(RichText::new("sim").weak());
    }

    fn measure(&mut self, playhead: &Playhead, wall_ns: u64) {
        if !playhead.is_playing() {
            (self.since_ns, self.measured) = (None, 0.0);
            return;
        }
        let at_ns = playhead.at_ns();
        let (wall_then, at_then) = *self.since_ns.get_or_insert((wall_ns, at_ns));
        let passed = wall_ns.saturating_sub(wall_then);
        if at_ns < at_then {
            self.since_ns = Some((wall_ns, at_ns));
        } else if passed >= WINDOW_NS {
            self.measured = (at_ns - at_then) as f64 / passed as f64;
            self.since_ns = Some((wall_ns, at_ns));
        }
    }
}

fn buttons(ui: &mut Ui, playhead: &mut Playhead) {
    let span_ns = playhead.span_ns();
    ui.spacing_mut().item_spacing.x = 3.0;
    if icon_button(ui, Icon::Start, "To the beginning", "Home").clicked() {
        playhead.seek(span_ns.start);
    }
    if icon_button(ui, Icon::Back, "Step back", ",").clicked() {
        playhead.step(-1);
    }
    let (icon, name) = if playhead.is_playing() { (Icon::Pause, "Pause") } else { (Icon::Play, "Play") };
    if icon_button(ui, icon, name, "Space").clicked() {
        playhead.toggle();
    }
    if icon_button(ui, Icon::Forward, "Step on", ".").clicked() {
        playhead.step(1);
    }
    if icon_button(ui, Icon::End, "To the end", "End").clicked() {
        playhead.seek(span_ns.end);
    }
    ui.spacing_mut().item_spacing.x = 6.0;
}

fn speed(ui: &mut Ui, playhead: &mut Playhead) {
    let mut speed = playhead.speed();
    let label = ui.label(RichText::new("Speed").weak());
    let dial = Dial::ratio(SLOWEST..=FASTEST).hint("Half [  twice ]  as fast as the printer \\");
    if dial.show(ui, 230.0, &mut speed, label.id) {
        playhead.set_speed(speed);
    }
}

/// Time, layer and line, each of which can be typed or dragged.
fn places(ui: &mut Ui, playhead: &mut Playhead, timeline: &Timeline) {
    let at_ns = playhead.at_ns();
    let span_ns = playhead.span_ns();
    let mut time_s = at_ns as f64 * 1e-9;
    let field = DragValue::new(&mut time_s)
        .speed(0.01)
        .range(span_ns.start as f64 * 1e-9..=span_ns.end as f64 * 1e-9)
        .custom_formatter(|_, _| format::clock(at_ns))
        .custom_parser(|text| Some(format::parse_clock(text)? as f64 * 1e-9))
        .update_while_editing(false);
    if labelled(ui, "Time", field).changed() {
        playhead.seek((time_s * 1e9).round() as u64);
    }
    let layers = timeline.layers();
    if !layers.is_empty() {
        let mut number = timeline.layer_at(at_ns).map_or(0, |l| l + 1);
        let field = DragValue::new(&mut number).range(1..=layers.len()).speed(0.1).update_while_editing(false);
        if labelled(ui, "Layer", field.clamp_existing_to_range(false)).changed() {
            playhead.seek(layers[(number.max(1) - 1).min(layers.len() - 1)].span_ns.start);
        }
        ui.label(RichText::new(format!("/ {}", layers.len())).weak());
    }
    let lines = timeline.line_count();
    if lines > 0 {
        let now = timeline.line_at(at_ns).and_then(|l| timeline.line(l)).map_or(0, |l| l.line_no);
        let mut number = now;
        let field = DragValue::new(&mut number).range(0..=u32::MAX).speed(0.2).update_while_editing(false);
        if labelled(ui, "Line", field).changed()
            && number != now
            && let Some(line) = timeline.line_numbered(number).and_then(|l| timeline.line(l))
        {
            playhead.seek(line.at_ns);
        }
    }
}

fn labelled(ui: &mut Ui, name: &'static str, field: DragValue<'_>) -> egui::Response {
    let label = ui.label(RichText::new(name).weak());
    let response = ui.add(field).labelled_by(label.id);
    let enabled = ui.is_enabled();
    if !response.has_focus() {
        response.widget_info(|| WidgetInfo::labeled(WidgetType::DragValue, enabled, name));
    }
    response
}

/// To the next line that begins later than now, or to the line before the one that is under way.
pub fn go_line(playhead: &mut Playhead, timeline: &Timeline, by: isize) {
    let at_ns = playhead.at_ns();
    let begins = |index: usize| timeline.line(index).map(|l| l.at_ns);
    let now = timeline.line_at(at_ns);
    let target = match by > 0 {
        true => begins(now.map_or(0, |l| l + 1)),
        false => now.and_then(|mut line| {
            while line > 0 && begins(line) == Some(at_ns) {
                line -= 1;
            }
            begins(line)
        }),
    };
    if let Some(target) = target {
        playhead.seek(target);
    }
}

/// To the begin of the next layer, or of this one, or where one stands there, of the one before.
pub fn go_layer(playhead: &mut Playhead, timeline: &Timeline, by: isize) {
    let at_ns = playhead.at_ns();
    let layers = timeline.layers();
    let now = timeline.layer_at(at_ns);
    let target = match by > 0 {
        true => layers.get(now.map_or(0, |l| l + 1)),
        false => now.and_then(|l| {
            let begun = layers.get(l)?.span_ns.start < at_ns;
            layers.get(if begun { l } else { l.saturating_sub(1) })
        }),
    };
    if let Some(layer) = target {
        playhead.seek(layer.span_ns.start);
    }
}
