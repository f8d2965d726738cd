//! What every chip's program has around the firmware and its board: the state that the main loop shares with the step
//! interrupt, the bytes to and from the host, the heap, and the guard below the stack.
#![no_std]

pub mod bytes;
pub mod memory;
pub mod shared;

pub use bytes::ByteQueue;
pub use shared::Shared;
