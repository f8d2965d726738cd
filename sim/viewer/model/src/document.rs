//! An open recording. Lines and beads are held whole; everything else is read block by block where it is looked at.

use crate::colour::Colours;
use crate::curve::Overviews;
use crate::error::{Cause, Error};
use crate::machine::Machine;
use crate::part::Part;
use crate::stream::{AnyReader, Source, Stream};
use crate::timeline::Timeline;
use drydock_recording::{Accel, Bead, Command, End, Extrusion, Header, Load, Move, Queue, Reader, State, Thermal};
use std::fs::File;
use std::io::{BufReader, Cursor};
use std::ops::Range;
use std::path::Path;

pub struct Document {
    pub(crate) name: String,
    pub(crate) reader: AnyReader,
    pub(crate) streams: Streams,
    machine: Machine,
    timeline: Timeline,
    part: Part,
    /// Blocks that lines and beads have been taken from.
    taken: [usize; 2],
    span_ns: Range<u64>,
    pub(crate) colours: Colours,
    pub(crate) overviews: Overviews,
}

/// The streams that are looked at.
pub(crate) struct Streams {
    pub(crate) commands: Stream<Command>,
    pub(crate) beads: Stream<Bead>,
    pub(crate) states: Stream<State>,
    pub(crate) moves: Stream<Move>,
    pub(crate) thermals: Stream<Thermal>,
    pub(crate) extrusions: Stream<Extrusion>,
    pub(crate) loads: Stream<Load>,
    pub(crate) accels: Stream<Accel>,
    pub(crate) queues: Stream<Queue>,
}

impl Streams {
    fn new(reader: &AnyReader) -> Streams {
        Streams {
            commands: Stream::new(reader),
            beads: Stream::new(reader),
            states: Stream::new(reader),
            moves: Stream::new(reader),
            thermals: Stream::new(reader),
            extrusions: Stream::new(reader),
            loads: Stream::new(reader),
            accels: Stream::new(reader),
            queues: Stream::new(reader),
        }
    }

    fn grow(&mut self, reader: &AnyReader) {
        self.commands.grow(reader);
        self.beads.grow(reader);
        self.states.grow(reader);
        self.moves.grow(reader);
        self.thermals.grow(reader);
        self.extrusions.grow(reader);
        self.loads.grow(reader);
        self.accels.grow(reader);
        self.queues.grow(reader);
    }

    fn fault(&self) -> Option<&str> {
        [
            self.commands.fault(),
            self.beads.fault(),
            self.states.fault(),
            self.moves.fault(),
            self.thermals.fault(),
            self.extrusions.fault(),
            self.loads.fault(),
            self.accels.fault(),
            self.queues.fault(),
        ]
        .into_iter()
        .flatten()
        .next()
    }
}

impl Document {
    pub fn open(path: impl AsRef<Path>) -> Result<Document, Error> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let io = |source| drydock_recording::Error::Io { doing: "opening", source };
        let file = File::open(path).map_err(io).map_err(Error::of(&name))?;
        Document::from_source(name, BufReader::new(file))
    }

    /// A recording that is in memory, as in a browser.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Document, Error> {
        Document::from_source(name, Cursor::new(bytes))
    }

    pub fn from_source(name: impl Into<String>, source: impl Source + 'static) -> Result<Document, Error> {
        let name = name.into();
        let reader = Reader::new(Box::new(source) as Box<dyn Source>).map_err(Error::of(&name))?;
        let mut document = Document {
            machine: Machine::of(reader.header()),
            streams: Streams::new(&reader),
            name,
            reader,
            timeline: Timeline::default(),
            part: Part::default(),
            taken: [0; 2],
            span_ns: 0..0,
            colours: Colours::default(),
            overviews: Overviews::default(),
        };
        document.take();
        Ok(document)
    }

    /// Reads what a run has written since; gives whether there was anything. Costs what is new, not what is there.
    pub fn refresh(&mut self) -> Result<bool, Error> {
        let finished = self.is_finished();
        let new = self.reader.refresh().map_err(Error::of(&self.name))?;
        if self.reader.recovery().is_some_and(|r| r.file_bytes < r.good_bytes) {
            return Err(Error { name: self.name.clone(), cause: Cause::Replaced });
        }
        if new > 0 || finished != self.is_finished() {
            self.streams.grow(&self.reader);
            self.take();
            return Ok(true);
        }
        Ok(false)
    }

    /// Takes lines and beads out of the blocks that have come.
    fn take(&mut self) {
        let Streams { commands, beads, .. } = &mut self.streams;
        for nth in self.taken[0]..commands.blocks() {
            self.timeline.add_lines(&commands.read(&mut self.reader, nth));
        }
        for nth in self.taken[1]..beads.blocks() {
            self.part.extend(&beads.read(&mut self.reader, nth));
        }
        self.taken = [commands.blocks(), beads.blocks()];
        let (first_ns, last_ns) = self.reader.span_ns().unwrap_or((0, 0));
        let end_ns = self.reader.end().map_or(0, |e| e.end_ns);
        self.span_ns = first_ns..last_ns.max(end_ns);
        self.timeline.grow(&self.part, self.span_ns.end);
    }

    /// What is read, and what it is held against, side by side.
    pub(crate) fn parts(&mut self) -> (&Part, &Timeline, &mut AnyReader, &mut Streams) {
        (&self.part, &self.timeline, &mut self.reader, &mut self.streams)
    }

    /// The file, or what it was called by who opened it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// How the run ended; `None` where the file is cut off or still grows.
    pub fn end(&self) -> Option<&End> {
        self.reader.end()
    }

    /// Whether all of the run is in the file.
    pub fn is_finished(&self) -> bool {
        self.reader.end().is_some()
    }

    /// What is wrong with the file, in one line: it is not whole (or not yet), or a block in it is damaged.
    pub fn note(&self) -> Option<String> {
        if let Some(fault) = self.streams.fault() {
            return Some(format!("{}: {fault}", self.name));
        }
        let recovery = self.reader.recovery()?;
        if self.is_finished() {
            return None;
        }
        let (good, all) = (recovery.good_bytes, recovery.file_bytes);
        Some(format!("{}: not finished, {good} of {all} bytes can be read: {}", self.name, recovery.cause))
    }

    /// First and last time of the run.
    pub fn span_ns(&self) -> Range<u64> {
        self.span_ns.clone()
    }

    /// Tick of the mechanics: a step of the playhead.
    pub fn tick_ns(&self) -> u64 {
        self.machine.tick_ns
    }

    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    pub fn part(&self) -> &Part {
        &self.part
    }
}
