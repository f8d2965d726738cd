//! How the part and the machine are shown, and the figures at the playhead.

use crate::legend::legend;
use crate::state::{Action, Camera, FrameFacts, ViewState};
use crate::widgets::{Dial, range_slider, section};
use drydock_view_model::{ColourBy, Document, HeaterPose, Map, Pose};
use egui::{Align, Button, ComboBox, Grid, Label, Layout, RichText, Ui};
use std::ops::RangeInclusive;

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
    ringing(ui, doc, at_ns);
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
    if let Some(known) = facts.legend.as_ref().filter(|l| l.title == view.colour_by.title() || before == view.colour_by)
    {
        legend(ui, known);
    }
    if view.colour_by.map() != Map::Categories {
        let mut percent = view.clip.map(|share| f64::from(share) * 100.0);
        let value = format!("{:.0}–{:.0} %", percent[0], percent[1]);
        if range(ui, "Clip", &value, &mut percent, 0.0..=100.0) {
            view.clip = percent.map(|p| (p / 100.0) as f32);
        }
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
    let value = format!("{}–{}", shown[0], shown[1]);
    if range(ui, "Layers", &value, &mut shown, 1.0..=count as f64) {
        let chosen = shown.map(|number| number as usize - 1);
        view.layers = (chosen != [0, count - 1]).then_some(chosen);
    }
}

/// Name, two handles, and where they stand.
fn range(ui: &mut Ui, name: &str, value: &str, values: &mut [f64; 2], bounds: RangeInclusive<f64>) -> bool {
    const VALUE: f32 = 66.0;
    ui.horizontal(|ui| {
        named(ui, name);
        let gap = ui.spacing().item_spacing.x;
        let width = (ui.available_width() - VALUE - gap).max(40.0);
        let changed = range_slider(ui, name, width, values, bounds, 1.0);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| ui.label(RichText::new(value).monospace().small()));
        changed
    })
    .inner
}

/// A control's name, as wide as all of them.
fn named(ui: &mut Ui, name: &str) -> egui::Id {
    let size = egui::vec2(44.0, ui.spacing().interact_size.y);
    let label = ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_width(size.x);
        ui.label(name).id
    });
    label.inner
}

fn shaking(ui: &mut Ui, view: &mut ViewState) {
    ui.horizontal(|ui| {
        let label = named(ui, "Enlarge");
        let dial = Dial::ratio(1.0..=500.0).hint("How many times displacements are shown enlarged");
        dial.show(ui, ui.available_width(), &mut view.exaggeration, label);
    });
}

fn visible(ui: &mut Ui, view: &mut ViewState) {
    section(ui, "Show");
    Grid::new("visible").num_columns(3).spacing([12.0, 3.0]).show(ui, |ui| {
        ui.checkbox(&mut view.show_part, "Part");
        ui.checkbox(&mut view.show_machine, "Machine").on_hover_text("M");
        ui.checkbox(&mut view.show_trail, "Trail").on_hover_text("The commanded path against the true one  (T)");
        ui.end_row();
        ui.checkbox(&mut view.show_whole, "Rest").on_hover_text("What is still to be printed  (W)");
        ui.checkbox(&mut view.show_ring_down, "Ring-down")
            .on_hover_text("A light that glows while the last excited mode dies away");
        ui.checkbox(&mut view.shadows, "Shadows");
        ui.end_row();
    });
}

fn camera(ui: &mut Ui, view: &mut ViewState, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Camera").small().strong().color(ui.visuals().weak_text_color()));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.checkbox(&mut view.follow_nozzle, "Follow nozzle").on_hover_text("F");
        });
    });
    let columns = 5;
    let width = ((ui.available_width() - 4.0 * (columns - 1) as f32) / columns as f32).floor();
    let size = egui::vec2(width, 19.0);
    Grid::new("camera").num_columns(columns).min_col_width(width).spacing([4.0, 4.0]).show(ui, |ui| {
        for (i, (camera, name)) in Camera::ALL.into_iter().enumerate() {
            if ui.add_sized(size, Button::new(RichText::new(name).small())).clicked() {
                view.camera = Some(camera);
            }
            if i % columns == columns - 1 {
                ui.end_row();
            }
        }
        let picture = Button::new(RichText::new("Picture").small());
        if ui.add_sized(size, picture).on_hover_text("Save what is shown as a PNG  (Ctrl S)").clicked() {
            actions.push(Action::Shot);
        }
    });
}

fn figures(ui: &mut Ui, pose: &Pose) {
    table(ui, ["plan mm", "true mm", "off µm"], || {
        ["X", "Y", "Z"].into_iter().enumerate().map(|(axis, name)| {
            let off_um = pose.displacement_mm()[axis] * 1e3;
            let values = [
                format!("{:.3}", pose.commanded_mm[axis]),
                format!("{:.3}", pose.nozzle_mm[axis]),
                format!("{off_um:+.1}"),
            ];
            (name, values)
        })
    });
    if !pose.heaters.is_empty() {
        table(ui, ["°C", "target", "duty"], || {
            pose.heaters.iter().map(|heater| {
                let HeaterPose { measured_c, target_c, duty, .. } = heater;
                let values = [format!("{measured_c:.1}"), format!("{target_c:.0}"), format!("{:.0} %", duty * 100.0)];
                (heater.name.as_str(), values)
            })
        });
    }
}

/// The mode that was shaken last, and how much of it is left.
fn ringing(ui: &mut Ui, doc: &mut Document, at_ns: u64) {
    let text = match doc.ring_down(at_ns) {
        Some(ring) => format!(
            "{:.1} Hz rings {:.1} µm, {:.0} % of its peak {:.0} ms ago",
            ring.frequency_hz,
            ring.amplitude_um,
            ring.share * 100.0,
            ring.since_s * 1e3
        ),
        None => "Nothing rings".into(),
    };
    ui.add(Label::new(RichText::new(text).small().weak()).truncate());
}

/// Rows of a name and three figures, in columns of one width.
fn table<'a, I>(ui: &mut Ui, heads: [&str; 3], rows: impl FnOnce() -> I)
where
    I: Iterator<Item = (&'a str, [String; 3])>,
{
    const NAME: f32 = 62.0;
    let width = (ui.available_width() - NAME) / 3.0;
    let cells = |ui: &mut Ui, name: RichText, cells: [RichText; 3]| {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            ui.spacing_mut().interact_size.y = 15.0;
            let cell = |ui: &mut Ui, width: f32, layout: Layout, text: RichText| {
                ui.allocate_ui_with_layout(egui::vec2(width, 15.0), layout, |ui| {
                    ui.set_min_width(width);
                    ui.add(Label::new(text).truncate());
                });
            };
            cell(ui, NAME, Layout::left_to_right(Align::Center), name);
            for text in cells {
                cell(ui, width, Layout::right_to_left(Align::Center), text);
            }
        });
    };
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        cells(ui, RichText::new(""), heads.map(|head| RichText::new(head).small().weak()));
        for (name, values) in rows() {
            cells(ui, RichText::new(name).small(), values.map(|value| RichText::new(value).monospace()));
        }
    });
}
