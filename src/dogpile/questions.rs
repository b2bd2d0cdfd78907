//! What a lock can be asked.
//!
//! How the deadline word is read where a policy has something to say of it is in [`aging`](super::aging); which value
//! is told of where a getter brings one with a stamp, in [`brought`](super::brought).
//!
//! # When it expires, and when it is due
//!
//! | | a missing value | a stale one | one without an end | what else it goes by |
//! |---|---|---|---|---|
//! | `expires_in` | `None` | zero | `Duration::MAX` | what was planned, if the policy plans |
//! | `due_in` | zero | zero | `Duration::MAX` | the deadline word; and the pause, if there is one |
//!
//! To be due is to have an access create that comes then: so a value that is missing is due, and has a time as all
//! others have. A thread that renews on a schedule sleeps for so long and then makes an access, whatever it finds. For
//! the same reason the pause counts: it would find the value due again and again, and be elected none of the times.

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
    /// Whether the value is fresh, stale or missing. Never blocks.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.brought().map_or_else(|| self.own_freshness(), |(sight, _)| sight.freshness())
    }

    /// Whether the value has expired or is missing. Never blocks.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.freshness() != Freshness::Fresh
    }

    /// Whether there is a value, fresh or stale. Never blocks.
    #[must_use]
    pub fn has_value(&self) -> bool {
        self.freshness() != Freshness::Missing
    }

    /// How long ago the value was created; `None` if the value is missing. Never blocks.
    ///
    /// The age is told on the lock's own clock, as precise as that clock's cheap form; that of a value which a getter
    /// has [brought](Self#stamped-getter-mode) on the wall clock, and as zero if its stamp lies in the future. In a
    /// [`Cached`](crate::Cached) it begins anew when a value is set, or found unchanged.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        match self.brought() {
            Some((Sight::Missing, _)) => None,
            Some((_, age)) => Some(age),
            None => self.expiry.age(&self.clock).filter(|_| self.has_own_value()),
        }
    }

    /// How long the value is fresh yet: zero if the value is stale, `Duration::MAX` if it never expires, `None` if it
    /// is missing. Never blocks.
    ///
    /// It is told on the clock of a hit, to the nanosecond, and never too short: after so long on that clock the value
    /// has expired. (The cheap form of the clock may lag by a few milliseconds; so does the expiry, as an access sees
    /// it.) That of a value which a getter has [brought](Self#stamped-getter-mode) is told on the wall clock.
    ///
    /// The life of a value that was [born fresh](crate::Dogpile::born_fresh) begins with the first access: before that,
    /// the answer is its whole lifetime, however late the question is asked. A policy's
    /// [jitter](crate::PolicyBuilder::jitter) may shorten that lifetime when it begins.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        self.life().map(|life| duration(life.expires_in))
    }

    /// How long it is until an access may be elected to create: zero if one may be now, `Duration::MAX` if none will
    /// be. Never blocks.
    ///
    /// | the value is | the answer |
    /// |---|---|
    /// | missing, or stale | zero |
    /// | fresh | until its policy may have it [renewed early](crate::PolicyBuilder::refresh_at), or else until it expires |
    /// | any of these, in a [pause](crate::PolicyBuilder::retry_after) after a failure | not before the end of that |
    ///
    /// It is told as [`expires_in`](Self::expires_in) is. By [`refresh_early`](crate::PolicyBuilder::refresh_early)
    /// accesses draw lots from that time on, and are hardly ever elected at first: a lock that is renewed on a schedule
    /// is better off with `refresh_at`. While a creation runs, the answer is as if none did: [`changed`](Self::changed)
    /// waits for what comes of it. (An access that finds no value, and has no error to say so by, creates in a pause as
    /// well.)
    ///
    /// It tells of now: an invalidation, or a mark, that comes later has an access create at once, and wakes nobody that
    /// sleeps for as long as this said. Where a value may be invalidated while nobody reads it, sleep no longer than it may
    /// be missing.
    ///
    /// # Examples
    ///
    /// A thread renews the value on a schedule, so that it stays fresh though nobody reads it. The `wait` between two
    /// renewals is handed in: in a program it is that for a word to stop, in a test it moves the clock.
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
    /// /// In a program: the wait ends early as the other end of the channel is dropped.
    /// fn unless_stopped(stop: &Receiver<()>, due_in: Duration) -> bool {
    ///     stop.recv_timeout(due_in) == Err(RecvTimeoutError::Timeout)
    /// }
    ///
    /// static EARLY: Policy = Policy::builder().refresh_at(0.5).build_const();
    /// static RATE: Cached<f64> = Cached::new(Duration::from_secs(600)).with_policy(&EARLY);
    ///
    /// let (go_on, stop) = channel();
    /// let renews = thread::spawn(move || keep_fresh(&RATE, |due_in| unless_stopped(&stop, due_in)));
    /// RATE.wait_for_value(Duration::MAX)?; // ready: it was renewed once
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
    /// # Ok::<(), dogpile::AcquireError>(())
    /// ```
    #[must_use]
    pub fn due_in(&self) -> Duration {
        let due_in = self.life().map_or(0, |life| life.due_in);
        duration(due_in).max(self.paused_for().unwrap_or_default())
    }

    /// What the last creation that failed has failed with, and how long ago; `None` if none has. Never blocks.
    ///
    /// Those are the creations that [`Stats::failures`](crate::Stats::failures) counts, whether the policy
    /// [pauses](crate::PolicyBuilder::retry_after) after them or not; and where it does, also one whose value had
    /// [expired as it arrived](crate::Made::expires_after). It stays when a later creation succeeds: whether one has,
    /// [`freshness`](Self::freshness) and [`age`](Self::age) tell. A creation that was superseded, declared dead, or
    /// dropped without a panic has not failed.
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
    /// assert!(failure.age() > rate.age().unwrap(), "it has recovered since");
    /// ```
    #[must_use]
    pub fn last_failure(&self) -> Option<LastFailure> {
        let failed = self.terms.last_failure()?;
        let age = self.clock.now().saturating_sub(failed.at);
        Some(LastFailure { cause: Arc::clone(&failed.cause), age: Duration::from_nanos(age) })
    }

    /// Whether a creation is running. Never blocks.
    #[must_use]
    pub fn is_creating(&self) -> bool {
        self.election.look().is_creating()
    }

    /// How many threads and tasks wait for a creation right now. Blocks only for the moments in which the queue
    /// changes.
    ///
    /// A watcher, which [waits for a value](#waiting-for-a-value) and would not create, is not counted.
    ///
    /// A wait of a task in the middle of a creator is counted from when the creator has polled it again, as the wait
    /// has asked.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.election.waiting()
    }

    /// The current generation, for [`invalidate_if`](crate::Dogpile::invalidate_if). Blocks only for the moments in
    /// which the generation moves.
    ///
    /// Take it before the access whose value it is to stand for. The value is then of that generation or a later one,
    /// and `invalidate_if` never throws away a newer value than the one that was seen; nor that of another lock, which
    /// has come to stand in the place of this one. The generation of a value that was read from a
    /// [`Cached`](crate::Cached) is told by [`CachedGuard::generation`](crate::CachedGuard::generation).
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.election.generation()
    }

    /// How long a value lives that does not [say so itself](crate::Made::expires_after); `Duration::MAX` if it never
    /// expires. Never blocks.
    #[must_use]
    pub fn expires_after(&self) -> Duration {
        self.expiry.lifetime()
    }

    /// How long nobody is to create yet, since the last creation has [failed](crate::PolicyBuilder::retry_after);
    /// `None` if there is no pause. Never blocks.
    ///
    /// The pause is told on the lock's own clock.
    #[must_use]
    pub fn paused_for(&self) -> Option<Duration> {
        let until = self.paused_until()?;
        until.checked_sub(self.clock.now()).filter(|left| *left != 0).map(Duration::from_nanos)
    }

    /// What this lock has done so far. Never blocks.
    ///
    /// Whoever sees a value sees its creation counted; apart from that each number is of some moment during the call.
    /// Counting takes some memory of a lock that has ever created or waited, and costs a hit nothing. See also
    /// [`Observer`](crate::Observer).
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.terms.tally().map(Tally::stats).unwrap_or_default()
    }
    /// What the lock itself knows of the value, which is all that an access in lock mode goes by.
    pub(crate) fn own_freshness(&self) -> Freshness {
        let now = self.expiry.now(&self.clock);
        self.sight(self.expiry.peek(now), now).freshness()
    }

    /// Whether there is a value that the lock itself knows of, fresh or stale.
    pub(crate) fn has_own_value(&self) -> bool {
        self.own_freshness() != Freshness::Missing
    }

    /// The same as of that time; it asks no clock.
    pub(super) fn has_own_value_at(&self, now: u64) -> bool {
        self.sight(self.expiry.peek(now), now) != Sight::Missing
    }

    /// How long ago that was, on the clock of a hit.
    pub(crate) fn since(&self, then: u64) -> Duration {
        Duration::from_nanos(self.expiry.now(&self.clock).saturating_sub(then))
    }

    /// Whether there is one, and it is fresh.
    pub(crate) fn has_own_fresh_value(&self) -> bool {
        self.own_freshness() == Freshness::Fresh
    }
    /// How long the value is fresh yet, and how long until it is due; `None` if it is missing.
    fn life(&self) -> Option<Left> {
        let (sight, life) = match self.brought_age() {
            Some((sight, age)) => (sight, self.whole_life().after(age.unwrap_or(u64::MAX))),
            None => self.own_life(),
        };
        match sight {
            Sight::Missing => None,
            Sight::Stale => Some(Left { due_in: 0, expires_in: 0 }),
            // (The draw of a brought value that is renewed at random may have come early.)
            Sight::Due | Sight::Fresh => Some(Left { due_in: life.due_in.min(life.expires_in), ..life }),
        }
    }

    /// The same of what the lock itself knows.
    fn own_life(&self) -> (Sight, Left) {
        let now = self.expiry.now(&self.clock);
        let (look, deadline) = self.expiry.peek_until(now);
        let life = match deadline {
            None => self.whole_life(),
            Some(u64::MAX) => Left { due_in: u64::MAX, expires_in: u64::MAX },
            Some(due) => {
                // Acquire: as in `sight`. It is that of the deadline, or of a newer one.
                let expires = self.terms.planned().map_or(due, |more| more.expires.load(Ordering::Acquire));
                let expires_in = if expires == u64::MAX { u64::MAX } else { expires.saturating_sub(now) };
                Left { due_in: due.saturating_sub(now), expires_in }
            }
        };
        (self.sight(look, now), life)
    }

    /// That of a value whose life begins now, if nothing shortens it.
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

    /// Until when nobody is to create, on the lock's clock, be that over or not.
    pub(crate) fn paused_until(&self) -> Option<u64> {
        let state = self.election.look();
        (state.is_timed() && !state.is_creating()).then(|| self.terms.held_until())
    }

    /// What is told of the lock that has this status, by that name.
    pub(crate) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("freshness", &self.freshness())
            .field("generation", &self.generation())
            .field("creating", &self.is_creating())
            .field("expires_after", &Some(self.expires_after()).filter(|lifetime| *lifetime != Duration::MAX))
            .finish_non_exhaustive()
    }
}

/// When a life begins that is only thought of. Any time will do that is no reserved word.
const BEGINNING: u64 = 1_000;

/// What is left of the life of a value, in nanoseconds; `u64::MAX` if there is no end.
#[derive(Clone, Copy)]
struct Left {
    due_in: u64,
    expires_in: u64,
}

impl Left {
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
/// `Display` shows what it has failed with. (The time of day was `SystemTime::now() - age`.)
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LastFailure {
    cause: Arc<str>,
    age: Duration,
}

impl LastFailure {
    /// What the creation has failed with, as text: its creator's error, or that it panicked. Never blocks.
    #[must_use]
    pub fn cause(&self) -> &Arc<str> {
        &self.cause
    }

    /// How long ago the creation failed, on the lock's own clock, as of when that was asked. Never blocks.
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
