//! The index: one row a data block. Index blocks form a chain from the end of the file, so that neither the writer's
//! memory nor the last index block grows with the run.

use crate::column::{Col, Columns};
use crate::streams::Row;

/// Where a data block is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexRow {
    /// Time of the block's earliest row.
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    pub(crate) stream: u16,
    pub(crate) rows: u32,
    pub(crate) offset: u64,
    /// With its frame.
    pub(crate) len: u32,
}

/// An index block is written after this many data blocks.
pub(crate) const ENTRIES: u32 = 1024;

impl Row for IndexRow {
    const ID: u16 = crate::block::STREAM_INDEX;
    const NAME: &'static str = "index";

    fn at_ns(&self) -> u64 {
        self.first_ns
    }

    fn columns<V: Columns>(&mut self, v: &mut V) {
        v.int(Col::int("first_ns"), &mut self.first_ns);
        v.int(Col::int("last_ns"), &mut self.last_ns);
        v.int(Col::int("stream"), &mut self.stream);
        v.int(Col::int("rows"), &mut self.rows);
        v.int(Col::int("offset"), &mut self.offset);
        v.int(Col::int("len"), &mut self.len);
    }
}
