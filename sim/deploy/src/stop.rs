//! Why a deployment ended before its end: what is wrong, what mends it, and in what state the board is.

use std::fmt;

/// What kind of end it was; its number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The board was being written, or may have been.
    Failed = 1,
    /// The command or one of its files is wrong.
    Usage = 2,
    /// Nothing to flash with: no probe, no drive.
    NoDevice = 3,
    /// Refused before anything was touched.
    Refused = 4,
}

/// What is in the board's flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoardState {
    Untouched,
    ErasedInPart,
    ProgrammedInPart,
    NotVerified,
    Differs,
    VerifiedNotRunning,
    Running,
}

impl fmt::Display for BoardState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untouched => "nothing was written, it holds what it held",
            Self::ErasedInPart => "flash erased in part, not programmed: the board has no firmware; run again",
            Self::ProgrammedInPart => {
                "flash erased, programmed in part: the board has no firmware that runs; run again"
            }
            Self::NotVerified => "flash programmed, not read back: it may or may not hold the image; run again",
            Self::Differs => "flash programmed, but it does not hold the image: do not use the board; run again",
            Self::VerifiedNotRunning => "flash holds the image, the chip was not reset: press reset or cycle the power",
            Self::Running => "flash holds the image, byte for byte, and the chip was reset",
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    pub kind: Kind,
    pub what: String,
    pub mend: String,
    pub board: Option<BoardState>,
}

impl Stop {
    pub fn new(kind: Kind, what: impl Into<String>, mend: impl Into<String>) -> Stop {
        Stop { kind, what: what.into(), mend: mend.into(), board: None }
    }

    pub fn usage(what: impl Into<String>, mend: impl Into<String>) -> Stop {
        Stop::new(Kind::Usage, what, mend)
    }

    pub fn refused(what: impl Into<String>, mend: impl Into<String>) -> Stop {
        Stop::new(Kind::Refused, what, mend)
    }

    pub fn on_board(mut self, state: BoardState) -> Stop {
        self.board = Some(state);
        self
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.mend)?;
        match self.board {
            Some(state) => write!(f, "\n  board: {state}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Stop {}

/// An error of the file system, for who reads it: `path: permission denied`.
pub fn io(path: &std::path::Path, error: &std::io::Error) -> String {
    let text = error.to_string();
    format!("{}: {}", path.display(), text.split(" (os error").next().unwrap_or_default().to_lowercase())
}
