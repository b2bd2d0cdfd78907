//! The lock: [`freshness`](crate::freshness) and [`election`](crate::election) together.
//!
//! This file has the type. The table says what the modules below have.
//!
//! | module | what is in it |
//! |---|---|
//! | [`new`] | how a lock is made |
//! | [`status`] | what a lock consists of |
//! | [`questions`] | what a lock can be asked |
//! | [`invalidate`] | how the value is invalidated, or marked as stale |
//! | [`watch`] | how a thread waits for a value without creating it |
//! | [`settle`] | how an access comes to its turn: it is elected, carries on, or waits |
//! | [`another`] | how an access comes to another value than the one that is there |
//! | [`soft`] | how an access that has an old value waits for a new one |
//! | [`usable`] | the part of an access that takes no more than loads |
//! | [`begun`] | what runs between an election and its creation |
//! | [`reminder`] | how a waiter wakes up when the creation that it waits for is overdue |
//! | [`sight`] | the words in which the modules above speak of a value |
//! | [`terms`], [`aging`], [`failing`] | what the lock's policy means to the lock |
//! | [`stamped`], [`brought`] | values that bring their own time, and what the lock knows of them |
//! | [`seen`] | what is counted, and what an observer is told |
//! | [`tasks`] | what is for tasks alone |
//!
//! The parts of an access are in [`crate::access`]. How this lock serves an access is in [`crate::beside`].

// `new` comes first, so that its functions come first in the documentation.
mod new;

mod aging;
mod another;
mod begun;
mod brought;
mod failing;
mod invalidate;
mod questions;
mod reminder;
mod seen;
mod settle;
mod sight;
mod soft;
mod stamped;
mod status;
mod tasks;
mod terms;
mod usable;
mod watch;

pub(crate) use another::Another;
pub use questions::LastFailure;
pub(crate) use reminder::Nap;
pub(crate) use settle::Settled;
pub use sight::{Known, Need, Sight};
pub(crate) use soft::Softly;
pub use stamped::Stamped;
pub use status::Status;
pub(crate) use terms::Ruling;

use crate::clock::{Clock, MonotonicClock};
use crate::election::Election;
use crate::freshness::Expiry;
use crate::generation::Generation;
use crate::sync::const_fn;
use std::ops::Deref;

/// A lock that elects one thread to rebuild an expired value while the others carry on with the old one.
///
/// The lock holds no value. The value lives wherever the user keeps it: in a field, a file, a memcached server. The
/// lock says whether the value is fresh, stale or missing, and elects the thread that is to create it.
///
/// The [guide](crate::guide::modes) shows the modes in which a program uses this lock.
///
/// # Several threads at once
///
/// | the value is | the first thread that comes | the other threads, until that creation ends |
/// |---|---|---|
/// | fresh | carries on | carry on |
/// | stale | is elected and creates | carry on with the old value, without waiting |
/// | missing | is elected and creates | wait; that one creation serves them all |
///
/// If the creation fails, the value stays what it was. With a stale value, the next access is elected. Without a value,
/// exactly one waiter is elected, and the others go on waiting. A [`Policy`](crate::Policy) can change this: the lock
/// then pauses after a failure, or declares a creation dead that takes too long.
///
/// # Cost
///
/// A hit is a load, a look at the clock and a compare: about 3 ns, on any number of threads at once. With a lifetime
/// below one second the clock is read exactly, which takes about 20 ns. With a value that never expires the clock is
/// not read at all. A hit takes no lock, writes nothing and does not enter the kernel. The lock itself is small,
/// `const`, and has nothing to clean up.
///
/// # Deadlocks
///
/// A creator that asks for its own value when there is none would wait for itself. Where the lock knows which thread
/// runs the creator, the access does not wait. The access ends with an error if it can return one (after
/// [`timeout`](crate::Access::timeout), and by [`or_try_create`](crate::Access::or_try_create)), and otherwise with a
/// panic. [`Creation`](crate::Creation) says when the lock cannot know.
///
/// In the same way the lock finds creators that wait for each other's values, in a circle of any length, over any
/// threads and locks. The access that would close the circle is told so, and is told which
/// [locks](crate::PolicyBuilder::name) are in it:
///
/// ```text
/// thread 1                            thread 2
///
/// a.acquire_or_create(|| {            b.acquire_or_create(|| {
///     b.acquire_or_create(…);
///     // waits for thread 2               a.acquire_or_create(…);
///                                         // panics: it would wait for thread 1
/// });                                 });
/// ```
///
/// # Memory ordering
///
/// What a creator wrote before it finished happens before everything that an access does which sees that creation: as
/// fresh, as stale, or by having waited for it. What the creator wrote also happens before everything that the next
/// creator does.
///
/// # Fork
///
/// In a child made by fork(2), a creation that another thread was running does not end: see
/// [`Fork`](crate::guide::limitations#fork).
///
/// # Examples
///
/// ```
/// use dogpile::Dogpile;
/// use std::{sync::RwLock, time::Duration};
///
/// static RATES: RwLock<Vec<f64>> = RwLock::new(Vec::new());
/// static FRESH: Dogpile = Dogpile::new(Duration::from_secs(600));
///
/// fn rate(currency: usize) -> f64 {
///     FRESH.acquire_or_create(|| {
///         let rates = vec![1.0, 1.09]; // slow
///         *RATES.write().unwrap() = rates;
///     });
///     RATES.read().unwrap()[currency]
/// }
/// assert_eq!(rate(1), 1.09);
/// ```
pub struct Dogpile<C: Clock = MonotonicClock> {
    pub(crate) status: Status<C>,
}

/// A lock fits into one cache line.
#[cfg(all(not(dogpile_loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<Dogpile>() <= 64);

impl<C: Clock> Dogpile<C> {
    const_fn! {
        /// Notes that there is a value already. Its life begins with the first access.
        pub(crate) const fn be_born(&mut self) {
            self.status.expiry.be_born();
        }
    }

    pub(crate) fn election(&self) -> &Election {
        &self.election
    }

    pub(crate) fn expiry(&self) -> &Expiry {
        &self.expiry
    }

    pub(crate) fn clock(&self) -> &C {
        &self.clock
    }

    /// Returns whether there has been a new value, or an invalidation, since the generation `from`.
    pub(crate) fn has_moved_on(&self, from: Generation) -> bool {
        !self.election.look().generation().is_still(from)
    }
}

impl<C: Clock> Deref for Dogpile<C> {
    type Target = Status<C>;

    #[inline]
    fn deref(&self) -> &Status<C> {
        &self.status
    }
}
