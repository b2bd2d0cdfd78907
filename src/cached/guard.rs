//! What a read yields.

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

/// A value that was read from a [`Cached`](crate::Cached). Derefs to it.
///
/// It keeps the value that was read, also when another has taken its place. It may be held for as long as one likes,
/// and be sent to another thread; for many that are held at once, and for collections of them, prefer
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
    /// `None` if there is nothing in it.
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

    /// What the read met: a fresh value, a stale one, one that it created or one that it waited for.
    ///
    /// A value that took the place of the one which was found fresh or stale, in just that moment, may be what the
    /// guard has: it is at least as new.
    #[inline]
    #[must_use]
    pub fn outcome(this: &Self) -> Outcome {
        this.outcome
    }

    /// The latest generation in which this value is known to be the current one: what
    /// [`invalidate_if`](crate::Cached::invalidate_if) asks for. Never blocks.
    ///
    /// It moves when the value is found unchanged. That of a value which was superseded before it was finished is older
    /// than the current one.
    #[must_use]
    pub fn generation(this: &Self) -> Generation {
        this.node().generation()
    }

    /// How long ago this value was made, set or found unchanged, on the clock of the lock that it was read from. Never
    /// blocks.
    ///
    /// A guard has no clock: it is told by which lock to go, a `Cached` or a `CachedFn` (also one that is held in a
    /// [`Registry`](crate::Registry)). [`Status::age`](crate::Status::age) tells of the value that is the current one
    /// then, this of the value that was read. It begins anew when the value is found unchanged. That of a value which
    /// serves nobody but its own caller, since it was superseded, may be counted from when its creation began.
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

    /// The value, shared: no copy of it is made.
    #[must_use]
    pub fn into_arc(this: Self) -> Arc<T> {
        let value = Self::to_arc(&this);
        drop(this);
        value
    }

    /// As [`into_arc`](Self::into_arc), beside the guard.
    #[must_use]
    pub fn to_arc(this: &Self) -> Arc<T> {
        Arc::clone(&this.node().value)
    }
}

// As an `Arc<T>`.
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

/// The outcome and the generation, not the value: that may be a secret.
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
