//! G-code templates: Klipper's Jinja2 on minijinja, close enough that published macros run.
//!
//! # Important terms
//! - *template*: the text of a `gcode:` option, with `{% statements %}` and `{expressions}`.
//! - *context*: what a template sees: `printer`, `params`, `rawparams`, its own variables, the `action_` functions.
//! - *action*: what a template asks for while it renders (a message, an error, a stop); in Klipper these happen
//!   before the rendered text runs, so [`Rendered`] hands them over in order, apart from the text.
//!
//! What Jinja2 on Python does otherwise than minijinja is mended in three places: [`rewrite`] (operators that minijinja
//! does not let one overload), [`values`] (lists and dictionaries that change in place), and [`builtins`] (filters and
//! methods). Rendering is pure: status is fetched before it, actions are carried out after it.

mod builtins;
mod compare;
mod printer;
mod python;
mod rewrite;
mod shared;
mod template;
mod values;

pub use printer::{StatusMap, StatusSource};
pub use python::{float_repr, parse_literal, repr, text};
pub use template::{Action, Context, Rendered, Template};
pub use values::{Dict, List, coord, coord4};
