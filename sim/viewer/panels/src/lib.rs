//! The viewer's panels.
