//! Where two recordings part: the earliest row that differs, in any stream.
//!
//! Nothing is left out but the figures of the end record that measure the machine that ran it (`wall_...`,
//! `realtime_factor`).

use crate::codec::{Table, Value};
use crate::error::Error;
use crate::header::{End, Header};
use crate::reader::Reader;
use crate::streams::StreamInfo;
use std::fmt;
use std::io::{Read, Seek};

/// What differs between two recordings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diff {
    /// Parts of the header, such as "seed: 1 / 2".
    pub header: Vec<String>,
    /// The earliest row that differs.
    pub first: Option<Difference>,
    /// Figures of the end record.
    pub end: Vec<String>,
    /// Rows that were compared.
    pub rows: u64,
}

/// A row that is not the same, or that only one recording has.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub stream: String,
    /// Of the row in its stream, from 0.
    pub index: u64,
    pub at_ns: u64,
    /// The columns that differ; empty where one recording has no such row.
    pub columns: Vec<String>,
    /// The row, or `None` where the recording has no such row.
    pub a: Option<String>,
    pub b: Option<String>,
}

impl Diff {
    pub fn identical(&self) -> bool {
        self.header.is_empty() && self.first.is_none() && self.end.is_empty()
    }
}

/// Compares two recordings.
pub fn diff<A: Read + Seek, B: Read + Seek>(a: &mut Reader<A>, b: &mut Reader<B>) -> Result<Diff, Error> {
    let mut result = Diff { header: header(a.header(), b.header()), end: end(a.end(), b.end()), ..Diff::default() };
    let (left, right) = (a.header().streams.clone(), b.header().streams.clone());
    let mut pairs: Vec<_> = left.iter().map(|s| (s, right.iter().find(|r| r.name == s.name))).collect();
    pairs.extend(right.iter().filter(|r| left.iter().all(|l| l.name != r.name)).map(|r| (r, None)));
    for (stream, other) in pairs {
        let other = other.unwrap_or(stream);
        if stream.columns != other.columns {
            result.header.push(format!("columns of stream {}", stream.name));
            continue;
        }
        let found = first_in_stream(a, stream, b, other, &mut result.rows)?;
        let earlier = |f: &Difference| result.first.as_ref().is_none_or(|best| f.at_ns < best.at_ns);
        if let Some(found) = found.filter(earlier) {
            result.first = Some(found);
        }
    }
    Ok(result)
}

fn header(a: &Header, b: &Header) -> Vec<String> {
    let mut out = Vec::new();
    let mut short = |name: &str, a: &dyn fmt::Debug, b: &dyn fmt::Debug| {
        let (a, b) = (format!("{a:?}"), format!("{b:?}"));
        if a != b {
            out.push(format!("{name}: {a} / {b}"));
        }
    };
    short("program", &a.program, &b.program);
    short("title", &a.title, &b.title);
    short("command", &a.command, &b.command);
    short("seed", &a.seed, &b.seed);
    short("steppers", &a.steppers, &b.steppers);
    short("heaters", &a.heaters, &b.heaters);
    short("motors", &a.motors, &b.motors);
    short("fans", &a.fans, &b.fans);
    short("mcus", &a.mcus, &b.mcus);
    short("pins", &a.pins, &b.pins);
    short("chips", &a.chips, &b.chips);
    for (name, a, b) in [
        ("scenario", &a.scenario_ron, &b.scenario_ron),
        ("printer.cfg", &a.printer_cfg, &b.printer_cfg),
        ("machine", &a.machine_ron, &b.machine_ron),
    ] {
        out.extend(first_line(name, a, b));
    }
    out
}

fn first_line(name: &str, a: &str, b: &str) -> Option<String> {
    if a == b {
        return None;
    }
    let (mut left, mut right) = (a.lines(), b.lines());
    for line in 1.. {
        match (left.next(), right.next()) {
            (None, None) => break,
            (a, b) if a != b => {
                let show = |l: Option<&str>| l.map_or("(ends)".to_owned(), |l| format!("{l:?}"));
                return Some(format!("{name}, line {line}: {} / {}", show(a), show(b)));
            }
            _ => {}
        }
    }
    Some(format!("{name}: line endings"))
}

fn end(a: Option<&End>, b: Option<&End>) -> Vec<String> {
    let (a, b) = match (a, b) {
        (Some(a), Some(b)) => (a, b),
        (None, None) => return Vec::new(),
        (Some(_), None) => return vec!["the second recording has no end".to_owned()],
        (None, Some(_)) => return vec!["the first recording has no end".to_owned()],
    };
    let mut out = Vec::new();
    if a.fingerprint != b.fingerprint {
        out.push(format!("fingerprint: {} / {}", a.fingerprint, b.fingerprint));
    }
    if a.end_ns != b.end_ns {
        out.push(format!("end: {} s / {} s", Seconds(a.end_ns), Seconds(b.end_ns)));
    }
    let names: std::collections::BTreeSet<_> = a.summary.keys().chain(b.summary.keys()).collect();
    for name in names.into_iter().filter(|n| !n.starts_with("wall_") && *n != "realtime_factor") {
        let show = |end: &End| end.summary.get(name).map_or("(none)".to_owned(), |f| f.to_string());
        let (a, b) = (show(a), show(b));
        if a != b {
            out.push(format!("{name}: {a} / {b}"));
        }
    }
    out
}

/// Walks one stream of both recordings; blocks need not be cut at the same rows.
fn first_in_stream<A: Read + Seek, B: Read + Seek>(
    a: &mut Reader<A>,
    info_a: &StreamInfo,
    b: &mut Reader<B>,
    info_b: &StreamInfo,
    rows: &mut u64,
) -> Result<Option<Difference>, Error> {
    let mut left = Side::new(a.tables(info_a.id, 0..u64::MAX));
    let mut right = Side::new(b.tables(info_b.id, 0..u64::MAX));
    for index in 0.. {
        let (has_left, has_right) = (left.fill()?, right.fill()?);
        if !has_left && !has_right {
            break;
        }
        *rows += 1;
        let columns = if has_left && has_right { differing(info_a, &left, &right) } else { Vec::new() };
        if has_left && has_right && columns.is_empty() {
            left.row += 1;
            right.row += 1;
            continue;
        }
        let show = |has: bool, side: &Side<_>| has.then(|| side.show(info_a));
        let times = [has_left.then(|| left.at_ns()), has_right.then(|| right.at_ns())];
        return Ok(Some(Difference {
            stream: info_a.name.clone(),
            index,
            at_ns: times.into_iter().flatten().min().unwrap_or(0),
            columns,
            a: show(has_left, &left.plain()),
            b: show(has_right, &right.plain()),
        }));
    }
    Ok(None)
}

struct Side<T> {
    tables: T,
    table: Table,
    row: usize,
}

impl<T: Iterator<Item = Result<Table, Error>>> Side<T> {
    fn new(tables: T) -> Self {
        Side { tables, table: Table::default(), row: 0 }
    }

    /// Makes `row` point at a row; false at the end of the stream.
    fn fill(&mut self) -> Result<bool, Error> {
        while self.row >= self.table.rows() {
            match self.tables.next() {
                Some(table) => (self.table, self.row) = (table?, 0),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

impl<T> Side<T> {
    fn plain(&self) -> Side<()> {
        Side { tables: (), table: self.table.clone(), row: self.row }
    }

    fn at_ns(&self) -> u64 {
        self.table.at_ns(self.row)
    }

    fn show(&self, info: &StreamInfo) -> String {
        let values = info.columns.iter().enumerate().filter_map(|(i, c)| {
            let value = self.table.value(c, i, self.row)?;
            Some(format!("{}={}", c.name, Shown(value)))
        });
        values.collect::<Vec<_>>().join(" ")
    }
}

fn differing<T, U>(info: &StreamInfo, left: &Side<T>, right: &Side<U>) -> Vec<String> {
    let same = |column: usize| {
        left.table.stored(column, left.row) == right.table.stored(column, right.row)
            && left.table.blob(column, left.row) == right.table.blob(column, right.row)
    };
    info.columns.iter().enumerate().filter(|(i, _)| !same(*i)).map(|(_, c)| c.name.clone()).collect()
}

/// A value as people read it.
pub(crate) struct Shown<'a>(pub(crate) Value<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Int(value) => write!(f, "{value}"),
            Value::Real(value) => write!(f, "{value}"),
            Value::Text(value) => write!(f, "{:?}", String::from_utf8_lossy(value)),
            Value::Bytes(value) => value.iter().try_for_each(|b| write!(f, "{b:02x}")),
        }
    }
}

/// Nanoseconds as seconds, without rounding.
pub(crate) struct Seconds(pub(crate) u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.identical() {
            return write!(f, "identical: {} rows, header and end are the same", self.rows);
        }
        for line in &self.header {
            writeln!(f, "header: {line}")?;
        }
        match &self.first {
            None => writeln!(f, "all {} rows are the same", self.rows)?,
            Some(first) => {
                writeln!(
                    f,
                    "first difference: stream {}, row {}, at {} s",
                    first.stream,
                    first.index,
                    Seconds(first.at_ns)
                )?;
                if !first.columns.is_empty() {
                    writeln!(f, "  in: {}", first.columns.join(", "))?;
                }
                let no_row = "(no such row)";
                writeln!(f, "  a: {}", first.a.as_deref().unwrap_or(no_row))?;
                writeln!(f, "  b: {}", first.b.as_deref().unwrap_or(no_row))?;
            }
        }
        for line in &self.end {
            writeln!(f, "end: {line}")?;
        }
        Ok(())
    }
}
