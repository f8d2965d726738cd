//! Is a heater doing what its power should make it do?
//!
//! Two questions, asked each second. On the way to a new target: does the temperature rise by `heating_gain` within
//! `check_gain_time`? At the target: does it stay within `hysteresis`, or does the shortfall add up to `max_error`?

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VerifyLimits {
    pub hysteresis_k: f64,
    /// Shortfall times time [K s].
    pub max_error_k_s: f64,
    pub heating_gain_k: f64,
    pub check_gain_time_s: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    AtTarget,
    /// Rising; the next goal, and until when it must be met. `fresh` until the first goal is met.
    Approaching {
        goal_celsius: f64,
        until_s: f64,
        fresh: bool,
    },
    /// Below the target and no longer rising as it should: the error counts.
    Short,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// Worth a line in the log.
    StartedToApproach,
    ReachedTarget,
    NoLongerApproaching,
    Fault,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Verify {
    limits: VerifyLimits,
    phase: Phase,
    error_k_s: f64,
    last_target: f64,
}

impl Verify {
    pub fn new(limits: VerifyLimits) -> Verify {
        Verify { limits, phase: Phase::AtTarget, error_k_s: 0.0, last_target: 0.0 }
    }

    /// To be called once a second.
    pub fn check(&mut self, now_s: f64, celsius: f64, target_celsius: f64) -> Verdict {
        let new_target = std::mem::replace(&mut self.last_target, target_celsius) != target_celsius;
        let shortfall_k = target_celsius - self.limits.hysteresis_k - celsius;
        if shortfall_k <= 0.0 || target_celsius <= 0.0 {
            return self.near_target(celsius, target_celsius);
        }
        self.error_k_s += shortfall_k;
        match self.phase {
            Phase::Approaching { goal_celsius, until_s, fresh } => {
                self.approach(now_s, celsius, goal_celsius, until_s, fresh)
            }
            Phase::AtTarget | Phase::Short if new_target => {
                self.phase = self.next_goal(now_s, celsius, true);
                Verdict::StartedToApproach
            }
            Phase::AtTarget | Phase::Short if self.error_k_s >= self.limits.max_error_k_s => Verdict::Fault,
            Phase::AtTarget | Phase::Short => Verdict::Fine,
        }
    }

    fn near_target(&mut self, celsius: f64, target_celsius: f64) -> Verdict {
        if celsius <= target_celsius + self.limits.hysteresis_k {
            self.error_k_s = 0.0;
        }
        let was = std::mem::replace(&mut self.phase, Phase::AtTarget);
        let arrived = matches!(was, Phase::Approaching { .. }) && target_celsius > 0.0;
        if arrived { Verdict::ReachedTarget } else { Verdict::Fine }
    }

    fn approach(&mut self, now_s: f64, celsius: f64, goal_celsius: f64, until_s: f64, fresh: bool) -> Verdict {
        if celsius >= goal_celsius {
            self.error_k_s = 0.0;
            self.phase = self.next_goal(now_s, celsius, false);
        } else if now_s >= until_s {
            self.phase = Phase::Short;
            return Verdict::NoLongerApproaching;
        } else if fresh {
            // The block may still cool for a moment before the heat reaches the sensor.
            let goal_celsius = goal_celsius.min(celsius + self.limits.heating_gain_k);
            self.phase = Phase::Approaching { goal_celsius, until_s, fresh };
        }
        Verdict::Fine
    }

    fn next_goal(&self, now_s: f64, celsius: f64, fresh: bool) -> Phase {
        Phase::Approaching {
            goal_celsius: celsius + self.limits.heating_gain_k,
            until_s: now_s + self.limits.check_gain_time_s,
            fresh,
        }
    }
}

/// Shutdown message, and what to do about it.
pub fn fault_message(heater: &str) -> String {
    format!(
        "Heater {heater} not heating at expected rate\n\
         The temperature did not follow the heater's power: check the heater, its sensor and the pins of both. The\n\
         limits of this check are options of [verify_heater {heater}]."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTRUDER: VerifyLimits =
        VerifyLimits { hysteresis_k: 5.0, max_error_k_s: 120.0, heating_gain_k: 2.0, check_gain_time_s: 20.0 };

    /// Second of the first fault, with the temperature a function of time.
    fn fault_at(target: impl Fn(f64) -> f64, celsius: impl Fn(f64) -> f64) -> Option<u32> {
        let mut verify = Verify::new(EXTRUDER);
        (0..600).find(|s| {
            let t = f64::from(*s);
            verify.check(t, celsius(t), target(t)) == Verdict::Fault
        })
    }

    #[test]
    fn a_heater_that_rises_and_holds_is_never_blamed() {
        let rise = |t: f64| (25.0 + 1.5 * t).min(200.0);
        assert_eq!(fault_at(|_| 200.0, rise), None);
        let slow = |t: f64| 25.0 + 0.11 * t;
        assert_eq!(fault_at(|_| 200.0, slow), None, "2.2 K in 20 s is enough");
    }

    #[test]
    fn a_dead_heater_trips_after_the_gain_time() {
        assert_eq!(fault_at(|_| 200.0, |_| 25.0), Some(21));
        let too_slow = |t: f64| 25.0 + 0.09 * t;
        assert_eq!(fault_at(|_| 200.0, too_slow), Some(21));
    }

    #[test]
    fn a_loose_sensor_trips_by_the_error_sum() {
        let falls = |t: f64| if t < 100.0 { 200.0 } else { 185.0 };
        // 10 K s for each second: 120 is reached at the twelfth.
        assert_eq!(fault_at(|_| 200.0, falls), Some(111));
        let dips = |t: f64| if (t as u32) % 20 < 10 { 186.0 } else { 199.0 };
        assert_eq!(fault_at(|_| 200.0, dips), None, "the sum starts over at the target");
    }

    #[test]
    fn a_block_that_still_cools_at_first_is_given_time() {
        let dips = |t: f64| if t < 8.0 { 100.0 - t } else { 92.0 + 0.5 * (t - 8.0) };
        assert_eq!(fault_at(|_| 200.0, dips), None);
    }

    #[test]
    fn an_idle_or_cooling_heater_is_left_alone() {
        assert_eq!(fault_at(|_| 0.0, |_| 20.0), None);
        assert_eq!(
            fault_at(|t| if t < 50.0 { 200.0 } else { 50.0 }, |t| if t < 50.0 { 200.0 } else { (250.0 - t).max(50.0) }),
            None
        );
    }

    #[test]
    fn the_message_starts_with_the_line_that_users_search_for() {
        assert!(fault_message("extruder").starts_with("Heater extruder not heating at expected rate\n"));
    }
}
