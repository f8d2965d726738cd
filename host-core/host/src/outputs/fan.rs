//! A fan, as every fan section of printer.cfg has it; and `[fan]`, the one for the part, with M106 and M107.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use super::fan_drive::{FanDrive, FanLimits};
use super::pin::{self, Pin, Queued};
use super::pin_queue::{Change, PinQueue};
use super::tachometer::Tachometer;
use crate::config::{ConfigError, Section};
use crate::printer::{Event, Object, Printer, Value};
use crate::reactor::EventTime;

pub struct Fan {
    printer: Weak<Printer>,
    pin: Pin,
    enable: Option<Pin>,
    drive: RefCell<FanDrive>,
    enabled: Cell<bool>,
    releasing: Cell<bool>,
    tachometer: Option<Tachometer>,
}

impl Fan {
    /// Reads the options that all fans share.
    pub fn load(printer: &Rc<Printer>, section: &Section, default_shutdown_speed: f64) -> Result<Rc<Fan>, ConfigError> {
        let max_power = section.float("max_power").above(0.0).max(1.0).or(1.0)?;
        let limits = FanLimits {
            max_power,
            off_below: section.float("off_below").min(0.0).max(1.0).or(0.0)?,
            kick_start_s: section.float("kick_start_time").min(0.0).or(0.1)?,
        };
        let shutdown_speed = section.float("shutdown_speed").min(0.0).max(1.0).or(default_shutdown_speed)?;
        let shutdown_value = (shutdown_speed * max_power).clamp(0.0, 1.0);
        // A dimmed shutdown speed is for hardware PWM only; a scaled full one means "on".
        let hardware = section.boolean("hardware_pwm").or(false)?;
        let shutdown_value = if !hardware && shutdown_speed == 1.0 { 1.0 } else { shutdown_value };
        let pin = Pin::pwm(printer, section, "pin", 0.010, 0.0, shutdown_value, 0.0)?;
        let enable = match section.has("enable_pin") {
            true => Some(Pin::digital(printer, section, "enable_pin", false, shutdown_speed > 0.0, 0.0)?),
            false => None,
        };
        let fan = Rc::new(Fan {
            printer: Rc::downgrade(printer),
            pin,
            enable,
            drive: RefCell::new(FanDrive::new(limits)),
            enabled: Cell::new(false),
            releasing: Cell::new(false),
            tachometer: Tachometer::load(printer, section)?,
        });
        Ok(fan)
    }

    /// Speed from a print time on; `None` is as soon as it goes.
    pub fn set_speed(self: &Rc<Self>, print_time: Option<f64>, speed: f64) {
        let Some(printer) = self.printer.upgrade() else { return };
        if printer.is_shutdown() {
            return;
        }
        let soonest_s = pin::soonest(&printer);
        let time_s = print_time.map_or(soonest_s, |t| t.max(soonest_s));
        self.drive.borrow_mut().set_speed(time_s, speed, |change| self.send(change));
        pin::release_later(self);
    }

    /// Speed from the moment on at which all queued moves have been made.
    pub fn set_speed_after_moves(self: &Rc<Self>, printer: &Rc<Printer>, speed: f64) {
        let fan = self.clone();
        pin::after_moves(printer, move |print_time| fan.set_speed(Some(print_time), speed));
    }

    fn send(&self, change: Change) {
        if let Some(enable) = &self.enable
            && self.enabled.replace(change.value > 0.0) != (change.value > 0.0)
        {
            enable.set(Change { time_s: change.time_s, value: f64::from(u8::from(change.value > 0.0)) });
        }
        self.pin.set(change);
    }

    pub fn speed(&self) -> f64 {
        self.drive.borrow().speed()
    }

    pub fn status(&self) -> Value {
        let rpm = self.tachometer.as_ref().map(Tachometer::rpm);
        minijinja::context! { speed => self.speed(), rpm => rpm }
    }
}

impl Queued for Fan {
    fn pin(&self) -> &Pin {
        &self.pin
    }
    fn printer(&self) -> &Weak<Printer> {
        &self.printer
    }
    fn with_queue(&self, f: &mut dyn FnMut(&mut PinQueue)) {
        f(&mut self.drive.borrow_mut().queue);
    }
    fn releasing(&self) -> &Cell<bool> {
        &self.releasing
    }
}

impl Object for Fan {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        Some(Fan::status(self))
    }
}

/// Loader of `[fan]`.
pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let fan = Fan::load(printer, section, 0.0)?;
    printer.add_object(section.name(), fan.clone());
    let me = fan.clone();
    printer.gcode.register("M106", "Set fan speed", move |printer, command| {
        let speed = command.float("S").min(0.0).or(255.0)? / 255.0;
        me.set_speed_after_moves(printer, speed);
        Ok(())
    });
    printer.gcode.register("M107", "Turn fan off", move |printer, _| {
        fan.set_speed_after_moves(printer, 0.0);
        Ok(())
    });
    Ok(())
}

/// Calls `act` each second from the moment on at which the printer is ready, until it is shut down.
pub(super) fn each_second(printer: &Rc<Printer>, name: &'static str, act: impl Fn(&Rc<Printer>) + 'static) {
    if printer.is_offline() {
        return;
    }
    let weak = Rc::downgrade(printer);
    let act = Rc::new(act);
    printer.on(Event::Ready, move || {
        let Some(printer) = weak.upgrade() else { return };
        let (weak, act) = (weak.clone(), act.clone());
        printer.reactor.spawn(name, async move {
            while let Some(printer) = weak.upgrade()
                && !printer.is_shutdown()
            {
                act(&printer);
                let sleep = printer.reactor.sleep(1.0);
                drop(printer);
                sleep.await;
            }
        });
    });
}
