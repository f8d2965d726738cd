//! A micro-controller's clock: its ticks in simulated nanoseconds and back, in integers.
//!
//! # Equation      ns(tick) = origin + ceil((tick − offset) · period), tick(ns) = the last tick with ns(tick) <= ns
//! # Symbols       period [ns] = 1e9 / (f · (1 + drift)), a fixed-point number of about 60 bits behind the point
//! # Valid for     f of 1 MHz to 1 GHz: a tick is longer than a nanosecond, so each tick comes back from its time
//! # Caveats       a constant rate between retunings; no jitter
//! # Checked by    tests::each_tick_comes_back_from_its_time, tests::a_second_at_nominal_rate_is_exact (0 ns in 11 days)
//! # Cost          a multiplication either way; no division after set-up

/// Ticks against simulated time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oscillator {
    freq_hz: u32,
    /// Nanoseconds of a tick, times 2^shift.
    period: u64,
    shift: u32,
    /// Ticks of a nanosecond, times 2^63.
    rate: u64,
    origin_ns: u64,
    origin_tick: u64,
}

impl Oscillator {
    /// A clock that counts `offset_ticks` at time zero. Rates outside 1 MHz..1 GHz are brought to the border, drifts
    /// outside ±10 % likewise.
    pub fn new(freq_hz: u32, drift_ppm: f64, offset_ticks: u64) -> Self {
        let freq_hz = freq_hz.clamp(1_000_000, 1_000_000_000);
        let mut clock = Self { freq_hz, period: 0, shift: 0, rate: 0, origin_ns: 0, origin_tick: offset_ticks };
        clock.set_rate(drift_ppm);
        clock
    }

    /// Changes the rate from `at_ns` on; ticks before that keep their times.
    pub fn retune(&mut self, at_ns: u64, drift_ppm: f64) {
        let tick = self.tick_at(at_ns);
        (self.origin_ns, self.origin_tick) = (self.ns_of(tick), tick);
        self.set_rate(drift_ppm);
    }

    /// Starts to count from zero at `at_ns`, as after a reset.
    pub fn restart(&mut self, at_ns: u64) {
        (self.origin_ns, self.origin_tick) = (at_ns, 0);
    }

    fn set_rate(&mut self, drift_ppm: f64) {
        let drift_ppm = if drift_ppm.is_finite() { drift_ppm.clamp(-1e5, 1e5) } else { 0.0 };
        let drift_per_1e9 = (drift_ppm * 1e3) as i64;
        let freq_nhz = u128::from(self.freq_hz) * (1_000_000_000 + i128::from(drift_per_1e9)) as u128;
        self.shift = 63;
        let period = loop {
            // 1e18 is below 2^60, so this fits while the shift is at most 63.
            let period = (1_000_000_000_000_000_000_u128 << self.shift) / freq_nhz;
            if let Ok(period) = u64::try_from(period) {
                break period;
            }
            self.shift -= 1;
        };
        self.period = period;
        self.rate = u64::try_from((1_u128 << (63 + self.shift)) / u128::from(period)).unwrap_or(u64::MAX);
    }

    /// Nominal rate.
    pub fn freq_hz(&self) -> u32 {
        self.freq_hz
    }

    /// The first nanosecond at which `tick` is counted. Ticks before the last retuning give its time.
    #[inline]
    pub fn ns_of(&self, tick: u64) -> u64 {
        let ticks = u128::from(tick.saturating_sub(self.origin_tick));
        let scaled = ticks * u128::from(self.period) + ((1 << self.shift) - 1);
        self.origin_ns + (scaled >> self.shift) as u64
    }

    /// The tick that is counted at `ns`.
    #[inline]
    pub fn tick_at(&self, ns: u64) -> u64 {
        let elapsed = u128::from(ns.saturating_sub(self.origin_ns));
        let mut tick = self.origin_tick + ((elapsed * u128::from(self.rate)) >> 63) as u64;
        while tick > self.origin_tick && self.ns_of(tick) > ns {
            tick -= 1;
        }
        while self.ns_of(tick + 1) <= ns {
            tick += 1;
        }
        tick
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_second_at_nominal_rate_is_exact() {
        for freq_hz in [12_000_000, 16_000_000, 72_000_000, 168_000_000, 520_000_000] {
            let clock = Oscillator::new(freq_hz, 0.0, 5);
            for seconds in [1, 2, 60, 3600, 1_000_000] {
                let tick = u64::from(freq_hz) * seconds + 5;
                assert_eq!(clock.ns_of(tick), seconds * 1_000_000_000);
                assert_eq!(clock.tick_at(seconds * 1_000_000_000), tick);
            }
        }
    }

    #[test]
    fn drift_makes_a_clock_fast_by_just_that() {
        let clock = Oscillator::new(168_000_000, 50.0, 0);
        assert_eq!(clock.tick_at(1_000_000_000), 168_008_400);
        let clock = Oscillator::new(168_000_000, -50.0, 0);
        assert_eq!(clock.tick_at(1_000_000_000), 167_991_600);
    }

    #[test]
    fn a_retuned_clock_neither_jumps_nor_forgets() {
        let mut clock = Oscillator::new(168_000_000, 0.0, 0);
        let before = clock.tick_at(999_999_999);
        clock.retune(1_000_000_000, 100.0);
        assert_eq!(clock.tick_at(1_000_000_000), 168_000_000);
        assert!(before <= 168_000_000);
        assert_eq!(clock.tick_at(2_000_000_000), 168_000_000 + 168_016_800);
        clock.restart(3_000_000_000);
        assert_eq!(clock.tick_at(3_000_000_000), 0);
    }

    proptest! {
        #[test]
        fn each_tick_comes_back_from_its_time(
            freq_hz in 1_000_000..1_000_000_000_u32,
            drift in -1000.0..1000.0,
            offset in 0..1_u64 << 40,
            ticks in 0..1_u64 << 50,
        ) {
            // Above 1 GHz several ticks would share a nanosecond.
            prop_assume!(f64::from(freq_hz) * (1.0 + drift * 1e-6) < 1e9);
            let clock = Oscillator::new(freq_hz, drift, offset);
            let tick = offset + ticks;
            prop_assert_eq!(clock.tick_at(clock.ns_of(tick)), tick);
            prop_assert!(clock.ns_of(tick + 1) > clock.ns_of(tick));
        }

        #[test]
        fn a_time_lies_between_its_tick_and_the_next(ns in 0..1_u64 << 55, drift in -1000.0..1000.0) {
            let clock = Oscillator::new(168_000_000, drift, 77);
            let tick = clock.tick_at(ns);
            prop_assert!(clock.ns_of(tick) <= ns && ns < clock.ns_of(tick + 1));
        }
    }
}
