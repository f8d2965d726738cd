//! A slider with two handles.

use egui::{CursorIcon, Rect, Response, Sense, Ui, Vec2, WidgetInfo, emath::remap_clamp, pos2};
use std::ops::RangeInclusive;

/// Two handles between bounds, in whole steps; the lower never passes the upper. The handles are called "`name` from" and
/// "`name` to". Gives whether the values changed.
pub fn range_slider(
    ui: &mut Ui,
    name: &str,
    width: f32,
    values: &mut [f64; 2],
    bounds: RangeInclusive<f64>,
    step: f64,
) -> bool {
    let (rect, whole) = ui.allocate_exact_size(Vec2::new(width, 16.0), Sense::hover());
    let (least, most) = (*bounds.start(), *bounds.end());
    let track = rect.shrink2(Vec2::new(7.0, 0.0));
    let place = |value: f64| match most > least {
        true => remap_clamp(value, bounds.clone(), f64::from(track.left())..=f64::from(track.right())) as f32,
        false => track.left(),
    };
    let before = *values;
    let mut handles: Vec<Response> = Vec::with_capacity(2);
    for (end, word) in ["from", "to"].into_iter().enumerate() {
        let handle = Rect::from_center_size(pos2(place(values[end]), rect.center().y), Vec2::new(14.0, 16.0));
        let response =
            ui.interact(handle, whole.id.with(word), Sense::drag()).on_hover_cursor(CursorIcon::ResizeHorizontal);
        let together = whole.id.with("together");
        if response.drag_started() {
            ui.data_mut(|d| d.insert_temp(together, (values[0] == values[1]).then_some(values[0])));
        }
        if response.dragged()
            && let Some(pointer) = response.interact_pointer_pos()
        {
            let share = f64::from(((pointer.x - track.left()) / track.width()).clamp(0.0, 1.0));
            let value = (least + ((most - least) * share / step).round() * step).clamp(least, most);
            // Of two handles at one place, the one that can go that way is meant.
            match ui.data(|d| d.get_temp::<Option<f64>>(together)).flatten() {
                Some(place) => *values = [value.min(place), value.max(place)],
                None if end == 0 => values[0] = value.min(values[1]),
                None => values[1] = value.max(values[0]),
            }
        }
        response.widget_info(|| WidgetInfo::slider(ui.is_enabled(), values[end], format!("{name} {word}")));
        handles.push(response);
    }
    let painter = ui.painter();
    let rail = Rect::from_center_size(track.center(), Vec2::new(track.width(), 4.0));
    painter.rect_filled(rail, 2.0, ui.visuals().widgets.inactive.bg_fill);
    let chosen = Rect::from_x_y_ranges(place(values[0])..=place(values[1]), rail.y_range());
    painter.rect_filled(chosen, 2.0, ui.visuals().selection.bg_fill);
    for (value, response) in values.iter().zip(&handles) {
        let visuals = ui.style().interact(response);
        painter.circle(pos2(place(*value), rect.center().y), 6.0, visuals.bg_fill, visuals.fg_stroke);
    }
    *values != before
}
