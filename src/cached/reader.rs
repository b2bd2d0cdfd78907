//! A reader's handle: what one thread keeps of a [`Cached`] between its reads.
//!
//! # What a hit is
//!
//! A hit of the `Cached` itself marks its value as being read, and takes the mark away with the guard: most of what it
//! costs. A [`Reader`] holds a share of the value in place of that, and so has only to find out whether this is still
//! the one to give. A hit loads two words and writes none that another thread sees:
//!
//! 1. the deadline, acquired, and beside it the clock: is the value fresh?
//! 2. how often the cell has changed, relaxed: has it since the reader took its share?
//!
//! # States
//!
//! | a reader | holds | the next access, if the value is fresh |
//! |---|---|---|
//! | new, or released | nothing | takes a share of what is in the cell |
//! | holds what is in the cell | one value, and as of which change it was there | is a hit |
//! | holds what is not there (any more, or ever) | one value | takes a share of what is in the cell, and lets go of its own |
//!
//! A value that is held and not in the cell has been replaced or invalidated since, or was superseded before it was
//! finished, and is its caller's alone. A value that is not fresh is not looked at here: the reader makes the access of
//! the `Cached`, and holds what that gives.
//!
//! # Why it holds
//!
//! - *A hit gives what this thread was told of, or newer (L4).* The cell is filled, then the change is counted, and then
//!   the deadline is stored, which is released ([`cached`](super)); the hit acquires the deadline first and reads the count
//!   second. So whoever reads a newer deadline finds that count, or a newer one, and takes a share anew. That the count
//!   is read relaxed does not matter: what the value's creator wrote was acquired when the share was taken, and what
//!   came before the deadline is acquired with it.
//! - *The share is of that change, or of a later one.* Who takes it acquires the count first and loads the cell second.
//!   If the cell changes in between, the share is newer than the count says, and is taken once more by the next access.
//! - *It compares the changes of the cell, not the generation.* A publish stores the cell, then the deadline, then the
//!   generation. With the generation in place of the count, a hit between the last two would find the new deadline and
//!   the old generation, and give the old value for a fresh one, though another thread may have told this one of the
//!   new value.
//! - *What is invalidated is not given (L6).* An access that begins after an invalidation has returned finds the
//!   deadline missing, or a newer one, and then by the order above what was put into the cell after that.
//! - *No user code in between.* What a reader lets go of, it drops on its own thread, under no mutex, and once it
//!   holds the next value.

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

/// Reads a [`Cached`] again and again, for one thread or task: [`Cached::reader`] makes it.
///
/// For a thread that asks all the time. A hit costs little more than the look whether the value is fresh, and yields a
/// plain reference. In all else the reader does as the `Cached`: its accesses create, wait and carry on with the old
/// value in the same way, and threads with and without a reader may use the same `Cached` at once.
///
/// # What it holds on to
///
/// The reader holds the value that it gave last, from one access to the next. That value stays in memory until this
/// reader gives a newer one, be it replaced or invalidated meanwhile, and is dropped on the reader's thread then. So a
/// thread that has no more use of the value for long lets go of it by [`release`](Self::release), or drops the reader.
/// While an access of the reader creates or waits, the reader still holds the value before. [`held`](Self::held) tells
/// what is held, and [`generation`](Self::generation) of when it is.
///
/// # Cost
///
/// A hit loads the deadline, reads the clock, and loads a count: some 1.25 times what an expiring value costs at the
/// least, where a hit of the `Cached` takes some 2.5 times that (`benches/reader_hit.rs`). It takes no lock, writes no
/// shared memory, and allocates nothing. The first read of each new value counts it as shared once more, in memory that
/// all readers of that value write.
///
/// # Memory ordering
///
/// As for [`Cached`].
///
/// # Examples
///
/// ```
/// use dogpile::{AcquireError, Cached, Outcome};
/// use std::time::Duration;
///
/// static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600));
///
/// let mut rates = RATES.reader(); // one for each thread
/// for _ in 0..1000 {
///     let rates: &Vec<f64> = rates.get_or_create(|| vec![1.0, 1.09] /* slow */);
///     assert_eq!(rates[1], 1.09);
/// }
/// assert_eq!(rates.outcome(), Some(Outcome::Fresh), "of the last one");
///
/// // With any step of an access:
/// let in_time = rates.by(|rates| rates.access().timeout(Duration::from_secs(1)).or_create(|| vec![1.0, 1.1]))?;
/// assert_eq!(in_time[1], 1.09);
///
/// rates.release(); // no more use of it for now
/// assert_eq!(rates.held(), None);
/// # Ok::<(), AcquireError>(())
/// ```
#[must_use = "it reads nothing until it is asked"]
pub struct Reader<'a, T, C: Clock = MonotonicClock> {
    cached: &'a Cached<T, C>,
    holds: Option<Holds<T>>,
}

/// What a reader holds.
struct Holds<T> {
    /// What it gave last.
    node: Arc<Node<T>>,
    outcome: Outcome,
    /// As of which change of the cell that was there; or [`NOT_THERE`].
    change: u64,
}

/// Of a value that was not in the cell when it was given.
const NOT_THERE: u64 = u64::MAX;

// As for a reference to the `Cached` and an `Arc<T>`: a panic of a creator, or in the drop of an old value, leaves the
// reader with the one value or the other.
impl<T: RefUnwindSafe, C: Clock + RefUnwindSafe> UnwindSafe for Reader<'_, T, C> {}
impl<T: RefUnwindSafe, C: Clock + RefUnwindSafe> RefUnwindSafe for Reader<'_, T, C> {}

/// What an access of a [`Cached`] gives, as [`Reader::by`] takes it: a guard, a guard or nothing (`Option`), a guard or
/// an error (`Result`). It cannot be implemented elsewhere.
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

    /// What there is in place of a guard.
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

    /// Gives the value, which `creator` makes if that is due and this access is elected. As
    /// [`Cached::get_or_create`].
    ///
    /// Blocks as long as its own creator runs, or while there is no value and another thread creates it.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that the access would wait for. A panic of `creator` goes on to the
    /// caller; the reader then holds what it held before.
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

    /// As [`get_or_create`](Self::get_or_create), by a creator that can fail. As [`Cached::get_or_try_create`].
    ///
    /// Blocks as `get_or_create` does.
    ///
    /// # Errors
    ///
    /// As [`Cached::get_or_try_create`]; the reader then holds what it held before.
    ///
    /// # Panics
    ///
    /// If `creator` does.
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

    /// Gives the value, fresh or stale; `None` if it is missing. Never blocks, never creates. As [`Cached::peek`].
    ///
    /// A reader that finds the value missing holds on to what it held: see [`held`](Self::held).
    pub fn peek(&mut self) -> Option<&T> {
        let outcome = self.cached.peeked()?;
        if self.has(outcome) { Some(self.given()) } else { None }
    }

    /// Gives the value by an access of any kind, which is made unless the value is fresh.
    ///
    /// The `access` is handed the [`Cached`], and returns what its last call gives: a guard, or an `Option` or a
    /// `Result` of one. The reader gives the same with a reference in place of the guard. So every step of an
    /// access that a fresh value will do for is one of the reader, too: a time-out, a creator that is handed its
    /// [`Renewal`](crate::Renewal), a creation in the background. One that wants the value
    /// [anew](crate::Access::anew), or [newer](crate::Access::renew_if), is made of the `Cached` itself; the reader's
    /// next hit gives what comes of it. (Of a [`CachedFn`](crate::CachedFn) the closure calls the function.)
    ///
    /// Blocks as that access does, and never if the value is fresh.
    ///
    /// # Panics
    ///
    /// If `access` does; the reader then holds what it held before.
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
    /// let mut rates = RATES.reader();
    /// let rate = rates.by(|rates| rates.access().timeout(Duration::from_secs(1)).or_try_create(fetch))?[1];
    /// RATES.mark_stale();
    /// let old: &Vec<f64> = rates.by(|rates| rates.access().in_background(&POOL).or_create(|| vec![1.0, 1.1]));
    /// assert_eq!((rate, old[1]), (1.09, 1.09));
    /// # Ok::<(), CreateError<io::Error>>(())
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

    /// As [`by`](Self::by), for a task. Does not block.
    ///
    /// # Cancel safety
    ///
    /// As that of the access: the future may be dropped at any time. The reader then holds what it held before.
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
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let mut rates = RATES.reader(); // one for each task
    /// assert_eq!(rates.by_async(|rates| rates.get_or_create_async(fetch)).await[1], 1.09);
    /// # });
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

    /// Lets go of the value, which is dropped here unless somebody else reads it. Never blocks.
    ///
    /// The next access takes hold of the value anew.
    pub fn release(&mut self) {
        self.holds = None;
    }

    /// What the reader holds on to: the value that it gave last, whatever has become of that since. `None` before its
    /// first access, and once it was [released](Self::release). Never blocks, and does not look at the lock.
    #[must_use]
    pub fn held(&self) -> Option<&T> {
        self.holds.as_ref().map(|holds| &*holds.node.value)
    }

    /// What the access met that gave the value which is held: as [`CachedGuard::outcome`]. Never blocks.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.holds.as_ref().map(|holds| holds.outcome)
    }

    /// The latest generation in which the value that is held is known to be the current one: as
    /// [`CachedGuard::generation`], for [`Cached::invalidate_if`]. Never blocks.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.holds.as_ref().map(|holds| holds.node.generation())
    }

    /// As [`Cached::at_once`]: a fresh value, or an old one that needs no more than loads. Whether it is held now.
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

    /// Whether the value is fresh, and held now.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    fn is_fresh(&mut self) -> bool {
        let cached = self.cached;
        // In this order: the deadline first, the cell second.
        cached.dogpile.expiry().unless_fresh(cached.dogpile.clock()).is_none() && self.has(Outcome::Fresh)
    }

    /// Takes hold of what is in the cell, unless it is held already: then that is all that a hit does. To be called
    /// when the deadline has been acquired. False if there is nothing: an invalidation has overtaken this access.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    fn has(&mut self, outcome: Outcome) -> bool {
        if let Some(holds) = &mut self.holds {
            // Relaxed: see the module docs.
            if holds.change == self.cached.changes.load(Ordering::Relaxed) {
                // A store that the next hit would wait for is saved: nearly always it is the same.
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

    /// What an access of the `Cached` has given.
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
