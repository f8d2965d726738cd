//! `[output_pin NAME]`: a pin that SET_PIN sets.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use super::pin::{self, Pin, Queued};
use super::pin_queue::{Change, PinQueue};
use crate::config::{ConfigError, Section};
use crate::gcode::Command;
use crate::printer::dispatch::CommandResult;
use crate::printer::{Event, Object, Printer, Value};
use crate::reactor::EventTime;

/// Changes are at least this far apart.
const GAP_S: f64 = 0.100;
/// A value is sent again this long before `maximum_mcu_duration` runs out.
const RESEND_MARGIN_S: f64 = 0.400;

pub struct OutputPin {
    printer: Weak<Printer>,
    pin: Pin,
    scale: f64,
    is_pwm: bool,
    shutdown_value: f64,
    queue: RefCell<PinQueue>,
    releasing: Cell<bool>,
}

impl Object for OutputPin {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        Some(minijinja::context! { value => self.queue.borrow().value() })
    }
}

impl Queued for OutputPin {
    fn pin(&self) -> &Pin {
        &self.pin
    }
    fn printer(&self) -> &Weak<Printer> {
        &self.printer
    }
    fn with_queue(&self, f: &mut dyn FnMut(&mut PinQueue)) {
        f(&mut self.queue.borrow_mut());
    }
    fn releasing(&self) -> &Cell<bool> {
        &self.releasing
    }
}

pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let is_pwm = section.boolean("pwm").or(false)?;
    let scale = if is_pwm { section.float("scale").above(0.0).or(1.0)? } else { 1.0 };
    let max_duration_s = match section.float("maximum_mcu_duration").min(0.0).max(60.0).or(0.0)? {
        0.0 => 0.0,
        s if s >= 0.5 => s,
        _ => return Err(section.error("maximum_mcu_duration", "maximum_mcu_duration must be 0, or at least 0.5")),
    };
    let start = section.float("value").min(0.0).max(scale).or(0.0)? / scale;
    let shutdown_value = section.float("shutdown_value").min(0.0).max(scale).or(0.0)? / scale;
    let dimmed = |v: f64| v != 0.0 && v != 1.0;
    if !is_pwm && (dimmed(start) || dimmed(shutdown_value)) {
        let option = if dimmed(start) { "value" } else { "shutdown_value" };
        return Err(section.error(option, "the value of a digital pin is 0 or 1").help("set pwm: True to dim the pin"));
    }
    if max_duration_s > 0.0 && start != shutdown_value {
        let error = section.error("value", "a pin with maximum_mcu_duration must start at its shutdown_value");
        return Err(error.help("make value and shutdown_value the same"));
    }
    let pin = match is_pwm {
        true => Pin::pwm(printer, section, "pin", 0.100, start, shutdown_value, max_duration_s)?,
        false => Pin::digital(printer, section, "pin", start != 0.0, shutdown_value != 0.0, max_duration_s)?,
    };
    let this = Rc::new(OutputPin {
        printer: Rc::downgrade(printer),
        pin,
        scale,
        is_pwm,
        shutdown_value,
        queue: RefCell::new(PinQueue::new(GAP_S, start)),
        releasing: Cell::new(false),
    });
    printer.add_object(section.name(), this.clone());
    let me = this.clone();
    let name = Some(section.identifier());
    printer.gcode.register_mux("SET_PIN", "PIN", name, "Set the value of an output pin", move |printer, command| {
        me.set_pin(printer, command)
    });
    if max_duration_s > 0.0 {
        resend(printer, &this, max_duration_s - RESEND_MARGIN_S);
    }
    Ok(())
}

impl OutputPin {
    fn set_pin(self: &Rc<Self>, printer: &Rc<Printer>, command: &Command<'_>) -> CommandResult {
        if command.has("TEMPLATE") {
            return Err(command.error("SET_PIN TEMPLATE is not supported yet"));
        }
        let value = command.float("VALUE").min(0.0).max(self.scale).required()? / self.scale;
        if !self.is_pwm && value != 0.0 && value != 1.0 {
            return Err(command.error("Invalid pin value: a digital pin is 0 or 1"));
        }
        let this = self.clone();
        pin::after_moves(printer, move |print_time| this.set(print_time, value));
        Ok(())
    }

    fn set(self: &Rc<Self>, print_time: f64, value: f64) {
        let Some(printer) = self.printer.upgrade() else { return };
        if printer.is_shutdown() {
            return;
        }
        let time_s = print_time.max(pin::soonest(&printer));
        self.queue.borrow_mut().push(Change { time_s, value }, |change| self.pin.set(change));
        pin::release_later(self);
    }
}

/// Tells the micro-controller again and again, which switches off by itself when the host is gone.
fn resend(printer: &Rc<Printer>, pin: &Rc<OutputPin>, interval_s: f64) {
    if printer.is_offline() {
        return;
    }
    let (weak, pin) = (Rc::downgrade(printer), Rc::downgrade(pin));
    printer.on(Event::Ready, move || {
        let Some(printer) = weak.upgrade() else { return };
        let (weak, pin) = (weak.clone(), pin.clone());
        printer.reactor.spawn("output_pin", async move {
            while let (Some(printer), Some(pin)) = (weak.upgrade(), pin.upgrade())
                && !printer.is_shutdown()
            {
                let at_s = pin::soonest(&printer);
                let again = pin.queue.borrow_mut().repeat(at_s).filter(|c| c.value != pin.shutdown_value);
                if let Some(change) = again {
                    pin.pin.set(change);
                }
                let sleep = printer.reactor.sleep(interval_s.max(0.1));
                drop((printer, pin));
                sleep.await;
            }
        });
    });
}
