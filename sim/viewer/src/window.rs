//! The window: the scene between the panels, a camera for the hand, files that are dropped.

#[cfg(test)]
mod tests;

use crate::beads::Bounds;
use crate::camera::{Eye, Preset};
use crate::drawing::{DrawPlugin, Rendering, SideCamera, camera, port};
use crate::hud::{self, HudPlugin, Panels};
use crate::scene::{Comparing, Patience, SceneSystems, Session, Side, View};
use bevy::prelude::*;
use bevy::window::{FileDragAndDrop, PrimaryWindow, WindowResolution};
use bevy::winit::{UpdateMode, WinitSettings};
use bevy_egui::{EguiGlobalSettings, EguiPlugin};
use bevy_panorbit_camera::{PanOrbitCamera, PanOrbitCameraPlugin, PanOrbitCameraSystemSet};
use drydock_view_model::Document;
use drydock_view_panels::{Camera as Wanted, FrameFacts, ViewState};
use std::f32::consts::{FRAC_PI_2, PI};
use std::time::Duration;

/// How often a file that is still written is looked at.
const REFRESH: Duration = Duration::from_millis(500);

/// Shows recordings until the window is closed.
pub fn run(documents: Vec<Document>, rendering: Rendering) -> Result<(), String> {
    let kept = crate::memory::load();
    let (width, height) = kept.size;
    let window = Window {
        title: "Drydock".into(),
        resolution: WindowResolution::new(width, height),
        fit_canvas_to_parent: true,
        canvas: Some("#bevy".into()),
        // A page keeps its browser's keys; what must not reach the browser, it holds back itself.
        prevent_default_event_handling: false,
        ..default()
    };
    let mut app = App::new();
    app.add_plugins(
        DefaultPlugins
            .set(rendering.plugin(false))
            .set(WindowPlugin { primary_window: Some(window), ..default() })
            .set(bevy::log::LogPlugin { filter: "error".into(), ..default() }),
    );
    compose(&mut app, documents, rendering, kept.view);
    app.add_systems(Last, remember);
    #[cfg(target_arch = "wasm32")]
    app.add_plugins(crate::web::WebPlugin);
    match app.run() {
        AppExit::Success => Ok(()),
        AppExit::Error(code) => Err(format!("the window ended with {code}")),
    }
}

/// What there is in the window.
fn compose(app: &mut App, documents: Vec<Document>, rendering: Rendering, state: ViewState) {
    app.add_plugins((EguiPlugin::default(), PanOrbitCameraPlugin))
        .insert_resource(EguiGlobalSettings { auto_create_primary_context: false, ..default() })
        .add_plugins(DrawPlugin(rendering))
        .insert_resource(Session::new(documents))
        .insert_resource(Patience(Duration::from_millis(12)))
        .insert_resource(Panels {
            state,
            facts: FrameFacts { browser: cfg!(target_arch = "wasm32"), ..default() },
            ..default()
        })
        .add_plugins(HudPlugin)
        .insert_resource(waiting())
        .add_systems(Startup, set_up)
        .add_systems(Update, (refresh, drop_files, play, hud::view, look, aim, pace).chain().before(SceneSystems))
        .add_systems(PostUpdate, gate.before(PanOrbitCameraSystemSet));
}

/// Draws when something happens; a second is for what a file or the clock brings.
fn waiting() -> WinitSettings {
    let wait = UpdateMode::reactive(Duration::from_secs(1));
    WinitSettings { focused_mode: wait, unfocused_mode: UpdateMode::reactive_low_power(Duration::from_secs(1)) }
}

fn set_up(mut commands: Commands, rendering: Res<Rendering>, session: Res<Session>) {
    let eye = Eye::fit(Preset::Iso, bounds(&session.sides), 1.6);
    let mut orbit = PanOrbitCamera {
        // z is up; for the plugin an eye above looks along its zero.
        axis: [Vec3::X, Vec3::Z, Vec3::Y],
        allow_upside_down: true,
        pitch_lower_limit: Some(-PI),
        pitch_upper_limit: Some(0.0),
        zoom_lower_limit: 1.0,
        button_orbit: MouseButton::Left,
        button_pan: MouseButton::Right,
        orbit_smoothness: 0.02,
        pan_smoothness: 0.02,
        zoom_smoothness: 0.05,
        ..default()
    };
    go(&mut orbit, eye, true);
    commands.spawn((camera(0, &rendering), eye.projection(false), orbit));
    commands.spawn((camera(1, &rendering), eye.projection(false)));
    commands.spawn(hud::camera(&rendering));
}

/// Lets the camera go to an eye; at once or smoothly.
fn go(orbit: &mut PanOrbitCamera, eye: Eye, at_once: bool) {
    orbit.target_focus = eye.focus;
    orbit.target_yaw = eye.yaw;
    orbit.target_pitch = eye.pitch - FRAC_PI_2;
    orbit.target_radius = eye.radius;
    if at_once {
        orbit.focus = eye.focus;
        (orbit.yaw, orbit.pitch, orbit.radius) = (Some(eye.yaw), Some(eye.pitch - FRAC_PI_2), Some(eye.radius));
    }
    orbit.force_update = true;
}

fn bounds(sides: &[Side]) -> Bounds {
    let mut bounds = Bounds::EMPTY;
    sides.iter().for_each(|side| bounds.join(side.bounds()));
    bounds
}

/// The hand on a panel does not turn the part.
fn gate(panels: Res<Panels>, mut cameras: Query<&mut PanOrbitCamera>) {
    for mut camera in &mut cameras {
        if camera.enabled == panels.hand {
            camera.enabled = !panels.hand;
        }
    }
}

fn drop_files(
    mut dropped: MessageReader<FileDragAndDrop>,
    mut session: ResMut<Session>,
    mut panels: ResMut<Panels>,
    keys: Res<ButtonInput<KeyCode>>,
) {
    for event in dropped.read() {
        if let FileDragAndDrop::DroppedFile { path_buf, .. } = event {
            let beside = keys.any_pressed([KeyCode::ShiftLeft, KeyCode::ShiftRight]) && !session.sides.is_empty();
            hud::open(&mut session, &mut panels.facts, path_buf, beside);
        }
    }
}

/// Takes in what a run has written since.
fn refresh(
    mut session: ResMut<Session>,
    mut panels: ResMut<Panels>,
    time: Res<Time<Real>>,
    mut since: Local<Duration>,
) {
    *since += time.delta();
    if *since < REFRESH {
        return;
    }
    *since = Duration::ZERO;
    let Session { sides, playhead, .. } = &mut *session;
    for (nth, side) in sides.iter_mut().enumerate() {
        if side.document.is_finished() {
            continue;
        }
        match side.document.refresh() {
            Ok(true) if nth == 0 => playhead.set_span(side.document.span_ns(), !side.document.is_finished()),
            Ok(_) => {}
            Err(error) => panels.facts.message = Some(error.to_string()),
        }
    }
}

fn play(mut session: ResMut<Session>, time: Res<Time<Real>>) {
    if session.playhead.is_playing() {
        session.playhead.advance(time.delta().as_nanos() as u64);
    }
}

/// Takes the camera where a key or a button sends it.
fn look(
    mut panels: ResMut<Panels>,
    session: Res<Session>,
    view: Res<View>,
    mut cameras: Query<&mut PanOrbitCamera>,
    mut opened: Local<[Option<String>; 2]>,
) {
    // Until the panels have been drawn once nobody knows how large the picture is.
    let (Ok(mut orbit), Some(free)) = (cameras.single_mut(), panels.free) else { return };
    let pictures = if view.compare == Comparing::Beside { 2.0 } else { 1.0 };
    let aspect = free.width() / pictures / free.height().max(1.0);
    let first = session.sides.first();
    let names = [0, 1].map(|nth| session.sides.get(nth).map(|side| side.document.name().to_owned()));
    let [other, beside] = [0, 1].map(|nth| names[nth].is_some() && opened[nth] != names[nth]);
    *opened = names;
    // What is compared gets half of the room.
    let fit = if other { Some(Wanted::Iso) } else { beside.then_some(Wanted::Fit) };
    let wanted = panels.state.camera.take().or(fit);
    let nozzle = first.map_or(Vec3::ZERO, |side| Vec3::from_array(side.pose.nozzle_mm.map(|mm| mm as f32)));
    let preset = match wanted {
        None => {
            if panels.state.follow_nozzle && orbit.target_focus != nozzle {
                orbit.target_focus = nozzle;
            }
            return;
        }
        Some(Wanted::Nozzle) => {
            orbit.target_focus = nozzle;
            orbit.target_radius = 30.0;
            orbit.force_update = true;
            return;
        }
        Some(Wanted::Fit) => {
            let eye = Eye::fit(Preset::Iso, bounds(&session.sides), aspect);
            let (yaw, pitch) = (orbit.target_yaw, orbit.target_pitch + FRAC_PI_2);
            go(&mut orbit, Eye { yaw, pitch, ..eye }, false);
            return;
        }
        Some(Wanted::Iso) => Preset::Iso,
        Some(Wanted::Top) => Preset::Top,
        Some(Wanted::Bottom) => Preset::Bottom,
        Some(Wanted::Front) => Preset::Front,
        Some(Wanted::Back) => Preset::Back,
        Some(Wanted::Left) => Preset::Left,
        Some(Wanted::Right) => Preset::Right,
    };
    go(&mut orbit, Eye::fit(preset, bounds(&session.sides), aspect), false);
}

/// Both pictures into the free rectangle; the second eye is where the first one is.
#[expect(clippy::type_complexity, reason = "two cameras, of which one follows the other")]
fn aim(
    panels: Res<Panels>,
    view: Res<View>,
    window: Query<&Window, With<PrimaryWindow>>,
    mut first: Query<(&mut Camera, &Transform, &Projection), (With<PanOrbitCamera>, With<SideCamera>)>,
    mut second: Query<(&mut Camera, &mut Transform, &mut Projection), (Without<PanOrbitCamera>, With<SideCamera>)>,
) {
    let (Ok(window), Ok((mut left, place, projection)), Ok((mut right, mut to, mut lens))) =
        (window.single(), first.single_mut(), second.single_mut())
    else {
        return;
    };
    let scale = window.scale_factor();
    let free = panels.free.map_or(Rect::new(0.0, 0.0, window.width(), window.height()), |free| free);
    let whole = Rect::from_corners(Vec2::ZERO, window.physical_size().as_vec2());
    let free = Rect::from_corners(free.min * scale, free.max * scale).intersect(whole);
    let beside = view.compare == Comparing::Beside;
    let background = ClearColorConfig::Custom(view.background());
    for (camera, nth, active) in [(&mut left, 0, true), (&mut right, 1, beside)] {
        let port = port(free, nth, beside);
        let same = camera.viewport.as_ref().is_some_and(|now| {
            now.physical_position == port.physical_position && now.physical_size == port.physical_size
        });
        if !same || camera.is_active != active {
            camera.viewport = Some(port);
            camera.is_active = active;
        }
        camera.clear_color = if nth == 0 { background } else { ClearColorConfig::None };
    }
    if *to != *place {
        *to = *place;
    }
    if beside {
        *lens = projection.clone();
    }
}

/// Draws without a pause while something moves by itself.
fn pace(session: Res<Session>, mut settings: ResMut<WinitSettings>, cameras: Query<&PanOrbitCamera>) {
    let turning = cameras.iter().any(|orbit| {
        orbit.yaw != Some(orbit.target_yaw)
            || orbit.pitch != Some(orbit.target_pitch)
            || orbit.radius != Some(orbit.target_radius)
            || orbit.focus != orbit.target_focus
    });
    let busy = session.working.is_some();
    let wanted = if session.playhead.is_playing() || turning || busy { WinitSettings::continuous() } else { waiting() };
    if settings.focused_mode != wanted.focused_mode {
        *settings = wanted;
    }
}

/// Keeps the view and the size of the window for the next time.
fn remember(mut exits: MessageReader<AppExit>, panels: Res<Panels>, window: Query<&Window>) {
    if exits.read().count() == 0 {
        return;
    }
    let size = window.iter().next().map(|window| (window.width() as u32, window.height() as u32));
    crate::memory::save(&panels.state, size);
}
