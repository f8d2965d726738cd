//! How long the print has run, of what file, and how it ended: `printer.print_stats`.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

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
    /// Filament that the file asked for, mm, and the extruder when it was last counted, which is while the print runs.
    filament_mm: f64,
    counted_at_mm: Option<f64>,
}

pub struct PrintStats {
    printer: Weak<Printer>,
    stats: RefCell<Stats>,
}

impl Object for PrintStats {
    fn status(&self, eventtime: EventTime) -> Option<Value> {
        self.count_filament();
        let s = self.stats.borrow();
        let end = s.end.unwrap_or(eventtime);
        let total = s.start.map_or(0.0, |start| end - start);
        let paused = s.paused_s + s.paused_at.map_or(0.0, |at| end - at);
        Some(minijinja::context! {
            filename => s.filename.clone(),
            total_duration => total,
            print_duration => (total - paused).max(0.0),
            filament_used => s.filament_mm,
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
        let this = Rc::new(PrintStats { printer: Rc::downgrade(printer), stats: RefCell::default() });
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

    /// Adds what was extruded since the last time, M221 taken out.
    pub fn count_filament(&self) {
        let mut s = self.stats.borrow_mut();
        if let (Some(before_mm), Some(printer)) = (s.counted_at_mm, self.printer.upgrade()) {
            let (now_mm, factor) = (printer.gcode_move().extruder_mm(), printer.gcode_move().extrude_factor());
            s.filament_mm += (now_mm - before_mm) / factor;
            s.counted_at_mm = Some(now_mm);
        }
    }

    pub fn note_start(&self, now: EventTime) {
        let mut s = self.stats.borrow_mut();
        s.counted_at_mm = self.printer.upgrade().map(|printer| printer.gcode_move().extruder_mm());
        s.start.get_or_insert(now);
        if let Some(at) = s.paused_at.take() {
            s.paused_s += now - at;
        }
        s.state = "printing";
        s.message.clear();
        s.end = None;
    }

    pub fn note_pause(&self, now: EventTime) {
        self.count_filament();
        let mut s = self.stats.borrow_mut();
        s.counted_at_mm = None;
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
        self.count_filament();
        let mut s = self.stats.borrow_mut();
        s.counted_at_mm = None;
        s.state = state;
        s.message = message.to_string();
        s.end = Some(now);
    }
}
