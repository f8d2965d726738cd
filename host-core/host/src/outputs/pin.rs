//! One pin with a value of 0 to 1, however the micro-controller makes it.

use std::cell::Cell;
use std::rc::{Rc, Weak};

use super::pin_queue::{Change, PinQueue};
use crate::config::{ConfigError, Section};
use crate::mcu::{DigitalOut, HardPwm, PwmSetup, SoftPwm};
use crate::printer::Printer;
use crate::printer::pins::PinFlags;

/// A change reaches the micro-controller at least this long before its time.
pub const LEAD_S: f64 = 0.100;
/// A change that waits is sent this long before its time.
const RELEASE_S: f64 = 0.250;

pub enum Pin {
    Digital(DigitalOut),
    Soft(SoftPwm),
    Hard(HardPwm),
}

impl Pin {
    /// Takes the pin of `option` as PWM; `hardware_pwm` and `cycle_time` are options beside it.
    pub fn pwm(
        printer: &Rc<Printer>,
        section: &Section,
        option: &str,
        default_cycle_s: f64,
        start_value: f64,
        shutdown_value: f64,
        max_duration_s: f64,
    ) -> Result<Pin, ConfigError> {
        let cycle_time_s = section.float("cycle_time").above(0.0).or(default_cycle_s)?;
        let hardware = section.boolean("hardware_pwm").or(false)?;
        if !hardware && shutdown_value != 0.0 && shutdown_value != 1.0 {
            let name =
                ["shutdown_value", "shutdown_speed"].into_iter().find(|name| section.has(name)).unwrap_or(option);
            let error = section.error(name, "shutdown value must be 0.0 or 1.0 on soft pwm");
            return Err(error.help("set hardware_pwm: True, or make it all or nothing"));
        }
        let pin = printer.pins.take(printer, section, option, PinFlags::OUTPUT, None)?;
        let setup = PwmSetup { cycle_time_s, start_value, shutdown_value, max_duration_s };
        Ok(match hardware {
            true => Pin::Hard(HardPwm::new(&pin.mcu, &pin.name, pin.invert, setup)),
            false => Pin::Soft(SoftPwm::new(&pin.mcu, &pin.name, pin.invert, setup)),
        })
    }

    pub fn digital(
        printer: &Rc<Printer>,
        section: &Section,
        option: &str,
        start: bool,
        shutdown: bool,
        max_duration_s: f64,
    ) -> Result<Pin, ConfigError> {
        let pin = printer.pins.take(printer, section, option, PinFlags::OUTPUT, None)?;
        Ok(Pin::Digital(DigitalOut::new(&pin.mcu, &pin.name, pin.invert, start, shutdown, max_duration_s)))
    }

    pub fn set(&self, change: Change) {
        match self {
            Pin::Digital(pin) => pin.set(change.time_s, change.value >= 0.5),
            Pin::Soft(pin) => pin.set_pwm(change.time_s, change.value),
            Pin::Hard(pin) => pin.set_pwm(change.time_s, change.value),
        }
    }
}

/// Something that holds a [`PinQueue`] and the pin it feeds.
pub trait Queued: 'static {
    fn pin(&self) -> &Pin;
    fn printer(&self) -> &Weak<Printer>;
    fn with_queue(&self, f: &mut dyn FnMut(&mut PinQueue));
    /// Is a task under way that will send what waits?
    fn releasing(&self) -> &Cell<bool>;
}

/// Earliest print time at which a change may still be asked for.
pub fn soonest(printer: &Printer) -> f64 {
    if printer.is_offline() {
        // No clock runs, so nothing is too late.
        return LEAD_S;
    }
    printer.main_mcu().estimated_print_time(printer.reactor.now()) + LEAD_S
}

/// Sees to it that a change that waits in the queue goes out in time.
pub fn release_later<Q: Queued>(this: &Rc<Q>) {
    let waiting = waiting_change(&**this);
    if waiting.is_none() || this.releasing().replace(true) {
        return;
    }
    let Some(printer) = this.printer().upgrade() else { return };
    let weak = Rc::downgrade(this);
    printer.reactor.clone().spawn("pin", async move {
        while let Some(this) = weak.upgrade()
            && let Some(change) = waiting_change(&*this)
            && let Some(printer) = this.printer().upgrade()
        {
            let ahead_s = change.time_s - printer.main_mcu().estimated_print_time(printer.reactor.now());
            if ahead_s <= RELEASE_S || printer.is_shutdown() {
                this.with_queue(&mut |queue| queue.release(|change| this.pin().set(change)));
                continue;
            }
            let sleep = printer.reactor.sleep(ahead_s - RELEASE_S);
            drop((this, printer));
            sleep.await;
        }
        if let Some(this) = weak.upgrade() {
            this.releasing().set(false);
        }
    });
}

fn waiting_change(queued: &impl Queued) -> Option<Change> {
    let mut waiting = None;
    queued.with_queue(&mut |queue| waiting = queue.waiting());
    waiting
}

/// Runs `act` at the print time at which all queued moves have been made; now where there is no tool head yet.
pub fn after_moves(printer: &Rc<Printer>, act: impl FnOnce(f64) + 'static) {
    let soonest_s = soonest(printer);
    if !printer.has_toolhead() {
        return act(soonest_s);
    }
    printer.toolhead().register_lookahead_callback(act);
}
