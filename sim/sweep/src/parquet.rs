//! Tables as Parquet files: one row group, every column optional, nothing compressed.

use std::path::Path;
use std::sync::Arc;

use drydock_scenario::text::io_cause;
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::Field;
use parquet::schema::types::Type;

use crate::table::{Cell, Kind, Table};

pub(crate) fn write(table: &Table) -> Result<Vec<u8>, String> {
    bytes_of(table).map_err(|e| e.to_string())
}

fn bytes_of(table: &Table) -> Result<Vec<u8>, ParquetError> {
    let column = |(name, kind): &(String, Kind)| {
        let (physical, logical) = match kind {
            Kind::Bool => (Physical::BOOLEAN, None),
            Kind::Int => (Physical::INT64, None),
            Kind::Number => (Physical::DOUBLE, None),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let builder = Type::primitive_type_builder(name, physical).with_logical_type(logical);
        builder.with_repetition(Repetition::OPTIONAL).build().map(Arc::new)
    };
    let fields = table.columns.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder("sweep").with_fields(fields).build()?);
    // The library's own version has no place in a file that two machines must write alike.
    let properties = WriterProperties::builder().set_created_by("drydock".into()).build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (c, (_, kind)) in table.columns.iter().enumerate() {
        let cells = || table.rows.iter().map(|row| &row[c]);
        match kind {
            Kind::Bool => {
                put::<BoolType>(&mut group, cells().map(|x| if let Cell::Bool(v) = x { Some(*v) } else { None }))
            }
            Kind::Int => {
                put::<Int64Type>(&mut group, cells().map(|x| if let Cell::Int(v) = x { Some(*v) } else { None }))
            }
            Kind::Number => {
                put::<DoubleType>(&mut group, cells().map(|x| if let Cell::Number(v) = x { Some(*v) } else { None }))
            }
            Kind::Text => {
                let text = |x: &Cell| if let Cell::Text(v) = x { Some(ByteArray::from(v.as_str())) } else { None };
                put::<ByteArrayType>(&mut group, cells().map(text))
            }
        }?;
    }
    group.close()?;
    writer.close()?;
    Ok(bytes)
}

fn put<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    cells: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let cells: Vec<Option<T::T>> = cells.collect();
    let there: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells.into_iter().flatten().collect();
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    column.typed::<T>().write_batch(&values, Some(&there), None)?;
    column.close()
}

pub(crate) fn read(path: &Path) -> Result<Table, String> {
    let file = std::fs::File::open(path).map_err(|e| io_cause(&e))?;
    let said = |e: ParquetError| e.to_string();
    let reader = SerializedFileReader::new(file).map_err(said)?;
    let mut columns = Vec::new();
    for column in reader.metadata().file_metadata().schema().get_fields() {
        let kind = match column.is_primitive().then(|| column.get_physical_type()) {
            Some(Physical::BOOLEAN) => Kind::Bool,
            Some(Physical::INT64) => Kind::Int,
            Some(Physical::DOUBLE) => Kind::Number,
            Some(Physical::BYTE_ARRAY) => Kind::Text,
            _ => return Err(format!("column {} is of a kind that no sweep writes", column.name())),
        };
        columns.push((column.name().to_string(), kind));
    }
    let mut rows = Vec::new();
    for row in reader.get_row_iter(None).map_err(said)? {
        let row = row.map_err(said)?;
        let cell = |field: &Field| match field {
            Field::Bool(v) => Cell::Bool(*v),
            Field::Long(v) => Cell::Int(*v),
            Field::Double(v) => Cell::Number(*v),
            Field::Str(v) => Cell::Text(v.clone()),
            _ => Cell::Null,
        };
        rows.push(row.get_column_iter().map(|(_, field)| cell(field)).collect());
    }
    Ok(Table { columns, rows })
}
