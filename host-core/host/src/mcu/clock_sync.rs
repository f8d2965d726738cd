//! What the micro-controller's clock shows at a given host time, and how print_time maps to it.
//!
//! Each answer to `get_clock` is one sample: the host knows when the question left and when the answer came. An
//! exponentially weighted regression (weight 1/30 for each new sample) of clock on sending time gives the rate; half of
//! the shortest round trip seen is the line's own delay. Samples far off the line (a delayed answer) are dropped.
//!
//! print_time is the main micro-controller's clock divided by its declared rate. Another micro-controller follows it by
//! an offset and a rate, set anew each second so that both meet on the main clock some seconds ahead; in between the
//! mapping stays where it was, because steps have been computed with it.

use super::serial_queue::ClockLine;

/// Time between two questions.
pub const QUERY_PERIOD_S: f64 = 0.9839;
/// More unanswered questions than this: nobody is there.
pub const PENDING_MAX: u32 = 4;
/// Questions at connect, and the time between them.
pub const STARTUP_QUERIES: usize = 8;
pub const STARTUP_PERIOD_S: f64 = 0.050;

const WEIGHT: f64 = 1.0 / 30.0;
/// The shortest round trip is forgotten at this rate, so that a line which became slower is noticed.
const MIN_HALF_RTT_AGING: f64 = 10e-6 / 3600.0;
const OUTLIER_SIGMAS: f64 = 5.0;
const OUTLIER_MIN_S: f64 = 0.000_5;
/// Dropping longer than this means that it is the estimate which is wrong.
const OUTLIER_RESET_S: f64 = 10.0;
/// Another micro-controller is steered to meet the main clock so far ahead.
const MEET_AHEAD_S: f64 = 4.0;

/// What is known of one micro-controller's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockEstimate {
    /// Host time and clock of one point of the line, and ticks per host second.
    pub time: f64,
    pub clock: f64,
    pub freq: f64,
}

impl ClockEstimate {
    pub fn clock_at(&self, time: f64) -> f64 {
        self.clock + (time - self.time) * self.freq
    }

    pub fn time_of(&self, clock: f64) -> f64 {
        self.time + (clock - self.clock) / self.freq
    }
}

/// Regression of one micro-controller's clock on host time.
#[derive(Clone, Debug)]
pub struct ClockSync {
    declared_freq: f64,
    /// Newest clock seen, in 64 bits; later 32-bit values are extended from it.
    last_clock: i64,
    time_avg: f64,
    clock_avg: f64,
    time_variance: f64,
    covariance: f64,
    freq: f64,
    error_variance: f64,
    min_half_rtt: f64,
    min_rtt_time: f64,
    last_good: f64,
    estimate: ClockEstimate,
    pending: u32,
}

impl ClockSync {
    pub fn new() -> Self {
        ClockSync {
            declared_freq: 1.0,
            last_clock: 0,
            time_avg: 0.0,
            clock_avg: 0.0,
            time_variance: 0.0,
            covariance: 0.0,
            freq: 1.0,
            error_variance: 0.0,
            min_half_rtt: f64::INFINITY,
            min_rtt_time: 0.0,
            last_good: 0.0,
            estimate: ClockEstimate { time: 0.0, clock: 0.0, freq: 1.0 },
            pending: 0,
        }
    }

    /// Begins with the answer to `get_uptime` at host time `time`.
    pub fn start(&mut self, declared_freq: f64, time: f64, clock: i64) {
        *self = ClockSync {
            declared_freq,
            last_clock: clock,
            time_avg: time,
            clock_avg: clock as f64,
            freq: declared_freq,
            error_variance: (0.001 * declared_freq) * (0.001 * declared_freq),
            last_good: time,
            estimate: ClockEstimate { time, clock: clock as f64, freq: declared_freq },
            ..ClockSync::new()
        };
    }

    pub fn note_question(&mut self) {
        self.pending += 1;
    }

    pub fn is_lost(&self) -> bool {
        self.pending > PENDING_MAX
    }

    pub fn estimate(&self) -> ClockEstimate {
        self.estimate
    }

    /// The line's value for deciding what may be sent already: late rather than early by three sigmas.
    pub fn cautious_line(&self) -> ClockLine {
        let margin = 3.0 * self.error_variance.sqrt();
        ClockLine { freq: self.freq, time: self.estimate.time, clock: self.estimate.clock - margin }
    }

    /// The 64-bit clock nearest to the newest known one whose low half is `clock`.
    pub fn extend(&self, clock: u32) -> i64 {
        self.last_clock + i64::from(clock.wrapping_sub(self.last_clock as u32) as i32)
    }

    /// An answer to `get_clock`; `sent_time` 0 means that the question may have been sent twice.
    pub fn note_answer(&mut self, clock: u32, sent_time: f64, receive_time: f64) {
        self.pending = 0;
        let clock = self.extend(clock);
        self.last_clock = clock;
        if sent_time > 0.0 {
            self.note_round_trip(sent_time, receive_time);
            self.add_sample(clock as f64, sent_time);
        }
    }

    fn note_round_trip(&mut self, sent_time: f64, receive_time: f64) {
        let half_rtt = (0.5 * (receive_time - sent_time)).max(0.0);
        let aged = self.min_half_rtt + (sent_time - self.min_rtt_time) * MIN_HALF_RTT_AGING;
        if half_rtt < aged {
            self.min_half_rtt = half_rtt;
            self.min_rtt_time = sent_time;
        }
    }

    fn add_sample(&mut self, clock: f64, sent_time: f64) {
        let error = clock - (self.clock_avg + (sent_time - self.time_avg) * self.freq);
        let square = error * error;
        let bound = OUTLIER_SIGMAS * OUTLIER_SIGMAS * self.error_variance;
        let floor = OUTLIER_MIN_S * self.declared_freq;
        if square > bound && square > floor * floor {
            // A clock that reads high was read late: the question or its answer was held up.
            if error > 0.0 && sent_time < self.last_good + OUTLIER_RESET_S {
                return;
            }
            self.error_variance = floor * floor;
        } else {
            self.last_good = sent_time;
            self.error_variance = (1.0 - WEIGHT) * (self.error_variance + square * WEIGHT);
        }
        let (time_diff, clock_diff) = (sent_time - self.time_avg, clock - self.clock_avg);
        self.time_avg += WEIGHT * time_diff;
        self.clock_avg += WEIGHT * clock_diff;
        self.time_variance = (1.0 - WEIGHT) * (self.time_variance + time_diff * time_diff * WEIGHT);
        self.covariance = (1.0 - WEIGHT) * (self.covariance + time_diff * clock_diff * WEIGHT);
        if self.time_variance > 0.0 {
            self.freq = self.covariance / self.time_variance;
        }
        self.estimate =
            ClockEstimate { time: self.time_avg + self.min_half_rtt, clock: self.clock_avg, freq: self.freq };
    }

    /// One line for the dump after a shutdown.
    pub fn describe(&self) -> String {
        format!(
            "clocksync state: mcu_freq={:.0} last_clock={} clock_est=({:.3} {:.0} {:.3}) min_half_rtt={:.6} \
             min_rtt_time={:.3} time_avg={:.3}({:.3}) clock_avg={:.3}({:.3}) pred_variance={:.3}",
            self.declared_freq,
            self.last_clock,
            self.estimate.time,
            self.estimate.clock,
            self.estimate.freq,
            self.min_half_rtt,
            self.min_rtt_time,
            self.time_avg,
            self.time_variance,
            self.clock_avg,
            self.covariance,
            self.error_variance,
        )
    }
}

/// print_time to clock of one micro-controller: `clock = (print_time - offset) * freq`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrintTimeBase {
    pub offset: f64,
    pub freq: f64,
    /// print_time at which the two clocks meet.
    pub meets_at: f64,
}

impl PrintTimeBase {
    /// The main micro-controller's: by definition.
    pub fn main(declared_freq: f64) -> Self {
        PrintTimeBase { offset: 0.0, freq: declared_freq, meets_at: 0.0 }
    }

    pub fn clock_of(&self, print_time: f64) -> f64 {
        (print_time - self.offset) * self.freq
    }

    pub fn print_time_of(&self, clock: f64) -> f64 {
        clock / self.freq + self.offset
    }

    /// First mapping of another micro-controller: both estimates taken as they are at host time `now`.
    pub fn secondary(now: f64, main_freq: f64, main: ClockEstimate, own: ClockEstimate) -> Self {
        let print_time = main.clock_at(now) / main_freq;
        let freq = own.freq * main_freq / main.freq;
        PrintTimeBase { offset: print_time - own.clock_at(now) / freq, freq, meets_at: 0.0 }
    }

    /// The mapping from `print_time` on (up to which steps are computed): it leaves the present one there, and meets
    /// the main clock some seconds later.
    pub fn steered(&self, print_time: f64, now: f64, main_freq: f64, main: ClockEstimate, own: ClockEstimate) -> Self {
        let now_print_time = main.clock_at(now) / main_freq;
        let leave = print_time.max(now_print_time);
        let ahead = 2.5 * (print_time - now_print_time);
        let meet = (leave + MEET_AHEAD_S).max(self.meets_at).max(print_time + ahead);
        let leave_clock = self.clock_of(leave);
        let meet_clock = own.clock_at(main.time_of(meet * main_freq));
        let freq = (meet_clock - leave_clock) / (meet - leave);
        PrintTimeBase { offset: leave - leave_clock / freq, freq, meets_at: meet }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synced(freq: f64, start_clock: f64, delay_s: f64, samples: usize) -> ClockSync {
        let mut sync = ClockSync::new();
        sync.start(168e6, 1.0, (start_clock + (1.0 + delay_s) * freq) as i64);
        for i in 0..samples {
            let sent = 1.05 + i as f64 * if i < STARTUP_QUERIES { 0.05 } else { QUERY_PERIOD_S };
            let clock = (start_clock + (sent + delay_s) * freq) as i64;
            sync.note_question();
            sync.note_answer(clock as u32, sent, sent + 2.0 * delay_s);
        }
        sync
    }

    #[test]
    fn a_steady_clock_is_found_to_the_microsecond() {
        let freq = 168e6 * 1.000_05;
        let sync = synced(freq, 5e9, 0.001, 60);
        let estimate = sync.estimate();
        assert!((estimate.freq / freq - 1.0).abs() < 1e-9, "{}", estimate.freq);
        let error_s = (estimate.clock_at(60.0) - (5e9 + 60.0 * freq)) / freq;
        assert!(error_s.abs() < 1e-6, "{error_s}");
    }

    #[test]
    fn a_late_answer_is_dropped_and_a_lasting_change_is_followed() {
        let mut sync = synced(168e6, 0.0, 0.001, 30);
        let before = sync.estimate();
        sync.note_answer((168e6_f64 * 30.2) as i64 as u32, 30.0, 30.2);
        assert_eq!(sync.estimate(), before, "an outlier changes nothing");
        let mut time = 31.0;
        for _ in 0..400 {
            sync.note_answer((168e6 * (time + 0.5)) as i64 as u32, time, time + 0.002);
            time += QUERY_PERIOD_S;
        }
        let error_s = sync.estimate().clock_at(time) / 168e6 - (time + 0.499);
        assert!(error_s.abs() < 1e-3, "{error_s}");
    }

    #[test]
    fn repeated_questions_do_not_count_and_silence_is_noticed() {
        let mut sync = synced(168e6, 0.0, 0.001, 10);
        let before = sync.estimate();
        sync.note_answer(5, 0.0, 30.2);
        assert_eq!(sync.estimate(), before);
        for _ in 0..PENDING_MAX {
            sync.note_question();
            assert!(!sync.is_lost());
        }
        sync.note_question();
        assert!(sync.is_lost());
    }

    #[test]
    fn the_second_clock_stays_continuous_and_meets_the_main_one() {
        let main = ClockEstimate { time: 0.0, clock: 0.0, freq: 168e6 * 1.000_02 };
        let own = ClockEstimate { time: 0.0, clock: 3e8, freq: 12e6 * 0.999_95 };
        let wrong = ClockEstimate { clock: 3e8 + 12e6 * 0.000_3, ..own };
        let mut base = PrintTimeBase::secondary(10.0, 168e6, main, wrong);
        let mut now = 10.0;
        for _ in 0..30 {
            now += 1.0;
            let print_time = main.clock_at(now) / 168e6 + 0.6;
            let next = base.steered(print_time, now, 168e6, main, own);
            assert!((next.clock_of(print_time) - base.clock_of(print_time)).abs() < 1e-3, "continuous");
            base = next;
        }
        let print_time = main.clock_at(now) / 168e6;
        let error_s = (base.clock_of(print_time) - own.clock_at(now)) / 12e6;
        assert!(error_s.abs() < 2e-5, "{error_s}");
    }
}
