//! Pins that carry a duty cycle: by the firmware's own switching (`SoftPwm`) or by a timer of the chip (`HardPwm`).

use super::client::Mcu;
use super::command::Cmd;
use super::digital_out::{QUEUE_DIGITAL_OUT, duration_ticks, unequal_start};
use super::error::{McuError, McuErrorCause};
use super::serial_queue::QueueId;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;

/// The first value is scheduled so far ahead of the moment of configuration.
const FIRST_VALUE_AHEAD_S: f64 = 0.200;

/// How a PWM output starts, ends and repeats. Values are 0..1 in the host's sense.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PwmSetup {
    pub cycle_time_s: f64,
    pub start_value: f64,
    pub shutdown_value: f64,
    /// The micro-controller shuts down when no update comes for so long; 0 = never.
    pub max_duration_s: f64,
}

struct Inner {
    mcu: Mcu,
    oid: u8,
    queue: QueueId,
    invert: bool,
    set: OnceCell<Cmd>,
    /// Wire value of "fully on".
    full: Cell<f64>,
    last_clock: Cell<u64>,
}

impl Inner {
    fn new(mcu: &Mcu, invert: bool) -> Rc<Self> {
        mcu.reserve_move_slot();
        Rc::new(Inner {
            mcu: mcu.clone(),
            oid: mcu.create_oid(),
            queue: mcu.alloc_queue(),
            invert,
            set: OnceCell::new(),
            full: Cell::new(0.0),
            last_clock: Cell::new(0),
        })
    }

    fn wire_value(&self, value: f64) -> i64 {
        let value = value.clamp(0.0, 1.0);
        let value = if self.invert { 1.0 - value } else { value };
        (value * self.full.get() + 0.5) as i64
    }

    fn set_pwm(&self, print_time: f64, value: f64) {
        let Some(set) = self.set.get() else { return };
        let clock = self.mcu.print_time_to_clock(print_time).max(0) as u64;
        let args = [self.oid.into(), (clock as u32).into(), self.wire_value(value).into()];
        self.mcu.send(set, &args, self.queue, self.last_clock.get(), clock);
        self.last_clock.set(clock);
    }

    fn first_clock(&self) -> u64 {
        let now = if self.mcu.is_offline() { 0.0 } else { self.mcu.estimated_print_time(self.mcu.reactor().now()) };
        let clock = self.mcu.print_time_to_clock(now + FIRST_VALUE_AHEAD_S).max(0) as u64;
        self.last_clock.set(clock);
        clock
    }

    fn check_max_duration(&self, pin: &str, setup: &PwmSetup) -> Result<i64, McuError> {
        let ticks = duration_ticks(&self.mcu, pin, setup.max_duration_s)?;
        if ticks > 0 && setup.start_value != setup.shutdown_value {
            return Err(unequal_start(&self.mcu, pin));
        }
        Ok(ticks)
    }

    fn configure_soft(&self, pin: &str, setup: &PwmSetup) -> Result<(), McuError> {
        let mcu = &self.mcu;
        if setup.shutdown_value != 0.0 && setup.shutdown_value != 1.0 {
            let cause = format!("pin {pin}: shutdown value must be 0.0 or 1.0 on soft pwm");
            return Err(mcu.error(McuErrorCause::BadValue(cause)));
        }
        let max_ticks = self.check_max_duration(pin, setup)?;
        let cycle_ticks = duration_ticks(mcu, pin, setup.cycle_time_s)?;
        self.full.set(cycle_ticks as f64);
        let start = u8::from((setup.start_value >= 1.0) != self.invert);
        let shutdown = u8::from((setup.shutdown_value >= 0.5) != self.invert);
        let oid = self.oid;
        mcu.add_config_cmd(format!(
            "config_digital_out oid={oid} pin={pin} value={start} default_value={shutdown} max_duration={max_ticks}"
        ));
        mcu.add_config_cmd(format!("set_digital_out_pwm_cycle oid={oid} cycle_ticks={cycle_ticks}"));
        let (clock, on_ticks) = (self.first_clock() as u32, self.wire_value(setup.start_value));
        mcu.add_init_cmd(format!("queue_digital_out oid={oid} clock={clock} on_ticks={on_ticks}"));
        let _ = self.set.set(mcu.lookup_command(QUEUE_DIGITAL_OUT)?);
        Ok(())
    }

    fn configure_hard(&self, pin: &str, setup: &PwmSetup) -> Result<(), McuError> {
        let mcu = &self.mcu;
        let max_ticks = self.check_max_duration(pin, setup)?;
        let cycle_ticks = duration_ticks(mcu, pin, setup.cycle_time_s)?;
        self.full.set(mcu.require_constant_f64("PWM_MAX")?);
        let (start, shutdown) = (self.wire_value(setup.start_value), self.wire_value(setup.shutdown_value));
        let oid = self.oid;
        mcu.add_config_cmd(format!(
            "config_pwm_out oid={oid} pin={pin} cycle_ticks={cycle_ticks} value={start} default_value={shutdown} \
             max_duration={max_ticks}"
        ));
        mcu.add_init_cmd(format!("queue_pwm_out oid={oid} clock={} value={start}", self.first_clock() as u32));
        let _ = self.set.set(mcu.lookup_command("queue_pwm_out oid=%c clock=%u value=%hu")?);
        Ok(())
    }
}

/// PWM that the firmware makes by switching a pin; for heaters and fans. Clones share it.
#[derive(Clone)]
pub struct SoftPwm(Rc<Inner>);

impl SoftPwm {
    pub fn new(mcu: &Mcu, pin: &str, invert: bool, setup: PwmSetup) -> SoftPwm {
        let inner = Inner::new(mcu, invert);
        let (configured, pin) = (inner.clone(), pin.to_string());
        mcu.register_config_callback(move |_| configured.configure_soft(&pin, &setup));
        SoftPwm(inner)
    }

    pub fn mcu(&self) -> &Mcu {
        &self.0.mcu
    }

    pub fn oid(&self) -> u8 {
        self.0.oid
    }

    /// Duty cycle 0..1 from `print_time` on, which must not be before the last one given.
    pub fn set_pwm(&self, print_time: f64, value: f64) {
        self.0.set_pwm(print_time, value);
    }
}

/// PWM that a timer of the chip makes. Clones share it.
#[derive(Clone)]
pub struct HardPwm(Rc<Inner>);

impl HardPwm {
    pub fn new(mcu: &Mcu, pin: &str, invert: bool, setup: PwmSetup) -> HardPwm {
        let inner = Inner::new(mcu, invert);
        let (configured, pin) = (inner.clone(), pin.to_string());
        mcu.register_config_callback(move |_| configured.configure_hard(&pin, &setup));
        HardPwm(inner)
    }

    pub fn mcu(&self) -> &Mcu {
        &self.0.mcu
    }

    pub fn oid(&self) -> u8 {
        self.0.oid
    }

    /// Duty cycle 0..1 from `print_time` on, which must not be before the last one given.
    pub fn set_pwm(&self, print_time: f64, value: f64) {
        self.0.set_pwm(print_time, value);
    }
}
