//! A trace in the Chrome JSON form, which ui.perfetto.dev opens: planned moves as slices, commands, events and console
//! lines as instants, temperatures, positions, flow, load and queues as counters.

use crate::error::Error;
use crate::reader::Reader;
use crate::rows::*;
use std::collections::BTreeMap;
use std::io::{Read, Seek, Write};
use std::ops::Range;

/// Writes the trace; gives the number of its entries. A counter has at most one value in `spacing_ns`, which keeps the
/// trace of a long print small enough to open.
pub fn trace<S: Read + Seek>(
    reader: &mut Reader<S>,
    range: Range<u64>,
    spacing_ns: u64,
    to: &mut impl Write,
) -> Result<u64, Error> {
    let header = reader.header().clone();
    let mut out = Out { to, entries: 0, spacing_ns, last: BTreeMap::new() };
    out.raw("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")?;
    out.entry(format_args!(
        "\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{{\"name\":{}}}",
        Json(&header.title)
    ))?;
    for (thread, name) in [(1, "G-code"), (2, "moves"), (3, "events"), (4, "console")] {
        out.entry(format_args!(
            "\"ph\":\"M\",\"pid\":1,\"tid\":{thread},\"name\":\"thread_name\",\"args\":{{\"name\":\"{name}\"}}"
        ))?;
    }
    commands(reader, &range, &mut out)?;
    for row in reader.rows::<Move>(range.clone()) {
        let row = row?;
        let name = if row.e_mm > 0.0 { "extrude" } else { "travel" };
        out.entry(format_args!(
            "\"ph\":\"X\",\"pid\":1,\"tid\":2,\"ts\":{},\"dur\":{},\"name\":\"{name}\",\"args\":{{\"line\":{}}}",
            Us(row.at_ns),
            Us(row.duration_ns),
            row.line_no
        ))?;
    }
    for row in reader.rows::<Event>(range.clone()) {
        let row = row?;
        let severity = Event::SEVERITIES.get(usize::from(row.severity)).unwrap_or(&"event");
        out.entry(format_args!(
            "\"ph\":\"i\",\"s\":\"t\",\"pid\":1,\"tid\":3,\"ts\":{},\"name\":{},\"cat\":\"{severity}\",\"args\":{{\"source\":{}}}",
            Us(row.at_ns),
            Json(&row.text),
            Json(&row.source)
        ))?;
    }
    for row in reader.rows::<Console>(range.clone()) {
        let row = row?;
        let (at, text) = (Us(row.at_ns), Json(&row.text));
        out.entry(format_args!("\"ph\":\"i\",\"s\":\"t\",\"pid\":1,\"tid\":4,\"ts\":{at},\"name\":{text}"))?;
    }
    for row in reader.rows::<Thermal>(range.clone()) {
        let row = row?;
        let name = name_of(&header.heaters, row.heater, "heater");
        let values = [("measured", row.measured_c), ("true", row.true_c), ("target", row.target_c)];
        out.counter(row.at_ns, &format!("{name} C"), &values)?;
        out.counter(row.at_ns, &format!("{name} duty"), &[("duty", row.duty)])?;
    }
    for row in reader.rows::<State>(range.clone()) {
        let row = row?;
        for (axis, name) in ["x mm", "y mm", "z mm"].into_iter().enumerate() {
            out.counter(row.at_ns, name, &[("drive", row.drive_mm[axis]), ("nozzle", row.nozzle_mm[axis])])?;
        }
    }
    for row in reader.rows::<Extrusion>(range.clone()) {
        let row = row?;
        out.counter(row.at_ns, "melt pressure MPa", &[("pressure", row.pressure_mpa)])?;
        out.counter(row.at_ns, "flow mm3/s", &[("flow", row.flow_mm3_s)])?;
    }
    for row in reader.rows::<Load>(range.clone()) {
        let row = row?;
        let name = name_of(&header.motors, row.motor, "motor");
        out.counter(row.at_ns, &format!("{name} load angle deg"), &[("angle", row.load_angle_deg)])?;
        out.counter(row.at_ns, &format!("{name} lost steps"), &[("lost", f64::from(row.lost_steps))])?;
    }
    for row in reader.rows::<Queue>(range.clone()) {
        let row = row?;
        let name = name_of(&header.mcus, row.mcu, "mcu");
        out.counter(row.at_ns, &format!("{name} queue"), &[("moves", f64::from(row.depth))])?;
    }
    for row in reader.rows::<Fan>(range) {
        let row = row?;
        let name = name_of(&header.fans, row.fan, "fan");
        out.counter(row.at_ns, &format!("{name} speed"), &[("speed", row.speed)])?;
    }
    out.raw("\n]}\n")?;
    Ok(out.entries)
}

/// A command is a slice until the next one: the host takes them up one after another.
fn commands<S: Read + Seek, W: Write>(
    reader: &mut Reader<S>,
    range: &Range<u64>,
    out: &mut Out<W>,
) -> Result<(), Error> {
    let mut waiting: Option<Command> = None;
    let mut rows = reader.cursor::<Command>(range.clone());
    loop {
        let next = rows.next(reader)?;
        if let Some(row) = waiting.take() {
            let until = next.as_ref().map_or(row.at_ns, |n| n.at_ns.max(row.at_ns));
            out.entry(format_args!(
                "\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":{},\"dur\":{},\"name\":{},\"args\":{{\"line\":{}}}",
                Us(row.at_ns),
                Us(until - row.at_ns),
                Json(&row.text),
                row.line_no
            ))?;
        }
        match next {
            Some(row) => waiting = Some(row),
            None => return Ok(()),
        }
    }
}

struct Out<'a, W> {
    to: &'a mut W,
    entries: u64,
    spacing_ns: u64,
    /// When each counter had its last value.
    last: BTreeMap<String, u64>,
}

impl<W: Write> Out<'_, W> {
    fn raw(&mut self, text: &str) -> Result<(), Error> {
        self.to.write_all(text.as_bytes()).map_err(Error::io("exporting"))
    }

    fn entry(&mut self, fields: std::fmt::Arguments) -> Result<(), Error> {
        let comma = if self.entries == 0 { "" } else { ",\n" };
        self.entries += 1;
        write!(self.to, "{comma}{{{fields}}}").map_err(Error::io("exporting"))
    }

    fn counter(&mut self, at_ns: u64, name: &str, values: &[(&str, f64)]) -> Result<(), Error> {
        match self.last.get_mut(name) {
            Some(last) if at_ns.saturating_sub(*last) < self.spacing_ns => return Ok(()),
            Some(last) => *last = at_ns,
            None => {
                self.last.insert(name.to_owned(), at_ns);
            }
        }
        let values = values.iter().filter(|(_, v)| v.is_finite()).map(|(k, v)| format!("\"{k}\":{v}"));
        let values = values.collect::<Vec<_>>().join(",");
        self.entry(format_args!(
            "\"ph\":\"C\",\"pid\":1,\"ts\":{},\"name\":{},\"args\":{{{values}}}",
            Us(at_ns),
            Json(name)
        ))
    }
}

fn name_of(names: &[String], index: u8, kind: &str) -> String {
    names.get(usize::from(index)).cloned().unwrap_or_else(|| format!("{kind} {index}"))
}

/// Nanoseconds as the microseconds of the trace format, without rounding.
struct Us(u64);

impl std::fmt::Display for Us {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// A text as a JSON string.
struct Json<'a>(&'a str);

impl std::fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                c if u32::from(c) < 0x20 => write!(f, "\\u{:04x}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}
