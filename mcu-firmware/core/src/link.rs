//! The serial link: sequence numbers, acknowledgements, and one message per block on the way out.
//!
//! A good block in its turn is executed and then acknowledged; one out of turn, or a run of garbage, is answered by a
//! nak, which is an empty block with the number that is expected. Every message carries that number, so a reply is an
//! acknowledgement too. A message for which the board has no room is dropped: hosts repeat what they miss.

use crate::board::Board;
use drydock_protocol::block::{BLOCK_MAX, CONTENT_MAX, SEQ_MASK, seal};
use drydock_protocol::vlq;

#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    next_seq: u8,
    /// Messages that found no room.
    pub dropped: u32,
}

impl Link {
    /// Whether a block with this number is the next one; if so, the one after it is awaited from here on.
    pub fn accept(&mut self, seq: u8) -> bool {
        let expected = seq == self.next_seq;
        if expected {
            self.next_seq = (seq + 1) & SEQ_MASK;
        }
        expected
    }

    pub fn next_seq(&self) -> u8 {
        self.next_seq
    }

    /// Sends an empty block: an ack after a good block, a nak after a bad one.
    pub fn acknowledge(&mut self, board: &mut impl Board) {
        self.send(board, Content::new());
    }

    pub fn send(&mut self, board: &mut impl Board, mut content: Content) {
        let len = seal(self.next_seq, &mut content.block, content.len);
        if len == 0 || !board.serial_write(&content.block[..len]) {
            self.dropped = self.dropped.wrapping_add(1);
        }
    }
}

/// A message in the making, inside the block that will carry it.
pub(crate) struct Content {
    block: [u8; BLOCK_MAX],
    /// More than a block holds once something did not fit; sealing then refuses it.
    len: usize,
}

impl Content {
    const HEADER: usize = 2;

    pub fn new() -> Self {
        Self { block: [0; BLOCK_MAX], len: 0 }
    }

    pub fn int(&mut self, value: u32) {
        let mut bytes = [0; vlq::MAX_LEN];
        let len = vlq::encode(value, &mut bytes);
        self.raw(&bytes[..len]);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.raw(&[bytes.len() as u8]);
        self.raw(bytes);
    }

    fn raw(&mut self, bytes: &[u8]) {
        let start = Self::HEADER + self.len;
        self.len += bytes.len();
        if self.len <= CONTENT_MAX {
            self.block[start..start + bytes.len()].copy_from_slice(bytes);
        }
    }
}
