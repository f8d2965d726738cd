//! The ways to a board, one file each.

pub mod dfu;
pub mod probe;
pub mod sdcard;
pub mod serial;
pub mod uf2;

use clap::ValueEnum;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Route {
    /// A debug probe (ST-Link, CMSIS-DAP, J-Link, ...) on the board's SWD header.
    Probe,
    /// A file on an SD card that the board's bootloader takes at the next start.
    Sdcard,
    /// ST's boot ROM over USB; the command is named, not run.
    Dfu,
    /// A bootloader on the serial port; the command is named, not run.
    Serial,
    /// The RP2040's boot ROM: a drive that takes a .uf2 file.
    Uf2,
}

/// What a route did, in words.
pub type Done = Vec<String>;
