//! Before and after: the curves of a neighbourhood that was simulated again.

use super::frame::{air, head, reading};
use super::window::bare;
use crate::state::{Curve, TuningResult};
use crate::{format, theme};
use egui::Ui;
use egui_plot::{Line, LineStyle, VLine};

/// One plot a curve that is in both; at most so many.
pub const MOST: usize = 2;

/// Names of what is compared.
pub fn names(result: &TuningResult) -> Vec<&str> {
    result.after.curves.iter().map(|curve| curve.name.as_str()).take(MOST).collect()
}

pub fn show(ui: &mut Ui, result: &TuningResult, name: &str) {
    let of = |curves: &[Curve]| curves.iter().find(|curve| curve.name == name).cloned().unwrap_or_default();
    let (before, after) = (of(&result.before.curves), of(&result.after.curves));
    let cursor = egui::Id::new(("tuning cursor", name));
    let at_s: Option<f64> = ui.data(|d| d.get_temp(cursor));
    let read = |curve: &Curve| match at_s {
        Some(at_s) => {
            curve.points.iter().find(|p| p[0] >= at_s).map_or(String::new(), |p| format::significant(p[1], 3))
        }
        None => {
            let peak = curve.points.iter().map(|p| p[1].abs()).fold(0.0, f64::max);
            format!("peak {}", format::significant(peak, 3))
        }
    };
    let colours = [ui.visuals().weak_text_color(), theme::curve(0)];
    head(ui, name, &after.unit, |ui| {
        reading(ui, colours[0], "before", &read(&before), false);
        reading(ui, colours[1], "after", &read(&after), false);
    });
    let all = || before.points.iter().chain(&after.points);
    let [low, high] = air(all().map(|p| p[1]));
    let from_s = all().map(|p| p[0]).fold(f64::INFINITY, f64::min);
    let to_s = all().map(|p| p[0]).fold(f64::NEG_INFINITY, f64::max);
    let shown = bare("tuning").x_axis_formatter(|mark, _| format!("{} s", mark.value)).show(ui, |ui| {
        if from_s < to_s {
            ui.set_plot_bounds_x(from_s..=to_s);
        }
        ui.set_plot_bounds_y(low..=high);
        if let Some(at_s) = at_s {
            ui.vline(VLine::new("", at_s).color(colours[0]).width(1.0));
        }
        let dashed = LineStyle::dashed_dense();
        ui.line(Line::new("", before.points).color(colours[0]).width(1.2).style(dashed).allow_hover(false));
        ui.line(Line::new("", after.points).color(colours[1]).width(1.6).allow_hover(false));
    });
    match shown.response.hover_pos() {
        Some(pointer) => {
            let at_s = shown.transform.value_from_position(pointer).x;
            ui.data_mut(|d| d.insert_temp(cursor, at_s));
        }
        None => ui.data_mut(|d| d.remove::<f64>(cursor)),
    }
}
