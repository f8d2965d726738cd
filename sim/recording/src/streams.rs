//! The list of all streams: a new stream is one struct in `rows.rs` (or in a file of its own) and one line here.

use crate::column::{Kind, Predict, columns_of};
use crate::rows::*;
use serde::{Deserialize, Serialize};

/// Walks the row types. Ids are never used twice, also not after a stream is gone.
pub fn for_each(visitor: &mut impl StreamVisitor) {
    visitor.stream::<Command>();
    visitor.stream::<Move>();
    visitor.stream::<StepSegment>();
    visitor.stream::<State>();
    visitor.stream::<Thermal>();
    visitor.stream::<Extrusion>();
    visitor.stream::<Bead>();
    visitor.stream::<Load>();
    visitor.stream::<Accel>();
    visitor.stream::<Queue>();
    visitor.stream::<Fan>();
    visitor.stream::<Pin>();
    visitor.stream::<Event>();
    visitor.stream::<Console>();
    visitor.stream::<Wire>();
}

/// Does something for each row type.
pub trait StreamVisitor {
    fn stream<R: Row>(&mut self);
}

/// One kind of row: which stream it belongs to, when it is, and what columns it has.
///
/// The first column MUST be the time that `at_ns` returns.
pub trait Row: Default + Clone + PartialEq + core::fmt::Debug {
    /// MUST be below 256.
    const ID: u16;
    const NAME: &'static str;
    fn at_ns(&self) -> u64;
    fn columns<V: crate::column::Columns>(&mut self, v: &mut V);
}

/// A stream as the header of a file describes it: enough to read it without knowing the row type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamInfo {
    pub id: u16,
    pub name: String,
    pub columns: Vec<ColumnInfo>,
}

/// A column as the header of a file describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnInfo {
    pub name: String,
    pub kind: Kind,
    pub predict: Predict,
}

impl StreamInfo {
    pub fn of<R: Row>() -> StreamInfo {
        let columns = columns_of::<R>();
        let columns = columns.iter().map(|c| ColumnInfo { name: c.name.to_owned(), kind: c.kind, predict: c.predict });
        StreamInfo { id: R::ID, name: R::NAME.to_owned(), columns: columns.collect() }
    }
}

/// The stream table that this version writes.
pub fn table() -> Vec<StreamInfo> {
    struct Collect(Vec<StreamInfo>);
    impl StreamVisitor for Collect {
        fn stream<R: Row>(&mut self) {
            self.0.push(StreamInfo::of::<R>());
        }
    }
    let mut all = Collect(Vec::new());
    for_each(&mut all);
    all.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_and_names_are_unique_and_time_comes_first() {
        let table = table();
        let ids: BTreeSet<_> = table.iter().map(|s| s.id).collect();
        let names: BTreeSet<_> = table.iter().map(|s| s.name.clone()).collect();
        assert_eq!(ids.len(), table.len());
        assert_eq!(names.len(), table.len());
        for stream in &table {
            assert!(stream.id < 256, "{}", stream.name);
            assert_eq!(stream.columns[0].name, "at_ns", "{}", stream.name);
            assert_eq!(stream.columns[0].kind, Kind::Int, "{}", stream.name);
            let columns: BTreeSet<_> = stream.columns.iter().map(|c| &c.name).collect();
            assert_eq!(columns.len(), stream.columns.len(), "{}", stream.name);
        }
    }

    #[test]
    fn columns_are_predicted_from_columns_that_stand_alone() {
        for stream in table() {
            for column in &stream.columns {
                if let Predict::Column(other) = column.predict {
                    let other = &stream.columns[usize::from(other)];
                    assert!(!matches!(other.predict, Predict::Column(_)), "{} {}", stream.name, column.name);
                    assert_eq!(other.kind, column.kind, "{} {}", stream.name, column.name);
                }
            }
        }
    }
}
