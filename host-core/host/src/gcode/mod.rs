//! G-code: one line to one [`Command`], and the errors that commands give.
//!
//! # Important terms
//! - *traditional*: a letter and a number, then letters with values: `G1 X10 Y2.5`.
//! - *extended*: a name, then `KEY=value`: `SET_PIN PIN=fan VALUE=0.5`; values may be quoted.
//! - *raw parameters*: the text behind the name, for commands such as M117 and for macros.

mod error;
mod line;
mod params;

pub use error::CommandError;
pub use line::{Command, OwnedCommand};
pub use params::{ParamNumber, ParamText};
