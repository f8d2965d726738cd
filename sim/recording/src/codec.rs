//! The payload of a data block: columns one after another, each a run of variable-length differences.
//!
//! ```text
//! payload := column*                        in the order of the stream table
//! column  := u32 length, numbers            for Int and Real: one zigzag LEB128 difference a row
//!          | u32 length, numbers, u32 length, bytes   for Text and Bytes: the numbers are lengths
//! ```
//! Differences start from zero in every block, so that a block can be read alone.

use crate::column::{Col, Columns, Int, Kind, Predict, quantise, restore};
use crate::streams::{ColumnInfo, Row, StreamInfo};

/// The rows of one stream that wait for their block.
#[derive(Default)]
pub(crate) struct Encoder {
    columns: Vec<Column>,
    rows: u32,
    blob_len: usize,
}

#[derive(Default)]
struct Column {
    numbers: Vec<u8>,
    blob: Vec<u8>,
    has_blob: bool,
    last: i64,
    slope: i64,
}

impl Encoder {
    pub(crate) fn new(stream: &StreamInfo) -> Encoder {
        let has_blob = |kind| matches!(kind, Kind::Text | Kind::Bytes);
        let columns = stream.columns.iter().map(|c| Column { has_blob: has_blob(c.kind), ..Column::default() });
        Encoder { columns: columns.collect(), rows: 0, blob_len: 0 }
    }

    #[inline]
    pub(crate) fn push<R: Row>(&mut self, row: &mut R) {
        row.columns(&mut Walk { columns: &mut self.columns, next: 0, blob_len: &mut self.blob_len });
        self.rows += 1;
    }

    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    /// Bytes waiting in the text and byte columns.
    pub(crate) fn blob_len(&self) -> usize {
        self.blob_len
    }

    /// Writes the payload to `out` and starts the next block.
    pub(crate) fn take(&mut self, out: &mut Vec<u8>) {
        for column in &mut self.columns {
            append(out, &column.numbers);
            if column.has_blob {
                append(out, &column.blob);
            }
            column.numbers.clear();
            column.blob.clear();
            column.last = 0;
            column.slope = 0;
        }
        self.rows = 0;
        self.blob_len = 0;
    }
}

fn append(out: &mut Vec<u8>, bytes: &[u8]) {
    // A block holds at most MAX_PAYLOAD bytes, far below 4 GiB.
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

struct Walk<'a> {
    columns: &'a mut [Column],
    next: usize,
    blob_len: &'a mut usize,
}

impl Walk<'_> {
    #[inline]
    fn number(&mut self, predict: Predict, value: i64) {
        let expected = match predict {
            Predict::Column(other) => self.columns[usize::from(other)].last,
            _ => 0,
        };
        let column = &mut self.columns[self.next];
        self.next += 1;
        let step = value.wrapping_sub(column.last);
        let difference = match predict {
            Predict::Last => step,
            Predict::Linear => step.wrapping_sub(column.slope),
            Predict::Column(_) => value.wrapping_sub(expected),
        };
        column.slope = step;
        column.last = value;
        put(&mut column.numbers, difference);
    }

    #[inline]
    fn blob(&mut self, bytes: &[u8]) {
        self.columns[self.next].blob.extend_from_slice(bytes);
        *self.blob_len += bytes.len();
        self.number(Predict::Last, bytes.len() as i64);
    }
}

impl Columns for Walk<'_> {
    #[inline]
    fn int<T: Int>(&mut self, col: Col, value: &mut T) {
        self.number(col.predict, value.to_i64());
    }

    #[inline]
    fn real(&mut self, col: Col, value: &mut f64) {
        let Kind::Real { per_unit } = col.kind else { unreachable!("Col::real makes real columns") };
        self.number(col.predict, quantise(*value, per_unit));
    }

    #[inline]
    fn text(&mut self, _: Col, value: &mut String) {
        self.blob(value.as_bytes());
    }

    #[inline]
    fn bytes(&mut self, _: Col, value: &mut Vec<u8>) {
        self.blob(value);
    }
}

#[inline]
fn put(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// One decoded block: whole columns.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: usize,
    columns: Vec<Values>,
}

#[derive(Clone, Debug)]
enum Values {
    Numbers(Vec<i64>),
    Blobs { ends: Vec<usize>, data: Vec<u8> },
}

/// One value of a row whose type is not known here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Int(i64),
    Real(f64),
    Text(&'a [u8]),
    Bytes(&'a [u8]),
}

impl Table {
    /// Decodes a payload; the error says what is wrong with it.
    pub(crate) fn decode(stream: &StreamInfo, rows: u32, payload: &[u8]) -> Result<Table, String> {
        let rows = rows as usize;
        let mut columns: Vec<Option<Values>> = vec![None; stream.columns.len()];
        let mut parts = Vec::with_capacity(columns.len());
        let mut rest = payload;
        for column in &stream.columns {
            let numbers = part(&mut rest).ok_or_else(|| format!("column {} is cut off", column.name))?;
            let blob = match column.kind {
                Kind::Text | Kind::Bytes => {
                    Some(part(&mut rest).ok_or_else(|| format!("the text of column {} is cut off", column.name))?)
                }
                _ => None,
            };
            // Every number takes a byte at least: this bounds what a forged row count can make us allocate.
            if numbers.len() < rows {
                return Err(format!("column {} has {} bytes for {rows} rows", column.name, numbers.len()));
            }
            parts.push((numbers, blob));
        }
        if !rest.is_empty() {
            return Err(format!("{} bytes are left over after the last column", rest.len()));
        }
        // Columns that stand alone first: the others are predicted from them.
        for stands_alone in [true, false] {
            for (i, column) in stream.columns.iter().enumerate() {
                if stands_alone == matches!(column.predict, Predict::Column(_)) {
                    continue;
                }
                let (numbers, blob) = parts[i];
                let values = numbers_of(column, i, &columns, rows, numbers)?;
                columns[i] = Some(match blob {
                    None => Values::Numbers(values),
                    Some(blob) => blobs_of(column, &values, blob)?,
                });
            }
        }
        Ok(Table { rows, columns: columns.into_iter().flatten().collect() })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The time of a row: its first column.
    pub fn at_ns(&self, row: usize) -> u64 {
        match self.columns.first() {
            Some(Values::Numbers(values)) => values.get(row).map_or(0, |v| *v as u64),
            _ => 0,
        }
    }

    /// One value; `None` outside the table.
    pub fn value<'a>(&'a self, info: &ColumnInfo, column: usize, row: usize) -> Option<Value<'a>> {
        match self.columns.get(column)? {
            Values::Numbers(values) => {
                let stored = *values.get(row)?;
                Some(match info.kind {
                    Kind::Real { per_unit } => Value::Real(restore(stored, per_unit)),
                    _ => Value::Int(stored),
                })
            }
            Values::Blobs { .. } => {
                let bytes = self.blob(column, row)?;
                Some(if info.kind == Kind::Text { Value::Text(bytes) } else { Value::Bytes(bytes) })
            }
        }
    }

    /// The numbers as they are stored, for comparing: `None` for text and bytes.
    pub(crate) fn stored(&self, column: usize, row: usize) -> Option<i64> {
        match self.columns.get(column)? {
            Values::Numbers(values) => values.get(row).copied(),
            Values::Blobs { .. } => None,
        }
    }

    pub(crate) fn blob(&self, column: usize, row: usize) -> Option<&[u8]> {
        match self.columns.get(column)? {
            Values::Blobs { ends, data } => {
                let start = if row == 0 { 0 } else { *ends.get(row - 1)? };
                data.get(start..*ends.get(row)?)
            }
            Values::Numbers(_) => None,
        }
    }

    /// A row in its own type. `map` comes from `sources`.
    #[inline]
    pub(crate) fn row<R: Row>(&self, map: &[Source], row: usize) -> R {
        let mut value = R::default();
        value.columns(&mut Fill { table: self, map, row, next: 0 });
        value
    }
}

/// Where a column of a row type is in a file, and the file's scale for it. A column that the file lacks stays empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    column: Option<usize>,
    per_unit: f64,
}

/// For each column of the row type, the column of the file that has its name: so a file of a program that knew fewer
/// or other columns is read as far as it goes.
pub(crate) fn sources<R: Row>(stream: &StreamInfo) -> Vec<Source> {
    let same_kind = |a: Kind, b: Kind| core::mem::discriminant(&a) == core::mem::discriminant(&b);
    let find = |c: Col| {
        let column = stream.columns.iter().position(|f| f.name == c.name && same_kind(f.kind, c.kind));
        let per_unit = match column.map(|i| stream.columns[i].kind) {
            Some(Kind::Real { per_unit }) => per_unit,
            _ => 1.0,
        };
        Source { column, per_unit }
    };
    crate::column::columns_of::<R>().into_iter().map(find).collect()
}

struct Fill<'a> {
    table: &'a Table,
    map: &'a [Source],
    row: usize,
    next: usize,
}

impl Fill<'_> {
    #[inline]
    fn stored(&mut self) -> Option<(i64, f64)> {
        let source = self.map[self.next];
        self.next += 1;
        Some((self.table.stored(source.column?, self.row)?, source.per_unit))
    }

    #[inline]
    fn blob(&mut self) -> &[u8] {
        let source = self.map[self.next];
        self.next += 1;
        source.column.and_then(|c| self.table.blob(c, self.row)).unwrap_or_default()
    }
}

impl Columns for Fill<'_> {
    #[inline]
    fn int<T: Int>(&mut self, _: Col, value: &mut T) {
        if let Some((stored, _)) = self.stored() {
            *value = T::from_i64(stored);
        }
    }

    #[inline]
    fn real(&mut self, _: Col, value: &mut f64) {
        if let Some((stored, per_unit)) = self.stored() {
            *value = restore(stored, per_unit);
        }
    }

    fn text(&mut self, _: Col, value: &mut String) {
        *value = String::from_utf8_lossy(self.blob()).into_owned();
    }

    fn bytes(&mut self, _: Col, value: &mut Vec<u8>) {
        *value = self.blob().to_vec();
    }
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, after) = rest.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len) as usize;
    let (part, after) = after.split_at_checked(len)?;
    *rest = after;
    Some(part)
}

fn numbers_of(
    column: &ColumnInfo,
    own: usize,
    columns: &[Option<Values>],
    rows: usize,
    mut bytes: &[u8],
) -> Result<Vec<i64>, String> {
    let other = match column.predict {
        Predict::Column(other) => {
            let Some(Some(Values::Numbers(values))) = columns.get(usize::from(other)) else {
                return Err(format!("column {} is predicted from column {other}, which cannot be", column.name));
            };
            Some((values, usize::from(other) < own))
        }
        _ => None,
    };
    let mut values = Vec::with_capacity(rows);
    let (mut last, mut slope) = (0i64, 0i64);
    for row in 0..rows {
        let difference = get(&mut bytes).ok_or_else(|| format!("column {} ends in row {row}", column.name))?;
        let value = match (column.predict, other) {
            (Predict::Linear, _) => last.wrapping_add(slope).wrapping_add(difference),
            (Predict::Column(_), Some((values, true))) => values[row].wrapping_add(difference),
            (Predict::Column(_), Some((values, false))) => {
                let before = if row == 0 { 0 } else { values[row - 1] };
                before.wrapping_add(difference)
            }
            _ => last.wrapping_add(difference),
        };
        slope = value.wrapping_sub(last);
        last = value;
        values.push(value);
    }
    if !bytes.is_empty() {
        return Err(format!("column {} has {} bytes too many", column.name, bytes.len()));
    }
    Ok(values)
}

fn blobs_of(column: &ColumnInfo, lengths: &[i64], data: &[u8]) -> Result<Values, String> {
    let mut end = 0usize;
    let mut ends = Vec::with_capacity(lengths.len());
    for length in lengths {
        end = usize::try_from(*length)
            .ok()
            .and_then(|l| end.checked_add(l))
            .filter(|end| *end <= data.len())
            .ok_or_else(|| format!("a text of column {} runs past the block", column.name))?;
        ends.push(end);
    }
    Ok(Values::Blobs { ends, data: data.to_vec() })
}

#[inline]
fn get(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for (i, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            *bytes = &bytes[i + 1..];
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back() {
        for value in [0, 1, -1, 63, 64, -64, -65, 1 << 20, i64::MAX, i64::MIN, i64::MIN + 1] {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            let mut rest = bytes.as_slice();
            assert_eq!(get(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
    }
}
