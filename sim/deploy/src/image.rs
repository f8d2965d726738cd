//! The firmware file: where its bytes go, and what firmware it is.
//!
//! What it is, is read from the bytes that will run: the data dictionary that the chip will show to its host is in them,
//! compressed. A file name or a JSON beside it can be wrong; this cannot.

use std::ops::Range;
use std::path::{Path, PathBuf};

use drydock_protocol::dictionary::{Constant, Dictionary};
use object::elf::PT_LOAD;
use object::read::elf::{ElfFile32, ProgramHeader};
use serde::Deserialize;

use crate::stop::{Stop, io};
use crate::uf2;

/// A dictionary is some 12 kB; this is room for one with many more pins.
const DICTIONARY_MAX: usize = 1 << 18;
/// Gaps between the parts of an image are filled up to this; more than a chip's flash is no image.
const FLAT_MAX: u64 = 16 << 20;

/// What `drydock firmware build` says of what it has built.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Built {
    #[serde(default)]
    pub chip: String,
    /// Where the image begins: behind the bootloader, where it leaves room for one.
    pub flash_base: Option<u64>,
    /// The emulator that it was built for: no chip runs it then.
    pub emulator: Option<String>,
    #[serde(default)]
    pub files: BuiltFiles,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub struct BuiltFiles {
    pub elf: Option<String>,
    pub bin: Option<String>,
    pub uf2: Option<String>,
}

/// The name of [`Built`] in the folder of a build.
pub const BUILT: &str = "firmware.json";

#[derive(Debug, Clone)]
pub struct Image {
    pub path: PathBuf,
    /// Address of the first byte.
    pub address: u64,
    pub bytes: Vec<u8>,
    pub identity: Identity,
    /// What the build said, where it left a firmware.json.
    pub built: Option<Built>,
}

/// What the image says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Identity {
    /// The dictionary's version, as the host will be told it.
    pub version: Option<String>,
    /// Hash of the firmware's sources, where it is Drydock's.
    pub hash: Option<String>,
    /// The dictionary's `MCU`: the chip it was built for.
    pub mcu: Option<String>,
}

impl Image {
    pub fn range(&self) -> Range<u64> {
        self.address..self.address + self.bytes.len() as u64
    }

    /// Reads an .elf, .uf2 or .bin, or the folder or firmware.json of a build. `at` is where a .bin goes that no
    /// firmware.json speaks of.
    pub fn load(path: &Path, at: Option<u64>) -> Result<Image, Stop> {
        let (path, built) = find(path)?;
        let file = std::fs::read(&path).map_err(|e| Stop::usage(io(&path, &e), "give the firmware with --firmware"))?;
        let known = built.as_ref().and_then(|b| b.flash_base);
        let (address, bytes) = match extension(&path).as_str() {
            "uf2" => uf2::read(&file).and_then(flatten),
            "bin" => at.or(known).map(|address| (address, file)).ok_or_else(|| {
                format!("a .bin does not say where it goes; give --at ADDRESS, or the .elf, or keep {BUILT} beside it")
            }),
            _ => elf(&file).and_then(flatten),
        }
        .map_err(|why| Stop::usage(format!("{}: {why}", path.display()), "build it with `drydock firmware build`"))?;
        let identity = Identity::of(&bytes);
        Ok(Image { path, address, bytes, identity, built })
    }
}

impl Identity {
    /// Finds the dictionary in the image: the one zlib stream that opens as a dictionary.
    pub fn of(bytes: &[u8]) -> Identity {
        let starts = bytes.windows(2).enumerate().filter(|(_, w)| zlib_header(w[0], w[1])).map(|(at, _)| at);
        for at in starts {
            let stream = &bytes[at..bytes.len().min(at + DICTIONARY_MAX)];
            let Ok(json) = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(stream, DICTIONARY_MAX) else {
                continue;
            };
            if let Ok(dictionary) = Dictionary::parse(&json) {
                return Identity::from(&dictionary);
            }
        }
        Identity::default()
    }

    fn from(dictionary: &Dictionary) -> Identity {
        let mcu = match dictionary.constants.get("MCU") {
            Some(Constant::Text(mcu)) => Some(mcu.clone()),
            _ => None,
        };
        Identity { hash: source_hash(&dictionary.version), version: Some(dictionary.version.clone()), mcu }
    }
}

/// The last part of `drydock-0.1.0-0123456789ab`.
pub fn source_hash(version: &str) -> Option<String> {
    let (_, hash) = version.strip_prefix("drydock-")?.rsplit_once('-')?;
    (hash.len() == 12 && hash.bytes().all(|b| b.is_ascii_hexdigit())).then(|| hash.to_string())
}

/// Deflate with a window of up to 32 KiB, no preset dictionary, and the two bytes' check sum (RFC 1950, section 2.2).
fn zlib_header(cmf: u8, flg: u8) -> bool {
    cmf & 0x0f == 8 && cmf >> 4 <= 7 && flg & 0x20 == 0 && (u16::from(cmf) << 8 | u16::from(flg)).is_multiple_of(31)
}

fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// The file with the bytes, and the firmware.json beside it where that speaks of it.
fn find(path: &Path) -> Result<(PathBuf, Option<Built>), Stop> {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    let json = if extension(path) == "json" { path.to_path_buf() } else { folder.join(BUILT) };
    let asked_for_build = path.is_dir() || extension(path) == "json";
    let built = match std::fs::read(&json) {
        Ok(text) => serde_json::from_slice::<Built>(&text)
            .map(Some)
            .map_err(|e| Stop::usage(format!("{}: {e}", json.display()), "build the firmware again"))?,
        Err(error) if asked_for_build => {
            return Err(Stop::usage(io(&json, &error), "`drydock firmware build` leaves one beside the image"));
        }
        Err(_) => None,
    };
    if !asked_for_build {
        let names = built.as_ref().map(|b| [&b.files.elf, &b.files.bin, &b.files.uf2]).unwrap_or([&None; 3]);
        let named = names.into_iter().flatten().any(|name| Path::new(name).file_name() == path.file_name());
        return Ok((path.to_path_buf(), built.filter(|_| named)));
    }
    let file = built.as_ref().and_then(|b| [&b.files.elf, &b.files.bin, &b.files.uf2].into_iter().flatten().next());
    match file {
        Some(file) => Ok((json.parent().unwrap_or(Path::new("")).join(file), built.clone())),
        None => Err(Stop::usage(format!("{} names no file", json.display()), "build the firmware again")),
    }
}

/// What an ELF loads, by physical address: that is where a flash programmer puts it.
fn elf(file: &[u8]) -> Result<Vec<(u64, Vec<u8>)>, String> {
    let elf: ElfFile32 = ElfFile32::parse(file).map_err(|e| format!("no 32-bit ELF ({e})"))?;
    let endian = elf.endian();
    let mut parts = Vec::new();
    for segment in elf.elf_program_headers() {
        let data = segment.data(endian, file).map_err(|()| "an ELF that is cut off".to_string())?;
        if segment.p_type(endian) == PT_LOAD && !data.is_empty() {
            parts.push((u64::from(segment.p_paddr(endian)), data.to_vec()));
        }
    }
    Ok(parts)
}

/// One run of bytes; what lies between the parts is as erased.
fn flatten(mut parts: Vec<(u64, Vec<u8>)>) -> Result<(u64, Vec<u8>), String> {
    parts.sort_by_key(|part| part.0);
    let Some(address) = parts.first().map(|part| part.0) else { return Err("nothing in it is to be loaded".into()) };
    let mut bytes = Vec::new();
    for (at, part) in parts {
        let offset = at - address;
        if offset < bytes.len() as u64 {
            return Err(format!("two parts of it lie on {at:#010x}"));
        }
        if offset + part.len() as u64 > FLAT_MAX {
            return Err(format!("its parts are {} KiB apart; one of them is not in flash", offset >> 10));
        }
        bytes.resize(offset as usize, 0xff);
        bytes.extend_from_slice(&part);
    }
    Ok((address, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_last_part_of_our_own_versions_only() {
        assert_eq!(source_hash("drydock-0.1.0-0123456789ab").as_deref(), Some("0123456789ab"));
        for other in ["drydock-0.1.0", "v0.12.0-318-g4f2f7b3e", "drydock-0.1.0-0123456789ag", "klipper-0-0123456789ab"]
        {
            assert_eq!(source_hash(other), None, "{other}");
        }
    }

    #[test]
    fn parts_are_laid_out_as_in_flash() {
        let flat = flatten(vec![(0x108, vec![3]), (0x100, vec![1, 2])]).unwrap();
        assert_eq!(flat, (0x100, vec![1, 2, 255, 255, 255, 255, 255, 255, 3]));
        assert!(flatten(vec![(0x100, vec![1, 2]), (0x101, vec![3])]).is_err());
        assert!(flatten(vec![(0x0800_0000, vec![1]), (0x2000_0000, vec![3])]).is_err());
    }

    #[test]
    fn no_file_makes_it_panic() {
        for length in 0..200_usize {
            let noise: Vec<u8> = (0..length).map(|i| (i * i * 31 + length) as u8).collect();
            let _ = (elf(&noise), uf2::read(&noise), Identity::of(&noise));
            let _ = elf(&[b"\x7fELF\x01\x01\x01", &noise[..]].concat());
        }
    }
}
