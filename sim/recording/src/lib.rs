//! The file a run leaves.
//!
//! A recording is one file: a header that says how to make the run again, blocks of rows, the end, an index.
//! [`Writer`] takes rows one by one in bounded memory; [`Reader`] gives them back by stream and time, also from a
//! file that is cut off or still being written. `docs/recording.md` describes the bytes.
//!
//! - what is recorded: [`rows`]; the list of streams: [`streams`]
//! - the format, from the outside in: [`writer`], [`reader`], `block`, `codec`, [`column`]
//! - what is done with it: [`diff`], [`export`]
//!
//! Beside recordings, a run that passes leaves a line in the [`ledger`]: which firmware passed what.

mod block;
mod codec;
pub mod column;
pub mod diff;
mod error;
pub mod export;
mod header;
mod index;
pub mod ledger;
pub mod reader;
pub mod rows;
pub mod streams;
pub mod writer;

pub use block::MAX_PAYLOAD;
pub use codec::{Table, Value};
pub use diff::{Diff, diff};
pub use error::Error;
pub use header::{Chip, End, Figure, Header, Stepper};
pub use reader::{Cursor, Reader, Recovery};
pub use rows::*;
pub use streams::{ColumnInfo, StreamInfo};
pub use writer::{Options, Writer};
