//! The serial link, which is the main loop's: blocks in, their commands, the tasks, and one message per block on the way out.
//!
//! A good block in its turn is executed and then acknowledged; one out of turn, or a run of garbage, is answered by a
//! nak, which is an empty block with the number that is expected. Every message carries that number, so a reply is an
//! acknowledgement too. A message for which there is no room is dropped: hosts repeat what they miss.
//!
//! Steps must not wait for any of this, so the firmware is only borrowed, through [`Lock`], for the change of its state that a
//! command or a piece of a task is. What takes longer, reading commands and writing messages, is done in between.

use crate::board::Board;
use crate::commands::Command;
use crate::firmware::Firmware;
use crate::responses::Message;
use drydock_protocol::block::{BLOCK_MAX, CONTENT_MAX, Deframer, Event, SEQ_MASK, seal};
use drydock_protocol::vlq::{self, Reader};

/// The main loop's way to the firmware and to the host.
pub trait Lock {
    type Board: Board;

    /// MUST call `work`, and MUST keep timers from running until it has returned.
    fn lock<T>(&mut self, work: impl FnOnce(&mut Firmware, &mut Self::Board) -> T) -> T;

    /// MUST queue all of `bytes` for the host, or none of them where they do not fit, and say which.
    fn serial_write(&mut self, bytes: &[u8]) -> bool;
}

/// Constant `STATS_SUMSQ_BASE`: the squares of task times are counted in units of so many ticks squared.
pub(crate) const STATS_SUMSQ_BASE: u32 = 256;

#[derive(Clone, Debug, Default)]
pub struct Link {
    next_seq: u8,
    dropped: u32,
    stats: Stats,
}

/// Passes of the tasks since they were last told.
#[derive(Clone, Debug, Default)]
struct Stats {
    passes: u32,
    busy_ticks: u32,
    busy_ticks_squared: u32,
}

impl Stats {
    fn count(&mut self, ticks: u32) {
        self.passes = self.passes.wrapping_add(1);
        self.busy_ticks = self.busy_ticks.wrapping_add(ticks);
        let squared = (u64::from(ticks) * u64::from(ticks)).div_ceil(u64::from(STATS_SUMSQ_BASE));
        self.busy_ticks_squared = self.busy_ticks_squared.saturating_add(u32::try_from(squared).unwrap_or(u32::MAX));
    }
}

impl Link {
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells the host that the chip has started anew.
    pub fn announce(&mut self, chip: &mut impl Lock) {
        let mut message = Message::new();
        message.starting();
        self.send(chip, &message);
    }

    /// Takes bytes that came from the host and executes each block that they complete. `deframer` holds what is no block yet.
    pub fn rx(&mut self, chip: &mut impl Lock, deframer: &mut Deframer, bytes: &[u8]) {
        let mut input = bytes;
        while let Some(event) = deframer.next(&mut input) {
            self.take(chip, event);
        }
    }

    /// Executes a block and answers it: with the next number after a good one, with the same again after any other.
    fn take(&mut self, chip: &mut impl Lock, event: Event<'_>) {
        let mut commands = match event {
            Event::Block(block) if self.accept(block.seq) => block.content,
            _ => &[],
        };
        while !commands.is_empty() {
            let mut reader = Reader::new(commands);
            let command = Command::read(&mut reader);
            let mut answer = Message::new();
            let (went_well, mut has_more) = chip.lock(|firmware, board| {
                (firmware.execute(board, command.as_ref(), &mut answer), firmware.exchange.is_some())
            });
            while has_more {
                has_more = chip.lock(|firmware, board| firmware.go_on(board, &mut answer));
            }
            self.send(chip, &answer);
            commands = reader.rest();
            if !went_well {
                commands = &[];
                self.run_tasks(chip);
            }
        }
        self.write(chip, Content::new());
    }

    /// Whether a block with this number is the next one; if so, the one after it is awaited from here on.
    fn accept(&mut self, seq: u8) -> bool {
        let expected = seq == self.next_seq;
        if expected {
            self.next_seq = (seq + 1) & SEQ_MASK;
        }
        expected
    }

    /// Runs every task that has something to do.
    pub fn run_tasks(&mut self, chip: &mut impl Lock) {
        let mut message = Message::new();
        let (start, mut has_more) = chip.lock(|firmware, board| (board.now(), firmware.has_tasks()));
        while has_more {
            has_more = chip.lock(|firmware, board| firmware.run_task(board, &mut message));
            self.send(chip, &message);
            message.clear();
        }
        let (end, is_told) = chip.lock(|firmware, board| (board.now(), firmware.end_pass(board)));
        self.stats.count(end.wrapping_sub(start));
        if is_told {
            let Stats { passes, busy_ticks, busy_ticks_squared } = core::mem::take(&mut self.stats);
            message.stats(passes, busy_ticks, busy_ticks_squared);
            self.send(chip, &message);
        }
    }

    fn send(&mut self, chip: &mut impl Lock, message: &Message) {
        if message.is_empty() {
            return;
        }
        let (mut content, (numbers, bytes)) = (Content::new(), message.parts());
        for number in numbers {
            content.int(*number);
        }
        if let Some(bytes) = bytes {
            content.bytes(bytes);
        }
        self.write(chip, content);
    }

    fn write(&mut self, chip: &mut impl Lock, mut content: Content) {
        let len = seal(self.next_seq, &mut content.block, content.len);
        if len == 0 || !chip.serial_write(&content.block[..len]) {
            self.dropped = self.dropped.wrapping_add(1);
        }
    }

    /// Messages that found no room on the way out.
    pub fn dropped_messages(&self) -> u32 {
        self.dropped
    }

    /// Hands every number of the state that an outcome may depend on to `fold`, in a fixed order.
    pub fn fold_state(&self, fold: &mut impl FnMut(u64)) {
        fold(u64::from(self.next_seq));
        fold(u64::from(self.dropped));
    }
}

/// A message in the making, inside the block that will carry it.
struct Content {
    block: [u8; BLOCK_MAX],
    /// More than a block holds once something did not fit; sealing then refuses it.
    len: usize,
}

impl Content {
    const HEADER: usize = 2;

    fn new() -> Self {
        Self { block: [0; BLOCK_MAX], len: 0 }
    }

    fn int(&mut self, value: u32) {
        let mut bytes = [0; vlq::MAX_LEN];
        let len = vlq::encode(value, &mut bytes);
        self.raw(&bytes[..len]);
    }

    fn bytes(&mut self, bytes: &[u8]) {
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
