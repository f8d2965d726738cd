//! Makes the hash of what the firmware is made of: every source file of the protocol and of this crate, sorted by path.
//!
//! It tells one build from another, not friend from foe: FNV-1a, 64 bits folded to the 48 that twelve digits hold.
#![allow(clippy::disallowed_methods, reason = "this runs on the builder's machine, not inside the boundary")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for folder in ["../protocol/src", "src"] {
        println!("cargo:rerun-if-changed={folder}");
        collect(Path::new(folder), &mut files)?;
    }
    // By the path in the repository, whatever the order in which a file system lists them.
    let mut named: Vec<(String, PathBuf)> = files.into_iter().map(|path| (name(&path), path)).collect();
    named.sort();

    let mut hash = Fnv::default();
    for (name, path) in named {
        let text: Vec<u8> = fs::read(path)?.into_iter().filter(|byte| *byte != b'\r').collect();
        hash.write(name.as_bytes());
        hash.write(&(text.len() as u64).to_le_bytes());
        hash.write(&text);
    }
    println!("cargo:rustc-env=DRYDOCK_SOURCE_HASH={:012x}", (hash.0 >> 48 ^ hash.0) & 0xffff_ffff_ffff);
    Ok(())
}

/// `protocol/src/crc.rs` for `../protocol/src/crc.rs`, `core/src/lib.rs` for `src/lib.rs`.
fn name(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    match parts.first().map(AsRef::as_ref) {
        Some("..") => parts[1..].join("/"),
        _ => format!("core/{}", parts.join("/")),
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
