//! A handle of a [`Cached`]: what one thread keeps between its accesses.
//!
//! # What a hit is
//!
//! A hit of the `Cached` itself marks its value as being read, and takes the mark away when the guard is dropped. This
//! is most of what the hit costs. A [`Reader`] holds a share of the value instead. So its hit only has to find out
//! whether this is still the value to give. A hit loads two words, and writes no word that another thread sees:
//!
//! 1. The hit acquires the deadline, and reads the clock beside it: is the value fresh?
//! 2. The hit reads how often the cell has changed, relaxed: has the cell changed since the handle took its share?
//!
//! # States
//!
//! | the handle | holds | the next access, if the value is fresh |
//! |---|---|---|
//! | is new, or was released | nothing | takes a share of the value in the cell |
//! | holds the value that is in the cell | that value, and the number of the change as of which the value was there | is a hit |
//! | holds a value that is not in the cell, any more or ever | that value | takes a share of the value in the cell, and lets go of its own |
//!
//! A value that the handle holds and that is not in the cell has been replaced or invalidated since, or was superseded
//! before it was finished and is its caller's alone. A value that is not fresh is not judged here. For such a value the
//! handle makes the access of the `Cached`, and holds the value that this access gives.
//!
//! # Why it holds
//!
//! - *A hit gives the value that its thread was told of, or a newer one (L4).* A publish fills the cell, then counts
//!   the change, and then stores the deadline, with release ([`cached`](super)). The hit acquires the deadline first,
//!   and reads the count second. So a hit that reads a newer deadline finds that count, or a newer one, and takes a new
//!   share. The count may be read relaxed: the writes of the value's creator were acquired when the share was taken,
//!   and the writes from before the deadline are acquired with the deadline.
//! - *The share is of the change that the handle notes, or of a later one.* The handle acquires the count first, and
//!   loads the cell second. If the cell changes in between, the share is newer than the count says, and the next access
//!   takes a share once more.
//! - *The handle compares the changes of the cell, and not the generation.* A publish stores the cell, then the
//!   deadline, then the generation. If a hit compared the generation, and came between the last two stores, it would
//!   find the new deadline and the old generation. The hit would give the old value for a fresh one, though another
//!   thread may have told this thread of the new value.
//! - *An invalidated value is not given (L6).* An access that begins after an invalidation has returned finds the
//!   deadline missing, or finds a newer deadline. With a newer deadline, the order above leads the access to what was
//!   put into the cell after the invalidation.
//! - *No user code runs in between.* The handle drops a value that it lets go of on its own thread, under no mutex, and
//!   once it holds the next value.

use super::Cached;
use super::guard::CachedGuard;
use super::node::Node;
use crate::clock::{Clock, MonotonicClock};
use crate::error::CreateError;
use crate::generation::Generation;
use crate::outcome::Outcome;
use crate::sync::{Arc, Mutant, Ordering, mutant};
use std::convert::Infallible;
use std::fmt::{self, Display};
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Reads a [`Cached`] again and again, for one thread or task. [`Cached::reader`] makes a `Reader`.
///
/// A `Reader` is for a thread that reads all the time. Its hit costs little more than the look whether the value is
/// fresh, and gives a plain reference. In all else a `Reader` does as the `Cached` does: its accesses create, wait and
/// carry on with the old value in the same way. Threads with and without a `Reader` may use the same `Cached` at once.
///
/// # The value that it holds
///
/// A `Reader` holds the value that it gave last, from one access to the next. Even if that value is replaced or
/// invalidated meanwhile, it stays in memory until the `Reader` gives a newer value. Then the old value is dropped on
/// the thread of the `Reader`. So a thread that will not need the value for long lets go of it by
/// [`release`](Self::release), or drops the `Reader`. While an access creates or waits, the `Reader` still holds the
/// previous value. [`held`](Self::held) returns the value that is held, and [`generation`](Self::generation) its
/// generation.
///
/// # Cost
///
/// A hit loads the deadline, reads the clock, and loads a count. This costs some 1.25 times the least that a read of an
/// expiring value can cost. A hit of the `Cached` costs some 2.5 times this least (`benches/reader_hit.rs`). A hit
/// takes no lock, writes no shared memory, and allocates nothing (L12). The first read of each new value counts one
/// more share of it, in memory that all `Reader`s of that value write.
///
/// # Memory ordering
///
/// As for [`Cached`](Cached#memory-ordering).
///
/// # Examples
///
/// ```
/// use dogpile::{AcquireError, Cached, Outcome};
/// use std::time::Duration;
///
/// static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600));
///
/// fn main() -> Result<(), AcquireError> {
///     let mut reader = RATES.reader(); // one for each thread
///     for _ in 0..1000 {
///         let rates: &Vec<f64> = reader.get_or_create(|| vec![1.0, 1.09] /* slow */);
///         assert_eq!(rates[1], 1.09);
///     }
///     assert_eq!(reader.outcome(), Some(Outcome::Fresh), "the outcome of the last access");
///
///     // An access with any steps:
///     let soon = Duration::from_secs(1);
///     let rates = reader.by(|cached| cached.access().timeout(soon).or_create(|| vec![1.0, 1.1]))?;
///     assert_eq!(rates[1], 1.09);
///
///     reader.release(); // this thread does not need the value for now
///     assert_eq!(reader.held(), None);
///     Ok(())
/// }
/// ```
#[must_use = "it reads nothing until it is asked"]
pub struct Reader<'a, T, C: Clock = MonotonicClock> {
    cached: &'a Cached<T, C>,
    holds: Option<Holds<T>>,
}

/// The value that a `Reader` holds, and what is known of it.
struct Holds<T> {
    /// The value that the `Reader` gave last.
    node: Arc<Node<T>>,
    outcome: Outcome,
    /// The change of the cell as of which the value was there, or [`NOT_THERE`].
    change: u64,
}

/// For a value that was not in the cell when it was given.
const NOT_THERE: u64 = u64::MAX;

// As for a reference to the `Cached` and an `Arc<T>`: a panic of a creator, or in the drop of an old value, leaves the
// `Reader` with the one value or the other.
impl<T: RefUnwindSafe, C: Clock + RefUnwindSafe> UnwindSafe for Reader<'_, T, C> {}
impl<T: RefUnwindSafe, C: Clock + RefUnwindSafe> RefUnwindSafe for Reader<'_, T, C> {}

/// What an access of a [`Cached`] gives, as [`Reader::by`] takes it: a guard, an `Option` of a guard, or a `Result` of
/// one. The trait cannot be implemented elsewhere.
#[diagnostic::on_unimplemented(
    message = "a reader keeps what an access of its `Cached` gives, and `{Self}` is not that",
    label = "this access gives no `CachedGuard`",
    note = "end the closure with the access itself: a `CachedGuard`, an `Option` or a `Result` of one"
)]
pub trait Guarded<T>: Sized {
    /// The same, with a reference in place of the guard.
    type Kept<'r>
    where
        T: 'r;

    /// What an access gives if it has no guard.
    #[doc(hidden)]
    type Instead;

    #[doc(hidden)]
    fn guard(self) -> Result<CachedGuard<T>, Self::Instead>;

    #[doc(hidden)]
    fn kept(value: Result<&T, Self::Instead>) -> Self::Kept<'_>;
}

impl<T> Guarded<T> for CachedGuard<T> {
    type Kept<'r>
        = &'r T
    where
        T: 'r;
    type Instead = Infallible;

    fn guard(self) -> Result<Self, Infallible> {
        Ok(self)
    }

    #[inline]
    fn kept(value: Result<&T, Infallible>) -> &T {
        value.unwrap_or_else(|never| match never {})
    }
}

impl<T> Guarded<T> for Option<CachedGuard<T>> {
    type Kept<'r>
        = Option<&'r T>
    where
        T: 'r;
    type Instead = ();

    fn guard(self) -> Result<CachedGuard<T>, ()> {
        self.ok_or(())
    }

    #[inline]
    fn kept(value: Result<&T, ()>) -> Option<&T> {
        value.ok()
    }
}

impl<T, E> Guarded<T> for Result<CachedGuard<T>, E> {
    type Kept<'r>
        = Result<&'r T, E>
    where
        T: 'r;
    type Instead = E;

    fn guard(self) -> Self {
        self
    }

    #[inline]
    fn kept(value: Result<&T, E>) -> Result<&T, E> {
        value
    }
}

impl<'a, T, C: Clock> Reader<'a, T, C> {
    pub(super) fn new(cached: &'a Cached<T, C>) -> Self {
        Self { cached, holds: None }
    }

    /// Returns the value, which `creator` makes if the value is due and this access is elected. As
    /// [`Cached::get_or_create`].
    ///
    /// Blocks as long as its own creator runs, or while there is no value and another thread creates it.
    ///
    /// # Panics
    ///
    /// As [`Cached::get_or_create`]. The `Reader` then holds the value that it held before.
    #[inline]
    #[track_caller]
    pub fn get_or_create(&mut self, creator: impl FnOnce() -> T) -> &T {
        if !self.at_once() {
            self.create(creator);
        }
        self.given()
    }

    #[cold]
    #[track_caller]
    fn create(&mut self, creator: impl FnOnce() -> T) {
        let guard = self.cached.get_or_create(creator);
        self.hold(guard);
    }

    /// As [`get_or_create`](Self::get_or_create), with a creator that can fail. As [`Cached::get_or_try_create`].
    ///
    /// Blocks as `get_or_create` does.
    ///
    /// # Errors
    ///
    /// As [`Cached::get_or_try_create`]. The `Reader` then holds the value that it held before.
    ///
    /// # Panics
    ///
    /// If `creator` panics.
    #[inline]
    pub fn get_or_try_create<E: Display>(
        &mut self,
        creator: impl FnOnce() -> Result<T, E>,
    ) -> Result<&T, CreateError<E>> {
        if !self.at_once() {
            self.try_create(creator)?;
        }
        Ok(self.given())
    }

    #[cold]
    fn try_create<E: Display>(&mut self, creator: impl FnOnce() -> Result<T, E>) -> Result<(), CreateError<E>> {
        let guard = self.cached.get_or_try_create(creator)?;
        self.hold(guard);
        Ok(())
    }

    /// Returns the value, fresh or stale, or `None` if the value is missing. Never blocks, never creates. As
    /// [`Cached::peek`].
    ///
    /// A `Reader` that finds the value missing still holds the value that it held: see [`held`](Self::held).
    pub fn peek(&mut self) -> Option<&T> {
        let outcome = self.cached.peeked()?;
        if self.has(outcome) { Some(self.given()) } else { None }
    }

    /// Returns the value, by an access of any kind. The access is made unless the value is fresh.
    ///
    /// Blocks as that access does, and never if the value is fresh.
    ///
    /// The closure `access` is given the [`Cached`], and returns what the terminal gives: a guard, or an `Option` or a
    /// `Result` of one. The `Reader` gives the same, with a reference in place of the guard. So a `Reader` has all
    /// steps of an access that may be given a fresh value: a time-out, a creator that is given its
    /// [`Renewal`](crate::Renewal), a creation in the background. An access that wants the value
    /// [anew](crate::Access::anew) or [newer](crate::Access::renew_if) is made of the `Cached` itself, and the next hit
    /// of the `Reader` gives its value. For the `Reader` of a [`CachedFn`](crate::CachedFn), the closure calls the
    /// function.
    ///
    /// # Panics
    ///
    /// If `access` panics. The `Reader` then holds the value that it held before.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Cached, CreateError, Pool};
    /// use std::{io, time::Duration};
    ///
    /// static POOL: Pool = Pool::new(1, 100);
    /// static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600));
    ///
    /// fn fetch() -> io::Result<Vec<f64>> {
    ///     Ok(vec![1.0, 1.09]) // slow
    /// }
    ///
    /// fn main() -> Result<(), CreateError<io::Error>> {
    ///     let mut reader = RATES.reader();
    ///     let soon = Duration::from_secs(1);
    ///     let rate = reader.by(|cached| cached.access().timeout(soon).or_try_create(fetch))?[1];
    ///     RATES.mark_stale();
    ///     let old: &Vec<f64> = reader.by(|cached| cached.access().in_background(&POOL).or_create(|| vec![1.0, 1.1]));
    ///     assert_eq!((rate, old[1]), (1.09, 1.09));
    ///     Ok(())
    /// }
    /// ```
    #[inline]
    pub fn by<R: Guarded<T>>(&mut self, access: impl FnOnce(&'a Cached<T, C>) -> R) -> R::Kept<'_> {
        let held = if self.is_fresh() { Ok(()) } else { self.make(access) };
        R::kept(held.map(|()| self.given()))
    }

    #[cold]
    fn make<R: Guarded<T>>(&mut self, access: impl FnOnce(&'a Cached<T, C>) -> R) -> Result<(), R::Instead> {
        let guard = access(self.cached).guard()?;
        self.hold(guard);
        Ok(())
    }

    /// As [`by`](Self::by), for a task. Never blocks.
    ///
    /// # Cancel safety
    ///
    /// As for the access: the future may be dropped at any time. The `Reader` then holds the value that it held before.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::Cached;
    /// use std::time::Duration;
    ///
    /// static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600));
    ///
    /// async fn fetch() -> Vec<f64> {
    ///     vec![1.0, 1.09] // slow
    /// }
    ///
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() {
    ///     let mut reader = RATES.reader(); // one for each task
    ///     assert_eq!(reader.by_async(|cached| cached.get_or_create_async(fetch)).await[1], 1.09);
    /// }
    /// ```
    pub fn by_async<R: Guarded<T>, F: Future<Output = R>>(
        &mut self,
        access: impl FnOnce(&'a Cached<T, C>) -> F,
    ) -> impl Future<Output = R::Kept<'_>> {
        async move {
            let held = if self.is_fresh() {
                Ok(())
            } else {
                let running = access(self.cached);
                running.await.guard().map(|guard| self.hold(guard))
            };
            R::kept(held.map(|()| self.given()))
        }
    }

    /// Lets go of the value, which is dropped in this call unless another owner still holds it. Never blocks.
    ///
    /// The next access takes hold of the value anew.
    pub fn release(&mut self) {
        self.holds = None;
    }

    /// Returns the value that the `Reader` holds: the value that it gave last, even if that was replaced or invalidated
    /// since. Returns `None` before the first access, and once the value was [released](Self::release). Never blocks,
    /// and does not look at the lock.
    #[must_use]
    pub fn held(&self) -> Option<&T> {
        self.holds.as_ref().map(|holds| &*holds.node.value)
    }

    /// Returns the outcome of the access that gave the value which is held, as [`CachedGuard::outcome`]. Never blocks.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.holds.as_ref().map(|holds| holds.outcome)
    }

    /// Returns the latest generation in which the value that is held is known to be the current one, as
    /// [`CachedGuard::generation`], for [`Cached::invalidate_if`]. Never blocks.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.holds.as_ref().map(|holds| holds.node.generation())
    }

    /// As [`Cached::at_once`]: a fresh value, or an old value that takes no more than loads. Returns whether the value
    /// is held now.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    fn at_once(&mut self) -> bool {
        let early = mutant(Mutant::CellBeforeDeadline) && self.has(Outcome::Fresh);
        let cached = self.cached;
        let outcome = match cached.dogpile.expiry().unless_fresh(cached.dogpile.clock()) {
            None => Outcome::Fresh,
            Some(now) => match cached.usable(now) {
                Some(outcome) => outcome,
                None => return false,
            },
        };
        // In this order: the deadline first, the cell second.
        early || self.has(outcome)
    }

    /// Returns whether the value is fresh, and held now.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    fn is_fresh(&mut self) -> bool {
        let cached = self.cached;
        // In this order: the deadline first, the cell second.
        cached.dogpile.expiry().unless_fresh(cached.dogpile.clock()).is_none() && self.has(Outcome::Fresh)
    }

    /// Takes hold of the value in the cell, unless the value is held already; then this is all that a hit does. To be
    /// called after the deadline was acquired. Returns false if the cell is empty: an invalidation has overtaken this
    /// access.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    fn has(&mut self, outcome: Outcome) -> bool {
        if let Some(holds) = &mut self.holds {
            // Relaxed: see the module docs.
            if holds.change == self.cached.changes.load(Ordering::Relaxed) {
                // Nearly always the outcome is the same. Then this saves a store that the next hit would wait for.
                if holds.outcome != outcome {
                    holds.outcome = outcome;
                }
                return true;
            }
        }
        self.take_hold(outcome)
    }

    #[cold]
    fn take_hold(&mut self, outcome: Outcome) -> bool {
        // Acquire: pairs with the release in `Cached::swap`. In this order: the count first, the cell second.
        let change = self.cached.changes.load(Ordering::Acquire);
        let Some(node) = self.cached.cell.load().as_ref().map(Arc::clone) else { return false };
        self.holds = Some(Holds { node, outcome, change });
        true
    }

    /// Holds the value that an access of the `Cached` has given.
    fn hold(&mut self, guard: CachedGuard<T>) {
        let (outcome, node) = (CachedGuard::outcome(&guard), guard.into_node());
        // Acquire: as in `take_hold`.
        let change = self.cached.changes.load(Ordering::Acquire);
        let is_there = self.cached.cell.load().as_ref().is_some_and(|there| Arc::ptr_eq(there, &node));
        self.holds = Some(Holds { node, outcome, change: if is_there { change } else { NOT_THERE } });
    }

    #[inline]
    fn given(&self) -> &T {
        self.held().expect("the value was taken hold of just now")
    }
}

impl<T, C: Clock> fmt::Debug for Reader<'_, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("outcome", &self.outcome())
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
