//! The host on USB, as a serial port of the CDC class. The main loop polls it.

use crate::{SHELL, flash_id};
use cortex_m::peripheral::SCB;
use cortex_m::singleton;
use drydock_board_shell::hexadecimal;
use rp2040_hal::clocks::ClocksManager;
use rp2040_hal::pac::{RESETS, USBCTRL_DPRAM, USBCTRL_REGS};
use rp2040_hal::usb::UsbBus;
use usb_device::bus::UsbBusAllocator;
use usb_device::device::{StringDescriptors, UsbDevice, UsbDeviceBuilder, UsbVidPid};
use usbd_serial::{SerialPort, USB_CLASS_CDC};

/// The number that is shared by CDC ports of free projects, which are told apart by their texts.
const VID_PID: UsbVidPid = UsbVidPid(0x16c0, 0x27dd);
/// Most that one packet holds.
const PACKET_BYTES: usize = 64;

/// What this port needs of the chip.
macro_rules! peripherals {
    ($chip:ident) => {
        ($chip.USBCTRL_REGS, $chip.USBCTRL_DPRAM)
    };
}
pub(crate) use peripherals;

pub struct Port {
    device: UsbDevice<'static, UsbBus>,
    serial: SerialPort<'static, UsbBus>,
    /// A packet on its way out: its bytes and how many of them are left.
    packet: [u8; PACKET_BYTES],
    start: usize,
    end: usize,
}

impl Port {
    pub fn new((registers, memory): (USBCTRL_REGS, USBCTRL_DPRAM), resets: &mut RESETS, clocks: ClocksManager) -> Self {
        let Some(digits) = singleton!(: [u8; 16] = hexadecimal(&flash_id::read())) else { SCB::sys_reset() };
        let bus = UsbBus::new(registers, memory, clocks.usb_clock, true, resets);
        let Some(bus) = singleton!(: UsbBusAllocator<UsbBus> = UsbBusAllocator::new(bus)) else { SCB::sys_reset() };
        let texts = StringDescriptors::default()
            .manufacturer("Drydock")
            .product("rp2040")
            .serial_number(core::str::from_utf8(digits).unwrap_or("0"));
        let serial = SerialPort::new(bus);
        let device = UsbDeviceBuilder::new(bus, VID_PID).device_class(USB_CLASS_CDC).strings(&[texts]);
        // Fails for more than sixteen languages only.
        let Ok(device) = device else { SCB::sys_reset() };
        Self { device: device.build(), serial, packet: [0; PACKET_BYTES], start: 0, end: 0 }
    }
}

impl drydock_board_shell::Port for Port {
    /// The port is polled, so the main loop never sleeps.
    const WAKES: bool = false;

    fn poll(&mut self) {
        self.device.poll(&mut [&mut self.serial]);
        // A packet is only taken where all of it fits; till then the host waits.
        let mut packet = [0; PACKET_BYTES];
        if SHELL.rx.room() >= PACKET_BYTES
            && let Ok(count) = self.serial.read(&mut packet)
        {
            SHELL.rx.push(&packet[..count]);
        }
        if self.start == self.end {
            (self.start, self.end) = (0, SHELL.tx.pop(&mut self.packet));
        }
        if self.start < self.end
            && let Ok(count) = self.serial.write(&self.packet[self.start..self.end])
        {
            self.start += count;
        }
        // Sends what is left of an earlier write; nothing to send is no error that matters.
        let _ = self.serial.flush();
    }

    fn is_idle(&mut self) -> bool {
        self.start == self.end && self.serial.flush().is_ok()
    }
}
