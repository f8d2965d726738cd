//! The printed part as a PLY mesh (binary, little-endian), for CloudCompare, MeshLab and Blender: each bead a box with
//! the bead's width and height, coloured by what it is.

use crate::error::Error;
use crate::reader::Reader;
use crate::rows::Bead;
use std::io::{Read, Seek, Write};

/// Colours by feature, in the order of [`Bead::FEATURES`].
const COLOURS: [[u8; 3]; Bead::FEATURES.len()] = [
    [150, 150, 150],
    [230, 120, 30],
    [240, 190, 90],
    [150, 60, 50],
    [160, 90, 200],
    [220, 70, 70],
    [70, 130, 190],
    [60, 160, 90],
    [90, 180, 170],
];

/// Writes all beads; gives their number.
pub fn beads<S: Read + Seek>(reader: &mut Reader<S>, to: &mut impl Write) -> Result<u64, Error> {
    let io = Error::io;
    let count = reader.row_count::<Bead>();
    write!(
        to,
        "ply\nformat binary_little_endian 1.0\ncomment millimetres\nelement vertex {}\nproperty float x\nproperty float y\n\
         property float z\nproperty uchar red\nproperty uchar green\nproperty uchar blue\nelement face {}\n\
         property list uchar int vertex_indices\nend_header\n",
        count * 8,
        count * 6
    )
    .map_err(io("exporting"))?;
    for bead in reader.all::<Bead>() {
        let bead = bead?;
        let colour = COLOURS.get(usize::from(bead.feature)).copied().unwrap_or(COLOURS[0]);
        for corner in corners(&bead) {
            for value in corner {
                to.write_all(&(value as f32).to_le_bytes()).map_err(io("exporting"))?;
            }
            to.write_all(&colour).map_err(io("exporting"))?;
        }
    }
    const FACES: [[i32; 4]; 6] = [[0, 1, 2, 3], [7, 6, 5, 4], [0, 4, 5, 1], [1, 5, 6, 2], [2, 6, 7, 3], [3, 7, 4, 0]];
    for bead in 0..count {
        for face in FACES {
            to.write_all(&[4]).map_err(io("exporting"))?;
            for vertex in face {
                let vertex = (bead * 8) as i32 + vertex;
                to.write_all(&vertex.to_le_bytes()).map_err(io("exporting"))?;
            }
        }
    }
    Ok(count)
}

/// Four corners at each end; the recorded height is that of the nozzle, the bead hangs below it.
fn corners(bead: &Bead) -> [[f64; 3]; 8] {
    let along = [bead.to_mm[0] - bead.from_mm[0], bead.to_mm[1] - bead.from_mm[1]];
    let len = along[0].hypot(along[1]);
    let side = if len > 0.0 { [-along[1] / len, along[0] / len] } else { [0.0, 1.0] };
    let half = bead.width_mm / 2.0;
    let end = |p: [f64; 3]| {
        let at = |sign: f64, down: f64| [p[0] + sign * side[0] * half, p[1] + sign * side[1] * half, p[2] - down];
        [at(-1.0, bead.height_mm), at(1.0, bead.height_mm), at(1.0, 0.0), at(-1.0, 0.0)]
    };
    let (a, b) = (end(bead.from_mm), end(bead.to_mm));
    [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]]
}
