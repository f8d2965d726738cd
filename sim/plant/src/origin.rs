//! Where the numbers of a machine file come from.
//!
//! A machine file may say of each field, or of a whole group of fields, where it was taken from. What no entry covers is
//! assumed: so a file claims nothing that it does not name.

use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Where a number comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Origin {
    /// A maker's data, a publication, somebody's measurement: which.
    Datasheet(String),
    /// Read off a printer.cfg.
    Config(String),
    /// Fitted to a recording.
    Fitted {
        /// The recording.
        from: String,
        /// Lower and upper end of the 95 % interval, in the field's unit.
        interval: (f64, f64),
    },
    /// Nobody measured it: why this value.
    Assumed(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Datasheet(what) => write!(f, "from {what}"),
            Origin::Config(file) => write!(f, "from {file}"),
            Origin::Fitted { from, interval: (low, high) } => write!(f, "fitted to {from}, {low:.4} to {high:.4}"),
            Origin::Assumed(why) if why.is_empty() => f.write_str("assumed"),
            Origin::Assumed(why) => write!(f, "assumed: {why}"),
        }
    }
}
