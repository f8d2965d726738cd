//! The single-wire UART between a pin and one to four TMC drivers.
//!
//! A driver measures the bit length from the sync nibble of the request, so the wire is decoded from the times of its
//! edges. A request is 4 bytes (read) or 8 (write); the answer to a read is 8 bytes, eight bit times later. Bytes are
//! start bit, eight bits from the least significant, stop bit. The check is CRC-8 with polynomial 0x07, bits taken from
//! the least significant.

use super::tmc::Tmc;
use alloc::vec::Vec;
use drydock_firmware::Pin;

const SYNC: u8 = 0x05;
const ANSWER_ADDRESS: u8 = 0xff;
const WRITE: u8 = 0x80;
const READ_BITS: u64 = 40;
const WRITE_BITS: u64 = 80;
/// Bit times between a request and its answer.
const ANSWER_DELAY_BITS: u64 = 8;
/// More edges than the longest frame can have.
const EDGES_MAX: usize = 96;
/// Edges of the sync byte that fix the bit length: four bits lie between the first and the fifth.
const SYNC_EDGES: usize = 5;

#[derive(Clone, Debug)]
pub(crate) struct TmcWire {
    /// The pin that the firmware writes, and the one that it reads; one and the same for a single wire.
    pub tx_pin: Pin,
    pub rx_pin: Pin,
    /// Drivers by their address.
    drivers: Vec<(u8, usize)>,
    level: bool,
    /// Ticks of the edges of the frame under way; the first one falls.
    edges: Vec<u64>,
    answer: Option<Answer>,
}

#[derive(Clone, Debug)]
struct Answer {
    start: u64,
    bit_ticks: u64,
    bytes: [u8; 8],
}

impl TmcWire {
    pub fn new(rx_pin: Pin, tx_pin: Pin) -> Self {
        Self { tx_pin, rx_pin, drivers: Vec::new(), level: true, edges: Vec::new(), answer: None }
    }

    pub fn attach(&mut self, address: u8, driver: usize) {
        self.drivers.push((address, driver));
    }

    /// The firmware drives the wire.
    pub fn write(&mut self, tick: u64, level: bool, drivers: &mut [Tmc]) {
        self.decode(tick, drivers);
        if core::mem::replace(&mut self.level, level) == level {
            return;
        }
        if level && self.edges.is_empty() {
            return;
        }
        if self.edges.len() == EDGES_MAX {
            self.edges.clear();
        }
        self.edges.push(tick);
    }

    /// What the firmware sees when it does not drive the wire: the answer, or the pull-up.
    pub fn read(&mut self, tick: u64, drivers: &mut [Tmc]) -> bool {
        self.decode(tick, drivers);
        let Some(answer) = &self.answer else { return true };
        let Some(elapsed) = tick.checked_sub(answer.start) else { return true };
        let bit = elapsed / answer.bit_ticks;
        match (answer.bytes.get((bit / 10) as usize), bit % 10) {
            (None, _) | (_, 9) => true,
            (_, 0) => false,
            (Some(byte), bit) => byte >> (bit - 1) & 1 != 0,
        }
    }

    /// Takes the frame as far as it has come by `tick`, and acts on it once it is whole.
    fn decode(&mut self, tick: u64, drivers: &mut [Tmc]) {
        let (Some(&start), Some(&fifth)) = (self.edges.first(), self.edges.get(SYNC_EDGES - 1)) else { return };
        let bit_ticks = ((fifth - start) / 4).max(1);
        let bits = (tick - start + bit_ticks / 2) / bit_ticks;
        if bits < READ_BITS {
            return;
        }
        let head: [u8; 4] = core::array::from_fn(|at| self.byte(at as u64, start, bit_ticks));
        let is_write = head[2] & WRITE != 0;
        if is_write && bits < WRITE_BITS {
            return;
        }
        let frame: [u8; 8] = core::array::from_fn(|at| self.byte(at as u64, start, bit_ticks));
        self.edges.clear();
        self.answer = None;
        let len = if is_write { 8 } else { 4 };
        if frame[0] & 0x0f != SYNC || crc8(&frame[..len - 1]) != frame[len - 1] {
            return;
        }
        let Some((_, driver)) = self.drivers.iter().find(|(address, _)| *address == frame[1]) else { return };
        let Some(driver) = drivers.get_mut(*driver) else { return };
        if is_write {
            driver.write(frame[2] & !WRITE, u32::from_be_bytes([frame[3], frame[4], frame[5], frame[6]]));
            return;
        }
        let mut bytes = [SYNC, ANSWER_ADDRESS, frame[2], 0, 0, 0, 0, 0];
        bytes[3..7].copy_from_slice(&driver.read(frame[2]).to_be_bytes());
        bytes[7] = crc8(&bytes[..7]);
        let start = start + (READ_BITS + ANSWER_DELAY_BITS) * bit_ticks;
        self.answer = Some(Answer { start, bit_ticks, bytes });
    }

    /// Byte `at` of the frame, from the level in the middle of each of its bits.
    fn byte(&self, at: u64, start: u64, bit_ticks: u64) -> u8 {
        (0..8).fold(0, |byte, bit| {
            let middle = start + (at * 10 + 1 + bit) * bit_ticks + bit_ticks / 2;
            // The first edge falls, so the wire is low after an odd number of edges.
            let is_high = self.edges.iter().filter(|edge| **edge <= middle).count() % 2 == 0;
            byte | u8::from(is_high) << bit
        })
    }
}

/// The drivers' check value.
pub(crate) fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc, |crc: u8, bit| {
            let carry = (crc >> 7) ^ (byte >> bit & 1) != 0;
            crc << 1 ^ if carry { 0x07 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::tmc::{TmcKind, reg};

    const BIT: u64 = 4200;

    /// Sends `bytes` on the wire from `start`; the tick after the last stop bit.
    fn send(wire: &mut TmcWire, drivers: &mut [Tmc], start: u64, bytes: &[u8]) -> u64 {
        let mut tick = start;
        for byte in bytes {
            let frame = u16::from(*byte) << 1 | 1 << 9;
            for bit in 0..10 {
                wire.write(tick, frame >> bit & 1 != 0, drivers);
                tick += BIT;
            }
        }
        tick
    }

    fn with_crc(bytes: &[u8]) -> Vec<u8> {
        let mut frame = bytes.to_vec();
        frame.push(crc8(bytes));
        frame
    }

    fn receive(wire: &mut TmcWire, drivers: &mut [Tmc], start: u64) -> [u8; 8] {
        core::array::from_fn(|at| {
            (0..8).fold(0, |byte, bit| {
                let middle = start + (at as u64 * 10 + 1 + bit) * BIT + BIT / 2;
                byte | u8::from(wire.read(middle, drivers)) << bit
            })
        })
    }

    #[test]
    fn a_written_register_reads_back_through_the_wire_and_is_counted() {
        let mut drivers = [Tmc::new(TmcKind::Tmc2209), Tmc::new(TmcKind::Tmc2209)];
        let mut wire = TmcWire::new(3, 3);
        wire.attach(0, 0);
        wire.attach(2, 1);
        let mut tick = send(&mut wire, &mut drivers, 1000, &with_crc(&[5, 2, 0x10 | 0x80, 1, 2, 3, 4]));
        for (register, value) in [(0x10, [1, 2, 3, 4]), (reg::IFCNT, [0, 0, 0, 1]), (reg::IOIN_UART, [0x21, 0, 0, 0])] {
            let end = send(&mut wire, &mut drivers, tick + 50 * BIT, &with_crc(&[5, 2, register]));
            let answer = receive(&mut wire, &mut drivers, end + 8 * BIT);
            assert_eq!(answer[..3], [5, 0xff, register]);
            assert_eq!(answer[3..7], value);
            assert_eq!(answer[7], crc8(&answer[..7]));
            tick = end + 100 * BIT;
        }
        assert_eq!(drivers[0].peek(0x10), 0);
    }

    #[test]
    fn a_frame_with_a_wrong_check_or_address_is_not_answered() {
        let mut drivers = [Tmc::new(TmcKind::Tmc2209)];
        let mut wire = TmcWire::new(3, 3);
        wire.attach(0, 0);
        for frame in [vec_of([5, 0, 2, 0x00]), with_crc(&[5, 1, 2])] {
            let end = send(&mut wire, &mut drivers, 1000, &frame);
            assert_eq!(receive(&mut wire, &mut drivers, end + 8 * BIT), [0xff; 8]);
        }
    }

    fn vec_of(bytes: [u8; 4]) -> Vec<u8> {
        bytes.to_vec()
    }
}
