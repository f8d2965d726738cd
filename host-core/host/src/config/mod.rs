//! printer.cfg in Klipper's dialect: reading, typed access, and what was never asked for.
//!
//! # Important terms
//! - *section*: `[name]` and the options under it; a name that comes twice is one section, and the later value of an
//!   option wins, wherever it stands.
//! - *option*: `name: value`; names are lower-cased, values may go on over indented lines.
//! - *place*: file, line and columns of a value. Every value keeps its place, so every error can show it.
//! - *SAVE_CONFIG block*: the `#*#` lines at the end of the main file, written by the host, read after everything else.
//!
//! Klipper treats each option and section that no module reads as an error; so does [`Config::unused`], which is why
//! reading an option goes through [`Section`]'s accessors: they note what was asked for.

mod access;
mod error;
mod known;
pub mod lint;
mod parse;
mod pin;
mod save;
mod section;
mod source;
mod suggest;

pub use access::{ChoiceOption, FloatListOption, FloatRowsOption, ListOption, Number, NumberOption, TextOption};
pub use access::{GcodeText, SettingValue};
pub use error::{ConfigError, Place, Problem};
pub use known::{known_section, unknown_section};
pub use parse::{RawOption, RawSection, SourceText};
pub use pin::{PinDesc, PinOption};
pub use save::SaveConfig;
pub use section::{Config, Section};
pub use source::{FileSource, MapSource, glob_match};
pub use suggest::{edit_distance, nearest};
