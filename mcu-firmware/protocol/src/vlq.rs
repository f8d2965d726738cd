//! The integer inside a message: 7 bits a byte, most significant first, bit 7 set where more follow.
//!
//! A first byte with bits 5 and 6 set starts a negative number, which leaves −32..95 for one byte. All is modulo 2^32;
//! whether 0xFFFFFFFF means −1 is for the message's declaration to say. Encoders write the shortest form; a decoder
//! takes any form, because the peer's Python side writes −1 as `8f ff ff ff 7f` where it counts it unsigned.

use alloc::vec::Vec;

/// Bytes of the longest form that this side writes.
pub const MAX_LEN: usize = 5;

/// Writes the shortest form of `value` (a signed number is given `as u32`) and returns its length.
pub fn encode(value: u32, out: &mut [u8; MAX_LEN]) -> usize {
    let signed = value as i32;
    let mut used = 0;
    for (bits, low, high) in
        [(28, -(1 << 26), 3 << 26), (21, -(1 << 19), 3 << 19), (14, -(1 << 12), 3 << 12), (7, -(1 << 5), 3 << 5)]
    {
        if signed < low || signed >= high {
            out[used] = ((signed >> bits) as u8 & 0x7f) | 0x80;
            used += 1;
        }
    }
    out[used] = value as u8 & 0x7f;
    used + 1
}

/// Appends the shortest form of `value`.
pub fn push(value: u32, out: &mut Vec<u8>) {
    let mut bytes = [0; MAX_LEN];
    let len = encode(value, &mut bytes);
    out.extend_from_slice(&bytes[..len]);
}

/// Length of the shortest form of `value`.
pub fn len(value: u32) -> usize {
    encode(value, &mut [0; MAX_LEN])
}

/// Reads integers and buffers from a block's content, never past its end.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(content: &'a [u8]) -> Self {
        Self { rest: content }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next integer modulo 2^32; `None` where the content ends inside it.
    #[inline]
    pub fn int(&mut self) -> Option<u32> {
        let (&first, mut rest) = self.rest.split_first()?;
        let mut value = u32::from(first & 0x7f);
        if first & 0x60 == 0x60 {
            value |= !0x1f;
        }
        let mut more = first & 0x80 != 0;
        while more {
            let (&next, tail) = rest.split_first()?;
            value = value << 7 | u32::from(next & 0x7f);
            more = next & 0x80 != 0;
            rest = tail;
        }
        self.rest = rest;
        Some(value)
    }

    /// The next buffer: a length byte, then that many bytes.
    #[inline]
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let (&len, rest) = self.rest.split_first()?;
        let (bytes, rest) = rest.split_at_checked(usize::from(len))?;
        self.rest = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn encoded(value: u32) -> Vec<u8> {
        let mut out = vec![];
        push(value, &mut out);
        out
    }

    #[test]
    fn published_vectors_hold_both_ways() {
        let vectors: [(i64, &[u8]); 10] = [
            (95, &[0x5f]),
            (96, &[0x80, 0x60]),
            (127, &[0x80, 0x7f]),
            (-1, &[0x7f]),
            (-32, &[0x60]),
            (-33, &[0xff, 0x5f]),
            (12287, &[0xdf, 0x7f]),
            (12288, &[0x80, 0xe0, 0x00]),
            (168_000_000, &[0xd0, 0x8d, 0xf4, 0x00]),
            (0, &[0]),
        ];
        for (value, bytes) in vectors {
            assert_eq!(encoded(value as u32), bytes, "{value}");
            assert_eq!(Reader::new(bytes).int(), Some(value as u32), "{value}");
        }
    }

    #[test]
    fn the_long_form_of_minus_one_reads_the_same_as_the_short_one() {
        assert_eq!(Reader::new(&[0x8f, 0xff, 0xff, 0xff, 0x7f]).int(), Some(u32::MAX));
        assert_eq!(Reader::new(&[0x7f]).int(), Some(u32::MAX));
    }

    #[test]
    fn range_borders_change_the_length_where_the_format_says() {
        for (value, length) in [
            (-32_i32, 1),
            (95, 1),
            (-33, 2),
            (96, 2),
            (-4096, 2),
            (12287, 2),
            (-4097, 3),
            (12288, 3),
            (-524_288, 3),
            (1_572_863, 3),
            (-524_289, 4),
            (1_572_864, 4),
            (-67_108_864, 4),
            (201_326_591, 4),
            (-67_108_865, 5),
            (201_326_592, 5),
        ] {
            assert_eq!(len(value as u32), length, "{value}");
        }
    }

    #[test]
    fn a_cut_message_is_noticed_and_leaves_the_reader_where_it_was() {
        for bytes in [&[][..], &[0x80], &[0xff, 0xff], &[0x8f, 0xff, 0xff, 0xff]] {
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.int(), None);
            assert_eq!(reader.rest(), bytes);
        }
        assert_eq!(Reader::new(&[3, 1, 2]).bytes(), None);
    }

    proptest! {
        #[test]
        fn every_number_survives_the_round_trip(value: u32) {
            let bytes = encoded(value);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.int(), Some(value));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_are_read_without_panic_and_within_bounds(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while let Some(_value) = reader.int() {}
            let mut reader = Reader::new(&bytes);
            while let Some(buffer) = reader.bytes() {
                prop_assert!(buffer.len() < bytes.len());
            }
        }
    }
}
