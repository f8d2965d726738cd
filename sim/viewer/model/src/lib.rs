//! What the viewer shows, without a window: a recording as machine, part, playhead, colours and curves.
//!
//! - [`Document`]: an open recording, also one that is still being written
//! - [`Playhead`]: where in it the viewer is
//! - [`Machine`], [`Part`], [`mesh`], [`Timeline`], [`Pose`]: what is to be drawn
//! - [`ColourBy`], [`Legend`], [`Map`]: how the part is coloured
//! - [`Shake`], [`Compare`]: what swings, and what differs between two runs
//! - [`Channel`], [`vibration`]: the plots
//! - [`settings`]: what the sliders change
//!
//! Times are simulated nanoseconds (`_ns`) or seconds (`_s`), lengths millimetres. Nothing here has threads, a clock or a
//! window, so that it runs in a browser as it does elsewhere.

mod channel;
mod colour;
mod compare;
mod curve;
mod deviation;
mod document;
mod error;
mod legend;
mod machine;
pub mod mesh;
mod part;
mod playhead;
mod pose;
pub mod settings;
mod shake;
mod stream;
mod timeline;
pub mod vibration;

pub use channel::Channel;
pub use colour::ColourBy;
pub use compare::Compare;
pub use document::Document;
pub use error::{Cause, Error};
pub use legend::{Legend, Map, Tick};
pub use machine::{Delta, Kind, Machine, Mode};
pub use mesh::{Detail, Mesh};
pub use part::{BeadRecord, CHUNK, Chunk, Part, Run};
pub use playhead::{FASTEST, Playhead, SLOWEST};
pub use pose::{HeaterPose, Pose, Trail};
pub use settings::{Change, HeaterGains, Settings, Shaper};
pub use shake::{ModeShake, RingDown, Shake};
pub use stream::Source;
pub use timeline::{Feature, Layer, Line, Timeline};
