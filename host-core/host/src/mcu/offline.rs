//! The client without a wire: what a printer would be told, for planning a print that nothing executes.
//!
//! Every query is answered at once with zeros, no sensor ever reports, homing ends at the end of its move, and steps go
//! to a [`StepSink`].

use super::step_queue::QueuedStep;
use drydock_protocol::{Constant, Dictionary};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What `estimated_print_time` answers offline unless told otherwise: so far ahead that nobody waits for it.
pub const OFFLINE_PRINT_TIME_S: f64 = 1e9;

/// Takes the commands that steppers would get, in the order in which they are queued.
pub trait StepSink {
    fn queue_step(&mut self, oid: u8, step: &QueuedStep);
    fn set_dir(&mut self, oid: u8, dir: bool);
    fn reset_step_clock(&mut self, oid: u8, clock: u64);
}

pub(crate) struct Offline {
    pub sink: Option<Rc<RefCell<dyn StepSink>>>,
    pub print_time: Cell<f64>,
    /// Latest clock for which a command was queued since someone last asked.
    pub activity: Cell<Option<u64>>,
}

/// Constants that devices ask for.
pub(crate) fn dictionary(clock_freq: f64) -> Dictionary {
    let mut dictionary = Dictionary { app: "Klipper".into(), version: "offline".into(), ..Dictionary::default() };
    for (name, value) in [
        ("CLOCK_FREQ", Constant::Float(clock_freq)),
        ("ADC_MAX", Constant::Int(4095)),
        ("PWM_MAX", Constant::Int(32768)),
        ("STATS_SUMSQ_BASE", Constant::Int(256)),
        ("STEPPER_STEP_BOTH_EDGE", Constant::Int(1)),
        ("MCU", Constant::Text("offline".into())),
    ] {
        dictionary.constants.insert(name.to_string(), value);
    }
    dictionary
}
