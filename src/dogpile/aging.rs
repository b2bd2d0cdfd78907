//! How a value ages: what the deadline word means where the policy has something to say of that.
//!
//! | the value is | what is told | an access |
//! |---|---|---|
//! | fresh | fresh | goes on |
//! | due: fresh, and its policy may have it renewed by now | fresh | may be elected; the others go on |
//! | stale | stale | is elected, if nobody is; the others go on |
//! | missing, or stale for too long | missing | is elected, if nobody is; the others wait |
//!
//! Without such a policy the deadline word says it all. With one, that word says from when on to look here: when the
//! value is due, or expires. So a hit costs the same. What else there is to know was planned when the value was
//! published ([`Plan`]) and lies in two words beside the lock. `expires` is stored before the deadline, under the same
//! mutex, released, and read after it, acquired: whoever reads a newer one than the deadline that it has seen has seen
//! that newer creation, with all that it wrote (L4).

use super::terms::random;
use super::{Dogpile, Status};
use crate::clock::{Clock, nanoseconds};
use crate::election::Birth;
use crate::freshness::{Freshness, Look};
use crate::policy::Plan;
use crate::sync::Ordering;
use std::time::Duration;

/// What an access finds that looks at the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    Fresh,
    /// Fresh, and may be renewed early.
    Due,
    Stale,
    /// Missing, or too old to be used.
    Missing,
}

impl Sight {
    /// What is told of it.
    pub(crate) fn freshness(self) -> Freshness {
        match self {
            Self::Fresh | Self::Due => Freshness::Fresh,
            Self::Stale => Freshness::Stale,
            Self::Missing => Freshness::Missing,
        }
    }
}

impl<C: Clock> Status<C> {
    /// What the deadline word means at that time. (One that was born fresh, and is still unstamped, is fresh.)
    pub(crate) fn sight(&self, look: Look, now: u64) -> Sight {
        match look {
            Look::Known(Freshness::Fresh) | Look::Unstamped => Sight::Fresh,
            Look::Known(Freshness::Missing) => Sight::Missing,
            Look::Known(Freshness::Stale) => self.aged(now),
            Look::Passed => match self.terms.planned().map(|more| more.expires.load(Ordering::Acquire)) {
                // Acquire: pairs with the release in `carry_out`.
                Some(expires) if now < expires => Sight::Due,
                _ => self.aged(now),
            },
        }
    }

    fn aged(&self, now: u64) -> Sight {
        let too_old = self.terms.planned().is_some_and(|more| {
            let max_stale = self.policy().max_stale().map_or(u64::MAX, nanoseconds);
            // Acquire: as in `sight`. Zero in any case: `now` may be a coarse reading, and lag behind a mark.
            max_stale == 0
                || (max_stale != u64::MAX && now >= more.expires.load(Ordering::Acquire).saturating_add(max_stale))
        });
        if too_old { Sight::Missing } else { Sight::Stale }
    }

    /// What to think of a value from elsewhere, of that age in nanoseconds, if that can be believed; and of which
    /// somebody `told` this lock that. Whoever said something to this lock has made no value younger.
    pub(crate) fn judge(&self, age: Option<u64>, told: Freshness) -> Sight {
        match (told, self.judge_age(age)) {
            (Freshness::Missing, _) => Sight::Missing,
            (Freshness::Stale, Sight::Fresh | Sight::Due) if self.policy().max_stale() == Some(Duration::ZERO) => {
                Sight::Missing
            }
            (Freshness::Stale, Sight::Fresh | Sight::Due) => Sight::Stale,
            (_, sight) => sight,
        }
    }

    fn judge_age(&self, age: Option<u64>) -> Sight {
        let (policy, lifetime) = (self.policy(), nanoseconds(self.expiry.lifetime()));
        let max_stale = policy.max_stale().map_or(u64::MAX, nanoseconds);
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
        let cost = self.terms.planned().map_or(0, |more| more.cost.load(Ordering::Relaxed));
        let due = policy.plans() && policy.is_due_at_age(age, lifetime, cost, 1.0 - random());
        if due { Sight::Due } else { Sight::Fresh }
    }
}

impl<C: Clock> Dogpile<C> {
    /// Whether this access is to renew a value that is due: to be asked once.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.terms.planned().is_some_and(|more| {
            // Relaxed, both: what is drawn from them is random anyway.
            let (expires, cost) = (more.expires.load(Ordering::Relaxed), more.cost.load(Ordering::Relaxed));
            self.policy().is_due(expires.saturating_sub(now), cost, 1.0 - random())
        })
    }

    /// A value is there from `now` on (exact), of a creation that was born then, if of any. Under the mutex.
    pub(crate) fn renew(&self, now: u64, lifetime: Option<Duration>, born: Option<Birth>) {
        if self.policy().plans() {
            if let Some(born) = born {
                self.terms.more().cost.store(now.saturating_sub(born.started), Ordering::Relaxed); // see `is_due`
            }
            let due = self.carry_out(now, nanoseconds(lifetime.unwrap_or(self.expiry.lifetime())));
            self.expiry.renew_until(now, due);
        } else {
            match lifetime {
                None => self.expiry.renew(now),
                Some(lifetime) => self.expiry.renew_for(now, lifetime),
            }
        }
        self.terms.forget_brought();
    }

    /// Plans the life of a value, and stores all of that but the deadline, which it returns. Under the mutex.
    fn carry_out(&self, now: u64, lifetime: u64) -> u64 {
        let more = self.terms.more();
        // Relaxed: under the mutex.
        let Plan { due, expires } = self.policy().plan(now, lifetime, more.cost.load(Ordering::Relaxed), random());
        // Release: see above.
        more.expires.store(expires, Ordering::Release);
        due
    }

    /// As [`renew`](Self::renew), of a value that is stale already. Under the mutex.
    pub(crate) fn renew_stale(&self, now: u64) {
        if self.policy().plans() {
            // Release: see above.
            self.terms.more().expires.store(now, Ordering::Release);
        }
        self.expiry.renew_stale(now);
        self.terms.forget_brought();
    }

    /// The value, if there is one, is stale from `now` on. Under the mutex.
    pub(super) fn be_stale(&self, now: u64) {
        if self.policy().plans() {
            // Release: see above.
            self.terms.more().expires.fetch_min(now, Ordering::Release);
        }
        self.expiry.mark_stale(now);
    }

    /// Until when the value is worth its memory, if it was last used at `now` (exact); `None` if there is none. If it
    /// was only looked at, and was to be kept until some time `before`, that was no use of it.
    ///
    /// - With a bound to how old it may be served: until then.
    /// - With no bound: for its lifetime from its last use, so that a value that is asked for once in a lifetime is
    ///   there when it is renewed; and until it has expired in any case.
    ///
    /// A value that is stale because somebody said so has no time at which it expires, unless its policy plans: the
    /// lifetime of one whose lock never expires is then how long it has lived so far.
    pub(crate) fn worth_keeping_until(&self, now: u64, before: Option<u64>) -> Option<u64> {
        if self.sight(self.expiry.peek(now), now) == Sight::Missing {
            return None;
        }
        // Acquire: as in `sight`.
        let planned = self.terms.planned().map(|more| more.expires.load(Ordering::Acquire));
        let expires = planned.unwrap_or_else(|| self.expiry.expires());
        let max_stale = self.policy().max_stale().map_or(u64::MAX, nanoseconds);
        if max_stale != u64::MAX {
            return Some(expires.saturating_add(max_stale));
        }
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
                    let due = self.carry_out(now, nanoseconds(self.expiry.lifetime()));
                    self.expiry.stamp_born_until(now, due);
                }
            });
        } else {
            self.expiry.stamp_born(now);
        }
        self.expiry.now(&self.clock)
    }
}
