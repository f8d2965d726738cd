//! Control laws: from readings of a temperature to the power of a heater.
//!
//! A law is a plain value that knows no printer and no clock; [`HeaterCore`](super::core::HeaterCore) feeds it.

use std::cell::RefCell;
use std::rc::Rc;

/// One temperature as the control law sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Print time of the ADC read [s].
    pub time_s: f64,
    pub celsius: f64,
    /// What the user asked for; 0 is off.
    pub target_celsius: f64,
}

pub trait ControlLaw {
    /// Power for this reading, from 0 to the heater's maximum.
    fn power(&mut self, reading: Reading) -> f64;

    /// Is the heater still on its way to its target? M109 waits as long as this is true.
    fn is_busy(&self, smoothed_celsius: f64, target_celsius: f64) -> bool;

    /// A target that the law shows in place of the user's.
    fn shown_target(&self) -> Option<f64> {
        None
    }
}

/// A law that somebody keeps a handle to (the autotuner, to read its result).
impl<L: ControlLaw> ControlLaw for Rc<RefCell<L>> {
    fn power(&mut self, reading: Reading) -> f64 {
        self.borrow_mut().power(reading)
    }
    fn is_busy(&self, smoothed_celsius: f64, target_celsius: f64) -> bool {
        self.borrow().is_busy(smoothed_celsius, target_celsius)
    }
    fn shown_target(&self) -> Option<f64> {
        self.borrow().shown_target()
    }
}
