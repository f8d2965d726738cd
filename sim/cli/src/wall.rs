//! The wall clock: what the real-time commands have and the simulation has not.

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
