//! How a value ages: the meaning of the deadline word where the policy or the value has something to say of that.
//!
//! | the value is | the user is told | an access |
//! |---|---|---|
//! | fresh | fresh | goes on |
//! | due: fresh, and its policy may have it renewed by now | fresh | may be elected; the others go on |
//! | stale | stale | is elected if no creation runs; the others go on |
//! | missing, or stale for too long | missing | is elected if no creation runs; the others wait |
//!
//! Without such a policy the deadline word says everything, unless the value says more of itself than how long it lives
//! ([`Life`]). With such a policy or value, the deadline word says from when on an access has to look here: when the
//! value is due, or expires. So a hit costs the same. The rest was planned when the value was published ([`Plan`]), and
//! lies in three words beside the lock: `expires`, when the value expires; `gone`, when it is too old to be served; and
//! `said`, what the value has said.
//!
//! | the value | if the value says so | else, if the policy says so | else |
//! |---|---|---|---|
//! | expires | after its `expires_after`, less the policy's jitter | after the lock's lifetime, less the policy's jitter | after the lock's lifetime |
//! | is due | after its `refresh_after`, for certain, and at the latest when it expires | by `refresh_at` or `refresh_early` | when it expires |
//! | is gone | its `max_stale` after it has expired | the policy's `max_stale` after it has expired | never |
//! | no longer covers a failure | - | `max_stale_on_error` after it has expired | when it is gone |
//!
//! # Why it holds
//!
//! The words are stored under one mutex, in this order: `expires`, `gone`, `said`, the bit of the rules in the word of
//! the [`election`](crate::election), the deadline. Each store is a release; that of the bit goes with the deadline.
//! The words are read in the reverse order. Each load is an acquire.
//!
//! - *A word may be newer than the deadline that an access has seen.* Then the access has seen the newer creation, with
//!   everything that its creator wrote (L4), and reads the other words as new or newer. A newer `expires` makes the
//!   value fresh, and the value is fresh by now.
//! - *No word is read that was not planned.* A look goes by the words if the policy plans, or if `said` holds something
//!   that a value has said. In both cases the other words are there. If a newer value has said nothing, its deadline
//!   says everything. A look that goes by an older deadline then tells "stale" of a value that is fresh by now.
//! - *Where nothing else is read* ([`usable`](Dogpile::usable)), the bit of the rules is read after the deadline of the
//!   value that the bit is about.
//! - *No old value is gone because the next value says so.* If a value arrives fresh, its `gone` lies behind its
//!   expiry, and so in the future. An access that reads this `gone` with an older deadline tells "stale" of a value
//!   that is fresh by now. A value is gone at once only if it arrives stale, or is marked as stale.

use super::Dogpile;
use super::sight::Sight;
use super::status::Status;
use super::terms::More;
use crate::clock::{Clock, nanoseconds};
use crate::election::Birth;
use crate::freshness::{Freshness, Look};
use crate::policy::{Life, OnError, Plan, random};
use crate::sync::Ordering;

impl<C: Clock> Status<C> {
    /// Returns what the deadline word means at `now`. A value that was born fresh, and has no stamp yet, is fresh.
    pub(crate) fn sight(&self, look: Look, now: u64) -> Sight {
        match look {
            Look::Known(Freshness::Fresh) | Look::Unstamped => Sight::Fresh,
            Look::Known(Freshness::Missing) => Sight::Missing,
            Look::Known(Freshness::Stale) => self.aged(now),
            Look::Passed => {
                let aged = self.aged(now);
                // Acquire: pairs with the releases in `note` and `be_stale`.
                match self.terms.planned().map(|more| more.expires.load(Ordering::Acquire)) {
                    Some(expires) if now < expires => Sight::Due,
                    _ => aged,
                }
            }
        }
    }

    /// Returns what a value is that has expired or is marked as stale: stale, or gone.
    fn aged(&self, now: u64) -> Sight {
        // Acquire: as in `sight`.
        let gone = self.terms.planned().map_or(u64::MAX, More::gone);
        if has_gone(now, gone) { Sight::Missing } else { Sight::Stale }
    }

    /// Returns how long an expired value may be served that says nothing of that itself, in nanoseconds.
    fn max_stale(&self) -> u64 {
        self.policy().max_stale().map_or(u64::MAX, nanoseconds)
    }

    /// Returns how long after its expiry a value covers a failure, in nanoseconds; `None` if the policy does not say so
    /// apart from how long a value may be served.
    fn max_stale_on_error(&self) -> Option<u64> {
        self.policy().max_stale_on_error().map(nanoseconds)
    }

    /// Returns whether an access whose creator has failed may be given an old value at all.
    pub(crate) fn serves_stale(&self) -> bool {
        self.policy().on_error() == OnError::ServeStale
    }

    /// Returns whether the value that the lock itself knows of covers a failure now.
    pub(crate) fn covers_failures(&self) -> bool {
        let now = self.expiry.now(&self.clock);
        self.serves_stale() && self.covers_failures_at(now)
    }

    fn covers_failures_at(&self, now: u64) -> bool {
        let look = self.expiry.peek(now);
        match (self.sight(look, now), self.max_stale_on_error(), look) {
            (Sight::Fresh | Sight::Due, ..) => true,
            (sight, None, _) => sight != Sight::Missing,
            // The value was invalidated, or never was there.
            (_, Some(_), Look::Known(Freshness::Missing)) => false,
            // With zero, the value does not cover a failure in any case: `now` may be a coarse reading, and lag behind
            // a mark.
            (_, Some(max_stale), _) => max_stale != 0 && !has_gone(now, gone_after(self.expires(), max_stale)),
        }
    }

    /// Returns when the value expires, or since when it has been stale, as far as that was planned; else `u64::MAX`.
    fn expires(&self) -> u64 {
        // Acquire: as in `sight`.
        self.terms.planned().map_or(u64::MAX, |more| more.expires.load(Ordering::Acquire))
    }

    /// Judges a value from elsewhere. `age` is its age in nanoseconds; `None` if its stamp cannot be believed. `told`
    /// is what the user has said to this lock of its value, which makes no value younger.
    pub(crate) fn judge(&self, age: Option<u64>, told: Freshness) -> Sight {
        self.judge_living(age, told, nanoseconds(self.expiry.lifetime()))
    }

    /// As [`judge`](Self::judge), for a value that lives for `lifetime` nanoseconds, however long the lock's own values
    /// live.
    pub(crate) fn judge_living(&self, age: Option<u64>, told: Freshness, lifetime: u64) -> Sight {
        self.judge_by(age, told, lifetime, self.max_stale())
    }

    /// Returns whether a value that lives for `lifetime` nanoseconds covers a failure now. The arguments are those of
    /// [`judge_living`](Self::judge_living).
    pub(crate) fn judge_cover(&self, age: Option<u64>, told: Freshness, lifetime: u64) -> bool {
        let max_stale = self.max_stale_on_error().unwrap_or_else(|| self.max_stale());
        self.serves_stale() && self.judge_by(age, told, lifetime, max_stale) != Sight::Missing
    }

    fn judge_by(&self, age: Option<u64>, told: Freshness, lifetime: u64, max_stale: u64) -> Sight {
        match (told, self.judge_age(age, lifetime, max_stale)) {
            (Freshness::Missing, _) => Sight::Missing,
            (Freshness::Stale, Sight::Fresh | Sight::Due) if max_stale == 0 => Sight::Missing,
            (Freshness::Stale, Sight::Fresh | Sight::Due) => Sight::Stale,
            (_, sight) => sight,
        }
    }

    fn judge_age(&self, age: Option<u64>, lifetime: u64, max_stale: u64) -> Sight {
        let policy = self.policy();
        let Some(age) = age else { return if max_stale == 0 { Sight::Missing } else { Sight::Stale } };
        if lifetime == u64::MAX {
            return Sight::Fresh;
        }
        if max_stale != u64::MAX && age >= lifetime.saturating_add(max_stale) {
            return Sight::Missing;
        }
        if age >= lifetime {
            return Sight::Stale;
        }
        // Relaxed: as in `is_due`.
        let cost = self.terms.planned().map_or(0, More::cost);
        let due = policy.plans() && policy.is_due_at_age(age, lifetime, cost, 1.0 - random());
        if due { Sight::Due } else { Sight::Fresh }
    }
}

/// Returns whether the time until `until` is over. `u64::MAX` is a time without an end.
fn has_gone(now: u64, until: u64) -> bool {
    until != u64::MAX && now >= until
}

/// Returns when a value is gone that expires at `expires`; `u64::MAX`, which is never, if `max_stale` has no end.
fn gone_after(expires: u64, max_stale: u64) -> u64 {
    if max_stale == u64::MAX { u64::MAX } else { expires.saturating_add(max_stale).min(u64::MAX - 1) }
}

/// As [`gone_after`], for a value that is stale already. With a `max_stale` of zero the value is gone at any time,
/// since a coarse reading of the clock may lag behind `expires`.
fn gone_once_stale(expires: u64, max_stale: u64) -> u64 {
    if max_stale == 0 { 0 } else { gone_after(expires, max_stale) }
}

impl<C: Clock> Dogpile<C> {
    /// Decides whether this access is to renew a value that is due. An access asks once: each call draws anew.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.terms.planned().is_some_and(|more| {
            // Relaxed, both: the answer that is drawn from them is random anyway.
            let (expires, cost) = (more.expires.load(Ordering::Relaxed), more.cost());
            more.said().is_due() || self.policy().is_due_before(expires.saturating_sub(now), cost, 1.0 - random())
        })
    }

    /// Notes that a value is there from `now` on (exact). `born` is the birth of the creation that made it, if a
    /// creation did. Called under the mutex.
    pub(crate) fn renew(&self, now: u64, life: Life, born: Option<Birth>) {
        if let Some(more) = self.terms.to_plan(&life) {
            if let Some(born) = born {
                more.note_cost(now.saturating_sub(born.started));
            }
            let due = self.carry_out(more, now, &life);
            self.expiry.renew_until(now, due);
        } else {
            match life.lifetime {
                None => self.expiry.renew(now),
                Some(lifetime) => self.expiry.renew_for(now, lifetime),
            }
        }
        self.terms.forget_brought();
    }

    /// Plans the life of a value. Stores the plan except for the deadline, and returns the deadline. Called under the
    /// mutex.
    fn carry_out(&self, more: &More, now: u64, life: &Life) -> u64 {
        let lifetime = nanoseconds(life.lifetime.unwrap_or(self.expiry.lifetime()));
        // Relaxed: this is called under the mutex.
        let plan = self.policy().plan(now, lifetime, more.cost(), random());
        let Plan { due, expires } = match life.refresh_after {
            None => plan,
            Some(after) => plan.renewed_after(now, after),
        };
        self.note(more, expires, expires <= now, life);
        due
    }

    /// Stores when a value expires, and what follows from that and from what the value says itself. Called under the
    /// mutex.
    fn note(&self, more: &More, expires: u64, is_stale: bool, life: &Life) {
        let max_stale = life.max_stale.map_or_else(|| self.max_stale(), nanoseconds);
        let gone = if is_stale { gone_once_stale(expires, max_stale) } else { gone_after(expires, max_stale) };
        // Release, all three (the third in `say`), in this order: see the module docs.
        more.expires.store(expires, Ordering::Release);
        more.rare().gone.store(gone, Ordering::Release);
        more.say(life);
        if life.is_planned() {
            self.election.be_ruled_by_value();
        }
    }

    /// As [`renew`](Self::renew), for a value that is stale already. Called under the mutex.
    pub(crate) fn renew_stale(&self, now: u64, life: Life) {
        if let Some(more) = self.terms.to_plan(&life) {
            self.note(more, now, true, &life);
        }
        self.expiry.renew_stale(now);
        self.terms.forget_brought();
    }

    /// Makes the value, if there is one, stale from `now` on. Called under the mutex.
    pub(super) fn be_stale(&self, now: u64) {
        if let Some(more) = self.terms.to_plan(&Life::AS_USUAL) {
            let max_stale = more.said().max_stale().unwrap_or_else(|| self.max_stale());
            // Release, both, in this order: see the module docs.
            let expires = more.expires.fetch_min(now, Ordering::Release).min(now);
            more.rare().gone.fetch_min(gone_once_stale(expires, max_stale), Ordering::Release);
        }
        self.expiry.mark_stale(now);
    }

    /// Returns until when the value is worth its memory, if an access used it last at `now` (exact); `None` if there is
    /// no value. A mere look at the value is no use of it: then `before` is the time until which the value was to be
    /// kept before the look.
    ///
    /// - With a bound on how old a value may be when it is served, the value is kept until that bound, or until it no
    ///   longer covers a failure, if that is later.
    /// - Without a bound, the value is kept for its lifetime from its last use. So a value that is asked for once in a
    ///   lifetime is there when it is renewed. In any case the value is kept until it has expired.
    ///
    /// A value that is stale because the user said so has no time at which it expires, unless its life is planned. If
    /// the values of the lock never expire, the lifetime of such a value is how long it has lived so far.
    pub(crate) fn worth_keeping_until(&self, now: u64, before: Option<u64>) -> Option<u64> {
        let covers = self.serves_stale() && self.max_stale_on_error().is_some() && self.covers_failures_at(now);
        if !covers && self.sight(self.expiry.peek(now), now) == Sight::Missing {
            return None;
        }
        // Acquire: as in `sight`.
        let gone = self.terms.planned().map_or(u64::MAX, More::gone);
        let covers_for = self.max_stale_on_error().filter(|_| covers);
        let until = covers_for.map_or(gone, |max_stale| gone.max(gone_after(self.expires(), max_stale)));
        if until != u64::MAX {
            return Some(until);
        }
        let expires = if self.terms.planned().is_some() { self.expires() } else { self.expiry.expires() };
        let lifetime = self.expiry.lifetime_until(if expires == 0 { now } else { expires });
        let idle_until = before.unwrap_or_else(|| now.saturating_add(lifetime));
        Some(idle_until.max(expires))
    }

    /// Starts the life of a value that was born fresh. Returns the time as of which to look at the value again.
    pub(crate) fn stamp_born(&self) -> u64 {
        let now = self.clock.now();
        if self.policy().plans() {
            self.election.still(|| {
                if self.expiry.is_unstamped() {
                    let due = self.carry_out(self.terms.more(), now, &Life::AS_USUAL);
                    self.expiry.stamp_born_until(now, due);
                }
            });
        } else {
            self.expiry.stamp_born(now);
        }
        self.expiry.now(&self.clock)
    }

    /// Looks at the value, for an access, as of now. A value that was born fresh begins to live. A value that is due is
    /// fresh to each access that is not to renew it.
    pub(crate) fn look(&self) -> Sight {
        self.look_at(self.expiry.now(&self.clock))
    }

    /// As [`look`](Self::look), as of `now`.
    pub(crate) fn look_at(&self, mut now: u64) -> Sight {
        let mut look = self.expiry.look(now);
        if look == Look::Unstamped {
            now = self.stamp_born();
            look = self.expiry.look(now);
        }
        match self.sight(look, now) {
            Sight::Due if !self.is_due(now) => Sight::Fresh,
            sight => sight,
        }
    }
}
