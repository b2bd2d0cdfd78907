//! A value that brings its own time.

use crate::clock::nanoseconds;
use std::time::{Duration, SystemTime};

/// A value and when it was created, by the wall clock of the machine that created it.
///
/// It is plain data, and its caller's: its `Debug` shows the value, as that of an `Option` does, where that of a lock
/// or of a guard does not. Have the `Debug` of a secret hide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamped<T> {
    /// The value.
    pub value: T,
    /// When its creator returned.
    pub created: SystemTime,
}

impl<T> Stamped<T> {
    /// A value and when it was created, in nanoseconds since 1970-01-01 00:00 UTC: the form in which a stamp is stored.
    #[must_use]
    pub fn from_unix_nanos(value: T, nanoseconds: u64) -> Self {
        Self { value, created: SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds) }
    }

    /// When it was created, in nanoseconds since 1970-01-01 00:00 UTC; 0 if before, `u64::MAX` if after the year 2554.
    #[must_use]
    pub fn unix_nanos(&self) -> u64 {
        self.created.duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanoseconds)
    }
}
