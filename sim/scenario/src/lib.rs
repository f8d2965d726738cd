//! Scenarios: what machine, what happens, what breaks, what is expected; and how one is run.

pub mod check;
pub mod disk;
pub mod junit;
pub mod machine_file;
pub mod memory;
pub mod model;
pub mod session;
pub mod setup;
pub mod text;
