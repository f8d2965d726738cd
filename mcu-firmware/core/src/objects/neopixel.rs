//! Chains of WS281x lights: a buffer that the host fills and has sent.

use crate::board::{Board, Pin};
use crate::firmware::Firmware;
use crate::responses::Message;
use crate::shutdown::Shutdown;
use alloc::vec::Vec;

/// Longest chain, about a thousand lights.
const DATA_MAX: u16 = 4096;

#[derive(Clone, Debug)]
pub(crate) struct Neopixel {
    pin: Pin,
    data: Vec<u8>,
    bit_max_ticks: u32,
    reset_min_ticks: u32,
    last_end: u32,
}

/// The pulses of a chain over a plain pin, for boards that have no better way: a bit is high for a third or two thirds
/// of 1.25 us.
pub fn bit_bang<B: Board>(board: &mut B, pin: Pin, data: &[u8], bit_max_ticks: u32) -> bool {
    let third = board.clock_freq_hz() / 2_400_000;
    for byte in data {
        for bit in (0..8).rev() {
            let high = if *byte >> bit & 1 != 0 { 2 * third } else { third };
            let start = board.now();
            board.output_write(pin, true);
            board.delay(high);
            board.output_write(pin, false);
            board.delay(3 * third - high);
            if board.now().wrapping_sub(start) > bit_max_ticks {
                return false;
            }
        }
    }
    true
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
        self.objects.add_neopixel(oid, Neopixel { pin, data, bit_max_ticks, reset_min_ticks, last_end })
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

    /// Sends, unless the chain has not rested since the last time; the host repeats what did not succeed.
    pub(crate) fn neopixel_send<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        answer: &mut Message,
    ) -> Result<(), Shutdown> {
        let chain = self.objects.neopixel(oid)?;
        let rested = board.now().wrapping_sub(chain.last_end) >= chain.reset_min_ticks;
        let success = rested && board.neopixel_send(chain.pin, &chain.data, chain.bit_max_ticks);
        if rested {
            chain.last_end = board.now();
        }
        answer.neopixel_result(oid, u8::from(success));
        Ok(())
    }
}
