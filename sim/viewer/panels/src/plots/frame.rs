//! The line above a plot: its name, its unit, what its curves read.

use egui::{Color32, RichText, Sense, Stroke, Ui, vec2};

/// Names what is plotted; the rest of the line is for [`reading`]s.
pub fn head(ui: &mut Ui, title: &str, unit: &str, rest: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        ui.set_height(16.0);
        ui.label(RichText::new(title).strong());
        if !unit.is_empty() && ui.available_width() > 150.0 {
            ui.label(RichText::new(unit).small().weak());
        }
        rest(ui);
    });
}

/// A curve's name in its colour, and its value where there is room. Gives whether it was clicked.
pub fn reading(ui: &mut Ui, colour: Color32, name: &str, value: &str, hidden: bool) -> bool {
    ui.spacing_mut().item_spacing.x = 3.0;
    let room = ui.available_width() - 15.0 - NARROW * name.chars().count() as f32;
    if room < 0.0 {
        return false;
    }
    let colour = if hidden { colour.gamma_multiply(0.3) } else { colour };
    let (rect, _) = ui.allocate_exact_size(vec2(8.0, 12.0), Sense::hover());
    ui.painter().hline(rect.x_range(), rect.center().y, Stroke::new(2.0, colour));
    let text = RichText::new(name).small();
    let label = egui::Label::new(if hidden { text.weak() } else { text }).sense(Sense::click());
    let clicked = ui.add(label).on_hover_text("Show or hide this curve").clicked();
    if !hidden && !value.is_empty() && room > DIGIT * value.chars().count() as f32 {
        ui.label(RichText::new(value).monospace().small());
    }
    ui.add_space(4.0);
    clicked
}

/// Width of a letter of a name, and of a digit of a value, about.
const NARROW: f32 = 5.2;
const DIGIT: f32 = 6.4;

/// In the middle of a plot that has nothing to show.
pub fn nothing(ui: &mut Ui, why: &str) {
    let rect = ui.available_rect_before_wrap();
    ui.allocate_rect(rect, Sense::hover());
    ui.painter().rect_filled(rect, 2.0, ui.visuals().extreme_bg_color);
    let font = egui::TextStyle::Body.resolve(ui.style());
    ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, why, font, ui.visuals().weak_text_color());
}

/// Least and greatest with some air around them, so that a curve never runs along the frame.
pub fn air(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return [0.0, 1.0];
    }
    let air = (0.07 * (high - low)).max(1e-3 * high.abs().max(1e-3));
    [low - air, high + air]
}
