//! The probe: debug ports, each with one access port to the chip's memory (ARM Debug Interface v5), register by register.
//! A chip with one has it alone on the wire; an RP2040 has three that are called by address: one for each core, and one
//! that only resets.

use std::io::{Error, ErrorKind};
use std::sync::Arc;

use probe_rs::CoreStatus;
use probe_rs::architecture::arm::sequences::ArmDebugSequence;
use probe_rs::architecture::arm::{
    ArmCommunicationInterface, ArmDebugInterface, ArmError, DapError, DapProbe, RawDapAccess, RegisterAddress,
};
use probe_rs::probe::{DebugProbe, DebugProbeError, WireProtocol};

use super::{Shared, lock};

/// A Cortex-M4's: debug port version 1, an AHB access port.
const DPIDR: u32 = 0x2ba0_1477;
const AHB_AP: u32 = 0x2477_0011;
const POWER_UP_REQUESTS: u32 = 1 << 28 | 1 << 30;
/// Calling a debug port by its address is a write that nobody acknowledges, so it comes as 48 bits on the wire: the
/// request, the address from bit 13 on, its parity.
const CALL: (u8, u64) = (48, 0x1f99);
const DPIDR_MULTIDROP: u32 = 0x0bc1_2477;
/// What lies in the address of a debug port above the chip's own number.
const INSTANCE: u32 = 0xf000_0000;
/// The pin of an access port's CSW that says that it is enabled.
const DEVICE_ENABLED: u32 = 1 << 6;

#[derive(Debug)]
pub struct SimProbe {
    chip: Shared,
    /// Address of the debug port that was called last.
    called: u32,
    control: u32,
    select: u32,
    csw: u32,
    tar: u32,
}

impl SimProbe {
    pub fn new(chip: Shared) -> SimProbe {
        SimProbe { chip, called: 0, control: 0, select: 0, csw: DEVICE_ENABLED, tar: 0 }
    }

    fn there(&self) -> Result<(), ArmError> {
        let chip = lock(&self.chip);
        if !chip.plugged {
            let gone = Error::new(ErrorKind::NotConnected, "device not connected");
            return Err(ArmError::Probe(DebugProbeError::Usb(gone)));
        }
        if chip.silent { Err(ArmError::Dap(DapError::NoAcknowledge)) } else { Ok(()) }
    }

    fn size(&self) -> u32 {
        1 << (self.csw & 3)
    }

    /// After each access the address moves on, within ten bits, if it is asked to.
    fn advance(&mut self) {
        if self.csw >> 4 & 3 == 1 {
            self.tar = self.tar & !0x3ff | (self.tar + self.size()) & 0x3ff;
        }
    }

    fn ap_register(&self, address: RegisterAddress) -> u32 {
        (self.select & 0xf0) | u32::from(address.a2_and_3())
    }
}

impl RawDapAccess for SimProbe {
    fn raw_read_register(&mut self, address: RegisterAddress) -> Result<u32, ArmError> {
        self.there()?;
        if !address.is_ap() {
            return Ok(match (address.a2_and_3(), self.select & 0xf) {
                (0x0, _) if self.called != 0 => DPIDR_MULTIDROP,
                (0x0, _) => DPIDR,
                (0x4, 2) => self.called & !INSTANCE,
                (0x4, 3) => self.called & INSTANCE,
                (0x4, _) => self.control | (self.control & POWER_UP_REQUESTS) << 1,
                _ => 0,
            });
        }
        if self.select >> 24 != 0 {
            return Ok(0);
        }
        Ok(match self.ap_register(address) {
            0x00 => self.csw,
            0x04 => self.tar,
            0x0c => {
                let word = lock(&self.chip).read(self.tar & !3);
                self.advance();
                word.ok_or(ArmError::Dap(DapError::FaultResponse))?
            }
            0xfc => AHB_AP,
            _ => 0,
        })
    }

    fn raw_write_register(&mut self, address: RegisterAddress, value: u32) -> Result<(), ArmError> {
        self.there()?;
        if !address.is_ap() {
            match address.a2_and_3() {
                0x4 => self.control = value & !(POWER_UP_REQUESTS << 1),
                0x8 => self.select = value,
                _ => {}
            }
            return Ok(());
        }
        match self.ap_register(address) {
            0x00 => self.csw = value | DEVICE_ENABLED,
            0x04 => self.tar = value,
            0x0c => {
                let (at, size) = (self.tar, self.size());
                let written = lock(&self.chip).write(at, size, value);
                self.advance();
                written.ok_or(ArmError::Dap(DapError::FaultResponse))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn jtag_sequence(&mut self, _: u8, _: bool, _: u64) -> Result<(), DebugProbeError> {
        Ok(())
    }

    fn swj_sequence(&mut self, length: u8, bits: u64) -> Result<(), DebugProbeError> {
        let mut chip = lock(&self.chip);
        if chip.is_multidrop() && (length, bits & 0x1fff) == CALL {
            self.called = (bits >> 13) as u32;
            chip.selected = usize::from(self.called & INSTANCE == 0x1000_0000);
        }
        Ok(())
    }

    fn swj_pins(&mut self, out: u32, _: u32, _: u32) -> Result<u32, DebugProbeError> {
        Ok(out)
    }

    fn into_probe(self: Box<Self>) -> Box<dyn DebugProbe> {
        self
    }

    fn core_status_notification(&mut self, _: CoreStatus) -> Result<(), DebugProbeError> {
        Ok(())
    }
}

impl DapProbe for SimProbe {}

impl DebugProbe for SimProbe {
    fn get_name(&self) -> &str {
        "Simulated probe"
    }

    fn speed_khz(&self) -> u32 {
        1000
    }

    fn set_speed(&mut self, speed_khz: u32) -> Result<u32, DebugProbeError> {
        Ok(speed_khz)
    }

    fn attach(&mut self) -> Result<(), DebugProbeError> {
        Ok(())
    }

    fn detach(&mut self) -> Result<(), probe_rs::Error> {
        Ok(())
    }

    fn target_reset(&mut self) -> Result<(), DebugProbeError> {
        Ok(())
    }

    fn target_reset_assert(&mut self) -> Result<(), DebugProbeError> {
        Ok(())
    }

    fn target_reset_deassert(&mut self) -> Result<(), DebugProbeError> {
        Ok(())
    }

    fn select_protocol(&mut self, _: WireProtocol) -> Result<(), DebugProbeError> {
        Ok(())
    }

    fn active_protocol(&self) -> Option<WireProtocol> {
        Some(WireProtocol::Swd)
    }

    fn has_arm_interface(&self) -> bool {
        true
    }

    fn into_probe(self: Box<Self>) -> Box<dyn DebugProbe> {
        self
    }

    fn try_as_dap_probe(&mut self) -> Option<&mut dyn DapProbe> {
        Some(self)
    }

    fn try_get_arm_debug_interface<'probe>(
        self: Box<Self>,
        sequence: Arc<dyn ArmDebugSequence>,
    ) -> Result<Box<dyn ArmDebugInterface + 'probe>, (Box<dyn DebugProbe>, ArmError)> {
        Ok(ArmCommunicationInterface::create(self, sequence, false))
    }
}
