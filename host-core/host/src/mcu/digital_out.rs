//! A pin that is switched at given times (enable lines, relays, static outputs).

use super::client::Mcu;
use super::command::Cmd;
use super::error::{McuError, McuErrorCause};
use super::serial_queue::QueueId;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;

pub(super) const QUEUE_DIGITAL_OUT: &str = "queue_digital_out oid=%c clock=%u on_ticks=%u";

/// An output pin; clones share it.
#[derive(Clone)]
pub struct DigitalOut(Rc<Inner>);

struct Inner {
    mcu: Mcu,
    oid: u8,
    queue: QueueId,
    invert: bool,
    set: OnceCell<Cmd>,
    last_clock: Cell<u64>,
}

impl DigitalOut {
    /// The pin goes to `shutdown_value` when the micro-controller shuts down, and, with a `max_duration_s` above 0,
    /// shuts it down itself when no update comes for so long while it has another value.
    pub fn new(
        mcu: &Mcu,
        pin: &str,
        invert: bool,
        start_value: bool,
        shutdown_value: bool,
        max_duration_s: f64,
    ) -> DigitalOut {
        let out = DigitalOut(Rc::new(Inner {
            mcu: mcu.clone(),
            oid: mcu.create_oid(),
            queue: mcu.alloc_queue(),
            invert,
            set: OnceCell::new(),
            last_clock: Cell::new(0),
        }));
        mcu.reserve_move_slot();
        let (inner, pin) = (out.0.clone(), pin.to_string());
        mcu.register_config_callback(move |mcu| {
            let max_ticks = duration_ticks(mcu, &pin, max_duration_s)?;
            if max_ticks > 0 && start_value != shutdown_value {
                return Err(unequal_start(mcu, &pin));
            }
            let (start, shutdown) = (u8::from(start_value != invert), u8::from(shutdown_value != invert));
            mcu.add_config_cmd(format!(
                "config_digital_out oid={} pin={pin} value={start} default_value={shutdown} max_duration={max_ticks}",
                inner.oid
            ));
            mcu.add_restart_cmd(format!("update_digital_out oid={} value={start}", inner.oid));
            let _ = inner.set.set(mcu.lookup_command(QUEUE_DIGITAL_OUT)?);
            Ok(())
        });
        out
    }

    pub fn mcu(&self) -> &Mcu {
        &self.0.mcu
    }

    pub fn oid(&self) -> u8 {
        self.0.oid
    }

    /// Switches the pin at `print_time`, which must not be before the last one given.
    pub fn set(&self, print_time: f64, on: bool) {
        let Some(set) = self.0.set.get() else { return };
        let clock = self.0.mcu.print_time_to_clock(print_time).max(0) as u64;
        let args = [self.0.oid.into(), (clock as u32).into(), (on != self.0.invert).into()];
        self.0.mcu.send(set, &args, self.0.queue, self.0.last_clock.get(), clock);
        self.0.last_clock.set(clock);
    }
}

/// Ticks of a safety time-out; it must be comparable as a clock.
pub(super) fn duration_ticks(mcu: &Mcu, pin: &str, max_duration_s: f64) -> Result<i64, McuError> {
    let ticks = mcu.seconds_to_clock(max_duration_s);
    if !(0..1 << 31).contains(&ticks) {
        return Err(mcu.error(McuErrorCause::BadValue(format!(
            "pin {pin}: a maximum duration of {max_duration_s} s is outside 0 .. {:.1} s",
            2_147_483_647.0 / mcu.clock_freq()
        ))));
    }
    Ok(ticks)
}

pub(super) fn unequal_start(mcu: &Mcu, pin: &str) -> McuError {
    mcu.error(McuErrorCause::BadValue(format!(
        "pin {pin}: Pin with max duration must have start value equal to shutdown value"
    )))
}
