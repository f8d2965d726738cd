//! The MCU client: a host's end of Klipper's wire protocol, without any input or output of its own.
//!
//! Bytes go in by [`Mcu::handle_bytes`] and come out by [`Mcu::poll_transmit`]; [`Mcu::next_wake`] says when to call
//! again. Everything that waits (connecting, queries, homing) is an `async` function on the host's reactor.
//! [`Mcu::offline`] is the same interface without a wire, for planning a print that nothing executes.
//!
//! # Important terms
//! - *print_time*: seconds of the main micro-controller's clock (f64). *eventtime*: host seconds.
//! - *clock*: ticks of one micro-controller, extended to 64 bits on this side; the wire carries the low 32.
//! - *oid*: number of an object that the host configured inside the micro-controller.
//! - *min_clock*, *req_clock*: a command must not arrive before the one and should arrive before the other.

mod adc_in;
mod adxl345;
mod buttons;
mod client;
mod clock_sync;
mod command;
mod config_phase;
mod counter;
mod dictionary;
mod digital_out;
mod endstop_in;
mod error;
mod lifecycle;
mod neopixel;
mod offline;
mod pwm_out;
mod serial_queue;
mod spi;
mod stats;
mod step_queue;
mod stepper;
mod tmc_uart;
mod trace;
mod trsync;

pub use adc_in::{AdcIn, AdcSetup};
pub use adxl345::{Adxl345Bulk, RawSample};
pub use buttons::{ButtonPin, Buttons};
pub use client::Mcu;
pub use clock_sync::ClockEstimate;
pub use command::{Arg, Cmd, Params};
pub use counter::Counter;
pub use digital_out::DigitalOut;
pub use endstop_in::EndstopIn;
pub use error::{McuError, McuErrorCause};
pub use lifecycle::McuEvent;
pub use neopixel::Neopixel;
pub use offline::{OFFLINE_PRINT_TIME_S, StepSink};
pub use pwm_out::{HardPwm, PwmSetup, SoftPwm};
pub use serial_queue::{QueueId, SerialStats};
pub use spi::{Spi, SpiBus};
pub use stats::McuStats;
pub use step_queue::{HistoryStep, QueuedStep, StepQueue};
pub use stepper::{McuStepper, StepperPins};
pub use tmc_uart::TmcUart;
pub use trsync::{TriggerDispatch, TriggerReason};
