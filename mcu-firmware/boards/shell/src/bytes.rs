//! A queue of bytes between one that puts in and one that takes out, each of which may be an interrupt.

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering::*};

/// Holds `N - 1` bytes; `N` is a power of two.
pub struct ByteQueue<const N: usize> {
    bytes: [AtomicU8; N],
    /// Where the next byte goes; only who puts in writes it.
    head: AtomicUsize,
    /// Where the next byte comes from; only who takes out writes it.
    tail: AtomicUsize,
}

impl<const N: usize> ByteQueue<N> {
    pub const fn new() -> Self {
        const { assert!(N.is_power_of_two()) };
        Self { bytes: [const { AtomicU8::new(0) }; N], head: AtomicUsize::new(0), tail: AtomicUsize::new(0) }
    }

    /// Bytes that can be put in.
    pub fn room(&self) -> usize {
        (self.tail.load(Acquire).wrapping_sub(self.head.load(Relaxed)).wrapping_sub(1)) % N
    }

    /// Puts in all of `bytes`, or none of them where they do not fit, and says which.
    pub fn push(&self, bytes: &[u8]) -> bool {
        if bytes.len() > self.room() {
            return false;
        }
        let mut head = self.head.load(Relaxed);
        for byte in bytes {
            self.bytes[head % N].store(*byte, Relaxed);
            head = (head + 1) % N;
        }
        self.head.store(head, Release);
        true
    }

    /// Takes out as many bytes as there are and `buffer` holds; how many.
    pub fn pop(&self, buffer: &mut [u8]) -> usize {
        let (head, mut tail) = (self.head.load(Acquire), self.tail.load(Relaxed));
        let mut count = 0;
        for byte in buffer {
            if tail == head {
                break;
            }
            *byte = self.bytes[tail % N].load(Relaxed);
            tail = (tail + 1) % N;
            count += 1;
        }
        self.tail.store(tail, Release);
        count
    }

    pub fn is_empty(&self) -> bool {
        self.head.load(Acquire) == self.tail.load(Relaxed)
    }
}

impl<const N: usize> Default for ByteQueue<N> {
    fn default() -> Self {
        Self::new()
    }
}
