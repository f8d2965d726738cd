//! Recordings in forms that other programs read. Every time is simulated time.

pub mod accel_csv;
pub mod csv;
pub mod perfetto;
pub mod ply;
pub mod vcd;
