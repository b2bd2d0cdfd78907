//! The questions that a lock can be asked.
//!
//! Where a policy has something to say of the deadline word, the module [`aging`](super::aging) reads that word. Where
//! a getter brings a value with a stamp, the module [`brought`](super::brought) says which value an answer is about.
//!
//! # When a value expires, and when it is due
//!
//! | | a missing value | a stale value | a value that never expires | what else the answer goes by |
//! |---|---|---|---|---|
//! | `expires_in` | `None` | zero | `Duration::MAX` | what was planned, if the policy plans |
//! | `due_in` | zero | zero | `Duration::MAX` | the deadline word; and the pause, if there is one |
//!
//! A value is due when an access that comes then would create. So a missing value is due, and `due_in` has a time for
//! it as for any other value. A thread that renews on a schedule sleeps for that time, and then makes an access
//! whatever it finds. For the same reason the pause counts: otherwise such a thread would find the value due again and
//! again, and never be elected.

use super::Dogpile;
use super::sight::Sight;
use super::status::Status;
use super::terms::More;
use crate::clock::{Clock, nanoseconds};
use crate::freshness::Freshness;
use crate::generation::Generation;
use crate::observer::{Stats, Tally};
use crate::sync::{Arc, Ordering};
use std::fmt;
use std::time::Duration;

impl<C: Clock> Status<C> {
    /// Returns whether the value is fresh, stale or missing. Never blocks.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.brought().map_or_else(|| self.own_freshness(), |(sight, _)| sight.freshness())
    }

    /// Returns whether the value has expired or is missing. Never blocks.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.freshness() != Freshness::Fresh
    }

    /// Returns whether there is a value, fresh or stale. Never blocks.
    #[must_use]
    pub fn has_value(&self) -> bool {
        self.freshness() != Freshness::Missing
    }

    /// Returns how long ago the value was created; `None` if the value is missing. Never blocks.
    ///
    /// The age is measured on the lock's own clock, in nanoseconds, and is as precise as a hit reads that clock. The
    /// age of a value that a getter has [brought](Self#stamped-getter-mode) is measured on the wall clock. This age is
    /// zero if the stamp lies in the future. In a [`Cached`](crate::Cached) the age begins anew when a value is set, or
    /// is found unchanged.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        match self.brought() {
            Some((Sight::Missing, _)) => None,
            Some((_, age)) => Some(age),
            None => self.expiry.age(&self.clock).filter(|_| self.has_own_value()),
        }
    }

    /// Returns how much longer the value is fresh. Never blocks.
    ///
    /// | the value is | the answer |
    /// |---|---|
    /// | fresh | the time until it expires; `Duration::MAX` if it never expires |
    /// | stale | zero |
    /// | missing | `None` |
    ///
    /// The time is measured on the clock of a hit, in nanoseconds. The answer is never too short: when that much time
    /// has passed on this clock, the value has expired. If the lock's lifetime is a second or more, the clock of a hit
    /// is the [coarse](crate::Clock::now_coarse) one, which may lag by a few milliseconds. Right after a creation the
    /// answer may exceed the lifetime by that lag. An access sees the expiry later by the same lag.
    ///
    /// For a value that a getter has [brought](Self#stamped-getter-mode), the time is measured on the wall clock.
    ///
    /// The life of a value that was [born fresh](crate::Dogpile::born_fresh) begins with the first access. Before that,
    /// the answer is the whole lifetime, however late the question is asked. When that life begins, the policy's
    /// [jitter](crate::PolicyBuilder::jitter) may shorten it.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        self.life().map(|life| duration(life.expires_in))
    }

    /// Returns how long it is until an access may be elected to create. Never blocks.
    ///
    /// | the value is | the answer |
    /// |---|---|
    /// | missing, or stale | zero |
    /// | fresh | the time until its policy may have it [renewed early](crate::PolicyBuilder::refresh_at), or else until it expires; `Duration::MAX` if there is no such time |
    /// | any of these, in a [pause](crate::PolicyBuilder::retry_after) after a failure | the same, but at least the time until the end of the pause |
    ///
    /// The time is measured as that of [`expires_in`](Self::expires_in) is. So right after a creation it, too, may be
    /// longer by the lag of the coarse clock than the policy or the lifetime says, and is never too short.
    ///
    /// While a creation runs, the answer is as if none did; [`changed`](Self::changed) waits for the value of that
    /// creation. In a pause, an access that finds no value, and has no error to report the pause by, creates before the
    /// answered time is over.
    ///
    /// With [`refresh_early`](crate::PolicyBuilder::refresh_early) accesses draw lots from that time on, and at first
    /// are hardly ever elected. For a lock that is renewed on a schedule, `refresh_at` is better.
    ///
    /// The answer is about now. After a later invalidation or mark an access may be elected at once, but a thread that
    /// sleeps for the answered time is not woken. So where a value may be invalidated while no thread reads it, such a
    /// thread sleeps no longer than the value may be missing.
    ///
    /// # Examples
    ///
    /// A thread renews the value on a schedule, so that the value stays fresh although no other thread reads it.
    /// Between two renewals the thread calls `wait`. In a program `wait` also ends on a word to stop; in a test it
    /// moves the clock.
    ///
    /// ```
    /// use dogpile::{Cached, Clock, ManualClock, Policy};
    /// use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
    /// use std::{sync::Arc, thread, time::Duration};
    ///
    /// /// Renews the value whenever it is due, until `wait` says no.
    /// fn keep_fresh(rate: &Cached<f64, impl Clock>, mut wait: impl FnMut(Duration) -> bool) {
    ///     while wait(rate.due_in()) {
    ///         rate.get_or_create(|| 1.09 /* slow */);
    ///     }
    /// }
    ///
    /// /// In a program: the wait ends early when the other end of the channel is dropped.
    /// fn unless_stopped(stop: &Receiver<()>, due_in: Duration) -> bool {
    ///     stop.recv_timeout(due_in) == Err(RecvTimeoutError::Timeout)
    /// }
    ///
    /// static EARLY: Policy = Policy::builder().refresh_at(0.5).build_const();
    /// static RATE: Cached<f64> = Cached::new(Duration::from_secs(600)).with_policy(&EARLY);
    ///
    /// let (go_on, stop) = channel();
    /// let renews = thread::spawn(move || keep_fresh(&RATE, |due_in| unless_stopped(&stop, due_in)));
    /// RATE.wait_for_value(Duration::MAX).unwrap(); // ready: the value was made once
    /// drop(go_on);
    /// renews.join().unwrap();
    ///
    /// // In a test: no time passes.
    /// let clock = Arc::new(ManualClock::new());
    /// let rate = Cached::with_clock(Duration::from_secs(600), Arc::clone(&clock)).with_policy(&EARLY);
    /// let mut waits = Vec::new();
    /// keep_fresh(&rate, |due_in| {
    ///     assert_eq!(rate.is_expired(), waits.is_empty(), "it is renewed in time");
    ///     clock.advance(due_in);
    ///     waits.push(due_in.as_secs());
    ///     waits.len() < 4
    /// });
    /// assert_eq!(waits, [0, 300, 300, 300]);
    /// assert_eq!(rate.stats().creations, 3);
    /// ```
    #[must_use]
    pub fn due_in(&self) -> Duration {
        let due_in = self.life().map_or(0, |life| life.due_in);
        duration(due_in).max(self.paused_for().unwrap_or_default())
    }

    /// Returns what the last creation that failed has failed with, and how long ago; `None` if no creation has failed.
    /// Never blocks.
    ///
    /// | a creation that | has failed |
    /// |---|---|
    /// | [`Stats::failures`](crate::Stats::failures) counts | yes, whether or not the policy [pauses](crate::PolicyBuilder::retry_after) after it |
    /// | made a value that had [expired as it arrived](crate::Made::expires_after) | yes, if the policy pauses, or an earlier [`Failure`](crate::Failure) has said a pause |
    /// | was superseded, was declared dead, or was dropped without a panic | no |
    ///
    /// The answer stays the same when a later creation succeeds. [`freshness`](Self::freshness) and [`age`](Self::age)
    /// tell whether one has.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Cached, ManualClock};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let clock = Arc::new(ManualClock::new());
    /// let rate = Cached::with_clock(Duration::from_secs(600), Arc::clone(&clock));
    /// assert!(rate.get_or_try_create(|| Err("no answer")).is_err());
    /// clock.advance(Duration::from_secs(5));
    /// rate.get_or_create(|| 1.09);
    /// let failure = rate.last_failure().unwrap();
    /// assert_eq!(failure.to_string(), "no answer");
    /// assert!(failure.age() > rate.age().unwrap(), "the lock has recovered since");
    /// ```
    #[must_use]
    pub fn last_failure(&self) -> Option<LastFailure> {
        let failed = self.terms.last_failure()?;
        let age = self.clock.now().saturating_sub(failed.at);
        Some(LastFailure { cause: Arc::clone(&failed.cause), age: Duration::from_nanos(age) })
    }

    /// Returns whether a creation runs. Never blocks.
    #[must_use]
    pub fn is_creating(&self) -> bool {
        self.election.look().is_creating()
    }

    /// Returns how many threads and tasks wait for a creation right now. Blocks only for the moments in which the queue
    /// changes.
    ///
    /// A watcher, which [waits for a value](crate::Status#waiting-for-a-value) and never creates, is not counted. A
    /// wait of a task in the middle of a creator is counted once the creator has polled it again, as the wait has
    /// [asked](crate::Dogpile#for-tasks).
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.election.waiting()
    }

    /// Returns the current generation, for [`invalidate_if`](crate::Dogpile::invalidate_if). Blocks only for the
    /// moments in which the generation moves.
    ///
    /// Take the generation before the access whose value it is to stand for. Then the value is of that generation or of
    /// a later one, and `invalidate_if` never throws away a newer value than the one that was seen. Nor does it throw
    /// away the value of another lock that has come to stand in the place of this one. For a value that was read from a
    /// [`Cached`](crate::Cached), [`CachedGuard::generation`](crate::CachedGuard::generation) tells its generation.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.election.generation()
    }

    /// Returns the lifetime of a value that does not [say so itself](crate::Made::expires_after); `Duration::MAX` if
    /// such a value never expires. Never blocks.
    #[must_use]
    pub fn expires_after(&self) -> Duration {
        self.expiry.lifetime()
    }

    /// Returns how long the [pause](crate::PolicyBuilder::retry_after) after a failure goes on; `None` if there is no
    /// pause. Never blocks.
    ///
    /// The time is measured on the lock's own clock, to the nanosecond.
    #[must_use]
    pub fn paused_for(&self) -> Option<Duration> {
        let until = self.paused_until()?;
        until.checked_sub(self.clock.now()).filter(|left| *left != 0).map(Duration::from_nanos)
    }

    /// Returns what this lock has done so far, in numbers. Never blocks.
    ///
    /// A thread that sees a value sees the creation of that value counted. Apart from that, each number is of some
    /// moment during the call. Counting takes some memory once a lock has created or waited, and costs a hit nothing.
    /// An [`Observer`](crate::Observer) is told of each event as it happens.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.terms.tally().map(Tally::stats).unwrap_or_default()
    }

    /// Returns what the lock itself knows of the value. An access in lock mode goes by this alone.
    pub(crate) fn own_freshness(&self) -> Freshness {
        let now = self.expiry.now(&self.clock);
        self.sight(self.expiry.peek(now), now).freshness()
    }

    /// Returns whether there is a value that the lock itself knows of, fresh or stale.
    pub(crate) fn has_own_value(&self) -> bool {
        self.own_freshness() != Freshness::Missing
    }

    /// As [`has_own_value`](Self::has_own_value), as of `now`. Reads no clock.
    pub(super) fn has_own_value_at(&self, now: u64) -> bool {
        self.sight(self.expiry.peek(now), now) != Sight::Missing
    }

    /// Returns how long ago `then` was, on the clock of a hit.
    pub(crate) fn since(&self, then: u64) -> Duration {
        Duration::from_nanos(self.expiry.now(&self.clock).saturating_sub(then))
    }

    /// Returns whether there is a value that the lock itself knows of, and that value is fresh.
    pub(crate) fn has_own_fresh_value(&self) -> bool {
        self.own_freshness() == Freshness::Fresh
    }

    /// Returns how much longer the value is fresh, and how long it is until it is due; `None` if the value is missing.
    fn life(&self) -> Option<Left> {
        let (sight, life) = match self.brought_age() {
            Some((sight, age)) => (sight, self.whole_life().after(age.unwrap_or(u64::MAX))),
            None => self.own_life(),
        };
        match sight {
            Sight::Missing => None,
            Sight::Stale => Some(Left { due_in: 0, expires_in: 0 }),
            // (A brought value that is renewed at random may have been drawn to be due before its planned time.)
            Sight::Due | Sight::Fresh => Some(Left { due_in: life.due_in.min(life.expires_in), ..life }),
        }
    }

    /// As [`life`](Self::life), of the value that the lock itself knows of.
    fn own_life(&self) -> (Sight, Left) {
        let now = self.expiry.now(&self.clock);
        let (look, deadline) = self.expiry.peek_until(now);
        let life = match deadline {
            None => self.whole_life(),
            Some(u64::MAX) => Left { due_in: u64::MAX, expires_in: u64::MAX },
            Some(due) => {
                // Acquire: as in `sight`. The word read here is that of the deadline above, or of a newer one.
                let expires = self.terms.planned().map_or(due, |more| more.expires.load(Ordering::Acquire));
                let expires_in = if expires == u64::MAX { u64::MAX } else { expires.saturating_sub(now) };
                Left { due_in: due.saturating_sub(now), expires_in }
            }
        };
        (self.sight(look, now), life)
    }

    /// Returns the life of a value whose life begins now, if nothing shortens it.
    fn whole_life(&self) -> Left {
        let lifetime = nanoseconds(self.expiry.lifetime());
        if lifetime == u64::MAX || !self.policy().plans() {
            return Left { due_in: lifetime, expires_in: lifetime };
        }
        // Relaxed: as in `is_due`.
        let cost = self.terms.planned().map_or(0, More::cost);
        let plan = self.policy().plan(BEGINNING, lifetime, cost, 0.0);
        Left { due_in: plan.due.saturating_sub(BEGINNING), expires_in: plan.expires.saturating_sub(BEGINNING) }
    }

    /// Returns when the pause ends, on the lock's clock, even if that time has passed; `None` if no pause was noted.
    pub(crate) fn paused_until(&self) -> Option<u64> {
        let state = self.election.look();
        (state.is_timed() && !state.is_creating()).then(|| self.terms.held_until())
    }

    /// Writes what `Debug` tells of the lock that has this status. `name` is that of the lock's type.
    pub(crate) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("freshness", &self.freshness())
            .field("generation", &self.generation())
            .field("creating", &self.is_creating())
            .field("expires_after", &Some(self.expires_after()).filter(|lifetime| *lifetime != Duration::MAX))
            .finish_non_exhaustive()
    }
}

/// When a life begins that is planned only to measure it. Any time will do that is no reserved word.
const BEGINNING: u64 = 1_000;

/// What is left of the life of a value, in nanoseconds; `u64::MAX` if the life has no end.
#[derive(Clone, Copy)]
struct Left {
    due_in: u64,
    expires_in: u64,
}

impl Left {
    /// Returns what is left after so many nanoseconds more.
    fn after(self, age: u64) -> Self {
        let left = |of: u64| if of == u64::MAX { of } else { of.saturating_sub(age) };
        Self { due_in: left(self.due_in), expires_in: left(self.expires_in) }
    }
}

fn duration(nanoseconds: u64) -> Duration {
    if nanoseconds == u64::MAX { Duration::MAX } else { Duration::from_nanos(nanoseconds) }
}

/// What the last creation that failed has failed with, and how long ago: see [`Status::last_failure`].
///
/// `Display` shows what the creation has failed with. The time of day of the failure is about `SystemTime::now() -
/// failure.age()`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LastFailure {
    cause: Arc<str>,
    age: Duration,
}

impl LastFailure {
    /// Returns what the creation has failed with, as text: its creator's error, or that it panicked. Never blocks.
    #[must_use]
    pub fn cause(&self) -> &Arc<str> {
        &self.cause
    }

    /// Returns how long before the call of [`Status::last_failure`] the creation failed, on the lock's own clock. Never
    /// blocks.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.age
    }
}

impl fmt::Display for LastFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl<C: Clock> fmt::Debug for Status<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("Status", f)
    }
}

impl<C: Clock> fmt::Debug for Dogpile<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.describe("Dogpile", f)
    }
}
