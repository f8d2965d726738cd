//! Over a bootloader on the serial port: the command is named, for ST's boot ROM and for Katapult.

use std::path::Path;

pub fn steps(file: &Path, address: u64, stm32: bool, port: Option<&str>) -> Vec<String> {
    let port = port.unwrap_or("PORT");
    let mut steps = Vec::new();
    if stm32 {
        steps.push("where ST's boot ROM listens on a UART (BOOT0 set, reset): run".into());
        steps.push(format!("  stm32flash -w {} -v -S {address:#010x} -g 0x0 {port}", file.display()));
    }
    steps.push("where Katapult is the bootloader (double reset, or its own request): run".into());
    steps.push(format!("  python3 flashtool.py -d {port} -f {}", file.display()));
    steps
}
