//! All keys, over everything else.

use crate::keys::{Binding, LOOKING, PLAYBACK};
use egui::{Grid, Id, Modal, RichText, Ui};

/// Gives whether it is to stay.
pub fn show(ctx: &egui::Context) -> bool {
    let modal = Modal::new(Id::new("help")).show(ctx, |ui| {
        ui.horizontal_top(|ui| {
            ui.vertical(|ui| table(ui, "Playback", &PLAYBACK));
            ui.add_space(18.0);
            ui.vertical(|ui| table(ui, "View", &LOOKING));
            ui.add_space(18.0);
            ui.vertical(mouse);
        });
    });
    !modal.should_close()
}

fn table(ui: &mut Ui, title: &str, bindings: &[Binding]) {
    let rows: Vec<[&str; 2]> = bindings.iter().filter(|b| !b.shown.is_empty()).map(|b| [b.shown, b.what]).collect();
    grid(ui, title, &rows);
}

fn mouse(ui: &mut Ui) {
    grid(
        ui,
        "Mouse",
        &[["Drag", "Turn"], ["Right drag", "Move"], ["Wheel", "Nearer, farther"], ["Click a line", "Go to it"]],
    );
    ui.add_space(10.0);
    grid(
        ui,
        "Mouse over plots",
        &[
            ["Click", "Go there"],
            ["Drag", "Zoom into that time"],
            ["Right drag", "Move in time"],
            ["Wheel", "Zoom in time"],
            ["Double click", "The whole run"],
        ],
    );
}

fn grid(ui: &mut Ui, title: &str, rows: &[[&str; 2]]) {
    ui.label(RichText::new(title).strong());
    Grid::new(("keys", title)).num_columns(2).spacing([14.0, 3.0]).show(ui, |ui| {
        for [key, what] in rows {
            ui.label(RichText::new(*key).monospace());
            ui.label(*what);
            ui.end_row();
        }
    });
}
