//! The single-wire UART of TMC stepper drivers: bits written and read one timer event each.
//!
//! The host sends whole frames, start and stop bits and all, least significant bit first, and gets the answer the same
//! way. After the last bit out, the wire is watched for the start bit of the answer, which fixes where the bits are.

use crate::board::{Board, Pin, Pull};
use crate::firmware::{Firmware, Task};
use crate::responses::Message;
use crate::shutdown::Shutdown;
use crate::timers::{Caller, Next};

const DATA_MAX: usize = 16;
/// The wire is looked at so many times a bit while an answer is awaited.
const SYNC_PER_BIT: u32 = 8;
/// An answer that has not begun after so many bits does not come; drivers wait 8 to 120 bits.
const SYNC_BITS_MAX: u32 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Write,
    AwaitStart,
    Read,
}

#[derive(Clone, Debug)]
pub(crate) struct TmcUart {
    oid: u8,
    rx_pin: Pin,
    tx_pin: Pin,
    pull: Pull,
    bit_ticks: u32,
    phase: Phase,
    data: [u8; DATA_MAX],
    bit: usize,
    write_bits: usize,
    read_bytes: u8,
    looks: u32,
    /// Bytes of an answer that waits for the task.
    answer: Option<usize>,
}

impl TmcUart {
    pub fn stop<B: Board>(&mut self, board: &mut B) {
        self.answer = None;
        self.release(board);
    }

    fn is_single_wire(&self) -> bool {
        self.rx_pin == self.tx_pin
    }

    /// The wire rests high, driven by this side.
    fn release<B: Board>(&mut self, board: &mut B) {
        self.phase = Phase::Idle;
        // The pin was an output before, so it can be one.
        let _ = board.output_setup(self.tx_pin.into(), true);
    }

    fn finish<B: Board>(&mut self, board: &mut B, answer: usize) -> bool {
        self.release(board);
        self.answer = Some(answer);
        true
    }

    /// Does one event: when the next one is, and whether the task has something to do.
    fn event<B: Board>(&mut self, board: &mut B, wake: u32) -> (Option<u32>, bool) {
        match self.phase {
            Phase::Idle => (None, false),
            Phase::Write if self.bit < self.write_bits => {
                let byte = self.data.get(self.bit / 8).copied().unwrap_or(0xff);
                board.output_write(self.tx_pin, byte >> (self.bit % 8) & 1 != 0);
                self.bit += 1;
                (Some(wake.wrapping_add(self.bit_ticks)), false)
            }
            Phase::Write if self.read_bytes == 0 => (None, self.finish(board, 0)),
            Phase::Write => {
                if self.is_single_wire() {
                    // The pin was an input before it was an output.
                    let _ = board.input_setup(self.rx_pin.into(), self.pull);
                }
                (self.phase, self.bit, self.looks) = (Phase::AwaitStart, 0, 0);
                self.data = [0; DATA_MAX];
                (Some(wake.wrapping_add(self.look_ticks())), false)
            }
            Phase::AwaitStart if board.input_read(self.rx_pin) => {
                self.looks += 1;
                if self.looks > SYNC_PER_BIT * SYNC_BITS_MAX {
                    return (None, self.finish(board, 0));
                }
                (Some(wake.wrapping_add(self.look_ticks())), false)
            }
            Phase::AwaitStart => {
                self.phase = Phase::Read;
                (Some(wake.wrapping_add(self.bit_ticks / 2)), false)
            }
            Phase::Read => {
                if board.input_read(self.rx_pin)
                    && let Some(byte) = self.data.get_mut(self.bit / 8)
                {
                    *byte |= 1 << (self.bit % 8);
                }
                self.bit += 1;
                let read_bytes = usize::from(self.read_bytes);
                if self.bit < read_bytes * 8 {
                    (Some(wake.wrapping_add(self.bit_ticks)), false)
                } else {
                    (None, self.finish(board, read_bytes))
                }
            }
        }
    }

    fn look_ticks(&self) -> u32 {
        (self.bit_ticks / SYNC_PER_BIT).max(1)
    }
}

impl Firmware {
    pub(crate) fn config_tmcuart<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        rx_pin: u32,
        pull_up: u8,
        tx_pin: u32,
        bit_time: u32,
    ) -> Result<(), Shutdown> {
        let pull = Pull::from_wire(pull_up);
        let rx_pin = board.input_setup(rx_pin, pull)?;
        let tx_pin = board.output_setup(tx_pin, true)?;
        let uart = TmcUart {
            oid,
            rx_pin,
            tx_pin,
            pull,
            bit_ticks: bit_time.max(2),
            phase: Phase::Idle,
            data: [0; DATA_MAX],
            bit: 0,
            write_bits: 0,
            read_bytes: 0,
            looks: 0,
            answer: None,
        };
        self.objects.add_tmcuart(oid, uart)
    }

    /// Sends unless a transfer is under way; the host repeats what stays without an answer.
    pub(crate) fn tmcuart_send<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        write: &[u8],
        read: u8,
    ) -> Result<(), Shutdown> {
        let index = self.objects.tmcuart_index(oid)?;
        let uart = self.objects.tmcuart(oid)?;
        if uart.phase != Phase::Idle {
            return Ok(());
        }
        if usize::from(read) > DATA_MAX {
            return Err(Shutdown::TmcUartData);
        }
        let place = uart.data.get_mut(..write.len()).ok_or(Shutdown::TmcUartData)?;
        place.copy_from_slice(write);
        (uart.phase, uart.bit, uart.write_bits, uart.read_bytes) = (Phase::Write, 0, write.len() * 8, read);
        let first = board.now().wrapping_add(uart.bit_ticks);
        self.timers.set(Caller::TmcUart(index), first, board.now())
    }

    pub(crate) fn tmcuart_event<B: Board>(&mut self, board: &mut B, index: u8, wake: u32) -> Next {
        let Some(uart) = self.objects.tmcuarts.get_mut(usize::from(index)) else { return Ok(None) };
        let (next, done) = uart.event(board, wake);
        if done {
            self.wake_task(Task::TmcUart);
        }
        Ok(next)
    }

    /// Sends one answer; whether it found one.
    pub(crate) fn tmcuart_task(&mut self, message: &mut Message) -> bool {
        for uart in &mut self.objects.tmcuarts {
            if let Some(len) = uart.answer.take() {
                let answer = uart.data.get(..len).unwrap_or_default();
                message.tmcuart_response(uart.oid, answer);
                return true;
            }
        }
        false
    }
}
