//! What is wrong with a file: place, cause and mend in one sentence.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::accel::unpack::unpack;

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
    let bytes = unpack(bytes).map_err(|why| Refusal::file(path, why))?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::file(path, "is empty"));
    }
    if bytes.contains(&0) {
        return Err(Refusal::file(path, "is not a text file"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
