//! The panels over the scene, in the window and in pictures.

use crate::drawing::Rendering;
use crate::scene::{Comparing, Session, View};
use bevy::camera::visibility::RenderLayers;
use bevy::prelude::*;
use bevy::render::view::screenshot::{Screenshot, save_to_disk};
use bevy_egui::{EguiContext, EguiContexts, EguiPreUpdateSet, EguiPrimaryContextPass, PrimaryEguiContext};
#[cfg(not(target_arch = "wasm32"))]
use drydock_view_model::Document;
use drydock_view_panels::{Action, CompareView, FrameFacts, Theme, Ui, ViewState};
use std::path::Path;

/// What the panels have between frames.
#[derive(Resource, Default)]
pub struct Panels {
    pub ui: Ui,
    pub state: ViewState,
    pub facts: FrameFacts,
    /// What the panels leave free, in points; set by the frame before.
    pub free: Option<Rect>,
    /// The pointer is theirs.
    pub hand: bool,
}

pub struct HudPlugin;

impl Plugin for HudPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Panels>()
            .add_systems(PreUpdate, fonts.before(EguiPreUpdateSet::BeginPass))
            .add_systems(EguiPrimaryContextPass, panels);
        #[cfg(feature = "native")]
        app.add_plugins(crate::tuning::TuningPlugin);
    }
}

/// Draws the panels over what the others have drawn.
pub fn camera(rendering: &Rendering) -> impl Bundle {
    (
        PrimaryEguiContext,
        Camera2d,
        Camera { order: 10, clear_color: ClearColorConfig::None, ..default() },
        RenderLayers::none(),
        rendering.msaa,
    )
}

/// The first frame wants them.
fn fonts(mut contexts: Query<&mut EguiContext, Added<EguiContext>>) {
    contexts.iter_mut().for_each(|mut context| context.get_mut().set_fonts(drydock_view_panels::fonts()));
}

fn panels(
    mut contexts: EguiContexts,
    mut commands: Commands,
    mut session: ResMut<Session>,
    mut panels: ResMut<Panels>,
    time: Res<Time<Real>>,
    #[cfg(feature = "native")] mut tuning: ResMut<crate::tuning::Tuning>,
) -> Result {
    let context = contexts.ctx_mut()?;
    let Panels { ui, state, facts, free, hand } = &mut *panels;
    facts.wall_ns = time.elapsed().as_nanos() as u64;
    facts.frames_s = 1.0 / time.delta_secs().max(1e-6);
    facts.legend = session.sides.first().and_then(|side| side.legend.clone());
    facts.second = session.sides.get(1).map(|side| side.document.name().to_owned());
    facts.progress = session.working.clone();
    facts.live = !facts.browser && session.sides.first().is_some_and(|side| !side.document.is_finished());
    let Session { sides, playhead, .. } = &mut *session;
    let mut documents = sides.iter_mut().map(|side| &mut side.document);
    let actions = match (documents.next(), documents.next()) {
        (Some(first), second) => ui.show_compared(context, first, second, playhead, state, facts),
        (None, _) => Vec::new(),
    };
    let rect = ui.viewport();
    *free = rect.is_positive().then(|| Rect::new(rect.min.x, rect.min.y, rect.max.x, rect.max.y));
    *hand = ui.takes_pointer(context);
    for action in actions {
        act(
            action,
            &mut session,
            state,
            facts,
            &mut commands,
            #[cfg(feature = "native")]
            &mut tuning,
        );
    }
    Ok(())
}

/// Does what a panel asks for.
fn act(
    action: Action,
    session: &mut Session,
    #[cfg_attr(not(feature = "native"), expect(unused_variables, reason = "says how much is printed again"))]
    state: &ViewState,
    facts: &mut FrameFacts,
    commands: &mut Commands,
    #[cfg(feature = "native")] tuning: &mut crate::tuning::Tuning,
) {
    match action {
        Action::Open(path) => open(session, facts, Path::new(&path), false),
        Action::OpenSecond(path) => open(session, facts, Path::new(&path), true),
        #[cfg(target_arch = "wasm32")]
        Action::Choose { beside } => crate::web::choose(beside),
        #[cfg(not(target_arch = "wasm32"))]
        Action::Choose { .. } => {}
        Action::CloseSecond => session.close_second(),
        Action::Shot => {
            let name = (1..).map(|nth| format!("drydock-{nth}.png")).find(|name| !Path::new(name).exists());
            if let Some(name) = name {
                facts.message = Some(format!("picture: {name}"));
                commands.spawn(Screenshot::primary_window()).observe(save_to_disk(name));
            }
        }
        Action::Dismiss => facts.message = None,
        // The view is read from the panels' state in every frame.
        Action::ColourBy(_) => {}
        #[cfg(feature = "native")]
        Action::Tune(settings) => {
            let at_ns = session.playhead.at_ns();
            let Some(side) = session.sides.first() else { return };
            facts.tuning_busy = tuning.ask(at_ns, state.around.seconds(&side.document, at_ns), settings);
        }
        #[cfg(feature = "native")]
        Action::WriteConfig(settings) => {
            let Some(side) = session.sides.first() else { return };
            match tuning.write(&side.document, &settings) {
                Ok(written) => {
                    facts.message = Some(written.to_string());
                    facts.config_block = Some(written.block);
                }
                Err(message) => facts.message = Some(message),
            }
        }
        #[cfg(not(feature = "native"))]
        Action::Tune(_) | Action::WriteConfig(_) => {
            facts.message = Some("nothing here can print again: open the recording in the program".into());
        }
    }
}

#[cfg(target_arch = "wasm32")]
pub use crate::web::fetch as open;

#[cfg(not(target_arch = "wasm32"))]
pub fn open(session: &mut Session, facts: &mut FrameFacts, path: &Path, second: bool) {
    match Document::open(path) {
        Ok(document) => {
            facts.message = None;
            facts.recent.retain(|name| name != document.name());
            facts.recent.insert(0, document.name().to_owned());
            session.open(document, second);
        }
        Err(error) => facts.message = Some(error.to_string()),
    }
}

/// From the panels' words to the scene's.
pub fn view(panels: Res<Panels>, session: Res<Session>, mut view: ResMut<View>) {
    let state = &panels.state;
    let compare = match state.compare {
        _ if session.sides.len() < 2 => Comparing::First,
        CompareView::First => Comparing::First,
        CompareView::SideBySide => Comparing::Beside,
        CompareView::Difference => Comparing::Difference,
    };
    let wanted = View {
        colour_by: state.colour_by,
        clip: state.clip,
        limits: None,
        gain: state.exaggeration as f32,
        layers: state.layers.map(|[first, last]| first..last + 1),
        part: state.show_part,
        whole: state.show_whole,
        machine: state.show_machine,
        trail: state.show_trail,
        lamp: state.show_ring_down,
        shadows: state.shadows,
        light: state.theme == Theme::Light,
        plain: false,
        compare,
    };
    view.set_if_neq(wanted);
}

/// And back: the panels as they are where a view is wanted.
#[cfg(not(target_arch = "wasm32"))]
pub fn state(view: &View, side: drydock_view_panels::Side) -> ViewState {
    ViewState {
        side,
        colour_by: view.colour_by,
        clip: view.clip,
        exaggeration: f64::from(view.gain),
        layers: view.layers.as_ref().map(|range| [range.start, range.end.saturating_sub(1)]),
        show_part: view.part,
        show_whole: view.whole,
        show_machine: view.machine,
        show_trail: view.trail,
        show_ring_down: view.lamp,
        shadows: view.shadows,
        theme: if view.light { Theme::Light } else { Theme::Dark },
        compare: match view.compare {
            Comparing::First => CompareView::First,
            Comparing::Beside => CompareView::SideBySide,
            Comparing::Difference => CompareView::Difference,
        },
        ..ViewState::default()
    }
}
