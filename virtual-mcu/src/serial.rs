//! One direction of a serial line: ten bit times a byte, a latency, and faults from named random streams.
//!
//! What is sent is cut into pieces that end where a block may end; each piece arrives when its last byte does. A line
//! never reorders: a piece that is held up holds up those behind it.

use crate::random::Stream;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use drydock_protocol::block::{BLOCK_MAX, SYNC};

/// How a line behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SerialConfig {
    /// Bits per second; 0 takes no time, like USB.
    pub baud: u32,
    /// Time between the end of a byte and its being seen at the other end.
    pub latency_ns: u64,
    /// Chance of each byte to arrive with one wrong bit.
    pub corruption_per_byte: f64,
    /// Chance of each byte not to arrive.
    pub loss_per_byte: f64,
    /// Chance of each piece to be held up, and the longest hold-up.
    pub delay_per_piece: f64,
    pub delay_max_ns: u64,
}

impl Default for SerialConfig {
    fn default() -> Self {
        Self {
            baud: 250_000,
            latency_ns: 0,
            corruption_per_byte: 0.0,
            loss_per_byte: 0.0,
            delay_per_piece: 0.0,
            delay_max_ns: 0,
        }
    }
}

/// One direction of a line.
#[derive(Clone, Debug)]
pub struct SerialLine {
    config: SerialConfig,
    random: Stream,
    /// The line is taken until then.
    busy_until_ns: u64,
    last_arrival_ns: u64,
    pieces: VecDeque<(u64, usize)>,
    bytes: VecDeque<u8>,
    faults: u64,
}

const BITS_PER_BYTE: u64 = 10;

impl SerialLine {
    /// A line whose faults come from the stream `name` of `seed`.
    pub fn new(config: SerialConfig, seed: u64, name: &str) -> Self {
        Self {
            config,
            random: Stream::new(seed, name),
            busy_until_ns: 0,
            last_arrival_ns: 0,
            pieces: VecDeque::new(),
            bytes: VecDeque::new(),
            faults: 0,
        }
    }

    /// Changes the behaviour for what is sent from here on.
    pub fn set_config(&mut self, config: SerialConfig) {
        self.config = config;
    }

    pub fn config(&self) -> &SerialConfig {
        &self.config
    }

    /// Puts `bytes` on the line; they go out after what is still going out.
    pub fn send(&mut self, at_ns: u64, bytes: &[u8]) {
        let mut start_ns = at_ns.max(self.busy_until_ns);
        for piece in bytes.split_inclusive(|byte| *byte == SYNC).flat_map(|piece| piece.chunks(BLOCK_MAX)) {
            let end_ns = start_ns + self.duration_ns(piece.len());
            self.send_piece(end_ns, piece);
            start_ns = end_ns;
        }
        self.busy_until_ns = start_ns;
    }

    fn duration_ns(&self, bytes: usize) -> u64 {
        if self.config.baud == 0 {
            return 0;
        }
        (bytes as u64 * BITS_PER_BYTE * 1_000_000_000).div_ceil(u64::from(self.config.baud))
    }

    fn send_piece(&mut self, end_ns: u64, piece: &[u8]) {
        let mut arrival_ns = end_ns + self.config.latency_ns;
        if self.random.happens(self.config.delay_per_piece) {
            arrival_ns += self.random.below(self.config.delay_max_ns.saturating_add(1));
            self.faults += 1;
        }
        self.last_arrival_ns = self.last_arrival_ns.max(arrival_ns);
        let before = self.bytes.len();
        for byte in piece {
            if self.random.happens(self.config.loss_per_byte) {
                self.faults += 1;
                continue;
            }
            let mut byte = *byte;
            if self.random.happens(self.config.corruption_per_byte) {
                byte ^= 1 << self.random.below(8);
                self.faults += 1;
            }
            self.bytes.push_back(byte);
        }
        let len = self.bytes.len() - before;
        if len > 0 {
            self.pieces.push_back((self.last_arrival_ns, len));
        }
    }

    /// When the next piece arrives; `u64::MAX` while the line is empty.
    #[inline]
    pub fn next_arrival_ns(&self) -> u64 {
        self.pieces.front().map_or(u64::MAX, |(arrival_ns, _)| *arrival_ns)
    }

    /// Takes the next piece: its bytes are appended to `out`. The answer is when it arrived; `u64::MAX` for none.
    pub fn take_arrival(&mut self, out: &mut Vec<u8>) -> u64 {
        let Some((arrival_ns, len)) = self.pieces.pop_front() else { return u64::MAX };
        out.extend(self.bytes.drain(..len));
        arrival_ns
    }

    /// Forgets what is on its way, as a port does that is closed.
    pub fn flush(&mut self) {
        self.pieces.clear();
        self.bytes.clear();
    }

    /// When the line is free again.
    pub fn busy_until_ns(&self) -> u64 {
        self.busy_until_ns
    }

    /// Faults so far: bytes lost or damaged, pieces held up.
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// Hands every number of the state to `fold`.
    pub fn fold_state(&self, fold: &mut impl FnMut(u64)) {
        fold(self.busy_until_ns);
        fold(self.random.drawn());
        fold(self.faults);
        fold(self.bytes.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn all(line: &mut SerialLine) -> Vec<(u64, Vec<u8>)> {
        let mut pieces = vec![];
        while line.next_arrival_ns() != u64::MAX {
            let mut bytes = vec![];
            let at_ns = line.next_arrival_ns();
            assert_eq!(line.take_arrival(&mut bytes), at_ns);
            pieces.push((at_ns, bytes));
        }
        pieces
    }

    #[test]
    fn bytes_take_ten_bit_times_and_follow_each_other() {
        let mut line = SerialLine::new(SerialConfig { latency_ns: 7, ..SerialConfig::default() }, 0, "up");
        line.send(1000, &[1, 2, SYNC, 3]);
        line.send(1000, &[4]);
        let expected = [(121_007, vec![1, 2, SYNC]), (161_007, vec![3]), (201_007, vec![4])];
        assert_eq!(all(&mut line), expected);
    }

    #[test]
    fn long_pieces_are_cut_to_a_block() {
        let mut line = SerialLine::new(SerialConfig { baud: 0, ..SerialConfig::default() }, 0, "up");
        line.send(5, &[0; 150]);
        let lens: Vec<_> = all(&mut line).into_iter().map(|(at_ns, bytes)| (at_ns, bytes.len())).collect();
        assert_eq!(lens, [(5, 64), (5, 64), (5, 22)]);
    }

    #[test]
    fn faults_come_as_often_as_they_should_repeat_exactly_and_never_reorder() {
        let config = SerialConfig {
            corruption_per_byte: 0.01,
            loss_per_byte: 0.02,
            delay_per_piece: 0.1,
            delay_max_ns: 10_000_000,
            ..SerialConfig::default()
        };
        let run = |seed| {
            let mut line = SerialLine::new(config, seed, "up");
            for at in 0..2000_u64 {
                line.send(at * 100_000, &[0x55; 10]);
            }
            all(&mut line)
        };
        let pieces = run(1);
        assert!(pieces.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        let bytes: Vec<u8> = pieces.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        assert!((19_400..19_800).contains(&bytes.len()), "{}", bytes.len());
        let bad = bytes.iter().filter(|byte| **byte != 0x55).count();
        assert!((130..270).contains(&bad), "{bad}");
        assert_eq!(pieces, run(1));
        assert_ne!(pieces, run(2));
    }
}
