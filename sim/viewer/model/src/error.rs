//! What can go wrong with a document: always with the name of the file.

use std::fmt;

/// A recording could not be opened or read on.
#[derive(Debug)]
pub struct Error {
    /// The file, or what the page that opened it called it.
    pub name: String,
    pub cause: Cause,
}

#[derive(Debug)]
pub enum Cause {
    Recording(drydock_recording::Error),
    /// A file that was being followed is another one now.
    Replaced,
}

impl Error {
    pub(crate) fn of(name: &str) -> impl FnOnce(drydock_recording::Error) -> Error {
        move |cause| Error { name: name.to_owned(), cause: Cause::Recording(cause) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Recording(cause) => write!(f, "{}: {cause}", self.name),
            Cause::Replaced => write!(f, "{}: another run has taken the file's place; open it again", self.name),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Recording(cause) => Some(cause),
            Cause::Replaced => None,
        }
    }
}
