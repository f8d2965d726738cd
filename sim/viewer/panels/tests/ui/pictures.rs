//! The panels as they look.

use crate::common::{App, LAPTOP, panels, ringing, with_result};
use drydock_view_model::{ColourBy, Document};
use drydock_view_panels::{Action, Side, Theme};
use egui::Key;
use egui_kittest::kittest::Queryable;

fn coloured(mut app: App, by: ColourBy) -> App {
    app.view.colour_by = by;
    app.facts.legend = Some(crate::common::legend(&mut app.doc, &app.view));
    app
}

#[test]
fn looking_at_a_print() {
    let mut app = coloured(App::new(), ColourBy::Deviation);
    app.view.exaggeration = 200.0;
    app.playhead.seek(3_260_000_000);
    let mut panels = panels(LAPTOP, app);
    panels.run();
    panels.get_by_label("nozzle").click();
    panels.run();
    panels.remove_cursor();
    panels.run();
    panels.snapshot("look");
}

#[test]
fn tuning_by_looking() {
    let mut app = App::new();
    app.view.theme = Theme::Light;
    app.view.side = Side::Tune;
    app.playhead.seek(3_260_000_000);
    with_result(&mut app);
    let mut panels = panels(LAPTOP, app);
    panels.run();
    panels.snapshot("tune");
    assert!(!panels.state().actions.iter().any(|a| matches!(a, Action::Tune(_))), "looking alone asks for nothing");
}

#[test]
fn all_keys() {
    let mut app = App::new();
    app.view.show_plots = false;
    let mut panels = panels(LAPTOP, app);
    panels.key_press(Key::Questionmark);
    panels.run();
    panels.snapshot("keys");
}

#[test]
fn opening_a_recording() {
    let mut app = App::new();
    app.view.theme = Theme::Light;
    app.view.show_plots = false;
    app.facts.recent = ["runs/shaper-on.drydock", "runs/shaper-off.drydock"].map(String::from).to_vec();
    app.facts.progress = Some(("Printing the demo".into(), 0.4));
    let mut panels = panels(LAPTOP, app);
    panels.key_press_modifiers(egui::Modifiers::COMMAND, Key::O);
    panels.run();
    panels.snapshot("open");
}

#[test]
fn two_runs_in_the_same_plots() {
    let mut app = App::new();
    app.doc = Document::from_bytes("runs/shaper-on.drydock", ringing(0.012)).unwrap();
    app.second = Some(Document::from_bytes("runs/shaper-off.drydock", ringing(0.05)).unwrap());
    app.facts.second = Some("runs/shaper-off.drydock".into());
    app.view.plots = ["Displacement", "Velocity"].map(String::from).to_vec();
    app.view.show_gcode = false;
    app.view.show_side = false;
    app.playhead.seek(3_260_000_000);
    let mut panels = panels(LAPTOP, app);
    panels.run();
    panels.snapshot("compared");
}
