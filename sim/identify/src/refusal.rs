//! What is wrong with a file: place, cause and mend in one sentence.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a file is not used.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub path: PathBuf,
    /// Line, counted from 1.
    pub line: Option<usize>,
    pub why: String,
}

impl Refusal {
    pub fn file(path: &Path, why: impl Into<String>) -> Refusal {
        Refusal { path: path.to_path_buf(), line: None, why: why.into() }
    }

    pub fn line(path: &Path, line: usize, why: impl Into<String>) -> Refusal {
        Refusal { path: path.to_path_buf(), line: Some(line), why: why.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path.display(), self.why),
            None => write!(f, "{}: {}", self.path.display(), self.why),
        }
    }
}

impl std::error::Error for Refusal {}

/// The text of a file, unpacked where it is a gzip file.
pub fn text(path: &Path) -> Result<String, Refusal> {
    let bytes = std::fs::read(path).map_err(|e| Refusal::file(path, format!("cannot be read: {e}")))?;
    let bytes = match bytes.as_slice() {
        [0x1f, 0x8b, ..] => unpack(&bytes).ok_or_else(|| Refusal::file(path, "is a broken gzip file; copy it again"))?,
        _ => bytes,
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::file(path, "is empty"));
    }
    if bytes.contains(&0) {
        return Err(Refusal::file(path, "is not a text file"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The one member of a gzip file (RFC 1952).
fn unpack(bytes: &[u8]) -> Option<Vec<u8>> {
    const EXTRA: u8 = 4;
    const HEADER_CRC: u8 = 2;
    let flags = *bytes.get(3)?;
    let mut at = 10;
    if flags & EXTRA != 0 {
        at += 2 + usize::from(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    }
    for text in [8, 16] {
        if flags & text != 0 {
            at += bytes.get(at..)?.iter().position(|b| *b == 0)? + 1;
        }
    }
    if flags & HEADER_CRC != 0 {
        at += 2;
    }
    // A log of a year has some 100 MB; more is a bomb.
    miniz_oxide::inflate::decompress_to_vec_with_limit(bytes.get(at..)?, 1 << 30).ok()
}
