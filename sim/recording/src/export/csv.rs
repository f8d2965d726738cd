//! One stream as CSV: a line of column names, a line a row. Where a column counts the header's steppers, heaters, fans..
//! their names stand in it.

use crate::codec::Value;
use crate::error::Error;
use crate::header::Header;
use crate::reader::Reader;
use std::io::{Read, Seek, Write};
use std::ops::Range;

/// Writes the rows of one stream in a range of time; gives the number of rows. It needs no row type, so that it also
/// exports streams of later versions.
pub fn stream<S: Read + Seek>(
    reader: &mut Reader<S>,
    name: &str,
    range: Range<u64>,
    to: &mut impl Write,
) -> Result<u64, Error> {
    let io = Error::io;
    let info = reader.stream(name)?.clone();
    let names: Vec<&str> = info.columns.iter().map(|c| c.name.as_str()).collect();
    writeln!(to, "{}", names.join(",")).map_err(io("exporting"))?;
    let called: Vec<Vec<String>> = names.iter().map(|column| names_of(reader.header(), column)).collect();
    let mut count = 0;
    let mut line = Vec::new();
    for table in reader.tables(info.id, range.clone()) {
        let table = table?;
        for row in (0..table.rows()).filter(|row| range.contains(&table.at_ns(*row))) {
            line.clear();
            for (i, column) in info.columns.iter().enumerate() {
                if i > 0 {
                    line.push(b',');
                }
                match table.value(column, i, row) {
                    Some(Value::Int(index)) => match usize::try_from(index).ok().and_then(|at| called[i].get(at)) {
                        Some(name) => quoted(&mut line, name.as_bytes()),
                        None => field(&mut line, Value::Int(index)),
                    },
                    Some(value) => field(&mut line, value),
                    None => {}
                }
            }
            line.push(b'\n');
            to.write_all(&line).map_err(io("exporting"))?;
            count += 1;
        }
    }
    Ok(count)
}

/// What the numbers of a column stand for; empty where they are numbers.
fn names_of(header: &Header, column: &str) -> Vec<String> {
    match column {
        "stepper" => header.steppers.iter().map(|s| s.name.clone()).collect(),
        "heater" => header.heaters.clone(),
        "motor" => header.motors.clone(),
        "fan" => header.fans.clone(),
        "mcu" => header.mcus.clone(),
        _ => Vec::new(),
    }
}

fn field(line: &mut Vec<u8>, value: Value) {
    // Writing to a vector cannot fail.
    let _ = match value {
        Value::Int(value) => write!(line, "{value}"),
        Value::Real(value) => write!(line, "{value}"),
        Value::Bytes(value) => value.iter().try_for_each(|b| write!(line, "{b:02x}")),
        Value::Text(value) => {
            quoted(line, value);
            Ok(())
        }
    };
}

/// As RFC 4180 has it: quotes where there is a comma, a quote or a line end, quotes doubled.
fn quoted(line: &mut Vec<u8>, text: &[u8]) {
    if !text.iter().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r')) {
        line.extend_from_slice(text);
        return;
    }
    line.push(b'"');
    for byte in text {
        if *byte == b'"' {
            line.push(b'"');
        }
        line.push(*byte);
    }
    line.push(b'"');
}
