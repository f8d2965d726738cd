//! A host in a session of its own, without a micro-controller: what its commands do, and what it tells of itself.

mod extruders;
mod printer;
mod status;
