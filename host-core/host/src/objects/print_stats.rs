//! How long the print has run, of what file, and how it ended: `printer.print_stats`.

use std::cell::RefCell;
use std::rc::Rc;

use crate::printer::{Object, Printer, Value};
use crate::reactor::EventTime;

#[derive(Default, Clone)]
struct Stats {
    filename: String,
    state: &'static str,
    message: String,
    start: Option<EventTime>,
    paused_at: Option<EventTime>,
    paused_s: f64,
    end: Option<EventTime>,
    total_layer: Option<i64>,
    current_layer: Option<i64>,
}

#[derive(Default)]
pub struct PrintStats {
    stats: RefCell<Stats>,
}

impl Object for PrintStats {
    fn status(&self, eventtime: EventTime) -> Option<Value> {
        let s = self.stats.borrow();
        let end = s.end.unwrap_or(eventtime);
        let total = s.start.map_or(0.0, |start| end - start);
        let paused = s.paused_s + s.paused_at.map_or(0.0, |at| end - at);
        Some(minijinja::context! {
            filename => s.filename.clone(),
            total_duration => total,
            print_duration => (total - paused).max(0.0),
            filament_used => 0.0,
            state => s.state,
            message => s.message.clone(),
            info => minijinja::context! { total_layer => s.total_layer, current_layer => s.current_layer },
        })
    }
}

impl PrintStats {
    /// Makes the object once; several features need it.
    pub fn ensure(printer: &Rc<Printer>) {
        if printer.lookup::<PrintStats>("print_stats").is_some() {
            return;
        }
        let this = Rc::new(PrintStats::default());
        this.reset();
        printer.add_object("print_stats", this);
        printer.gcode.register(
            "SET_PRINT_STATS_INFO",
            "Pass slicer info like layer act and total to klipper",
            |printer, command| {
                let this = PrintStats::of(printer);
                let mut s = this.stats.borrow_mut();
                if let Some(total) = command.int("TOTAL_LAYER").min(0).optional()? {
                    s.total_layer = (total > 0).then_some(total);
                    s.current_layer = (total > 0).then_some(0);
                }
                if let (Some(current), Some(total)) = (command.int("CURRENT_LAYER").min(0).optional()?, s.total_layer) {
                    s.current_layer = Some(current.min(total));
                }
                Ok(())
            },
        );
    }

    pub fn of(printer: &Printer) -> Rc<PrintStats> {
        printer.lookup("print_stats").expect("made by whoever loaded the virtual SD card")
    }

    pub fn reset(&self) {
        *self.stats.borrow_mut() = Stats { state: "standby", ..Stats::default() };
    }

    pub fn set_file(&self, name: &str) {
        self.reset();
        self.stats.borrow_mut().filename = name.to_string();
    }

    pub fn state(&self) -> &'static str {
        self.stats.borrow().state
    }

    pub fn note_start(&self, now: EventTime) {
        let mut s = self.stats.borrow_mut();
        s.start.get_or_insert(now);
        if let Some(at) = s.paused_at.take() {
            s.paused_s += now - at;
        }
        s.state = "printing";
        s.message.clear();
        s.end = None;
    }

    pub fn note_pause(&self, now: EventTime) {
        let mut s = self.stats.borrow_mut();
        s.paused_at.get_or_insert(now);
        if s.state != "error" {
            s.state = "paused";
        }
    }

    pub fn note_complete(&self, now: EventTime) {
        self.finish(now, "complete", "");
    }

    pub fn note_cancel(&self, now: EventTime) {
        self.finish(now, "cancelled", "");
    }

    pub fn note_error(&self, now: EventTime, message: &str) {
        self.finish(now, "error", message);
    }

    fn finish(&self, now: EventTime, state: &'static str, message: &str) {
        let mut s = self.stats.borrow_mut();
        s.state = state;
        s.message = message.to_string();
        s.end = Some(now);
    }
}
