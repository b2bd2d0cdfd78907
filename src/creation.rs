//! The right to create, as its owner holds it.
//!
//! This file has the [`Creation`], and how a creation ends. The other files:
//!
//! | file | what is in it |
//! |---|---|
//! | [`middle`] | a creator that is a future: what is done in the middle of the creation |
//! | [`together`] | several creations that one creator runs together |
//! | [`once`] | a closure that is called once |
//! | [`store`] | a store that runs in the middle of a creation |
//! | [`shared`] | a share of the right to create |
//! | [`job`](mod@job) | the job that a runner is given |
//!
//! How the owner runs a creator, and brings the creation to its end, depends on where the value is: see
//! [`crate::beside`] and [`crate::cached`](mod@crate::cached).

mod job;
mod middle;
mod once;
mod shared;
mod store;
mod together;

pub(crate) use job::job;
pub(crate) use middle::Middle;
pub(crate) use once::Once;
pub use shared::Shared;
pub(crate) use store::Store;
pub(crate) use together::enter_all;

use crate::clock::Clock;
use crate::dogpile::Dogpile;
use crate::election::{Birth, Election, Failed, Finished};
use crate::error::PublishError;
use crate::failure::{Cause, Hints};
use crate::generation::Generation;
use crate::keeper::Keeper;
use crate::lock::Lock;
use crate::observer::End;
use crate::running::{Doing, Which};
use crate::shared_error::SharedError;
use crate::sync::{Arc, AtomicBool, AtomicU64, Flag, Ordering};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

/// The right to create a value. While a creation exists, no other access is elected (L1).
///
/// `L` is the type of its lock: a [`Dogpile`], unless said otherwise.
///
/// The terminal [`turn`](crate::Access::turn) gives out a creation, and
/// [`or_create_with`](crate::Access::or_create_with) lends one to the creator. A creation is `Send`: the elected thread
/// may give it to another thread, which runs the creator and finishes the creation. A `Creation<'static>` may outlive
/// the caller, in a thread pool, a queue or a timer. Such a creation comes from a lock that is [kept](Dogpile::kept) by
/// an `Arc`, or from a lock in a `static`.
///
/// A creation that is dropped unfinished leaves the value as it was, and hands on to exactly one waiter (L5). Whether
/// it has failed depends on the reason for the drop. A failed creation is counted, is told to the observer, and is
/// followed by a [pause](crate::PolicyBuilder::retry_after).
///
/// | a creation that is dropped | has failed |
/// |---|---|
/// | by a panic of its creator, or by a panic while its owner holds the creation and has not run it | yes |
/// | because its future was cancelled, its job or task never ran, or its owner let go of it | no; a pause in which the creation was elected goes on |
///
/// A future also counts as cancelled if its task panics in something else that the task polls. The error of a creator
/// is not a drop: see [`fail`](Self::fail).
///
/// A creation that is leaked by [`std::mem::forget`] holds its lock for ever. Stale values go on being served, and
/// waiters for a missing value wait until their time is out. With a
/// [`creation_timeout`](crate::PolicyBuilder::creation_timeout), another access is elected after that time.
///
/// # Deadlocks
///
/// The thread of a creation is known while a creator runs inside [`run`](Self::run) or in any access that is given the
/// creator, and while a closure runs inside [`within`](Self::within) or [`publish`](Self::publish). Then a wait for
/// itself is found at once (L7). A `Creation` that is only held may be on its way to another thread. So this is *not*
/// found, and waits for ever:
///
/// ```text
/// one thread
///
/// let Turn::Create(creation) = lock.acquire() else { … };
/// lock.acquire();     // no value yet: waits for `creation`,
/// creation.finish();  // which would be finished after the wait
/// ```
///
/// # Examples
///
/// Readers go on with the old value while a new thread makes the new value:
///
/// ```
/// use dogpile::{Dogpile, Turn};
/// use std::{sync::Arc, thread, time::Duration};
///
/// let lock = Arc::new(Dogpile::new(Duration::from_secs(60)));
/// if let Turn::Create(creation) = Dogpile::kept(&lock).turn() {
///     thread::spawn(move || creation.run(|_| { /* rebuild */ }));
/// }
/// if !lock.has_value() {
///     assert!(matches!(lock.acquire(), Turn::Fresh)); // there is no old value: this waits
/// }
/// ```
#[must_use = "dropping a creation gives it up; `finish` or `run` it"]
pub struct Creation<'a, L: Lock = Dogpile> {
    lock: Keeper<'a, L>,
    born: Birth,
    /// The creation knows that it is superseded: the value that it made, if any, lies where no access finds it.
    kept_back: AtomicBool,
    /// The creator has been run, or a part of it.
    entered: Flag,
    /// The creator is a future, and was dropped by a panic that was not its own.
    cancelled: Flag,
    /// How many calls of `publish` are running.
    stores: AtomicU64,
    noted: L::Noted,
    open: bool,
}

impl<'a, L: Lock> Creation<'a, L> {
    /// Makes the right to the creation `born`, which must come from an election of `lock`. Nothing else may answer for
    /// that election.
    pub(crate) fn new(lock: Keeper<'a, L>, born: Birth) -> Self {
        let (kept_back, stores) = (AtomicBool::new(false), AtomicU64::new(0));
        let [entered, cancelled] = [(); 2].map(|()| Flag::new(false));
        Self { lock, born, kept_back, entered, cancelled, stores, noted: L::Noted::default(), open: true }
    }

    /// Returns when the creation was elected, and which creation it is.
    pub(crate) fn born(&self) -> Birth {
        self.born
    }

    /// Returns what the creation is known by.
    pub(crate) fn which(&self) -> Which {
        Which::of(self.election(), self.born.ticket)
    }

    /// Returns the lock of the creation.
    pub(crate) fn lock(&self) -> &L {
        &self.lock
    }

    /// Returns what the lock notes of the creation.
    pub(crate) fn noted(&self) -> &L::Noted {
        &self.noted
    }

    fn election(&self) -> &Election {
        self.lock.dogpile().election()
    }

    /// Ends the creation with success. `publish` runs within the transition: see [`Election::finish`]. `publish` is
    /// also given the lock and the time, which was read before. With a `flaw`, the creation counts as a failure as
    /// well.
    pub(crate) fn end(mut self, flaw: Option<&str>, publish: impl FnOnce(&L, Finished, Generation, u64)) -> Finished {
        let Self { lock, open, born, kept_back, .. } = &mut self;
        // The clock first: it is the user's, and if it panics the creation is dropped and frees the lock.
        let dogpile = lock.dogpile();
        let now = dogpile.clock().now();
        let took = now.saturating_sub(born.started);
        let mut counted = false;
        let publish = |finished, generation| {
            dogpile.count(&End::Finished(finished), took);
            counted = true;
            publish(lock, finished, generation, now);
        };
        let end = |failed: Option<Failed<'_>>| {
            *open = false;
            let cause = failed.as_ref().map(|failed| Arc::clone(&failed.cause));
            let publish = |finished, generation| {
                publish(finished, generation);
                // Where failures are followed by pauses, the creation has failed. Elsewhere it has not.
                if let Some(cause) = &cause {
                    dogpile.note_failure(cause, now);
                }
            };
            // Relaxed: the thread that set the flag has given the creation back to this thread since.
            dogpile.election().finish(*born, kept_back.load(Ordering::Relaxed), failed, publish)
        };
        let finished = match flaw {
            None => end(None),
            Some(flaw) => dogpile.as_failed(&flaw, Hints::default(), now, |failed, _| end(failed)),
        };
        if !counted {
            dogpile.count(&End::Finished(finished), took);
        }
        dogpile.tell(&End::Finished(finished), took);
        finished
    }

    /// Ends the creation as failed, with that error, and with what the error says of the time after.
    pub(crate) fn fail_with(&mut self, cause: &impl Cause) {
        self.fail_as(cause.error(), cause.hints(), cause.shared().as_ref());
    }

    fn fail_as(&mut self, cause: &dyn fmt::Display, hints: Hints, shared: Option<&SharedError>) {
        let Self { lock, open, born, .. } = self;
        let dogpile = lock.dogpile();
        let now = dogpile.clock().now();
        let live = dogpile.as_failed(cause, hints, now, |failed, cause| {
            *open = false;
            dogpile.election().abandon(*born, failed, shared, || dogpile.note_failure(cause, now))
        });
        if live {
            let (end, took) = (End::Failed(cause), now.saturating_sub(born.started));
            dogpile.count(&end, took);
            dogpile.tell(&end, took);
        }
    }

    /// Ends the creation without a value, and without a failure.
    fn give_up(&mut self) {
        let dogpile = self.lock.dogpile();
        let pause = dogpile.pause_to_leave();
        self.open = false;
        dogpile.election().give_up(self.born, pause);
    }

    /// Begins a store. Everything that is stored before the returned `Store` is dropped is stored before any later
    /// invalidation returns.
    pub(crate) fn begin_store(&self) -> Result<Store<'_>, PublishError> {
        let election = self.election();
        match election.begin_store(self.born, &self.stores) {
            Ok(()) => Ok(Store { election, stores: &self.stores }),
            Err(Finished::Dead) => Err(PublishError::Dead),
            Err(_superseded) => {
                // Relaxed: see `end`.
                self.kept_back.store(true, Ordering::Relaxed);
                Err(PublishError::Superseded)
            }
        }
    }

    /// Returns whether the value was invalidated after this creation began. Never blocks.
    ///
    /// A long creator may ask this now and then, and stop early. Once true, the answer stays true. From then on the
    /// lock assumes that the creator stops: its value serves no other access, not even the waiters that have waited for
    /// it since before the invalidation.
    ///
    /// A value that was only [marked stale](Dogpile::mark_stale) meanwhile is published all the same.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        let superseded = !self.election().is_current(self.born);
        if superseded {
            // Relaxed: see `end`.
            self.kept_back.store(true, Ordering::Relaxed);
        }
        superseded
    }

    /// Returns whether another access was elected in place of this creation, because the creation took longer than its
    /// [time-out](crate::PolicyBuilder::creation_timeout). Blocks only for moments.
    ///
    /// A long creator may ask this now and then, and stop early. Once true, the answer stays true: the value that the
    /// creator makes goes to its own caller alone.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        !self.election().is_live(self.born.ticket)
    }

    /// Ends the creation without a value. All waiters look for themselves.
    pub(crate) fn stand_down(mut self) {
        self.open = false;
        self.lock.dogpile().stand_down(self.born);
    }

    /// Runs a closure on this thread as part of the creation. An access in it that would wait for this creation is told
    /// (L7).
    pub(crate) fn enter<R>(&self, creator: impl FnOnce(&Self) -> R) -> R {
        // Relaxed: see `end`.
        self.entered.store(true, Ordering::Relaxed);
        let _running = self.middle().running(Doing::Creating);
        creator(self)
    }

    pub(crate) fn middle(&self) -> Middle<'_> {
        let (election, name) = (self.election(), self.lock.dogpile().policy().name());
        Middle { election, born: self.born, name, entered: &self.entered, cancelled: &self.cancelled }
    }

    /// Makes and polls a future as part of the creation.
    pub(crate) fn enter_async<F: Future>(&self, make: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
        self.middle().enter_async(make)
    }
}

impl<L: Lock> Drop for Creation<'_, L> {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let panicking = thread::panicking();
        let failed = panicking && !*self.cancelled.get_mut();
        let ran = *self.entered.get_mut();
        let cause = if ran { "the creator panicked" } else { "the creation was dropped by a panic" };
        // The clock and the observer are the user's. If one of them panics as well before the creation has ended, no
        // pause begins; and if the creation has not failed, all waiters look whether a pause goes on. No panic goes on
        // beside another.
        let end = AssertUnwindSafe(|| if failed { self.fail_with(&cause) } else { self.give_up() });
        if let Err(panic) = catch_unwind(end) {
            let dogpile = self.lock.dogpile();
            if self.open && !failed {
                dogpile.stand_down(self.born);
            } else if self.open {
                // The clock has not told what time it is.
                let note = || dogpile.note_failure(&cause.into(), self.born.started);
                if self.election().abandon(self.born, None, None, note) {
                    dogpile.count(&End::Failed(&cause), 0);
                }
            }
            if !panicking {
                resume_unwind(panic);
            }
        }
    }
}

impl<L: Lock> fmt::Debug for Creation<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Creation")
            .field("born", &self.born.generation)
            .field("superseded", &!self.election().is_current(self.born))
            .field("dead", &self.is_dead())
            .finish_non_exhaustive()
    }
}
