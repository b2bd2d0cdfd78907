//! How a value ages: what the deadline word means where the policy has something to say of that.
//!
//! | the value is | what is told | an access |
//! |---|---|---|
//! | fresh | fresh | goes on |
//! | due: fresh, and its policy may have it renewed by now | fresh | may be elected; the others go on |
//! | stale | stale | is elected, if nobody is; the others go on |
//! | missing, or stale for too long | missing | is elected, if nobody is; the others wait |
//!
//! Without such a policy the deadline word says it all, unless the value says more of itself than how long it lives
//! ([`Life`]). Otherwise that word says from when on to look here: when the value is due, or expires. So a
//! hit costs the same. What else there is to know was planned when the value was published ([`Plan`]) and lies in three
//! words beside the lock: when the value `expires`, when it is `gone` (too old to be served), and what it has `said`.
//!
//! | | the value says | else the policy says | else |
//! |---|---|---|---|
//! | it expires | `expires_after`, less the policy's jitter | likewise of the lock's lifetime | after the lock's lifetime |
//! | it is due | `refresh_after`, for certain, and when it expires at the latest | `refresh_at`, `refresh_early` | when it expires |
//! | it is gone | `max_stale` after it has expired | `max_stale` | never |
//! | it covers a failure | - | `max_stale_on_error` after it has expired | until it is gone |
//!
//! # Why it holds
//!
//! The words are stored in this order, under one mutex: `expires`, `gone`, `said`, the bit of the rules in the word of
//! the [`election`](crate::election), the deadline. Each is released (that bit goes with the deadline), and they are
//! read the other way round, each acquired.
//!
//! - *Who reads a newer word than the deadline that it has seen* has seen that newer creation, with all that it wrote
//!   (L4), and reads the rest as new or newer. A newer `expires` makes the value fresh, which it is by now.
//! - *No word is read that was not planned.* A look goes by the words if the policy plans, or `said` has something of a
//!   value; then the others are there. If a newer value has said nothing, its deadline says it all, and whoever goes by
//!   an older one is told "stale" of what is fresh by now.
//! - *Where nothing else is to be read* ([`usable`](Dogpile::usable)) the bit of the rules is read after the deadline of
//!   the value that it is to say something of.
//! - *No old value is gone because the next one says so.* Of a value that arrives fresh `gone` lies behind its expiry,
//!   and so in the future; whoever reads it with an older deadline is told "stale" of what is fresh by now. At once
//!   `gone` is only what arrives stale, or is marked.

use super::Dogpile;
use super::random::random;
use super::sight::Sight;
use super::status::Status;
use super::terms::More;
use crate::clock::{Clock, nanoseconds};
use crate::election::Birth;
use crate::freshness::{Freshness, Look};
use crate::policy::{Life, OnError, Plan};
use crate::sync::Ordering;

impl<C: Clock> Status<C> {
    /// What the deadline word means at that time. (One that was born fresh, and is still unstamped, is fresh.)
    pub(crate) fn sight(&self, look: Look, now: u64) -> Sight {
        match look {
            Look::Known(Freshness::Fresh) | Look::Unstamped => Sight::Fresh,
            Look::Known(Freshness::Missing) => Sight::Missing,
            Look::Known(Freshness::Stale) => self.aged(now),
            Look::Passed => {
                let aged = self.aged(now);
                // Acquire: pairs with the release in `carry_out`.
                match self.terms.planned().map(|more| more.expires.load(Ordering::Acquire)) {
                    Some(expires) if now < expires => Sight::Due,
                    _ => aged,
                }
            }
        }
    }

    /// What a value is that is stale, or worse.
    fn aged(&self, now: u64) -> Sight {
        // Acquire: as in `sight`.
        let gone = self.terms.planned().map_or(u64::MAX, More::gone);
        if has_gone(now, gone) { Sight::Missing } else { Sight::Stale }
    }

    /// How long a value serves that has expired, and says nothing of that itself, in nanoseconds.
    fn max_stale(&self) -> u64 {
        self.policy().max_stale().map_or(u64::MAX, nanoseconds)
    }

    /// Until how long after its expiry a value covers a failure, if that is said apart from how long it serves.
    fn max_stale_on_error(&self) -> Option<u64> {
        self.policy().max_stale_on_error().map(nanoseconds)
    }

    /// Whether an access whose creator has failed may be given an old value at all.
    pub(crate) fn serves_stale(&self) -> bool {
        self.policy().on_error() == OnError::ServeStale
    }

    /// Whether the value that the lock itself knows of covers a failure now.
    pub(crate) fn covers_failures(&self) -> bool {
        let now = self.expiry.now(&self.clock);
        self.serves_stale() && self.covers_failures_at(now)
    }

    fn covers_failures_at(&self, now: u64) -> bool {
        let look = self.expiry.peek(now);
        match (self.sight(look, now), self.max_stale_on_error(), look) {
            (Sight::Fresh | Sight::Due, ..) => true,
            (sight, None, _) => sight != Sight::Missing,
            // Invalidated, or never there.
            (_, Some(_), Look::Known(Freshness::Missing)) => false,
            // Zero in any case: `now` may be a coarse reading, and lag behind a mark.
            (_, Some(max_stale), _) => max_stale != 0 && !has_gone(now, gone_after(self.expires(), max_stale)),
        }
    }

    /// When the value expires, or since when it has been stale; as far as that was planned.
    fn expires(&self) -> u64 {
        // Acquire: as in `sight`.
        self.terms.planned().map_or(u64::MAX, |more| more.expires.load(Ordering::Acquire))
    }

    /// What to think of a value from elsewhere, of that age in nanoseconds, if that can be believed; and of which
    /// somebody `told` this lock that. Whoever said something to this lock has made no value younger.
    pub(crate) fn judge(&self, age: Option<u64>, told: Freshness) -> Sight {
        self.judge_living(age, told, nanoseconds(self.expiry.lifetime()))
    }

    /// As [`judge`](Self::judge), of a value that lives for so many nanoseconds, whatever the lock says.
    pub(crate) fn judge_living(&self, age: Option<u64>, told: Freshness, lifetime: u64) -> Sight {
        self.judge_by(age, told, lifetime, self.max_stale())
    }

    /// Whether a value covers a failure now that lives for so many nanoseconds.
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

/// Whether a time is over that may be without an end.
fn has_gone(now: u64, until: u64) -> bool {
    until != u64::MAX && now >= until
}

/// When a value is gone that expires then; without an end if `max_stale` is.
fn gone_after(expires: u64, max_stale: u64) -> u64 {
    if max_stale == u64::MAX { u64::MAX } else { expires.saturating_add(max_stale).min(u64::MAX - 1) }
}

/// The same of one that is stale already. With zero at any time: a reading may be coarse, and lag behind.
fn gone_once_stale(expires: u64, max_stale: u64) -> u64 {
    if max_stale == 0 { 0 } else { gone_after(expires, max_stale) }
}

impl<C: Clock> Dogpile<C> {
    /// Whether this access is to renew a value that is due: to be asked once.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.terms.planned().is_some_and(|more| {
            // Relaxed, both: what is drawn from them is random anyway.
            let (expires, cost) = (more.expires.load(Ordering::Relaxed), more.cost());
            more.said().is_due() || self.policy().is_due(expires.saturating_sub(now), cost, 1.0 - random())
        })
    }

    /// A value is there from `now` on (exact), of a creation that was born then, if of any. Under the mutex.
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

    /// Plans the life of a value, and stores all of that but the deadline, which it returns. Under the mutex.
    fn carry_out(&self, more: &More, now: u64, life: &Life) -> u64 {
        let lifetime = nanoseconds(life.lifetime.unwrap_or(self.expiry.lifetime()));
        // Relaxed: under the mutex.
        let plan = self.policy().plan(now, lifetime, more.cost(), random());
        let Plan { due, expires } = match life.refresh_after {
            None => plan,
            Some(after) => plan.renewed_after(now, after),
        };
        self.note(more, expires, expires <= now, life);
        due
    }

    /// Stores when a value expires, and what follows from that and from what it says itself. Under the mutex.
    fn note(&self, more: &More, expires: u64, is_stale: bool, life: &Life) {
        let max_stale = life.max_stale.map_or_else(|| self.max_stale(), nanoseconds);
        let gone = if is_stale { gone_once_stale(expires, max_stale) } else { gone_after(expires, max_stale) };
        // Release, all three, in this order: see above.
        more.expires.store(expires, Ordering::Release);
        more.rare().gone.store(gone, Ordering::Release);
        more.say(life);
        if life.is_planned() {
            self.election.be_ruled_by_value();
        }
    }

    /// As [`renew`](Self::renew), of a value that is stale already. Under the mutex.
    pub(crate) fn renew_stale(&self, now: u64, life: Life) {
        if let Some(more) = self.terms.to_plan(&life) {
            self.note(more, now, true, &life);
        }
        self.expiry.renew_stale(now);
        self.terms.forget_brought();
    }

    /// The value, if there is one, is stale from `now` on. Under the mutex.
    pub(super) fn be_stale(&self, now: u64) {
        if let Some(more) = self.terms.to_plan(&Life::AS_USUAL) {
            let max_stale = more.said().max_stale().unwrap_or_else(|| self.max_stale());
            // Release, both, in this order: see above.
            let expires = more.expires.fetch_min(now, Ordering::Release).min(now);
            more.rare().gone.fetch_min(gone_once_stale(expires, max_stale), Ordering::Release);
        }
        self.expiry.mark_stale(now);
    }

    /// Until when the value is worth its memory, if it was last used at `now` (exact); `None` if there is none. If it
    /// was only looked at, and was to be kept until some time `before`, that was no use of it.
    ///
    /// - With a bound to how old it may be served: until then; or until it covers no failure any more, if that is later.
    /// - With no bound: for its lifetime from its last use, so that a value that is asked for once in a lifetime is
    ///   there when it is renewed; and until it has expired in any case.
    ///
    /// A value that is stale because somebody said so has no time at which it expires, unless that is planned: the
    /// lifetime of one whose lock never expires is then how long it has lived so far.
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

    /// Starts the life of a value that was born fresh; returns the time to look at it again.
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

    /// What an access finds now: a value that was born fresh begins to live. One that is due is told of as fresh to all
    /// who are not to renew it.
    pub(crate) fn look(&self) -> Sight {
        self.look_at(self.expiry.now(&self.clock))
    }

    /// The same, as of that time.
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
