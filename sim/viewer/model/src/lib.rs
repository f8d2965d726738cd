//! What the viewer shows, without a window.
