//! Behind the tuning panel: the neighbourhood of the playhead is printed again on another thread, and what came of it is
//! compared here.

use crate::hud::Panels;
use crate::scene::Session;
use bevy::prelude::*;
use drydock_view_model::{Document, Settings};
use drydock_view_panels::{Outcome, TuningResult};
use drydock_view_resim::{Reply, Request, Resim, What, Written, settings_of, write_settings};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Resource, Default)]
pub struct Tuning {
    /// The recording that it is about, and the thread that prints.
    open: Option<(String, Resim)>,
    /// The printer.cfg that its settings have been written to.
    written: Option<PathBuf>,
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
    tuning.written = None;
    panels.facts.settings = settings_of(side.document.header()).ok();
    panels.facts.tuning = None;
    panels.facts.tuning_busy = false;
    panels.facts.config_block = None;
}

impl Tuning {
    pub fn ask(&self, at_ns: u64, around_s: f64, settings: Settings) -> bool {
        let Some((_, resim)) = &self.open else { return false };
        resim.request(Request { what: What::Moves { at_ns, around_s }, settings });
        true
    }

    /// Writes settings into the run's printer.cfg, or into one beside the recording.
    pub fn write(&mut self, document: &Document, settings: &Settings) -> Result<Written, String> {
        let recording = Path::new(document.name());
        let written = write_settings(recording, document.header(), settings, self.written.as_deref());
        let written = written.map_err(|error| error.to_string())?;
        self.written = Some(written.path.clone());
        Ok(written)
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
