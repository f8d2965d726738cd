//! `[idle_timeout]`: is the printer printing, ready or idle, and what happens when it has been ready for long.
//!
//! It exists with or without a section. Twice a second it looks at the tool head's print time: a time that lies ahead, or
//! that is another one than at the last look, means motion. (Setting a heater moves the print time too, so that a
//! heater left on runs into the timeout.)

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use crate::config::{ConfigError, Section};
use crate::macros::Template;
use crate::printer::{Event, Object, Printer, Value};
use crate::reactor::EventTime;

const LOOK_EACH_S: f64 = 0.5;
/// Without moves for this long, printing is over.
const READY_AFTER_S: f64 = 0.5;
/// Klipper's default `gcode`.
const DEFAULT_GCODE: &str = "{% if 'heaters' in printer %}\n  TURN_OFF_HEATERS\n{% endif %}\nM84\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    Idle,
    Printing,
    Ready,
}

impl Activity {
    fn name(self) -> &'static str {
        match self {
            Activity::Idle => "Idle",
            Activity::Printing => "Printing",
            Activity::Ready => "Ready",
        }
    }

    fn event(self) -> Event {
        match self {
            Activity::Idle => Event::IdleIdle,
            Activity::Printing => Event::IdlePrinting,
            Activity::Ready => Event::IdleReady,
        }
    }
}

/// The decision, apart from the printer.
#[derive(Debug, Clone, PartialEq)]
struct Law {
    state: Activity,
    timeout_s: f64,
    /// Since when the printer prints.
    print_start: EventTime,
    /// When it last moved, or a script ran.
    last_active: EventTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Stay,
    Enter(Activity),
    /// The time is up: run the G-code, then be idle.
    TimeUp,
}

impl Law {
    fn begin_motion(&mut self, now: EventTime) -> Step {
        self.last_active = now;
        if self.state == Activity::Printing {
            return Step::Stay;
        }
        self.state = Activity::Printing;
        self.print_start = now;
        Step::Enter(Activity::Printing)
    }

    /// `moving`: moves are queued or under way. `busy`: a script has the turn.
    fn look(&mut self, now: EventTime, moving: bool, busy: bool) -> Step {
        if moving {
            return self.begin_motion(now);
        }
        if busy && self.state != Activity::Idle {
            self.last_active = now;
        }
        let still_s = now - self.last_active;
        match self.state {
            Activity::Printing if still_s >= READY_AFTER_S => {
                self.state = Activity::Ready;
                self.last_active = now;
                Step::Enter(Activity::Ready)
            }
            Activity::Ready if still_s >= self.timeout_s => Step::TimeUp,
            _ => Step::Stay,
        }
    }
}

pub struct IdleTimeout {
    printer: Weak<Printer>,
    law: RefCell<Law>,
    gcode: Template,
    running: Cell<bool>,
    last_print_time: Cell<f64>,
}

impl Object for IdleTimeout {
    fn status(&self, eventtime: EventTime) -> Option<Value> {
        let law = self.law.borrow();
        let printing_time = if law.state == Activity::Printing { eventtime - law.print_start } else { 0.0 };
        Some(minijinja::context! { state => law.state.name(), printing_time, idle_timeout => law.timeout_s })
    }
}

/// Makes the object for a printer without the section too.
pub fn ensure(printer: &Rc<Printer>) -> Result<(), ConfigError> {
    match printer.lookup_object("idle_timeout") {
        Some(_) => Ok(()),
        None => load(printer, &printer.config.section_or_empty("idle_timeout")),
    }
}

/// Loader of `[idle_timeout]`.
pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let timeout_s = section.float("timeout").above(0.0).or(600.0)?;
    let gcode = section.template_or("gcode", DEFAULT_GCODE)?;
    let law = Law { state: Activity::Idle, timeout_s, print_start: 0.0, last_active: 0.0 };
    let this = Rc::new(IdleTimeout {
        printer: Rc::downgrade(printer),
        law: RefCell::new(law),
        gcode,
        running: Cell::new(false),
        last_print_time: Cell::new(0.0),
    });
    printer.add_object("idle_timeout", this.clone());
    let me = this.clone();
    printer.gcode.register("SET_IDLE_TIMEOUT", "Set the idle timeout in seconds", move |printer, command| {
        let current = me.law.borrow().timeout_s;
        let timeout_s = command.float("TIMEOUT").above(0.0).or(current)?;
        me.law.borrow_mut().timeout_s = timeout_s;
        printer.gcode.respond_info(&format!("idle_timeout: Timeout set to {timeout_s:.2} s."));
        Ok(())
    });
    if !printer.is_offline() {
        printer.on(Event::Ready, move || this.start());
    }
    Ok(())
}

impl IdleTimeout {
    fn start(self: &Rc<Self>) {
        let Some(printer) = self.printer.upgrade() else { return };
        let weak = Rc::downgrade(self);
        printer.reactor.spawn("idle_timeout", async move {
            while let Some(this) = weak.upgrade()
                && let Some(printer) = this.printer.upgrade()
                && !printer.is_shutdown()
            {
                if this.look(&printer) == Step::TimeUp {
                    this.time_up(&printer).await;
                }
                let sleep = printer.reactor.sleep(LOOK_EACH_S);
                drop((this, printer));
                sleep.await;
            }
        });
    }

    fn look(&self, printer: &Rc<Printer>) -> Step {
        let now = printer.reactor.now();
        let moving = self.is_moving(printer);
        let step = self.law.borrow_mut().look(now, moving, printer.gcode.is_busy() && !self.running.get());
        self.take(printer, step);
        step
    }

    fn is_moving(&self, printer: &Printer) -> bool {
        let Some(toolhead) = printer.lookup_object("toolhead").and_then(|t| t.status(printer.reactor.now())) else {
            return false;
        };
        let field = |name| toolhead.get_attr(name).ok().and_then(|v| f64::try_from(v).ok()).unwrap_or(0.0);
        let print_time = field("print_time");
        let changed = self.last_print_time.replace(print_time) != print_time;
        changed || print_time > field("estimated_print_time")
    }

    fn take(&self, printer: &Printer, step: Step) {
        if let Step::Enter(activity) = step {
            printer.send(activity.event());
        }
    }

    async fn time_up(&self, printer: &Rc<Printer>) {
        self.running.set(true);
        let result = match self.gcode.render_gcode(printer) {
            Ok(script) => printer.gcode.run_script(printer, &script).await,
            Err(error) => Err(error),
        };
        self.running.set(false);
        if let Err(error) = result {
            printer.log(format!("idle timeout gcode execution: {error}"));
        }
        {
            let mut law = self.law.borrow_mut();
            law.state = Activity::Idle;
            law.last_active = printer.reactor.now();
        }
        self.take(printer, Step::Enter(Activity::Idle));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_then_ready_then_time_up_once_the_timeout_has_passed() {
        let mut law = Law { state: Activity::Idle, timeout_s: 10.0, print_start: 0.0, last_active: 0.0 };
        assert_eq!(law.look(100.0, false, false), Step::Stay, "an idle printer stays idle");
        assert_eq!(law.look(101.0, true, false), Step::Enter(Activity::Printing));
        assert_eq!(law.look(101.4, false, false), Step::Stay);
        assert_eq!(law.look(101.6, false, false), Step::Enter(Activity::Ready));
        assert_eq!(law.look(111.5, false, false), Step::Stay);
        assert_eq!(law.look(111.6, false, false), Step::TimeUp);
    }

    #[test]
    fn a_script_that_waits_without_moving_keeps_the_printer_awake() {
        let mut law = Law { state: Activity::Ready, timeout_s: 10.0, print_start: 0.0, last_active: 0.0 };
        for second in 1..100 {
            assert_eq!(law.look(f64::from(second), false, true), Step::Stay);
        }
        assert_eq!(law.look(108.0, false, false), Step::Stay);
        assert_eq!(law.look(109.0, false, false), Step::TimeUp);
    }

    #[test]
    fn the_states_have_the_names_that_user_interfaces_read() {
        assert_eq!(
            [Activity::Idle, Activity::Printing, Activity::Ready].map(Activity::name),
            ["Idle", "Printing", "Ready"]
        );
    }
}
