//! The speed signal of a fan.

use std::cell::Cell;
use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::mcu::Counter;
use crate::printer::Printer;
use crate::printer::pins::PinFlags;

const SAMPLE_TIME_S: f64 = 1.0;

pub struct Tachometer {
    /// Kept alive; its reports set `rpm`.
    _counter: Counter,
    rpm: Rc<Cell<f64>>,
}

impl Tachometer {
    /// `None` where the section names no `tachometer_pin`.
    pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<Option<Tachometer>, ConfigError> {
        let Some(pin) = printer.pins.take_optional(printer, section, "tachometer_pin", PinFlags::INPUT)? else {
            return Ok(None);
        };
        let pulses_per_turn = section.int("tachometer_ppr").min(1).or(2)?;
        let poll_time_s = section.float("tachometer_poll_interval").above(0.0).or(0.0015)?;
        let counter = Counter::new(&pin.mcu, &pin.name, pin.pullup, SAMPLE_TIME_S, poll_time_s);
        let rpm = Rc::new(Cell::new(0.0));
        let shown = rpm.clone();
        let last: Cell<Option<(u64, f64)>> = Cell::new(None);
        counter.on_count(move |_report_s, edges, edge_s| {
            // Between two edges, not between two reports: a slow fan has few edges.
            if let Some((last_edges, last_edge_s)) = last.replace(Some((edges, edge_s))) {
                shown.set(turns_per_minute(edge_s - last_edge_s, edges.saturating_sub(last_edges), pulses_per_turn));
            }
        });
        Ok(Some(Tachometer { _counter: counter, rpm }))
    }

    pub fn rpm(&self) -> f64 {
        self.rpm.get()
    }
}

/// The counter counts both edges of a pulse.
fn turns_per_minute(seconds: f64, edges: u64, pulses_per_turn: i64) -> f64 {
    if seconds <= 0.0 {
        return 0.0;
    }
    edges as f64 / 2.0 / pulses_per_turn as f64 / seconds * 60.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pulses_a_turn_are_four_edges() {
        assert!((turns_per_minute(1.0, 200, 2) - 3000.0).abs() < 1e-9);
        assert_eq!(turns_per_minute(0.0, 200, 2), 0.0);
    }
}
