//! Over ST's boot ROM on USB (DFU): the command is named. dfu-util is what everybody has for it, and what a board does
//! under it is known; a client of our own would be one more thing that no board here has tried.

use std::path::Path;

/// ST's boot ROM (AN2606); alternate setting 0 is the flash.
const DEVICE: &str = "0483:df11";

pub fn steps(file: &Path, address: u64) -> Vec<String> {
    vec![
        "set the BOOT0 jumper (or hold BOOT0) and reset the board: ST's boot ROM shows up on USB".into(),
        format!("run: {}", command(file, address)),
        "take the jumper off and reset the board".into(),
    ]
}

pub fn command(file: &Path, address: u64) -> String {
    format!("dfu-util -d {DEVICE} -a 0 -s {address:#010x}:leave -D {}", file.display())
}
