//! Chains of WS281x lights: a buffer that the host fills and has sent.

use crate::board::{Board, Pin};
use crate::firmware::{Firmware, Task};
use crate::responses::Message;
use crate::shutdown::Shutdown;
use alloc::vec::Vec;

/// Longest chain, about a thousand lights.
const DATA_MAX: u16 = 4096;

#[derive(Clone, Debug)]
pub(crate) struct Neopixel {
    oid: u8,
    pin: Pin,
    data: Vec<u8>,
    bit_max_ticks: u32,
    reset_min_ticks: u32,
    last_end: u32,
    /// The bit that is to be sent next, while the chain is sent.
    next_bit: Option<usize>,
}

impl Neopixel {
    /// Sends a bit; whether all went well, once that is known.
    fn send_bit<B: Board>(&mut self, board: &mut B) -> Option<bool> {
        let at = self.next_bit.take()?;
        let since = board.now().wrapping_sub(self.last_end);
        let is_in_time = if at == 0 { since >= self.reset_min_ticks } else { since <= self.bit_max_ticks };
        let Some(byte) = self.data.get(at / 8).filter(|_| is_in_time) else { return Some(is_in_time) };
        board.neopixel_bit(self.pin, at, byte << (at % 8) & 0x80 != 0);
        self.last_end = board.now();
        self.next_bit = Some(at + 1);
        None
    }
}

impl Firmware {
    pub(crate) fn config_neopixel<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        pin: u32,
        data_size: u16,
        bit_max_ticks: u32,
        reset_min_ticks: u32,
    ) -> Result<(), Shutdown> {
        if !(1..=DATA_MAX).contains(&data_size) {
            return Err(Shutdown::NeopixelSize);
        }
        let pin = board.output_setup(pin, false)?;
        let data = super::filled(data_size.into(), 0)?;
        let last_end = board.now().wrapping_sub(reset_min_ticks);
        let chain = Neopixel { oid, pin, data, bit_max_ticks, reset_min_ticks, last_end, next_bit: None };
        self.objects.add_neopixel(oid, chain)
    }

    pub(crate) fn neopixel_update<B: Board>(
        &mut self,
        _board: &mut B,
        oid: u8,
        pos: u16,
        data: &[u8],
    ) -> Result<(), Shutdown> {
        let chain = self.objects.neopixel(oid)?;
        let start = usize::from(pos);
        let place = chain.data.get_mut(start..start + data.len()).ok_or(Shutdown::NeopixelUpdate)?;
        place.copy_from_slice(data);
        Ok(())
    }

    /// Begins to send. The task does the rest and answers.
    pub(crate) fn neopixel_send<B: Board>(&mut self, _board: &mut B, oid: u8) -> Result<(), Shutdown> {
        self.objects.neopixel(oid)?.next_bit = Some(0);
        self.wake_task(Task::Neopixel);
        Ok(())
    }

    /// Sends a bit of a chain, so that steps can be made before the next one; answers after the last. A chain that has not
    /// rested since the last time, or had to wait for too long between two bits, is the host's to repeat.
    pub(crate) fn neopixel_task<B: Board>(&mut self, board: &mut B, message: &mut Message) -> bool {
        let Some(chain) = self.objects.neopixels.iter_mut().find(|chain| chain.next_bit.is_some()) else {
            return false;
        };
        if let Some(success) = chain.send_bit(board) {
            message.neopixel_result(chain.oid, u8::from(success));
        }
        true
    }
}
