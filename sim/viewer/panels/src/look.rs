//! How the part and the machine are shown, and the figures at the playhead.

use crate::legend::legend;
use crate::state::{Action, Camera, FrameFacts, ViewState};
use crate::widgets::{range_slider, section};
use crate::format;
use drydock_view_model::{ColourBy, Document, Pose};
use egui::{Button, ComboBox, Grid, RichText, Slider, SliderClamping, Ui};

pub fn show(
    ui: &mut Ui,
    doc: &mut Document,
    at_ns: u64,
    view: &mut ViewState,
    facts: &FrameFacts,
    actions: &mut Vec<Action>,
) {
    colours(ui, view, facts, actions);
    layers(ui, doc.timeline().layers().len(), view);
    shaking(ui, view);
    visible(ui, view);
    camera(ui, view, actions);
    section(ui, "At the playhead");
    figures(ui, &doc.pose(at_ns));
}

fn colours(ui: &mut Ui, view: &mut ViewState, facts: &FrameFacts, actions: &mut Vec<Action>) {
    section(ui, "Colour");
    let before = view.colour_by;
    ui.horizontal(|ui| {
        let name = |by: ColourBy| match by.unit() {
            "" => by.title().to_string(),
            unit => format!("{}  ({unit})", by.title()),
        };
        let label = ui.label("Colour by");
        let combo = ComboBox::from_id_salt("colour by").selected_text(name(before)).width(ui.available_width());
        let combo = combo.show_ui(ui, |ui| {
            for by in ColourBy::ALL {
                ui.selectable_value(&mut view.colour_by, by, name(by));
            }
        });
        combo.response.labelled_by(label.id);
    });
    if view.colour_by != before {
        actions.push(Action::ColourBy(view.colour_by));
    }
    if let Some(known) = facts.legend.as_ref().filter(|l| l.title == view.colour_by.title() || before == view.colour_by) {
        legend(ui, known);
    }
    if view.colour_by.map() != drydock_view_model::Map::Categories {
        let mut percent = view.clip.map(|share| f64::from(share) * 100.0);
        named(ui, "Clip", &format!("{:.0}–{:.0} %", percent[0], percent[1]), |ui| {
            if range_slider(ui, "Clip", &mut percent, 0.0..=100.0, 1.0) {
                view.clip = percent.map(|p| (p / 100.0) as f32);
            }
        });
    }
}

fn layers(ui: &mut Ui, count: usize, view: &mut ViewState) {
    if count < 2 {
        return;
    }
    let mut shown = match view.layers {
        Some([from, to]) => [from.min(count - 1), to.min(count - 1)],
        None => [0, count - 1],
    }
    .map(|layer| (layer + 1) as f64);
    named(ui, "Layers", &format!("{}–{} of {count}", shown[0], shown[1]), |ui| {
        if range_slider(ui, "Layers", &mut shown, 1.0..=count as f64, 1.0) {
            let chosen = shown.map(|number| number as usize - 1);
            view.layers = (chosen != [0, count - 1]).then_some(chosen);
        }
    });
}

fn shaking(ui: &mut Ui, view: &mut ViewState) {
    section(ui, "Resonance");
    ui.horizontal(|ui| {
        let label = ui.label("Enlarge");
        ui.spacing_mut().slider_width = (ui.available_width() - 64.0).max(40.0);
        let slider = Slider::new(&mut view.exaggeration, 1.0..=500.0)
            .logarithmic(true)
            .clamping(SliderClamping::Always)
            .custom_formatter(|value, _| format::ratio(value))
            .custom_parser(format::parse_ratio)
            .update_while_editing(false);
        ui.add(slider).labelled_by(label.id).on_hover_text("How many times displacements are shown enlarged");
    });
    ui.checkbox(&mut view.show_ring_down, "Ring-down light")
        .on_hover_text("Glows while the last excited mode dies away");
}

fn visible(ui: &mut Ui, view: &mut ViewState) {
    section(ui, "Show");
    Grid::new("visible").num_columns(2).spacing([14.0, 3.0]).show(ui, |ui| {
        ui.checkbox(&mut view.show_machine, "Machine");
        ui.checkbox(&mut view.show_part, "Part");
        ui.end_row();
        ui.checkbox(&mut view.show_trail, "Trail").on_hover_text("The commanded path against the true one");
        ui.checkbox(&mut view.show_whole, "To be printed").on_hover_text("What the playhead has not reached");
        ui.end_row();
        ui.checkbox(&mut view.shadows, "Shadows");
        ui.end_row();
    });
}

fn camera(ui: &mut Ui, view: &mut ViewState, actions: &mut Vec<Action>) {
    section(ui, "Camera");
    let width = (ui.available_width() - 8.0) / 3.0;
    Grid::new("camera").num_columns(3).spacing([4.0, 4.0]).show(ui, |ui| {
        for (i, (camera, name)) in Camera::ALL.into_iter().enumerate() {
            if ui.add(Button::new(name).min_size(egui::vec2(width, 19.0))).clicked() {
                view.camera = Some(camera);
            }
            if i % 3 == 2 {
                ui.end_row();
            }
        }
    });
    ui.horizontal(|ui| {
        ui.checkbox(&mut view.follow_nozzle, "Follow the nozzle");
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if ui.button("Picture").on_hover_text("Save what is shown as a PNG  (Ctrl S)").clicked() {
                actions.push(Action::Shot);
            }
        });
    });
}

fn figures(ui: &mut Ui, pose: &Pose) {
    let mono = |text: String| RichText::new(text).monospace();
    let weak = |text: &str| RichText::new(text).small().weak();
    let right = |ui: &mut Ui, text: RichText| {
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| ui.label(text));
    };
    let width = (ui.available_width() - 3.0 * 8.0 - 18.0) / 3.0;
    Grid::new("place").num_columns(4).min_col_width(18.0).spacing([8.0, 1.0]).show(ui, |ui| {
        ui.label("");
        for head in ["plan mm", "true mm", "off µm"] {
            ui.set_min_width(width);
            right(ui, weak(head));
        }
        ui.end_row();
        for (axis, name) in ["X", "Y", "Z"].into_iter().enumerate() {
            ui.label(weak(name));
            right(ui, mono(format!("{:.3}", pose.commanded_mm[axis])));
            right(ui, mono(format!("{:.3}", pose.nozzle_mm[axis])));
            right(ui, mono(format!("{:+.1}", pose.displacement_mm()[axis] * 1e3)));
            ui.end_row();
        }
    });
    if pose.heaters.is_empty() {
        return;
    }
    Grid::new("heat").num_columns(4).min_col_width(40.0).spacing([8.0, 1.0]).show(ui, |ui| {
        ui.label("");
        for head in ["°C", "target", "duty"] {
            right(ui, weak(head));
        }
        ui.end_row();
        for heater in &pose.heaters {
            ui.label(weak(&heater.name));
            right(ui, mono(format!("{:.1}", heater.measured_c)));
            right(ui, mono(format!("{:.0}", heater.target_c)));
            right(ui, mono(format!("{:.0} %", heater.duty * 100.0)));
            ui.end_row();
        }
    });
}

/// A control with its name on the left and what it stands at on the right.
fn named(ui: &mut Ui, name: &str, value: &str, control: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        ui.label(name);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.label(RichText::new(value).monospace());
        });
    });
    control(ui);
}
