//! Packed files, unpacked: gzip and zstd, by what they begin with.

/// More than this unpacked is no recording of a resonance test.
const MAX_BYTES: usize = 1 << 30;

/// The bytes themselves, or what is packed in them.
pub fn unpack(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    match bytes.as_slice() {
        [0x1f, 0x8b, ..] => gunzip(&bytes),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => unzstd(&bytes),
        _ => Ok(bytes),
    }
}

/// Every member of a gzip file (RFC 1952).
fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let cut = || "the gzip file is cut short; copy it again".to_string();
    let mut out = Vec::new();
    let mut rest = bytes;
    while rest.len() > 18 && rest.starts_with(&[0x1f, 0x8b]) {
        let data = rest.get(header_len(rest).ok_or_else(cut)?..).ok_or_else(cut)?;
        let trailer = data.len().checked_sub(8).ok_or_else(cut)?;
        let room = MAX_BYTES.saturating_sub(out.len());
        let mut inflater = miniz_oxide::inflate::core::DecompressorOxide::new();
        let (used, mut part) = inflate(&mut inflater, &data[..trailer], room)?;
        out.append(&mut part);
        rest = data.get(used + 8..).unwrap_or_default();
    }
    if out.is_empty() { Err(cut()) } else { Ok(out) }
}

fn inflate(
    inflater: &mut miniz_oxide::inflate::core::DecompressorOxide,
    data: &[u8],
    room: usize,
) -> Result<(usize, Vec<u8>), String> {
    use miniz_oxide::inflate::TINFLStatus;
    use miniz_oxide::inflate::core::{decompress, inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
    let mut out = vec![0; (data.len() * 4).clamp(4096, room.max(4096))];
    let (mut read, mut written) = (0, 0);
    loop {
        let (status, took, gave) =
            decompress(inflater, &data[read..], &mut out, written, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
        read += took;
        written += gave;
        match status {
            TINFLStatus::Done => {
                out.truncate(written);
                return Ok((read, out));
            }
            TINFLStatus::HasMoreOutput if out.len() < room => out.resize((out.len() * 2).min(room), 0),
            TINFLStatus::HasMoreOutput => return Err("unpacks to more than 1 GiB; no recording is that long".into()),
            _ => return Err("the gzip file is damaged or cut short; copy it again".into()),
        }
    }
}

/// Bytes before the deflated data of a gzip member.
fn header_len(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.get(3)?;
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + usize::from(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    }
    for text in [8, 16] {
        if flags & text != 0 {
            at += bytes.get(at..)?.iter().position(|b| *b == 0)? + 1;
        }
    }
    Some(if flags & 2 != 0 { at + 2 } else { at })
}

fn unzstd(bytes: &[u8]) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let mut out = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let decoder = ruzstd::decoding::StreamingDecoder::new(&mut rest)
            .map_err(|e| format!("the zstd data are damaged ({e}); copy the file again"))?;
        let room = MAX_BYTES - out.len();
        let read = decoder.take(room as u64 + 1).read_to_end(&mut out);
        read.map_err(|e| format!("the zstd data are damaged or cut short ({e}); copy the file again"))?;
        if out.len() > MAX_BYTES {
            return Err("unpacks to more than 1 GiB; no recording is that long".into());
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gzip member as `gzip -n` writes it.
    fn gzipped(text: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3];
        bytes.extend(b"name.csv\0");
        bytes.extend(miniz_oxide::deflate::compress_to_vec(text, 6));
        bytes.extend([0; 8]);
        bytes
    }

    #[test]
    fn members_of_a_gzip_file_follow_each_other() {
        let mut two = gzipped(b"first,");
        two.extend(gzipped(b"second"));
        assert_eq!(unpack(two).unwrap(), b"first,second");
    }

    #[test]
    fn cut_files_are_errors() {
        let whole = gzipped(&b"0.1,0.2,0.3,0.4\n".repeat(100));
        for len in [2, 11, 25, whole.len() - 9] {
            assert!(unpack(whole[..len].to_vec()).is_err(), "{len}");
        }
        assert!(unpack(vec![0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3]).is_err());
    }

    #[test]
    fn plain_bytes_stay_as_they_are() {
        assert_eq!(unpack(b"freq,psd_x".to_vec()).unwrap(), b"freq,psd_x");
    }
}
