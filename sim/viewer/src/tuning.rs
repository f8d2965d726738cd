//! Behind the tuning panel: the neighbourhood of the playhead is printed again on another thread, and what came of it is
//! compared here.

use crate::hud::Panels;
use crate::scene::Session;
use bevy::prelude::*;
use drydock_view_model::{Document, Settings};
use drydock_view_panels::{Outcome, TuningResult};
use drydock_view_resim::{Reply, Request, Resim, What, printer_cfg, save_config, settings_of};
use std::path::Path;
use std::sync::Arc;

#[derive(Resource, Default)]
pub struct Tuning {
    /// The recording that it is about, and the thread that prints.
    open: Option<(String, Resim)>,
    /// The settings that the recording was made with; asked for once.
    settings: Option<Settings>,
}

pub struct TuningPlugin;

impl Plugin for TuningPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Tuning>().add_systems(Update, (follow, answer).chain());
    }
}

/// What can be tuned, when another recording is open.
fn follow(session: Res<Session>, mut tuning: ResMut<Tuning>, mut panels: ResMut<Panels>) {
    let name = session.sides.first().map(|side| side.document.name());
    if tuning.open.as_ref().map(|(open, _)| open.as_str()) == name {
        return;
    }
    let Some(side) = session.sides.first() else { return };
    tuning.open = Some((side.document.name().to_owned(), Resim::open(Path::new(side.document.name()))));
    tuning.settings = settings_of(side.document.header()).ok();
    panels.facts.settings = tuning.settings.clone();
    panels.facts.tuning = None;
    panels.facts.tuning_busy = false;
}

impl Tuning {
    pub fn ask(&self, at_ns: u64, around_s: f64, settings: Settings) -> bool {
        let Some((_, resim)) = &self.open else { return false };
        resim.request(Request { what: What::Moves { at_ns, around_s }, settings });
        true
    }

    /// The block that SAVE_CONFIG would write.
    pub fn config_block(&self, document: &Document, to: &Settings) -> Result<String, String> {
        let from = self.settings.as_ref().ok_or("the recording does not say what it was printed with")?;
        let changed =
            save_config(&printer_cfg(document.header()), &from.changes(to)).map_err(|error| error.to_string())?;
        let block = changed.find("#*# <").map_or(changed.as_str(), |at| &changed[at..]);
        Ok(block.to_owned())
    }
}

fn answer(tuning: Res<Tuning>, mut panels: ResMut<Panels>) {
    let Some((_, resim)) = &tuning.open else { return };
    while let Some(reply) = resim.poll() {
        panels.facts.tuning_busy = false;
        match reply.map_err(|error| error.to_string()).and_then(result) {
            Ok(result) => panels.facts.tuning = Some(Arc::new(result)),
            Err(message) => panels.facts.message = Some(message),
        }
    }
}

fn result(reply: Reply) -> Result<TuningResult, String> {
    let open = |bytes: &Arc<[u8]>| Document::from_bytes("neighbourhood", bytes.to_vec()).map_err(|e| e.to_string());
    let (mut before, mut after) = (open(&reply.before)?, open(&reply.after)?);
    // In both, line 1 is this line of the print file.
    let line = |number: u32| (number + 1).saturating_sub(reply.first_line);
    let (first, last) = (line(reply.shown.0), line(reply.shown.1));
    let (what, outcomes) = match &reply.request.what {
        What::Moves { at_ns, .. } => (
            format!("around {:.3} s", *at_ns as f64 * 1e-9),
            [Outcome::of_moves(&mut before, first, last), Outcome::of_moves(&mut after, first, last)],
        ),
        What::HeatUp { heater, target_c } => (
            format!("{heater} to {target_c} °C"),
            [Outcome::of_heat_up(&mut before, heater, *target_c), Outcome::of_heat_up(&mut after, heater, *target_c)],
        ),
    };
    let [before, after] = outcomes;
    Ok(TuningResult { what, settings: reply.request.settings, before, after, wall_s: reply.wall_s })
}
