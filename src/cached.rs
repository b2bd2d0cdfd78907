//! The lock that owns its value: a [`Dogpile`], and a place for the value.
//!
//! This file has the type, and the calls that change the value from outside. The other files:
//!
//! | file | what is in it |
//! |---|---|
//! | [`new`] | how the lock is made, and given its policy |
//! | [`lock`] | what a `Cached` says of itself as a lock: what its accesses give, and what its creations note |
//! | [`node`] | a value as it lies in the cell |
//! | [`guard`] | the guard that an access gives |
//! | [`accesses`] | how an access is opened, and the short accesses |
//! | [`hit`] | the part of an access that only loads |
//! | [`settle`] | how an access that is no hit comes to its guard |
//! | [`serve`], [`tasks`], [`spawned`] | how an access is made: by a thread, by a task, and with its creation spawned |
//! | [`renewal`] | what a creator is given, and how the value that it made is published |
//! | [`made`] | what a creator returns |
//! | [`tray`] | how waiters get the value that they were served with |
//! | [`reader`] | a handle that keeps the value between the accesses of one thread |
//!
//! The steps and the terminals of an access are in [`crate::access`], and the questions that a lock answers in its
//! [`Status`].
//!
//! # The value and its deadline
//!
//! The value lies in a cell, which is read without waiting. The cell is changed only within the transitions of
//! [`election`](crate::election), under their mutex. So value, deadline and generation move together. Each change of
//! the cell is also counted, right after it; the handles of [`reader`] compare this count.
//!
//! | transition | first | then | the generation | the tray |
//! |---|---|---|---|---|
//! | finish, set | the new value goes into the cell | the new deadline is released | + 1 | gets the new value |
//! | finish unchanged | the old value goes into the cell again | the new deadline is released | + 1, and the value takes the new generation | gets the old value |
//! | finish, superseded | - | - | stays | gets the value that was made, unless a newer value is on it, or the creation knows that it is superseded |
//! | invalidate, take | the deadline becomes "missing" | the cell is emptied | + 1, before both | - |
//! | mark | - | the deadline becomes "stale" | stays | - |
//!
//! In the first two rows the generation of the lock moves last.
//!
//! # Why it holds
//!
//! - *A hit gives the value that its thread was told of, or a newer one (L4).* The hit acquires the deadline first, and
//!   reads the cell second. The cell was filled before that deadline was released.
//! - *A missing value is not read (L6).* Take an access that begins after an invalidation has returned. The access
//!   finds the deadline missing, or finds a newer deadline. With a newer deadline, the access finds in the cell what
//!   was put there after the invalidation had emptied it. An access that finds a deadline and then an empty cell was
//!   overtaken by an invalidation, and looks again. The deadline that it finds then is at least as new.
//! - *An old value is not brought back (L6).* A creator may answer "unchanged" of one value only: the value that was
//!   read under the mutex, in the generation in which the creation was elected. As long as that generation stands, the
//!   cell has not moved. If the generation has moved when the creation ends, nothing is published.
//! - *A waiter is served (L3),* although the value may have been superseded or invalidated before the waiter wakes: see
//!   [`tray`].
//! - *No user code runs under the mutex (C22).* Values that a transition takes out of the cell and the tray are carried
//!   out of the transition, and are dropped after it.

// First, so that its part of the documentation comes first.
mod new;

mod accesses;
mod guard;
mod hit;
mod lock;
mod made;
mod node;
mod reader;
mod renewal;
mod serve;
mod settle;
mod spawned;
mod tasks;
mod tray;

pub use guard::CachedGuard;
pub use made::Made;
pub use reader::{Guarded, Reader};
pub use renewal::Renewal;

use crate::clock::{Clock, MonotonicClock};
use crate::dogpile::{Dogpile, Status};
use crate::generation::Generation;
use crate::lock::Elects;
use crate::policy::Life;
use crate::sync::cell::ArcCell;
use crate::sync::{Arc, AtomicU64, Ordering};
use node::Node;
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;
use tray::Trays;

/// A value that is kept fresh: a [`Dogpile`] that owns the value.
///
/// ```
/// use dogpile::Cached;
/// use std::time::Duration;
///
/// static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600));
///
/// fn rate(currency: usize) -> f64 {
///     let rates = RATES.get_or_create(|| vec![1.0, 1.09]); // slow: one thread in ten minutes runs this closure
///     rates[currency]
/// }
///
/// assert_eq!(rate(1), 1.09);
/// ```
///
/// A `Cached` is for one expensive thing that many threads read and that ages: a token, a key set, a table of rates, a
/// template, a model, a parsed file. Each read says how to make the value anew. As long as the value is fresh, that
/// costs nothing. A [`CachedFn`](crate::CachedFn) is told its creator once, for all reads.
///
/// A read gives a [`CachedGuard`], which derefs to the value. The guard keeps the value that was read. A guard may be
/// held for any time, and delays no other thread.
///
/// # Several threads at once
///
/// | the value is | the first access | the other accesses, until the creation ends |
/// |---|---|---|
/// | fresh | gets the value | get the value |
/// | stale | is elected, creates, and gets the new value | get the old value, without waiting |
/// | missing | is elected, creates, and gets the new value | wait; this one creation serves all of them |
///
/// If a creation fails, the value stays as it was. If the value is stale, the next access is elected. If the value is
/// missing, exactly one of the waiters is elected, and the others go on waiting.
///
/// A stale value may be used however old it is, unless a [policy](crate::PolicyBuilder::max_stale) or the value
/// [itself](Made::max_stale) sets a limit. Take a token, without a limit: the first access after an idle night fetches
/// the next token, and the other accesses are given the old token meanwhile, although that is of no use any more.
///
/// # Cost
///
/// A hit reads the clock as a hit of a [`Dogpile`] does, and marks the value as being read, in memory of its own
/// thread. A hit takes 8 to 12 ns in all, depending on how the compiler inlines it, on any number of threads at once. A
/// hit takes no lock, writes no shared memory, and allocates only on the first read of a thread (L12). The guards are
/// built on guards of the crate arc-swap. A thread that holds more than eight guards, of this crate or of arc-swap,
/// counts the further ones in the value itself, in memory that all threads share.
///
/// # Deadlocks
///
/// A creator that asks for the value which it is making, where there is no value, would wait for itself. The access is
/// told so, by an error or a panic. The last of several accesses that would wait for each other in a circle is told so,
/// too (L7). The [deadlocks that are not found](crate::guide::limitations#deadlocks-that-are-not-found) are the same as
/// for a [`Dogpile`].
///
/// # Fork
///
/// In a child made by fork(2), a creation that another thread was running does not end: see
/// [`Fork`](crate::guide::limitations#fork).
///
/// # Memory ordering
///
/// What a creator did before it returned happens before everything that a thread does after it has read the value. It
/// also happens before the next creator runs. What a thread did before [`set`](Self::set) happens before everything
/// that another thread does after it has read that value.
///
/// # Examples
///
/// A token says itself how long it lives:
///
/// ```
/// use dogpile::{Cached, CreateError, Made, Renewal};
/// use std::{io, time::Duration};
///
/// static TOKEN: Cached<String> = Cached::never_expires();
///
/// fn fetch(old: Option<&String>) -> io::Result<(String, Duration)> {
///     Ok((format!("token after {old:?}"), Duration::from_secs(300))) // slow
/// }
///
/// fn renew(renewal: &Renewal<'_, String>) -> io::Result<Made<String>> {
///     let (token, lifetime) = fetch(renewal.old())?;
///     // Before the token really ends, so that the next one is there by then.
///     Ok(Made::new(token).expires_after(lifetime * 9 / 10))
/// }
///
/// fn main() -> Result<(), CreateError<io::Error>> {
///     let token = TOKEN.access().or_try_create_with(renew)?;
///     assert_eq!(*token, "token after None");
///     Ok(())
/// }
/// ```
///
/// A server may refuse a token before its time. Then the refused access asks for a newer token by
/// [`renew_if`](crate::Access::renew_if): of all threads that were refused with this token, one fetches another and the
/// rest wait for it, and the threads that were not refused go on with the old token. A
/// [recipe](crate::guide::recipes#a-key-set-fetched-again-when-a-caller-is-refused) shows this.
///
/// A test brings its own clock:
///
/// ```
/// use dogpile::{Cached, Clock, ManualClock, MonotonicClock};
/// use std::{sync::Arc, time::Duration};
///
/// struct Client<C: Clock = MonotonicClock> {
///     token: Cached<String, C>,
/// }
///
/// impl<C: Clock> Client<C> {
///     fn with_clock(clock: C) -> Self {
///         Self { token: Cached::with_clock(Duration::from_secs(300), clock) } // `Duration::MAX`: it never expires
///     }
/// }
///
/// let clock = Arc::new(ManualClock::new());
/// let client = Client::with_clock(Arc::clone(&clock));
/// client.token.set("secret".into());
/// clock.advance(Duration::from_secs(300));
/// assert!(client.token.is_expired());
/// ```
///
/// A `Cached<T>` is `Send` and `Sync` if `T` is both, as an `Arc<T>` is:
///
/// ```
/// fn shared<S: Send + Sync>() {}
/// shared::<dogpile::Cached<String>>();
/// ```
///
/// ```compile_fail
/// fn shared<S: Send + Sync>() {}
/// shared::<dogpile::Cached<std::cell::Cell<u64>>>();
/// ```
pub struct Cached<T, C: Clock = MonotonicClock> {
    pub(crate) dogpile: Dogpile<C>,
    cell: ArcCell<Node<T>>,
    /// How often the cell has changed. The handles that hold a value from the cell compare this: see [`reader`].
    changes: AtomicU64,
    trays: Trays<T>,
}

// As for an `Arc<T>`: a panic leaves nothing half-done in here, but `T` may be seen from outside. User code runs
// between the transitions, never within one.
impl<T: RefUnwindSafe, C: Clock + UnwindSafe> UnwindSafe for Cached<T, C> {}
impl<T: RefUnwindSafe, C: Clock + RefUnwindSafe> RefUnwindSafe for Cached<T, C> {}

impl<T, C: Clock> Cached<T, C> {
    /// Makes `value` the current value, fresh from now on, as a finished creation does. Blocks only for moments.
    ///
    /// Every waiter is given this value at once. A creation that is running is superseded: the value that it makes goes
    /// to its own caller, and to no other (C6). The old value is dropped in this call, unless a guard still holds it.
    pub fn set(&self, value: T) {
        self.put(value, Life::AS_USUAL);
    }

    /// As [`set`](Self::set), with a value that says itself how long it lives, as [`Made::expires_after`] does. Blocks
    /// only for moments.
    pub fn set_expiring(&self, value: T, expires_after: Duration) {
        self.put(value, Life::of(expires_after));
    }

    fn put(&self, value: T, life: Life) {
        let node = Node::new(value);
        // The clock is the user's, so it is read outside the mutex.
        let now = self.dogpile.clock().now();
        let mut old = None;
        self.dogpile.election().set(|generation| {
            old = Some(self.publish(&node, generation, now));
            self.dogpile.renew(now, life, None);
        });
        drop(old);
    }

    /// Makes `node` the current one, and puts it on the tray for the waiters. Called under the mutex. The caller drops
    /// the returned nodes after it has released the mutex.
    fn publish(&self, node: &Arc<Node<T>>, generation: Generation, now: u64) -> impl Sized + use<T, C> {
        node.renew(generation, now);
        (self.swap(Some(Arc::clone(node))), self.trays.serve(node))
    }

    /// Changes the cell, and returns what was there. Called under the mutex.
    fn swap(&self, new: Option<Arc<Node<T>>>) -> Option<Arc<Node<T>>> {
        let old = self.cell.swap(new);
        // Release: pairs with the acquires in `reader`. A thread that acquires the deadline which is stored next finds
        // this count, or a later one.
        self.changes.fetch_add(1, Ordering::Release);
        old
    }

    /// Takes the value out, and [invalidates](Self::invalidate). Returns the value that was there. Blocks only for
    /// moments.
    ///
    /// A thread that is reading the value keeps it as well.
    pub fn take(&self) -> Option<Arc<T>> {
        self.forget(None).1.map(|node| Arc::clone(&node.value))
    }

    /// Makes the value missing: the next access creates, and the others wait for it. Blocks only for moments.
    ///
    /// A creation that is running is superseded, and its value does not become the current one (L6). The waiters that
    /// have waited for it since before the invalidation are given its value. An access that asks after the invalidation
    /// waits until that creation has ended and a new value is made. The old value is dropped in this call, unless a
    /// guard still holds it.
    ///
    /// # Memory ordering
    ///
    /// What this thread did before the call happens before everything that the next creator does.
    pub fn invalidate(&self) {
        drop(self.take());
    }

    /// [Invalidates](Self::invalidate), unless the generation has moved since `seen`. Returns whether it did. Blocks
    /// only for moments.
    ///
    /// A caller that has found a value useless passes the [generation of its guard](CachedGuard::generation). So no
    /// caller throws away a newer value than the one that it has seen.
    ///
    /// **A caller that was refused with a value should use [`renew_if`](crate::Access::renew_if) instead.** With
    /// `renew_if` the other callers carry on with the old value meanwhile, the old value stays there if the renewal
    /// fails, and the creator sees it. An invalidation takes the value away from all callers. So a program must not let
    /// a refused outsider cause one, for instance by a token with a made-up key id.
    ///
    /// If the call returns `false`, there is most often another value by now, and the caller reads again. The caller
    /// may be given the same value once more: a creator that asked its source before the value went bad may have found
    /// it [unchanged](Renewal::unchanged) just before this call. Then the next round invalidates the value. The value
    /// of a superseded creation cannot be invalidated, since it is not in the lock: only the creation's own caller and
    /// the waiters that it served have it.
    ///
    /// A renewal that is already running on a stale value is superseded, since it may have begun before the value went
    /// bad.
    pub fn invalidate_if(&self, seen: Generation) -> bool {
        self.forget(Some(seen)).0
    }

    /// Returns whether the generation allowed it, and the value that was there, which the caller drops outside every
    /// lock.
    fn forget(&self, only_if: Option<Generation>) -> (bool, Option<Arc<Node<T>>>) {
        let mut taken = None;
        let forgotten = self.dogpile.election().invalidate(only_if, || {
            self.dogpile.expiry().forget();
            taken = self.swap(None);
        });
        (forgotten.is_some(), taken)
    }

    /// Makes the value stale: the next access creates, and the others carry on with the old value. Never blocks on a
    /// creation.
    ///
    /// A creation that is running publishes its value as stale, so that the next access creates once more. A value that
    /// is missing stays missing.
    ///
    /// # Memory ordering
    ///
    /// What this thread did before the call happens before everything that a creator does which is elected afterwards.
    pub fn mark_stale(&self) {
        self.dogpile.mark_stale();
    }
}

impl<T, C: Clock> Elects for Cached<T, C> {
    type Clock = C;

    const OWNS_ITS_VALUE: bool = true;

    fn dogpile(&self) -> &Dogpile<C> {
        &self.dogpile
    }

    fn dogpile_mut(&mut self) -> &mut Dogpile<C> {
        &mut self.dogpile
    }
}

impl<T, C: Clock> Deref for Cached<T, C> {
    type Target = Status<C>;

    #[inline]
    fn deref(&self) -> &Status<C> {
        &self.dogpile
    }
}

/// Tells, as for any lock, whether there is a value, and not the value itself: that may be a secret.
impl<T, C: Clock> fmt::Debug for Cached<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dogpile.describe("Cached", f)
    }
}
