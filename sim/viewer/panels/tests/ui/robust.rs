//! Whatever is open, whatever is pressed, on whatever screen.

use crate::common::{App, LAPTOP, panels, ringing, with_result};
use drydock_recording::{End, Header, Writer};
use drydock_view_model::{Document, Playhead};
use drydock_view_panels::{Side, ViewState};
use egui::{Key, Modifiers, Pos2, Vec2, vec2};

fn with_document(bytes: Vec<u8>) -> App {
    let mut app = App::new();
    app.doc = Document::from_bytes("runs/odd.drydock", bytes).unwrap();
    app.playhead = Playhead::new(app.doc.span_ns(), app.doc.tick_ns());
    app
}

fn empty() -> Vec<u8> {
    Writer::new(Vec::new(), Header::default()).unwrap().finish(&End::default()).unwrap()
}

#[test]
fn a_recording_of_nothing_is_shown() {
    for side in [Side::View, Side::Tune] {
        let mut app = with_document(empty());
        app.view.side = side;
        app.facts = Default::default();
        let mut panels = panels(LAPTOP, app);
        panels.run();
        for key in [Key::Space, Key::Period, Key::Comma, Key::ArrowUp, Key::ArrowLeft, Key::End, Key::Questionmark] {
            panels.key_press(key);
            panels.run();
        }
        assert_eq!(panels.state().playhead.at_ns(), 0);
    }
}

#[test]
fn every_screen_has_room_for_the_part_or_at_least_no_less_than_none() {
    for size in [vec2(320.0, 200.0), vec2(800.0, 600.0), vec2(1366.0, 768.0), vec2(3840.0, 2160.0)] {
        for side in [Side::View, Side::Tune] {
            let mut app = App::new();
            app.view.side = side;
            with_result(&mut app);
            let mut panels = panels(size, app);
            panels.run();
            let viewport = panels.state().ui.viewport();
            assert!(viewport.width() >= 0.0 && viewport.height() >= 0.0, "{size:?}: {viewport:?}");
        }
    }
}

#[test]
fn the_pointer_is_the_cameras_over_the_view_and_the_panels_elsewhere() {
    let mut panels = panels(LAPTOP, App::new());
    panels.run();
    let viewport = panels.state().ui.viewport();
    panels.hover_at(viewport.center());
    panels.run();
    assert!(!panels.state().ui.takes_pointer(&panels.ctx));
    for place in [viewport.left_center() - vec2(20.0, 0.0), viewport.center_bottom() + vec2(0.0, 60.0)] {
        panels.hover_at(place);
        panels.run();
        assert!(panels.state().ui.takes_pointer(&panels.ctx), "{place:?}");
    }
    panels.key_press(Key::Questionmark);
    panels.run();
    panels.hover_at(viewport.center());
    panels.run();
    assert!(panels.state().ui.takes_pointer(&panels.ctx), "keys are shown over the view");
}

#[test]
fn what_is_shown_is_remembered() {
    let mut view =
        ViewState { exaggeration: 37.0, show_plots: false, plots: vec!["Queue".into()], ..Default::default() };
    view.colour_by = drydock_view_model::ColourBy::TorqueMargin;
    let text = serde_json::to_string(&view).unwrap();
    assert_eq!(serde_json::from_str::<ViewState>(&text).unwrap(), view);
    assert_eq!(serde_json::from_str::<ViewState>("{}").unwrap(), ViewState::default(), "of an older program");
}

/// A press, a drag, a wheel, a key: anywhere.
#[test]
fn whatever_is_pressed_the_playhead_stays_in_the_run() {
    let mut app = App::new();
    app.second = Some(Document::from_bytes("runs/other.drydock", ringing(0.01)).unwrap());
    app.facts.second = Some("runs/other.drydock".into());
    with_result(&mut app);
    let mut panels = panels(LAPTOP, app);
    let mut seed = 7u64;
    let mut random = |below: u64| {
        // Knuth's MMIX generator; its high bits are good enough for this.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..250 {
        let place = Pos2::new(random(1366) as f32, random(768) as f32);
        panels.hover_at(place);
        match random(6) {
            0 => panels.key_press(Key::ALL[random(Key::ALL.len() as u64) as usize]),
            1 => panels.event(egui::Event::Text("1/7".into())),
            2 => panels.event(egui::Event::MouseWheel {
                unit: egui::MouseWheelUnit::Line,
                delta: Vec2::new(0.0, random(9) as f32 - 4.0),
                modifiers: Modifiers::NONE,
                phase: egui::TouchPhase::Move,
            }),
            _ => {
                panels.drag_at(place);
                panels.step();
                let other = Pos2::new(random(1366) as f32, random(768) as f32);
                let end = if random(2) == 0 { place } else { other };
                panels.hover_at(end);
                panels.step();
                panels.drop_at(end);
            }
        }
        panels.step();
        let App { playhead, view, .. } = panels.state();
        let span = playhead.span_ns();
        assert!((span.start..=span.end).contains(&playhead.at_ns()));
        assert!((0.001..=1000.0).contains(&playhead.speed()));
        assert!((1.0..=500.0).contains(&view.exaggeration));
        assert!(view.clip[0] <= view.clip[1]);
        assert!(view.layers.is_none_or(|[from, to]| from <= to));
    }
}
