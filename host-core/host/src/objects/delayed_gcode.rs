//! `[delayed_gcode NAME]`: G-code that runs after a while; UPDATE_DELAYED_GCODE sets or stops its timer.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use crate::config::{ConfigError, Section};
use crate::macros::Template;
use crate::printer::{Event, Printer};
use crate::reactor::{Completion, EventTime, NEVER};

struct DelayedGcode {
    template: Template,
    due: Cell<EventTime>,
    changed: RefCell<Option<Completion<()>>>,
    printer: Weak<Printer>,
}

pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let this = Rc::new(DelayedGcode {
        template: Template::compile(&format!("{}:gcode", section.name()), &section.gcode_required("gcode")?)?,
        due: Cell::new(NEVER),
        changed: RefCell::default(),
        printer: Rc::downgrade(printer),
    });
    let initial_s = section.float("initial_duration").min(0.0).or(0.0)?;
    let me = this.clone();
    printer.on(Event::Ready, move || {
        if initial_s > 0.0 {
            me.set(initial_s);
        }
        let task = me.clone();
        if let Some(printer) = me.printer.upgrade() {
            printer.reactor.spawn("delayed_gcode", async move { task.run().await });
        }
    });
    printer.gcode.register_mux(
        "UPDATE_DELAYED_GCODE",
        "ID",
        Some(section.identifier()),
        "Update the duration of a delayed_gcode",
        move |_, command| {
            this.set(command.float("DURATION").min(0.0).required()?);
            Ok(())
        },
    );
    Ok(())
}

impl DelayedGcode {
    /// Due in so many seconds; 0 is never.
    fn set(&self, seconds: f64) {
        let Some(printer) = self.printer.upgrade() else { return };
        self.due.set(if seconds > 0.0 { printer.reactor.now() + seconds } else { NEVER });
        if let Some(changed) = self.changed.borrow_mut().take() {
            changed.complete(());
        }
    }

    async fn run(self: Rc<Self>) {
        loop {
            let Some(printer) = self.printer.upgrade() else { return };
            let changed = printer.reactor.completion();
            *self.changed.borrow_mut() = Some(changed.clone());
            if changed.wait_until(self.due.get()).await.is_some() || printer.is_shutdown() {
                if printer.is_shutdown() {
                    return;
                }
                continue;
            }
            self.due.set(NEVER);
            let result = match self.template.render_gcode(&printer) {
                Ok(script) => printer.gcode.run_script(&printer, &script).await,
                Err(error) => Err(error),
            };
            printer.gcode.finish(&printer, result);
        }
    }
}
