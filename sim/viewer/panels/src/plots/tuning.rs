//! Before and after: the curves of a neighbourhood that was simulated again.

use super::frame::{air, head, reading};
use super::window::{bare, tick};
use crate::outcome::{Curve, TuningResult};
use crate::{format, theme};
use egui::Ui;
use egui_plot::{Line, LineStyle, VLine};

/// One plot a curve that is in both; at most so many.
pub const MOST: usize = 3;

/// Names of what is compared.
pub fn names(result: &TuningResult) -> Vec<&str> {
    result.after.curves.iter().map(|curve| curve.name.as_str()).take(MOST).collect()
}

pub fn show(ui: &mut Ui, result: &TuningResult, name: &str) {
    let of = |curves: &[Curve]| curves.iter().find(|curve| curve.name == name).cloned().unwrap_or_default();
    let (before, after) = (of(&result.before.curves), of(&result.after.curves));
    let cursor = egui::Id::new(("tuning cursor", name));
    let at: Option<f64> = ui.data(|d| d.get_temp(cursor));
    // Under the pointer, else the greatest.
    let read = |curve: &Curve| match at {
        Some(at) => super::value_at(&curve.points, at).map_or(String::new(), |v| format::significant(v, 3)),
        None => {
            let peak = curve.points.iter().map(|p| p[1].abs()).fold(0.0, f64::max);
            format::significant(peak, 3)
        }
    };
    let colours = [ui.visuals().weak_text_color(), theme::curve(0)];
    head(ui, name, &after.unit, |ui| {
        reading(ui, colours[0], "before", &read(&before), false);
        reading(ui, colours[1], "after", &read(&after), false);
    });
    let all = || before.points.iter().chain(&after.points);
    let [low, high] = air(all().map(|p| p[1]));
    let from = all().map(|p| p[0]).fold(f64::INFINITY, f64::min);
    let to = all().map(|p| p[0]).fold(f64::NEG_INFINITY, f64::max);
    let shown = bare("tuning").x_axis_formatter(|mark, _| tick(mark, after.over)).show(ui, |ui| {
        if from < to {
            ui.set_plot_bounds_x(from..=to);
        }
        ui.set_plot_bounds_y(low..=high);
        if let Some(at) = at {
            ui.vline(VLine::new("", at).color(colours[0]).width(1.0));
        }
        let dashed = LineStyle::dashed_dense();
        ui.line(Line::new("", before.points).color(colours[0]).width(1.2).style(dashed).allow_hover(false));
        ui.line(Line::new("", after.points).color(colours[1]).width(1.6).allow_hover(false));
    });
    match shown.response.hover_pos() {
        Some(pointer) => {
            let at = shown.transform.value_from_position(pointer).x;
            ui.data_mut(|d| d.insert_temp(cursor, at));
        }
        None => ui.data_mut(|d| d.remove::<f64>(cursor)),
    }
}
