//! What is open, what is wrong with it, what it is compared with, and which panels are shown.

use crate::state::{Action, CompareView, FrameFacts, Side, Theme, ViewState};
use crate::{Ui as Panels, format, theme};
use drydock_view_model::Document;
use egui::{Align, Label, Layout, RichText, Ui};

pub fn show(
    ui: &mut Ui,
    panels: &mut Panels,
    doc: &Document,
    view: &mut ViewState,
    facts: &FrameFacts,
    actions: &mut Vec<Action>,
) {
    ui.horizontal(|ui| {
        ui.set_height(24.0);
        if ui.button("Open…").on_hover_text("Ctrl O").clicked() {
            panels.files.ask();
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            toggles(ui, panels, view);
            ui.separator();
            compare(ui, view, facts, actions);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| names(ui, doc, facts));
        });
    });
}

fn names(ui: &mut Ui, doc: &Document, facts: &FrameFacts) {
    let header = doc.header();
    let file = format::file_name(doc.name());
    // Two runs that are compared mostly have the same title.
    let title = if header.title.is_empty() || facts.second.is_some() { file } else { &header.title };
    ui.add(Label::new(RichText::new(title).strong()).truncate()).on_hover_text(format!(
        "{}\n{}\n{}",
        doc.name(),
        header.program,
        header.command
    ));
    if facts.live {
        ui.label(RichText::new("live").color(theme::better(ui.visuals())));
    }
    if let Some(note) = doc.note().filter(|_| !facts.live) {
        let text = note.strip_prefix(&format!("{}: ", doc.name())).unwrap_or(&note);
        ui.add(Label::new(RichText::new(text).color(theme::warning(ui.visuals()))).truncate()).on_hover_text(&note);
    }
}

fn compare(ui: &mut Ui, view: &mut ViewState, facts: &FrameFacts, actions: &mut Vec<Action>) {
    let Some(second) = &facts.second else { return };
    if ui.small_button("×").on_hover_text("Close the second recording").clicked() {
        actions.push(Action::CloseSecond);
    }
    for (choice, name) in [
        (CompareView::Difference, "Difference"),
        (CompareView::SideBySide, "Side by side"),
        (CompareView::First, "First"),
    ] {
        ui.selectable_value(&mut view.compare, choice, name);
    }
    let name = RichText::new(format::file_name(second)).strong();
    ui.add(Label::new(name).truncate()).on_hover_text(format!("{second}\nDotted in the plots"));
    ui.label(RichText::new("against").weak());
}

/// From right to left.
fn toggles(ui: &mut Ui, panels: &mut Panels, view: &mut ViewState) {
    ui.spacing_mut().item_spacing.x = 3.0;
    ui.toggle_value(&mut panels.help, " ? ").on_hover_text("All keys  (?)");
    let (name, other) = match view.theme {
        Theme::Dark => ("Light", Theme::Light),
        Theme::Light => ("Dark", Theme::Dark),
    };
    if ui.button(name).on_hover_text("Dark, light  (D)").clicked() {
        view.theme = other;
    }
    ui.separator();
    for (side, name, key) in [(Side::Tune, "Tune", "U"), (Side::View, "View", "V")] {
        let shown = view.show_side && view.side == side;
        if ui.selectable_label(shown, name).on_hover_text(key).clicked() {
            view.toggle_side(side);
        }
    }
    ui.toggle_value(&mut view.show_plots, "Plots").on_hover_text("P");
    ui.toggle_value(&mut view.show_gcode, "G-code").on_hover_text("G");
}
