//! Buttons of the transport bar, drawn, so that they look the same with any font.

use egui::{Painter, Rect, Response, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo, WidgetType, pos2};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    Start,
    Back,
    Play,
    Pause,
    Forward,
    End,
}

/// A button with a picture; `name` is what it does, for the tooltip and for those who cannot see it.
pub fn icon_button(ui: &mut Ui, icon: Icon, name: &str, key: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::new(26.0, 22.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Button, ui.is_enabled(), name));
    let visuals = ui.style().interact(&response);
    ui.painter().rect_filled(rect, visuals.corner_radius, visuals.bg_fill);
    paint(ui.painter(), icon, Rect::from_center_size(rect.center(), Vec2::splat(10.0)), visuals.fg_stroke);
    response.on_hover_text(format!("{name}  ({key})"))
}

fn paint(painter: &Painter, icon: Icon, rect: Rect, stroke: Stroke) {
    let triangle = |from: f32, to: f32| {
        let (from, to) = (rect.left() + from * rect.width(), rect.left() + to * rect.width());
        let corners = vec![pos2(from, rect.top()), pos2(to, rect.center().y), pos2(from, rect.bottom())];
        painter.add(Shape::convex_polygon(corners, stroke.color, Stroke::NONE));
    };
    let bar = |at: f32, width: f32| {
        let x = rect.left() + at * rect.width();
        let bar = Rect::from_min_max(pos2(x, rect.top()), pos2(x + width * rect.width(), rect.bottom()));
        painter.rect_filled(bar, 0.0, stroke.color);
    };
    match icon {
        Icon::Start => {
            bar(0.0, 0.18);
            triangle(1.0, 0.28);
        }
        Icon::Back => {
            triangle(0.65, 0.0);
            bar(0.78, 0.18);
        }
        Icon::Play => triangle(0.1, 1.0),
        Icon::Pause => {
            bar(0.12, 0.26);
            bar(0.62, 0.26);
        }
        Icon::Forward => {
            bar(0.04, 0.18);
            triangle(0.35, 1.0);
        }
        Icon::End => {
            triangle(0.0, 0.72);
            bar(0.82, 0.18);
        }
    }
}
