//! The panels without a window: used by what accessibility calls things, and looked at.

mod common;
mod pictures;
mod raster;
mod robust;
mod using;
