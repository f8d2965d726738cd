//! On-off control with a band around the target.

use super::law::{ControlLaw, Reading};

#[derive(Debug, Clone, PartialEq)]
pub struct Watermark {
    max_delta_k: f64,
    max_power: f64,
    heating: bool,
}

impl Watermark {
    pub fn new(max_delta_k: f64, max_power: f64) -> Watermark {
        Watermark { max_delta_k, max_power, heating: false }
    }
}

impl ControlLaw for Watermark {
    fn power(&mut self, reading: Reading) -> f64 {
        let Reading { celsius, target_celsius, .. } = reading;
        if self.heating && celsius >= target_celsius + self.max_delta_k {
            self.heating = false;
        } else if !self.heating && celsius <= target_celsius - self.max_delta_k {
            self.heating = true;
        }
        if self.heating { self.max_power } else { 0.0 }
    }

    fn is_busy(&self, smoothed_celsius: f64, target_celsius: f64) -> bool {
        smoothed_celsius < target_celsius - self.max_delta_k
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_switches_only_at_the_edges_of_the_band() {
        let mut law = Watermark::new(2.0, 0.8);
        let mut power = |celsius| law.power(Reading { time_s: 0.0, celsius, target_celsius: 60.0 });
        for (celsius, expected) in
            [(20.0, 0.8), (61.9, 0.8), (62.0, 0.0), (60.0, 0.0), (58.1, 0.0), (58.0, 0.8), (60.0, 0.8), (70.0, 0.0)]
        {
            assert_eq!(power(celsius), expected, "at {celsius}");
        }
        assert!(law.is_busy(57.9, 60.0));
        assert!(!law.is_busy(58.0, 60.0) && !law.is_busy(90.0, 60.0));
    }
}
