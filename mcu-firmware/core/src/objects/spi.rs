//! Devices on an SPI bus: their chip select, and transfers for the host.

use crate::board::{Board, Pin, SpiBus};
use crate::firmware::Firmware;
use crate::responses::Message;
use crate::shutdown::Shutdown;
use alloc::vec::Vec;
use drydock_protocol::block::CONTENT_MAX;

/// A software bus goes no slower: the chip does nothing else meanwhile, and its watchdog waits half a second.
const SOFTWARE_RATE_MIN_HZ: u32 = 5_000;

/// One device.
#[derive(Clone, Debug)]
pub(crate) struct Spi {
    select: Option<Pin>,
    select_level: bool,
    bus: Option<SpiBus>,
}

impl Spi {
    /// Selects the device, exchanges `data`, and lets go of it.
    pub fn transfer<B: Board>(&self, board: &mut B, data: &mut [u8]) -> Result<(), Shutdown> {
        let bus = self.begin(board)?;
        board.spi_transfer(bus, data);
        self.select(board, false);
        Ok(())
    }

    /// Selects the device on a bus whose clock rests as the device has it.
    fn begin<B: Board>(&self, board: &mut B) -> Result<SpiBus, Shutdown> {
        let bus = self.bus.ok_or(Shutdown::SpiUnset)?;
        match bus {
            SpiBus::Hardware { .. } => board.spi_prepare(bus),
            SpiBus::Software { sclk, mode, .. } => board.output_write(sclk, mode & 2 != 0),
        }
        self.select(board, true);
        Ok(bus)
    }

    fn select<B: Board>(&self, board: &mut B, is_selected: bool) {
        if let Some(pin) = self.select {
            board.output_write(pin, self.select_level == is_selected);
        }
    }
}

/// A transfer for the host on its way. The bytes are in the answer, sent or not, where each is exchanged for the one that
/// comes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    spi: u8,
    bus: SpiBus,
    next_byte: usize,
    is_answered: bool,
}

/// A message that goes to a device when everything is shut down.
#[derive(Clone, Debug)]
pub(crate) struct SpiShutdown {
    spi: u8,
    message: Vec<u8>,
}

impl SpiShutdown {
    pub fn send<B: Board>(&self, board: &mut B, spis: &[Spi]) {
        let mut data = [0; CONTENT_MAX];
        let Some(data) = data.get_mut(..self.message.len()) else { return };
        data.copy_from_slice(&self.message);
        if let Some(spi) = spis.get(usize::from(self.spi)) {
            // A device whose bus was never set has nothing to be told.
            let _ = spi.transfer(board, data);
        }
    }
}

/// A transfer over three plain pins, for boards that have no better way.
pub fn bit_bang<B: Board>(
    board: &mut B,
    (miso, mosi, sclk): (Pin, Pin, Pin),
    mode: u8,
    pulse_ticks: u32,
    data: &mut [u8],
) {
    let (idle, late_sample) = (mode & 2 != 0, mode & 1 != 0);
    for byte in data {
        let mut read = 0;
        for bit in (0..8).rev() {
            let level = *byte >> bit & 1 != 0;
            if late_sample {
                board.output_write(sclk, !idle);
            }
            board.output_write(mosi, level);
            board.delay(pulse_ticks);
            board.output_write(sclk, idle == late_sample);
            read = read << 1 | u8::from(board.input_read(miso));
            board.delay(pulse_ticks);
            board.output_write(sclk, idle);
        }
        *byte = read;
    }
}

impl Firmware {
    pub(crate) fn config_spi<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        pin: u32,
        cs_active_high: u8,
    ) -> Result<(), Shutdown> {
        let select_level = cs_active_high != 0;
        let select = Some(board.output_setup(pin, !select_level)?);
        self.objects.add_spi(oid, Spi { select, select_level, bus: None })
    }

    pub(crate) fn config_spi_without_cs<B: Board>(&mut self, _board: &mut B, oid: u8) -> Result<(), Shutdown> {
        self.objects.add_spi(oid, Spi { select: None, select_level: false, bus: None })
    }

    pub(crate) fn spi_set_bus<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        spi_bus: u32,
        mode: u32,
        rate: u32,
    ) -> Result<(), Shutdown> {
        let bus = SpiBus::Hardware { bus: spi_bus, mode: checked_mode(mode)?, rate_hz: rate };
        board.spi_setup(bus)?;
        self.objects.spi(oid)?.bus = Some(bus);
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "the command's own arguments")]
    pub(crate) fn spi_set_sw_bus<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        miso_pin: u32,
        mosi_pin: u32,
        sclk_pin: u32,
        mode: u32,
        pulse_ticks: u32,
    ) -> Result<(), Shutdown> {
        let mode = checked_mode(mode)?;
        let pulse_ticks = pulse_ticks.min(board.clock_freq_hz() / SOFTWARE_RATE_MIN_HZ / 2);
        let miso = board.input_setup(miso_pin, crate::board::Pull::Up)?;
        let mosi = board.output_setup(mosi_pin, false)?;
        let sclk = board.output_setup(sclk_pin, mode & 2 != 0)?;
        let bus = SpiBus::Software { miso, mosi, sclk, mode, pulse_ticks };
        board.spi_setup(bus)?;
        self.objects.spi(oid)?.bus = Some(bus);
        Ok(())
    }

    pub(crate) fn config_spi_shutdown<B: Board>(
        &mut self,
        _board: &mut B,
        oid: u8,
        spi_oid: u8,
        shutdown_msg: &[u8],
    ) -> Result<(), Shutdown> {
        let spi = self.objects.spi_index(spi_oid)?;
        let mut message = super::filled(shutdown_msg.len(), 0)?;
        message.copy_from_slice(shutdown_msg);
        self.objects.add_spi_shutdown(oid, SpiShutdown { spi, message })
    }

    pub(crate) fn spi_transfer<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        data: &[u8],
        answer: &mut Message,
    ) -> Result<(), Shutdown> {
        self.begin_exchange(board, oid, data, answer, true)
    }

    pub(crate) fn spi_send<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        data: &[u8],
        answer: &mut Message,
    ) -> Result<(), Shutdown> {
        self.begin_exchange(board, oid, data, answer, false)
    }

    fn begin_exchange<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        data: &[u8],
        answer: &mut Message,
        is_answered: bool,
    ) -> Result<(), Shutdown> {
        let spi = self.objects.spi_index(oid)?;
        let bus = self.objects.spi(oid)?.begin(board)?;
        answer.spi_transfer_response(oid, data);
        self.exchange = Some(Exchange { spi, bus, next_byte: 0, is_answered });
        Ok(())
    }

    /// Exchanges a byte of the command that is being executed, so that steps can be made before the next one; false where
    /// nothing is left to do for it. What a shutdown in between has ended has no answer.
    pub(crate) fn go_on<B: Board>(&mut self, board: &mut B, answer: &mut Message) -> bool {
        let Some(exchange) = &mut self.exchange else {
            answer.clear();
            return false;
        };
        if let Some(byte) = answer.bytes_mut().get_mut(exchange.next_byte) {
            board.spi_transfer(exchange.bus, core::slice::from_mut(byte));
            exchange.next_byte += 1;
            return true;
        }
        if !exchange.is_answered {
            answer.clear();
        }
        self.end_exchange(board);
        false
    }

    /// Lets go of the device of a transfer, wherever that is.
    pub(crate) fn end_exchange<B: Board>(&mut self, board: &mut B) {
        let exchange = self.exchange.take();
        if let Some(device) = exchange.and_then(|exchange| self.objects.spis.get(usize::from(exchange.spi))) {
            device.select(board, false);
        }
    }
}

fn checked_mode(mode: u32) -> Result<u8, Shutdown> {
    if mode <= 3 { Ok(mode as u8) } else { Err(Shutdown::SpiMode) }
}
