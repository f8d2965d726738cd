//! The unique number of the flash chip. The RP2040 has none of its own, and USB wants one.
//!
//! The chip tells it in answer to the command 4Bh, for which the flash must leave the mode in which code runs from it: for
//! that time this runs from RAM and calls the ROM only. Neither crate nor emulator was there to test it with.
#![allow(unsafe_code, reason = "code in RAM, and registers by their addresses")]

use core::ptr::{read_volatile, write_volatile};
use rp2040_hal::rom_data::{connect_internal_flash, flash_enter_cmd_xip, flash_exit_xip, flash_flush_cache};

/// Command, then as many bytes without meaning.
const READ_UNIQUE_ID: u32 = 0x4b;
const LEAD_BYTES: usize = 5;
const ID_BYTES: usize = 8;

/// Of the serial interface to the flash: status, with room to send in bit 1 and something received in bit 3; data.
const SSI_STATUS: *const u32 = 0x1800_0028 as _;
const SSI_DATA: *mut u32 = 0x1800_0060 as _;
/// Control of the flash's select pin; bits 8 and 9 drive it low (2) or high (3).
const SELECT: *mut u32 = 0x4001_800c as _;
const SELECT_LOW: u32 = 2 << 8;
const SELECT_HIGH: u32 = 3 << 8;

/// Functions of the ROM, looked up while the flash can still be read.
struct Rom {
    connect: unsafe extern "C" fn(),
    exit_xip: unsafe extern "C" fn(),
    flush_cache: unsafe extern "C" fn(),
    enter_xip: unsafe extern "C" fn(),
}

/// To be called before any interrupt is unmasked.
pub fn read() -> [u8; ID_BYTES] {
    let rom = Rom {
        connect: connect_internal_flash::ptr(),
        exit_xip: flash_exit_xip::ptr(),
        flush_cache: flash_flush_cache::ptr(),
        enter_xip: flash_enter_cmd_xip::ptr(),
    };
    let mut id = [0; ID_BYTES];
    // SAFETY: no interrupt comes, and the other core sleeps, so nothing reads the flash meanwhile.
    cortex_m::interrupt::free(|_| unsafe { exchange(&rom, &mut id) });
    id
}

#[inline(never)]
#[unsafe(link_section = ".data.flash_id")]
unsafe fn exchange(rom: &Rom, id: &mut [u8; ID_BYTES]) {
    // SAFETY: the order of the datasheet (2.8.3.1.3): leave, talk, come back; these are the flash's own registers.
    unsafe {
        (rom.connect)();
        (rom.exit_xip)();
        let select = read_volatile(SELECT) & !SELECT_HIGH;
        write_volatile(SELECT, select | SELECT_LOW);
        let mut at = 0;
        while at < LEAD_BYTES + ID_BYTES {
            while read_volatile(SSI_STATUS) & 1 << 1 == 0 {}
            write_volatile(SSI_DATA, if at == 0 { READ_UNIQUE_ID } else { 0 });
            while read_volatile(SSI_STATUS) & 1 << 3 == 0 {}
            let byte = read_volatile(SSI_DATA) as u8;
            if at >= LEAD_BYTES {
                *id.as_mut_ptr().add(at - LEAD_BYTES) = byte;
            }
            at += 1;
        }
        write_volatile(SELECT, select | SELECT_HIGH);
        (rom.flush_cache)();
        (rom.enter_xip)();
    }
}
