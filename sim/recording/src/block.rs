//! The frame of a block: everything in a file after its first 16 bytes is a block, until the footer.
//!
//! ```text
//! 0  magic "DkBl"        4  stream u16      6  flags u16 (bit 0: lz4)
//! 8  rows u32           12  raw length u32 16  stored length u32   20 CRC32 of the stored payload
//! 24 first time u64     32  last time u64  40  offset of the index block before this block, u64
//! 48 CRC32 of bytes 0..48                  52  payload
//! ```
//! All numbers are little-endian. The header has a CRC of its own, so that a scan can trust the lengths without
//! reading payloads.

use crate::error::Error;

pub(crate) const FILE_MAGIC: [u8; 8] = *b"DRYDOCK\n";
pub(crate) const FORMAT: u32 = 1;
/// Magic, format, four bytes of zero.
pub(crate) const FILE_START: u64 = 16;
pub(crate) const BLOCK_HEADER: usize = 52;
pub(crate) const FOOTER: usize = 24;
const BLOCK_MAGIC: [u8; 4] = *b"DkBl";
const FOOTER_MAGIC: [u8; 4] = *b"DkEn";
const COMPRESSED: u16 = 1;

/// Not data but part of the file's frame.
pub(crate) const STREAM_INDEX: u16 = 0xfffd;
pub(crate) const STREAM_END: u16 = 0xfffe;
pub(crate) const STREAM_HEADER: u16 = 0xffff;

/// The largest payload before compression: bounds what a forged length can make a reader allocate.
pub const MAX_PAYLOAD: usize = 16 << 20;
pub(crate) const MAX_ROWS: u32 = 1 << 20;

/// A block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) stream: u16,
    pub(crate) compressed: bool,
    pub(crate) rows: u32,
    pub(crate) raw_len: u32,
    pub(crate) stored_len: u32,
    pub(crate) payload_crc: u32,
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    /// Where the index block before this block is; 0 if there is none. A reader walks this chain from the footer.
    pub(crate) previous_index: u64,
}

impl Frame {
    pub(crate) fn encode(&self) -> [u8; BLOCK_HEADER] {
        let mut bytes = [0; BLOCK_HEADER];
        bytes[0..4].copy_from_slice(&BLOCK_MAGIC);
        bytes[4..6].copy_from_slice(&self.stream.to_le_bytes());
        bytes[6..8].copy_from_slice(&(if self.compressed { COMPRESSED } else { 0 }).to_le_bytes());
        bytes[8..12].copy_from_slice(&self.rows.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.raw_len.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.stored_len.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first_ns.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.last_ns.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.previous_index.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..48]);
        bytes[48..52].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; BLOCK_HEADER], offset: u64) -> Result<Frame, Error> {
        if bytes[0..4] != BLOCK_MAGIC {
            return Err(Error::corrupt(offset, "no block begins here"));
        }
        if u32_at(bytes, 48) != crc32fast::hash(&bytes[..48]) {
            return Err(Error::corrupt(offset, "the checksum of a block's header does not match"));
        }
        let frame = Frame {
            stream: u16::from_le_bytes([bytes[4], bytes[5]]),
            compressed: bytes[6] & COMPRESSED as u8 != 0,
            rows: u32_at(bytes, 8),
            raw_len: u32_at(bytes, 12),
            stored_len: u32_at(bytes, 16),
            payload_crc: u32_at(bytes, 20),
            first_ns: u64_at(bytes, 24),
            last_ns: u64_at(bytes, 32),
            previous_index: u64_at(bytes, 40),
        };
        if frame.raw_len as usize > MAX_PAYLOAD || frame.stored_len > frame.raw_len || frame.rows > MAX_ROWS {
            return Err(Error::corrupt(offset, "a block's header gives an impossible length"));
        }
        Ok(frame)
    }

    pub(crate) fn len(&self) -> u64 {
        BLOCK_HEADER as u64 + u64::from(self.stored_len)
    }
}

/// Compresses `raw` behind a frame; the payload stays as it is where compression does not pay.
pub(crate) fn seal(mut frame: Frame, raw: &[u8], scratch: &mut Vec<u8>) -> Frame {
    let room = lz4_flex::block::get_maximum_output_size(raw.len());
    scratch.resize(room, 0);
    let packed = lz4_flex::block::compress_into(raw, scratch).unwrap_or(raw.len());
    frame.raw_len = raw.len() as u32;
    if packed < raw.len() {
        scratch.truncate(packed);
        frame.compressed = true;
    } else {
        scratch.clear();
        scratch.extend_from_slice(raw);
        frame.compressed = false;
    }
    frame.stored_len = scratch.len() as u32;
    frame.payload_crc = crc32fast::hash(scratch);
    frame
}

/// The payload of a block, from the bytes stored in the file.
pub(crate) fn open(frame: &Frame, stored: Vec<u8>, offset: u64) -> Result<Vec<u8>, Error> {
    if crc32fast::hash(&stored) != frame.payload_crc {
        return Err(Error::corrupt(offset, "the checksum of a block does not match"));
    }
    if !frame.compressed {
        return Ok(stored);
    }
    let mut raw = vec![0; frame.raw_len as usize];
    match lz4_flex::block::decompress_into(&stored, &mut raw) {
        Ok(len) if len == raw.len() => Ok(raw),
        Ok(len) => Err(Error::corrupt(offset, format!("a block unpacks to {len} bytes and not to {}", raw.len()))),
        Err(error) => Err(Error::corrupt(offset, format!("a block does not unpack ({error})"))),
    }
}

/// The last bytes of a finished file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) end_offset: u64,
    pub(crate) index_offset: u64,
}

impl Footer {
    pub(crate) fn encode(&self) -> [u8; FOOTER] {
        let mut bytes = [0; FOOTER];
        bytes[0..8].copy_from_slice(&self.end_offset.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.index_offset.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..16]);
        bytes[16..20].copy_from_slice(&crc.to_le_bytes());
        bytes[20..24].copy_from_slice(&FOOTER_MAGIC);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; FOOTER]) -> Option<Footer> {
        let good = bytes[20..24] == FOOTER_MAGIC && u32_at(bytes, 16) == crc32fast::hash(&bytes[..16]);
        good.then(|| Footer { end_offset: u64_at(bytes, 0), index_offset: u64_at(bytes, 8) })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
