//! What a recording shows: numbers, pictures, the report.
//!
//! - [`wall`]: how far the nozzle was from the wall it should have drawn
//! - [`study`]: everything the report shows, gathered from one or two recordings in bounded memory
//! - [`report`] and [`picture`]: the study as one HTML file, and as a PNG
//! - [`spectrum`]: power spectra of accelerometer samples
//! - [`canvas`], [`bitmap`], [`chart`], [`topview`], [`colour`]: how it is drawn, once for both

#[cfg(not(target_family = "wasm"))]
pub mod bitmap;
pub mod canvas;
pub mod chart;
pub mod colour;
pub mod fft;
#[cfg(not(target_family = "wasm"))]
pub mod picture;
pub mod report;
pub mod series;
pub mod spectrum;
pub mod study;
pub mod topview;
pub mod wall;

pub use study::{Options, Study};
