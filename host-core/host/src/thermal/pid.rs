//! PID control of a heater, in Klipper's units and with its limits.
//!
//! # Equation
//! u = Kp e + Ki ∫e dt - Kd dT/dt, cut to 0..u_max;  e = target - T
//!
//! # Symbols
//! u heater duty \[1\] · T \[°C\] · Kp \[1/K\], Ki \[1/(K s)\], Kd \[s/K\], each given times 255
//!
//! # Source
//! Klipper's documented behaviour (facts/klipper.md 6.1): derivative of the measurement, low-passed over
//! the smoothing time; integral kept within 0..u_max/Ki and frozen while u is cut
//!
//! # Valid for
//! readings each 0.3 s; gaps longer than the smoothing time make the derivative a plain difference
//!
//! # Checked by
//! `tests::*`

use super::law::{ControlLaw, Reading};

/// printer.cfg gives the gains for a duty of 0 to 255.
pub const PID_PARAM_BASE: f64 = 255.0;

/// M109 is done within this band ...
const SETTLED_K: f64 = 1.0;
/// ... once the temperature moves no faster than this.
const SETTLED_K_PER_S: f64 = 0.1;

/// Gains as printer.cfg gives them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gains {
    pub kp: f64,
    pub ki: f64,
    pub kd: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Pid {
    gains: Gains,
    max_power: f64,
    smooth_time_s: f64,
    integral_max: f64,
    integral: f64,
    slope_k_per_s: f64,
    last_celsius: f64,
    last_time_s: f64,
}

impl Pid {
    /// `start_celsius` stands for the reading before the first one.
    pub fn new(gains: Gains, max_power: f64, smooth_time_s: f64, start_celsius: f64) -> Pid {
        let Gains { kp, ki, kd } = gains;
        let gains = Gains { kp: kp / PID_PARAM_BASE, ki: ki / PID_PARAM_BASE, kd: kd / PID_PARAM_BASE };
        Pid {
            gains,
            max_power,
            smooth_time_s,
            integral_max: if gains.ki > 0.0 { max_power / gains.ki } else { 0.0 },
            integral: 0.0,
            slope_k_per_s: 0.0,
            last_celsius: start_celsius,
            last_time_s: 0.0,
        }
    }
}

impl ControlLaw for Pid {
    fn power(&mut self, reading: Reading) -> f64 {
        let dt = reading.time_s - self.last_time_s;
        if dt <= 0.0 {
            return 0.0;
        }
        let slope_now = (reading.celsius - self.last_celsius) / dt;
        let weight = (dt / self.smooth_time_s).min(1.0);
        self.slope_k_per_s += weight * (slope_now - self.slope_k_per_s);
        let error = reading.target_celsius - reading.celsius;
        let integral = (self.integral + error * dt).clamp(0.0, self.integral_max);
        let wanted = self.gains.kp * error + self.gains.ki * integral - self.gains.kd * self.slope_k_per_s;
        let power = wanted.clamp(0.0, self.max_power);
        if power == wanted {
            self.integral = integral;
        }
        self.last_celsius = reading.celsius;
        self.last_time_s = reading.time_s;
        power
    }

    fn is_busy(&self, smoothed_celsius: f64, target_celsius: f64) -> bool {
        (target_celsius - smoothed_celsius).abs() > SETTLED_K || self.slope_k_per_s.abs() > SETTLED_K_PER_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(time_s: f64, celsius: f64) -> Reading {
        Reading { time_s, celsius, target_celsius: 200.0 }
    }

    fn pid(kp: f64, ki: f64, kd: f64) -> Pid {
        Pid::new(Gains { kp, ki, kd }, 1.0, 1.0, 200.0)
    }

    #[test]
    fn each_gain_acts_alone_as_its_term_says() {
        let mut p = pid(25.5, 0.0, 0.0);
        assert!((p.power(read(0.3, 195.0)) - 0.5).abs() < 1e-12);
        let mut i = pid(0.0, 25.5, 0.0);
        assert!((i.power(read(0.5, 199.0)) - 0.05).abs() < 1e-12);
        assert!((i.power(read(1.0, 199.0)) - 0.10).abs() < 1e-12);
        // -1 K in 0.3 s is -10/3 K/s; the filter takes 0.3 of it at the first reading.
        let mut d = pid(0.0, 0.0, 25.5);
        assert!((d.power(read(0.3, 199.0)) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn the_integral_waits_while_the_output_is_cut_and_never_leaves_its_bounds() {
        let mut law = pid(255.0, 255.0, 0.0);
        for i in 1..100 {
            assert_eq!(law.power(read(f64::from(i) * 0.3, 100.0)), 1.0);
        }
        assert_eq!(law.integral, 0.0);
        let mut law = pid(0.0, 25.5, 0.0);
        for i in 1..1000 {
            law.power(read(f64::from(i) * 0.3, 199.5));
        }
        assert!((0.99..=1.0).contains(&(law.integral * 0.1)), "{}", law.integral);
    }

    #[test]
    fn it_is_busy_until_near_and_slow() {
        let mut law = pid(25.5, 0.0, 0.0);
        law.power(read(0.3, 199.5));
        assert!(law.is_busy(199.5, 200.0), "too fast");
        for i in 2..40 {
            law.power(read(f64::from(i) * 0.3, 199.5));
        }
        assert!(!law.is_busy(199.5, 200.0));
        assert!(law.is_busy(198.9, 200.0) && law.is_busy(201.1, 200.0));
    }

    #[test]
    fn a_reading_that_repeats_gives_no_power_and_no_nan() {
        let mut law = pid(25.5, 1.0, 10.0);
        law.power(read(0.3, 20.0));
        assert_eq!(law.power(read(0.3, 20.0)), 0.0);
        assert!(law.power(read(0.6, 20.0)).is_finite());
    }
}
