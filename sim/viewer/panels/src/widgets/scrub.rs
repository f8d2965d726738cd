//! The whole run from left to right: layers, what has been printed, the playhead.

use crate::{format, theme};
use drydock_view_model::{Playhead, Timeline};
use egui::{CursorIcon, Rect, Response, Sense, Stroke, Ui, Vec2, WidgetInfo};

/// A press or a drag seeks.
pub fn scrub(ui: &mut Ui, playhead: &mut Playhead, timeline: &Timeline) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 18.0), Sense::click_and_drag());
    let response = response.on_hover_cursor(CursorIcon::ResizeHorizontal);
    let span_ns = playhead.span_ns();
    let length_ns = (span_ns.end - span_ns.start).max(1) as f64;
    let at_x =
        |ns: u64| rect.left() + rect.width() * (ns.saturating_sub(span_ns.start) as f64 / length_ns).min(1.0) as f32;
    let at_ns = |x: f32| {
        let share = f64::from(((x - rect.left()) / rect.width()).clamp(0.0, 1.0));
        span_ns.start + (share * length_ns).round() as u64
    };
    if response.is_pointer_button_down_on()
        && let Some(pointer) = response.interact_pointer_pos()
    {
        playhead.seek(at_ns(pointer.x));
    }
    let at = playhead.at_ns();
    response.widget_info(|| WidgetInfo::slider(ui.is_enabled(), at as f64 * 1e-9, "Time"));

    let painter = ui.painter_at(rect);
    let visuals = ui.visuals();
    painter.rect_filled(rect, 3.0, visuals.extreme_bg_color);
    let done = Rect::from_x_y_ranges(rect.left()..=at_x(at), rect.y_range());
    painter.rect_filled(done, 3.0, visuals.selection.bg_fill.gamma_multiply(0.55));
    layers(timeline, rect, at_x, |x, tall| {
        let top = if tall { rect.top() } else { rect.bottom() - 6.0 };
        painter.vline(x, top..=rect.bottom(), visuals.widgets.noninteractive.bg_stroke);
    });
    painter.vline(at_x(at), rect.y_range(), Stroke::new(2.0, theme::PLAYHEAD));
    match response.hover_pos() {
        Some(pointer) => {
            let ns = at_ns(pointer.x);
            painter.vline(pointer.x, rect.y_range(), visuals.widgets.hovered.fg_stroke);
            let layer = timeline.layer_at(ns).map_or(String::new(), |l| format!("   layer {}", l + 1));
            response.on_hover_text_at_pointer(format!("{}{layer}", format::clock(ns)))
        }
        None => response,
    }
}

/// Where layers begin, no closer than they can be told apart; every tenth is tall.
fn layers(timeline: &Timeline, rect: Rect, at_x: impl Fn(u64) -> f32, mut mark: impl FnMut(f32, bool)) {
    let layers = timeline.layers();
    let room = (rect.width() / 5.0).max(1.0) as usize;
    let stride = [1, 10, 100, 1000, 10_000].into_iter().find(|s| layers.len() / s <= room).unwrap_or(100_000);
    for (number, layer) in layers.iter().enumerate().step_by(stride) {
        mark(at_x(layer.span_ns.start), number % (10 * stride) == 0);
    }
}
