//! klippy.log in the form that the ecosystem's tools and people know: configuration, sessions, Stats lines, shutdowns.

use std::cell::Cell;
use std::rc::Rc;

use crate::printer::{Event, Printer, State};

/// One Stats line in so many seconds while anything is active.
const STATS_EVERY_S: f64 = 1.0;

/// Starts the Stats task and the report of shutdowns.
pub fn load(printer: &Rc<Printer>) {
    if printer.is_offline() {
        return;
    }
    let task = Rc::downgrade(printer);
    let reactor = printer.reactor.clone();
    printer.reactor.spawn("stats", async move {
        let quiet = Cell::new(false);
        loop {
            reactor.sleep(STATS_EVERY_S).await;
            let Some(printer) = task.upgrade() else { return };
            if printer.state() != State::Ready {
                continue;
            }
            let (active, line) = stats_line(&printer);
            // One more line after the activity ends, then silence until the next.
            if active || !quiet.get() {
                printer.log(line);
            }
            quiet.set(!active);
        }
    });
    let weak = Rc::downgrade(printer);
    printer.on(Event::Shutdown, move || {
        if let Some(printer) = weak.upgrade() {
            report_shutdown(&printer);
        }
    });
}

/// The block at the start of a session: what runs, and the whole configuration as it was read.
pub fn session_header(printer: &Printer) {
    printer.log(format!("Drydock host {} (Klipper protocol)", env!("CARGO_PKG_VERSION")));
    printer.log("===== Config file =====");
    for section in printer.config.raw_sections() {
        printer.log(format!("[{}]", section.name));
        for option in &section.options {
            printer.log(format!("{} = {}", option.name, option.value.replace('\n', "\n\t")));
        }
        printer.log("");
    }
    printer.log("=======================");
}

/// `Stats 12.0: ...`, and whether something is active.
fn stats_line(printer: &Printer) -> (bool, String) {
    let now = printer.reactor.now();
    let mut parts = vec![format!("gcodein={}", printer.gcode.lines_run())];
    let mut active = false;
    for mcu in printer.mcus() {
        parts.push(format!("{}: {}", mcu.name(), mcu.stats()));
    }
    printer.for_each_object(|_, object| {
        if let Some((busy, text)) = object.stats(now) {
            active |= busy;
            parts.push(text);
        }
    });
    (active, format!("Stats {now:.1}: {}", parts.join(" ")))
}

/// The last messages on each wire, decoded, and where the head was going.
fn report_shutdown(printer: &Printer) {
    for mcu in printer.mcus() {
        printer.log(format!("MCU '{}' shutdown: clocksync state: {}", mcu.name(), mcu.clock_sync_dump()));
        printer.log(format!("MCU '{}' {}", mcu.name(), mcu.stats()));
        mcu.dump_messages().into_iter().for_each(|line| printer.log(line));
    }
    if printer.has_toolhead() {
        let toolhead = printer.toolhead();
        let p = toolhead.position();
        printer.log(format!("Requested toolhead position at shutdown: ({:.6}, {:.6}, {:.6})", p[0], p[1], p[2]));
        let trapq = toolhead.trapq.borrow();
        for (i, s) in trapq.history().collect::<Vec<_>>().iter().rev().take(20).rev().enumerate() {
            printer.log(format!(
                "move {i}: pt={:.6} mt={:.6} sv={:.6} a={:.6} sp=({:.6},{:.6},{:.6}) ar=({:.6},{:.6},{:.6})",
                s.print_time,
                s.duration,
                s.start_v,
                2.0 * s.half_accel,
                s.start_pos[0],
                s.start_pos[1],
                s.start_pos[2],
                s.axes_r[0],
                s.axes_r[1],
                s.axes_r[2]
            ));
        }
    }
    if let State::Shutdown(message) = printer.state()
        && let Some(hint) = hint(&message)
    {
        printer.log(hint);
    }
}

/// What usually is behind a shutdown.
fn hint(message: &str) -> Option<&'static str> {
    const HINTS: [(&str, &str); 6] = [
        (
            "Timer too close",
            "A command reached the micro-controller after its time: the host was late, or the wire was.",
        ),
        (
            "Stepper too far in past",
            "Steps reached the micro-controller after their time: the host was late, or the step rate is too high.",
        ),
        ("Rescheduled timer in the past", "The micro-controller could not keep up: the step rate is too high for it."),
        ("Missed scheduling of next", "An output was not refreshed in time: the host or the wire stopped for a while."),
        (
            "ADC out of range",
            "A temperature sensor reads outside min_temp..max_temp: check its wiring and sensor_type.",
        ),
        (
            "not heating at expected rate",
            "The heater does not warm its sensor as it should: check both, and their mounting.",
        ),
    ];
    HINTS.iter().find(|(key, _)| message.contains(key)).map(|(_, hint)| *hint)
}
