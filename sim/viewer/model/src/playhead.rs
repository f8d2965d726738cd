//! Where in the run the viewer is, and how it moves: whole nanoseconds, nothing is lost between frames.

use std::ops::Range;

/// The playhead. Times are simulated nanoseconds; it never leaves its span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playhead {
    at_ns: u64,
    first_ns: u64,
    last_ns: u64,
    tick_ns: u64,
    /// Simulated nanoseconds in one wall second.
    speed_ns_s: u64,
    /// What is left of a simulated nanosecond, in parts of `WALL_S`.
    rest: u64,
    playing: bool,
    live: bool,
}

const WALL_S: u64 = 1_000_000_000;
pub const SLOWEST: f64 = 0.001;
pub const FASTEST: f64 = 1000.0;

impl Playhead {
    /// At the beginning, paused, at the speed of the run. `tick_ns` is the length of a step.
    pub fn new(span_ns: Range<u64>, tick_ns: u64) -> Playhead {
        let mut playhead = Playhead {
            at_ns: span_ns.start,
            first_ns: span_ns.start,
            last_ns: span_ns.start,
            tick_ns: tick_ns.max(1),
            speed_ns_s: WALL_S,
            rest: 0,
            playing: false,
            live: false,
        };
        playhead.set_span(span_ns, false);
        playhead
    }

    /// The span of the recording; `live` while it may still grow. The end is a place where the playhead may stand.
    pub fn set_span(&mut self, span_ns: Range<u64>, live: bool) {
        self.first_ns = span_ns.start;
        self.last_ns = span_ns.end.max(span_ns.start);
        self.live = live;
        self.place(self.at_ns);
    }

    pub fn at_ns(&self) -> u64 {
        self.at_ns
    }

    pub fn span_ns(&self) -> Range<u64> {
        self.first_ns..self.last_ns
    }

    pub fn tick_ns(&self) -> u64 {
        self.tick_ns
    }

    pub fn is_playing(&self) -> bool {
        self.playing
    }

    pub fn at_end(&self) -> bool {
        self.at_ns == self.last_ns
    }

    /// Simulated seconds in a wall second.
    pub fn speed(&self) -> f64 {
        self.speed_ns_s as f64 / WALL_S as f64
    }

    /// Takes speeds from a thousandth to a thousand times; what is no number changes nothing.
    pub fn set_speed(&mut self, speed: f64) {
        if speed.is_finite() {
            self.speed_ns_s = (speed.clamp(SLOWEST, FASTEST) * WALL_S as f64).round() as u64;
        }
    }

    /// Plays on; from the end of a finished run, from its beginning.
    pub fn play(&mut self) {
        if self.at_end() && !self.live {
            self.place(self.first_ns);
        }
        self.playing = true;
    }

    pub fn pause(&mut self) {
        self.playing = false;
    }

    pub fn toggle(&mut self) {
        if self.playing { self.pause() } else { self.play() }
    }

    /// So many ticks on, or back; playing stops.
    pub fn step(&mut self, ticks: i64) {
        self.pause();
        let way = self.tick_ns.saturating_mul(ticks.unsigned_abs());
        self.seek(if ticks < 0 { self.at_ns.saturating_sub(way) } else { self.at_ns.saturating_add(way) });
    }

    /// Goes to a time; what was playing plays on from there.
    pub fn seek(&mut self, at_ns: u64) {
        self.rest = 0;
        self.place(at_ns);
    }

    /// So much wall time has passed. Gives the simulated time that went by.
    pub fn advance(&mut self, wall_ns: u64) -> u64 {
        if !self.playing {
            return 0;
        }
        let way = u128::from(wall_ns) * u128::from(self.speed_ns_s) + u128::from(self.rest);
        let before = self.at_ns;
        let whole = u64::try_from(way / u128::from(WALL_S)).unwrap_or(u64::MAX);
        self.rest = (way % u128::from(WALL_S)) as u64;
        self.place(before.saturating_add(whole));
        if self.at_end() {
            self.rest = 0;
            self.playing = self.live;
        }
        self.at_ns - before
    }

    fn place(&mut self, at_ns: u64) {
        self.at_ns = at_ns.clamp(self.first_ns, self.last_ns);
    }
}
