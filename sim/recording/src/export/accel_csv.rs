//! The samples of one accelerometer as Klipper's ACCELEROMETER_MEASURE writes them, for calibrate_shaper.py and
//! Shake&Tune: seconds and mm/s^2 with six decimals under `#time,accel_x,accel_y,accel_z`.

use crate::error::Error;
use crate::reader::Reader;
use crate::rows::Accel;
use std::io::{Read, Seek, Write};
use std::ops::Range;

/// Writes the samples of the chip with that index in the header; gives their number.
pub fn chip<S: Read + Seek>(
    reader: &mut Reader<S>,
    chip: u8,
    range: Range<u64>,
    to: &mut impl Write,
) -> Result<u64, Error> {
    let chips = &reader.header().chips;
    let Some(info) = chips.get(usize::from(chip)).cloned() else {
        let has = chips.iter().map(|c| c.name.clone()).collect();
        return Err(Error::NoStream { wanted: format!("accelerometer {chip}"), has });
    };
    writeln!(to, "#time,accel_x,accel_y,accel_z").map_err(Error::io("exporting"))?;
    let mut count = 0;
    for row in reader.rows::<Accel>(range) {
        let row = row?;
        if row.chip != chip {
            continue;
        }
        let [x, y, z] = info.mm_s2(row.raw);
        let seconds = row.at_ns as f64 * 1e-9;
        writeln!(to, "{seconds:.6},{x:.6},{y:.6},{z:.6}").map_err(Error::io("exporting"))?;
        count += 1;
    }
    Ok(count)
}
