//! Writing a recording: rows go in one by one, blocks come out. Memory is bounded by the number of streams.

use crate::block::{self, FILE_MAGIC, FORMAT, Footer, Frame, MAX_PAYLOAD, MAX_ROWS};
use crate::codec::Encoder;
use crate::error::Error;
use crate::header::{End, Header};
use crate::index::{ENTRIES, IndexRow};
use crate::streams::{Row, StreamInfo, table};
use std::io::Write;

/// When a stream's waiting rows become a block.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub block_rows: u32,
    /// Bytes in text and byte columns.
    pub block_text: usize,
    /// Simulated time: so that a reader of a growing file, or of a cut-off one, has the slow streams too.
    pub block_span_ns: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { block_rows: 8192, block_text: 64 << 10, block_span_ns: 20_000_000_000 }
    }
}

/// Writes one recording. Without `finish` the file is what a crash would leave: readable up to its last block.
pub struct Writer<W: Write> {
    to: W,
    offset: u64,
    options: Options,
    /// By stream id.
    pending: Vec<Option<Pending>>,
    index: Encoder,
    index_offset: u64,
    raw: Vec<u8>,
    stored: Vec<u8>,
}

struct Pending {
    rows: Encoder,
    first_ns: u64,
    last_ns: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the header. `header.streams` is filled in here.
    pub fn new(to: W, header: Header) -> Result<Writer<W>, Error> {
        Writer::with_options(to, header, Options::default())
    }

    pub fn with_options(to: W, header: Header, options: Options) -> Result<Writer<W>, Error> {
        let options = Options { block_rows: options.block_rows.clamp(1, MAX_ROWS), ..options };
        let streams = table();
        let mut pending: Vec<Option<Pending>> = Vec::new();
        for stream in &streams {
            let id = usize::from(stream.id);
            pending.resize_with(pending.len().max(id + 1), || None);
            pending[id] = Some(Pending { rows: Encoder::new(stream), first_ns: u64::MAX, last_ns: 0 });
        }
        let index = Encoder::new(&StreamInfo::of::<IndexRow>());
        let (raw, stored) = (Vec::new(), Vec::new());
        let mut writer = Writer { to, offset: 0, options, pending, index, index_offset: 0, raw, stored };
        writer.put(&FILE_MAGIC)?;
        writer.put(&FORMAT.to_le_bytes())?;
        writer.put(&[0; 4])?;
        writer.text_block(block::STREAM_HEADER, &Header { streams, ..header }, 0)?;
        Ok(writer)
    }

    /// Adds a row to its stream. Rows of one stream should come in the order of their times; they need not.
    #[inline]
    pub fn push<R: Row>(&mut self, mut row: R) -> Result<(), Error> {
        let Some(Some(pending)) = self.pending.get_mut(usize::from(R::ID)) else {
            return Err(Error::NoStream {
                wanted: R::NAME.to_owned(),
                has: table().into_iter().map(|s| s.name).collect(),
            });
        };
        let at_ns = row.at_ns();
        pending.first_ns = pending.first_ns.min(at_ns);
        pending.last_ns = pending.last_ns.max(at_ns);
        pending.rows.push(&mut row);
        let full = pending.rows.rows() >= self.options.block_rows
            || pending.rows.blob_len() >= self.options.block_text
            || pending.last_ns - pending.first_ns >= self.options.block_span_ns;
        if full { self.seal(R::ID, at_ns) } else { Ok(()) }
    }

    /// Makes blocks of all waiting rows and hands them to the operating system.
    pub fn flush(&mut self) -> Result<(), Error> {
        for id in 0..self.pending.len() {
            self.write_pending(id)?;
        }
        self.to.flush().map_err(Error::io("writing"))
    }

    /// Writes what waits, the end and the index.
    pub fn finish(mut self, end: &End) -> Result<W, Error> {
        for id in 0..self.pending.len() {
            self.write_pending(id)?;
        }
        let end_offset = self.offset;
        self.text_block(block::STREAM_END, end, end.end_ns)?;
        self.write_index()?;
        let footer = Footer { end_offset, index_offset: self.index_offset };
        self.put(&footer.encode())?;
        self.to.flush().map_err(Error::io("writing"))?;
        Ok(self.to)
    }

    /// Bytes written so far.
    pub fn len(&self) -> u64 {
        self.offset
    }

    /// A recording is never empty: its header is written first.
    pub fn is_empty(&self) -> bool {
        self.offset == 0
    }

    /// Makes a block of one stream, and of those that have waited too long beside it.
    #[cold]
    fn seal(&mut self, id: u16, now_ns: u64) -> Result<(), Error> {
        self.write_pending(usize::from(id))?;
        for id in 0..self.pending.len() {
            let late = |p: &Pending| now_ns.saturating_sub(p.first_ns) >= self.options.block_span_ns;
            if self.pending[id].as_ref().is_some_and(late) {
                self.write_pending(id)?;
            }
        }
        Ok(())
    }

    fn write_pending(&mut self, id: usize) -> Result<(), Error> {
        let Some(pending) = self.pending.get_mut(id).and_then(Option::as_mut) else { return Ok(()) };
        let rows = pending.rows.rows();
        if rows == 0 {
            return Ok(());
        }
        let (first_ns, last_ns) = (pending.first_ns, pending.last_ns);
        self.raw.clear();
        pending.rows.take(&mut self.raw);
        (pending.first_ns, pending.last_ns) = (u64::MAX, 0);
        let offset = self.offset;
        let len = self.block(id as u16, rows, first_ns, last_ns)?;
        let mut entry = IndexRow { first_ns, last_ns, stream: id as u16, rows, offset, len };
        self.index.push(&mut entry);
        if self.index.rows() >= ENTRIES { self.write_index() } else { Ok(()) }
    }

    fn write_index(&mut self) -> Result<(), Error> {
        let rows = self.index.rows();
        self.raw.clear();
        self.index.take(&mut self.raw);
        let offset = self.offset;
        self.block(block::STREAM_INDEX, rows, 0, 0)?;
        self.index_offset = offset;
        Ok(())
    }

    fn text_block(&mut self, stream: u16, value: &impl serde::Serialize, at_ns: u64) -> Result<(), Error> {
        let text = ron::ser::to_string_pretty(value, ron::ser::PrettyConfig::default())
            .map_err(|e| Error::corrupt(self.offset, format!("cannot be put as RON: {e}")))?;
        self.raw.clear();
        self.raw.extend_from_slice(text.as_bytes());
        self.block(stream, 0, at_ns, at_ns).map(|_| ())
    }

    /// Writes `self.raw` as one block.
    fn block(&mut self, stream: u16, rows: u32, first_ns: u64, last_ns: u64) -> Result<u32, Error> {
        if self.raw.len() > MAX_PAYLOAD {
            return Err(Error::TooLarge { what: "a block", len: self.raw.len(), limit: MAX_PAYLOAD });
        }
        let frame = Frame {
            stream,
            rows,
            first_ns,
            last_ns,
            previous_index: self.index_offset,
            compressed: false,
            raw_len: 0,
            stored_len: 0,
            payload_crc: 0,
        };
        let frame = block::seal(frame, &self.raw, &mut self.stored);
        let stored = std::mem::take(&mut self.stored);
        self.put(&frame.encode())?;
        self.put(&stored)?;
        self.stored = stored;
        Ok(frame.len() as u32)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.to.write_all(bytes).map_err(Error::io("writing"))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}
