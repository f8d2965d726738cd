//! The host on USB, as a serial port of the CDC class: PA11 and PA12. The main loop polls it.

use crate::{RX, TX};
use cortex_m::singleton;
use stm32f4xx_hal::gpio::GpioExt;
use stm32f4xx_hal::otg_fs::{USB, UsbBus, UsbBusType};
use stm32f4xx_hal::pac::{GPIOA, OTG_FS_DEVICE, OTG_FS_GLOBAL, OTG_FS_PWRCLK};
use stm32f4xx_hal::rcc::Rcc;
use stm32f4xx_hal::signature::Uid;
use usb_device::bus::UsbBusAllocator;
use usb_device::device::{StringDescriptors, UsbDevice, UsbDeviceBuilder, UsbVidPid};
use usbd_serial::{SerialPort, USB_CLASS_CDC};

/// The number that is shared by CDC ports of free projects, which are told apart by their texts.
const VID_PID: UsbVidPid = UsbVidPid(0x16c0, 0x27dd);
/// Most that one packet holds.
const PACKET_BYTES: usize = 64;

/// The port is polled, so the main loop never sleeps.
pub const WAKES: bool = false;

/// What this port needs of the chip.
macro_rules! peripherals {
    ($chip:ident) => {
        ($chip.OTG_FS_GLOBAL, $chip.OTG_FS_DEVICE, $chip.OTG_FS_PWRCLK)
    };
}
pub(crate) use peripherals;

pub struct Port {
    device: UsbDevice<'static, UsbBusType>,
    serial: SerialPort<'static, UsbBusType>,
    /// A packet on its way out: its bytes and how many of them are left.
    packet: [u8; PACKET_BYTES],
    start: usize,
    end: usize,
}

impl Port {
    pub fn new(pins: GPIOA, usb: (OTG_FS_GLOBAL, OTG_FS_DEVICE, OTG_FS_PWRCLK), rcc: &mut Rcc) -> Self {
        let pins = pins.split(rcc);
        let usb = USB::new(usb, (pins.pa11, pins.pa12), &rcc.clocks);
        let Some(memory) = singleton!(: [u32; 320] = [0; 320]) else { crate::restart() };
        let Some(serial_number) = singleton!(: [u8; 24] = [0; 24]) else { crate::restart() };
        let Some(bus) = singleton!(: UsbBusAllocator<UsbBusType> = UsbBus::new(usb, memory)) else { crate::restart() };
        write_serial_number(serial_number);
        let texts = StringDescriptors::default()
            .manufacturer("Drydock")
            .product(env!("DRYDOCK_MCU"))
            .serial_number(core::str::from_utf8(serial_number).unwrap_or("0"));
        let serial = SerialPort::new(bus);
        let device = UsbDeviceBuilder::new(bus, VID_PID).device_class(USB_CLASS_CDC).strings(&[texts]);
        // Fails for more than sixteen languages only.
        let Ok(device) = device else { crate::restart() };
        Self { device: device.build(), serial, packet: [0; PACKET_BYTES], start: 0, end: 0 }
    }

    /// Moves what can be moved in both directions.
    pub fn poll(&mut self) {
        self.device.poll(&mut [&mut self.serial]);
        // A packet is only taken where all of it fits; till then the host waits.
        let mut packet = [0; PACKET_BYTES];
        if RX.room() >= PACKET_BYTES
            && let Ok(count) = self.serial.read(&mut packet)
        {
            RX.push(&packet[..count]);
        }
        if self.start == self.end {
            (self.start, self.end) = (0, TX.pop(&mut self.packet));
        }
        if self.start < self.end
            && let Ok(count) = self.serial.write(&self.packet[self.start..self.end])
        {
            self.start += count;
        }
        // Sends what is left of an earlier write; nothing to send is no error that matters.
        let _ = self.serial.flush();
    }

    /// Whether the last byte has left.
    pub fn is_idle(&mut self) -> bool {
        self.start == self.end && self.serial.flush().is_ok()
    }
}

/// The chip's unique number in hexadecimal.
fn write_serial_number(digits: &mut [u8; 24]) {
    let id = Uid::get();
    let mut bytes = [0; 12];
    bytes[..2].copy_from_slice(&id.x().to_be_bytes());
    bytes[2..4].copy_from_slice(&id.y().to_be_bytes());
    bytes[4] = id.waf_num();
    bytes[5..].copy_from_slice(id.lot_num().as_bytes());
    for (byte, pair) in bytes.into_iter().zip(digits.chunks_exact_mut(2)) {
        pair.copy_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
    }
}

fn hex(nibble: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(nibble & 15)]
}
