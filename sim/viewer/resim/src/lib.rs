//! The neighbourhood of the playhead, printed again with other settings: through the real host, the real firmware and the
//! same plant, in the background.
//!
//! The viewer sends a [`Request`]; a thread takes the newest, simulates the stretch as it was and as it would be, and
//! answers with two recordings. A request that comes while one is under way ends that one.

mod config;
mod demo;
mod neighbourhood;
mod simulate;
mod worker;

pub use config::{Written, save_config, settings_of, write_settings};
pub use demo::{demo, print};
pub use drydock_scenario::memory::Failure;
pub use neighbourhood::Neighbourhood;
pub use simulate::{heat_up, simulate};
pub use worker::{Reply, Request, Resim, What};
