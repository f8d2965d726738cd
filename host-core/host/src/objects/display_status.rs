//! `[display_status]`: M73 progress and M117 messages, for displays and user interfaces.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::objects::virtual_sdcard::VirtualSdcard;
use crate::printer::{Object, Printer, Value};
use crate::reactor::EventTime;

/// M73 values older than this give way to the position in the file.
const M73_TIMEOUT_S: f64 = 5.0;

pub struct DisplayStatus {
    progress: Cell<Option<f64>>,
    expire: Cell<EventTime>,
    message: RefCell<Option<String>>,
    printer: std::rc::Weak<Printer>,
}

impl Object for DisplayStatus {
    fn status(&self, eventtime: EventTime) -> Option<Value> {
        let sd: Option<Rc<VirtualSdcard>> = self.printer.upgrade().and_then(|p| p.lookup("virtual_sdcard"));
        let from_file = || sd.map_or(0.0, |sd| sd.progress());
        let fresh = self.progress.get().filter(|_| eventtime <= self.expire.get());
        Some(minijinja::context! {
            progress => fresh.unwrap_or_else(from_file),
            message => self.message.borrow().clone(),
        })
    }
}

impl DisplayStatus {
    pub fn load(printer: &Rc<Printer>, _section: &Section) -> Result<(), ConfigError> {
        let this = Rc::new(DisplayStatus {
            progress: Cell::new(None),
            expire: Cell::new(0.0),
            message: RefCell::default(),
            printer: Rc::downgrade(printer),
        });
        printer.add_object("display_status", this.clone());
        let display = this.clone();
        printer.gcode.register("M73", "Set the build percentage", move |printer, command| {
            if let Some(percent) = command.float("P").optional()? {
                display.progress.set(Some((percent / 100.0).clamp(0.0, 1.0)));
                display.expire.set(printer.reactor.now() + M73_TIMEOUT_S);
            }
            Ok(())
        });
        let display = this.clone();
        printer.gcode.register("M117", "Show a message", move |_, command| {
            let text = command.raw_params();
            *display.message.borrow_mut() = (!text.is_empty()).then(|| text.to_string());
            Ok(())
        });
        printer.gcode.register("SET_DISPLAY_TEXT", "Set or clear the display message", move |_, command| {
            *this.message.borrow_mut() = command.get("MSG").map(str::to_string);
            Ok(())
        });
        Ok(())
    }
}
