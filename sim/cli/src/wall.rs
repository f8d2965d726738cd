//! The wall clock, and the end that a user asks for: what the real-time commands have and the simulation has not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Time since the start, at a speed.
pub struct WallClock {
    start: Instant,
    speed: f64,
}

impl WallClock {
    pub fn start(speed: f64) -> WallClock {
        WallClock { start: Instant::now(), speed }
    }

    /// Simulated time.
    pub fn now_ns(&self) -> u64 {
        (self.start.elapsed().as_nanos() as f64 * self.speed) as u64
    }

    pub fn wall_s(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Wall time that so much simulated time takes.
    pub fn wall_ns_of(&self, sim_ns: u64) -> u64 {
        (sim_ns as f64 / self.speed) as u64
    }
}

/// Set when the user wants to end.
#[derive(Clone)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ctrl-C, and a service manager's request to end.
pub fn stop_on_ctrl_c() -> Result<Stop, Box<dyn std::error::Error>> {
    let stop = Stop(Arc::default());
    let flag = stop.0.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))?;
    Ok(stop)
}
