//! What the viewer remembers from one session to the next: the view, and the size of the window.

use drydock_view_panels::ViewState;
use serde::{Deserialize, Serialize};
#[cfg(not(target_arch = "wasm32"))]
use std::path::PathBuf;

#[derive(Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Kept {
    pub size: (u32, u32),
    pub view: ViewState,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept { size: (1366, 768), view: ViewState::default() }
    }
}

#[cfg(target_arch = "wasm32")]
fn read() -> Option<String> {
    crate::web::kept()
}

#[cfg(target_arch = "wasm32")]
fn write(text: &str) {
    crate::web::keep(text);
}

#[cfg(not(target_arch = "wasm32"))]
fn place() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let base =
        std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home)?;
    Some(base.join("drydock").join("view.ron"))
}

#[cfg(not(target_arch = "wasm32"))]
fn read() -> Option<String> {
    place().and_then(|path| std::fs::read_to_string(path).ok())
}

/// Not being able to remember is no reason to keep anybody from leaving.
#[cfg(not(target_arch = "wasm32"))]
fn write(text: &str) {
    let Some(path) = place() else { return };
    if let Some(folder) = path.parent() {
        let _ = std::fs::create_dir_all(folder);
    }
    let _ = std::fs::write(path, text);
}

/// What was kept; what cannot be read is as if it was not there.
pub fn load() -> Kept {
    let kept: Kept = read().and_then(|text| ron::from_str(&text).ok()).unwrap_or_default();
    let (width, height) = kept.size;
    Kept { size: (width.clamp(640, 7680), height.clamp(400, 4320)), ..kept }
}

pub fn save(view: &ViewState, size: Option<(u32, u32)>) {
    let kept = Kept { size: size.unwrap_or(Kept::default().size), view: view.clone() };
    if let Ok(text) = ron::ser::to_string_pretty(&kept, ron::ser::PrettyConfig::default()) {
        write(&text);
    }
}
