//! What a lock can be asked.
//!
//! The questions are here once, for all types that elect: each of them derefs to its [`Status`]. So it is the status
//! that owns what the questions read; the [`Dogpile`](super::Dogpile) around it is what changes that. How the deadline
//! word is read where a policy has something to say of it is in [`aging`](super::aging).
//!
//! # A value that was brought
//!
//! In stamped getter mode the value may come from elsewhere. The deadline word does not know of that value, nor may it:
//! elections rely on the word, and on the creations and sayings that it stands for. But a question is to tell what an
//! access would find. So each access in that mode notes the stamp that its getter has brought, beside the lock
//! (`brought`, in [`terms`](super::terms)). Questions, and nothing else, judge that stamp as the access has: by
//! lifetime and policy, as of now.
//!
//! | the deadline word says | the answer is that of |
//! |---|---|
//! | missing because somebody said so | the word: the value is missing (L6) |
//! | missing because this lock has seen none | the stamp that was brought; if somebody said "stale", stale at best |
//! | born fresh, and its life has not begun | likewise |
//! | created | whichever is younger, the creation or the stamp that was brought since |
//!
//! - *What the lock has created wins over what was brought before.* A creation that is published takes the note away,
//!   after it has stored the deadline: no question finds neither.
//! - *What was brought since wins over a creation that is older:* another process has created. The age of the stamp is
//!   told on the wall clock, that of the creation on the lock's own; over a lifetime the two differ by little. The
//!   lock's own value, when it is brought back, is as old as the creation or older, and changes no answer.
//! - *A note that comes late* is of an access whose getter ran before the lock created or was invalidated. The deadline
//!   word is newer than the note then, and wins: as invalidated, or as the younger one. A stamp that is not to be
//!   believed has no age; it is taken for the younger one, since an access would not believe it either. If it came
//!   late, the next access puts that right.
//! - *A getter that brings nothing* takes the note away: there is nothing to go on with.
//! - *Several accesses at once* note one after the other, and the last one counts: an answer is of some moment anyhow.
//!
//! Whatever decides (elections, who goes on with what, who is served) asks the word alone, by
//! [`own_freshness`](Status::own_freshness) and the like.

use super::Stamped;
use super::aging::Sight;
use super::terms::Terms;
use crate::clock::{Clock, MonotonicClock, nanoseconds};
use crate::election::{Election, Generation};
use crate::freshness::{Expiry, Freshness};
use crate::observer::{Stats, Tally};
use crate::policy::Policy;
use crate::sync::const_fn;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

/// What a lock can be asked; nothing in it changes the lock.
///
/// [`Dogpile`](crate::Dogpile), [`SyncReaderDogpile`](crate::SyncReaderDogpile), [`Cached`](crate::Cached) and
/// [`CachedFn`](crate::CachedFn) deref to it. No question waits for a creation. An answer is of some moment during the
/// call: another thread may have changed the lock since.
///
/// # Stamped getter mode
///
/// In [stamped getter mode](crate::Dogpile::fetch_stamped) a value may come from elsewhere. Of such a value the lock
/// knows what the last access was brought: `freshness`, `is_expired`, `has_value` and `age` judge that stamp as an
/// access would now. A lock that nobody accesses hears of nothing: what another process has created or removed since,
/// it does not tell. What was [invalidated](crate::Dogpile::invalidate) through this lock is missing until something is
/// created through it, and of what was created through it and what was brought since, the younger one is told of.
///
/// # Examples
///
/// ```
/// use dogpile::{Cached, Clock, Dogpile, Status};
/// use std::time::Duration;
///
/// /// Of any lock.
/// fn report(of: &str, status: &Status<impl Clock>) -> String {
///     format!("{of} is {:?}, {} wait", status.freshness(), status.waiting())
/// }
///
/// static LOCK: Dogpile = Dogpile::never_expires();
/// static RATE: Cached<f64> = Cached::new(Duration::from_secs(600));
/// RATE.set(1.09);
/// assert_eq!(report("the file", &LOCK), "the file is Missing, 0 wait");
/// assert_eq!(report("the rate", &RATE), "the rate is Fresh, 0 wait");
/// ```
pub struct Status<C: Clock = MonotonicClock> {
    pub(super) expiry: Expiry,
    pub(super) election: Election,
    pub(super) terms: Terms,
    pub(super) clock: C,
}

// A panic can leave nothing half-done in here: user code runs between the transitions, never within one.
impl<C: Clock + UnwindSafe> UnwindSafe for Status<C> {}
impl<C: Clock + RefUnwindSafe> RefUnwindSafe for Status<C> {}

impl<C: Clock> Status<C> {
    const_fn! {
        /// Of a lock without a value yet.
        pub(super) const fn missing(expires_after: Duration, clock: C) -> Self {
            Self { expiry: Expiry::missing(expires_after), election: Election::new(), terms: Terms::none(), clock }
        }
    }

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

    /// Whether a creation is running. Never blocks.
    #[must_use]
    pub fn is_creating(&self) -> bool {
        self.election.look().is_creating()
    }

    /// How many threads and tasks wait for a creation right now. Blocks only for the moments in which the queue
    /// changes.
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

    /// The policy that rules this lock. Never blocks.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        self.terms.find().unwrap_or(const { &Policy::DEFAULT })
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

    /// Whether there is one, and it is fresh.
    pub(crate) fn has_own_fresh_value(&self) -> bool {
        self.own_freshness() == Freshness::Fresh
    }

    /// What to think of the value that a getter has brought, and its age, if that answers in place of the deadline
    /// word: see the [module docs](self).
    fn brought(&self) -> Option<(Sight, Duration)> {
        let created = Stamped::from_unix_nanos((), self.terms.brought()?).created;
        let told = self.expiry.told();
        let age = Expiry::age_of_stamp(created, self.clock.wall(), self.policy().max_skew());
        let own = self.expiry.begun_age(&self.clock).map(nanoseconds);
        let is_newer = age.is_none_or(|age| own.is_none_or(|own| age < own));
        is_newer.then(|| (self.judge(age, told), Duration::from_nanos(age.unwrap_or(0))))
    }

    /// Until when nobody is to create, on the lock's clock, be that over or not.
    pub(crate) fn paused_until(&self) -> Option<u64> {
        let state = self.election.look();
        (state.is_timed() && !state.is_creating()).then(|| self.terms.held_until())
    }

    /// What is told of the lock that has this status, by that name.
    pub(super) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("freshness", &self.freshness())
            .field("generation", &self.generation())
            .field("creating", &self.is_creating())
            .field("expires_after", &Some(self.expires_after()).filter(|lifetime| *lifetime != Duration::MAX))
            .finish_non_exhaustive()
    }
}

impl<C: Clock> fmt::Debug for Status<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("Status", f)
    }
}
