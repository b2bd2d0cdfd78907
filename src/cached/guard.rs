//! The guard that a read of a [`Cached`](crate::Cached) gives.

use super::node::Node;
use crate::clock::Clock;
use crate::dogpile::Status;
use crate::generation::Generation;
use crate::outcome::Outcome;
use crate::sync::Arc;
use crate::sync::cell::{Loaded, loaded};
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

/// A value that was read from a [`Cached`](crate::Cached). Derefs to the value.
///
/// The guard keeps the value that was read, even when another value has taken its place. A guard may be held for any
/// time, and may be sent to another thread. Where many guards are held at once, and in collections, prefer
/// [`into_arc`](CachedGuard::into_arc).
///
/// # Examples
///
/// ```
/// use dogpile::{Cached, CachedGuard, Outcome};
///
/// let cached = Cached::never_expires();
/// let guard = cached.get_or_create(|| String::from("one"));
/// cached.set(String::from("two"));
/// assert_eq!(*guard, "one");
/// assert_eq!(CachedGuard::outcome(&guard), Outcome::Created);
/// assert!(CachedGuard::generation(&guard) < cached.generation());
/// ```
pub struct CachedGuard<T> {
    node: Loaded<Node<T>>,
    outcome: Outcome,
}

impl<T> CachedGuard<T> {
    /// Makes a guard of the loaded node, or returns `None` if there is no value in it.
    #[inline]
    pub(super) fn of(node: Loaded<Node<T>>, outcome: Outcome) -> Option<Self> {
        if node.is_some() { Some(Self { node, outcome }) } else { None }
    }

    pub(super) fn owning(node: Arc<Node<T>>, outcome: Outcome) -> Self {
        Self { node: loaded(node), outcome }
    }

    #[inline]
    fn node(&self) -> &Node<T> {
        self.node.as_deref().expect("a guard is made of a value")
    }

    /// Returns what the read met: a fresh value, a stale one, a value that the read created, or a value that it waited
    /// for. Never blocks.
    ///
    /// The guard may hold a value that took the place of the fresh or stale one in just that moment. Such a value is at
    /// least as new.
    #[inline]
    #[must_use]
    pub fn outcome(this: &Self) -> Outcome {
        this.outcome
    }

    /// Returns the latest generation in which this value is known to be the current one. Never blocks.
    ///
    /// [`invalidate_if`](crate::Cached::invalidate_if) asks for this generation. The generation moves when the value is
    /// found unchanged. A value that was superseded before it was finished has a generation older than the current one.
    #[must_use]
    pub fn generation(this: &Self) -> Generation {
        this.node().generation()
    }

    /// Returns how long ago this value was made, set or found unchanged. Never blocks.
    ///
    /// The time is told on the clock of the lock `of`, since a guard has no clock. `of` is the lock that the value was
    /// read from: a `Cached` or a `CachedFn`, also one that is held in a [`Registry`](crate::Registry). The age is that
    /// of the value that was read. [`Status::age`](crate::Status::age) tells the age of the value that is the current
    /// one when it is called.
    ///
    /// The age begins anew when the value is found unchanged. If a value was superseded and serves its own caller
    /// alone, its age may be counted from the beginning of its creation.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Cached, CachedGuard, ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let clock = Arc::new(ManualClock::new());
    /// let rate = Cached::with_clock(Duration::from_secs(600), Arc::clone(&clock));
    /// let guard = rate.get_or_create(|| 1.09);
    /// clock.advance(Duration::from_secs(5));
    /// rate.set(1.08);
    /// assert_eq!(CachedGuard::age(&guard, &rate), Duration::from_secs(5));
    /// assert_eq!(rate.age(), Some(Duration::ZERO));
    /// ```
    #[must_use]
    pub fn age(this: &Self, of: &Status<impl Clock>) -> Duration {
        of.since(this.node().made())
    }

    pub(super) fn into_node(self) -> Arc<Node<T>> {
        self.node.as_ref().map(Arc::clone).expect("a guard is made of a value")
    }

    /// Turns the guard into a share of the value. Never blocks, and copies nothing.
    #[must_use]
    pub fn into_arc(this: Self) -> Arc<T> {
        let value = Self::to_arc(&this);
        drop(this);
        value
    }

    /// As [`into_arc`](Self::into_arc), and the guard stays.
    #[must_use]
    pub fn to_arc(this: &Self) -> Arc<T> {
        Arc::clone(&this.node().value)
    }
}

// As for an `Arc<T>`.
impl<T: RefUnwindSafe> UnwindSafe for CachedGuard<T> {}
impl<T: RefUnwindSafe> RefUnwindSafe for CachedGuard<T> {}

impl<T> Deref for CachedGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.node().value
    }
}

impl<T> AsRef<T> for CachedGuard<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T> From<CachedGuard<T>> for Arc<T> {
    fn from(guard: CachedGuard<T>) -> Self {
        CachedGuard::into_arc(guard)
    }
}

/// Tells the outcome and the generation, and not the value: that may be a secret.
impl<T> fmt::Debug for CachedGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedGuard")
            .field("outcome", &self.outcome)
            .field("generation", &Self::generation(self))
            .finish_non_exhaustive()
    }
}

impl<T: fmt::Display> fmt::Display for CachedGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
