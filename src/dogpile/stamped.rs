//! A value that brings its own time.

use crate::clock::nanoseconds;
use std::time::{Duration, SystemTime};

/// A value, and when it was created by the wall clock of the machine that created it.
///
/// [Stamped getter mode](crate::Dogpile::fetch_stamped) uses such values. A `Stamped` is plain data of the user's. Its
/// `Debug` shows the value, as that of an `Option` does; the `Debug` of a lock or of a guard shows no value. The type
/// of a secret needs a `Debug` that hides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamped<T> {
    /// The value.
    pub value: T,
    /// When its creator returned.
    pub created: SystemTime,
}

impl<T> Stamped<T> {
    /// Makes a stamped value from the value and the time of its creation, in nanoseconds since 1970-01-01 00:00 UTC. In
    /// this form a program stores a stamp.
    #[must_use]
    pub fn from_unix_nanos(value: T, nanoseconds: u64) -> Self {
        Self { value, created: SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds) }
    }

    /// Returns when the value was created, in nanoseconds since 1970-01-01 00:00 UTC; 0 if it was created before that,
    /// `u64::MAX` if it was created after the year 2554.
    #[must_use]
    pub fn unix_nanos(&self) -> u64 {
        self.created.duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanoseconds)
    }
}
