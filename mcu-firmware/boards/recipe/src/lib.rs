//! What every board's build script does.
//!
//! The dictionary is made and compressed here, on the machine that builds; a chip holds the bytes as a constant.
#![allow(clippy::disallowed_methods, reason = "this runs on the builder's machine, not inside the boundary")]

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use drydock_firmware::BoardFacts;

/// Bytes at the top of RAM for the stack of the main loop and the interrupts in it; docs/boards.md says how they are
/// found and what stands guard below them.
const STACK_BYTES: u32 = 8 * 1024;
/// Least room for what the host configures: the whole move queue and as much again.
const HEAP_MIN_BYTES: u32 = 32 * 1024;

/// A chip's memory, and where in flash the image begins.
pub struct Memory {
    pub flash_base: u32,
    pub flash_bytes: u32,
    pub ram_base: u32,
    pub ram_bytes: u32,
}

/// The one feature of `choices` that is on. Stops the build with a sentence where it is not one.
pub fn one_feature<'a>(what: &str, choices: &[&'a str]) -> &'a str {
    let is_on = |name: &&&str| env::var_os(format!("CARGO_FEATURE_{}", name.to_uppercase())).is_some();
    let on: Vec<_> = choices.iter().filter(is_on).collect();
    match on[..] {
        [one] => one,
        _ => panic!("choose one {what} by a feature: {} (chosen: {on:?})", choices.join(", ")),
    }
}

/// A number from the environment, which `drydock firmware build` sets, or `otherwise`.
pub fn number(variable: &str, otherwise: u32) -> u32 {
    println!("cargo:rerun-if-env-changed={variable}");
    match env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
        Err(_) => otherwise,
    }
}

/// Bytes of flash that belong to a bootloader, from `DRYDOCK_OFFSET_KIB`.
pub fn bootloader_bytes() -> u32 {
    let kib = number("DRYDOCK_OFFSET_KIB", 0);
    assert!([0, 8, 16, 32, 64].contains(&kib), "DRYDOCK_OFFSET_KIB={kib} is none of 0, 8, 16, 32, 64");
    kib * 1024
}

/// Compiler of this build, for the dictionary.
pub fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    output.map_or_else(|_| "rustc".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// Writes `memory.x` where the linker finds it, with `sections` after the memory map.
pub fn write_memory(memory: &Memory, sections: &str) {
    let Memory { flash_base, flash_bytes, ram_base, ram_bytes } = memory;
    let text = format!(
        "MEMORY {{
  FLASH : ORIGIN = {flash_base:#x}, LENGTH = {flash_bytes}
  RAM : ORIGIN = {ram_base:#x}, LENGTH = {ram_bytes}
}}
_stack_bytes = {STACK_BYTES};
_stack_limit = ORIGIN(RAM) + LENGTH(RAM) - _stack_bytes;
ASSERT(__sheap + {HEAP_MIN_BYTES} <= _stack_limit, \"no room in RAM for stack and heap\");
{sections}"
    );
    write("memory.x", text.as_bytes());
    println!("cargo:rustc-link-search={}", out().display());
}

/// Writes the compressed dictionary and the constants that go with it, for `include!` and `include_bytes!`.
pub fn write_dictionary(facts: &BoardFacts) {
    let json = drydock_firmware::dictionary(facts).to_json();
    write("dictionary.z", &miniz_oxide::deflate::compress_to_vec_zlib(json.as_bytes(), 10));
    let constants = format!("pub const CLOCK_FREQ_HZ: u32 = {};\n", facts.clock_freq_hz);
    write("facts.rs", constants.as_bytes());
}

fn out() -> PathBuf {
    env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for a build script").into()
}

fn write(name: &str, bytes: &[u8]) {
    let path = out().join(name);
    fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
