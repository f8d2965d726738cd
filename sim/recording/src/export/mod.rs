//! Recordings in forms that other programs read. Every time is simulated time.

pub mod csv;
