//! In a browser: the page (sim/viewer/web) has the files and the network. It gives the bytes of a recording; what is
//! asked for here goes back to it.

use crate::drawing::Rendering;
use crate::hud::Panels;
use crate::scene::Session;
use bevy::prelude::*;
use bevy::render::settings::Backends;
use bevy::winit::{EventLoopProxyWrapper, WinitUserEvent};
use drydock_view_model::{ColourBy, Document};
use drydock_view_panels::{FrameFacts, ViewState};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Has the user choose a file.
    #[wasm_bindgen(js_namespace = drydock)]
    pub fn choose(beside: bool);

    #[wasm_bindgen(js_namespace = drydock)]
    fn load(address: &str, beside: bool);

    /// What a link to what is seen has to say.
    #[wasm_bindgen(js_namespace = drydock)]
    fn seen(at_s: f64, colour: &str, second: bool);

    #[wasm_bindgen(js_namespace = drydock)]
    pub fn keep(text: &str);

    #[wasm_bindgen(js_namespace = drydock)]
    pub fn kept() -> Option<String>;
}

struct Arrival {
    document: Document,
    beside: bool,
    at_s: Option<f64>,
    colour: Option<ColourBy>,
}

/// What the page has given and no frame has taken yet.
static ARRIVALS: Mutex<Vec<Arrival>> = Mutex::new(Vec::new());
/// Asks for a frame, once there is somebody to ask.
static WAKE: Mutex<Option<Box<dyn Fn() + Send>>> = Mutex::new(None);

/// Begins to draw on the canvas. `software`: no graphics card does.
#[wasm_bindgen]
pub fn start(software: bool) -> Result<(), String> {
    // Returns at once; the browser calls for the frames.
    crate::window::run(Vec::new(), Rendering::new(Backends::GL, software))
}

/// Opens a recording that the page has; throws why it is none.
#[wasm_bindgen]
pub fn open(name: &str, bytes: Vec<u8>, beside: bool, at_s: Option<f64>, colour: Option<String>) -> Result<(), String> {
    let document = Document::from_bytes(name, bytes).map_err(|error| error.to_string())?;
    let colour = colour.and_then(|word| ColourBy::of_word(&word));
    ARRIVALS.lock().unwrap_or_else(PoisonError::into_inner).push(Arrival { document, beside, at_s, colour });
    if let Some(wake) = &*WAKE.lock().unwrap_or_else(PoisonError::into_inner) {
        wake();
    }
    Ok(())
}

/// In place of opening a path: the page fetches an address.
pub fn fetch(_: &mut Session, _: &mut FrameFacts, address: &Path, beside: bool) {
    load(&address.to_string_lossy(), beside);
}

pub struct WebPlugin;

impl Plugin for WebPlugin {
    fn build(&self, app: &mut App) {
        app.add_systems(Startup, listen).add_systems(First, arrive).add_systems(Last, (tell, remember));
    }
}

fn listen(proxy: Res<EventLoopProxyWrapper>) {
    let proxy = (*proxy).clone();
    let wake = move || {
        // It fails where nobody draws any more.
        let _ = proxy.send_event(WinitUserEvent::WakeUp);
    };
    *WAKE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(wake));
}

fn arrive(mut session: ResMut<Session>, mut panels: ResMut<Panels>) {
    let arrivals = std::mem::take(&mut *ARRIVALS.lock().unwrap_or_else(PoisonError::into_inner));
    for Arrival { document, beside, at_s, colour } in arrivals {
        let name = document.name().to_owned();
        session.open(document, beside);
        if let Some(at_s) = at_s {
            session.playhead.seek((at_s * 1e9) as u64);
        }
        if let Some(colour) = colour {
            panels.state.colour_by = colour;
        }
        // A file that was dropped cannot be asked for again.
        if name.contains("://") {
            panels.facts.recent.retain(|other| *other != name);
            panels.facts.recent.insert(0, name);
        }
    }
}

fn tell(session: Res<Session>, panels: Res<Panels>, mut told: Local<Option<(u64, ColourBy, bool)>>) {
    let now = (session.playhead.at_ns(), panels.state.colour_by, session.sides.len() > 1);
    if session.sides.is_empty() || session.playhead.is_playing() || *told == Some(now) {
        return;
    }
    *told = Some(now);
    let (at_ns, colour, second) = now;
    seen(at_ns as f64 * 1e-9, colour.word(), second);
}

/// A page is left without notice.
fn remember(panels: Res<Panels>, mut kept: Local<ViewState>) {
    if *kept != panels.state {
        *kept = panels.state.clone();
        crate::memory::save(&kept, None);
    }
}
