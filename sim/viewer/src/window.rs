//! The window.

use drydock_view_model::Document;

/// Shows recordings until the window is closed.
pub fn run(documents: Vec<Document>) -> Result<(), String> {
    Err(format!("no window yet for {} recordings", documents.len()))
}
