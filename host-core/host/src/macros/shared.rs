//! State that a template's objects change behind a shared reference.
#![allow(clippy::disallowed_types, reason = "minijinja's objects must be Sync; there is one thread and no contention")]

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A `RefCell` that is `Sync`.
#[derive(Debug, Default)]
pub struct Shared<T>(Mutex<T>);

impl<T> Shared<T> {
    pub fn new(value: T) -> Self {
        Shared(Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
