//! What the viewer shows, without a window.

pub mod settings;

pub use settings::{Change, HeaterGains, Settings, Shaper};
