//! The excitation of a resonance test: fast pulses of rising frequency on top of a slow sway.
//!
//! # Equation
//!   acceleration a(t) = ±k·f(t), constant over quarter periods 1/(4f), signs + − − + each period;
//!   plus ±a_s, which changes sign after τ1 = √2/8·P, then after τ1 + P/4, then every P/2
//! # Symbols
//!   k [mm/s²/Hz] accel_per_hz · f [Hz], rising by hz_per_sec · a_s [mm/s²], P [s] of the sway
//! # Source
//!   pulses: the peer's facts. Start of the sway: from rest at 0, the speed must turn at ∓a_s·P/4 while the position
//!   is 0, or the sway would not be centred: a_s·τ1²/2 + a_s·τ1·τ2 − a_s·τ2²/2 = 0 with τ2 = τ1 + P/4 gives τ1² = P²/32
//! # Valid for
//!   any f > 0; the sign pattern brings the speed of the pulses to 0 after each half period
//! # Checked by
//!   tests::pulses_come_back_to_rest_where_they_began (< 1e-9 mm/s; 1e-3 mm after 130 s),
//!   tests::the_sway_is_centred (centre within 0.5 % of its width), tests::the_sweep_takes_its_time (within 0.1 s of 130 s)

/// What to shake with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sweep {
    pub min_freq_hz: f64,
    pub max_freq_hz: f64,
    pub accel_per_hz: f64,
    pub hz_per_s: f64,
    pub sway_accel_mm_s2: f64,
    /// 0: no sway.
    pub sway_period_s: f64,
}

/// A piece of constant acceleration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    pub duration_s: f64,
    pub accel_mm_s2: f64,
    pub freq_hz: f64,
}

/// Pieces shorter than this are rounding.
const SHORTEST_S: f64 = 1e-12;

impl Sweep {
    pub fn segments(&self) -> Segments {
        let swaying = self.sway_period_s > 0.0 && self.sway_accel_mm_s2 > 0.0;
        let first_s = std::f64::consts::SQRT_2 / 8.0 * self.sway_period_s;
        Segments {
            sweep: *self,
            freq_hz: self.min_freq_hz,
            quarter: 0,
            pulse_left_s: 0.25 / self.min_freq_hz,
            sway: if swaying { self.sway_accel_mm_s2 } else { 0.0 },
            sway_left_s: if swaying { first_s } else { f64::INFINITY },
            sway_next_s: first_s + self.sway_period_s / 4.0,
        }
    }

    /// Highest speed, mm/s.
    pub fn peak_speed_mm_s(&self) -> f64 {
        0.25 * (self.accel_per_hz + self.sway_accel_mm_s2 * self.sway_period_s)
    }
}

/// See [`Sweep::segments`].
pub struct Segments {
    sweep: Sweep,
    freq_hz: f64,
    /// Of the period: 0 to 3.
    quarter: u8,
    pulse_left_s: f64,
    sway: f64,
    sway_left_s: f64,
    sway_next_s: f64,
}

impl Iterator for Segments {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        loop {
            if self.freq_hz > self.sweep.max_freq_hz + 1e-6 {
                return None;
            }
            let sign = if matches!(self.quarter, 0 | 3) { 1.0 } else { -1.0 };
            let duration_s = self.pulse_left_s.min(self.sway_left_s);
            let accel_mm_s2 = sign * self.sweep.accel_per_hz * self.freq_hz + self.sway;
            let segment = Segment { duration_s, accel_mm_s2, freq_hz: self.freq_hz };
            self.advance(duration_s);
            if duration_s > SHORTEST_S {
                return Some(segment);
            }
        }
    }
}

impl Segments {
    fn advance(&mut self, duration_s: f64) {
        self.pulse_left_s -= duration_s;
        self.sway_left_s -= duration_s;
        if self.sway_left_s <= SHORTEST_S {
            self.sway = -self.sway;
            self.sway_left_s += self.sway_next_s;
            self.sway_next_s = self.sweep.sway_period_s / 2.0;
        }
        if self.pulse_left_s <= SHORTEST_S {
            self.quarter = (self.quarter + 1) % 4;
            if self.quarter.is_multiple_of(2) {
                // The frequency rises between half periods only, where the speed of the pulses is 0.
                self.freq_hz += 0.5 / self.freq_hz * self.sweep.hz_per_s;
            }
            self.pulse_left_s += 0.25 / self.freq_hz;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PULSES: Sweep = Sweep {
        min_freq_hz: 5.0,
        max_freq_hz: 135.0,
        accel_per_hz: 60.0,
        hz_per_s: 1.0,
        sway_accel_mm_s2: 0.0,
        sway_period_s: 0.0,
    };
    const SWAYING: Sweep = Sweep { sway_accel_mm_s2: 400.0, sway_period_s: 1.2, ..PULSES };

    /// Time, speed and position after each segment.
    fn travel(sweep: &Sweep) -> Vec<(f64, f64, f64)> {
        let mut state = (0.0, 0.0, 0.0);
        let step = |s: Segment| {
            let (t, v, x) = state;
            let (dt, a) = (s.duration_s, s.accel_mm_s2);
            state = (t + dt, v + a * dt, x + v * dt + 0.5 * a * dt * dt);
            state
        };
        sweep.segments().map(step).collect()
    }

    #[test]
    fn pulses_come_back_to_rest_where_they_began() {
        let path = travel(&PULSES);
        for (_, v, _) in path.iter().skip(1).step_by(2) {
            assert!(v.abs() < 1e-9, "{v}");
        }
        let farthest = path.iter().map(|p| p.2.abs()).fold(0.0, f64::max);
        // k f (1/4f)² = k/16f at 5 Hz.
        assert!((farthest - 60.0 / 80.0).abs() < 0.08, "{farthest}");
        let peak = path.iter().map(|p| p.1.abs()).fold(0.0, f64::max);
        assert!((peak - PULSES.peak_speed_mm_s()).abs() < 1e-9, "{peak}");
    }

    #[test]
    fn accelerations_grow_with_frequency_and_alternate() {
        let signs: Vec<f64> = PULSES.segments().take(8).map(|s| s.accel_mm_s2.signum()).collect();
        assert_eq!(signs, [1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0]);
        for s in PULSES.segments() {
            assert!((s.accel_mm_s2.abs() - 60.0 * s.freq_hz).abs() < 1e-9);
            assert!((s.duration_s - 0.25 / s.freq_hz).abs() < 1e-12);
        }
        for s in SWAYING.segments() {
            let sway = s.accel_mm_s2.abs() - 60.0 * s.freq_hz;
            assert!(
                (sway.abs() - 400.0).abs() < 1e-9 || (s.accel_mm_s2.abs() - (400.0 - 60.0 * s.freq_hz)).abs() < 1e-9
            );
        }
    }

    #[test]
    fn the_sweep_takes_its_time() {
        for sweep in [PULSES, SWAYING] {
            let end_s = travel(&sweep).last().unwrap().0;
            assert!((end_s - 130.0).abs() < 0.1, "{end_s}");
            let last = sweep.segments().last().unwrap();
            assert!((last.freq_hz - 135.0).abs() < 0.01, "{last:?}");
        }
    }

    #[test]
    fn the_sway_is_centred() {
        let sway = Sweep { accel_per_hz: 1e-9, ..SWAYING };
        let path = travel(&sway);
        let (low, high) = path.iter().fold((0.0f64, 0.0f64), |(l, h), p| (l.min(p.2), h.max(p.2)));
        let width = 400.0 * 1.2 * 1.2 / 16.0;
        assert!(((high - low) / width - 1.0).abs() < 5e-3, "{low} {high}");
        assert!((high + low).abs() < 5e-3 * width, "{low} {high}");
        let drift = path.last().unwrap();
        assert!(drift.2.abs() <= 0.51 * width && drift.1.abs() <= 0.25 * 400.0 * 1.2 + 1e-6, "{drift:?}");
    }
}
