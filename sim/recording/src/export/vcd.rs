//! Pins as a value change dump (IEEE 1364), for GTKWave, Surfer and PulseView: step and direction of every stepper,
//! and the pins of the `pin` stream.
//!
//! Steps are recorded as runs, each stepper's in the order of time; the runs of different steppers overlap. So every
//! stepper is walked by a cursor of its own and the next edge of all is taken from a heap: memory does not depend on
//! the length of the run.

use crate::error::Error;
use crate::reader::{Cursor, Reader};
use crate::rows::{Pin, StepSegment};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::{Read, Seek, Write};
use std::ops::Range;

/// A step pulse is drawn this long, or half the time to the next step where that is shorter.
const PULSE_NS: u64 = 2_000;

/// Writes the edges in a range of time; gives the number of steps.
pub fn pins<S: Read + Seek>(reader: &mut Reader<S>, range: Range<u64>, to: &mut impl Write) -> Result<u64, Error> {
    let steppers = reader.header().steppers.clone();
    let pins = pin_names(reader, &range)?;
    let mut out = Out { to, now_ns: None };
    out.line(format_args!("$comment {} $end", word(&reader.header().program)))?;
    out.line(format_args!("$timescale 1 ns $end"))?;
    for (i, stepper) in steppers.iter().enumerate() {
        out.line(format_args!("$scope module {} $end", word(&stepper.name)))?;
        out.line(format_args!("$var wire 1 {} step $end", id(2 * i)))?;
        out.line(format_args!("$var wire 1 {} dir $end", id(2 * i + 1)))?;
        out.line(format_args!("$upscope $end"))?;
    }
    out.line(format_args!("$scope module pins $end"))?;
    for (i, name) in pins.values().enumerate() {
        out.line(format_args!("$var real 64 {} {} $end", id(2 * steppers.len() + i), word(name)))?;
    }
    out.line(format_args!("$upscope $end"))?;
    out.line(format_args!("$enddefinitions $end"))?;

    let mut sources: Vec<Source> = Vec::new();
    for (i, stepper) in steppers.iter().enumerate() {
        // A run that began before the range may reach into it.
        let cursor = reader.cursor::<StepSegment>(0..range.end);
        sources.push(Source::Steps(Steps {
            cursor,
            stepper: i as u8,
            clock_hz: if stepper.clock_hz > 0.0 { stepper.clock_hz } else { 1e9 },
            run: None,
            forward: None,
            pending: None,
        }));
    }
    sources.push(Source::Pins(reader.cursor::<Pin>(range.clone())));

    let mut heap = BinaryHeap::new();
    for (i, source) in sources.iter_mut().enumerate() {
        if let Some(edge) = source.next(reader)? {
            heap.push(Reverse((edge.at_ns, i, edge)));
        }
    }
    let mut steps = 0;
    while let Some(Reverse((at_ns, i, edge))) = heap.pop() {
        if range.contains(&at_ns) {
            steps += u64::from(edge.what == What::StepUp);
            out.time(at_ns)?;
            match edge.what {
                What::StepUp => out.line(format_args!("1{}", id(2 * i)))?,
                What::StepDown => out.line(format_args!("0{}", id(2 * i)))?,
                What::Dir(forward) => out.line(format_args!("{}{}", u8::from(forward), id(2 * i + 1)))?,
                What::Pin(pin, value) => {
                    let place = pins.range(..pin).count();
                    out.line(format_args!("r{} {}", f64::from_bits(value), id(2 * steppers.len() + place)))?;
                }
            }
        }
        if let Some(edge) = sources[i].next(reader)? {
            // Overlapping runs would be a fault of the recording; a dump must not go back in time.
            heap.push(Reverse((edge.at_ns.max(at_ns), i, edge)));
        }
    }
    Ok(steps)
}

/// The pins that change in the range, by their number: a dump names its signals before the first change. A pin that the
/// header does not name is called by its number.
fn pin_names<S: Read + Seek>(reader: &mut Reader<S>, range: &Range<u64>) -> Result<BTreeMap<u16, String>, Error> {
    let known = reader.header().pins.clone();
    let mut names = BTreeMap::new();
    for row in reader.rows::<Pin>(range.clone()) {
        let pin = row?.pin;
        let name = || known.get(usize::from(pin)).cloned().unwrap_or_else(|| format!("pin_{pin}"));
        names.entry(pin).or_insert_with(name);
    }
    Ok(names)
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    at_ns: u64,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Dir(bool),
    StepUp,
    StepDown,
    /// Number and the bits of the value.
    Pin(u16, u64),
}

enum Source {
    Steps(Steps),
    Pins(Cursor<Pin>),
}

impl Source {
    fn next<S: Read + Seek>(&mut self, reader: &mut Reader<S>) -> Result<Option<Edge>, Error> {
        match self {
            Source::Steps(steps) => steps.next(reader),
            Source::Pins(cursor) => {
                let edge = |p: Pin| Edge { at_ns: p.at_ns, what: What::Pin(p.pin, p.value.to_bits()) };
                Ok(cursor.next(reader)?.map(edge))
            }
        }
    }
}

/// The edges of one stepper.
struct Steps {
    cursor: Cursor<StepSegment>,
    stepper: u8,
    clock_hz: f64,
    run: Option<(StepSegment, u16)>,
    forward: Option<bool>,
    pending: Option<Edge>,
}

impl Steps {
    fn next<S: Read + Seek>(&mut self, reader: &mut Reader<S>) -> Result<Option<Edge>, Error> {
        if let Some(edge) = self.pending.take() {
            return Ok(Some(edge));
        }
        loop {
            let Some((run, k)) = self.run.take() else {
                let Some(run) = self.cursor.next(reader)? else { return Ok(None) };
                if run.stepper != self.stepper || run.count == 0 {
                    continue;
                }
                let at_ns = run.at_ns;
                let turned = self.forward != Some(run.forward);
                self.forward = Some(run.forward);
                self.run = Some((run, 0));
                if turned {
                    let what = What::Dir(self.forward == Some(true));
                    return Ok(Some(Edge { at_ns: at_ns.saturating_sub(PULSE_NS / 2), what }));
                }
                continue;
            };
            let at_ns = run.step_ns(k, self.clock_hz);
            let mut width_ns = PULSE_NS;
            if k + 1 < run.count {
                width_ns = width_ns.min(run.step_ns(k + 1, self.clock_hz).saturating_sub(at_ns) / 2);
                self.run = Some((run, k + 1));
            }
            self.pending = Some(Edge { at_ns: at_ns.saturating_add(width_ns), what: What::StepDown });
            return Ok(Some(Edge { at_ns, what: What::StepUp }));
        }
    }
}

struct Out<'a, W> {
    to: &'a mut W,
    now_ns: Option<u64>,
}

impl<W: Write> Out<'_, W> {
    fn line(&mut self, text: std::fmt::Arguments) -> Result<(), Error> {
        writeln!(self.to, "{text}").map_err(Error::io("exporting"))
    }

    fn time(&mut self, at_ns: u64) -> Result<(), Error> {
        if self.now_ns != Some(at_ns) {
            self.now_ns = Some(at_ns);
            self.line(format_args!("#{at_ns}"))?;
        }
        Ok(())
    }
}

/// The short name of a signal: printable characters from '!' to '~'.
fn id(mut number: usize) -> String {
    let mut text = String::new();
    loop {
        text.push(char::from(b'!' + (number % 94) as u8));
        number /= 94;
        if number == 0 {
            return text;
        }
        number -= 1;
    }
}

/// A name that no VCD reader trips over.
fn word(text: &str) -> String {
    let good = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' };
    let text: String = text.chars().map(good).collect();
    if text.is_empty() { "_".to_owned() } else { text }
}
