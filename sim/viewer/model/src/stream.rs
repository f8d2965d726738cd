//! One stream of a recording, read by whole blocks: the few blocks around the playhead are kept decoded.

use drydock_recording::reader::BlockInfo;
use drydock_recording::{Reader, Row};
use std::collections::VecDeque;
use std::io::{Read, Seek};
use std::ops::Range;

/// What a recording is read from.
pub trait Source: Read + Seek + Send + Sync {}
impl<T: Read + Seek + Send + Sync> Source for T {}

pub(crate) type AnyReader = Reader<Box<dyn Source>>;

/// Of work that is done in pieces: so many blocks are read, so many are left.
pub(crate) fn share(read: usize, left: usize) -> f32 {
    if left == 0 { 1.0 } else { read as f32 / (read + left) as f32 }
}

/// Decoded blocks that are kept: two for the playhead, the others for plots around it and for going to and fro.
const KEPT: usize = 8;

pub(crate) struct Stream<R> {
    blocks: Vec<BlockInfo>,
    /// Newest last.
    kept: VecDeque<(usize, Vec<R>)>,
    fault: Option<String>,
}

impl<R: Row> Stream<R> {
    pub(crate) fn new(reader: &AnyReader) -> Stream<R> {
        let mut stream = Stream { blocks: Vec::new(), kept: VecDeque::new(), fault: None };
        stream.grow(reader);
        stream
    }

    /// Takes note of blocks that have come.
    pub(crate) fn grow(&mut self, reader: &AnyReader) {
        self.blocks.extend(reader.blocks_of(R::ID).skip(self.blocks.len()));
    }

    pub(crate) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// How many blocks there are from this one on whose rows are all over by a time.
    pub(crate) fn over_by(&self, from: usize, ns: u64) -> usize {
        self.blocks.iter().skip(from).take_while(|b| b.last_ns <= ns).count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Why a block could not be read; its rows are then missing.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// The rows of a block, without keeping them: for those who read everything once.
    pub(crate) fn read(&mut self, reader: &mut AnyReader, nth: usize) -> Vec<R> {
        reader.block_rows(nth).unwrap_or_else(|error| {
            self.fault.get_or_insert(error.to_string());
            Vec::new()
        })
    }

    /// The rows of a block; they are kept for the next time.
    fn block(&mut self, reader: &mut AnyReader, nth: usize) -> &[R] {
        if let Some(at) = self.kept.iter().position(|(n, _)| *n == nth) {
            let found = self.kept.remove(at);
            self.kept.extend(found);
        } else {
            let rows = self.read(reader, nth);
            if self.kept.len() >= KEPT {
                self.kept.pop_front();
            }
            self.kept.push_back((nth, rows));
        }
        self.kept.back().map(|(_, rows)| rows.as_slice()).unwrap_or_default()
    }

    /// The first block that begins after a time.
    fn after(&self, at_ns: u64) -> usize {
        self.blocks.partition_point(|b| b.first_ns <= at_ns)
    }

    /// The last row at or before a time and the first one after it, of the rows that `which` takes.
    ///
    /// Looks at three blocks at most: a row that is farther away says nothing about this time.
    pub(crate) fn around(
        &mut self,
        reader: &mut AnyReader,
        at_ns: u64,
        which: impl Fn(&R) -> bool,
    ) -> (Option<R>, Option<R>) {
        let next = self.after(at_ns);
        let (mut before, mut after) = (None, None);
        for nth in (next.saturating_sub(2)..next).rev() {
            let rows = self.block(reader, nth);
            let split = rows.partition_point(|r| r.at_ns() <= at_ns);
            after = rows[split..].iter().find(|r| which(r)).cloned().or(after);
            before = rows[..split].iter().rev().find(|r| which(r)).cloned();
            if before.is_some() {
                break;
            }
        }
        if after.is_none() && next < self.blocks.len() {
            after = self.block(reader, next).iter().find(|r| which(r)).cloned();
        }
        (before, after)
    }

    /// The blocks that have rows in a range of time.
    pub(crate) fn blocks_in(&self, range: &Range<u64>) -> Range<usize> {
        let start = self.blocks.partition_point(|b| b.last_ns < range.start);
        let end = self.blocks.partition_point(|b| b.first_ns < range.end);
        start..end.max(start)
    }

    pub(crate) fn rows_of(&self, blocks: Range<usize>) -> u64 {
        self.blocks[blocks].iter().map(|b| u64::from(b.rows)).sum()
    }

    /// Every row of a range of time, in the order of the file.
    pub(crate) fn for_each(&mut self, reader: &mut AnyReader, range: Range<u64>, mut f: impl FnMut(&R)) {
        for nth in self.blocks_in(&range) {
            self.block(reader, nth).iter().filter(|r| range.contains(&r.at_ns())).for_each(&mut f);
        }
    }

    /// Every row of these blocks.
    pub(crate) fn for_blocks(&mut self, reader: &mut AnyReader, blocks: Range<usize>, mut f: impl FnMut(&R)) {
        for nth in blocks {
            self.block(reader, nth).iter().for_each(&mut f);
        }
    }
}
