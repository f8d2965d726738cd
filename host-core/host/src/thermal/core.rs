//! A heater without its printer: limits, target, smoothing, and when a new power is worth a message.
//!
//! The micro-controller switches a heater off unless it hears of it within [`MAX_HEAT_TIME_S`], so a power is sent
//! again before that even if it stays as it is.

use super::law::{ControlLaw, Reading};

/// The micro-controller's safety limit on one power.
pub const MAX_HEAT_TIME_S: f64 = 3.0;
/// From the ADC's read to the power that answers it: one report interval.
pub const PWM_DELAY_S: f64 = super::REPORT_TIME_S;
/// The same power is sent again when this much of the safety limit is left.
const RESEND_MARGIN_S: f64 = 3.0 * PWM_DELAY_S + 0.001;
/// Changes below this share of the full power wait.
const POWER_STEP: f64 = 0.05;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    pub min_celsius: f64,
    pub max_celsius: f64,
    pub max_power: f64,
    pub smooth_time_s: f64,
}

/// A power to send: duty, and the print time from which it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerAt {
    pub time_s: f64,
    pub power: f64,
}

pub struct HeaterCore {
    limits: Limits,
    law: Box<dyn ControlLaw>,
    target_celsius: f64,
    last_celsius: f64,
    smoothed_celsius: f64,
    last_time_s: f64,
    power: f64,
    resend_at_s: f64,
    /// Shut down: no power any more.
    dead: bool,
}

/// A target outside the limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutOfRange {
    pub asked: f64,
    pub min: f64,
    pub max: f64,
}

impl std::fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Requested temperature ({:.1}) out of range ({:.1}:{:.1})", self.asked, self.min, self.max)
    }
}

impl HeaterCore {
    pub fn new(limits: Limits, law: Box<dyn ControlLaw>) -> HeaterCore {
        HeaterCore {
            limits,
            law,
            target_celsius: 0.0,
            last_celsius: 0.0,
            smoothed_celsius: 0.0,
            last_time_s: 0.0,
            power: 0.0,
            resend_at_s: 0.0,
            dead: false,
        }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Target in °C; 0 switches off.
    pub fn set_target(&mut self, celsius: f64) -> Result<(), OutOfRange> {
        let Limits { min_celsius, max_celsius, .. } = self.limits;
        if celsius != 0.0 && !(min_celsius..=max_celsius).contains(&celsius) {
            return Err(OutOfRange { asked: celsius, min: min_celsius, max: max_celsius });
        }
        self.target_celsius = celsius;
        Ok(())
    }

    /// Another law takes over; the heater is off until it gets a new target.
    pub fn set_law(&mut self, law: Box<dyn ControlLaw>) -> Box<dyn ControlLaw> {
        self.target_celsius = 0.0;
        std::mem::replace(&mut self.law, law)
    }

    pub fn kill(&mut self) {
        self.dead = true;
        self.target_celsius = 0.0;
        self.power = 0.0;
    }

    /// Takes a reading; returns the power to send, if one is due.
    pub fn reading(&mut self, time_s: f64, celsius: f64) -> Option<PowerAt> {
        let dt = time_s - self.last_time_s;
        self.last_celsius = celsius;
        self.last_time_s = time_s;
        let wanted = self.law.power(Reading { time_s, celsius, target_celsius: self.target_celsius });
        if let Some(shown) = self.law.shown_target()
            && self.target_celsius > 0.0
        {
            self.target_celsius = shown.clamp(self.limits.min_celsius, self.limits.max_celsius);
        }
        let update = self.update_power(time_s, wanted);
        let weight = (dt / self.limits.smooth_time_s).clamp(0.0, 1.0);
        self.smoothed_celsius += weight * (celsius - self.smoothed_celsius);
        update
    }

    fn update_power(&mut self, time_s: f64, wanted: f64) -> Option<PowerAt> {
        let off = self.target_celsius <= 0.0 || self.dead;
        let power = if off { 0.0 } else { wanted };
        let due = time_s >= self.resend_at_s && self.power > 0.0;
        let changed = (power - self.power).abs() >= POWER_STEP * self.limits.max_power;
        if !due && !changed {
            return None;
        }
        let at_s = time_s + PWM_DELAY_S;
        self.resend_at_s = at_s + MAX_HEAT_TIME_S - RESEND_MARGIN_S;
        self.power = power;
        (!self.dead).then_some(PowerAt { time_s: at_s, power })
    }

    /// Shown temperature and target. A heater whose last reading is older than a few reports shows what it last knew.
    pub fn temperature(&self) -> (f64, f64) {
        (self.smoothed_celsius, self.target_celsius)
    }

    pub fn last_celsius(&self) -> f64 {
        self.last_celsius
    }

    pub fn power(&self) -> f64 {
        self.power
    }

    pub fn is_busy(&self) -> bool {
        self.law.is_busy(self.smoothed_celsius, self.target_celsius)
    }

    /// The heater's part of the Stats line.
    pub fn stats(&self, name: &str) -> (bool, String) {
        let active = self.target_celsius > 0.0 || self.last_celsius > 50.0;
        let line =
            format!("{name}: target={:.0} temp={:.1} pwm={:.3}", self.target_celsius, self.last_celsius, self.power);
        (active, line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thermal::pid::{Gains, Pid};
    use crate::thermal::plant::{Loop, Plant};
    use crate::thermal::watermark::Watermark;

    /// A law that says what it is told.
    struct Fixed(f64);

    impl ControlLaw for Fixed {
        fn power(&mut self, _: Reading) -> f64 {
            self.0
        }
        fn is_busy(&self, _: f64, _: f64) -> bool {
            false
        }
    }

    const LIMITS: Limits = Limits { min_celsius: 0.0, max_celsius: 250.0, max_power: 1.0, smooth_time_s: 1.0 };

    fn heater(power: f64) -> HeaterCore {
        let mut core = HeaterCore::new(LIMITS, Box::new(Fixed(power)));
        core.set_target(200.0).unwrap();
        core
    }

    #[test]
    fn a_steady_power_is_sent_again_before_the_safety_limit_and_no_more_often() {
        let mut core = heater(0.5);
        let sent: Vec<f64> =
            (1..40).filter_map(|i| core.reading(f64::from(i) * 0.3, 100.0)).map(|p| p.time_s).collect();
        let gaps: Vec<f64> = sent.windows(2).map(|w| w[1] - w[0]).collect();
        assert!(gaps.iter().all(|g| (2.09..2.71).contains(g)), "{gaps:?}");
    }

    #[test]
    fn small_changes_wait_and_large_ones_go_at_once_after_the_delay() {
        let mut core = heater(0.5);
        assert_eq!(core.reading(0.3, 100.0), Some(PowerAt { time_s: 0.6, power: 0.5 }));
        core.law = Box::new(Fixed(0.54));
        assert_eq!(core.reading(0.6, 100.0), None);
        core.law = Box::new(Fixed(0.56));
        assert_eq!(core.reading(0.9, 100.0).unwrap().power, 0.56);
        core.set_target(0.0).unwrap();
        assert_eq!(core.reading(1.2, 100.0), Some(PowerAt { time_s: 1.5, power: 0.0 }));
        assert_eq!(core.reading(1.5, 100.0), None, "off needs no refresh");
    }

    #[test]
    fn a_target_out_of_range_is_refused_in_words_and_zero_is_always_allowed() {
        let mut core = heater(1.0);
        let error = core.set_target(300.0).unwrap_err();
        assert_eq!(error.to_string(), "Requested temperature (300.0) out of range (0.0:250.0)");
        assert!(core.set_target(f64::NAN).is_err());
        core.set_target(0.0).unwrap();
        assert_eq!(core.temperature().1, 0.0);
    }

    #[test]
    fn after_kill_no_power_leaves() {
        let mut core = heater(1.0);
        core.reading(0.3, 100.0);
        core.kill();
        assert_eq!(core.reading(0.6, 100.0), None);
        assert_eq!(core.power(), 0.0);
    }

    #[test]
    fn stats_have_the_form_that_log_tools_read() {
        let mut core = heater(0.5);
        core.set_target(0.0).unwrap();
        core.reading(0.3, 25.0);
        assert_eq!(core.stats("extruder"), (false, "extruder: target=0 temp=25.0 pwm=0.000".to_string()));
        core.set_target(200.0).unwrap();
        core.reading(0.6, 25.04);
        assert_eq!(core.stats("extruder"), (true, "extruder: target=200 temp=25.0 pwm=0.500".to_string()));
    }

    #[test]
    fn pid_with_calibrated_gains_settles_on_the_target() {
        let law = Pid::new(Gains { kp: 59.432, ki: 16.509, kd: 53.489 }, 1.0, 1.0, 25.0);
        let mut closed = Loop::new(Plant::new(8.0, 7.0, 40.0), Box::new(law));
        closed.core.set_target(200.0).unwrap();
        let mut hottest: f64 = 0.0;
        while closed.time_s < 200.0 {
            closed.report();
            hottest = hottest.max(closed.plant.celsius);
        }
        assert!((closed.plant.celsius - 200.0).abs() < 0.5, "{}", closed.plant.celsius);
        assert!(hottest < 206.0, "{hottest}");
        assert!(!closed.core.is_busy());
        assert!((closed.core.power() - 175.0 / 280.0).abs() < 0.1, "holding power {}", closed.core.power());
    }

    #[test]
    fn watermark_keeps_a_bed_within_its_band_and_the_lag() {
        let mut closed = Loop::new(Plant::new(500.0, 0.3, 300.0), Box::new(Watermark::new(2.0, 1.0)));
        closed.core.set_target(60.0).unwrap();
        let mut seen = (f64::INFINITY, 0.0f64);
        while closed.time_s < 1000.0 {
            closed.report();
            if closed.time_s > 400.0 {
                seen = (seen.0.min(closed.plant.celsius), seen.1.max(closed.plant.celsius));
            }
        }
        assert!(seen.0 > 57.0 && seen.0 <= 58.0 && seen.1 >= 62.0 && seen.1 < 63.0, "{seen:?}");
    }
}
