//! The host on USB, as a serial port of the CDC class: PA11 and PA12. The main loop polls it.

use crate::SHELL;
use cortex_m::peripheral::SCB;
use cortex_m::singleton;
use drydock_board_shell::hexadecimal;
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
        let Some(memory) = singleton!(: [u32; 320] = [0; 320]) else { SCB::sys_reset() };
        let Some(digits) = singleton!(: [u8; 24] = serial_number()) else { SCB::sys_reset() };
        let Some(bus) = singleton!(: UsbBusAllocator<UsbBusType> = UsbBus::new(usb, memory)) else { SCB::sys_reset() };
        let texts = StringDescriptors::default()
            .manufacturer("Drydock")
            .product(env!("DRYDOCK_MCU"))
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

/// The chip's unique number in hexadecimal.
fn serial_number() -> [u8; 24] {
    let id = Uid::get();
    let mut bytes = [0; 12];
    bytes[..2].copy_from_slice(&id.x().to_be_bytes());
    bytes[2..4].copy_from_slice(&id.y().to_be_bytes());
    bytes[4] = id.waf_num();
    bytes[5..].copy_from_slice(id.lot_num().as_bytes());
    hexadecimal(&bytes)
}
