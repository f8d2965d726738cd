//! What the colours mean.

use drydock_view_model::{Legend, Map};
use egui::{Color32, Rect, Sense, Stroke, Ui, Vec2, WidgetInfo, WidgetType, pos2};

fn colour([r, g, b]: [u8; 3]) -> Color32 {
    Color32::from_rgb(r, g, b)
}

/// The legend as wide as there is room. Also of use outside the panels, on a picture.
pub fn legend(ui: &mut Ui, legend: &Legend) {
    match legend.map {
        Map::Categories => categories(ui, legend),
        _ => scale(ui, legend),
    }
}

fn categories(ui: &mut Ui, legend: &Legend) {
    const SQUARE: f32 = 9.0;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = Vec2::new(10.0, 3.0);
        let font = egui::TextStyle::Small.resolve(ui.style());
        let ink = ui.visuals().text_color();
        for (value, name) in &legend.categories {
            // A square and its name are one thing, so that a line never ends between them.
            let text = ui.painter().layout_no_wrap((*name).into(), font.clone(), ink);
            let size = Vec2::new(SQUARE + 4.0 + text.size().x, text.size().y.max(SQUARE));
            let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
            response.widget_info(|| WidgetInfo::labeled(WidgetType::Label, true, *name));
            let square = Rect::from_center_size(rect.left_center() + Vec2::new(SQUARE / 2.0, 0.0), Vec2::splat(SQUARE));
            ui.painter().rect_filled(square, 2.0, colour(legend.map.colour(f32::from(*value))));
            let at = pos2(square.right() + 4.0, rect.center().y - text.size().y / 2.0);
            ui.painter().galley(at, text, ink);
        }
    });
}

fn scale(ui: &mut Ui, legend: &Legend) {
    const BAR: f32 = 12.0;
    let (rect, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), BAR + 17.0), Sense::hover());
    let painter = ui.painter();
    let bar = Rect::from_min_size(rect.min, Vec2::new(rect.width(), BAR)).shrink2(Vec2::new(8.0, 0.0));
    let columns = bar.width().max(1.0) as usize;
    for column in 0..columns {
        let at = (column as f32 + 0.5) / columns as f32;
        let left = bar.left() + bar.width() * column as f32 / columns as f32;
        let piece = Rect::from_x_y_ranges(left..=left + bar.width() / columns as f32, bar.y_range());
        painter.rect_filled(piece, 0.0, colour(legend.map.colour(at)));
    }
    let text = ui.visuals().text_color();
    let font = egui::TextStyle::Small.resolve(ui.style());
    for tick in legend.ticks(5) {
        let x = bar.left() + bar.width() * tick.at;
        painter.vline(x, bar.bottom()..=bar.bottom() + 3.0, Stroke::new(1.0, text));
        painter.text(pos2(x, bar.bottom() + 4.0), egui::Align2::CENTER_TOP, tick.label, font.clone(), text);
    }
}
