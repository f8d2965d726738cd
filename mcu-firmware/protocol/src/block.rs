//! Message blocks: `len seq content crc_hi crc_lo 0x7e`, at most 64 bytes with at most 59 of content.
//!
//! The deframer holds one block's worth of bytes and never allocates. It is stricter than it is clever: a block that
//! fails any check is thrown away up to the next 0x7e *inside the bytes already read*, so that a damaged length byte
//! does not swallow the good block behind it. One [`Event::Bad`] stands for a whole run of garbage, because a receiver
//! answers it with one nak.

use crate::crc::crc16;
use alloc::vec::Vec;

/// Largest block, all bytes counted.
pub const BLOCK_MAX: usize = 64;
/// Smallest block: one without content, which is an ack or a nak.
pub const BLOCK_MIN: usize = 5;
/// Largest content.
pub const CONTENT_MAX: usize = BLOCK_MAX - BLOCK_MIN;
/// Ends each block, and may stand before one any number of times.
pub const SYNC: u8 = 0x7e;
/// High nibble of each sequence byte.
pub const SEQ_MARK: u8 = 0x10;
/// Bits of the sequence number on the wire.
pub const SEQ_MASK: u8 = 0x0f;

const HEADER: usize = 2;
const TRAILER: usize = 3;

/// One block that passed every check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Sequence number, 0..=15.
    pub seq: u8,
    pub content: &'a [u8],
}

/// What the deframer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    Block(Block<'a>),
    /// Bytes that are no block; said once until the next good block.
    Bad,
}

/// Appends the block with `content` to `out`. Content beyond [`CONTENT_MAX`] bytes does not fit a block: nothing is
/// written and `false` comes back.
#[must_use]
pub fn frame(seq: u8, content: &[u8], out: &mut Vec<u8>) -> bool {
    let mut block = [0; BLOCK_MAX];
    let len = frame_into(seq, content, &mut block);
    out.extend_from_slice(&block[..len]);
    len != 0
}

/// As [`frame`], into a fixed buffer: the length of the block, or 0 where the content does not fit.
#[must_use]
pub fn frame_into(seq: u8, content: &[u8], out: &mut [u8; BLOCK_MAX]) -> usize {
    if content.len() > CONTENT_MAX {
        return 0;
    }
    let end = HEADER + content.len();
    out[HEADER..end].copy_from_slice(content);
    seal(seq, out, content.len())
}

/// Completes a block whose content of `content_len` bytes already lies at `out[2..]`: the length of the block, or 0
/// where the content does not fit.
#[must_use]
pub fn seal(seq: u8, out: &mut [u8; BLOCK_MAX], content_len: usize) -> usize {
    if content_len > CONTENT_MAX {
        return 0;
    }
    let end = HEADER + content_len;
    out[0] = (end + TRAILER) as u8;
    out[1] = SEQ_MARK | (seq & SEQ_MASK);
    let crc = crc16(&out[..end]);
    out[end] = (crc >> 8) as u8;
    out[end + 1] = crc as u8;
    out[end + 2] = SYNC;
    end + TRAILER
}

/// Makes blocks out of bytes that come in pieces of any size.
#[derive(Clone, Debug)]
pub struct Deframer {
    buffer: [u8; BLOCK_MAX],
    filled: usize,
    /// Bytes at the front that belong to the block handed out last.
    spent: usize,
    /// Everything up to the next 0x7e is to be thrown away.
    lost: bool,
    /// The present run of garbage has been reported.
    reported: bool,
}

impl Default for Deframer {
    fn default() -> Self {
        Self::new()
    }
}

impl Deframer {
    pub const fn new() -> Self {
        Self { buffer: [0; BLOCK_MAX], filled: 0, spent: 0, lost: false, reported: false }
    }

    /// Takes bytes off the front of `input` until there is something to tell; `None` once `input` is used up.
    pub fn next<'a>(&'a mut self, input: &mut &[u8]) -> Option<Event<'a>> {
        self.drop_front(self.spent);
        self.spent = 0;
        loop {
            match self.look() {
                Look::More(wanted) => {
                    if input.is_empty() {
                        return None;
                    }
                    self.fill(input, wanted);
                }
                Look::Block(len) => {
                    self.spent = len;
                    self.reported = false;
                    let content = &self.buffer[HEADER..len - TRAILER];
                    return Some(Event::Block(Block { seq: self.buffer[1] & SEQ_MASK, content }));
                }
                Look::Skip(len) => self.drop_front(len),
                Look::Bad => {
                    self.lost = true;
                    if !core::mem::replace(&mut self.reported, true) {
                        return Some(Event::Bad);
                    }
                }
            }
        }
    }

    fn look(&self) -> Look {
        let held = &self.buffer[..self.filled];
        if self.lost {
            return match held.iter().position(|byte| *byte == SYNC) {
                Some(at) => Look::Skip(at + 1),
                None if held.is_empty() => Look::More(1),
                None => Look::Skip(held.len()),
            };
        }
        let Some(&first) = held.first() else { return Look::More(1) };
        if first == SYNC {
            return Look::Skip(1);
        }
        let len = usize::from(first);
        if !(BLOCK_MIN..=BLOCK_MAX).contains(&len) || held.get(1).is_some_and(|seq| seq & !SEQ_MASK != SEQ_MARK) {
            return Look::Bad;
        }
        if held.len() < len {
            return Look::More(len - held.len());
        }
        let crc = u16::from(held[len - 3]) << 8 | u16::from(held[len - 2]);
        if held[len - 1] == SYNC && crc16(&held[..len - TRAILER]) == crc { Look::Block(len) } else { Look::Bad }
    }

    fn fill(&mut self, input: &mut &[u8], wanted: usize) {
        let take = wanted.min(input.len()).min(BLOCK_MAX - self.filled);
        let (now, rest) = input.split_at(take);
        self.buffer[self.filled..self.filled + take].copy_from_slice(now);
        self.filled += take;
        *input = rest;
    }

    fn drop_front(&mut self, len: usize) {
        if len == 0 {
            return;
        }
        if self.lost && self.buffer[len - 1] == SYNC {
            self.lost = false;
        }
        self.buffer.copy_within(len..self.filled, 0);
        self.filled -= len;
    }
}

enum Look {
    /// At least so many more bytes are needed.
    More(usize),
    /// A good block of this length stands at the front.
    Block(usize),
    /// So many bytes at the front mean nothing.
    Skip(usize),
    Bad,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[derive(Debug, PartialEq, Eq, Clone)]
    enum Seen {
        Block(u8, Vec<u8>),
        Bad,
    }

    fn feed(deframer: &mut Deframer, bytes: &[u8], seen: &mut Vec<Seen>) {
        let mut input = bytes;
        while let Some(event) = deframer.next(&mut input) {
            seen.push(match event {
                Event::Block(block) => Seen::Block(block.seq, block.content.to_vec()),
                Event::Bad => Seen::Bad,
            });
        }
    }

    fn all(bytes: &[u8]) -> Vec<Seen> {
        let mut seen = vec![];
        feed(&mut Deframer::new(), bytes, &mut seen);
        seen
    }

    #[test]
    fn published_blocks_come_out_byte_for_byte() {
        let mut out = vec![];
        assert!(frame(0, &[1, 0, 40], &mut out));
        assert_eq!(out, [0x08, 0x10, 0x01, 0x00, 0x28, 0x5e, 0x9f, 0x7e]);
        out.clear();
        assert!(frame(0, &[0x79], &mut out));
        assert_eq!(out, [0x06, 0x10, 0x79, 0x94, 0x3d, 0x7e]);
    }

    #[test]
    fn content_beyond_a_block_is_refused_without_a_byte_written() {
        let mut out = vec![];
        assert!(!frame(0, &[0; 60], &mut out));
        assert!(out.is_empty());
        assert!(frame(0, &[0; 59], &mut out));
        assert_eq!(out.len(), 64);
    }

    #[test]
    fn leading_sync_bytes_are_silent() {
        let mut bytes = vec![SYNC, SYNC, SYNC];
        assert!(frame(3, &[9], &mut bytes));
        assert_eq!(all(&bytes), [Seen::Block(3, vec![9])]);
    }

    #[test]
    fn junk_before_a_session_is_one_bad_and_the_block_behind_it_arrives() {
        let mut bytes = vec![0x1b, 0x01, 0x00, 0x01, 0x0e, 0x11, 0x04, SYNC];
        assert!(frame(1, &[1, 0, 40], &mut bytes));
        assert_eq!(all(&bytes), [Seen::Bad, Seen::Block(1, vec![1, 0, 40])]);
    }

    #[test]
    fn a_damaged_length_does_not_swallow_the_block_behind_it() {
        let mut bytes = vec![];
        assert!(frame(1, &[5, 6], &mut bytes));
        let good_from = bytes.len();
        assert!(frame(2, &[7; 57], &mut bytes));
        bytes[0] = 64;
        assert!(good_from < 64);
        assert_eq!(all(&bytes), [Seen::Bad, Seen::Block(2, vec![7; 57])]);
    }

    #[test]
    fn a_garbage_run_is_told_once_until_a_good_block_comes() {
        let mut bytes = vec![0, SYNC, 1, SYNC, 2, SYNC];
        assert!(frame(0, &[], &mut bytes));
        bytes.extend([0xff, SYNC]);
        assert_eq!(all(&bytes), [Seen::Bad, Seen::Block(0, vec![]), Seen::Bad]);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(
            contents in prop::collection::vec((0..16_u8, prop::collection::vec(any::<u8>(), 0..=59)), 0..12),
            junk in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cuts in prop::collection::vec(1..40_usize, 1..40),
        ) {
            let mut bytes = vec![];
            for (seq, content) in &contents {
                prop_assert!(frame(*seq, content, &mut bytes));
            }
            if junk.is_empty() {
                let expected: Vec<_> = contents.iter().map(|(seq, content)| Seen::Block(*seq, content.clone())).collect();
                prop_assert_eq!(all(&bytes), expected);
            }
            for (at, byte) in &junk {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
            }
            let whole = all(&bytes);
            let mut deframer = Deframer::new();
            let mut seen = vec![];
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                feed(&mut deframer, now, &mut seen);
                rest = later;
            }
            prop_assert_eq!(seen, whole);
        }

        #[test]
        fn any_bytes_are_taken_without_panic_and_bad_is_never_told_twice_running(bytes: Vec<u8>) {
            let seen = all(&bytes);
            prop_assert!(seen.windows(2).all(|pair| pair != [Seen::Bad, Seen::Bad]));
        }
    }
}
