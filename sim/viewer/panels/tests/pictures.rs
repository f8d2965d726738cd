//! The panels as they look.

mod common;

use common::{App, LAPTOP, panels, with_result};
use drydock_view_model::ColourBy;
use drydock_view_panels::{Action, Side, Theme};
use egui::Key;

fn coloured(mut app: App, by: ColourBy) -> App {
    app.view.colour_by = by;
    app.facts.legend = Some(common::legend(&mut app.doc, &app.view));
    app
}

#[test]
fn looking_at_a_print() {
    let mut app = coloured(App::new(), ColourBy::Deviation);
    app.view.exaggeration = 200.0;
    app.playhead.seek(3_260_000_000);
    let mut panels = panels(LAPTOP, app);
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
    let mut panels = panels(LAPTOP, App::new());
    panels.key_press(Key::Questionmark);
    panels.run();
    panels.snapshot("keys");
}
