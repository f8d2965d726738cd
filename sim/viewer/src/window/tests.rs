//! The whole application as a hand uses it, without a screen: keys, mouse and files come as a window would send them.
//! Where things are is that of 1366 x 768 points.

use super::*;
use crate::part::Part;
use crate::stage::Adapter;
use bevy::app::PluginsState;
use bevy::ecs::message::Message;
use bevy::input::ButtonState;
use bevy::input::keyboard::{Key, KeyboardInput};
use bevy::input::mouse::{MouseButtonInput, MouseMotion, MouseScrollUnit, MouseWheel};
use bevy::input::touch::TouchPhase;
use bevy::log::LogPlugin;
use bevy::time::TimeUpdateStrategy;
use bevy::window::{CursorMoved, ExitCondition, WindowEvent};
use bevy::winit::WinitPlugin;
use drydock_recording::{Bead, Command, End, Header, Move, State, Writer};
use drydock_view_panels::{Side as PanelSide, ViewState};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

/// In the free rectangle between the panels.
const VIEW: Vec2 = Vec2::new(660.0, 260.0);
const BEADS_A_LINE: u64 = 50;
const BEAD_NS: u64 = 2_000_000;

/// A folder that is gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("drydock-view-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn begin(path: &Path) -> Writer<File> {
    let machine = "(name: \"test\", kinematics: CoreXy(()), travel_max_mm: (120.0, 120.0, 100.0), tick_ns: 250000)";
    let header = Header { machine_ron: machine.into(), ..Header::default() };
    Writer::new(File::create(path).unwrap(), header).unwrap()
}

/// Lines to and fro along x, one over the other, of 50 beads each.
fn write(writer: &mut Writer<File>, lines: std::ops::Range<u32>) {
    for line in lines {
        let start_ns = u64::from(line) * BEADS_A_LINE * BEAD_NS;
        let (y, z) = (20.0 + f64::from(line % 60), 0.2 * f64::from(1 + line / 60));
        let text = format!("G1 X70 Y{y} ; {line}");
        writer.push(Command { at_ns: start_ns, line_no: line + 1, text, ..Command::default() }).unwrap();
        let (start_mm, end_mm, duration_ns) = ([20.0, y, z], [70.0, y, z], BEADS_A_LINE * BEAD_NS);
        let planned = Move { at_ns: start_ns, duration_ns, start_mm, end_mm, start_v_mm_s: 500.0, ..Move::default() };
        writer.push(planned).unwrap();
        for nth in 0..BEADS_A_LINE {
            let at_ns = start_ns + nth * BEAD_NS;
            let at = |nth: u64| [20.0 + nth as f64, y + 0.02 * (nth as f64).sin(), z];
            writer.push(State { at_ns, drive_mm: [20.0 + nth as f64, y, z], nozzle_mm: at(nth), e_mm: 0.0 }).unwrap();
            let (from_mm, to_mm, feature) = (at(nth), at(nth + 1), Bead::FEATURE_OUTER_WALL);
            let (duration_ns, width_mm, height_mm, temperature_c) = (BEAD_NS, 0.45, 0.2, 210.0);
            let bead = Bead { at_ns, duration_ns, from_mm, to_mm, width_mm, height_mm, temperature_c, feature };
            writer.push(bead).unwrap();
        }
    }
}

fn recording(folder: &Folder, name: &str, lines: u32) -> PathBuf {
    let path = folder.0.join(name);
    let mut writer = begin(&path);
    write(&mut writer, 0..lines);
    let end_ns = u64::from(lines) * BEADS_A_LINE * BEAD_NS;
    writer.finish(&End { end_ns, ..End::default() }).unwrap();
    path
}

struct Hand(App);

impl Hand {
    fn on(paths: &[&Path], state: ViewState) -> Hand {
        let rendering = Adapter::find().unwrap().rendering();
        let window = Window { resolution: WindowResolution::new(1366, 768), ..default() };
        let plugins = DefaultPlugins.build();
        #[cfg(feature = "native")]
        let plugins = plugins.disable::<bevy::render::pipelined_rendering::PipelinedRenderingPlugin>();
        let mut app = App::new();
        app.add_plugins(
            plugins
                .set(rendering.plugin(true))
                .set(WindowPlugin {
                    primary_window: Some(window),
                    exit_condition: ExitCondition::DontExit,
                    ..default()
                })
                .disable::<LogPlugin>()
                .disable::<WinitPlugin>(),
        );
        let documents = paths.iter().map(|path| Document::open(path).unwrap()).collect();
        compose(&mut app, documents, rendering, state);
        app.insert_resource(TimeUpdateStrategy::ManualDuration(Duration::from_millis(100)));
        while app.plugins_state() == PluginsState::Adding {
            bevy::tasks::tick_global_task_pools_on_main_thread();
        }
        app.finish();
        app.cleanup();
        let mut hand = Hand(app);
        hand.frames(4);
        hand
    }

    fn frames(&mut self, count: usize) {
        (0..count).for_each(|_| self.0.update());
    }

    fn window(&mut self) -> Entity {
        self.0.world_mut().query_filtered::<Entity, With<PrimaryWindow>>().single(self.0.world()).unwrap()
    }

    fn send(&mut self, message: impl Message) {
        self.0.world_mut().write_message(message);
    }

    fn session(&mut self) -> Mut<'_, Session> {
        self.0.world_mut().resource_mut()
    }

    fn panels(&mut self) -> Mut<'_, Panels> {
        self.0.world_mut().resource_mut()
    }

    fn orbit(&mut self) -> PanOrbitCamera {
        *self.0.world_mut().query::<&PanOrbitCamera>().single(self.0.world()).unwrap()
    }

    /// Where the camera looks.
    fn forward(&mut self) -> Vec3 {
        let mut cameras = self.0.world_mut().query_filtered::<&Transform, With<PanOrbitCamera>>();
        cameras.single(self.0.world()).unwrap().forward().as_vec3()
    }

    fn point(&mut self, at: Vec2) {
        let window = self.window();
        let mut windows = self.0.world_mut().query::<&mut Window>();
        let mut open = windows.single_mut(self.0.world_mut()).unwrap();
        let before = open.cursor_position().unwrap_or(at);
        open.set_cursor_position(Some(at));
        let moved = CursorMoved { window, position: at, delta: Some(at - before) };
        self.send(WindowEvent::from(moved.clone()));
        self.send(moved);
        self.send(MouseMotion { delta: at - before });
        self.frames(1);
    }

    fn button(&mut self, button: MouseButton, state: ButtonState) {
        let window = self.window();
        let pressed = MouseButtonInput { button, state, window };
        self.send(WindowEvent::from(pressed));
        self.send(pressed);
        self.frames(1);
    }

    fn click(&mut self, at: Vec2) {
        self.drag(MouseButton::Left, at, at);
    }

    fn drag(&mut self, button: MouseButton, from: Vec2, to: Vec2) {
        self.point(from);
        self.point(from);
        self.button(button, ButtonState::Pressed);
        self.point(from.lerp(to, 0.5));
        self.point(to);
        self.button(button, ButtonState::Released);
        self.frames(2);
    }

    fn wheel(&mut self, y: f32) {
        let window = self.window();
        self.send(MouseWheel { unit: MouseScrollUnit::Line, x: 0.0, y, window, phase: TouchPhase::Moved });
        self.frames(2);
    }

    fn hold(&mut self, key_code: KeyCode, logical_key: Key, state: ButtonState) {
        let window = self.window();
        self.send(KeyboardInput { key_code, logical_key, state, text: None, repeat: false, window });
        self.frames(1);
    }

    fn press(&mut self, key_code: KeyCode, character: &str) {
        for state in [ButtonState::Pressed, ButtonState::Released] {
            self.hold(key_code, Key::Character(character.into()), state);
        }
    }

    fn drop_file(&mut self, path: &Path) {
        let window = self.window();
        self.send(FileDragAndDrop::DroppedFile { window, path_buf: path.into() });
        self.frames(3);
    }

    /// What of parts is in the scene.
    fn stretches(&mut self) -> BTreeSet<Entity> {
        let world = self.0.world_mut();
        // A trail is drawn as beads are, and has no looks of a part.
        world.query_filtered::<Entity, With<Part>>().iter(world).collect()
    }
}

fn without_trail() -> ViewState {
    ViewState { show_trail: false, ..ViewState::default() }
}

#[test]
fn the_mouse_turns_moves_and_comes_nearer_over_the_part_and_leaves_it_alone_over_a_panel() {
    let folder = Folder::new("mouse");
    let path = recording(&folder, "run.drydock", 60);
    let mut hand = Hand::on(&[&path], without_trail());
    let before = hand.orbit();
    hand.drag(MouseButton::Left, VIEW, VIEW + Vec2::new(80.0, 30.0));
    let turned = hand.orbit();
    assert!((turned.target_yaw - before.target_yaw).abs() > 0.1, "{} rad", turned.target_yaw);
    assert!((turned.target_pitch - before.target_pitch).abs() > 0.03, "{} rad", turned.target_pitch);
    assert_eq!(turned.target_focus, before.target_focus);
    hand.drag(MouseButton::Right, VIEW, VIEW + Vec2::new(0.0, 60.0));
    let moved = hand.orbit();
    assert!((moved.target_focus - turned.target_focus).length() > 1.0);
    assert_eq!(moved.target_yaw, turned.target_yaw);
    hand.wheel(3.0);
    let nearer = hand.orbit();
    assert!(nearer.target_radius < 0.9 * moved.target_radius, "{} mm", nearer.target_radius);
    hand.drag(MouseButton::Left, Vec2::new(1220.0, 480.0), Vec2::new(1290.0, 460.0));
    hand.wheel(3.0);
    let after = hand.orbit();
    assert_eq!((after.target_yaw, after.target_radius), (nearer.target_yaw, nearer.target_radius));
}

#[test]
fn number_keys_take_the_camera_to_where_slicers_have_it() {
    let folder = Folder::new("keys");
    let path = recording(&folder, "run.drydock", 60);
    let mut hand = Hand::on(&[&path], without_trail());
    for (key, character, ahead) in [
        (KeyCode::Digit1, "1", Vec3::NEG_Z),
        (KeyCode::Digit2, "2", Vec3::Z),
        (KeyCode::Digit3, "3", Vec3::Y),
        (KeyCode::Digit4, "4", Vec3::NEG_Y),
        (KeyCode::Digit5, "5", Vec3::X),
        (KeyCode::Digit6, "6", Vec3::NEG_X),
    ] {
        hand.press(key, character);
        hand.frames(60);
        let forward = hand.forward();
        assert!(forward.dot(ahead) > 0.999, "key {character}: {forward}");
    }
}

#[test]
fn a_click_on_a_line_of_gcode_takes_the_playhead_and_the_part_there() {
    let folder = Folder::new("gcode");
    let path = recording(&folder, "run.drydock", 200);
    let mut hand = Hand::on(&[&path], without_trail());
    let line_at = |hand: &mut Hand, y: f32| {
        hand.click(Vec2::new(150.0, y));
        let session = hand.session();
        let at_ns = session.playhead.at_ns();
        let timeline = session.sides[0].document.timeline();
        let line = timeline.line_at(at_ns).unwrap();
        assert_eq!(timeline.line(line).unwrap().at_ns, at_ns, "where a line begins");
        assert_eq!(session.sides[0].pose.at_ns, at_ns, "the machine is there too");
        line
    };
    let line = line_at(&mut hand, 300.0);
    assert!(line < 199, "it stood at the end");
    // It has been put where one sees it well; the line below it is the next one.
    let seen = line_at(&mut hand, 300.0);
    assert_eq!(line_at(&mut hand, 316.0), seen + 1);
}

#[test]
fn files_that_are_dropped_are_opened_and_with_shift_compared() {
    let folder = Folder::new("dropped");
    let [one, two] = ["one.drydock", "two.drydock"].map(|name| recording(&folder, name, 30));
    let mut hand = Hand::on(&[&one], without_trail());
    let names = |hand: &mut Hand| -> Vec<String> {
        hand.session().sides.iter().map(|side| side.document.name().to_owned()).collect()
    };
    hand.drop_file(&two);
    assert_eq!(names(&mut hand), [two.display().to_string()]);
    hand.hold(KeyCode::ShiftLeft, Key::Shift, ButtonState::Pressed);
    hand.drop_file(&one);
    hand.hold(KeyCode::ShiftLeft, Key::Shift, ButtonState::Released);
    assert_eq!(names(&mut hand), [two.display().to_string(), one.display().to_string()]);
    assert_eq!(hand.panels().facts.second, Some(one.display().to_string()));
    assert_eq!(hand.panels().facts.message, None);
    assert_eq!(hand.stretches().len(), 2, "each has its part");
}

#[test]
fn two_that_are_compared_fit_into_their_halves_and_what_was_turned_stays_turned() {
    let folder = Folder::new("halves");
    let [one, two] = ["one.drydock", "two.drydock"].map(|name| recording(&folder, name, 30));
    let mut hand = Hand::on(&[&one], without_trail());
    hand.drag(MouseButton::Left, VIEW, VIEW + Vec2::new(80.0, 30.0));
    let alone = hand.orbit();
    hand.hold(KeyCode::ShiftLeft, Key::Shift, ButtonState::Pressed);
    hand.drop_file(&two);
    let beside = hand.orbit();
    assert!(beside.target_radius > 1.2 * alone.target_radius, "{} mm", beside.target_radius);
    assert_eq!((beside.target_yaw, beside.target_pitch), (alone.target_yaw, alone.target_pitch));
}

#[test]
fn a_file_that_cannot_be_read_says_why_in_one_line_and_what_is_open_stays_open() {
    let folder = Folder::new("broken");
    let path = recording(&folder, "run.drydock", 30);
    let bytes = std::fs::read(&path).unwrap();
    let mut hand = Hand::on(&[&path], without_trail());
    let mut other_version = bytes.clone();
    other_version[8] = 99;
    for (name, bytes, said) in [
        ("later.drydock", &other_version[..], "format 99"),
        ("header.drydock", &bytes[..60], "ends inside its header"),
        ("text.drydock", b"G28\nG1 X10\n", "not a Drydock recording"),
        ("empty.drydock", b"", "empty.drydock"),
    ] {
        let wrong = folder.0.join(name);
        std::fs::write(&wrong, bytes).unwrap();
        hand.drop_file(&wrong);
        let message = hand.panels().facts.message.clone().unwrap_or_default();
        assert!(message.contains(said) && message.contains(name) && message.lines().count() == 1, "{message}");
        assert_eq!(hand.session().sides[0].document.name(), path.display().to_string());
    }
    // Cut off in the middle, there is something to see, and it says that it is not all.
    let cut = folder.0.join("cut.drydock");
    std::fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).unwrap();
    hand.drop_file(&cut);
    assert_eq!(hand.panels().facts.message, None);
    let note = hand.session().sides[0].document.note().unwrap();
    assert!(note.contains("not finished") && note.lines().count() == 1, "{note}");
}

#[test]
fn a_recording_that_grows_is_followed_and_only_what_is_new_is_put_in() {
    let folder = Folder::new("live");
    let path = folder.0.join("run.drydock");
    let mut writer = begin(&path);
    // Four stretches of nodes, and a bit.
    write(&mut writer, 0..1400);
    writer.flush().unwrap();
    let mut hand = Hand::on(&[&path], without_trail());
    hand.frames(3);
    let first = hand.stretches();
    let end = |hand: &mut Hand| hand.session().playhead.span_ns().end;
    let ended = end(&mut hand);
    assert_eq!(first.len(), 2, "what is there, and the last stretch");
    assert!(hand.panels().facts.live);
    write(&mut writer, 1400..1500);
    writer.flush().unwrap();
    // Half a second.
    hand.frames(8);
    let second = hand.stretches();
    assert!(end(&mut hand) > ended);
    assert_eq!((second.len(), first.intersection(&second).count()), (2, 1), "the last stretch alone is another");
    write(&mut writer, 1500..2200);
    writer.finish(&End { end_ns: 2200 * BEADS_A_LINE * BEAD_NS, ..End::default() }).unwrap();
    hand.frames(8);
    assert_eq!(hand.stretches().len(), 1, "what is finished is one");
    assert!(!hand.panels().facts.live);
    assert_eq!(end(&mut hand), 2200 * BEADS_A_LINE * BEAD_NS);
}

#[test]
fn what_takes_long_to_read_is_spread_over_frames_and_tells_how_far_it_is() {
    let folder = Folder::new("slices");
    let path = recording(&folder, "run.drydock", 1500);
    let state = ViewState { colour_by: drydock_view_model::ColourBy::Deviation, exaggeration: 20.0, ..without_trail() };
    let mut hand = Hand::on(&[&path], ViewState::default());
    hand.0.insert_resource(Patience(Duration::ZERO));
    hand.panels().state = state;
    let mut said = BTreeSet::new();
    for frame in 0.. {
        hand.frames(1);
        match hand.panels().facts.progress.clone() {
            Some((what, share)) => drop(said.insert((what, (share * 100.0) as u32))),
            None if said.len() > 4 => break,
            None => assert!(frame < 50, "{said:?}"),
        }
    }
    assert!(["Deviation", "Displacement"].iter().all(|wanted| said.iter().any(|(what, _)| what == wanted)), "{said:?}");
    hand.frames(2);
    let legend = hand.panels().facts.legend.clone().unwrap();
    assert!(legend.title == "Deviation" && (5.0..40.0).contains(&legend.high), "{legend:?}");
}

/// Prints for real, a few lines on the bundled CoreXY.
#[cfg(feature = "native")]
#[test]
fn a_changed_slider_prints_the_corner_again_and_what_is_chosen_goes_into_printer_cfg() {
    let folder = Folder::new("tuning");
    let (config, gcode, path) =
        (folder.0.join("printer.cfg"), folder.0.join("squares.gcode"), folder.0.join("runs/run.drydock"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/printers/corexy-250");
    for name in ["printer.cfg", "macros.cfg"] {
        std::fs::copy(bundled.join(name), folder.0.join(name)).unwrap();
    }
    let square = "G1 X90 E1 F9000\nG1 Y90 E1\nG1 X60 E1\nG1 Y60 E1\n";
    let start = "G28\nG90\nM83\nM109 S200\nG1 Z0.3 F600\nG1 X60 Y60 F12000\n";
    std::fs::write(&gcode, format!("{start}{}", square.repeat(3))).unwrap();
    drydock_view_resim::print("squares", &config, &gcode, None, &path, |_| {}).unwrap();

    let mut hand = Hand::on(&[&path], ViewState { side: PanelSide::Tune, ..without_trail() });
    let recorded = hand.panels().facts.settings.clone().unwrap();
    // In the middle of the second square.
    let at_ns = {
        let session = hand.session();
        let timeline = session.sides[0].document.timeline();
        timeline.line(timeline.line_numbered(12).unwrap()).unwrap().at_ns
    };
    hand.session().playhead.seek(at_ns);
    hand.frames(2);
    // The first slider that is found down the panel.
    let answered = |hand: &mut Hand| hand.panels().facts.tuning_busy || hand.panels().facts.tuning.is_some();
    let mut y = 90.0;
    while !answered(&mut hand) {
        assert!(y < 400.0, "no slider that asks for anything");
        hand.drag(MouseButton::Left, Vec2::new(1212.0, y), Vec2::new(1245.0, y));
        // It is to stand still before it is printed.
        hand.frames(5);
        y += 6.0;
    }
    let started = std::time::Instant::now();
    while hand.panels().facts.tuning.is_none() {
        assert!(started.elapsed() < Duration::from_secs(120), "{:?}", hand.panels().facts.message);
        hand.frames(1);
        std::thread::sleep(Duration::from_millis(20));
    }
    let result = hand.panels().facts.tuning.clone().unwrap();
    assert_ne!(result.settings, recorded);
    let figure = |outcome: &drydock_view_panels::Outcome| outcome.figures[0].value;
    assert!(figure(&result.before) > 0.0 && figure(&result.before) != figure(&result.after), "{result:?}");
    assert!(result.before.curves.len() >= 2 && result.after.curves.len() >= 2);

    // The button at the panel's top.
    let before = std::fs::read_to_string(&config).unwrap();
    // Right of "Reset".
    let mut x = 1140.0;
    while hand.panels().facts.config_block.is_none() {
        assert!(x < 1300.0, "no button that writes: {:?}", hand.panels().facts.message);
        hand.click(Vec2::new(x, 43.0));
        x += 14.0;
    }
    let message = hand.panels().facts.message.clone().unwrap();
    let after = std::fs::read_to_string(&config).unwrap();
    assert!(message.contains("printer.cfg") && message.contains("kept"), "{message}");
    assert!(after != before && after.contains("#*# [input_shaper]"), "{after}");
    let backups = std::fs::read_dir(&folder.0).unwrap().filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        std::fs::read_to_string(path).is_ok_and(|text| text == before)
    });
    assert_eq!(backups.count(), 1, "the file before is kept");
}
