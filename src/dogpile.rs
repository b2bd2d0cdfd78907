//! The lock: [`freshness`](crate::freshness) and [`election`](crate::election) together.
//!
//! Here is the type; how a lock is made is in [`new`]. Of what it consists is in [`status`], and what it can be asked
//! in [`questions`]; how its value is invalidated in [`invalidate`], and how one waits for a value without creating it
//! in [`watch`].
//!
//! How an access comes to its turn is in [`settle`], to another value than the one there is in [`another`], and to a
//! new one in place of an old one in [`soft`]. What of an access takes no more than loads is in [`usable`]; what runs
//! between an election and its creation in [`begun`]. What an access is made of is in [`crate::access`], and how this
//! lock serves it in [`crate::beside`].
//!
//! What the lock's policy means to it is in [`terms`], [`aging`] and [`failing`]; what is counted and told of it, in
//! [`seen`]; what is for tasks alone, in [`tasks`].

// First, so that its part of the documentation is.
mod new;

mod aging;
mod another;
mod begun;
mod brought;
mod failing;
mod invalidate;
mod questions;
mod random;
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
/// It holds no value. The value lives wherever its user keeps it: in a field, a file, a memcached server. The lock says
/// whether it is fresh, stale or missing, and who is to create it.
///
/// # Several threads at once
///
/// | the value is | the first to come | the others, until its creation ends |
/// |---|---|---|
/// | fresh | carries on | carry on |
/// | stale | is elected and creates | carry on with the old value, without waiting |
/// | missing | is elected and creates | wait; that one creation serves them all |
///
/// If the creation fails, the value stays what it was. With a stale one, the next access is elected; with none, exactly
/// one of those who wait is, and the others go on waiting. A [`Policy`](crate::Policy) can have it otherwise: pause
/// after a failure, and declare dead what takes too long.
///
/// # Cost
///
/// A hit is a load, a look at the clock and a compare: about 3 ns, on any number of threads at once. Below a lifetime
/// of one second the clock is read exactly, which takes about 20 ns; without expiry it is not read at all. A hit takes
/// no lock, writes nothing and does not enter the kernel. The lock itself is small, `const`, and has nothing to clean
/// up.
///
/// # Memory ordering
///
/// What a creator wrote before it finished happens before all that an access does which sees that creation, be it as
/// fresh, as stale, or by having waited for it; and before the next creator runs.
///
/// # Deadlocks
///
/// A creator that asks for its own value when there is none would wait for itself. Where the lock knows who runs the
/// creator, the access does not wait: it ends with an error if it has one (after [`timeout`](crate::Access::timeout),
/// and by [`or_try_create`](crate::Access::or_try_create)), otherwise with a panic. [`Creation`](crate::Creation) says
/// when the lock cannot know. In the same way the lock finds creators that wait for each other's values, in a circle of
/// any length, over any threads and locks. The access that would close the circle is told so, and which
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
/// # Fork
///
/// In a child made by fork(2) a creation that another thread was running does not end: see [`Fork`](crate#fork).
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

/// A cache line.
#[cfg(all(not(dogpile_loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<Dogpile>() <= 64);

impl<C: Clock> Dogpile<C> {
    const_fn! {
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

    /// Whether there has been a new value, or an invalidation, since that generation.
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
