//! Counters that a fleet shares: rate limits, quotas.

#[cfg(feature = "postgres")]
mod within;

use crate::backend::{Backend, BackendError, Count, Counted};
use crate::codec::{Format, Shape};
use crate::key::{Key, KeyLimit, Namespace, StoredKey};
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// Counters of one name, one for each key.
///
/// A counter is a whole number of 0 to [`LARGEST`](Counters::LARGEST), and 0 while it is missing (G12). The first
/// increment creates the counter, and its lifetime begins with that: neither a later increment nor a decrement moves
/// it. A counter that has expired is missing, and counts from 0 again. So a window of a rate limit begins with the
/// first request, and has a fixed length.
///
/// Each call is one operation of the backend, atomic from the first increment on: the increments of any number of tasks
/// and processes add up exactly. Counters and the entries of a region never meet, even under one name.
///
/// # Cancel safety
///
/// A call that is dropped may have counted, or may count later. A call whose future was never polled does nothing.
///
/// # Examples
///
/// At most 100 requests a minute of each user:
///
/// ```
/// use dogpile::ManualClock;
/// use dogpile_cache::backend::Memory;
/// use dogpile_cache::counter::{Counters, IncrementError};
/// use dogpile_cache::key::Namespace;
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let clock = Arc::new(ManualClock::new());
/// let memory = Memory::with_clock(Arc::clone(&clock)); // in a fleet, a server
/// let minute = Duration::from_secs(60);
/// let requests = Counters::<str, _>::new(Namespace::new("requests")?, memory, minute)?.ceiling(100);
///
/// for number in 1..=100 {
///     assert_eq!(requests.increment("anna", 1).await?, number);
/// }
/// let refused = requests.increment("anna", 1).await;
/// assert!(matches!(refused, Err(IncrementError::TooLarge { value: 100, ceiling: 100 })));
/// assert_eq!(requests.increment("ben", 1).await?, 1);
///
/// clock.advance(minute);
/// assert_eq!(requests.increment("anna", 1).await?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Counters<K: ?Sized, B = Arc<dyn Backend>> {
    namespace: Namespace,
    backend: B,
    limit: KeyLimit,
    ceiling: u64,
    lifetime: Duration,
    /// Keys are read, not kept.
    key: PhantomData<fn(&K)>,
}

/// Counters have no shape: the place alone says which counter it is.
const NO_SHAPE: Shape = Shape { schema: 0, format: Format::RAW };

impl<K: ?Sized, B: Backend> Counters<K, B> {
    /// The largest value of a counter: 2^63 - 1.
    pub const LARGEST: u64 = i64::MAX.unsigned_abs();

    /// Makes counters on a backend. Never blocks, and asks the backend for nothing but its limits.
    ///
    /// `expires_after` is the lifetime of a counter from its first increment on. The backend rounds the lifetime up to
    /// a multiple of its [grain](crate::backend::Limits::grain). `Duration::MAX` is for ever: such a counter stays
    /// until it is [reset](Counters::reset).
    ///
    /// # Errors
    ///
    /// A lifetime below two grains of the backend is refused, as most of it would be rounding. So is zero.
    ///
    /// # Panics
    ///
    /// Panics if the backend takes no keys of [`KeyLimit::SMALLEST`] bytes.
    pub fn new(namespace: Namespace, backend: B, expires_after: Duration) -> Result<Counters<K, B>, TooShort> {
        let limits = backend.limits();
        // At least more than nothing.
        let least = limits.grain.max(Duration::from_nanos(1)).saturating_mul(2);
        if expires_after < least {
            return Err(TooShort { lifetime: expires_after, least });
        }
        let limit = match limits.longest_key {
            usize::MAX => KeyLimit::NONE,
            bytes => KeyLimit::bytes(bytes),
        };
        Ok(Counters { namespace, backend, limit, ceiling: Self::LARGEST, lifetime: expires_after, key: PhantomData })
    }

    /// Sets the largest value that an increment may reach: [`LARGEST`](Counters::LARGEST) by default, and at most.
    ///
    /// A counter that other code has brought above this ceiling stays there, and can be decremented.
    #[must_use]
    pub fn ceiling(mut self, ceiling: u64) -> Counters<K, B> {
        self.ceiling = ceiling.min(Self::LARGEST);
        self
    }

    /// Returns the backend. Never blocks.
    #[must_use]
    pub fn backend(&self) -> &B {
        &self.backend
    }
}

impl<K: Key + ?Sized, B: Backend> Counters<K, B> {
    /// Adds `by` to the counter of a key, and returns its new value. One round trip.
    ///
    /// An increment by 0 returns the value, and creates nothing.
    ///
    /// # Errors
    ///
    /// An increment that would bring the counter above the ceiling changes nothing:
    /// [`IncrementError::TooLarge`]. An increment that the backend has not confirmed is
    /// [`IncrementError::Backend`]; if that error [is in doubt](BackendError::is_in_doubt), the increment may have
    /// counted, and a second try may count twice.
    ///
    /// # Cancel safety
    ///
    /// An increment that is dropped may have counted, or may count later.
    pub fn increment(
        &self,
        key: &K,
        by: u64,
    ) -> impl Future<Output = Result<u64, IncrementError>> + Send + use<'_, K, B> {
        let (key, (delta, ceiling)) = (self.key(key), self.bounds(by));
        async move {
            let count = Count::Add { delta, ceiling, lifetime: Some(self.lifetime) };
            match self.backend.count(&key, count).await? {
                Counted::Now(value) => Ok(value),
                Counted::TooLarge(value) => Err(IncrementError::TooLarge { value, ceiling: self.ceiling }),
            }
        }
    }

    /// Subtracts `by` from the counter of a key, and returns its new value, which is never below 0. One round trip.
    ///
    /// A counter that is missing stays missing.
    ///
    /// # Errors
    ///
    /// An error says that the backend has not confirmed the decrement. If the error
    /// [is in doubt](BackendError::is_in_doubt), the decrement may have counted.
    ///
    /// # Cancel safety
    ///
    /// A decrement that is dropped may have counted, or may count later.
    pub fn decrement(
        &self,
        key: &K,
        by: u64,
    ) -> impl Future<Output = Result<u64, BackendError>> + Send + use<'_, K, B> {
        // No counter holds more than that.
        let delta = -i64::try_from(by).unwrap_or(i64::MAX);
        self.count(key, Count::Add { delta, ceiling: Self::LARGEST, lifetime: Some(self.lifetime) })
    }

    /// Returns the value of the counter of a key; 0 if it is missing. One round trip.
    ///
    /// # Errors
    ///
    /// An error says that the backend has not answered.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped has no effect.
    pub fn get(&self, key: &K) -> impl Future<Output = Result<u64, BackendError>> + Send + use<'_, K, B> {
        self.count(key, Count::Get)
    }

    /// Deletes the counter of a key. One round trip.
    ///
    /// The next increment counts from 0, and begins a lifetime.
    ///
    /// # Errors
    ///
    /// An error says that the backend has not confirmed the deletion. If the error [is in
    /// doubt](BackendError::is_in_doubt), the counter may be deleted. A reset can be tried again, at the price of the
    /// increments in between.
    ///
    /// # Cancel safety
    ///
    /// A reset that is dropped may have taken effect, or may take effect later.
    pub fn reset(&self, key: &K) -> impl Future<Output = Result<(), BackendError>> + Send + use<'_, K, B> {
        let counted = self.count(key, Count::Reset);
        async move { counted.await.map(|_| ()) }
    }

    /// What an increment adds, and its ceiling.
    fn bounds(&self, by: u64) -> (i64, u64) {
        // The backend refuses a sum that no counter can hold, too, since it knows the value.
        i64::try_from(by).map_or((i64::MAX, 0), |delta| (delta, self.ceiling))
    }

    fn key(&self, key: &K) -> StoredKey {
        StoredKey::new(&self.namespace, key, NO_SHAPE, self.limit)
    }

    fn count(&self, key: &K, count: Count) -> impl Future<Output = Result<u64, BackendError>> + Send + use<'_, K, B> {
        let key = self.key(key);
        async move {
            let (Counted::Now(value) | Counted::TooLarge(value)) = self.backend.count(&key, count).await?;
            Ok(value)
        }
    }
}

impl<K: ?Sized, B: Clone> Clone for Counters<K, B> {
    fn clone(&self) -> Counters<K, B> {
        let Counters { limit, ceiling, lifetime, key, .. } = *self;
        let (namespace, backend) = (self.namespace.clone(), self.backend.clone());
        Counters { namespace, backend, limit, ceiling, lifetime, key }
    }
}

impl<K: ?Sized, B> fmt::Debug for Counters<K, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters")
            .field("namespace", &self.namespace)
            .field("ceiling", &self.ceiling)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// Why an increment has no new value.
#[derive(Debug)]
#[non_exhaustive]
pub enum IncrementError {
    /// The sum would be larger than the ceiling. The counter is as it was.
    TooLarge {
        /// The value of the counter.
        value: u64,
        /// The ceiling.
        ceiling: u64,
    },
    /// The backend has not confirmed the increment.
    Backend(BackendError),
}

impl From<BackendError> for IncrementError {
    fn from(error: BackendError) -> IncrementError {
        IncrementError::Backend(error)
    }
}

impl fmt::Display for IncrementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IncrementError::TooLarge { value, ceiling } => {
                write!(f, "the counter stays at {value}: the sum would be larger than {ceiling}")
            }
            IncrementError::Backend(_) => f.write_str("the increment was not confirmed"),
        }
    }
}

impl Error for IncrementError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            IncrementError::TooLarge { .. } => None,
            IncrementError::Backend(error) => Some(error),
        }
    }
}

/// The lifetime of counters is too short for their backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooShort {
    /// The lifetime that was asked for.
    pub lifetime: Duration,
    /// The shortest lifetime on that backend: two grains.
    pub least: Duration,
}

impl fmt::Display for TooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooShort { lifetime, least } = self;
        write!(f, "a lifetime of {lifetime:?} is below {least:?}, the shortest on this backend")
    }
}

impl Error for TooShort {}
