//! The panels as one uses them: what is pressed, typed and dragged does what it says.

use crate::common::{App, LAPTOP, TICK_NS, end_ns, laptop, panels, settings, with_result};
use drydock_view_model::ColourBy;
use drydock_view_panels::{Action, Camera, CompareView, Side, Theme};
use egui::accesskit::{Role, Toggled};
use egui::{Key, Modifiers, Pos2, Rect, pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};

type Panels = Harness<'static, App>;

/// What accessibility calls a thing, and what it is.
fn rect_of(panels: &Panels, role: Role, label: &str) -> Rect {
    panels.get_by_role_and_label(role, label).rect()
}

fn press(panels: &mut Panels, label: &str) {
    panels.get_by_role_and_label(Role::Button, label).click();
    panels.run();
}

fn drag(panels: &mut Panels, from: Pos2, to: Pos2) {
    panels.hover_at(from);
    panels.run();
    panels.drag_at(from);
    panels.run();
    panels.hover_at(from + (to - from) / 2.0);
    panels.run();
    panels.hover_at(to);
    panels.run();
    panels.drop_at(to);
    panels.run();
}

/// Makes a number's field a text field, as a click does, and types into it.
fn type_into(panels: &mut Panels, role: Role, label: &str, text: &str) {
    panels.get_by_role_and_label(role, label).click();
    panels.run();
    panels.key_press_modifiers(Modifiers::COMMAND, Key::A);
    panels.event(egui::Event::Text(text.into()));
    panels.key_press(Key::Enter);
    panels.run();
}

#[test]
fn play_and_pause_are_one_button() {
    let mut panels = laptop();
    press(&mut panels, "Play");
    assert!(panels.state().playhead.is_playing());
    press(&mut panels, "Pause");
    assert!(!panels.state().playhead.is_playing());
}

#[test]
fn a_step_is_one_tick_by_button_and_by_key() {
    let mut panels = laptop();
    press(&mut panels, "Step on");
    assert_eq!(panels.state().playhead.at_ns(), TICK_NS);
    panels.key_press(Key::Period);
    panels.run();
    assert_eq!(panels.state().playhead.at_ns(), 2 * TICK_NS);
    press(&mut panels, "Step back");
    panels.key_press(Key::Comma);
    panels.run();
    assert_eq!(panels.state().playhead.at_ns(), 0);
    panels.key_press_modifiers(Modifiers::SHIFT, Key::Period);
    panels.run();
    assert_eq!(panels.state().playhead.at_ns(), 100 * TICK_NS);
}

#[test]
fn a_speed_is_typed_as_a_fraction() {
    let mut panels = laptop();
    type_into(&mut panels, Role::SpinButton, "Speed", "1/16");
    assert_eq!(panels.state().playhead.speed(), 0.0625);
    type_into(&mut panels, Role::SpinButton, "Speed", "0.06x");
    assert_eq!(panels.state().playhead.speed(), 0.06);
    type_into(&mut panels, Role::SpinButton, "Speed", "99999");
    assert_eq!(panels.state().playhead.speed(), 1000.0);
}

#[test]
fn the_middle_of_the_speed_slider_is_the_speed_of_the_printer() {
    let mut panels = laptop();
    panels.state_mut().playhead.set_speed(0.001);
    panels.run();
    let rect = rect_of(&panels, Role::Slider, "Speed");
    let handle = pos2(rect.left() + rect.height() / 2.0, rect.center().y);
    drag(&mut panels, handle, rect.center());
    let speed = panels.state().playhead.speed();
    assert!((0.7..1.5).contains(&speed), "{speed}");
}

#[test]
fn dragging_over_the_time_bar_scrubs_forwards_and_backwards() {
    let mut panels = laptop();
    let bar = rect_of(&panels, Role::Slider, "Time");
    let at = |share: f32| pos2(bar.left() + share * bar.width(), bar.center().y);
    drag(&mut panels, at(0.2), at(0.75));
    let end_s = end_ns() as f64 * 1e-9;
    assert!((panels.state().at_s() - 0.75 * end_s).abs() < 0.01 * end_s, "{}", panels.state().at_s());
    drag(&mut panels, at(0.75), at(0.25));
    assert!((panels.state().at_s() - 0.25 * end_s).abs() < 0.01 * end_s, "{}", panels.state().at_s());
}

#[test]
fn a_time_a_layer_and_a_line_can_be_typed() {
    let mut panels = laptop();
    type_into(&mut panels, Role::SpinButton, "Time", "0:03.25");
    assert_eq!(panels.state().playhead.at_ns(), 3_250_000_000);
    type_into(&mut panels, Role::SpinButton, "Layer", "3");
    let app = panels.state();
    assert_eq!(app.doc.timeline().layer_at(app.playhead.at_ns()), Some(2));
    type_into(&mut panels, Role::SpinButton, "Line", "7");
    let app = panels.state();
    let line = app.doc.timeline().line_numbered(7).and_then(|l| app.doc.timeline().line(l)).unwrap();
    assert_eq!(app.playhead.at_ns(), line.at_ns);
}

#[test]
fn arrows_go_by_lines_and_by_layers() {
    let mut panels = laptop();
    panels.key_press(Key::ArrowUp);
    panels.run();
    let layer_of = |app: &App| app.doc.timeline().layer_at(app.playhead.at_ns());
    assert_eq!(layer_of(panels.state()), Some(1));
    let there = panels.state().playhead.at_ns();
    panels.key_press(Key::ArrowRight);
    panels.run();
    assert!(panels.state().playhead.at_ns() > there);
    panels.key_press(Key::ArrowLeft);
    panels.run();
    assert_eq!(panels.state().playhead.at_ns(), there);
    panels.key_press(Key::ArrowDown);
    panels.run();
    assert_eq!(layer_of(panels.state()), Some(0));
}

#[test]
fn a_click_on_a_line_of_gcode_goes_there() {
    let mut panels = laptop();
    let text = "G1 X130 Y130 E1.05 F4500";
    panels.get_all_by_label(text).next().unwrap().click();
    panels.run();
    assert_eq!(panels.state().at_s(), 0.4);
    let selected: Vec<String> = panels
        .get_all_by_role(Role::Button)
        .filter(|node| node.accesskit_node().toggled() == Some(Toggled::True))
        .filter_map(|node| node.accesskit_node().label())
        .filter(|label| label.starts_with("G1"))
        .collect();
    assert_eq!(selected, [text], "the line under the playhead is marked, and no other");
}

#[test]
fn searching_goes_from_one_find_to_the_next_and_back() {
    let mut panels = laptop();
    panels.key_press_modifiers(Modifiers::COMMAND, Key::F);
    panels.run();
    panels.event(egui::Event::Text(";layer:".into()));
    panels.run();
    let layer_ns = |layer: u64| layer * 1_600_000_000;
    let mut seen = Vec::new();
    for modifiers in [Modifiers::NONE, Modifiers::NONE, Modifiers::NONE, Modifiers::SHIFT] {
        panels.key_press_modifiers(modifiers, Key::Enter);
        panels.run();
        seen.push(panels.state().playhead.at_ns());
    }
    // The playhead stands behind the lines of time 0.
    assert_eq!(seen, [layer_ns(1), layer_ns(2), layer_ns(3), layer_ns(2)]);
}

#[test]
fn keys_that_are_typed_are_not_commands() {
    let mut panels = laptop();
    panels.key_press_modifiers(Modifiers::COMMAND, Key::F);
    panels.run();
    panels.key_press(Key::Space);
    panels.key_press(Key::T);
    panels.run();
    assert!(!panels.state().playhead.is_playing());
    assert!(panels.state().view.show_trail);
}

#[test]
fn the_part_is_coloured_by_what_is_chosen() {
    let mut panels = laptop();
    panels.get_by_role_and_label(Role::ComboBox, "Colour by").click();
    panels.run();
    panels.get_by_label("Deviation  (µm)").click();
    panels.run();
    assert_eq!(panels.state().view.colour_by, ColourBy::Deviation);
    assert!(panels.state().actions.contains(&Action::ColourBy(ColourBy::Deviation)));
}

#[test]
fn two_handles_bound_the_layers_and_never_pass_each_other() {
    let mut panels = laptop();
    let handle = |panels: &Panels, name: &str| rect_of(panels, Role::Slider, name).center();
    let from = handle(&panels, "Layers from");
    let to = handle(&panels, "Layers to");
    let middle = from + (to - from) / 2.0;
    drag(&mut panels, from, middle);
    assert_eq!(panels.state().view.layers, Some([2, 4]));
    drag(&mut panels, to, from);
    assert_eq!(panels.state().view.layers, Some([2, 2]));
    let (both, far) = (handle(&panels, "Layers to"), to + egui::vec2(20.0, 0.0));
    drag(&mut panels, both, far);
    let back = handle(&panels, "Layers from");
    drag(&mut panels, back, from);
    assert_eq!(panels.state().view.layers, None, "all layers are shown");
}

#[test]
fn displacements_are_enlarged_up_to_five_hundred_times() {
    let mut panels = laptop();
    type_into(&mut panels, Role::SpinButton, "Enlarge", "200");
    assert_eq!(panels.state().view.exaggeration, 200.0);
    type_into(&mut panels, Role::SpinButton, "Enlarge", "9000");
    assert_eq!(panels.state().view.exaggeration, 500.0);
}

#[test]
fn number_keys_and_buttons_turn_the_camera() {
    let mut panels = laptop();
    panels.key_press(Key::Num1);
    panels.run();
    assert_eq!(panels.state_mut().view.camera.take(), Some(Camera::Top));
    press(&mut panels, "Nozzle");
    assert_eq!(panels.state_mut().view.camera.take(), Some(Camera::Nozzle));
}

#[test]
fn a_drag_over_a_plot_zooms_time_a_click_seeks_a_double_click_fits() {
    let mut panels = laptop();
    let viewport = panels.state().ui.viewport();
    // Well inside the first plot, whose window is the first two seconds.
    let at = |x: f32| pos2(x, viewport.bottom() + 100.0);
    panels.hover_at(at(150.0));
    panels.run();
    drag(&mut panels, at(120.0), at(220.0));
    assert_eq!(panels.state().playhead.at_ns(), 0, "a drag does not seek");
    assert!(panels.query_by_label("2 s").is_none(), "the window is shorter");
    panels.drag_at(at(150.0));
    panels.run();
    panels.drop_at(at(150.0));
    panels.run();
    let sought = panels.state().at_s();
    assert!(sought > 0.0 && sought < 2.0, "{sought}");
    panels.get_by_label("Whole run").click();
    panels.run();
    panels.get_by_label("8 s");
}

#[test]
fn a_changed_setting_is_simulated_once_it_stands_still() {
    let mut panels = laptop();
    press(&mut panels, "Tune");
    type_into(&mut panels, Role::SpinButton, "Frequency X", "52");
    panels.run_steps(5);
    let mut wanted = settings();
    wanted.shaper_x.as_mut().unwrap().freq_hz = 52.0;
    let tuned: Vec<&Action> = panels.state().actions.iter().filter(|a| matches!(a, Action::Tune(_))).collect();
    assert_eq!(tuned, [&Action::Tune(wanted.clone())]);
    press(&mut panels, "To printer.cfg");
    assert_eq!(panels.state().actions.last(), Some(&Action::WriteConfig(wanted)));
    press(&mut panels, "Reset");
    panels.run_steps(5);
    assert_eq!(panels.state().actions.last(), Some(&Action::Tune(settings())));
}

#[test]
fn a_shaper_is_chosen_or_taken_away() {
    let mut panels = laptop();
    press(&mut panels, "Tune");
    panels.get_by_role_and_label(Role::ComboBox, "Shaper X").click();
    panels.run();
    panels.get_by_label("none").click();
    panels.run_steps(5);
    let Some(Action::Tune(tuned)) = panels.state().actions.last() else { panic!("nothing was asked for") };
    assert_eq!(tuned.shaper_x, None);
}

#[test]
fn before_and_after_are_told_in_figures() {
    let mut panels = laptop();
    with_result(panels.state_mut());
    press(&mut panels, "Tune");
    panels.get_by_label("−82 %");
    panels.get_by_label("corner at 3.200 s, in 0.38 s");
    panels.get_by_label("Off the wall");
}

#[test]
fn a_second_recording_is_shown_beside_or_as_a_difference() {
    let mut app = App::new();
    app.facts.second = Some("runs/other.drydock".into());
    let mut panels = panels(LAPTOP, app);
    press(&mut panels, "Difference");
    assert_eq!(panels.state().view.compare, CompareView::Difference);
    press(&mut panels, "×");
    assert!(panels.state().actions.contains(&Action::CloseSecond));
}

#[test]
fn a_recording_is_opened_by_its_path() {
    let mut panels = laptop();
    panels.key_press_modifiers(Modifiers::COMMAND, Key::O);
    panels.run();
    panels.event(egui::Event::Text("other.drydock".into()));
    panels.key_press(Key::Enter);
    panels.run();
    assert!(panels.state().actions.contains(&Action::Open("other.drydock".into())));
    assert!(panels.query_by_label("Open a recording").is_none(), "the question is gone");
}

#[test]
fn a_question_mark_shows_all_keys_and_escape_hides_them() {
    let mut panels = laptop();
    panels.key_press_modifiers(Modifiers::SHIFT, Key::Questionmark);
    panels.run();
    panels.get_by_label("One tick on");
    panels.key_press(Key::Escape);
    panels.run();
    assert!(panels.query_by_label("One tick on").is_none());
}

#[test]
fn dark_becomes_light() {
    let mut panels = laptop();
    panels.key_press(Key::D);
    panels.run();
    assert_eq!(panels.state().view.theme, Theme::Light);
    assert!(!panels.ctx.global_style().visuals.dark_mode);
}

#[test]
fn times_and_their_ratio_are_always_shown() {
    let mut panels = laptop();
    panels.state_mut().playhead.seek(3_250_000_000);
    panels.run();
    panels.get_all_by_label("3.250000 s").next().unwrap();
    panels.get_by_label("1:23");
    panels.state_mut().playhead.set_speed(0.06);
    panels.state_mut().playhead.play();
    for _ in 0..8 {
        let app = panels.state_mut();
        app.facts.wall_ns += 100_000_000;
        app.playhead.advance(100_000_000);
        panels.step();
    }
    panels.get_all_by_label(" 0.06×").next().unwrap();
}

/// Nothing that can be seen or pressed reaches beyond the screen, or lies over something else that can be pressed.
fn nothing_overflows(panels: &Panels) {
    let screen = panels.ctx.content_rect();
    let mut buttons: Vec<(Rect, String)> = Vec::new();
    for node in panels.root().children_recursive() {
        let access = node.accesskit_node();
        let Some(_) = access.bounding_box() else { continue };
        let label = access.label().or(access.value()).unwrap_or_default();
        let rect = node.rect();
        let role = access.role();
        if matches!(
            role,
            Role::Label | Role::Button | Role::CheckBox | Role::Slider | Role::SpinButton | Role::TextInput
        ) {
            assert!(
                rect.left() >= -0.5 && rect.right() <= screen.right() + 0.5,
                "{role:?} '{label}' at {rect:?} is wider than the screen"
            );
        }
        if matches!(role, Role::Button | Role::CheckBox) && !label.starts_with(['G', 'M', ';']) {
            for (other, name) in &buttons {
                let both = rect.intersect(*other);
                let over = both.width() > 1.0 && both.height() > 1.0;
                assert!(!over, "'{label}' at {rect:?} lies over '{name}' at {other:?}");
            }
            buttons.push((rect, label));
        }
    }
    let viewport = panels.state().ui.viewport();
    assert!(viewport.width() > 600.0 && viewport.height() > 300.0, "room for the part: {viewport:?}");
}

#[test]
fn everything_has_its_place_on_a_laptop() {
    for side in [Side::View, Side::Tune] {
        let mut app = App::new();
        app.view.side = side;
        app.facts.second = Some("a/rather/long/path/of/a/recording-with-a-long-name.drydock".into());
        with_result(&mut app);
        let mut panels = panels(LAPTOP, app);
        panels.run();
        nothing_overflows(&panels);
    }
}

#[test]
fn a_legend_of_all_features_stays_within_its_panel() {
    let mut app = App::new();
    let everything = (0..).zip(drydock_recording::Bead::FEATURES).collect();
    app.facts.legend = app.facts.legend.map(|known| drydock_view_model::Legend { categories: everything, ..known });
    let mut panels = panels(LAPTOP, app);
    panels.run();
    nothing_overflows(&panels);
    // What follows in the panel is as wide as without it.
    let edge = rect_of(&panels, Role::Button, "Back").right();
    assert!((1340.0..=1366.0).contains(&edge), "{edge}");
}

#[test]
fn a_message_goes_when_it_has_been_read() {
    let mut app = App::new();
    app.facts.message = Some("out/printer.cfg is written".into());
    let mut panels = panels(LAPTOP, app);
    panels.run();
    panels.get_by_label("out/printer.cfg is written");
    press(&mut panels, "×");
    assert_eq!(panels.state().actions, [Action::Dismiss]);
}

#[test]
fn what_two_runs_did_is_told_by_their_recordings() {
    let mut doc = crate::common::document();
    let outcome = drydock_view_panels::Outcome::of_moves(&mut doc, 5, 8);
    let figure = |name: &str| outcome.figures.iter().find(|f| f.name == name).unwrap().value;
    // Four sides of 0.4 s; the nozzle rings by 50 um, less what a quarter of a swing takes away.
    assert!((figure("Time, s") - 1.6).abs() < 1e-9);
    assert!((35.0..50.0).contains(&figure("Peak off the wall, µm")), "{:?}", outcome.figures);
    let names: Vec<(&str, &str)> = outcome.curves.iter().map(|c| (c.name.as_str(), c.over)).collect();
    assert_eq!(names, [("Off the wall", "mm"), ("Speed", "s"), ("Melt pressure", "s")]);
    let way_mm = outcome.curves[0].points.last().unwrap()[0];
    assert!((way_mm - 120.0).abs() < 1.0, "{way_mm}");
}

#[test]
fn panels_keep_their_places_as_time_goes_by() {
    for side in [Side::View, Side::Tune] {
        let mut app = App::new();
        app.view.side = side;
        with_result(&mut app);
        // So low that not everything finds room.
        let mut panels = panels(egui::vec2(1366.0, 640.0), app);
        panels.run();
        let before = panels.state().ui.viewport();
        for _ in 0..60 {
            panels.state_mut().playhead.step(700);
            panels.step();
        }
        assert_eq!(panels.state().ui.viewport(), before, "{side:?}");
    }
}

#[test]
fn all_plots_are_read_off_where_the_pointer_is_over_one() {
    let mut panels = laptop();
    let viewport = panels.state().ui.viewport();
    let at = |x: f32| pos2(x, viewport.bottom() + 100.0);
    let readings = |panels: &Panels| -> Vec<String> {
        let heads = panels.get_all_by_role(Role::Label).filter(|node| {
            let rect = node.rect();
            (viewport.bottom() + 25.0..viewport.bottom() + 45.0).contains(&rect.center().y) && rect.left() > 340.0
        });
        heads.filter_map(|node| node.accesskit_node().value()).collect()
    };
    panels.hover_at(at(60.0));
    panels.run();
    let one = readings(&panels);
    panels.hover_at(at(200.0));
    panels.run();
    assert_ne!(readings(&panels), one, "the accelerometer beside it is read off at another time");
}

#[test]
fn keys_are_commands_again_when_typing_is_over() {
    let mut panels = laptop();
    type_into(&mut panels, Role::SpinButton, "Speed", "0.5");
    panels.key_press(Key::Period);
    panels.run();
    assert_eq!(panels.state().playhead.at_ns(), TICK_NS);
    let rect = rect_of(&panels, Role::Slider, "Speed");
    drag(&mut panels, rect.center(), rect.center() + egui::vec2(30.0, 0.0));
    panels.key_press(Key::Period);
    panels.run();
    assert_eq!(panels.state().playhead.at_ns(), 2 * TICK_NS);
    press(&mut panels, "Play");
    panels.key_press(Key::Space);
    panels.run();
    assert!(!panels.state().playhead.is_playing(), "one press, one toggle");
}

#[test]
fn a_run_is_simulated_here_with_what_is_set() {
    let mut panels = laptop();
    press(&mut panels, "Tune");
    press(&mut panels, "Here");
    assert_eq!(panels.state().actions, [Action::Tune(settings())]);
}

#[test]
fn a_recording_that_is_cut_off_says_so() {
    let mut app = App::new();
    let mut bytes = crate::common::recording();
    bytes.truncate(bytes.len() / 2);
    app.doc = drydock_view_model::Document::from_bytes("runs/cut.drydock", bytes).unwrap();
    app.playhead = drydock_view_model::Playhead::new(app.doc.span_ns(), app.doc.tick_ns());
    let mut panels = panels(LAPTOP, app);
    panels.run();
    panels.get_by_label_contains("not finished");
    panels.state_mut().facts.live = true;
    panels.run();
    panels.get_by_label("live");
    assert!(panels.query_by_label_contains("not finished").is_none(), "a run that goes on is not damaged");
}

#[test]
fn a_million_lines_are_laid_out_as_fifty_are() {
    let mut app = App::new();
    app.doc = crate::common::long_document(1_000_000);
    app.playhead = drydock_view_model::Playhead::new(app.doc.span_ns(), app.doc.tick_ns());
    app.playhead.seek(app.doc.span_ns().end);
    let mut panels = panels(LAPTOP, app);
    panels.run();
    let rows: Vec<String> = panels
        .get_all_by_role(Role::Button)
        .filter_map(|node| node.accesskit_node().label())
        .filter(|label| label.starts_with("G1 X"))
        .collect();
    assert!((20..60).contains(&rows.len()), "{}", rows.len());
    assert_eq!(rows.last().unwrap(), "G1 X1000000");
    panels.get_by_label("G1 X999990").click();
    panels.run();
    assert_eq!(panels.state().playhead.at_ns(), 999_990_000);
}
