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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICK: u64 = 200_000;
    const S: u64 = 1_000_000_000;

    fn playhead() -> Playhead {
        Playhead::new(S..100 * S, TICK)
    }

    #[test]
    fn a_single_step_is_exactly_one_tick() {
        let mut p = playhead();
        p.seek(50 * S + 123_457);
        for i in 1..=1000 {
            p.step(1);
            assert_eq!(p.at_ns(), 50 * S + 123_457 + i * TICK);
        }
        p.step(-1000);
        assert_eq!(p.at_ns(), 50 * S + 123_457);
    }

    #[test]
    fn a_step_stops_the_playing_and_drops_what_was_left_of_a_nanosecond() {
        let mut p = playhead();
        p.set_speed(0.001);
        p.play();
        p.advance(999);
        p.step(1);
        assert!(!p.is_playing());
        p.play();
        assert_eq!(p.advance(999), 0, "a step starts a nanosecond anew");
    }

    #[test]
    fn at_six_hundredths_a_wall_second_is_sixty_milliseconds_whatever_the_frames() {
        for frame_ns in [1, 7, 16_666_667, 6_944_444, 33_333_333, S] {
            let mut p = playhead();
            p.set_speed(0.06);
            p.play();
            let frames = (S / frame_ns).min(100_000);
            for _ in 0..frames {
                p.advance(frame_ns);
            }
            assert_eq!(p.at_ns(), S + frames * frame_ns * 6 / 100, "frames of {frame_ns} ns");
        }
    }

    #[test]
    fn the_slowest_and_the_fastest_are_a_thousandth_and_a_thousand() {
        let mut p = playhead();
        p.play();
        p.set_speed(0.0);
        assert_eq!((p.speed(), p.advance(S)), (SLOWEST, S / 1000));
        p.set_speed(1e9);
        assert_eq!((p.speed(), p.advance(S / 100)), (FASTEST, 10 * S));
        p.set_speed(f64::NAN);
        assert_eq!(p.speed(), FASTEST);
    }

    #[test]
    fn seek_then_play_goes_on_from_there() {
        let mut p = playhead();
        p.seek(40 * S);
        assert!(!p.is_playing());
        p.play();
        p.advance(S / 2);
        assert_eq!(p.at_ns(), 40 * S + S / 2);
        p.seek(20 * S);
        assert!(p.is_playing(), "what was playing plays on");
        p.advance(S / 2);
        assert_eq!(p.at_ns(), 20 * S + S / 2);
    }

    #[test]
    fn scrubbing_backwards_lands_on_every_place_and_stops_at_the_beginning() {
        let mut p = playhead();
        for at in (0..100).rev() {
            p.seek(at * S);
            assert_eq!(p.at_ns(), (at * S).max(S));
        }
        p.step(-1);
        assert_eq!(p.at_ns(), S);
    }

    #[test]
    fn playing_stops_at_the_end_and_play_begins_anew() {
        let mut p = playhead();
        p.seek(99 * S);
        p.play();
        assert_eq!(p.advance(5 * S), S, "only what there was went by");
        assert!(p.at_end() && !p.is_playing());
        p.step(1);
        assert_eq!(p.at_ns(), 100 * S);
        p.play();
        assert_eq!(p.at_ns(), S);
    }

    #[test]
    fn the_growing_end_is_followed_until_the_run_is_over() {
        let mut p = Playhead::new(0..10 * S, TICK);
        p.set_span(0..10 * S, true);
        p.seek(9 * S);
        p.play();
        p.advance(2 * S);
        assert_eq!((p.at_ns(), p.is_playing()), (10 * S, true), "it waits at the end of what is there");
        p.set_span(0..14 * S, true);
        p.advance(S);
        assert_eq!((p.at_ns(), p.is_playing()), (11 * S, true));
        p.set_span(0..12 * S, false);
        p.advance(2 * S);
        assert_eq!((p.at_ns(), p.is_playing()), (12 * S, false));
    }

    #[test]
    fn a_recording_without_rows_has_one_place() {
        let mut p = Playhead::new(0..0, 0);
        p.play();
        p.advance(S);
        p.step(3);
        assert_eq!((p.at_ns(), p.tick_ns()), (0, 1));
    }

    proptest! {
        #[test]
        fn how_wall_time_is_cut_into_frames_does_not_matter(
            frames in prop::collection::vec(0u64..50_000_000, 1..200),
            speed in SLOWEST..FASTEST,
        ) {
            let span = 0..1 << 60;
            let (mut a, mut b) = (Playhead::new(span.clone(), TICK), Playhead::new(span, TICK));
            for p in [&mut a, &mut b] {
                p.set_speed(speed);
                p.play();
            }
            b.advance(frames.iter().sum());
            for ns in frames {
                a.advance(ns);
            }
            prop_assert_eq!(a, b);
        }

        #[test]
        fn it_never_leaves_its_span(at in any::<u64>(), ticks in any::<i64>(), wall in any::<u64>()) {
            let mut p = playhead();
            p.seek(at);
            p.step(ticks);
            p.play();
            p.set_speed(FASTEST);
            p.advance(wall);
            prop_assert!((S..=100 * S).contains(&p.at_ns()));
        }
    }
}
