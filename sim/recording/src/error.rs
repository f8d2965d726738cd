//! What can go wrong with a recording, said so that it can be mended: where, what, what to do.

use std::fmt;
use std::io;

#[derive(Debug)]
pub enum Error {
    /// The operating system refused.
    Io { doing: &'static str, source: io::Error },
    /// The file does not begin like a recording.
    NotARecording { found: Vec<u8> },
    /// The file is of a format that this program does not know.
    Version { found: u32, known: u32 },
    /// The file ends before its header does, so nothing in it can be read.
    NoHeader { len: u64 },
    /// Bytes that are not what they were.
    Corrupt { offset: u64, what: String },
    /// The file has no stream of that name or number.
    NoStream { wanted: String, has: Vec<String> },
    /// Something in a row or in the header cannot be kept.
    TooLarge { what: &'static str, len: usize, limit: usize },
}

impl Error {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { doing, source }
    }

    pub(crate) fn corrupt(offset: u64, what: impl Into<String>) -> Error {
        Error::Corrupt { offset, what: what.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { doing, source } => write!(f, "{doing} the recording: {source}"),
            Error::NotARecording { found } => {
                write!(f, "byte 0: this is not a Drydock recording")?;
                if found.starts_with(b"PK") || found.starts_with(&[0x1f, 0x8b]) {
                    return write!(f, " but a compressed archive; unpack it first");
                }
                write!(f, " (it begins with \"{}\"); recordings are written by `drydock run`", found.escape_ascii())
            }
            Error::Version { found, known } => write!(
                f,
                "byte 8: the recording is of format {found} and this program reads format {known}; \
                 read it with the program that wrote it, or run the scenario again"
            ),
            Error::NoHeader { len } => write!(
                f,
                "byte {len}: the recording ends inside its header, so nothing in it can be read; run the scenario again"
            ),
            Error::Corrupt { offset, what } => write!(
                f,
                "byte {offset}: the recording is damaged: {what}; copy it again from where it came, or run the scenario again"
            ),
            Error::NoStream { wanted, has } => {
                write!(f, "the recording has no stream \"{wanted}\"; it has: {}", has.join(", "))
            }
            Error::TooLarge { what, len, limit } => {
                write!(f, "{what} of {len} bytes cannot be recorded; the limit is {limit} bytes")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
