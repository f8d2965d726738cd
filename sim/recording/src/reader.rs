//! Reading a recording: opening (also of a file that is cut off or still grows), and rows by stream and time.

use crate::block::{self, BLOCK_HEADER, FILE_MAGIC, FILE_START, FOOTER, FORMAT, Footer, Frame, MAX_PAYLOAD};
use crate::codec::{Source, Table, sources};
use crate::error::Error;
use crate::header::{End, Header};
use crate::index::IndexRow;
use crate::streams::{Row, StreamInfo};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

/// An open recording.
pub struct Reader<S: Read + Seek> {
    from: S,
    header: Header,
    end: Option<End>,
    index: BTreeMap<u16, Vec<IndexRow>>,
    /// Everything before this byte is known.
    scanned: u64,
    recovery: Option<Recovery>,
}

/// Says that the file has no index of its own, and how much of it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    pub good_bytes: u64,
    pub file_bytes: u64,
    pub cause: String,
}

/// A block, for those who want to know how a file is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    pub offset: u64,
    pub len: u32,
    pub rows: u32,
    pub first_ns: u64,
    pub last_ns: u64,
}

impl Reader<BufReader<File>> {
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Reader::new(BufReader::new(File::open(path).map_err(Error::io("opening"))?))
    }
}

impl<S: Read + Seek> Reader<S> {
    /// Opens a recording. One without a footer (cut off, or still being written) is read up to its last whole block.
    pub fn new(mut from: S) -> Result<Self, Error> {
        let file_len = from.seek(SeekFrom::End(0)).map_err(Error::io("reading"))?;
        let header = read_header(&mut from, file_len)?;
        let scanned = FILE_START;
        let mut reader = Reader { from, header, end: None, index: BTreeMap::new(), scanned, recovery: None };
        if !reader.read_index(file_len)? {
            reader.index.clear();
            reader.end = None;
            reader.refresh()?;
        }
        Ok(reader)
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How the run ended; `None` where the file is cut off or still grows.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Set where the file had no usable index and was scanned.
    pub fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    /// Reads what has been added to a growing file; gives the number of new blocks.
    pub fn refresh(&mut self) -> Result<usize, Error> {
        if self.end.is_some() {
            return Ok(0);
        }
        let file_len = self.from.seek(SeekFrom::End(0)).map_err(Error::io("reading"))?;
        let mut new = 0;
        let cause = loop {
            let offset = self.scanned;
            let left = file_len.saturating_sub(offset);
            if self.end.is_some() && left > 0 {
                break "the index at the end is damaged".to_owned();
            }
            if left < BLOCK_HEADER as u64 {
                break "the file ends before the run does".to_owned();
            }
            let frame = match read_frame(&mut self.from, offset) {
                Ok(frame) => frame,
                Err(Error::Corrupt { what, .. }) => break what,
                Err(error) => return Err(error),
            };
            if frame.len() > left {
                break "the file ends inside a block".to_owned();
            }
            match frame.stream {
                block::STREAM_HEADER | block::STREAM_INDEX => {}
                block::STREAM_END => {
                    self.end = text_block(&mut self.from, &frame, offset).ok();
                }
                _ => {
                    self.insert(IndexRow {
                        first_ns: frame.first_ns,
                        last_ns: frame.last_ns,
                        stream: frame.stream,
                        rows: frame.rows,
                        offset,
                        len: frame.len() as u32,
                    });
                    new += 1;
                }
            }
            self.scanned += frame.len();
        };
        self.recovery = Some(Recovery { good_bytes: self.scanned, file_bytes: file_len, cause });
        Ok(new)
    }

    /// The streams that have rows, with their number of rows.
    pub fn streams(&self) -> Vec<(&StreamInfo, u64)> {
        let rows = |id: u16| self.blocks(id).iter().map(|b| u64::from(b.rows)).sum();
        self.header.streams.iter().map(|s| (s, rows(s.id))).filter(|(_, rows)| *rows > 0).collect()
    }

    pub fn stream(&self, name: &str) -> Result<&StreamInfo, Error> {
        self.header.streams.iter().find(|s| s.name == name).ok_or_else(|| self.no_stream(name))
    }

    pub fn row_count<R: Row>(&self) -> u64 {
        self.blocks(R::ID).iter().map(|b| u64::from(b.rows)).sum()
    }

    /// First and last time of any row; `None` for a recording without rows.
    pub fn span_ns(&self) -> Option<(u64, u64)> {
        let blocks = || self.index.values().flatten();
        Some((blocks().map(|b| b.first_ns).min()?, blocks().map(|b| b.last_ns).max()?))
    }

    /// The blocks of a stream.
    pub fn blocks_of(&self, id: u16) -> impl Iterator<Item = BlockInfo> + '_ {
        self.blocks(id).iter().map(|b| BlockInfo {
            offset: b.offset,
            len: b.len,
            rows: b.rows,
            first_ns: b.first_ns,
            last_ns: b.last_ns,
        })
    }

    /// A place in a stream from which rows of the range are taken one by one; several may be in use at once.
    pub fn cursor<R: Row>(&self, range: Range<u64>) -> Cursor<R> {
        let blocks = self.blocks_in(R::ID, &range);
        self.cursor_over(blocks, range)
    }

    fn cursor_over<R: Row>(&self, blocks: VecDeque<IndexRow>, range: Range<u64>) -> Cursor<R> {
        let info = self.header.streams.iter().find(|s| s.id == R::ID && s.name == R::NAME);
        let map = info.map(sources::<R>).unwrap_or_default();
        // A file that lacks the stream has no rows of it, also where its number means another stream.
        let blocks = if info.is_some() { blocks } else { VecDeque::new() };
        Cursor { blocks, map, range, table: Table::default(), row: 0, kind: std::marker::PhantomData }
    }

    /// The rows of one stream in a range of time.
    pub fn rows<R: Row>(&mut self, range: Range<u64>) -> Rows<'_, R, S> {
        Rows { cursor: self.cursor(range), reader: self }
    }

    /// All rows of one stream.
    pub fn all<R: Row>(&mut self) -> Rows<'_, R, S> {
        self.rows(0..u64::MAX)
    }

    /// The last row at or before a time.
    pub fn at<R: Row>(&mut self, at_ns: u64) -> Result<Option<R>, Error> {
        let after = at_ns.saturating_add(1);
        let blocks = self.blocks_in(R::ID, &(0..after));
        // The block whose last row is latest is not always the one written last.
        let newest = blocks.iter().map(|b| b.last_ns.min(at_ns)).max();
        let mut best: Option<R> = None;
        for block in blocks.iter().filter(|b| Some(b.last_ns.min(at_ns)) == newest) {
            let mut cursor = self.cursor_over::<R>(VecDeque::from([block.clone()]), block.first_ns..after);
            while let Some(row) = cursor.next(self)? {
                if best.as_ref().is_none_or(|b| row.at_ns() >= b.at_ns()) {
                    best = Some(row);
                }
            }
        }
        Ok(best)
    }

    /// The rows of one block, by its place in `blocks_of`; none behind the last. So a growing file is read block by block.
    pub fn block_rows<R: Row>(&mut self, nth: usize) -> Result<Vec<R>, Error> {
        let block: VecDeque<IndexRow> = self.blocks(R::ID).get(nth).cloned().into_iter().collect();
        let mut rows = Vec::with_capacity(block.front().map_or(0, |b| (b.rows as usize).min(1 << 16)));
        let mut cursor = self.cursor_over::<R>(block, 0..u64::MAX);
        while let Some(row) = cursor.next(self)? {
            rows.push(row);
        }
        Ok(rows)
    }

    /// The decoded blocks of a stream, for exports and comparisons that do not know its row type.
    pub fn tables(&mut self, id: u16, range: Range<u64>) -> Tables<'_, S> {
        let info = self.header.streams.iter().find(|s| s.id == id).cloned();
        let blocks = if info.is_some() { self.blocks_in(id, &range) } else { VecDeque::new() };
        Tables { reader: self, blocks, info }
    }

    /// Reads everything, and gives the first fault.
    pub fn verify(&mut self) -> Result<u64, Error> {
        let blocks: Vec<IndexRow> = self.index.values().flatten().cloned().collect();
        let mut rows = 0;
        for block in blocks {
            rows += self.table(&block)?.rows() as u64;
        }
        Ok(rows)
    }

    fn blocks(&self, id: u16) -> &[IndexRow] {
        self.index.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    fn blocks_in(&self, id: u16, range: &Range<u64>) -> VecDeque<IndexRow> {
        self.blocks(id).iter().filter(|b| b.first_ns < range.end && b.last_ns >= range.start).cloned().collect()
    }

    fn table(&mut self, block: &IndexRow) -> Result<Table, Error> {
        let frame = read_frame(&mut self.from, block.offset)?;
        if frame.stream != block.stream || frame.rows != block.rows {
            return Err(Error::corrupt(block.offset, "the index and the block do not agree"));
        }
        let payload = read_payload(&mut self.from, &frame, block.offset)?;
        let Some(info) = self.header.streams.iter().find(|s| s.id == block.stream) else {
            return Err(Error::corrupt(block.offset, format!("stream {} is not in the header", block.stream)));
        };
        Table::decode(info, frame.rows, &payload)
            .map_err(|what| Error::corrupt(block.offset, format!("stream {}: {what}", info.name)))
    }

    fn insert(&mut self, row: IndexRow) {
        self.index.entry(row.stream).or_default().push(row);
    }

    /// Reads footer, end and index; false where any of them is not whole.
    fn read_index(&mut self, file_len: u64) -> Result<bool, Error> {
        let Some(at) = file_len.checked_sub(FOOTER as u64) else { return Ok(false) };
        let Some(footer) = Footer::decode(&read_at(&mut self.from, at)?) else { return Ok(false) };
        match self.read_index_chain(footer, at) {
            Ok(()) => {
                self.scanned = file_len;
                Ok(true)
            }
            Err(Error::Io { doing, source }) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
                Err(Error::Io { doing, source })
            }
            Err(_) => Ok(false),
        }
    }

    fn read_index_chain(&mut self, footer: Footer, file_end: u64) -> Result<(), Error> {
        let info = StreamInfo::of::<IndexRow>();
        let map = sources::<IndexRow>(&info);
        let mut offset = footer.index_offset;
        let mut rows = Vec::new();
        while offset != 0 {
            let frame = read_frame(&mut self.from, offset)?;
            if frame.stream != block::STREAM_INDEX || frame.previous_index >= offset {
                return Err(Error::corrupt(offset, "the chain of index blocks is broken"));
            }
            let payload = read_payload(&mut self.from, &frame, offset)?;
            let table = Table::decode(&info, frame.rows, &payload).map_err(|what| Error::corrupt(offset, what))?;
            rows.extend((0..table.rows()).map(|i| table.row::<IndexRow>(&map, i)));
            offset = frame.previous_index;
        }
        if rows.iter().any(|r| r.offset.saturating_add(u64::from(r.len)) > file_end) {
            return Err(Error::corrupt(footer.index_offset, "the index points behind the end of the file"));
        }
        rows.sort_by_key(|r| r.offset);
        rows.into_iter().for_each(|row| self.insert(row));
        let frame = read_frame(&mut self.from, footer.end_offset)?;
        self.end = Some(text_block(&mut self.from, &frame, footer.end_offset)?);
        Ok(())
    }

    fn no_stream(&self, wanted: &str) -> Error {
        Error::NoStream { wanted: wanted.to_owned(), has: self.header.streams.iter().map(|s| s.name.clone()).collect() }
    }
}

/// A place in one stream. It does not hold the reader, so that several streams can be walked side by side.
pub struct Cursor<R> {
    blocks: VecDeque<IndexRow>,
    map: Vec<Source>,
    range: Range<u64>,
    table: Table,
    row: usize,
    kind: std::marker::PhantomData<fn() -> R>,
}

impl<R: Row> Cursor<R> {
    /// The next row of the range.
    pub fn next<S: Read + Seek>(&mut self, reader: &mut Reader<S>) -> Result<Option<R>, Error> {
        loop {
            while self.row < self.table.rows() {
                let row = self.row;
                self.row += 1;
                if self.range.contains(&self.table.at_ns(row)) {
                    return Ok(Some(self.table.row(&self.map, row)));
                }
            }
            let Some(block) = self.blocks.pop_front() else { return Ok(None) };
            (self.table, self.row) = (Table::default(), 0);
            self.table = reader.table(&block)?;
        }
    }
}

/// See [`Reader::rows`].
pub struct Rows<'a, R, S: Read + Seek> {
    reader: &'a mut Reader<S>,
    cursor: Cursor<R>,
}

impl<R: Row, S: Read + Seek> Iterator for Rows<'_, R, S> {
    type Item = Result<R, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.next(self.reader).transpose()
    }
}

/// See [`Reader::tables`].
pub struct Tables<'a, S: Read + Seek> {
    reader: &'a mut Reader<S>,
    blocks: VecDeque<IndexRow>,
    info: Option<StreamInfo>,
}

impl<S: Read + Seek> Tables<'_, S> {
    pub fn info(&self) -> Option<&StreamInfo> {
        self.info.as_ref()
    }
}

impl<S: Read + Seek> Iterator for Tables<'_, S> {
    type Item = Result<Table, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.blocks.pop_front()?;
        Some(self.reader.table(&block))
    }
}

fn read_header<S: Read + Seek>(from: &mut S, file_len: u64) -> Result<Header, Error> {
    from.seek(SeekFrom::Start(0)).map_err(Error::io("reading"))?;
    let mut start = Vec::new();
    from.by_ref().take(FILE_START).read_to_end(&mut start).map_err(Error::io("reading"))?;
    let magic = start.get(..FILE_MAGIC.len()).unwrap_or(&start);
    if magic != FILE_MAGIC {
        let cut_off = FILE_MAGIC.starts_with(magic);
        return Err(if cut_off {
            Error::NoHeader { len: file_len }
        } else {
            Error::NotARecording { found: magic.to_vec() }
        });
    }
    let Some(version) = start.get(8..12).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(u32::from_le_bytes) else {
        return Err(Error::NoHeader { len: file_len });
    };
    if version != FORMAT {
        return Err(Error::Version { found: version, known: FORMAT });
    }
    if file_len < FILE_START + BLOCK_HEADER as u64 {
        return Err(Error::NoHeader { len: file_len });
    }
    let frame = read_frame(from, FILE_START)?;
    if frame.stream != block::STREAM_HEADER {
        return Err(Error::corrupt(FILE_START, "the first block is not the header"));
    }
    if FILE_START + frame.len() > file_len {
        return Err(Error::NoHeader { len: file_len });
    }
    text_block(from, &frame, FILE_START)
}

fn read_at<const N: usize, S: Read + Seek>(from: &mut S, offset: u64) -> Result<[u8; N], Error> {
    from.seek(SeekFrom::Start(offset)).map_err(Error::io("reading"))?;
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).map_err(|source| match source.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::corrupt(offset, "the file ends where a block should be"),
        _ => Error::Io { doing: "reading", source },
    })?;
    Ok(bytes)
}

fn read_frame<S: Read + Seek>(from: &mut S, offset: u64) -> Result<Frame, Error> {
    Frame::decode(&read_at::<BLOCK_HEADER, S>(from, offset)?, offset)
}

/// The payload of the block at `offset`.
fn read_payload<S: Read + Seek>(from: &mut S, frame: &Frame, offset: u64) -> Result<Vec<u8>, Error> {
    from.seek(SeekFrom::Start(offset + BLOCK_HEADER as u64)).map_err(Error::io("reading"))?;
    let mut stored = Vec::with_capacity((frame.stored_len as usize).min(MAX_PAYLOAD));
    from.by_ref().take(u64::from(frame.stored_len)).read_to_end(&mut stored).map_err(Error::io("reading"))?;
    if stored.len() < frame.stored_len as usize {
        return Err(Error::corrupt(offset, "the file ends inside a block"));
    }
    block::open(frame, stored, offset)
}

fn text_block<T: DeserializeOwned, S: Read + Seek>(from: &mut S, frame: &Frame, offset: u64) -> Result<T, Error> {
    let payload = read_payload(from, frame, offset)?;
    let text = String::from_utf8(payload).map_err(|_| Error::corrupt(offset, "a block of text is not UTF-8"))?;
    ron::from_str(&text).map_err(|e| Error::corrupt(offset, format!("a block of text is not as expected: {e}")))
}
