//! State that the main loop and one interrupt share.
#![allow(unsafe_code, reason = "what keeps the two apart is a bit in the interrupt controller, which no type shows")]

use core::cell::UnsafeCell;

/// A place for a value that is there from the first [`Shared::put`] on.
pub struct Shared<T>(UnsafeCell<Option<T>>);

// SAFETY: there is one core, and both ways in are unsafe: their callers keep any two of them apart in time.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub const fn empty() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// Puts the value in its place.
    ///
    /// # Safety
    /// Nobody else may use this place for the time of the call: the interrupt is masked.
    pub unsafe fn put(&self, value: T) {
        // SAFETY: the caller promises that this is the only reference.
        unsafe { *self.0.get() = Some(value) };
    }

    /// The value, if it is there.
    ///
    /// # Safety
    /// The caller is the interrupt, or has it masked for as long as it keeps the reference, and keeps one at a time.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "the promise above takes the place of the borrow checker's")]
    pub unsafe fn get(&self) -> Option<&mut T> {
        // SAFETY: the caller promises that this is the only reference.
        unsafe { (*self.0.get()).as_mut() }
    }
}
